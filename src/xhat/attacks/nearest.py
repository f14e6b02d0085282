"""The nearest input that a model misreads: minimum-norm attacks in L2, Linf, L1 and L0.

    step along the gradient, then onto the ball of radius e around the start;
    e shrinks where the model is fooled, and grows where it is not

Direction and norm are decoupled, so that no weight between loss and distance need be found. The
radius begins at one that fits the units, grows quickly until the model is first fooled, and then
changes by ever less, as steps become ever shorter.

Source: Rony, Hafemann, Oliveira, Ben Ayed, Sabourin, Granger, "Decoupling Direction and Norm for
Efficient Gradient-Based L2 Adversarial Attacks and Defenses", CVPR 2019; Pintor, Roli, Brendel,
Biggio, "Fast Minimum-norm Adversarial Attacks through Adaptive Norm Constraints", NeurIPS 2021.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.attacks.aims import BALLS, NORMS, Norm, box, entropy, lead, norm_of
from xhat.core import check_choice, check_count, check_positive, check_tensor, per_row
from xhat.engine import (
    Compute,
    LossBelow,
    Problem,
    Result,
    Stepper,
    solve,
)
from xhat.engine.steppers import State
from xhat.objectives import Measurement, Objective

__all__ = ["NearestReached", "ShrinkingBall", "minimum_norm"]

_FIRST_LENGTH = 1 / 28  # of the range of a feature: 1 in L2 for images of 28 by 28 from 0 to 1
_UNSURE = 0.3  # by which the radius changes in a step until both sides were seen
_LAST = 0.01  # of the first step's length, and of the first change of the radius, at the end
_CHANGES = {"linf": 0.05, "l2": 0.08, "l1": 0.1, "l0": 0.1}
_STEPS = {"linf": 60, "l2": 100, "l1": 200, "l0": 100}
_MOMENTUM = {"linf": 0.5, "l2": 0.5, "l1": 0.0, "l0": 0.0}
_SAME = 1e-12  # a norm of what was not moved


class NearestReached(Objective):
    """The distance from the start where an objective's target is reached, elsewhere more.

    The gradient is the objective's own, at either side. The loss of a candidate that has not
    reached its target is ``far`` and more, the less the lower the objective is.

    Args:
        objective: with a target.
        x0: ``(n, *x_shape)``, the starts.
        norm: of the distance.
        far: more than any distance within the bounds.
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("x0",)

    def __init__(self, objective: Objective, x0: Tensor, norm: Norm, far: float) -> None:
        self.objective, self.x0, self.norm, self.far = objective, x0, norm, far

    def measure(self, x: Tensor, z: Tensor) -> Measurement:
        """Return the distance, or how far the target is."""
        found = self.objective.measure(x, z)
        loss, reached = found.loss, found.reached
        assert reached is not None  # noqa: S101 - of our own objectives
        away = self.far * (1.5 + torch.atan(loss.detach()) / math.pi)
        distance = norm_of(x.detach() - self.x0.to(x), self.norm)
        value = torch.where(reached, distance, away.to(distance))
        return Measurement(value + (loss - loss.detach()), reached, found.confidence)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the objective."""
        self.objective.check(x, z)


@dataclass(frozen=True)
class ShrinkingBall(Stepper):
    """A step along the gradient, then onto a ball around the start whose radius follows success.

    For the loss of ``NearestReached``. Steps are of a length in L2 (for Linf: by the sign, as long
    as the radius), with momentum, and shrink along a cosine over the budget. In L2 they also grow
    and shrink with the radius; in L1 and L0 they only grow with it.

    Args:
        norm: of the ball.
        radius: the first one, in the norm.
        length: of the first step.
        far: from which loss the target is not reached.
        steps: the budget.
        momentum: the share of earlier directions, in [0, 1).
    """

    norm: str
    radius: float
    length: float
    far: float
    steps: int
    momentum: float = 0.5

    def init(self, z: Tensor) -> State:
        """Return the start, the first radius, and no direction."""
        n = len(z)
        return {
            "start": z.clone(),
            "radius": z.new_full((n,), self.radius),
            "least": z.new_full((n,), torch.inf),
            "met": z.new_zeros(n),
            "along": torch.zeros_like(z),
            "clock": z.new_zeros(n),
        }

    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        """Change the radius, step, and move onto the ball."""
        loss, clock = loss.to(z.dtype), state["clock"]
        share = (1 + torch.cos(math.pi * clock / self.steps)) / 2
        share = _LAST + (1 - _LAST) * share
        new = {**state, **self._changed(loss, state, share)}
        radius = new["radius"]
        along = self._direction(gradient)
        along = torch.lerp(along, state["along"], self.momentum)
        unit = along / per_row(norm_of(along, self._unit).clamp_min(_SAME), z)
        moved = z - per_row(share * self._length(radius), z) * unit - state["start"]
        there = state["start"] + self._shrunk(moved.flatten(1), radius).reshape(z.shape)
        return there, {**new, "along": along, "clock": clock + 1}

    def _changed(self, loss: Tensor, state: State, share: Tensor) -> State:
        """Return the next radius, the least that fooled, and whether one was met that did not."""
        fooled, had, clock = loss < self.far, state["radius"], state["clock"]
        least = torch.where(fooled, torch.minimum(state["least"], loss), state["least"])
        met = torch.maximum(state["met"], (~fooled & (clock > 0)).to(share))
        change = torch.where(met > 0, _CHANGES[self.norm] * share, _UNSURE)
        shrunk, grown = torch.minimum(had, least) * (1 - change), had * (1 + change)
        if self.norm == "l0":  # whole features
            shrunk, grown = torch.minimum(shrunk, least - 1).floor(), (grown + 0.5).ceil()
        first = torch.where(clock == 0, had, had * (1 + _UNSURE))
        otherwise = torch.where(least < torch.inf, grown, first)
        radius = torch.where(fooled, shrunk.clamp_min(0), otherwise)
        return {"radius": radius, "least": least, "met": met}

    def _direction(self, gradient: Tensor) -> Tensor:
        if self.norm == "linf":
            return gradient.sign()
        return gradient / per_row(norm_of(gradient, "l2").clamp_min(_SAME), gradient)

    @property
    def _unit(self) -> str:
        """The norm in which a step is as long as is said."""
        return "linf" if self.norm == "linf" else "l2"

    def _length(self, radius: Tensor) -> Tensor:
        if self.norm == "linf":
            return radius
        share = radius / self.radius
        return self.length * (share if self.norm == "l2" else share.clamp_min(1))

    def _shrunk(self, moved: Tensor, radius: Tensor) -> Tensor:
        """Return changes ``(n, d)`` moved into the ball."""
        if self.norm == "l0":
            rank = moved.abs().argsort(dim=1, descending=True).argsort(dim=1)
            return torch.where(rank < radius[:, None], moved, 0.0)
        ball = BALLS[self.norm](torch.zeros_like(moved[:1]), 1.0)
        ball.radius = radius
        return ball.project(moved)


def minimum_norm(
    model: Callable[[Tensor], Tensor],
    x0: Tensor,
    target: Any = None,
    *,
    label: Any = None,
    norm: Norm = "l2",
    radius: float | None = None,
    steps: int | None = None,
    bounds: tuple[Tensor | float, Tensor | float] = (0.0, 1.0),
    compute: Compute | None = None,
) -> Result:
    """Search the nearest input that a model takes for the target, or not for the label.

    Source: as of this module; the projections are those of the balls.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        x0: ``(n, *x_shape)`` within the bounds.
        target: the wanted class, or classes ``(n,)``.
        label: the class or classes to leave; exactly one of ``target`` and ``label`` is given.
        norm: what is made small: ``linf``, the largest change; ``l2``; ``l1``, the sum of all
            changes; ``l0``, how many features change.
        radius: the L2 norm that is tried first, and the length of the first step, in the unit of
            ``x``; None for 1/28 of the range of every feature (1 for images of 28 by 28 from 0 to
            1; of a feature without bounds, the range counts as 1).
        steps: gradients for each candidate; None for 60 in Linf, 100 in L2 and L0, 200 in L1.
        bounds: of the features.
        compute: chunk size, precision, device, seed.

    Returns:
        A ``Result``. ``loss`` is the distance where the model is fooled (``reached``), and more
        than any distance elsewhere; ``distances(result, norm)`` gives it with infinity there.

    Raises:
        TypeError: not exactly one of target and label was given, or bounds are not a pair.
        ValueError: a number out of its range or an unknown norm; else as ``solve``.

    Example:
        >>> found = minimum_norm(lambda x: 4 * x, torch.tensor([[0.6, 0.5]]), label=0)
        >>> found.reached.item(), round(found.loss.item(), 2)
        (True, 0.07)
    """
    check_choice("norm", norm, NORMS)
    x0 = check_tensor("the starts", x0).detach()
    space = box("minimum_norm", bounds)
    goal = (lead if norm == "linf" else entropy)("minimum_norm", model, target, label)
    count = _STEPS[norm] if steps is None else check_count("steps", steps)
    span, size = _span(bounds, x0), x0[:1].numel()
    length = _FIRST_LENGTH * span * size**0.5 if radius is None else float(radius)
    length = float(check_positive("radius", length))
    first = {"linf": size**-0.5, "l2": 1.0, "l1": size**0.5, "l0": 0.0}[norm] * length
    far = 2 * max(span, length) * size
    stepper = ShrinkingBall(norm, first or 1.0, length, far, count, _MOMENTUM[norm])
    return solve(
        Problem(NearestReached(goal, x0, norm, far), space),
        x0,
        stepper=stepper,
        stop=LossBelow(_SAME),
        max_steps=count,
        compute=compute,
    )


def _span(bounds: tuple[Tensor | float, Tensor | float], x0: Tensor) -> float:
    """Return the root mean square of the features' ranges; of one without bounds, 1."""
    low, high = (torch.as_tensor(end, dtype=torch.float64) for end in bounds)
    wide = (high - low).expand(x0.shape[1:]) if (high - low).ndim < x0.ndim else high - low
    return float(wide.where(wide.isfinite(), 1.0).square().mean().sqrt())
