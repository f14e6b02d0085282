"""Steppers of attacks: the adaptive step of APGD, Newton steps, and random squares."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xhat.attacks.aims import norm_of
from xhat.core import candidate_noise, check_choice, check_count, check_positive, per_row
from xhat.engine import Stepper
from xhat.engine.steppers import State

__all__ = ["AdaptiveStep", "NewtonStep", "RandomSquares"]

_OSCILLATES = 0.75  # the share of steps of a window that must lower the loss
_MOMENTUM = 0.25
_FIRST, _SHORTER, _LEAST = 0.22, 0.03, 0.06  # of the step budget: windows between checkpoints
_SPARSE = 0.05  # the share of features that a step in L1 moves


@dataclass(frozen=True)
class AdaptiveStep(Stepper):
    """Steps with momentum, as long as the ball is wide, halved where the loss does not fall.

    At checkpoints, which come ever more often, a candidate's step is halved if fewer than three
    quarters of its steps have lowered the loss, or if neither its step nor its best loss has
    changed since the checkpoint before; it then goes on from the best point so far.

    Source: Croce, Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
    Parameter-free Attacks", ICML 2020. For L1, steps move the features of the steepest slopes
    only, as in Croce, Hein, "Mind the Box: L1-APGD", ICML 2021, but by a share that stays.

    Args:
        radius: of the ball; the first step is twice as long.
        steps: the budget, which sets the checkpoints.
        norm: of the ball.
    """

    radius: float
    steps: int = 40
    norm: str = "linf"

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive("radius", self.radius)
        check_count("steps", self.steps)
        check_choice("norm", self.norm, ("linf", "l2", "l1"))

    def init(self, z: Tensor) -> State:
        """Return a memory in which nothing is known."""
        n = len(z)
        return {
            "size": z.new_full((n,), 2 * self.radius),
            "last": z.clone(),
            "best": z.clone(),
            "slope": torch.zeros_like(z),
            "loss": z.new_full((n,), torch.inf),
            "before": z.new_full((n,), torch.inf),
            "checked": z.new_full((n,), torch.inf),
            "lower": z.new_zeros(n),
            "since": z.new_zeros(n),
            "window": z.new_full((n,), float(self._part(_FIRST))),
            "clock": z.new_zeros(n),
            "halved": z.new_zeros(n),
        }

    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        """Remember the best, look back at checkpoints, and step with momentum."""
        new, begun = dict(state), state["clock"] > 0
        loss = loss.to(z.dtype)
        better = loss < state["loss"]
        new["best"] = torch.where(per_row(better, z), z, state["best"])
        new["slope"] = torch.where(per_row(better, z), gradient, state["slope"])
        new["loss"] = torch.where(better, loss, state["loss"])
        new["lower"] = state["lower"] + (begun & (loss < state["before"])).to(z)
        new["since"] = state["since"] + begun.to(z)
        z, gradient = self._look_back(z, gradient, new)
        ahead = z - per_row(new["size"], z) * self._direction(gradient)
        push = torch.where(per_row(begun, z), 1 - _MOMENTUM, 1.0)
        there = z + push * (ahead - z) + (1 - push) * (z - state["last"])
        new["before"], new["last"] = loss, z
        new["clock"] = state["clock"] + 1
        return there, new

    def _look_back(self, z: Tensor, gradient: Tensor, new: State) -> tuple[Tensor, Tensor]:
        due = new["since"] >= new["window"]
        still = (new["halved"] == 0) & (new["loss"] >= new["checked"])
        halve = due & ((new["lower"] < _OSCILLATES * new["since"]) | still)
        new["size"] = torch.where(halve, new["size"] / 2, new["size"])
        new["halved"] = torch.where(due, halve.to(z), new["halved"])
        new["checked"] = torch.where(due, new["loss"], new["checked"])
        shorter = (new["window"] - self._part(_SHORTER)).clamp_min(self._part(_LEAST))
        new["window"] = torch.where(due, shorter, new["window"])
        for name in ("lower", "since"):
            new[name] = torch.where(due, 0.0, new[name])
        back = per_row(halve, z)
        return torch.where(back, new["best"], z), torch.where(back, new["slope"], gradient)

    def _direction(self, gradient: Tensor) -> Tensor:
        """Return the steepest direction of length 1 in the norm."""
        if self.norm == "linf":
            return gradient.sign()
        if self.norm == "l1":
            flat = gradient.flatten(1)
            count = max(1, math.ceil(_SPARSE * flat.shape[1]))
            least = flat.abs().topk(count, dim=1).values[:, -1:]
            gradient = (flat.sign() * (flat.abs() >= least)).reshape(gradient.shape)
        tiny = torch.finfo(gradient.dtype).tiny
        return gradient / per_row(norm_of(gradient, self.norm).clamp_min(tiny), gradient)

    def _part(self, share: float) -> int:
        return max(int(share * self.steps), 1)


@dataclass(frozen=True)
class NewtonStep(Stepper):
    """The shortest step to where a loss, taken for linear, is just below 0.

    Source: Moosavi-Dezfooli, Fawzi, Frossard, "DeepFool: a Simple and Accurate Method to Fool Deep
    Neural Networks", CVPR 2016.

    Args:
        overshoot: beyond it, as a share of the step.
        norm: in which the step is shortest: ``l2`` or ``linf``.
    """

    rotates: ClassVar[bool] = False
    overshoot: float = 0.02
    norm: str = "l2"

    def __post_init__(self) -> None:
        """Check the values."""
        check_positive("overshoot", self.overshoot, zero=True)
        check_choice("norm", self.norm, ("l2", "linf"))

    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        """Step along the gradient, or by its sign."""
        least = torch.finfo(z.dtype).tiny
        far = (1 + self.overshoot) * (loss.to(z.dtype).clamp_min(0) + 1e-4)
        if self.norm == "linf":
            size, along = norm_of(gradient, "l1"), gradient.sign()
        else:
            size, along = norm_of(gradient, "l2").square(), gradient
        return z - per_row(far / size.clamp_min(least), z) * along, state


@dataclass(frozen=True)
class RandomSquares(Stepper):
    """A random search: squares of the best point so far are set to the ends of the ball.

    It asks for losses only; the gradient that it is given is not looked at. Inputs with fewer than
    two axes that could hold a square are changed in runs of neighbouring features.

    Source: Andriushchenko, Croce, Flammarion, Hein, "Square Attack: a Query-efficient Black-box
    Adversarial Attack via Random Search", ECCV 2020, the version for Linf.

    Args:
        radius: of the Linf ball.
        steps: the budget, over which squares become smaller.
        share: of the features that a square covers at first.
        seed: of the squares.
    """

    recovers: ClassVar[bool] = True
    radius: float
    steps: int = 1000
    share: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive("radius", self.radius)
        check_count("steps", self.steps)
        check_positive("share", self.share)

    def init(self, z: Tensor) -> State:
        """Return a memory in which the start is the best."""
        n = len(z)
        low = torch.full((n,), torch.inf, dtype=z.dtype, device=z.device)
        return {"start": z.clone(), "best": z.clone(), "loss": low, "clock": z.new_zeros(n)}

    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: ARG002
        """Keep the better point, and set one more square of it."""
        loss = loss.to(z.dtype)
        better = loss < state["loss"]
        best = torch.where(per_row(better, z), z, state["best"])
        new = {**state, "best": best, "loss": torch.where(better, loss, state["loss"])}
        new["clock"] = state["clock"] + 1
        there = best.clone()
        for row, number in enumerate(state["clock"].int().tolist()):
            self._square(there[row : row + 1], state["start"][row : row + 1], number)
        return there, new

    def _square(self, x: Tensor, start: Tensor, number: int) -> None:
        """Set a square of one candidate, in place, by draws that only it and the seed decide."""
        key = start.sum().expand(1, 8)
        draws = (candidate_noise(key, self.seed, number)[0] + 1) / 2
        image = x.reshape(-1, *x.shape[-2:]) if x.ndim > 3 else x.reshape(1, 1, -1)
        home = start.reshape(image.shape)
        channels, height, width = image.shape
        if number == 0 and height > 1:  # vertical stripes, the best start that its authors found
            wide = candidate_noise(home[:1, :1].expand(channels, 1, width), self.seed, "stripes")
            image.copy_(home + self.radius * wide.sign())
            return
        share = self.share * _schedule(number / self.steps)
        if height > 1:
            tall = side = max(1, min(round(math.sqrt(share * height * width)), height - 1))
            side = min(side, width)
        else:
            tall, side = 1, max(1, round(share * width))
        top = int(float(draws[0]) * (height - tall + 1))
        left = int(float(draws[1]) * (width - side + 1))
        area = (slice(None), slice(top, top + tall), slice(left, left + side))
        signs = torch.where(draws[torch.arange(channels) % 6 + 2] < 0.5, -1.0, 1.0).to(x)
        image[area] = home[area] + self.radius * signs[:, None, None]


def _schedule(progress: float) -> float:
    """Return by what squares are smaller than at first, at a share of the budget."""
    marks = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
    return 0.5 ** sum(progress > mark for mark in marks)
