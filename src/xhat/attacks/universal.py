"""One change for many inputs: a universal perturbation, and an adversarial patch.

The candidate is the change itself, so that a search has one. Its loss is the mean over all inputs;
its confidence the share of them that the model misreads, or takes for the target, with it.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.attacks.adaptive import AdaptiveStep
from xhat.attacks.aims import BALLS, box, lead
from xhat.core import (
    check_choice,
    check_count,
    check_fraction,
    check_positive,
    check_tensor,
    generator,
)
from xhat.engine import Adam, Compute, Problem, Result, TargetReached, solve
from xhat.objectives import Measurement, Objective
from xhat.spaces import Box

__all__ = ["patch", "universal_perturbation"]

_Bounds = tuple[Tensor | float, Tensor | float]
_WON = -1.0  # logits: leads beyond this pull no more


class _Everywhere(Objective):
    """What a change does to all inputs: the mean of an objective with a graph to the change."""

    models: ClassVar[tuple[str, ...]] = ("goal",)

    def __init__(self, goal: Objective, x: Tensor, apply: Callable[[Tensor, Tensor], Tensor]):
        # of ``x``, not of the one candidate, so that it must not be narrowed with it
        self.goal, self.tried, self.x, self.apply = goal.measure, goal.check, x, apply

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the mean loss and the share of inputs at which the goal is reached."""
        found = [self._one(change[None]) for change in x]
        loss, share = (torch.stack(part) for part in zip(*found, strict=True))
        return Measurement(loss, share > 0.5, share)

    def _one(self, change: Tensor) -> tuple[Tensor, Tensor]:
        data = self.x.to(change)
        found = self.goal(self.apply(data, change), change)
        assert found.reached is not None  # noqa: S101 - of our own objectives
        return found.loss.clamp_min(_WON).mean(), found.reached.float().mean()

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the goal at the first input."""
        self.tried(self.apply(self.x[:1].to(x), x), z)


def universal_perturbation(
    model: Callable[[Tensor], Tensor],
    x: Tensor,
    target: Any = None,
    *,
    label: Any = None,
    radius: float = 0.1,
    norm: str = "linf",
    share: float | None = None,
    steps: int = 100,
    bounds: _Bounds = (0.0, 1.0),
    compute: Compute | None = None,
) -> Result:
    """Search one change, in a ball around 0, with which a model misreads as many inputs as can be.

    Source: Moosavi-Dezfooli, Fawzi, Fawzi, Frossard, "Universal Adversarial Perturbations", CVPR
    2017; by projected gradient steps as in Shafahi, Najibi, Xu, Dickerson, Davis, Goldstein,
    "Universal Adversarial Training", AAAI 2020.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        x: ``(n, *x_shape)`` within the bounds; all pass through the model at every step.
        target: the wanted class or classes.
        label: the class or classes to leave; exactly one of ``target`` and ``label`` is given.
        radius: of the ball, in the unit of ``x``.
        norm: of the ball: ``linf``, ``l2`` or ``l1``.
        share: of the inputs, in (0, 1), at which the search ends; None to spend all steps.
        steps: the budget.
        bounds: of the features; changed inputs are clipped to them.
        compute: precision, device, seed.

    Returns:
        A ``Result`` of one candidate: ``x[0]`` is the change, ``confidence`` the share of inputs
        that it fools; ``reached`` says that these are more than half, or the wanted share.

    Raises:
        TypeError, ValueError: as ``apgd``.

    Example:
        >>> x = torch.tensor([[0.6, 0.5], [0.8, 0.75]])
        >>> found = universal_perturbation(lambda x: 4 * x, x, label=0, radius=0.1)
        >>> found.confidence.item()
        1.0
    """
    x = check_tensor("the inputs", x).detach()
    low, high = _ends(bounds, "universal_perturbation", x)
    ball = BALLS[check_choice("norm", norm, BALLS)](
        torch.zeros_like(x[:1]), check_positive("radius", radius)
    )
    goal = lead("universal_perturbation", model, target, label)
    wanted = _Everywhere(goal, x, lambda data, change: torch.clamp(data + change, low, high))
    wide = (high - low).abs()
    return solve(
        Problem(wanted, Box(-wide, wide, unit=1.0), (ball,)),
        torch.zeros_like(x[:1]),
        stepper=AdaptiveStep(radius, steps, norm),
        stop=() if share is None else TargetReached(check_fraction("share", share)),
        max_steps=steps,
        compute=compute,
    )


def patch(
    model: Callable[[Tensor], Tensor],
    x: Tensor,
    target: Any = None,
    *,
    label: Any = None,
    size: int = 5,
    places: int = 4,
    share: float | None = None,
    steps: int = 100,
    bounds: tuple[float, float] = (0.0, 1.0),
    compute: Compute | None = None,
) -> Result:
    """Search a square patch that fools a model wherever in an image it lies.

    Every image is seen with the patch at several places that are drawn once, by the seed: an
    expectation over translations. Its features are as free as the bounds let them.

    Source: Brown, Mané, Roy, Abadi, Gilmer, "Adversarial Patch" (2017); Athalye, Engstrom, Ilyas,
    Kwok, "Synthesizing Robust Adversarial Examples", ICML 2018.

    Args:
        model: differentiable, ``(n, channels, h, w) -> (n, classes)`` logits.
        x: ``(n, channels, h, w)`` within the bounds.
        target: the wanted class or classes.
        label: the class or classes to leave; exactly one of ``target`` and ``label`` is given.
        size: of the patch, in pixels along a side.
        places: at which each image is seen with it.
        share: of the images, in (0, 1), at which the search ends; None to spend all steps.
        steps: the budget.
        bounds: of the features, two numbers.
        compute: precision, device, seed.

    Returns:
        A ``Result`` of one candidate: ``x[0]`` is the patch, ``(channels, size, size)``, and
        ``confidence`` the share of images and places that it fools.

    Raises:
        TypeError, ValueError: images of another shape, a patch that is larger than they are, or as
            ``apgd``.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).eval()
        >>> found = patch(net, torch.rand(4, 1, 8, 8), target=1, size=4, steps=5)
        >>> tuple(found.x.shape)
        (1, 1, 4, 4)
    """
    x = check_tensor("the images", x).detach()
    check_count("size", size)
    check_count("places", places)
    if x.ndim != 4 or size > min(x.shape[2:]):
        raise ValueError(
            f"a patch of {size} by {size} pixels needs images (n, channels, h, w) that are as "
            f"large at least, but they have shape {tuple(x.shape)}."
        )
    low, high = _ends(bounds, "patch", x)
    compute = Compute.of(compute)
    draws = generator(compute.seed, "places")
    tall, wide = (int(length) - size + 1 for length in x.shape[2:])
    many = x.repeat_interleave(places, dim=0)
    tops, lefts = (torch.randint(0, free, (len(many),), generator=draws) for free in (tall, wide))
    rows = (tops[:, None] + torch.arange(size)).to(x.device)
    columns = (lefts[:, None] + torch.arange(size)).to(x.device)
    index = (torch.arange(len(many), device=x.device)[:, None, None], slice(None))

    def pasted(data: Tensor, change: Tensor) -> Tensor:
        n = len(data)
        cut = change.expand(n, -1, -1, -1).permute(0, 2, 3, 1)
        place = (index[0][:n], index[1], rows[:n, :, None], columns[:n, None, :])
        found = data.clone()
        found[place] = cut
        return found

    def spread(of: Any) -> Any:
        of = None if of is None else torch.as_tensor(of)
        return of if of is None or of.numel() == 1 else of.repeat_interleave(places)

    wanted = _Everywhere(lead("patch", model, spread(target), spread(label)), many, pasted)
    return solve(
        Problem(wanted, Box(float(low), float(high), unit=1.0)),
        x.new_full((1, x.shape[1], size, size), float(low + high) / 2),
        stepper=Adam(0.1 * float(high - low)),
        stop=() if share is None else TargetReached(check_fraction("share", share)),
        max_steps=steps,
        compute=compute,
    )


def _ends(bounds: Any, name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    box(name, bounds)
    low, high = (torch.as_tensor(end, dtype=x.dtype, device=x.device) for end in bounds)
    return low, high
