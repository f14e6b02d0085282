"""Checks of what a judge is given, with one sentence for what does not fit."""

import torch
from torch import Tensor

from xhat.core import check_rows, check_tensor
from xhat.judges.jury import Jury

__all__ = [
    "check_labelled",
    "check_reached",
    "check_samples",
    "check_target",
    "classes_of",
]


def classes_of(name: str, target: Tensor | int, classes: int) -> Tensor:
    """Return ``target`` as ``(n,)`` int64 classes below ``classes``, or say what is wrong."""
    target = check_tensor(name, target, floating=False)
    target = check_tensor(
        name, target[None] if target.ndim == 0 else target, ndim=1, floating=False
    )
    if target.dtype == torch.bool or target.is_floating_point():
        kind = str(target.dtype).removeprefix("torch.")
        raise TypeError(f"{name} must be classes, so integers, but is {kind}.")
    low, high = int(target.min()), int(target.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"{name} must be a class from 0 to {classes - 1}, but {low if low < 0 else high} came."
        )
    return target.long()


def check_samples(x: Tensor, reference: Tensor) -> Tensor:
    """Return samples ``(n, *x_shape)`` as float32, if they have the shape of the reference's."""
    x = check_tensor("the samples", x).detach().float()
    shape = tuple(reference.shape[1:])
    if tuple(x.shape[1:]) != shape:
        raise ValueError(
            f"samples must have shape (n, {', '.join(map(str, shape))}), like the reference, but "
            f"have {tuple(x.shape)}."
        )
    return x


def check_target(target: Tensor | int | None, classes: int, n: int) -> Tensor:
    """Return the class that each of ``n`` samples should be, ``(n,)``."""
    if target is None:
        raise ValueError(
            "this judge was fitted with labels and looks for the meaning of samples, so it needs "
            "the target: the class or classes that they should be."
        )
    wanted = classes_of("the target", target, classes)
    check_rows("the target", wanted, n)
    return wanted.expand(n)


def check_labelled(
    name: str, x: Tensor, labels: Tensor | None, jury: Jury | None
) -> tuple[Tensor, Tensor | None]:
    """Return samples as float32, and their classes as int64; both fit each other and the jury."""
    x = check_tensor(name, x).float()
    if jury is None and labels is None:
        return x, None
    if labels is None:
        raise ValueError(f"{name} must have labels, since there is a jury; pass them, or no jury.")
    labels = check_tensor(f"the labels of {name}", labels, floating=False)
    most = int(labels.max()) + 1 if jury is None else jury.classes
    labels = classes_of(f"the labels of {name}", labels, most)
    if len(x) != len(labels):
        raise ValueError(f"{name} must have one label each, but {len(labels)} came for {len(x)}.")
    return x, labels


def check_reached(reached: Tensor | None, n: int) -> None:
    """Raise unless ``reached`` is None or has one boolean for each of ``n`` samples."""
    if reached is None:
        return
    if not isinstance(reached, Tensor):
        raise TypeError(f"reached must be a boolean tensor, not {type(reached).__name__}.")
    if reached.shape != (n,) or reached.dtype != torch.bool:
        raise ValueError(
            f"reached must be a boolean for each of the {n} samples, but has shape "
            f"{tuple(reached.shape)} and type {reached.dtype}."
        )
