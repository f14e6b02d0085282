"""Which images people are asked about, and in which order.

Images of the data come by the entropy of what the judges see together, the most ambiguous first,
with a random share among them, so that ordinary images are asked about as well. What a search made
comes first, in random order: by entropy, verdicts would be compared on odd ones only.

*Gold images* have an answer that is beyond doubt. The rule: the judges together give the label a
probability of 0.99 or more, and each of the five judges and both shipped surrogates, alone, 0.4 or
more (one judge looks at images in all turns, and gives a 6 and a 9 half each); and the
image is turned by 15 degrees at most, since a 7 that lies on its side is no slip to miss. They are
taken from the split ``calibration``, or from ``test`` if ``calibration`` itself is asked about, so
that no image is both gold and asked about.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xhat.apps.label import Database, Item, Settings, add_images, create, entropy, interleave
from xhat.apps.label import settings_of as labels_settings
from xhat.apps.label.schema import images
from xhat.core import check_count, generator, numpy_generator
from xhat.judges import Jury
from xhat.learning import predict
from xhat_zoo import digits
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.labelling.sources import as_bytes, read_source, split_of

__all__ = [
    "GOLD_RULE",
    "ask",
    "ask_jury",
    "digits_jury",
    "gold_items",
    "ordered",
    "seen_by_judges",
]

GOLD_RULE = (
    "the judges together give the label a probability of 0.99 or more, and each of the five judges "
    "and both shipped surrogates, alone, 0.4 or more; and the image is turned by 15 degrees at most"
)
_CERTAIN, _ALONE, _LOOKED_AT, _PART = 0.99, 0.4, 1_000, 250
_TURNED = 15.0  # degrees
Progress = Callable[[str, int, int], None]


def digits_jury() -> Jury:
    """Return the jury of ``digits_judge``."""
    jury = digits_judge().jury
    if jury is None:
        raise TypeError("the judge of digits must have a jury.")
    return jury


def ask_jury(items: Sequence[Item], on_progress: Progress | None = None) -> NDArray[np.float64]:
    """Return what the jury sees in each image, ``(n, classes + 1)``; the last is "no digit"."""
    jury, tell = digits_jury(), on_progress or (lambda *_: None)
    seen = []
    for k in range(0, len(items), _PART):
        seen.append(jury.together(jury.probabilities(_images(items[k : k + _PART]))))
        tell("ambiguity", min(k + _PART, len(items)), len(items))
    return torch.cat(seen).double().numpy() if seen else np.zeros((0, digits.CLASSES + 1))


def seen_by_judges(database: Database, on_progress: Progress | None = None) -> NDArray[np.float64]:
    """Return what the jury sees in a database's images, for simulated annotators to begin from.

    Args:
        database: of a collection of digits.
        on_progress: called with a stage's name and how far it is.
    """
    with database.read() as connection:
        rows = connection.execute(images.select().order_by(images.c.rank)).all()
    items = [
        Item(
            np.frombuffer(row.pixels, np.uint8).reshape(row.height, row.width),
            row.source,
            row.place,
        )
        for row in rows
    ]
    return ask_jury(items, on_progress)


def ask(
    database: Database,
    sources: Sequence[str],
    settings: Settings,
    now: float,
    *,
    limit: int | None = None,
    random: float = 0.25,
    golds: int = 50,
    on_progress: Progress | None = None,
) -> int:
    """Put images into a database, and begin the collection if there is none yet.

    Args:
        database: to write to.
        sources: as ``read_source`` takes them.
        settings: of a new collection; one that is there already keeps its own.
        now: seconds since 1970.
        limit: of each source ask about so many at most, drawn at random.
        random: the share of places that are drawn at random, not by ambiguity.
        golds: how many gold images there should be at most.
        on_progress: called with a stage's name and how far it is.

    Returns:
        How many images were new.

    Raises:
        UnreadableFileError: a file is missing or damaged.
        ValueError: no source, or images that do not fit.
    """
    if not sources:
        raise ValueError("name the images to ask about, such as digits:test.")
    items = ordered(
        [_some(read_source(source), limit, settings.seed) for source in sources],
        random=random,
        seed=settings.seed,
        on_progress=on_progress,
    )
    gold = gold_items(sources, golds, seed=settings.seed) if golds else []

    def write(connection) -> int:
        there = labels_settings(connection)
        if there is None:
            create(connection, settings, now)
        return add_images(connection, [*items, *gold], (there or settings).each)

    return database.write(write)


def ordered(
    parts: Sequence[Sequence[Item]],
    *,
    random: float = 0.25,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> list[Item]:
    """Return all images in the order in which to ask, each with its entropy among the details.

    Args:
        parts: the images of each source.
        random: the share of places that are drawn at random.
        seed: of the draws.
        on_progress: called with a stage's name and how far it is.
    """
    items = [item for part in parts for item in part]
    if not items:
        return []
    spread = entropy(ask_jury(items, on_progress))
    made = [k for k, item in enumerate(items) if "verdict" in item.details]
    order = interleave(
        spread,
        share=random,
        seed=seed,
        first=[made[k] for k in numpy_generator(seed, "made").permutation(len(made))],
    )
    return [
        replace(items[k], details=items[k].details | {"entropy": round(float(spread[k]), 6)})
        for k in order
    ]


def gold_items(sources: Sequence[str], count: int, *, seed: int = 0) -> list[Item]:
    """Return up to ``count`` gold images by the rule above, as many of each class as can be.

    Args:
        sources: what is asked about; gold images are of another split.
        count: how many at most.
        seed: of the draw.
    """
    check_count("the number of gold images", count)
    asked = {split[0] for split in map(split_of, sources) if split is not None}
    name = next((other for other in ("calibration", "test") if other not in asked), None)
    if name is None:
        raise ValueError(
            "gold images come from calibration or test, but both are asked about; leave one out, "
            "or ask for no gold images."
        )
    data, source = digits.split(name), f"digits:{name}"
    certain = _certain(name)
    each = -(-count // digits.CLASSES)
    order = torch.randperm(len(certain), generator=generator(seed, "gold"))
    chosen: list[int] = []
    for label in range(digits.CLASSES):
        mine = order[data.labels[certain[order]] == label]
        chosen += certain[mine][:each].tolist()
    pixels = as_bytes(data.images[chosen])
    found = [
        Item(image, source, place, label=int(data.labels[place]), gold=True)
        for image, place in zip(pixels, chosen, strict=True)
    ]
    mixed = torch.randperm(len(found), generator=generator(seed, "gold order")).tolist()
    return [found[k] for k in mixed][:count]


@functools.cache
def _certain(name: str) -> Tensor:
    """Return the places of a split's images whose label is beyond doubt."""
    data = digits.split(name)
    places = torch.arange(len(data))[1::2]  # the others weigh the jury's members
    places = places[data.angles[places].abs() <= _TURNED][:_LOOKED_AT]
    x, labels = data.images[places], data.labels[places]
    jury = digits_jury()
    votes = jury.probabilities(x)
    fine = (_of(votes, labels[:, None]) >= _ALONE).all(1)
    fine &= _of(jury.together(votes), labels) >= _CERTAIN
    for surrogate in digits.SURROGATES:
        fine &= _of(predict(digits.surrogate(surrogate), x).softmax(1), labels) >= _ALONE
    return places[fine]


def _of(p: Tensor, labels: Tensor) -> Tensor:
    return p.gather(-1, labels.expand(p.shape[:-1])[..., None])[..., 0]


def _images(items: Sequence[Item]) -> Tensor:
    return torch.from_numpy(np.stack([item.pixels for item in items])).float()[:, None] / 255


def _some(items: list[Item], limit: int | None, seed: int) -> list[Item]:
    if limit is None or len(items) <= check_count("limit", limit):
        return items
    kept = torch.randperm(len(items), generator=generator(seed, "limit"))[:limit]
    return [items[k] for k in kept.sort().values.tolist()]
