"""Reference samples as a user brings them: arrays, frames or tensors, and what kind they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xhat.core import check_choice, check_finite

__all__ = ["KINDS", "Labels", "as_labels", "as_samples", "as_values", "kind_of", "shaped"]

KINDS = {
    "image": "(m, channels, h, w) with 1 or 3 channels",
    "field": "(m, channels, h, w), quantities on a grid",
    "signal": "(m, channels, length), or (m, length) where said",
    "table": "(m, columns)",
}
"""Kinds of data, and the shape of their samples."""

_FEWEST = 4  # pixels along a side of an image


@dataclass(frozen=True)
class Labels:
    """Classes of samples: their numbers, and the names that the user gave.

    Attributes:
        index: ``(m,)`` int64, from 0.
        names: of the classes, in the order of their numbers.
    """

    index: Tensor
    names: tuple[str, ...]


def as_samples(samples: Any) -> Tensor:
    """Return samples as float32 ``(m, *x_shape)``.

    Values are not rescaled: bytes stay from 0 to 255.

    Raises:
        TypeError: they are not numbers.
        ValueError: fewer than two samples, or values that are not finite.

    Example:
        >>> as_samples(np.zeros((3, 2))).dtype
        torch.float32
    """
    x = samples if isinstance(samples, Tensor) else _tensor("the reference samples", samples)
    if x.is_complex() or x.dtype == torch.bool:
        raise TypeError(f"the reference samples must be real numbers, but are {x.dtype}.")
    if x.ndim == 0 or len(x) < 2 or x.numel() == 0:
        raise ValueError(
            f"a domain needs reference samples (m, *x_shape), at least two, but their shape is "
            f"{tuple(x.shape)}."
        )
    x = x.detach().cpu().float()
    x = x[:, None] if x.ndim == 1 else x
    check_finite("the reference samples", x)
    return x


def as_labels(labels: Any, n: int, classes: Sequence[Any] | None = None) -> Labels:
    """Return classes from 0 for labels of any kind: numbers or words, ``n`` of them.

    Args:
        labels: ``(n,)``.
        n: how many there must be.
        classes: the names of the classes in the order of the model's outputs; None for the numbers
            themselves, or for words in the order of the alphabet.

    Raises:
        TypeError: numbers with a fraction, which are values and no classes.
        ValueError: another number of them, a single class, or a label that is none of the classes.

    Example:
        >>> as_labels(["b", "a", "b"], 3)
        Labels(index=tensor([1, 0, 1]), names=('a', 'b'))
    """
    known = labels.cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if known.shape != (n,):
        raise ValueError(
            f"labels must be one for each of the {n} samples, (n,), but have shape {known.shape}."
        )
    if known.dtype.kind == "f":
        if not np.isfinite(known).all() or (known != np.round(known)).any():
            raise TypeError(
                "labels must be classes, but have fractions; give quantities as values."
            )
        known = known.astype(np.int64)
    if classes is not None:
        return _named(known, tuple(map(str, classes)))
    if known.dtype.kind in "iu" and known.min() >= 0 and known.max() < 10 * len(np.unique(known)):
        index, count = torch.from_numpy(known.astype(np.int64)), int(known.max()) + 1
        names = tuple(map(str, range(count)))
    else:
        found, place = np.unique(known.astype(str), return_inverse=True)
        index, names = torch.from_numpy(place.reshape(-1).astype(np.int64)), tuple(found.tolist())
    if len(index.unique()) < 2:
        raise ValueError(f"labels must tell at least two classes apart, but all are {names[-1]}.")
    return Labels(index, names)


def _named(known: np.ndarray, classes: tuple[str, ...]) -> Labels:
    """Return labels by names that the user gave: numbers of them, or the names themselves."""
    if known.dtype.kind in "iu":
        if known.min() < 0 or known.max() >= len(classes):
            raise ValueError(
                f"labels must be numbers from 0 to {len(classes) - 1}, the classes that are named, "
                f"but reach from {known.min()} to {known.max()}."
            )
        return Labels(torch.from_numpy(known.astype(np.int64)), classes)
    words = known.astype(str)
    strange = sorted(set(words.tolist()) - set(classes))
    if strange:
        raise ValueError(f"the label {strange[0]!r} is none of the classes {', '.join(classes)}.")
    place = {name: number for number, name in enumerate(classes)}
    return Labels(torch.tensor([place[word] for word in words.tolist()]), classes)


def as_values(values: Any, n: int) -> Tensor:
    """Return quantities ``(n,)`` or ``(n, *y_shape)`` as float32.

    Raises:
        TypeError, ValueError: no numbers, or another number of rows.
    """
    y = values if isinstance(values, Tensor) else _tensor("the values", values)
    if y.ndim == 0 or len(y) != n:
        raise ValueError(
            f"values must be one row for each of the {n} samples, but have shape {tuple(y.shape)}."
        )
    y = y.detach().cpu().float()
    check_finite("the values", y)
    return y


def kind_of(x: Tensor, said: str | None) -> str:
    """Return the kind of samples: as the user says, or inferred from shape and values.

    Raises:
        ValueError: an unknown kind, or one that does not fit the shape.

    Example:
        >>> kind_of(torch.rand(5, 1, 8, 8), None), kind_of(torch.rand(5, 8), None)
        ('image', 'table')
    """
    shape = tuple(x.shape[1:])
    if said is None:
        return _seen(x, shape)
    check_choice("kind", said, KINDS)
    fits = {
        "image": _is_grid(shape) and shape[0] in (1, 3),
        "field": _is_grid(shape),
        "signal": len(shape) <= 2,
        "table": len(shape) == 1,
    }
    if not fits[said]:
        raise ValueError(
            f"samples of the kind {said} have the shape {KINDS[said]}, but these have shape "
            f"(m, {', '.join(map(str, shape))})."
        )
    return said


def shaped(x: Tensor, kind: str | None) -> Tensor:
    """Return images as ``(m, channels, h, w)`` that came without channels, or with them last."""
    last = x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3)
    if last and kind in (None, "image"):
        return x.permute(0, 3, 1, 2).contiguous()
    square = x.ndim == 3 and x.shape[1] == x.shape[2] and x.shape[1] >= _FEWEST
    if x.ndim == 3 and (kind in ("image", "field") or (kind is None and square)):
        return x[:, None]
    return x[:, None] if x.ndim == 2 and kind == "signal" else x


def _seen(x: Tensor, shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return "table"
    if len(shape) == 2:
        return "signal"
    low, high = (float(end) for end in torch.aminmax(x))
    pixels = low >= 0 and (high <= 1 or (high <= 255 and bool((x == x.round()).all())))
    if _is_grid(shape):
        return "image" if shape[0] in (1, 3) and pixels else "field"
    raise ValueError(
        f"samples of shape (m, {', '.join(map(str, shape))}) are of no kind that is known: "
        + "; ".join(f"{kind} {text}" for kind, text in KINDS.items())
        + "."
    )


def _is_grid(shape: Sequence[int]) -> bool:
    return len(shape) == 3 and min(shape[1:]) >= _FEWEST


def _tensor(name: str, value: Any) -> Tensor:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be numbers in one array or frame, not {_said(value, array)}.")
    return torch.from_numpy(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))))


def _said(value: Any, array: np.ndarray) -> str:
    return type(value).__name__ if array.ndim == 0 else f"an array of {array.dtype}"
