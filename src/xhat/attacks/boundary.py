"""Attacks that walk to the boundary: DeepFool, and Carlini and Wagner's in L2."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xhat.attacks.adaptive import NewtonStep
from xhat.attacks.aims import Norm, box, joined, lead, norm_of
from xhat.core import check_choice, check_count, check_positive, check_tensor
from xhat.engine import Adam, Compute, Problem, Result, TargetReached, solve
from xhat.objectives import Lead, Measurement, Objective
from xhat.spaces import Logit

__all__ = ["carlini_wagner", "deepfool"]

_Bounds = tuple[Tensor | float, Tensor | float]
_STRONGER = 10.0  # of a weight that never succeeded


class _NearestClass(Lead):
    """The lead over the class whose boundary, taken for flat, is nearest in a norm."""

    def __init__(self, model: Callable[..., Any], label: Any, norm: str) -> None:
        super().__init__(model, label)
        self.dual = {"l2": "l2", "linf": "l1"}[norm]

    def measure(self, x: Tensor, z: Tensor) -> Measurement:
        """Return the lead, by as many backward passes as there are other classes."""
        if not x.requires_grad:
            return super().measure(x, z)
        logits, log_p = self._predict(x)
        label = self._wanted(logits)[:, None]
        leads = logits.gather(1, label) - logits
        slopes = [
            torch.autograd.grad(leads[:, k].sum(), x, retain_graph=True)[0]
            for k in range(logits.shape[1])
        ]
        size = torch.stack([norm_of(each, self.dual) for each in slopes], dim=1)
        far = leads.detach().abs() / size.clamp_min(1e-12)
        nearest = far.scatter(1, label, torch.inf).argmin(dim=1, keepdim=True)
        return Measurement(leads.gather(1, nearest)[:, 0], *self._agreement(log_p, leaves=True))


def deepfool(
    model: Callable[[Tensor], Tensor],
    x0: Tensor,
    label: Any,
    *,
    norm: Norm = "l2",
    steps: int = 50,
    overshoot: float = 0.02,
    bounds: _Bounds = (0.0, 1.0),
    compute: Compute | None = None,
) -> Result:
    """Step to the nearest boundary, each taken for flat, until it is crossed.

    Quick, and farther than the nearest: for that use ``minimum_norm``. Each step costs as many
    backward passes as the model has classes.

    Source: Moosavi-Dezfooli, Fawzi, Frossard, "DeepFool: a Simple and Accurate Method to Fool Deep
    Neural Networks", CVPR 2016.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        x0: ``(n, *x_shape)`` within the bounds.
        label: the class or classes to leave.
        norm: in which steps are shortest: ``l2`` or ``linf``.
        steps: the budget.
        overshoot: beyond the boundary, as a share of the step.
        bounds: of the features.
        compute: chunk size, precision, device, seed.

    Raises:
        TypeError, ValueError: bad bounds, norm or numbers; else as ``solve``.

    Example:
        >>> found = deepfool(lambda x: 4 * x, torch.tensor([[0.6, 0.5]]), label=0)
        >>> found.reached.item(), round(float((found.x - found.x0).norm()), 3)
        (True, 0.072)
    """
    stepper = NewtonStep(overshoot, check_choice("norm", norm, ("l2", "linf")))
    problem = Problem(_NearestClass(model, label, norm), box("deepfool", bounds))
    return solve(
        problem, x0, stepper=stepper, stop=TargetReached(), max_steps=steps, compute=compute
    )


class _Weighed(Objective):
    """``|x - x0|^2 + c * max(lead, -kappa)``, with a weight ``c`` of each candidate's own.

    The loss is the squared distance where the target is reached, and more than any elsewhere.
    """

    per_candidate = ("x0", "weight")

    def __init__(
        self, goal: Objective, x0: Tensor, weight: Tensor, kappa: float, far: float
    ) -> None:
        self.goal, self.x0, self.weight = goal, x0, weight
        self.kappa, self.far = kappa, far

    def measure(self, x: Tensor, z: Tensor) -> Measurement:
        """Return the squared distance or more, with the gradient of the weighed sum."""
        found = self.goal.measure(x, z)
        square = (x - self.x0.to(x)).flatten(1).square().sum(dim=1)
        weighed = square + self.weight.to(x) * found.loss.clamp_min(-self.kappa)
        sure = found.loss.detach() <= -self.kappa
        value = torch.where(sure, square.detach(), self.far + weighed.detach())
        return Measurement(value + (weighed - weighed.detach()), found.reached, found.confidence)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the goal."""
        self.goal.check(x, z)


def carlini_wagner(
    model: Callable[[Tensor], Tensor],
    x0: Tensor,
    target: Any = None,
    *,
    label: Any = None,
    kappa: float = 0.0,
    steps: int = 200,
    rounds: int = 5,
    weight: float = 1.0,
    bounds: tuple[float, float] = (0.0, 1.0),
    compute: Compute | None = None,
) -> Result:
    """Search the nearest input in L2 by Adam in a space without bounds, and bisect the weight.

    Slow; kept because papers compare with it. ``minimum_norm`` finds nearer inputs sooner.

    Source: Carlini, Wagner, "Towards Evaluating the Robustness of Neural Networks", IEEE S&P 2017.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        x0: ``(n, *x_shape)`` within the bounds.
        target: the wanted class or classes.
        label: the class or classes to leave; exactly one of ``target`` and ``label`` is given.
        kappa: the wanted lead, in logits.
        steps: of each round.
        rounds: how many weights are tried for each candidate.
        weight: of the lead, in the first round.
        bounds: of the features, two numbers.
        compute: chunk size, precision, device, seed.

    Returns:
        A ``Result``, whose loss is the squared distance where the model is fooled.

    Raises:
        TypeError, ValueError: as ``minimum_norm``.

    Example:
        >>> found = carlini_wagner(lambda x: 4 * x, torch.tensor([[0.6, 0.5]]), label=0, rounds=2)
        >>> found.reached.item()
        True
    """
    x0 = check_tensor("the starts", x0).detach()
    check_count("rounds", rounds)
    check_positive("kappa", kappa, zero=True)
    box("carlini_wagner", bounds)
    goal = lead("carlini_wagner", model, target, label)
    far = 2.0 * (bounds[1] - bounds[0]) ** 2 * x0[:1].numel()
    low = x0.new_zeros(len(x0))
    high, now = (
        torch.full_like(low, torch.inf),
        torch.full_like(low, check_positive("weight", weight)),
    )
    found: Result | None = None
    for _ in range(rounds):
        problem = Problem(_Weighed(goal, x0, now, kappa, far), Logit(*bounds))
        more = solve(problem, x0, stepper=Adam(0.05), max_steps=steps, compute=compute)
        fooled = (more.loss < far).to(x0.device)
        everyone = torch.arange(len(x0))
        better = more.loss < (
            torch.full_like(more.loss, torch.inf) if found is None else found.loss
        )
        found = more if found is None else joined(found, everyone, more, better)
        high, low = torch.where(fooled, now, high), torch.where(fooled, low, now)
        middle = (low + high) / 2
        now = torch.where(high.isfinite(), middle, now * _STRONGER)
    assert found is not None  # noqa: S101 - there is a round
    return found
