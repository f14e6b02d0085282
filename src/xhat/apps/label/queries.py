"""Reading votes back: as arrays for measures, and as counts for those who watch over them.

Who misses images whose answer is known is careless, or misunderstands. Nobody is called careless
for one slip. The rule: two or more gold images were missed, and the lower end of the Wilson
interval of the share of missed ones, at 90 %, lies above a limit, by default 10 %. Who misses 2 of
5 or 5 of 20 is called careless by that; who misses one image in fifty on the mean is, after any
number of gold images, in fewer than one case in a hundred.

Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of
the American Statistical Association 1927.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sqlalchemy import Connection, func, select

from xhat.apps.label.collection import Settings
from xhat.apps.label.schema import annotators, images, tickets, votes
from xhat.apps.label.votes import Votes
from xhat.core import check_fraction

__all__ = [
    "LIMIT",
    "RULE",
    "GoldCheck",
    "ImageRow",
    "PersonRow",
    "Progress",
    "check_golds",
    "image_rows",
    "person_rows",
    "progress",
    "read_votes",
    "wilson",
]


@dataclass(frozen=True)
class ImageRow:
    """What is known of an image besides its votes; in the order in which they are asked about."""

    id: int
    digest: str
    source: str
    place: int
    label: int | None
    gold: bool
    details: dict[str, Any]


@dataclass(frozen=True)
class PersonRow:
    """An annotator, and what they have done.

    Attributes:
        id, name, simulated, paused: who.
        state: ``invited``, ``active``, ``paused``, ``revoked`` or ``expired``.
        votes: answers that stand.
        golds: answers to images whose answer is known.
        errors: of those, how many gave the right class less than half.
        seconds: median time of an answer; NaN without any.
        last: when the last one came, seconds since 1970; None if none came.
    """

    id: int
    name: str
    simulated: bool
    paused: bool
    state: str
    votes: int
    golds: int
    errors: int
    seconds: float
    last: float | None


@dataclass(frozen=True)
class Progress:
    """How far a collection is.

    Attributes:
        images: without gold ones.
        complete: how many of them were seen by as many people as was asked.
        votes: first sights that stand, gold ones left out.
        wanted: how many of those there are to be.
    """

    images: int
    complete: int
    votes: int
    wanted: int


def read_votes(
    connection: Connection, settings: Settings, *, simulated: bool = False, gold: bool = False
) -> Votes:
    """Return the votes that stand, of people or of simulated annotators, never of both.

    Images are numbered as in ``image_rows``, people as in ``person_rows``.

    Args:
        connection: to read from.
        settings: of the collection.
        simulated: whose.
        gold: whether to keep votes on gold images too.
    """
    image_of = {row.id: k for k, row in enumerate(image_rows(connection))}
    people = [row for row in _people(connection) if row["simulated"] == simulated]
    person_of = {row["id"]: k for k, row in enumerate(people)}
    query = (
        select(
            votes.c.image,
            votes.c.annotator,
            votes.c.shares,
            votes.c.seconds,
            tickets.c.repeat,
            images.c.gold,
        )
        .join(tickets, tickets.c.id == votes.c.ticket)
        .join(images, images.c.id == votes.c.image)
        .where(votes.c.withdrawn.is_(None))
        .order_by(votes.c.id)
    )
    rows = [
        row
        for row in connection.execute(query).all()
        if row.annotator in person_of and (gold or not row.gold)
    ]
    outcomes = len(settings.classes) + 1
    shares = np.zeros((len(rows), outcomes))
    for k, row in enumerate(rows):
        if row.shares:
            shares[k] = row.shares
    return Votes(
        image=np.array([image_of[row.image] for row in rows], dtype=np.int64),
        annotator=np.array([person_of[row.annotator] for row in rows], dtype=np.int64),
        shares=shares,
        repeat=np.array([row.repeat for row in rows], dtype=bool),
        seconds=np.array([np.nan if row.seconds is None else row.seconds for row in rows]),
        images=len(image_of),
        annotators=len(people),
    )


def image_rows(connection: Connection) -> list[ImageRow]:
    """Return all images, in the order in which they are asked about."""
    columns = (getattr(images.c, name) for name in ImageRow.__dataclass_fields__)
    query = select(*columns).order_by(images.c.rank)
    return [ImageRow(*row) for row in connection.execute(query).all()]


def person_rows(connection: Connection, now: float, *, simulated: bool = False) -> list[PersonRow]:
    """Return all annotators of a kind, and what they have done."""
    query = (
        select(
            votes.c.annotator,
            votes.c.shares,
            votes.c.seconds,
            votes.c.cast,
            images.c.gold,
            images.c.label,
        )
        .join(images, images.c.id == votes.c.image)
        .where(votes.c.withdrawn.is_(None))
        .order_by(votes.c.id)
    )
    said: dict[int, list[Any]] = {}
    for row in connection.execute(query).all():
        said.setdefault(row.annotator, []).append(row)
    return [
        _person(row, said.get(row["id"], ()), now)
        for row in _people(connection)
        if row["simulated"] == simulated
    ]


def progress(connection: Connection) -> Progress:
    """Return how far the collection is."""
    sight = ~tickets.c.repeat & ~images.c.gold
    of_tickets = select(func.count()).select_from(tickets).join(images)
    votes_cast = connection.execute(of_tickets.where(tickets.c.answered, sight)).scalar_one()
    waiting = connection.execute(
        of_tickets.where(~tickets.c.answered, ~tickets.c.forgone, sight)
    ).scalar_one()
    still_open = select(tickets.c.image).where(
        ~tickets.c.answered, ~tickets.c.forgone, ~tickets.c.repeat
    )
    is_complete = (images.c.wanted <= 0) & ~images.c.id.in_(still_open)
    ordinary = select(func.count()).select_from(images).where(~images.c.gold)
    left = select(func.coalesce(func.sum(images.c.wanted), 0)).where(images.c.wanted > 0)
    return Progress(
        images=connection.execute(ordinary).scalar_one(),
        complete=connection.execute(ordinary.where(is_complete)).scalar_one(),
        votes=votes_cast,
        wanted=votes_cast + waiting + int(connection.execute(left).scalar_one()),
    )


def _people(connection: Connection) -> Sequence[Any]:
    return connection.execute(select(annotators).order_by(annotators.c.id)).mappings().all()


def _person(row: Any, said: Sequence[Any], now: float) -> PersonRow:
    golds = [vote for vote in said if vote.gold]
    wrong = [vote for vote in golds if not vote.shares or vote.shares[vote.label] < 0.5]
    seconds = [vote.seconds for vote in said if vote.seconds is not None]
    return PersonRow(
        id=row["id"],
        name=row["name"],
        simulated=row["simulated"],
        paused=row["paused"],
        state=_state(row, said, now),
        votes=len(said),
        golds=len(golds),
        errors=len(wrong),
        seconds=float(np.median(seconds)) if seconds else float("nan"),
        last=said[-1].cast if said else None,
    )


def _state(row: Any, said: Sequence[Any], now: float) -> str:
    if row["revoked"] is not None:
        return "revoked"
    if row["expires"] <= now:
        return "expired"
    if row["paused"]:
        return "paused"
    return "active" if said else "invited"


LIMIT, _LEVEL, _SLIPS = 0.10, 0.90, 2

RULE = (
    "two or more gold images were missed, and the lower end of the Wilson interval of the share "
    "of missed ones, at 90 %, lies above the limit"
)


@dataclass(frozen=True)
class GoldCheck:
    """A person's gold images.

    Attributes:
        person: who, and how many of how many were missed.
        share: that were missed; None without any.
        low, high: its Wilson interval at 90 %.
        careless: by the rule above.
    """

    person: PersonRow
    share: float | None
    low: float
    high: float
    careless: bool


def wilson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson interval of a share; all of [0, 1] without a case.

    Args:
        hits: how many of ``n``.
        n: cases.
        level: of the interval.

    Example:
        >>> [round(end, 3) for end in wilson(1, 10)]
        [0.018, 0.404]
    """
    check_fraction("level", level)
    if not 0 <= hits <= n:
        raise ValueError(f"hits must lie from 0 to the number of cases, {n}, but are {hits}.")
    if n == 0:
        return 0.0, 1.0
    found = binomtest(hits, n).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)


def check_golds(people: Sequence[PersonRow], *, limit: float = LIMIT) -> list[GoldCheck]:
    """Return each person's gold images, and who is careless by the rule above.

    Args:
        people: as ``person_rows`` gives them.
        limit: the share of missed ones that is still nobody's fault.

    Example:
        >>> made = {"id": 1, "name": "Ada", "simulated": False, "paused": False}
        >>> counts = {"state": "active", "votes": 40, "golds": 5, "seconds": 2.0, "last": None}
        >>> [check_golds([PersonRow(**made, **counts, errors=k)])[0].careless for k in (1, 3)]
        [False, True]
    """
    check_fraction("limit", limit)
    found = []
    for person in people:
        low, high = wilson(person.errors, person.golds, _LEVEL)
        share = person.errors / person.golds if person.golds else None
        found.append(GoldCheck(person, share, low, high, person.errors >= _SLIPS and low > limit))
    return found
