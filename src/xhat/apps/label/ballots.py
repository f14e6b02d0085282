"""Giving out images and taking votes; every way of sending something twice has one outcome.

What a browser shows are *tickets*: an image that was given to somebody. Tickets stay open until
they are answered, so a reload, a second tab and a lost connection show the same ones. A vote
answers a ticket in its present *revision*; undoing it opens the next revision. So

- the same vote again, sent or replayed, changes nothing and is acknowledged as recorded;
- another vote for what is answered changes nothing and says so: the first one counts;
- a vote for a revision that was undone since is refused as out of date.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from xhat.apps.label.collection import Settings
from xhat.apps.label.order import Due, next_image
from xhat.apps.label.schema import images, tickets, votes
from xhat.apps.label.votes import Ballot

__all__ = ["Outcome", "Ticket", "answered", "cast", "last", "undo", "upcoming"]

_LONGEST = 3_600.0  # seconds that a vote may have taken


@dataclass(frozen=True)
class Ticket:
    """An image that was given to somebody.

    Attributes:
        id: of the ticket.
        revision: how often its vote was undone.
        height, width: of the image.
        pixels: ``height × width`` bytes, row by row, or three times as many in colours.
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
    found = [Ticket(*row) for row in connection.execute(_OPEN, {"person": person})]
    while len(found) < ahead:
        due = next_image(connection, person, settings, draw)
        if due is None:
            break
        # the newest comes last
        found.append(_give(connection, person, due, now))
    return found[:ahead]


def cast(
    connection: Connection,
    person: int,
    ticket: int,
    revision: int,
    ballot: Ballot,
    now: float,
    *,
    seconds: float | None = None,
) -> Outcome:
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
        return Outcome.UNKNOWN
    outcome = _outcome(connection, row, revision, ballot)
    if outcome is not Outcome.RECORDED:
        return outcome
    took = None if seconds is None else max(0.0, min(seconds, now - row.given, _LONGEST))
    connection.execute(
        _CAST,
        {
            "ticket": ticket,
            "revision": revision,
            "annotator": person,
            "image": row.image,
            "shares": list(ballot.shares),
            "seconds": took,
            "cast": now,
        },
    )
    connection.execute(_ANSWERED, {"which": ticket})
    if row.forgone:  # its place was given up, and is taken again
        connection.execute(
            update(images)
            .where(images.c.id == row.image, images.c.wanted > 0)
            .values(wanted=images.c.wanted - 1)
        )
    return outcome


def undo(connection: Connection, person: int, ticket: int, revision: int, now: float) -> Outcome:
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
        return Outcome.UNKNOWN
    if not row.answered or revision != row.revision:
        return Outcome.NOTHING
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
    return Outcome.UNDONE


def last(connection: Connection, person: int) -> tuple[int, int] | None:
    """Return ticket and revision of a person's last vote that stands; None without any."""
    found = connection.execute(_LAST, {"person": person}).first()
    return None if found is None else (found.ticket, found.revision)


def answered(connection: Connection, person: int) -> int:
    """Return how many images a person has answered."""
    return connection.execute(_COUNT, {"person": person}).scalar_one()


def _outcome(connection: Connection, row: Row[Any], revision: int, ballot: Ballot) -> Outcome:
    if revision != row.revision:
        return Outcome.OUT_OF_DATE
    if not row.answered:
        return Outcome.RECORDED
    which = {"ticket": row.id, "revision": revision}
    had = connection.execute(_SAID, which).scalar_one()
    return Outcome.ALREADY if list(had) == list(ballot.shares) else Outcome.FIRST_COUNTS


def _ticket(connection: Connection, person: int, ticket: int) -> Row[Any] | None:
    return connection.execute(_TICKET, {"person": person, "ticket": ticket}).first()


def _give(connection: Connection, person: int, due: Due, now: float) -> Ticket:
    key = connection.execute(
        _GIVE, {"annotator": person, "image": due.image, "repeat": due.repeat, "given": now}
    ).inserted_primary_key
    if due.counts:
        connection.execute(_TAKEN, {"which": due.image})
    row = connection.execute(_SHOWN, {"which": due.image}).one()
    return Ticket(key[0] if key is not None else -1, 0, *row)


# Statements of every vote, built once: what SQLAlchemy does to build and recognise one takes longer
# than SQLite takes to run it.
_SIZE = (images.c.height, images.c.width, images.c.pixels)
_OPEN = (
    select(tickets.c.id, tickets.c.revision, *_SIZE)
    .join(images, images.c.id == tickets.c.image)
    .where(tickets.c.annotator == bindparam("person"), ~tickets.c.answered)
    # what was taken back comes first, then the oldest
    .order_by((tickets.c.revision > 0).desc(), tickets.c.given, tickets.c.id)
)
_SHOWN = select(*_SIZE).where(images.c.id == bindparam("which"))
_TICKET = select(tickets).where(
    tickets.c.id == bindparam("ticket"), tickets.c.annotator == bindparam("person")
)
_SAID = select(votes.c.shares).where(
    votes.c.ticket == bindparam("ticket"), votes.c.revision == bindparam("revision")
)
_GIVE = insert(tickets)
_CAST = insert(votes)
_ANSWERED = (
    update(tickets).where(tickets.c.id == bindparam("which")).values(answered=True, forgone=False)
)
_TAKEN = update(images).where(images.c.id == bindparam("which")).values(wanted=images.c.wanted - 1)
_COUNT = (
    select(func.count())
    .select_from(tickets)
    .where(tickets.c.annotator == bindparam("person"), tickets.c.answered)
)
_LAST = (
    select(votes.c.ticket, votes.c.revision)
    .where(votes.c.annotator == bindparam("person"), votes.c.withdrawn.is_(None))
    .order_by(votes.c.id.desc())
    .limit(1)
)
