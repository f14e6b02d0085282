"""Which parts of an answer count, and how much: positions of a map, outputs, or labels."""

from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from xhat.core import PerCandidate, check_mask, check_numbers, check_positive

__all__ = ["Counted", "check_part", "rows_of"]

_ROUNDING = 1e-6  # of a share of parts


class Counted(PerCandidate):
    """Weights of the parts of an answer; what has the weight 0 does not count at all.

    Args:
        weight: numbers of 0 or more in the shape of one answer, or with a row for each candidate;
            None where all parts count alike.
        mask: booleans of such a shape, true for what counts; None for everything.
        shape: of one answer, where it is known.

    Raises:
        TypeError: weights that are no numbers, or a mask that is not boolean.
        ValueError: a shape that does not fit, a negative weight, or nothing that counts.

    Example:
        >>> right = torch.tensor([[True, False], [True, True]])
        >>> Counted(mask=[True, False]).all(right).tolist(), Counted().all(right).tolist()
        ([True, True], [False, True])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("weight",)

    def __init__(
        self, weight: Any = None, mask: Any = None, shape: tuple[int, ...] | None = None
    ) -> None:
        self.weight, self.even, self.shape = torch.ones(1, 1), True, None
        if weight is not None:
            weights = rows_of("weight", check_numbers("weight", weight), shape)
            if bool((weights < 0).any()):
                raise ValueError(f"a weight must be 0 or more, but {float(weights.min()):g} came.")
            self._narrow(weights if weights.is_floating_point() else weights.float())
        if mask is not None:
            self._narrow(rows_of("mask", check_mask(mask, "counts"), shape))

    def only(self, counts: Tensor) -> Self:
        """Return the same where ``counts``, ``(n, *shape)`` booleans; elsewhere nothing counts."""
        new = self._map(lambda tensor: tensor, lambda part: part)
        new._narrow(counts)
        return new

    def _narrow(self, factor: Tensor) -> None:
        """Multiply the weights by numbers or booleans with a row for all or for each candidate."""
        if len(self.weight) != len(factor) and 1 not in (len(self.weight), len(factor)):
            raise ValueError(
                f"weight, mask and target must have one row for all or one for each candidate, but "
                f"have {len(self.weight)} and {len(factor)}."
            )
        self.shape = tuple(factor.shape[1:]) if self.shape is None else self.shape
        self.weight, self.even = self.weight * factor.flatten(1), False
        nothing = (~(self.weight > 0).any(dim=1)).nonzero()[:, 0]
        if len(nothing):
            raise ValueError(
                f"something must count, but in row {int(nothing[0])} every weight is 0 or masked."
            )

    @property
    def counts(self) -> Tensor:
        """``(n, parts)`` booleans, or with one row for all."""
        return self.weight > 0

    def kept(self, values: Tensor) -> Tensor:
        """Return ``values``, ``(n, *shape)``, with 0 and no gradient where nothing counts."""
        if self.even:
            return values
        counts = self.counts.expand(-1, values[0].numel()).reshape(-1, *values.shape[1:])
        return torch.where(counts, values, torch.zeros((), dtype=values.dtype))

    def mean(self, values: Tensor) -> Tensor:
        """Return the weighted mean of ``(n, *shape)`` over all parts, ``(n,)``."""
        if values.ndim == 1:
            return values
        if self.even:
            return values.flatten(1).mean(dim=1)
        flat = self.kept(values).flatten(1)
        weight = self.weight.to(flat).expand_as(flat)
        return (flat * weight).sum(dim=1) / weight.sum(dim=1)

    def all(self, right: Tensor, share: float = 1.0) -> Tensor:
        """Return whether ``right``, ``(n, *shape)``, holds for a share of what counts, ``(n,)``."""
        if right.ndim == 1:
            return right
        right, counts = right.flatten(1), self.counts
        if share == 1:
            return right.all(dim=1) if self.even else (right | ~counts).all(dim=1)
        return (right & counts).sum(dim=1) >= self._needed(right, share)

    def least(self, values: Tensor, share: float = 1.0) -> Tensor:
        """Return what a share of the parts that count reaches at least, ``(n,)``; NaN stays NaN."""
        if values.ndim == 1:
            return values
        flat = values.flatten(1)
        counts = self.counts.expand_as(flat)
        unknown = (flat.isnan() & counts).any(dim=1)
        if share == 1:
            found = flat.masked_fill(~counts, torch.inf).amin(dim=1)
        else:
            ordered = flat.masked_fill(~counts, -torch.inf).sort(dim=1, descending=True).values
            found = ordered.gather(1, self._needed(flat, share)[:, None] - 1)[:, 0]
        return found.masked_fill(unknown, torch.nan)

    def wrong(self, right: Tensor) -> Tensor:
        """Return the share of what counts that is not right, ``(n,)`` float64."""
        right = right.reshape(len(right), -1)
        counts = self.counts.expand_as(right)
        return (~right & counts).sum(dim=1).double() / counts.sum(dim=1)

    def _needed(self, parts: Tensor, share: float) -> Tensor:
        total = self.counts.expand_as(parts).sum(dim=1)
        return (share * total - _ROUNDING).ceil().long().clamp_min(1)

    def check(self, shape: tuple[int, ...], what: str) -> None:
        """Raise ``ValueError`` unless the weights are for answers of this shape.

        Args:
            shape: of one answer of the model.
            what: its parts are called.
        """
        if self.shape is None or self.shape == shape:
            return
        if not shape:
            raise ValueError(
                f"weight and mask are for {what}, but the model gives one answer for the whole "
                f"input; leave them away."
            )
        raise ValueError(
            f"weight and mask must have the shape of the model's {what}, {shape}, with one row for "
            f"all, {(1, *shape)}, or one for each candidate, {('n', *shape)}, but are for "
            f"{self.shape}.".replace("'n'", "n")
        )


def rows_of(name: str, value: Tensor, shape: tuple[int, ...] | None) -> Tensor:
    """Return a tensor in the shape of one answer with a row of its own, ``(n, *shape)`` as it is.

    Args:
        name: what messages call it.
        value: in one of these shapes.
        shape: of one answer; where it is not known, what has one axis has no rows yet.

    Raises:
        ValueError: another shape.
    """
    if shape is None:
        if value.ndim == 0:
            raise ValueError(f"{name} must have the shape of the model's answer, but is a number.")
        return value[None] if value.ndim == 1 else value
    if tuple(value.shape) == shape:
        return value[None]
    if tuple(value.shape[1:]) != shape:
        raise ValueError(
            f"{name} must have the shape of one answer, {shape}, or a row of it for each "
            f"candidate, but has shape {tuple(value.shape)}."
        )
    return value


def check_part(share: float) -> float:
    """Return the share of parts that must be right, if it is above 0 and at most 1."""
    if check_positive("share", share) > 1:
        raise ValueError(f"share must be above 0 and at most 1, but is {share}.")
    return share
