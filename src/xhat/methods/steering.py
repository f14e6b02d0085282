"""How the searched model's gradient moves what a prior says: towards a class, or to a value.

Where the prior knows the wanted class, the gradient is taken at the estimate, and a step has a
length. Where the gradient alone says which way, the step leads along the data: the gradient goes
back through the estimate ``e`` to the noisy state ``z``. The estimate's Jacobian is the covariance
of what the sample may have been, over ``σ²``. To a value the step is as long as takes a squared
error to 0::

    e ← e - 2 loss(f(e)) / (∇e loss · ∇z loss) ∇z loss

Source: by a classifier that never saw noise: Chung et al., "Diffusion Posterior Sampling for
General Noisy Inverse Problems", ICLR 2023; the Jacobian of an estimate: Boys et al., "Tweedie
Moment Projected Diffusions for Inverse Problems", TMLR 2024.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xhat.core import per_row
from xhat.objectives import Objective
from xhat.priors import Prior

__all__ = ["along_data", "towards_class", "towards_value"]

_TWICE = 2  # steps along the data at every level
_INSIDE = 1.4  # of the step to a value, of which limits take a part


def towards_class(
    found: Tensor, objective: Objective, guard: Objective | None, prior: Prior, length: Tensor
) -> Tensor:
    """Return estimates moved along minus the gradient of what is not met yet.

    Args:
        found: ``(n, *u_shape)`` estimates, in the prior's coordinates.
        objective: of the searched model.
        guard: of a second one; None for none.
        prior: whose coordinates they are.
        length: ``(n,)``, of the step where nothing is met.
    """
    with torch.inference_mode(False), torch.enable_grad():
        u = found.detach().clone().requires_grad_(True)
        x = prior.coordinates.out(u)
        measured = objective.measure(x, x)
        loss = measured.descended
        if guard is not None:
            loss = loss + guard(x)
        (gradient,) = torch.autograd.grad(loss.sum(), u)
    gradient = torch.nan_to_num(gradient, 0.0, 0.0, 0.0)
    size = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
    return found - per_row(_lack(measured) * length / size, gradient) * gradient


def along_data(
    told: Callable[[Tensor], Tensor],
    z: Tensor,
    objective: Objective,
    guard: Objective | None,
    prior: Prior,
    length: float,
) -> Tensor:
    """Return what states become that are moved along the data, by gradients through the prior.

    Args:
        told: what the prior says that noisy states were.
        z: ``(n, *u_shape)``, the states.
        objective: of the searched model.
        guard: of a second one; None for none.
        prior: whose coordinates they are.
        length: of a step.
    """
    for _ in range(_TWICE):
        with torch.inference_mode(False), torch.enable_grad():
            z = z.detach().clone().requires_grad_(True)
            x = prior.coordinates.out(told(z))
            loss = objective.measure(x, x).descended
            if guard is not None:
                loss = loss + guard(x)
            (way,) = torch.autograd.grad(loss.sum(), z)
        way = torch.nan_to_num(way, 0.0, 0.0, 0.0)
        size = way.flatten(1).norm(dim=1).clamp_min(1e-12)
        z = z.detach() - per_row(length / size, way) * way
    with torch.no_grad():
        return told(z)


def towards_value(
    told: Callable[[Tensor], Tensor],
    z: Tensor,
    objective: Objective,
    prior: Prior,
    *,
    again: bool = False,
) -> Tensor:
    """Return estimates moved along the data to the wanted value.

    Args:
        told: what the prior says that noisy states were.
        z: ``(n, *u_shape)``, the states.
        objective: a squared error of the searched model.
        prior: whose coordinates they are.
        again: move the states, not what the prior says of them.
    """
    with torch.inference_mode(False), torch.enable_grad():
        z = z.detach().clone().requires_grad_(True)
        estimate = told(z)
        found = (z if again else estimate).detach().clone().requires_grad_(True)
        x = prior.coordinates.out(found)
        loss = objective.measure(x, x).descended
        (steepest,) = torch.autograd.grad(loss.sum(), found)
        steepest = torch.nan_to_num(steepest, 0.0, 0.0, 0.0)
        (way,) = torch.autograd.grad(estimate, z, steepest)
    falls = (steepest * way).flatten(1).sum(dim=1)
    way = torch.where(per_row(falls > 0, way), way, steepest)  # also where way is no number
    falls = (steepest * way).flatten(1).sum(dim=1).clamp_min(1e-30)
    # a square falls to 0 in twice the way on which its tangent does
    length = _INSIDE * 2 * loss.detach() / falls
    most = float(prior.apart) / way.flatten(1).norm(dim=1).clamp_min(1e-30)
    return found.detach() - per_row(torch.minimum(length, most), way) * way


def _lack(measured: Any) -> Tensor:
    """Return how much is missing, in [0, 1]: what the model does not give to the target."""
    if measured.confidence is not None:
        return 1 - measured.confidence.detach()
    if measured.reached is not None:
        return 1 - measured.reached.float()
    return torch.ones_like(measured.loss).detach()
