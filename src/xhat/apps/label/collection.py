"""A collection of votes: what is asked, of which images, and how often each is to be seen."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, insert, select, update

from xhat.apps.label.schema import VERSION, about, images
from xhat.core import UnreadableFileError, check_count

__all__ = [
    "Item",
    "Settings",
    "add_images",
    "create",
    "digest_of",
    "is_paused",
    "pause",
    "picture_of",
    "settings_of",
    "touch",
]


@dataclass(frozen=True)
class Settings:
    """What a collection asks, and how.

    Attributes:
        classes: what they are called, as on the keys.
        each: how many people are to see every image.
        repeats: the share of what a person gets that they have seen before.
        golds: the share of what a person gets whose answer is known.
        quota: how many images a person is asked for.
        purpose: ``"labels"`` to collect distributions, ``"results"`` to judge what was found.
        task: whose images they are.
        seed: of what is shown again and when.
    """

    classes: tuple[str, ...] = tuple("0123456789")
    each: int = 3
    repeats: float = 0.05
    golds: float = 0.05
    quota: int = 200
    purpose: str = "labels"
    task: str = "digits"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        check_count("each", self.each)
        check_count("quota", self.quota)
        if len(self.classes) < 2:
            raise ValueError("a collection needs two classes or more.")
        for name in ("repeats", "golds"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{name} must be a number, not {type(value).__name__}.")
            if not 0 <= value <= 0.5:
                raise ValueError(f"{name} must be a share from 0 to 0.5, but is {value}.")


@dataclass(frozen=True, eq=False)
class Item:
    """An image to be shown.

    Attributes:
        pixels: ``(h, w)`` uint8, or ``(h, w, 3)`` in colours.
        source: where it comes from, such as ``digits:test``.
        place: its index there.
        label: its class, where the data say one.
        gold: whether the label is beyond doubt, so that missing it is a sign of carelessness.
        details: further facts that are kept and exported, never shown: verdict, target, entropy.
    """

    pixels: NDArray[np.uint8]
    source: str
    place: int
    label: int | None = None
    gold: bool = False
    details: dict[str, Any] = field(default_factory=dict)


def digest_of(pixels: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of an image's size and pixels: its name, wherever it is stored.

    Example:
        >>> digest_of(np.zeros((28, 28), np.uint8))[:12]
        'ff084bd7b1c8'
    """
    size = f"{'x'.join(map(str, pixels.shape))}:".encode()
    return hashlib.sha256(size + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def picture_of(row: Any) -> NDArray[np.uint8]:
    """Return the pixels of a row of ``images``: ``(h, w)``, or ``(h, w, 3)`` in colours.

    Raises:
        ValueError: as many bytes as neither has.
    """
    size = row.height, row.width
    coloured = len(row.pixels) == 3 * row.height * row.width
    return (
        np.frombuffer(row.pixels, np.uint8).reshape(*size, 3)
        if coloured
        else (np.frombuffer(row.pixels, np.uint8).reshape(size))
    )


def create(connection: Connection, settings: Settings, now: float) -> None:
    """Write what the collection asks into an empty database.

    Raises:
        ValueError: there is a collection already.
    """
    if connection.execute(select(about.c.id)).first() is not None:
        raise ValueError("this database holds a collection already; name another.")
    connection.execute(
        insert(about).values(id=1, version=VERSION, settings=asdict(settings), created=now)
    )


def settings_of(connection: Connection) -> Settings | None:
    """Return what the collection asks; None where there is none yet.

    Raises:
        UnreadableFileError: the tables are of another version.
    """
    row = connection.execute(select(about.c.version, about.c.settings)).first()
    if row is None:
        return None
    if row.version != VERSION:
        raise UnreadableFileError(
            f"the database holds tables of version {row.version}, but this xhat reads version "
            f"{VERSION}; export the votes with the xhat that wrote them."
        )
    told: dict[str, Any] = dict(row.settings)
    told["classes"] = tuple(told["classes"])
    return Settings(**told)


def add_images(connection: Connection, items: Iterable[Item], each: int) -> int:
    """Add images behind those that are there, in the order in which they should be shown.

    Those that are there already, by their pixels, are left as they are.

    Returns:
        How many were new.
    """
    known = set(connection.execute(select(images.c.digest)).scalars())
    rank = connection.execute(select(func.coalesce(func.max(images.c.rank), -1))).scalar_one()
    rows: list[dict[str, Any]] = []
    for item in items:
        pixels = _checked(item.pixels)
        digest = digest_of(pixels)
        if digest in known:
            continue
        known.add(digest)
        rows.append(
            {
                "digest": digest,
                "source": item.source,
                "place": item.place,
                "height": pixels.shape[0],
                "width": pixels.shape[1],
                "pixels": pixels.tobytes(),
                "label": item.label,
                "gold": item.gold,
                "rank": rank + 1 + len(rows),
                "wanted": 0 if item.gold else each,
                "details": json.loads(json.dumps(item.details)),
            }
        )
    if rows:
        connection.execute(insert(images), rows)
    return len(rows)


def pause(connection: Connection, *, paused: bool) -> None:
    """Give out no further images, or do so again; what is on a screen may still be answered."""
    connection.execute(update(about).values(paused=paused))


def is_paused(connection: Connection) -> bool:
    """Return whether no images are given out at present."""
    return bool(connection.execute(select(about.c.paused)).scalar())


def touch(connection: Connection) -> None:
    """Write, and change nothing in the end: fails where nothing can be written."""
    for step in (1, -1):  # what is the same already, SQLite does not write
        connection.execute(update(about).values(version=about.c.version + step))


def _checked(pixels: Any) -> NDArray[np.uint8]:
    grey_or_coloured = isinstance(pixels, np.ndarray) and pixels.shape[2:] in ((), (3,))
    if not grey_or_coloured or pixels.dtype != np.uint8 or pixels.ndim < 2:
        raise TypeError("the pixels of an image must be an (h, w) or (h, w, 3) array of uint8.")
    if not 0 < min(pixels.shape) <= max(pixels.shape) <= 512:
        raise ValueError(f"an image must have 1 to 512 pixels a side, but is {pixels.shape}.")
    return np.ascontiguousarray(pixels)
