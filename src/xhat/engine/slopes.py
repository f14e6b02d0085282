"""The slopes at the first starts: whether anything leads from there to the goal, and how far.

What is compared has no unit: what the loss would change, by its gradient, if every feature crossed
its whole range, with the loss itself; and how far all steps together lead, with that range.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import per_row
from xhat.engine.problem import Problem
from xhat.engine.steppers import Stepper
from xhat.objectives import Measurement, Objective, together

__all__ = ["Slopes"]

_NOTHING = 1e-6  # of the loss: what float32 does not tell from none
_LITTLE = 0.01  # of the range

_REMEDY = (
    "ask for it by a margin (Margin), or give logits rather than probabilities; replace rounding "
    "and steps inside the model by smooth ones (for whole numbers: Rounded); or begin elsewhere "
    "(Restarts)"
)
FLAT = f"the gradient is zero where the goal is not reached; {_REMEDY}"
_VANISHES = (
    f"the gradient towards the goal vanishes at the starts: crossing the whole range of every "
    f"feature would, by it, change the loss by less than a millionth; {_REMEDY}"
)
_SCALE_FREE = (
    "the logits are so large that the gradient of the cross-entropy vanishes in float32; the "
    "logarithm of the margin, which has no scale, was descended there instead"
)


@dataclass(frozen=True)
class Slopes:
    """What was seen of some starts.

    Attributes:
        found: the measurement at them, without a graph.
        warnings: sentences about what nothing else says.
        notes: sentences about what a status says, too, or what was asked for.
    """

    found: Measurement
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def at(cls, problem: Problem, z: Tensor, stepper: Stepper, steps: int) -> "Slopes":
        """Look at search variables, ``(n, *z_shape)``, by one pass forward and one back each term.

        Args:
            problem: of these candidates.
            z: where they begin.
            stepper: what will be moved by.
            steps: how often, at most.
        """
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            x = problem.space.decode(z).to(z.dtype)
            terms: tuple[Objective, ...] = problem.objective.summands
            found = [term.measure(x, z) for term in terms]
            slopes = [_slope(one.descended, z) for one in found]
        whole = together(found)
        far = _far(problem, z, whole, slopes, stepper, steps)
        large = any(one.scale_free is not None and bool(one.scale_free.any()) for one in found)
        notes = (*far, _SCALE_FREE) if large else far
        return cls(_bare(whole), _towards(problem, found, slopes), notes)


def _slope(loss: Tensor, z: Tensor) -> Tensor:
    if not loss.requires_grad:
        return torch.zeros_like(z)
    (slope,) = torch.autograd.grad(loss.sum(), z, retain_graph=True, allow_unused=True)
    return torch.zeros_like(z) if slope is None else slope.nan_to_num(0.0, 0.0, 0.0)


def _towards(problem: Problem, found: list[Measurement], slopes: list[Tensor]) -> tuple[str, ...]:
    """Return what is said of the terms that name a goal, where it is not reached yet."""
    notes = []
    alone = sum((slope.abs().flatten(1).amax(dim=1) for slope in slopes), torch.zeros(()))
    for one, slope in zip(found, slopes, strict=True):
        if one.reached is None:
            continue
        promised = problem.space.in_ranges().of_units(slope).abs().flatten(1).sum(dim=1)
        nothing = (promised <= _NOTHING * one.loss.detach().abs()) & one.loss.isfinite()
        nothing &= ~one.reached & (one.loss.detach() != 0)
        if bool((nothing & (alone > 0)).any()):  # else its status says it
            notes.append(_VANISHES)
    return tuple(notes)


def _far(
    problem: Problem,
    z: Tensor,
    whole: Measurement,
    slopes: list[Tensor],
    stepper: Stepper,
    steps: int,
) -> tuple[str, ...]:
    """Return what is said where all steps together would lead nearly nowhere."""
    if stepper.curved or problem.projected:  # what adapts its step, and what need not go far
        return ()
    slope, space = torch.stack(slopes).sum(dim=0), problem.space
    with torch.no_grad():
        here = space.in_units(z)
        there, _ = stepper.step(
            here, whole.descended.detach(), space.of_units(slope), stepper.init(here)
        )
        moved = space.of_units(there - here).abs()
    ends = space.intervals()
    known = ends is not None and all(bool(end.isfinite().all()) for end in ends)
    share = space.in_ranges().in_units(moved)
    if not known:  # without a range, what is there already says how large is large
        share = share / per_row(z.detach().abs().flatten(1).amax(dim=1).clamp_min(1.0), z)
    farthest = share.flatten(1).amax(dim=1)
    little = (farthest > 0) & (steps * farthest < _LITTLE)
    if not bool(little.any()):
        return ()
    most = steps * float(farthest[little].max())
    what = "the range of a feature" if known else "the values of a start"
    return (
        f"the steps are too small: {steps} like the first lead over {most:.1g} of {what}; raise "
        f"the stepper's rate or leave it open, give more steps, or say the range of every feature "
        f"(Box(low, high), limits= or a domain)",
    )


def _bare(found: Measurement) -> Measurement:
    return Measurement(found.loss.detach(), found.reached, found.confidence)
