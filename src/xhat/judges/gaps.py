"""Where a search leaves the region in which the surrogate is good: its gap to the truth."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_fraction, check_positive, short
from xhat.judges.answers import finite
from xhat.judges.truth import CHUNK, Truth, check_truth, checked_inputs, gap_between

__all__ = ["GapAlong", "competence_limit", "gap_along"]


@dataclass(frozen=True, eq=False)
class GapAlong:
    """How far surrogate and truth are apart along a search of ``n`` candidates.

    Attributes:
        gap: ``(frames, n)`` float64; NaN where the truth failed or the input was not finite.
        limit: the gap up to which the surrogate counts as good, in the outputs' unit.
        left: ``(n,)`` int64, the first frame after which the gap stays above the limit; -1 where
            the last gap is within it. A gap of NaN counts as above.
        steps: the step number of every frame.
    """

    gap: Tensor
    limit: float
    left: Tensor
    steps: tuple[int, ...]

    def explain(self, i: int) -> str:
        """Return a sentence: at which step the surrogate stopped being good for candidate ``i``."""
        left, end, last = int(self.left[i]), float(self.gap[-1, i]), self.steps[-1]
        gap = "the truth fails at its end" if end != end else f"the gap ends at {short(end)}"
        limit = f"(limit {short(self.limit)})"
        if left < 0:
            return f"The search ends where the surrogate is competent: {gap} {limit}."
        if left == 0:
            return (
                f"The search was beyond the surrogate's competence from its start: {gap} {limit}."
            )
        step = self.steps[left]
        return (
            f"The search left the surrogate's competence at step {step} of {last}: {gap} {limit}."
        )


def competence_limit(
    truth: Truth,
    surrogate: Callable[[Tensor], Any],
    reference: Tensor,
    *,
    alpha: float = 0.05,
    chunk: int = CHUNK,
) -> float:
    """Return a limit that the gap at a new real sample exceeds with probability at most ``alpha``.

    With ``m`` real samples that is the ``ceil((1 - alpha)(m + 1))``-th smallest of their gaps: the
    split-conformal quantile of Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World",
    2005. It holds for samples that the surrogate was not trained on.

    Args:
        truth: what is asked.
        surrogate: what stands in for it.
        reference: ``(m, *x_shape)`` real samples; where the truth fails, the gap is infinite.
        alpha: the probability, in (0, 1), with which a real sample may exceed the limit.
        chunk: how many samples are asked together.

    Raises:
        ValueError: too few samples for ``alpha``, or the truth fails on too many of them.

    Example:
        >>> truth = Truth(lambda x: x[:, 0])
        >>> real = torch.arange(1.0, 20.0)[:, None]
        >>> round(competence_limit(truth, lambda x: 1.1 * x[:, 0], real, alpha=0.1), 3)
        1.8
    """
    x = checked_inputs(truth, reference, chunk)
    beyond = math.floor(check_fraction("alpha", alpha) * (len(x) + 1) + 1e-9)
    if beyond < 1:
        raise ValueError(
            f"alpha = {alpha} needs at least {math.ceil(1 / alpha - 1e-9) - 1} real samples, but "
            f"{len(x)} came; add samples or raise alpha."
        )
    gap = gap_between(truth, surrogate, x, chunk)
    limit = float(gap.nan_to_num(nan=torch.inf).sort().values[len(x) - beyond])
    if math.isinf(limit):
        raise ValueError(
            f"the truth or the surrogate fails on {int(gap.isnan().sum())} of {len(x)} real "
            f"samples, more than alpha = {alpha} allows; pass samples that they can take."
        )
    return limit


def gap_along(
    truth: Truth,
    surrogate: Callable[[Tensor], Any],
    path: Tensor,
    limit: float,
    *,
    steps: Sequence[int] | None = None,
    chunk: int = CHUNK,
) -> GapAlong:
    """Find where searches left the surrogate's competence.

    A frame in which a candidate did not move is not asked again.

    Args:
        truth: what is asked.
        surrogate: what the search followed.
        path: ``(frames, n, *x_shape)``, where the candidates were: a trajectory's ``x``. Inputs
            that are not finite are not asked.
        limit: the gap up to which the surrogate counts as good; see ``competence_limit``.
        steps: the step number of every frame, a trajectory's ``steps``; by default 0, 1, 2...
        chunk: how many inputs are asked together.

    Raises:
        TypeError: the path is no floating-point tensor.
        ValueError: shapes or numbers do not fit.

    Example:
        >>> truth = Truth(lambda x: x[:, 0].clamp_max(1.0))
        >>> path = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0])[:, None, None]
        >>> gap_along(truth, lambda x: x[:, 0], path, 0.1).explain(0)
        "The search left the surrogate's competence at step 3 of 4: the gap ends at 1 (limit 0.1)."
    """
    check_positive("the limit", limit, zero=True)
    path, numbers = _checked_path(truth, path, steps, chunk)
    frames, n = path.shape[:2]
    rows = path.flatten(0, 1)
    moved = torch.ones(frames, n, dtype=torch.bool)
    moved[1:] = (path[1:] != path[:-1]).reshape(frames - 1, n, -1).any(dim=2).cpu()
    asked = moved.flatten() & finite(rows)
    gap = torch.full((frames * n,), torch.nan, dtype=torch.float64)
    if bool(asked.any()):
        gap[asked] = gap_between(truth, surrogate, rows[asked.to(rows.device)], chunk)
    source = (torch.arange(frames)[:, None] * moved).cummax(dim=0).values
    gap = gap.reshape(frames, n).gather(0, source)
    beyond = (~(gap <= limit)).long().flip(0).cumprod(dim=0).sum(dim=0)
    left = torch.where(beyond > 0, frames - beyond, -1)
    return GapAlong(gap, limit, left, numbers)


def _checked_path(
    truth: Truth, path: Tensor, steps: Sequence[int] | None, chunk: int
) -> tuple[Tensor, tuple[int, ...]]:
    check_truth(truth, chunk)
    if not isinstance(path, Tensor) or not path.dtype.is_floating_point:
        raise TypeError("the path must be a floating-point tensor, such as a trajectory's x.")
    if path.ndim < 2 or path.numel() == 0:
        raise ValueError(
            f"the path must have shape (frames, n, *x_shape), but has {tuple(path.shape)}."
        )
    numbers = tuple(range(len(path))) if steps is None else tuple(int(step) for step in steps)
    if len(numbers) != len(path):
        raise ValueError(
            f"steps must number each of the {len(path)} frames, but {len(numbers)} came."
        )
    return path.detach(), numbers
