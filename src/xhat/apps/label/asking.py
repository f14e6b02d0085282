"""Which images people are asked about, and in which order.

Images come by the entropy of what the judges see together, the most ambiguous first, with a random
share among them, so that ordinary images are asked about as well. What a search made comes first,
in random order: by entropy, verdicts would be compared on odd ones only. Where there are neither
judges nor a model, all come in random order.

*Gold images* have an answer that is beyond doubt: the judges together give the label 0.99 or more,
and each of them, and the model where there is one, 0.4 or more alone. No image is both gold and
asked about.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from xhat.apps.label.agreement import entropy
from xhat.apps.label.collection import (
    Item,
    Settings,
    add_images,
    create,
    picture_of,
    settings_of,
)
from xhat.apps.label.database import Database
from xhat.apps.label.order import interleave
from xhat.apps.label.schema import images
from xhat.core import check_count, check_range, generator, numpy_generator
from xhat.domain import Domain
from xhat.domain.reading import read_data
from xhat.judges import Jury

__all__ = ["KEPT", "REFERENCE", "Asking"]

REFERENCE = "reference"
"""The source that stands for the real samples of the domain."""

KEPT = ("target", "verdict", "method", "start_label", "index", "seed", "judge_confidence")
"""Columns of a results file that are kept with each image, and never shown."""

_CERTAIN, _ALONE, _PART = 0.99, 0.4, 250
Progress = Callable[[str, int, int], None]


class Asking:
    """Chooses images of a domain that people are asked about.

    Args:
        domain: of images with classes; its judge orders them, where one can be fitted.
        model: logits ``(n, classes)``, which must agree on gold images, and orders where there is
            no judge; None for none.

    Raises:
        ValueError: no images, or no classes.
    """

    def __init__(self, domain: Domain, model: Callable[[Tensor], Tensor] | None = None) -> None:
        if domain.kind != "image" or len(domain.classes) < 2:
            raise ValueError(
                f"labelling is for images with classes, but these are {domain!r}; give their "
                f"classes as y of an .npz file, by --labels, or as folders of pictures."
            )
        self.domain = domain
        self.models: tuple[Callable[[Tensor], Tensor], ...] = () if model is None else (model,)

    @cached_property
    def jury(self) -> Jury | None:
        """The judges that say which class an image is of; None where too little is known."""
        try:
            return self.domain.judge().jury
        except ValueError:  # too few samples to fit any
            return None

    def read(self, source: str) -> list[Item]:
        """Return the images of a source, in its order.

        Args:
            source: ``reference``, or a file: ``results.parquet`` with its targets and verdicts,
                ``.npy`` or ``.npz``, or a folder of pictures.

        Raises:
            UnreadableFileError: a file is missing or damaged.
            ValueError: images unlike those of the domain.
        """
        if source == REFERENCE:
            known = self.domain.labels
            labels = [None] * len(self.domain) if known is None else known.tolist()
            return self.items(self.domain.x, source, labels)
        path = Path(source)
        data = read_data(path, "the images")
        x = torch.from_numpy(data.x)
        low, high = self._limits
        x = x.float() / 255 if x.dtype == torch.uint8 and high <= 1 else x
        x = self.domain.check_inputs(f"the images in {path}", x)
        check_range(f"the images in {path}", x, low, high)
        name = "/".join(path.resolve().parts[-2:])[-200:]
        labels = [None] * len(x)
        if data.labels is not None:
            labels = [self.domain.class_of(each) for each in data.labels.tolist()]
        found = self.items(x, name, labels)
        if path.suffix != ".parquet":
            return found
        details = _details(path, len(x))
        return [replace(item, details=each) for item, each in zip(found, details, strict=True)]

    def items(self, x: Tensor, source: str, labels: Sequence[int | None]) -> list[Item]:
        """Return images ``(n, c, h, w)`` of the domain as what is shown of them."""
        low, high = self._limits
        grid = (255 * ((x - low) / (high - low)).clamp(0, 1)).round().to(torch.uint8)
        grids = grid.movedim(1, -1).numpy()
        grids = grids[..., 0] if grids.shape[-1] == 1 else grids
        return [
            Item(each, source, k, label=label)
            for k, (each, label) in enumerate(zip(grids, labels, strict=True))
        ]

    def seen(
        self, items: Sequence[Item], on_progress: Progress | None = None
    ) -> NDArray[np.float64] | None:
        """Return what the judges see in each image, ``(n, classes + 1)``; the last is "none".

        The model's answer where there are no judges; None where there is neither.
        """
        if self.jury is None and not self.models:
            return None
        tell, found = on_progress or (lambda *_: None), []
        for k, x in self._parts(items):
            if self.jury is not None:
                found.append(self.jury.together(self.jury.probabilities(x)))
            else:
                p = self._asked(self.models[0], x)
                found.append(torch.cat((p, torch.zeros(len(p), 1)), dim=1))
            tell("ambiguity", k + len(x), len(items))
        outcomes = len(self.domain.classes) + 1
        return torch.cat(found).double().numpy() if found else np.zeros((0, outcomes))

    def seen_by_judges(
        self, database: Database, on_progress: Progress | None = None
    ) -> NDArray[np.float64] | None:
        """Return what ``seen`` says of a database's images, for simulated annotators."""
        with database.read() as connection:
            rows = connection.execute(images.select().order_by(images.c.rank)).all()
        return self.seen(
            [Item(picture_of(row), row.source, row.place) for row in rows], on_progress
        )

    def ask(
        self,
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
            sources: as ``read`` takes them.
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
            ValueError: no source, images that do not fit, or a collection of other classes.
        """
        if not sources:
            raise ValueError("name the images to ask about, such as digits:test.")
        settings = replace(settings, classes=self.domain.classes, task=self.domain.name)
        gold = self.golds(sources, golds, seed=settings.seed) if golds else []
        taken = {(item.source, item.place) for item in gold}
        parts = []
        for source in sources:
            read = [each for each in self.read(source) if (each.source, each.place) not in taken]
            parts.append(_some(read, limit, settings.seed))
        items = self.ordered(parts, random=random, seed=settings.seed, on_progress=on_progress)

        def write(connection: Any) -> int:
            there = settings_of(connection)
            if there is None:
                create(connection, settings, now)
            elif there.classes != settings.classes:
                raise ValueError(
                    f"the collection asks about {', '.join(there.classes)}, but these images are "
                    f"of {', '.join(settings.classes)}; name a database of their own by --db."
                )
            return add_images(connection, [*items, *gold], (there or settings).each)

        return database.write(write)

    def ordered(
        self,
        parts: Sequence[Sequence[Item]],
        *,
        random: float = 0.25,
        seed: int = 0,
        on_progress: Progress | None = None,
    ) -> list[Item]:
        """Return all images in the order in which to ask, each with its entropy in the details.

        Args:
            parts: the images of each source.
            random: the share of places that are drawn at random.
            seed: of the draws.
            on_progress: called with a stage's name and how far it is.
        """
        items = [item for part in parts for item in part]
        if not items:
            return []
        seen = self.seen(items, on_progress)
        spread = np.zeros(len(items)) if seen is None else entropy(seen)
        made = [k for k, item in enumerate(items) if "verdict" in item.details]
        order = interleave(
            spread,
            share=1.0 if seen is None else random,
            seed=seed,
            first=[made[k] for k in numpy_generator(seed, "made").permutation(len(made))],
        )
        if seen is None:
            return [items[k] for k in order]
        return [
            replace(items[k], details=items[k].details | {"entropy": round(float(spread[k]), 6)})
            for k in order
        ]

    def golds(self, sources: Sequence[str], count: int, *, seed: int = 0) -> list[Item]:
        """Return up to ``count`` gold images, as many of each class as can be.

        Args:
            sources: what is asked about.
            count: how many at most.
            seed: of the draw.
        """
        check_count("the number of gold images", count)
        pool = self.certain(self.pool(sources))
        order = torch.randperm(len(pool), generator=generator(seed, "gold")).tolist()
        each, classes = -(-count // len(self.domain.classes)), range(len(self.domain.classes))
        chosen = [
            k for label in classes for k in [k for k in order if pool[k].label == label][:each]
        ]
        mixed = torch.randperm(len(chosen), generator=generator(seed, "gold order")).tolist()
        return [replace(pool[chosen[k]], gold=True) for k in mixed][:count]

    def pool(self, sources: Sequence[str]) -> list[Item]:
        """Return labelled images of which some may be gold: those of the domain."""
        del sources
        return [item for item in self.read(REFERENCE) if item.label is not None]

    def certain(self, items: Sequence[Item]) -> list[Item]:
        """Return those whose label is beyond doubt; none where there are no judges."""
        if self.jury is None:
            return []
        found: list[Item] = []
        for k, x in self._parts(items):
            part = items[k : k + len(x)]
            labels = torch.tensor([item.label for item in part])
            votes = self.jury.probabilities(x)
            fine = (_of(votes, labels[:, None]) >= _ALONE).all(1)
            fine &= _of(self.jury.together(votes), labels) >= _CERTAIN
            for model in self.models:
                fine &= _of(self._asked(model, x), labels) >= _ALONE
            found += [item for item, kept in zip(part, fine.tolist(), strict=True) if kept]
        return found

    @property
    def _limits(self) -> tuple[float, float]:
        return float(self.domain.low.min()), float(self.domain.high.max())

    def _parts(self, items: Sequence[Item]) -> Iterator[tuple[int, Tensor]]:
        """Yield images of the domain, some at a time, and the place of the first of them."""
        low, high = self._limits
        for k in range(0, len(items), _PART):
            grids = torch.from_numpy(np.stack([item.pixels for item in items[k : k + _PART]]))
            grids = grids[:, None] if grids.ndim == 3 else grids.movedim(-1, 1)
            yield k, low + (high - low) * (grids.float() / 255)

    def _asked(self, model: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        with torch.no_grad():
            logits = model(x)
        if tuple(logits.shape) != (len(x), len(self.domain.classes)):
            raise ValueError(
                f"the model must give logits (n, {len(self.domain.classes)}), one for each class, "
                f"but gives {tuple(logits.shape)}."
            )
        return logits.softmax(dim=1)


def _of(p: Tensor, labels: Tensor) -> Tensor:
    return p.gather(-1, labels.expand(p.shape[:-1])[..., None])[..., 0]


def _some(items: list[Item], limit: int | None, seed: int) -> list[Item]:
    if limit is None or len(items) <= check_count("limit", limit):
        return items
    kept = torch.randperm(len(items), generator=generator(seed, "limit"))[:limit]
    return [items[k] for k in kept.sort().values.tolist()]


def _details(path: Path, n: int) -> list[dict[str, Any]]:
    names = [name for name in KEPT if name in pq.read_schema(path).names]
    rows = pq.read_table(path, columns=names).to_pylist() if names else [{}] * n
    return [{name: value for name, value in row.items() if value is not None} for row in rows]
