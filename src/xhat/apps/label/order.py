"""Which image a person gets next, and in which order images are worth asking about.

Most are those of the front that not enough people have seen. A few are gold images, whose answer
is known; a few are images that this person has answered before, long enough ago to have forgotten.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sqlalchemy import Connection, bindparam, exists, func, select, update

from xhat.apps.label.collection import Settings
from xhat.apps.label.schema import about, annotators, images, tickets, votes

__all__ = ["Due", "interleave", "next_image", "take_back"]

_AGO = 10  # a repeated image was answered at least so many images ago


@dataclass(frozen=True)
class Due:
    """An image that a person should get.

    Attributes:
        image: its number.
        repeat: whether they have seen it before.
        counts: whether it is one of the sights that the image needs.
    """

    image: int
    repeat: bool
    counts: bool


def interleave(
    importance: ArrayLike, *, share: float = 0.25, seed: int = 0, first: Sequence[int] = ()
) -> list[int]:
    """Return the order in which to ask: by importance, with a random share among them.

    Were only the important ones asked about, nobody would know how people see ordinary images, and
    models trained on the answers would think that everything is ambiguous.

    Args:
        importance: ``(n,)``, such as the entropy of the judges' answers.
        share: of places that are drawn at random from all that are left.
        seed: of the draw.
        first: what comes before all others, such as samples that were made by a search.

    Example:
        >>> interleave([0.1, 0.9, 0.5], share=0)
        [1, 2, 0]
    """
    value = np.asarray(importance, dtype=np.float64)
    if value.ndim != 1 or not np.isfinite(value).all():
        raise ValueError("importance must be one finite number for each image.")
    if not 0 <= share <= 1:
        raise ValueError(f"the random share must lie from 0 to 1, but is {share}.")
    random = np.random.default_rng(seed)
    by_importance = [int(i) for i in np.argsort(-value, kind="stable")]
    shuffled = [int(i) for i in random.permutation(len(value))]
    taken, order = set(first), list(first)
    places = (iter(by_importance), iter(shuffled))
    while len(order) < len(value):
        source = places[int(random.random() < share)]
        chosen = next(i for i in source if i not in taken)
        taken.add(chosen)
        order.append(chosen)
    return order


def next_image(
    connection: Connection, person: int, settings: Settings, draw: Callable[[], float]
) -> Due | None:
    """Return what a person gets next; None if nothing is left for them, or all is paused."""
    if any(connection.execute(_PAUSED, {"person": person}).one()):
        return None
    chance = draw()
    if chance < settings.repeats:
        found = _seen_before(connection, person, draw)
        if found is not None:
            return Due(found, repeat=True, counts=False)
    elif chance < settings.repeats + settings.golds:
        found = _gold(connection, person, draw)
        if found is not None:
            return Due(found, repeat=False, counts=False)
    found = connection.execute(_FRONT, {"person": person}).scalar()
    return None if found is None else Due(found, repeat=False, counts=True)


def take_back(connection: Connection, before: float) -> int:
    """Let others have what was given out before a time and never answered; return how many.

    Somebody closed the page. Should they come back and answer after all, that counts as well.
    """
    stale = (
        select(tickets.c.id, tickets.c.image, tickets.c.repeat, images.c.gold)
        .join(images, images.c.id == tickets.c.image)
        .where(~tickets.c.answered, ~tickets.c.forgone, tickets.c.given < before)
    )
    rows = connection.execute(stale).all()
    for row in rows:
        if not row.repeat and not row.gold:
            connection.execute(
                update(images).where(images.c.id == row.image).values(wanted=images.c.wanted + 1)
            )
        connection.execute(update(tickets).where(tickets.c.id == row.id).values(forgone=True))
    return len(rows)


def _seen_before(connection: Connection, person: int, draw: Callable[[], float]) -> int | None:
    again = tickets.alias()
    query = (
        select(tickets.c.image)
        .join(images, images.c.id == tickets.c.image)
        .where(
            tickets.c.annotator == person,
            tickets.c.answered,
            ~tickets.c.repeat,
            ~images.c.gold,
            ~exists().where(
                again.c.image == tickets.c.image, again.c.annotator == person, again.c.repeat
            ),
        )
        .order_by(tickets.c.id)
    )
    done = connection.execute(
        select(func.count()).where(votes.c.annotator == person, votes.c.withdrawn.is_(None))
    ).scalar_one()
    return _drawn(list(connection.execute(query).scalars())[: max(done - _AGO, 0)], draw)


def _gold(connection: Connection, person: int, draw: Callable[[], float]) -> int | None:
    query = select(images.c.id).where(images.c.gold, ~_given(person)).order_by(images.c.id)
    return _drawn(list(connection.execute(query).scalars()), draw)


def _drawn(choices: list[int], draw: Callable[[], float]) -> int | None:
    return choices[int(draw() * len(choices))] if choices else None


def _given(person: Any) -> Any:
    """Return whether somebody was given an image, as a condition on ``images``."""
    return exists().where(tickets.c.image == images.c.id, tickets.c.annotator == person)


_PAUSED = select(select(about.c.paused).scalar_subquery(), annotators.c.paused).where(
    annotators.c.id == bindparam("person")
)
_FRONT = (
    select(images.c.id)
    .where(images.c.wanted > 0, ~_given(bindparam("person")))
    .order_by(images.c.rank)
    .limit(1)
)
