"""What a model without gradients has said, as numbers: log-probabilities of classes, or values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Reading"]

_LEAST = 1e-12  # the probability that stands for none
_SUMS = 1e-3  # by which rows of probabilities may miss 1


class Reading:
    """Reads answers of a model: arrays, tensors, lists, frames, or names of classes.

    For classes it returns logits ``(n, classes)``, whose softmax is what the model says: rows that
    sum to 1 are probabilities, one number in [0, 1] is the probability of the second of two
    classes, other rows are logits, and names or whole numbers in one column are decisions, of which
    the model is sure. Which of these it is, is seen from the first answers and stays.

    Args:
        by_class: whether classes are asked for; otherwise answers are values ``(n, ...)``.
        classes: their names, in the order that is wanted.
        own: the classes of the model in its own order, as ``estimator.classes_``; None if they are
            in the order that is wanted.

    Raises:
        ValueError: the model's classes are none of those that are wanted.

    Example:
        >>> read = Reading(by_class=True, classes=("no", "yes"))
        >>> read(np.array([[0.25, 0.75]])).exp()
        tensor([[0.2500, 0.7500]])
        >>> Reading(by_class=True, classes=("no", "yes"))(["yes"]).argmax(dim=1)
        tensor([1])
    """

    def __init__(
        self, *, by_class: bool, classes: Sequence[str] = (), own: Sequence[Any] | None = None
    ) -> None:
        self.by_class, self.classes = by_class, tuple(classes)
        self.own = None if own is None or not by_class else list(own)
        self.order = None if self.own is None else _order(self.own, self.classes)
        self.form: str | None = None
        self.shape: tuple[int, ...] | None = None

    def __call__(self, said: Any) -> Tensor:
        """Return ``(n, classes)`` or ``(n, ...)`` float32.

        Raises:
            ValueError: no numbers, or of another shape than before.
        """
        array = _array_of(said)
        y = self._classes(array) if self.by_class else _values(array)
        if self.shape is None:
            self.shape = tuple(y.shape[1:])
        if tuple(y.shape[1:]) != self.shape:
            raise ValueError(
                f"the model gave answers of shape (n, {', '.join(map(str, self.shape))}) before, "
                f"and {tuple(y.shape)} now"
            )
        return y

    def _classes(self, array: np.ndarray) -> Tensor:
        array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        if array.ndim not in (1, 2):
            raise ValueError(
                f"the model must give one probability for each class, (n, classes), but gave "
                f"{array.shape}"
            )
        if self.form is None:
            self.form = _form(array)
        if self.form == "decision":
            return self._decided(array)
        y = torch.from_numpy(array.astype(np.float64))
        if self.form == "logit":
            y = torch.stack([-y, y], dim=1) / 2
        elif self.form == "probability":
            y = torch.stack([1 - y, y], dim=1).clamp_min(_LEAST).log()
        elif self.form == "probabilities":
            y = y.clamp_min(_LEAST).log()
        elif bool((y == -torch.inf).any()):  # the logarithm of a probability of 0
            y = y.maximum(y.amax(dim=1, keepdim=True) + float(np.log(_LEAST)))
        return self._ordered(y).float()

    def _ordered(self, y: Tensor) -> Tensor:
        """Return logits in the order of the classes that are wanted."""
        if self.order is None or y.shape[1] != len(self.order):
            return y
        count = max(len(self.classes), max(self.order) + 1)
        never = torch.full((len(y), count), float(np.log(_LEAST)), dtype=y.dtype)
        never[:, self.order] = y
        return never

    def _decided(self, array: np.ndarray) -> Tensor:
        """Return log-probabilities of decisions: the model is sure of what it says."""
        names = array.tolist()
        if self.own is not None and self.order is not None:
            known = {str(name): place for name, place in zip(self.own, self.order, strict=True)}
        else:
            known = {name: place for place, name in enumerate(self.classes)}
        count = max(len(self.classes), *(place + 1 for place in known.values()), 2)
        y = torch.full((len(names), count), float(np.log(_LEAST)))
        for row, name in enumerate(names):
            place = known.get(str(name), known.get(str(int(name))) if _whole(name) else None)
            if place is None and _whole(name) and 0 <= int(name) < count:
                place = int(name)
            y[row] = y[row] if place is not None else torch.nan
            if place is not None:
                y[row, place] = 0.0
        return y


def _array_of(said: Any) -> np.ndarray:
    if isinstance(said, Tensor):
        return said.detach().cpu().double().numpy()
    if isinstance(said, list | tuple) and said and isinstance(said[0], dict):
        return np.array([list(row.values()) for row in said])  # as ONNX tells probabilities
    array = np.asarray(said)
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"the model must give one row for each input, but gave {said!r:.80}")
    return array


def _values(array: np.ndarray) -> Tensor:
    try:
        return torch.from_numpy(np.ascontiguousarray(array.astype(np.float64))).float()
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the model must give numbers, but gave {array.reshape(-1)[0]!r}; for classes give a "
            f"class as the target"
        ) from error


def _form(array: np.ndarray) -> str:
    """Return what answers are: decision, probability, logit, probabilities or logits."""
    if array.dtype.kind not in "fiub":
        return "decision"
    numbers = array.astype(np.float64)
    fine = numbers[np.isfinite(numbers).all(axis=1)] if array.ndim == 2 else numbers
    if array.ndim == 1:
        known = fine[np.isfinite(fine)]
        if array.dtype.kind in "iub" or (known == np.round(known)).all():
            return "decision"
        return "probability" if ((known >= 0) & (known <= 1)).all() else "logit"
    inside = len(fine) and ((fine >= -_SUMS) & (fine <= 1 + _SUMS)).all()
    sums = inside and np.abs(fine.sum(axis=1) - 1).max() <= _SUMS
    return "probabilities" if sums else "logits"


def _order(own: Sequence[Any], classes: Sequence[str]) -> list[int]:
    """Return for each of the model's classes its place among those that are wanted."""
    if not classes:
        return list(range(len(own)))
    if all(str(each) in classes for each in own):
        return [classes.index(str(each)) for each in own]
    if all(_whole(each) and 0 <= int(each) < len(classes) for each in own):
        return [int(each) for each in own]
    if len(own) == len(classes):
        return list(range(len(own)))
    raise ValueError(
        f"the model's classes are {', '.join(map(str, own))}, but those of the domain are "
        f"{', '.join(classes)}; name them alike."
    )


def _whole(name: Any) -> bool:
    return isinstance(name, int | float | np.number) and float(name).is_integer()
