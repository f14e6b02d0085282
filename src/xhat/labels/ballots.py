"""Giving out images and taking votes; every way of sending something twice has one outcome.

What a browser shows are *tickets*: an image that was given to somebody. Tickets stay open until
they are answered, so a reload, a second tab and a lost connection show the same ones. A vote
answers a ticket in its present *revision*; undoing it opens the next revision. So

- the same vote again, sent or replayed, changes nothing and is acknowledged as recorded;
- another vote for what is answered changes nothing and says so: the first one counts;
- a vote for a revision that was undone since is refused as out of date.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from xhat.labels.collection import Settings
from xhat.labels.order import Due, next_image
from xhat.labels.schema import images, tickets, votes
from xhat.labels.votes import Ballot

__all__ = ["Outcome", "Receipt", "Ticket", "answered", "cast", "last", "undo", "upcoming"]

_LONGEST = 3_600.0  # seconds that a vote may have taken


@dataclass(frozen=True)
class Ticket:
    """An image that was given to somebody.

    Attributes:
        id: of the ticket.
        revision: how often its vote was undone.
        height, width: of the image.
        pixels: ``height × width`` bytes, row by row, white on black.
    """

    id: int
    revision: int
    height: int
    width: int
    pixels: bytes


class Outcome(StrEnum):
    """What became of a vote that was sent."""

    RECORDED = "recorded"
    ALREADY = "already recorded"
    FIRST_COUNTS = "another answer was recorded before, and counts"
    OUT_OF_DATE = "the image was opened again since, and waits for a new answer"
    UNDONE = "undone"
    NOTHING = "there is nothing to undo"
    UNKNOWN = "no such image was given to you"


@dataclass(frozen=True)
class Receipt:
    """What became of what was sent.

    Attributes:
        outcome: in words.
        ticket: which image it was about; None if there is none.
        done: how many images this person has answered.
    """

    outcome: Outcome
    ticket: int | None
    done: int


def upcoming(
    connection: Connection,
    person: int,
    settings: Settings,
    now: float,
    *,
    ahead: int = 3,
    draw: Callable[[], float],
) -> list[Ticket]:
    """Return the next images for a person: those that are open, and as many new ones as needed.

    Args:
        connection: to write through.
        person: the annotator's number.
        settings: of the collection.
        now: seconds since 1970.
        ahead: how many there should be, so that a page never waits for the next.
        draw: returns a uniform number in [0, 1), for repeats and gold images.
    """
    found = _open(connection, person)
    while len(found) < ahead:
        due = next_image(connection, person, settings, draw)
        if due is None:
            break
        _give(connection, person, due, now)
        found = _open(connection, person)
    return [
        Ticket(row.id, row.revision, row.height, row.width, bytes(row.pixels))
        for row in found[:ahead]
    ]


def cast(
    connection: Connection,
    person: int,
    ticket: int,
    revision: int,
    ballot: Ballot,
    now: float,
    *,
    seconds: float | None = None,
) -> Receipt:
    """Record a vote.

    Args:
        connection: to write through.
        person: who votes; a ticket of somebody else's is unknown to them.
        ticket: which image.
        revision: of the ticket, as it was given.
        ballot: what is said.
        now: seconds since 1970.
        seconds: how long it took by the page's own stopwatch, taken for what it can be at most.
    """
    row = _ticket(connection, person, ticket)
    if row is None:
        return Receipt(Outcome.UNKNOWN, None, answered(connection, person))
    outcome = _outcome(connection, row, revision, ballot)
    if outcome is Outcome.RECORDED:
        took = None if seconds is None else max(0.0, min(seconds, now - row.given, _LONGEST))
        connection.execute(
            insert(votes).values(
                ticket=ticket,
                revision=revision,
                annotator=person,
                image=row.image,
                shares=list(ballot.shares),
                seconds=took,
                cast=now,
            )
        )
        connection.execute(
            update(tickets).where(tickets.c.id == ticket).values(answered=True, forgone=False)
        )
        if row.forgone:  # its place was given up, and is taken again
            connection.execute(
                update(images)
                .where(images.c.id == row.image, images.c.wanted > 0)
                .values(wanted=images.c.wanted - 1)
            )
    return Receipt(outcome, ticket, answered(connection, person))


def undo(connection: Connection, person: int, ticket: int, revision: int, now: float) -> Receipt:
    """Take back a vote: its ticket is opened again, and is the next that is shown.

    Undoing twice the same vote, from two tabs or since an answer was lost, undoes it once.

    Args:
        connection: to write through.
        person: whose.
        ticket: which image.
        revision: that was answered.
        now: seconds since 1970.
    """
    row = _ticket(connection, person, ticket)
    if row is None:
        return Receipt(Outcome.UNKNOWN, None, answered(connection, person))
    if not row.answered or revision != row.revision:
        return Receipt(Outcome.NOTHING, ticket, answered(connection, person))
    connection.execute(
        update(votes)
        .where(votes.c.ticket == ticket, votes.c.revision == revision)
        .values(withdrawn=now)
    )
    connection.execute(
        update(tickets)
        .where(tickets.c.id == ticket)
        .values(answered=False, revision=revision + 1, given=now)
    )
    return Receipt(Outcome.UNDONE, ticket, answered(connection, person))


def last(connection: Connection, person: int) -> tuple[int, int] | None:
    """Return ticket and revision of a person's last vote that stands; None without any."""
    query = (
        select(votes.c.ticket, votes.c.revision)
        .where(votes.c.annotator == person, votes.c.withdrawn.is_(None))
        .order_by(votes.c.id.desc())
        .limit(1)
    )
    found = connection.execute(query).first()
    return None if found is None else (found.ticket, found.revision)


def answered(connection: Connection, person: int) -> int:
    """Return how many images a person has answered."""
    query = select(func.count()).where(tickets.c.annotator == person, tickets.c.answered)
    return connection.execute(query).scalar_one()


def _outcome(connection: Connection, row: Row[Any], revision: int, ballot: Ballot) -> Outcome:
    if revision != row.revision:
        return Outcome.OUT_OF_DATE
    query = select(votes.c.shares).where(votes.c.ticket == row.id, votes.c.revision == revision)
    had = connection.execute(query).first()
    if had is None:
        return Outcome.RECORDED
    return Outcome.ALREADY if list(had.shares) == list(ballot.shares) else Outcome.FIRST_COUNTS


def _open(connection: Connection, person: int) -> Sequence[Any]:
    query = (
        select(tickets.c.id, tickets.c.revision, images.c.height, images.c.width, images.c.pixels)
        .join(images, images.c.id == tickets.c.image)
        .where(tickets.c.annotator == person, ~tickets.c.answered)
        # what was taken back comes first, then the oldest
        .order_by((tickets.c.revision > 0).desc(), tickets.c.given, tickets.c.id)
    )
    return connection.execute(query).all()


def _ticket(connection: Connection, person: int, ticket: int) -> Row[Any] | None:
    query = select(tickets).where(tickets.c.id == ticket, tickets.c.annotator == person)
    return connection.execute(query).first()


def _give(connection: Connection, person: int, due: Due, now: float) -> None:
    connection.execute(
        insert(tickets).values(annotator=person, image=due.image, repeat=due.repeat, given=now)
    )
    if due.counts:
        connection.execute(
            update(images).where(images.c.id == due.image).values(wanted=images.c.wanted - 1)
        )
