"""A model without gradients, asked as rarely as can be: every answer is kept, and all are counted.

A row that was asked once is not asked again, unless the model is random. A batch on which the model
fails is asked in parts, until the rows that it cannot take are alone; those are NaN. When the
evaluations are spent, or the model fails again and again, rows are NaN without being asked.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from xhat.blackbox.adapters import Frames, Way, way_to_ask
from xhat.blackbox.readings import Reading
from xhat.core import check_count, evaluation_mode, modules_of, own_randomness

__all__ = ["BlackBox", "as_box"]

_BATCH = 1024  # rows of one call
_PARTS = 8  # of a batch on which the model fails, each of which is asked alone
_GIVE_UP = 40  # failures on end, after which the model is asked no more
_LOOKED_AT = 4  # rows that are asked again, to see whether the model is random
_SAME = 1e-4  # by which answers to the same question may differ


class BlackBox:
    """``(n, *x_shape)`` to logits ``(n, classes)`` or values ``(n, ...)``, without a gradient.

    Args:
        way: asks the model of one batch.
        reading: makes numbers of what it says.
        budget: how many rows may be asked; None for any number.

    Attributes:
        asked: rows that were asked until now, all failures and repetitions included.
        failed: those of them that gave no answer.
        reason: why the first of them failed; empty if none did.
        random: whether the model answers differently each time.
        mixes: whether its answer to a row depends on the other rows of the batch.

    Example:
        >>> import numpy as np
        >>> box = BlackBox(lambda x: x.numpy().sum(axis=1), Reading(by_class=False), budget=3)
        >>> box(torch.tensor([[1.0, 2.0], [0.0, 4.0]])), box(torch.tensor([[1.0, 2.0]]))
        (tensor([3., 4.]), tensor([3.]))
        >>> box.asked, box.left
        (2, 1)
    """

    def __init__(self, way: Way, reading: Reading, budget: int | None = None) -> None:
        self.way, self.reading = way, reading
        self.budget = None if budget is None else check_count("evaluations", budget)
        self.asked, self.failed, self.reason = 0, 0, ""
        self.random = self.mixes = False
        self._known: dict[bytes, Tensor] = {}
        self._on_end, self._size = 0, _BATCH

    @property
    def left(self) -> int | None:
        """How many rows may still be asked; None for any number."""
        if self._on_end >= _GIVE_UP:
            return 0
        return None if self.budget is None else max(0, self.budget - self.asked)

    def __call__(self, x: Tensor) -> Tensor:
        """Return what the model says of ``x``; what was asked before is not asked again."""
        keys = [row.tobytes() for row in x.detach().cpu().contiguous().numpy()]
        new = [i for i, key in enumerate(keys) if key not in self._known]
        first = list({keys[i]: i for i in reversed(new)}.values())[::-1]
        if first:
            said = self.afresh(x[first])
            self._known.update(zip((keys[i] for i in first), said, strict=True))
        return torch.stack([self._known[key] for key in keys]).to(x.device)

    def knows(self, x: Tensor) -> Tensor:
        """Return which rows were asked already, ``(n,)`` booleans."""
        rows = x.detach().cpu().contiguous().numpy()
        return torch.tensor([row.tobytes() in self._known for row in rows], dtype=torch.bool)

    def afresh(self, x: Tensor) -> Tensor:
        """Return what the model says of ``x`` now, whatever it said before.

        Rows are asked alone where the model's answers depend on the others of a batch.
        """
        x = x.detach().cpu()
        parts = [self._ask(part) for part in x.split(1 if self.mixes else self._size)]
        return self._joined(parts)

    def look(self, x: Tensor) -> None:
        """See whether the model is random, or mixes rows: ask a few that were asked before again.

        Args:
            x: ``(n, *x_shape)``, rows that were asked in one batch.
        """
        x = x[:_LOOKED_AT]
        if self.left is not None and self.left < 3 * len(x):
            return
        before, again, once_more, alone = (
            self(x), self.afresh(x), self.afresh(x), self.afresh(x[:1])
        )  # fmt: skip
        self.random = not _alike(again, once_more)
        same = _alike(before, again) and _alike(alone, again[:1])
        self.mixes = not self.random and not same

    def _ask(self, x: Tensor) -> Tensor:
        left = self.left
        if left is not None and left < len(x):
            parts = [self._ask(x[:left])] if left else []
            return self._joined([*parts, self._nothing(len(x) - left)])
        self.asked += len(x)
        try:
            y = self.reading(self.way(x))
            if len(y) != len(x):
                raise ValueError(f"it gave {len(y)} rows for {len(x)}")
        except Exception as error:  # noqa: BLE001 - whatever a model of others may raise
            return self._failed(x, error)
        self._on_end = 0
        lost = ~y.reshape(len(y), -1).isfinite().all(dim=1)
        if bool(lost.any()):
            self.failed += int(lost.sum())
            self.reason = self.reason or "it gave numbers that are not finite"
            y[lost] = torch.nan
        return y

    def _failed(self, x: Tensor, error: Exception) -> Tensor:
        said = (str(error).strip().splitlines() or [""])[0].removesuffix(".")
        self.reason = self.reason or f"{type(error).__name__}: {said}"
        if len(x) > 1:
            self._size = max(1, len(x) // _PARTS)
            return self._joined([self._ask(part) for part in x.split(self._size)])
        self.failed, self._on_end = self.failed + 1, self._on_end + 1
        return self._nothing(1)

    def _nothing(self, n: int) -> Tensor:
        return torch.full((n, *(self.reading.shape or ())), torch.nan)

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        """Join answers; what failed before the shape of an answer was known has that shape now."""
        shape = self.reading.shape or ()
        return torch.cat([p if p.shape[1:] == shape else self._nothing(len(p)) for p in parts])


def as_box(
    model: Any,
    x: Tensor,
    *,
    by_class: bool,
    classes: Sequence[str] = (),
    names: Sequence[str] | None = None,
    frames: Frames | None = None,
) -> BlackBox:
    """Return a model as one that is only asked, whether it has a gradient or not.

    Args:
        model: an estimator, an ONNX session, or any function of a batch; a ``BlackBox`` stays.
        x: ``(n, *x_shape)``, inputs that it should be able to take.
        by_class: whether classes are asked for.
        classes: their names in the order of the domain.
        names: of the columns of ``x``.
        frames: makes frames of rows, for models that want one.

    Raises:
        TypeError: it answers in no form that is known.
        ValueError: its classes are not those of the domain.
    """
    if isinstance(model, BlackBox):
        return model
    owner = getattr(model, "__self__", model)
    own = getattr(owner, "classes_", None)
    plain = own is not None and not isinstance(own, list) and getattr(own, "ndim", 1) == 1
    reading = Reading(by_class=by_class, classes=classes, own=own if plain else None)
    modules = modules_of(model)
    with evaluation_mode(*modules, warn=False), own_randomness(0, torch.device("cpu")):
        way = way_to_ask(model, x[:1].cpu(), by_class=by_class, names=names, frames=frames)

    def asked(rows: Tensor) -> Any:
        with torch.no_grad(), evaluation_mode(*modules, warn=False):
            return way(rows)

    return BlackBox(asked, reading)


def _alike(one: Tensor, other: Tensor) -> bool:
    p, q = one.double(), other.double()
    return torch.allclose(p, q, rtol=_SAME, atol=_SAME, equal_nan=True)
