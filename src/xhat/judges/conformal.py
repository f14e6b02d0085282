"""Conformal p-values: how often real samples are at least as unusual, on one axis and on all.

Every axis scores samples; larger is more unusual. Real samples that trained nothing are split in
two. The *first* part sets a common scale: a score becomes a surprise, the negative logarithm of
the share of real samples that lie at least as far out. The surprise of a group of axes is that of
its most surprising axis, and the surprise ``S`` of a sample that of its most surprising group. So a
group with many axes weighs no more than another; its weight is its *budget*, the share of flagged
real samples that are flagged because of it. The *second* part gives the
p-values: with ``b`` real samples, a candidate's is ``(1 + #{S_i >= S}) / (b + 1)``.

A real sample is exchangeable with those of the second part, whatever the scale is; so its p-value
is at most ``alpha`` with probability at most ``alpha``, for every ``alpha`` in (0, 1). The largest
surprise over the axes is compared with the largest surprise of real samples over the same axes.
This corrects for the number of axes, whatever their dependence, without assuming the worst about
it.

Sources: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005; Westfall, Young,
"Resampling-Based Multiple Testing", 1993 (the distribution of the smallest p-value); Coles, "An
Introduction to Statistical Modeling of Extreme Values", 2001 (the exponential tail).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from xhat.core import check_finite, check_fraction

__all__ = ["Calibration", "Surprise", "Weighed", "p_value", "samples_needed"]

_TAIL = 0.025  # the share of samples from which the exponential tail is estimated


def samples_needed(alpha: float) -> int:
    """Return how many calibration samples are needed for a p-value as small as ``alpha``.

    Example:
        >>> samples_needed(0.05), samples_needed(0.001)
        (19, 999)
    """
    return math.ceil(1 / check_fraction("alpha", alpha) * (1 - 1e-12)) - 1


@dataclass(frozen=True)
class Surprise:
    """Scores on a common scale: ``-log`` of the share of known scores that are as large.

    Beyond the known scores the scale continues with an exponential tail, fitted to their largest
    2.5 %, so that scores far out still have an order.

    Attributes:
        known: ``(n,)`` scores, ascending.
        start: where the exponential tail begins.
        scale: the mean excess of the tail.
        two_sided: whether unusually small scores are surprising, too.

    Example:
        >>> surprise = Surprise.fit(torch.arange(1000.0))
        >>> [round(float(v), 1) for v in surprise(torch.tensor([0.0, 500.0, 900.0, 2000.0]))]
        [0.0, 0.7, 2.3, 82.8]
    """

    known: Tensor
    start: float
    scale: float
    two_sided: bool = False

    @classmethod
    def fit(cls, scores: Tensor, *, two_sided: bool = False) -> "Surprise":
        """Learn the scale from the scores of real samples, ``(n,)``, at least 2."""
        known = scores.double().sort().values
        start = float(torch.quantile(known, 1 - _TAIL))
        excess = known[known > start] - start
        least = 1e-9 * max(1.0, abs(start))
        scale = float(excess.mean()) if len(excess) else least
        return cls(known, start, max(scale, least), two_sided)

    def __call__(self, scores: Tensor) -> Tensor:
        """Return surprises, ``(n,)`` float64, 0 or more; infinite where a score is no number."""
        upper = self._upper(scores.double())
        if not self.two_sided:
            return upper
        mirrored = Surprise.fit(-self.known)
        return torch.maximum(upper, mirrored._upper(-scores.double()))

    def _upper(self, scores: Tensor) -> Tensor:
        n = len(self.known)
        below = torch.searchsorted(self.known, scores.contiguous())
        body = ((n + 0.5) / (n - below + 0.5)).clamp_min(1).log()
        tail = -math.log(_TAIL) + (scores - self.start) / self.scale
        body = body.clamp_max(-math.log(_TAIL))
        found = torch.where(scores > self.start, tail, body)
        return torch.where(scores.isnan(), torch.full_like(found, torch.inf), found)


@dataclass(frozen=True)
class Weighed:
    """What a calibration says of ``n`` samples.

    Attributes:
        p: ``(n,)``, the p-value of the whole sample.
        axis_p: ``(n, axes)``, the p-value on each axis alone.
        adjusted: ``(n, axes)``, the p-value of each axis, corrected for the number of axes: the
            share of real samples that are as surprising on *any* axis. The smallest of a row is
            ``p``.
        surprise: ``(n,)``, the number behind ``p``; it still ranks samples that are more surprising
            than every real one.
    """

    p: Tensor
    axis_p: Tensor
    adjusted: Tensor
    surprise: Tensor


@dataclass(frozen=True)
class Calibration:
    """Scales and known surprises of several axes in groups; build it by ``fit``.

    Attributes:
        groups: the group of each axis.
        budgets: of each group; they need not sum to 1.
        scales: the scale of each axis.
        group_scales: the scale of each group's largest surprise.
        axes: ``(b, axes)`` surprises of the second part of the real samples, each column sorted.
        whole: ``(b,)`` surprises of the samples as a whole, sorted.
    """

    groups: tuple[str, ...]
    budgets: Mapping[str, float]
    scales: tuple[Surprise, ...]
    group_scales: dict[str, Surprise]
    axes: Tensor
    whole: Tensor

    @classmethod
    def fit(
        cls,
        first: Tensor,
        second: Tensor,
        groups: Sequence[str],
        two_sided: Sequence[bool] | None = None,
        budgets: Mapping[str, float] | None = None,
    ) -> "Calibration":
        """Learn scales from the first part and p-values from the second.

        Args:
            first: ``(a, axes)`` scores of real samples.
            second: ``(b, axes)`` scores of other real samples.
            groups: of each axis.
            two_sided: of each axis; by default none is.
            budgets: of each group, above 0; by default equal.

        Raises:
            ValueError: shapes that do not fit, or fewer than 2 samples in a part.

        Example:
            >>> from xhat.core import generator
            >>> real = torch.randn(3000, 2, generator=generator(0))
            >>> calibration = Calibration.fit(real[:1000], real[1000:2000], ("a", "b"))
            >>> flagged = calibration.weigh(real[2000:]).p <= 0.1
            >>> 0.06 < float(flagged.float().mean()) < 0.14
            True
        """
        sided = tuple(two_sided) if two_sided is not None else (False,) * len(groups)
        shares = dict(budgets or dict.fromkeys(groups, 1.0))
        for name, part in (("first", first), ("second", second)):
            if part.ndim != 2 or part.shape[1] != len(groups) or len(part) < 2:
                raise ValueError(
                    f"the {name} part of the calibration must hold at least 2 samples with a "
                    f"score on each of {len(groups)} axes, but has shape {tuple(part.shape)}."
                )
            check_finite(f"the {name} part of the calibration", part)
        scales = tuple(
            Surprise.fit(column, two_sided=both)
            for column, both in zip(first.T, sided, strict=True)
        )
        draft = cls(tuple(groups), shares, scales, {}, torch.empty(0), torch.empty(0))
        known = draft._surprises(first)
        largest = {
            group: Surprise.fit(known[:, draft._columns(group)].amax(dim=1))
            for group in dict.fromkeys(groups)
        }
        draft = replace(draft, group_scales=largest)
        held = draft._surprises(second)
        whole = draft._levelled(held).amax(dim=1)
        return replace(draft, axes=held.sort(dim=0).values, whole=whole.sort().values)

    def weigh(self, scores: Tensor) -> Weighed:
        """Return the p-values of samples with ``scores`` ``(n, axes)``."""
        surprises = self._surprises(scores)
        levelled = self._levelled(surprises)
        columns = zip(self.axes.T, surprises.T, strict=True)
        axis_p = torch.stack([p_value(known, found) for known, found in columns], dim=1)
        adjusted = p_value(self.whole, levelled.flatten()).reshape(levelled.shape)
        return Weighed(adjusted.amin(dim=1), axis_p, adjusted, levelled.amax(dim=1))

    def _surprises(self, scores: Tensor) -> Tensor:
        return torch.stack(
            [scale(column) for scale, column in zip(self.scales, scores.T, strict=True)], dim=1
        )

    def _levelled(self, surprises: Tensor) -> Tensor:
        columns = [
            self.group_scales[group](column) + math.log(self.budgets[group])
            for group, column in zip(self.groups, surprises.T, strict=True)
        ]
        return torch.stack(columns, dim=1)

    def _columns(self, group: str) -> list[int]:
        return [i for i, name in enumerate(self.groups) if name == group]


def p_value(known: Tensor, found: Tensor) -> Tensor:
    """Return for each of ``found`` the share of ``known``, ascending, that is as large.

    The found one itself is counted as well, which makes the share a conformal p-value.
    """
    at_least = len(known) - torch.searchsorted(known.contiguous(), found.contiguous())
    return (1 + at_least).double() / (1 + len(known))  # so that 1 / 20 is not above 0.05
