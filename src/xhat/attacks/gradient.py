"""Attacks in a ball: projected gradient descent, its adaptive form, and random squares."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from xhat.attacks.adaptive import AdaptiveStep, RandomSquares
from xhat.attacks.aims import BALLS, aim, box, entropy, joined, lead
from xhat.core import (
    Model,
    check_choice,
    check_count,
    check_positive,
    check_tensor,
    evaluation_mode,
    modules_of,
)
from xhat.engine import (
    Compute,
    MaxSteps,
    NormalizedDescent,
    Problem,
    Restarts,
    Result,
    SignDescent,
    StopRule,
    TargetReached,
    solve,
)
from xhat.objectives import LogitRatio
from xhat.spaces import Space

__all__ = ["apgd", "pgd", "square"]

_Bounds = tuple[Tensor | float, Tensor | float]


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
    wanted, within = entropy("pgd", model, target, label), box("pgd", bounds, space)
    ball = BALLS[check_choice("norm", norm, BALLS)](x0, radius)
    if rate is None and bool((ball.radius != ball.radius[0]).any()):
        raise ValueError(
            "pgd needs rate= when the radius differs between candidates, so that no candidate's "
            "step depends on another's radius."
        )
    rate = 2.5 * float(ball.radius[0]) / MaxSteps(steps).count if rate is None else rate
    return solve(
        Problem(wanted, within, (ball,)),
        x0 if start is None else start,
        stepper=SignDescent(rate) if norm == "linf" else NormalizedDescent(rate),
        stop=stop,
        max_steps=steps,
        restarts=restarts,
        compute=Compute.of(compute, seed),
    )


def apgd(
    model: Callable[[Tensor], Tensor],
    x0: Tensor,
    target: Any = None,
    *,
    label: Any = None,
    radius: float = 0.3,
    steps: int = 40,
    norm: Literal["linf", "l2", "l1"] = "linf",
    loss: Literal["ce", "dlr"] = "ce",
    rivals: int = 0,
    bounds: _Bounds = (0.0, 1.0),
    stop: StopRule | tuple[StopRule, ...] | None = None,
    restarts: Restarts | None = None,
    compute: Compute | None = None,
) -> Result:
    """Projected gradient descent with momentum and a step that adapts to each candidate.

    There is no step size to choose: steps begin as wide as the ball and are halved where they no
    longer pay (see ``AdaptiveStep``). With ``rivals=k`` every candidate that is left is led towards
    the likeliest other class, then the next, up to ``k`` of them (the targeted form, APGD-T).

    Source: Croce, Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
    Parameter-free Attacks", ICML 2020.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        x0: ``(n, *x_shape)`` within the bounds.
        target: the wanted class or classes; with the cross-entropy only.
        label: the class or classes to leave; exactly one of ``target`` and ``label`` is given.
        radius: of the ball, in the unit of ``x``.
        steps: the budget of each try, and of each rival.
        norm: of the ball.
        loss: the cross-entropy, or the difference of logits ratio (``LogitRatio``).
        rivals: how many other classes are tried one by one; they need ``loss="dlr"``.
        bounds: of the features.
        stop: rules that end a candidate's search; None for ``TargetReached()``.
        restarts: further tries from random points of the ball.
        compute: chunk size, precision, device, seed.

    Returns:
        A ``Result``; with ``label=``, ``reached`` says that another class is more probable.

    Raises:
        TypeError: not exactly one of target and label was given, or bounds are not a pair.
        ValueError: a radius or number out of range, an unknown norm or loss, rivals with the
            cross-entropy, or a target with the ratio; else as ``solve``.

    Example:
        >>> result = apgd(lambda x: 4 * x, torch.tensor([[0.6, 0.5]]), label=0, radius=0.1)
        >>> result.reached.item(), result.status[0]
        (True, 'target reached')
    """
    check_choice("loss", loss, ("ce", "dlr"))
    if loss == "dlr" and target is not None:
        raise ValueError('the ratio leaves a class: give label=, or loss="ce" with target=.')
    if isinstance(rivals, bool) or not isinstance(rivals, int) or rivals < 0:
        raise ValueError(f"rivals must be a number of classes, 0 or more, but are {rivals!r}.")
    if rivals and loss != "dlr":
        raise ValueError('rivals need loss="dlr", the ratio that names one of them.')
    ball = BALLS[check_choice("norm", norm, BALLS)](x0, check_positive("radius", radius))
    stepper = AdaptiveStep(radius, MaxSteps(steps).count, norm)
    options = {
        "stepper": stepper, "stop": TargetReached() if stop is None else stop,
        "max_steps": steps, "restarts": restarts, "compute": compute,
    }  # fmt: skip
    space = box("apgd", bounds)

    def away() -> Any:
        return LogitRatio(model, label, _rival(model, x0, label, 1) if rivals else None)

    if loss == "ce":
        wanted = entropy("apgd", model, target, label)
    else:
        wanted = aim("apgd", target, label, None, away)
    found = solve(Problem(wanted, space, (ball,)), x0, **options)
    for number in range(2, rivals + 1):
        left = (~found.reached).nonzero()[:, 0]
        if not len(left) or not len(_rival(model, x0[:1], _of(label, x0, left[:1]), number)):
            break
        x, of = x0[left], _of(label, x0, left)
        ratio = LogitRatio(model, of, _rival(model, x, of, number))
        more = solve(Problem(ratio, space, (ball.select(left),)), x, **options)
        found = joined(found, left, more, more.reached & more.feasible)
    return found


def square(
    model: Callable[[Tensor], Tensor],
    x0: Tensor,
    target: Any = None,
    *,
    label: Any = None,
    radius: float = 0.3,
    steps: int = 1000,
    bounds: _Bounds = (0.0, 1.0),
    stop: StopRule | tuple[StopRule, ...] | None = None,
    compute: Compute | None = None,
) -> Result:
    """Random search in an Linf ball, by squares; the model is never differentiated.

    Source: Andriushchenko, Croce, Flammarion, Hein, "Square Attack: a Query-efficient Black-box
    Adversarial Attack via Random Search", ECCV 2020.

    Args:
        model: ``(n, *x_shape) -> (n, classes)`` logits or probabilities, differentiable or not.
        x0: ``(n, *x_shape)`` within the bounds.
        target: the wanted class or classes.
        label: the class or classes to leave; exactly one of ``target`` and ``label`` is given.
        radius: of the ball, in the unit of ``x``.
        steps: how often the model is asked for each candidate.
        bounds: of the features.
        stop: rules that end a candidate's search; None for ``TargetReached()``.
        compute: chunk size, precision, device, seed.

    Raises:
        TypeError: not exactly one of target and label was given, or bounds are not a pair.
        ValueError: a radius or number out of range; else as ``solve``.

    Example:
        >>> result = square(lambda x: (8 * x).round(), torch.tensor([[0.6, 0.5]]), label=0)
        >>> result.reached.item()
        True
    """
    compute = Compute.of(compute)
    asked = _Asked(Model.of(model, "logits"))
    ball = BALLS["linf"](x0, check_positive("radius", radius))
    stepper = RandomSquares(radius, MaxSteps(steps).count, seed=compute.seed)
    return solve(
        Problem(lead("square", asked, target, label), box("square", bounds), (ball,)),
        x0,
        stepper=stepper,
        stop=TargetReached() if stop is None else stop,
        max_steps=steps,
        compute=compute,
    )


class _Asked:
    """A model that is only asked: what looks like a gradient says nothing of it."""

    def __init__(self, model: Callable[[Tensor], Tensor]) -> None:
        self.model = model

    def __call__(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = self.model(x)
        nothing = (x - x.detach()).flatten(1).sum(dim=1, keepdim=True)
        return y + nothing * torch.arange(1, y.shape[1] + 1, device=y.device)


def _rival(model: Callable[[Tensor], Tensor], x0: Tensor, label: Any, number: int) -> Tensor:
    """Return the ``number``-th likeliest class but the label, ``(n,)``; none if there are fewer."""
    label = check_tensor("the label", label, floating=False).to(x0.device).reshape(-1)
    asked, found = Model.of(model, "logits"), []
    check_count("rivals", number)
    with torch.no_grad(), evaluation_mode(*modules_of(asked), warn=False):
        for rows in torch.arange(len(x0)).split(512):
            logits = asked(x0[rows]).float()
            if number >= logits.shape[1]:
                return label.new_zeros(0)
            own = label.expand(len(x0))[rows].long()[:, None]
            found.append(logits.scatter(1, own, -torch.inf).topk(number, dim=1).indices[:, -1])
    return torch.cat(found)


def _of(label: Any, x0: Tensor, rows: Tensor) -> Tensor:
    label = torch.as_tensor(label).reshape(-1)
    return label if len(label) == 1 else label.to(x0.device)[rows]
