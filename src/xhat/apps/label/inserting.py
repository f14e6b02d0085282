"""Votes from files, put where votes from the page are: behind tickets, by annotators of their own.

Whoever comes from a file cannot be entered: there is no secret whose hash is stored. They are named
after the file's checksum, so that the same file is not taken twice.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from xhat.apps.label.schema import annotators, images, tickets, votes
from xhat.apps.label.votes import Ballot

__all__ = ["Said", "insert_votes"]


@dataclass(frozen=True)
class Said:
    """A vote of a file.

    Attributes:
        image: its number in the database.
        who: the annotator, by their place in the file's list of people.
        ballot: what is said.
        repeat: whether they had seen the image before.
        cast: seconds since 1970.
        seconds: how long it took; None where it is not known.
    """

    image: int
    who: int
    ballot: Ballot
    repeat: bool
    cast: float
    seconds: float | None = None


def insert_votes(
    connection: Connection,
    checksum: str,
    people: Sequence[str],
    said: Sequence[Said],
    now: float,
    *,
    simulated: bool,
) -> None:
    """Put votes into a database, in their order.

    Args:
        connection: to write through.
        checksum: of the file.
        people: what the file calls them.
        said: the votes; of one person and image, one at most that is no repeat and one that is.
        now: seconds since 1970.
        simulated: whether they are models of annotators.

    Raises:
        ValueError: the votes of this file are there already.
    """
    prefix = f"import {checksum[:8]}: "
    known = select(annotators.c.id).where(annotators.c.name.startswith(prefix, autoescape=True))
    if connection.execute(known).first() is not None:
        raise ValueError("the votes of this file are in the database already.")
    rows = [
        {
            "name": f"{prefix}{k + 1} {name}"[:80].rstrip(),
            "hashed": f"{k + 1:064d}",  # of no secret that can be found
            "simulated": simulated,
            "created": now,
            "expires": now,
            "paused": False,
        }
        for k, name in enumerate(people)
    ]
    connection.execute(insert(annotators), rows)
    numbers = list(connection.execute(known.order_by(annotators.c.hashed)).scalars())
    of = _tickets(connection, numbers, said)
    connection.execute(
        insert(votes),
        [
            {
                "ticket": of[numbers[each.who], each.image, each.repeat],
                "revision": 0,
                "annotator": numbers[each.who],
                "image": each.image,
                "shares": list(each.ballot.shares),
                "seconds": each.seconds,
                "cast": each.cast,
            }
            for each in said
        ],
    )
    _count_sights(connection, said)


def _tickets(
    connection: Connection, numbers: list[int], said: Sequence[Said]
) -> dict[tuple[int, int, bool], int]:
    rows = [
        {
            "annotator": numbers[each.who],
            "image": each.image,
            "repeat": each.repeat,
            "revision": 0,
            "answered": True,
            "forgone": False,
            "given": each.cast - (each.seconds or 0.0),
        }
        for each in said
    ]
    connection.execute(insert(tickets), rows)
    query = select(tickets).where(tickets.c.annotator.in_(numbers))
    return {
        (row.annotator, row.image, row.repeat): row.id for row in connection.execute(query).all()
    }


def _count_sights(connection: Connection, said: Sequence[Said]) -> None:
    sights = Counter(each.image for each in said if not each.repeat)
    gold = set(connection.execute(select(images.c.id).where(images.c.gold)).scalars())
    for image, count in sights.items():
        if image not in gold:
            connection.execute(
                update(images).where(images.c.id == image).values(wanted=images.c.wanted - count)
            )
