"""Steppers: how a gradient moves a candidate.

A stepper is a pair of functions. ``init(z)`` returns its memory, tensors with one row per
candidate; ``step(z, loss, gradient, state)`` returns the next ``z`` and memory. Every row depends
on its own row only, so candidates may enter and leave the batch between any two steps.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from xhat.core import check_count, check_fraction, check_positive, check_share, per_row

if TYPE_CHECKING:
    from xhat.engine.lagrangian import AugmentedLagrangian
    from xhat.engine.sqp import SQP

__all__ = [
    "LBFGS",
    "Adam",
    "GradientDescent",
    "NormalizedDescent",
    "SignDescent",
    "State",
    "Stepper",
]

State = dict[str, Tensor]


class Stepper(ABC):
    """A rule for the next ``z``.

    Attributes:
        recovers: whether it can go back from a trial whose loss is not finite, so that the
            candidate need not leave there.
        curved: whether it learns curvature from changes of the gradient, and so must be given 0
            for features that a bound holds.
        usual: the length of a step whose length is left open, as a share of each feature's range.
        rotates: whether a step commutes with every orthogonal map of ``z``: the step from ``Q z``,
            with the gradient turned likewise, is ``Q`` times the step from ``z``. All steppers
            commute with exchanges of features and changes of their sign.
    """

    recovers: ClassVar[bool] = False
    curved: ClassVar[bool] = False
    rotates: ClassVar[bool] = False
    usual: ClassVar[float] = 1.0

    @property
    def open(self) -> bool:
        """Whether the length of its steps is left open: then it counts in ranges of features."""
        return False

    @property
    def lagrangian(self) -> "AugmentedLagrangian | None":
        """How it keeps constraints without a projection; None where it only descends."""
        return None

    @property
    def programs(self) -> "SQP | None":
        """How it keeps constraints by quadratic programs; None where it does not."""
        return None

    def init(self, z: Tensor) -> State:  # noqa: ARG002 - most have no memory
        """Return the memory for candidates at ``z``: tensors with one row each."""
        return {}

    @abstractmethod
    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the next ``z`` and memory, both new: the arguments are not written to.

        Args:
            z: ``(n, *z_shape)``, where ``loss`` and ``gradient`` were taken.
            loss: ``(n,)``.
            gradient: ``(n, *z_shape)``.
            state: what ``init`` or the last ``step`` returned.
        """


class _Rated(Stepper):
    """What all steppers have whose step is a number."""

    rate: float | None

    @property
    def open(self) -> bool:
        """Whether no rate was given."""
        return self.rate is None

    @property
    def size(self) -> float:
        """The rate, given or usual."""
        return self.usual if self.rate is None else self.rate

    def __post_init__(self) -> None:
        """Check the rate."""
        if self.rate is not None:
            check_positive("rate", self.rate)


@dataclass(frozen=True)
class GradientDescent(_Rated):
    """``v = momentum * v + g``, ``z = z - rate * v`` (Polyak's heavy ball).

    Attributes:
        rate: in the unit of ``z``; None for 0.1, with ``z`` in shares of each feature's range.
        momentum: in [0, 1).

    Example:
        >>> z, _ = GradientDescent(0.5).step(torch.ones(1, 1), torch.ones(1), torch.ones(1, 1), {})
        >>> z
        tensor([[0.5000]])
    """

    rotates: ClassVar[bool] = True

    usual: ClassVar[float] = 0.1

    rate: float | None = None
    momentum: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        check_share("momentum", self.momentum)

    def init(self, z: Tensor) -> State:
        """Return the velocity, or nothing without momentum."""
        return {"velocity": torch.zeros_like(z)} if self.momentum else {}

    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: ARG002
        """Step against the (accumulated) gradient."""
        if not self.momentum:
            return z - self.size * gradient, state
        velocity = self.momentum * state["velocity"] + gradient
        return z - self.size * velocity, {"velocity": velocity}


@dataclass(frozen=True)
class SignDescent(_Rated):
    """``z = z - rate * sign(g)``: steepest descent in the Linf norm.

    The step of Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards Deep Learning Models Resistant to
    Adversarial Attacks" (2018). It depends on the axes, and so does not commute with rotations.

    Attributes:
        rate: in the unit of ``z``; None for 0.02 of each feature's range.
    """

    usual: ClassVar[float] = 0.02

    rate: float | None = None

    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: ARG002
        """Step every feature by the same size."""
        return torch.add(z, gradient.sign(), alpha=-self.size), state


@dataclass(frozen=True)
class NormalizedDescent(_Rated):
    """``z = z - rate * g / ||g||_2``: steps of one length; none where the gradient is 0.

    Attributes:
        rate: in the unit of ``z``; None for 0.1, with ``z`` in shares of each feature's range.
    """

    rotates: ClassVar[bool] = True

    usual: ClassVar[float] = 0.1

    rate: float | None = None

    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: ARG002
        """Step by the length ``rate``."""
        norm = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
        length = self.size / norm.clamp_min(torch.finfo(norm.dtype).tiny)
        return z - per_row(length, gradient) * gradient, state


@dataclass(frozen=True)
class Adam(_Rated):
    """Kingma, Ba, "Adam: A Method for Stochastic Optimization" (ICLR 2015); a clock per candidate.

    It divides feature by feature, and so does not commute with rotations; ``VectorAdam`` does.

    Attributes:
        rate: the step size, in the unit of ``z``; None for 0.05 of each feature's range.
        beta1: decay of the mean gradient, in [0, 1).
        beta2: decay of the mean squared gradient, in [0, 1).
        epsilon: added to the root of the latter.
    """

    usual: ClassVar[float] = 0.05

    rate: float | None = None
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        check_positive("epsilon", self.epsilon)
        check_share("beta1", self.beta1)
        check_share("beta2", self.beta2)

    def init(self, z: Tensor) -> State:
        """Return both means and the clock."""
        clock, zero = z.new_zeros(z.shape[0], *(1,) * (z.ndim - 1)), torch.zeros_like(z)
        return {"mean": zero, "square": zero.clone(), "clock": clock}

    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: ARG002
        """Step by the bias-corrected mean over the root mean square."""
        clock = state["clock"] + 1
        mean = torch.lerp(state["mean"], gradient, 1 - self.beta1)
        square = torch.lerp(state["square"], self._squares(gradient), 1 - self.beta2)
        size = self.size / (1 - self.beta1**clock)
        root = (square / (1 - self.beta2**clock)).sqrt_().add_(self.epsilon)
        return z - size * mean / root, {"mean": mean, "square": square, "clock": clock}

    def _squares(self, gradient: Tensor) -> Tensor:
        """Return that whose mean is divided by the root of."""
        return gradient.square()


@dataclass(frozen=True)
class LBFGS(Stepper):
    """Limited-memory BFGS with a backtracking line search, each candidate on its own.

    Nocedal, "Updating Quasi-Newton Matrices with Limited Storage" (1980); Armijo's rule. Every
    trial of the line search is one step of the loop, so that candidates in different phases of
    their search share one batch. A trial where the loss is not finite is rejected like any other.
    Features whose gradient is 0, such as those that a bound holds, stay, and curvature is taken
    among the others (Bertsekas, "Projected Newton Methods for Optimization Problems with Simple
    Constraints", 1982). Where a direction leads nowhere, the memory is forgotten.

    Attributes:
        history: how many past (step, gradient change) pairs are kept.
        first: the length of the very first trial, in the unit of ``z``; None for 1, with ``z`` in
            shares of each feature's range.
        shrink: a rejected trial is shortened to the least of a parabola, but at least by this, in
            (0, 1).
        decrease: Armijo's share of the predicted decrease that must be met, in (0, 1).
    """

    rotates: ClassVar[bool] = True
    recovers: ClassVar[bool] = True
    curved: ClassVar[bool] = True

    @property
    def open(self) -> bool:
        """Whether the first trial has no length of its own."""
        return self.first is None

    history: int = 10
    first: float | None = None
    shrink: float = 0.5
    decrease: float = 1e-4

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_count("history", self.history)
        if self.first is not None:
            check_positive("first", self.first)
        for name in ("shrink", "decrease"):
            check_fraction(name, getattr(self, name))

    def init(self, z: Tensor) -> State:
        """Return an empty history and no accepted point."""
        n, size = z.shape[0], z[0].numel()
        return {
            "point": z.detach().flatten(1).clone(),
            "loss": z.new_full((n,), torch.inf),
            "gradient": z.new_zeros(n, size),
            "direction": z.new_zeros(n, size),
            "length": z.new_ones(n),
            "pairs": z.new_zeros(n, 2, self.history, size),
            "known": z.new_zeros(n, self.history),
        }

    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        """Accept the trial ``z`` and set out anew, or go back and try a shorter step."""
        here, slope = z.flatten(1), gradient.flatten(1)
        loss = loss.to(z.dtype)
        move, change = here - state["point"], slope - state["gradient"]
        predicted = (state["gradient"] * move).sum(dim=1)
        accepted = loss <= state["loss"] + self.decrease * predicted.clamp_max(0)
        accepted = accepted & (loss.abs() < inf)
        yes = accepted[:, None]

        lost = ~accepted & (state["length"] < _HOPELESS) & (state["known"] > 0).any(dim=1)
        memory = self._remember(state, move, change, accepted & (state["loss"] < inf))
        memory["known"] = torch.where(lost[:, None], 0.0, memory["known"])
        point = torch.where(yes, here, state["point"])
        at = torch.where(yes, slope, state["gradient"])
        anew = (accepted | lost)[:, None]
        direction = torch.where(anew, self._direction(at, memory), state["direction"])
        shorter = state["length"] * self._shortened(loss - state["loss"], predicted)
        length = torch.where(anew[:, 0], 1.0, shorter)
        new: State = {
            "point": point,
            "loss": torch.where(accepted, loss, state["loss"]),
            "gradient": at,
            "direction": direction,
            "length": length,
            **memory,
        }
        return (point + length[:, None] * direction).reshape(z.shape), new

    def _shortened(self, rise: Tensor, predicted: Tensor) -> Tensor:
        """Return by what to shorten a rejected trial: to the least of the parabola through it."""
        least = -predicted / (2 * (rise - predicted))
        least = least.nan_to_num(self.shrink).clamp(_LEAST_SHRINK, self.shrink)
        return torch.where(torch.isfinite(rise), least, self.shrink)

    def _remember(self, state: State, move: Tensor, change: Tensor, accepted: Tensor) -> State:
        latest = torch.stack([move, change], dim=1)[:, :, None]
        curvature, squares = (move * change).sum(dim=1)[:, None], latest.square().sum(dim=3)
        keep = accepted[:, None] & _bends(curvature, squares)
        pushed = torch.cat([state["pairs"][:, :, 1:], latest], dim=2)
        known = torch.cat([state["known"][:, 1:], torch.ones_like(curvature)], dim=1)
        return {
            "pairs": torch.where(keep[:, :, None, None], pushed, state["pairs"]),
            "known": torch.where(keep, known, state["known"]),
        }

    def _direction(self, gradient: Tensor, memory: State) -> Tensor:
        """Return ``-H g``, among the features that may move.

        Both loops over the pairs are triangular systems in the products of moves and changes:
        Byrd, Nocedal, Schnabel, "Representations of Quasi-Newton Matrices and Their Use in Limited
        Memory Methods" (1994).
        """
        pairs = memory["pairs"] * (gradient != 0)[:, None, None]
        moves, changes = pairs.unbind(dim=1)
        products = torch.bmm(moves, changes.mT)
        curvature, squares = products.diagonal(dim1=1, dim2=2), pairs.square().sum(dim=3)
        there = (memory["known"] > 0) & _bends(curvature, squares)
        bend = squares[:, 1]
        both = there[:, :, None] & there[:, None, :]
        upper = torch.where(both, products, 0.0).triu()
        upper = upper + torch.diag_embed((~there).to(upper.dtype))
        scale, any_known = _latest(curvature / torch.where(there, bend, 1.0), there)
        norm = torch.linalg.vector_norm(gradient, dim=1).clamp_min(torch.finfo(gradient.dtype).tiny)
        scale = torch.where(any_known, scale, (self.first or self.usual) / norm)[:, None, None]
        column, here = gradient[:, :, None], there[:, :, None]
        alpha = _solved(upper, torch.bmm(moves, column) * here, upper_part=True)
        q = scale * torch.baddbmm(column, changes.mT, alpha, alpha=-1)
        rest = torch.baddbmm(curvature[:, :, None] * alpha, changes, q, alpha=-1) * here
        rest = _solved(upper.mT, rest, upper_part=False)
        return torch.baddbmm(q, moves.mT, rest, beta=-1, alpha=-1)[:, :, 0]


_LEAST_SHRINK = 0.1
_HOPELESS = 1e-4  # a length at which the direction, not the length, is to blame


def _solved(matrix: Tensor, right: Tensor, *, upper_part: bool) -> Tensor:
    return torch.linalg.solve_triangular(matrix, right, upper=upper_part)


def _bends(curvature: Tensor, squares: Tensor) -> Tensor:
    """Return whether a curvature is more than rounding, whatever loss and ``z`` are measured in.

    Args:
        curvature: ``(n, k)``, products of moves and changes.
        squares: ``(n, 2, k)``, those of each with itself.
    """
    lengths = squares.sqrt()
    return curvature > torch.finfo(squares.dtype).eps * lengths[:, 0] * lengths[:, 1]


def _latest(values: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last of ``values``, ``(n, k)``, that is there, and whether any is."""
    order = torch.arange(1, values.shape[1] + 1, device=values.device) * there
    last = order.argmax(dim=1, keepdim=True)
    return values.gather(1, last)[:, 0], there.any(dim=1)
