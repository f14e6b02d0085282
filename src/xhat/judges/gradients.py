"""Whether the surrogate's input gradient points where the truth goes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from xhat.core import (
    check_count,
    check_positive,
    check_tensor,
    evaluation_mode,
    generator,
    modules_of,
    short,
)
from xhat.judges.answers import answer, dtype_of, finite, flat
from xhat.judges.truth import CHUNK, Truth, checked_inputs, of_truth

__all__ = ["GradientAudit", "audit_gradient"]

_FEW = 64  # so many coordinates are all looked at
_DIRECTIONS = 32  # of more coordinates, so many random directions
_FLAT = 1e-6  # a slope below this share of the steepest has no sign: float32 rounding


@dataclass(frozen=True, eq=False)
class GradientAudit:
    """How well the surrogate's input gradient agrees with the slopes of the truth.

    A slope is the change of the output over one step along a direction, so the weight of a
    coordinate depends on the step that was chosen for it. With one step for all, cosine and
    relative error are those of the gradients themselves.

    Attributes:
        full: whether slopes were taken along all coordinates; otherwise along random directions.
        surrogate: ``(n, m)`` float64, the surrogate's slopes along ``m`` directions.
        truth: ``(n, m)`` float64, the truth's; NaN where it failed on either side.
        used: ``(n,)`` int64, the number of directions in which both slopes are known; others are
            left out.
        cosine: ``(n,)`` in [-1, 1], the cosine similarity of the slopes. Over random directions it
            estimates that of the gradients, to about ``1 / sqrt(m)``. NaN where either is zero.
        same_sign: ``(n,)`` in [0, 1], the share of directions in which both rise, both fall, or
            neither does (to 1e-6 of the steepest); NaN where none is known.
        relative_error: ``(n,)``, the norm of the difference over that of the truth's slopes; 0
            where both are zero, infinite where only the truth's are.
    """

    full: bool
    surrogate: Tensor
    truth: Tensor
    used: Tensor
    cosine: Tensor
    same_sign: Tensor
    relative_error: Tensor

    def explain(self, i: int) -> str:
        """Return in one or two sentences whether the gradient can be trusted at candidate ``i``."""
        used, total, cosine = int(self.used[i]), self.truth.shape[1], float(self.cosine[i])
        where = f"{used} of {total} {'coordinates' if self.full else 'random directions'}"
        if used == 0:
            return f"The gradient cannot be audited: no slope is known in any of {where[5:]}."
        if cosine != cosine:
            flat = "truth" if not bool(self.truth[i].nan_to_num().any()) else "surrogate"
            return f"The gradients cannot be compared: the {flat} is flat in {where}."
        said = (
            f"The surrogate's gradient has a cosine similarity of {cosine:.2f} with the truth's, "
            f"over {where}; {100 * float(self.same_sign[i]):.0f} % of the slopes have the same "
            f"sign, the relative error is {short(float(self.relative_error[i]))}."
        )
        return said if cosine >= 0 else f"{said} Following it leads the truth the wrong way."


def audit_gradient(
    surrogate: Callable[[Tensor], Any],
    truth: Truth,
    x: Tensor,
    *,
    step: float | Tensor,
    directions: int | None = None,
    seed: int = 0,
    scalar: Callable[[Tensor], Tensor] | None = None,
    chunk: int = CHUNK,
) -> GradientAudit:
    """Compare the surrogate's input gradient with central differences of the truth.

    Along a direction ``u`` the truth's slope is ``(f(x + step u) - f(x - step u)) / 2``, the
    surrogate's ``grad(x) . step u``. The error of the difference falls with the square of the
    step, its rounding grows with the inverse: for a smooth closed form in float64 a step of 1e-5
    of the size of ``x`` is near the best, for a simulator one that is well above its noise
    (Nocedal, Wright, "Numerical Optimization", 2006, section 8.1). Random directions as in
    Nesterov, Spokoiny, "Random Gradient-Free Minimization of Convex Functions", 2017.

    Args:
        surrogate: differentiable, ``(n, *x_shape) -> (n, ...)``; evaluated in evaluation mode and
            left as it was.
        truth: what is asked, ``2 m`` times per candidate.
        x: ``(n, *x_shape)``, floating point.
        step: above 0, in the unit of ``x``; or one per coordinate, ``x_shape``.
        directions: how many random unit vectors to look along, the same for all candidates; None
            for all coordinates, or for 32 random vectors where ``x`` has more than 64 coordinates.
        seed: of the random vectors.
        scalar: differentiable, ``(n, ...) -> (n,)``, applied to the outputs of both; required if an
            output is more than one number.
        chunk: how many inputs are asked together.

    Raises:
        TypeError: the surrogate cannot be differentiated, or a part is of the wrong kind.
        ValueError: shapes or numbers do not fit.

    Example:
        >>> bowl = Truth(lambda x: x.square().sum(dim=1))
        >>> audit = audit_gradient(lambda x: 2 * x[:, 0], bowl, torch.ones(1, 2), step=1e-5)
        >>> audit.explain(0)[:61], round(float(audit.cosine[0]), 4)
        ("The surrogate's gradient has a cosine similarity of 0.71 with", 0.7071)
    """
    x = checked_inputs(truth, x, chunk)
    stride = _stride(step, x)
    count = x[0].numel()
    full = directions is None and count <= _FEW
    units = torch.eye(count, dtype=torch.float64)
    if not full:
        count = _DIRECTIONS if directions is None else check_count("directions", directions)
        source = generator(seed, "directions")
        units = torch.randn(count, x[0].numel(), dtype=torch.float64, generator=source)
        units = units / units.norm(dim=1, keepdim=True)
    moves = units * stride
    claimed = _gradient(surrogate, x, scalar, chunk) @ moves.T
    return _compared(full, claimed, _slopes(truth, x, moves, scalar, chunk))


def _compared(full: bool, claimed: Tensor, found: Tensor) -> GradientAudit:
    known = claimed.isfinite() & found.isfinite()
    used = known.sum(dim=1)
    a, b = claimed.where(known, 0.0), found.where(known, 0.0)
    size_a, size_b = a.norm(dim=1), b.norm(dim=1)
    cosine = ((a * b).sum(dim=1) / (size_a * size_b)).clamp(-1, 1)  # 0 / 0 is NaN, as told
    same = ((_sign(a) == _sign(b)) & known).sum(dim=1).double()
    off = (a - b).norm(dim=1)
    error = torch.where(off > 0, off / size_b, 0.0).where(used > 0, torch.nan)
    return GradientAudit(full, claimed, found, used, cosine, same / used, error)


def _sign(slopes: Tensor) -> Tensor:
    least = _FLAT * slopes.abs().amax(dim=1, keepdim=True)
    return slopes.sign().where(slopes.abs() > least, 0.0)


def _gradient(
    surrogate: Callable[[Tensor], Any],
    x: Tensor,
    scalar: Callable[[Tensor], Tensor] | None,
    chunk: int,
) -> Tensor:
    modules = modules_of(surrogate)
    parts = []
    with evaluation_mode(*modules), torch.inference_mode(mode=False), torch.enable_grad():
        for part in x.split(chunk):
            leaf = part.to(dtype_of(modules, x), copy=True).requires_grad_(True)
            value = _scalars("the surrogate", answer("the surrogate", surrogate, leaf), scalar)
            if not value.requires_grad:
                raise TypeError(_NOT_DIFFERENTIABLE)
            grad = torch.autograd.grad(value.sum(), leaf, allow_unused=True)[0]
            if grad is None:
                raise TypeError(_NOT_DIFFERENTIABLE)
            parts.append(flat(grad))
    return torch.cat(parts)


_NOT_DIFFERENTIABLE = (
    "the surrogate cannot be differentiated with respect to x; remove no_grad, detach, rounding "
    "and numpy from it."
)


def _slopes(
    truth: Truth,
    x: Tensor,
    moves: Tensor,
    scalar: Callable[[Tensor], Tensor] | None,
    chunk: int,
) -> Tensor:
    parts = []
    both = torch.cat([moves, -moves]).reshape(-1, *x.shape[1:]).to(x.device)
    for some in x.split(max(1, chunk // len(both))):
        around = (some.to(torch.float64)[:, None] + both).flatten(0, 1)
        y = of_truth(truth, around, chunk)
        values = _scalars("the truth", y.to(torch.float64), scalar).cpu()
        values = values.where(finite(y), torch.nan).reshape(len(some), 2, -1)
        parts.append((values[:, 0] - values[:, 1]) / 2)
    return torch.cat(parts)


def _scalars(who: str, y: Tensor, scalar: Callable[[Tensor], Tensor] | None) -> Tensor:
    if scalar is None:
        if y[0].numel() != 1:
            raise ValueError(
                f"{who} gives outputs of shape {tuple(y.shape[1:])}, which have no one gradient; "
                f"pass scalar= to make one number of them, such as lambda y: y[:, 0]."
            )
        return y.reshape(-1)
    value = scalar(y)
    if not isinstance(value, Tensor) or value.shape != (len(y),):
        came = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"scalar must return a tensor of shape ({len(y)},), but gave {came}.")
    return value


def _stride(step: float | Tensor, x: Tensor) -> Tensor:
    if not isinstance(step, Tensor):
        return torch.tensor(float(check_positive("step", step)), dtype=torch.float64)
    stride = check_tensor("step", step)
    if stride.shape not in ((), x.shape[1:]) or bool((stride <= 0).any()):
        raise ValueError(
            f"step must be a number above 0, or one per coordinate, {tuple(x.shape[1:])}, but has "
            f"shape {tuple(stride.shape)} and reaches down to {float(stride.min()):g}."
        )
    return stride.detach().to("cpu", torch.float64).reshape(-1)
