"""Steppers: how a gradient moves a candidate.

A stepper is a pair of functions. ``init(z)`` returns its memory, tensors with one row per
candidate; ``step(z, loss, gradient, state)`` returns the next ``z`` and memory. Every row depends
on its own row only, so candidates may enter and leave the batch between any two steps.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
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
        clock = torch.zeros(z.shape[0], dtype=z.dtype, device=z.device)
        return {"mean": torch.zeros_like(z), "square": torch.zeros_like(z), "clock": clock}

    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: ARG002
        """Step by the bias-corrected mean over the root mean square."""
        clock = state["clock"] + 1
        mean = torch.lerp(state["mean"], gradient, 1 - self.beta1)
        square = torch.lerp(state["square"], gradient.square(), 1 - self.beta2)
        size = per_row(self.size / (1 - self.beta1**clock), z)
        root = (square / per_row(1 - self.beta2**clock, z)).sqrt_().add_(self.epsilon)
        return z - size * mean / root, {"mean": mean, "square": square, "clock": clock}


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
        pairs = z.new_zeros(n, self.history, size)
        return {
            "point": z.detach().flatten(1).clone(),
            "loss": z.new_full((n,), torch.inf),
            "gradient": z.new_zeros(n, size),
            "direction": z.new_zeros(n, size),
            "length": z.new_ones(n),
            "moves": pairs,
            "changes": pairs.clone(),
            "known": z.new_zeros(n, self.history),
        }

    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        """Accept the trial ``z`` and set out anew, or go back and try a shorter step."""
        here, slope = z.flatten(1), gradient.flatten(1)
        loss = loss.to(z.dtype)
        move, change = here - state["point"], slope - state["gradient"]
        predicted = (state["gradient"] * move).sum(dim=1)
        accepted = loss <= state["loss"] + self.decrease * predicted.clamp_max(0)
        accepted &= torch.isfinite(loss)
        yes = accepted[:, None]

        lost = ~accepted & (state["length"] < _HOPELESS) & (state["known"] > 0).any(dim=1)
        memory = self._remember(state, move, change, accepted & torch.isfinite(state["loss"]))
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
        curvature = (move * change).sum(dim=1)
        keep = (accepted & _bends(curvature, move, change))[:, None]

        def push(past: Tensor, latest: Tensor) -> Tensor:
            wide = keep if past.ndim == 2 else keep[:, :, None]
            return torch.where(wide, torch.cat([past[:, 1:], latest[:, None]], dim=1), past)

        return {
            "moves": push(state["moves"], move),
            "changes": push(state["changes"], change),
            "known": push(state["known"], torch.ones_like(curvature)),
        }

    def _direction(self, gradient: Tensor, memory: State) -> Tensor:
        """Return ``-H g`` by the two-loop recursion, among the features that may move."""
        free = (gradient != 0).to(gradient.dtype)[:, None]
        moves, changes = memory["moves"] * free, memory["changes"] * free
        curvature, bend = (moves * changes).sum(dim=2), changes.square().sum(dim=2)
        there = (memory["known"] > 0) & _bends(curvature, moves, changes)
        rho = torch.where(there, 1 / curvature.where(there, 1.0), 0.0)
        scale, any_known = _latest(curvature / bend.where(there, 1.0), there)
        norm = torch.linalg.vector_norm(gradient, dim=1).clamp_min(torch.finfo(gradient.dtype).tiny)
        q, alphas = gradient, []
        for i in reversed(range(self.history)):
            alpha = rho[:, i] * (moves[:, i] * q).sum(dim=1)
            q = q - alpha[:, None] * changes[:, i]
            alphas.append(alpha)
        q = torch.where(any_known, scale, (self.first or self.usual) / norm)[:, None] * q
        for i, alpha in zip(range(self.history), reversed(alphas), strict=True):
            beta = rho[:, i] * (changes[:, i] * q).sum(dim=1)
            q = q + (alpha - beta)[:, None] * moves[:, i]
        return -q


_LEAST_SHRINK = 0.1
_HOPELESS = 1e-4  # a length at which the direction, not the length, is to blame


def _bends(curvature: Tensor, move: Tensor, change: Tensor) -> Tensor:
    """Return whether a curvature is more than rounding, whatever loss and ``z`` are measured in."""
    lengths = [torch.linalg.vector_norm(each, dim=-1) for each in (move, change)]
    return curvature > torch.finfo(move.dtype).eps * lengths[0] * lengths[1]


def _latest(values: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last of ``values``, ``(n, k)``, that is there, and whether any is."""
    order = torch.arange(1, values.shape[1] + 1, device=values.device) * there
    last = order.argmax(dim=1, keepdim=True)
    return values.gather(1, last)[:, 0], there.any(dim=1)
