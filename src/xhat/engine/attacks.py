"""Attacks: adversarial discovery as one setting of the engine."""

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor

from xhat.constraints import L1Ball, L2Ball, LinfBall
from xhat.core import check_choice
from xhat.engine.compute import Compute
from xhat.engine.loop import solve
from xhat.engine.problem import Problem
from xhat.engine.result import Result
from xhat.engine.run import Restarts
from xhat.engine.steppers import NormalizedDescent, SignDescent
from xhat.engine.stopping import MaxSteps, StopRule
from xhat.objectives import CrossEntropy, Untargeted
from xhat.spaces import Box, Space

__all__ = ["BALLS", "pgd"]

BALLS = {"linf": LinfBall, "l2": L2Ball, "l1": L1Ball}
"""By the name of the norm: what keeps a candidate near its start."""


def pgd(
    model: Callable[[Tensor], Tensor],
    x0: Tensor,
    target: Any = None,
    *,
    label: Any = None,
    radius: Tensor | float = 0.3,
    rate: float | None = None,
    steps: int = 40,
    start: Tensor | None = None,
    norm: Literal["linf", "l2", "l1"] = "linf",
    bounds: tuple[Tensor | float, Tensor | float] = (0.0, 1.0),
    space: Space | None = None,
    stop: StopRule | tuple[StopRule, ...] = (),
    restarts: Restarts | None = None,
    seed: int | None = None,
    compute: Compute | None = None,
) -> Result:
    """Projected gradient descent in a ball around the start (Madry et al., 2018).

    Towards a target (``target=``), or away from a label (``label=``).

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        x0: ``(n, *x_shape)`` within the bounds.
        target: the wanted class, classes ``(n,)`` or distributions ``(n, classes)``.
        label: the class, classes or distributions to leave; exactly one of ``target`` and
            ``label`` is given.
        radius: of the ball: a number or ``(n,)`` numbers, in the unit of ``x``.
        rate: size of a step in that norm (for ``l1``: in L2); by default ``2.5 * radius / steps``,
            which must be one for all candidates.
        steps: the step budget.
        start: ``(n, *x_shape)`` in the ball, where the search begins; None is ``x0``.
        norm: of the ball. Linf steps by the sign, the others along the normalised gradient.
        bounds: of the features.
        space: another one than the box of the bounds, such as ``Rounded(Box(0, 1), step=1 / 255)``
            for images that are saved in 8 bits.
        stop: rules that end a candidate's search early, such as ``TargetReached()``.
        restarts: further tries from random points around the start.
        seed: of the restarts; None for that of ``compute``.
        compute: chunk size, precision, device, seed.

    Returns:
        A ``Result``; with ``label=``, ``reached`` says that another class is more probable.

    Raises:
        TypeError: not exactly one of target and label was given, bounds are not a pair, or both
            bounds and a space were given.
        ValueError: radii differ and no rate is given; else as ``solve``.

    Example:
        >>> import torch
        >>> result = pgd(lambda x: 4 * x, torch.tensor([[0.6, 0.5]]), target=1, radius=0.1)
        >>> result.x
        tensor([[0.5000, 0.6000]])
    """
    if (target is None) == (label is None):
        raise TypeError("pgd needs exactly one of target= (to reach) and label= (to leave).")
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise TypeError(f"bounds must be a pair (low, high), but are {bounds!r}.")
    if space is not None and tuple(bounds) != (0.0, 1.0):
        raise TypeError("pgd takes bounds= or space=, not both; give the space its own bounds.")
    ball = BALLS[check_choice("norm", norm, BALLS)](x0, radius)
    if rate is None and bool((ball.radius != ball.radius[0]).any()):
        raise ValueError(
            "pgd needs rate= when the radius differs between candidates, so that no candidate's "
            "step depends on another's radius."
        )
    rate = 2.5 * float(ball.radius[0]) / MaxSteps(steps).count if rate is None else rate
    wanted = Untargeted(model, label) if target is None else CrossEntropy(model, target)
    return solve(
        Problem(wanted, Box(*bounds, unit=1.0) if space is None else space, (ball,)),
        x0 if start is None else start,
        stepper=SignDescent(rate) if norm == "linf" else NormalizedDescent(rate),
        stop=stop,
        max_steps=steps,
        restarts=restarts,
        compute=Compute.of(compute, seed),
    )
