"""Results of what is no search by gradient steps: samples that were looked up or drawn."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from xhat.core import InputWarning, evaluation_mode, own_randomness, restored_buffers
from xhat.engine import Problem, Result, Status

__all__ = ["answered", "kept", "untouched"]


@contextmanager
def untouched(problem: Problem, x0: Tensor, seed: int) -> Iterator[None]:
    """Check a problem at its first start, and leave its models as they were.

    Raises:
        TypeError, ValueError: as ``Problem.check``, or another number of starts.
    """
    modules = tuple({id(module): module for module in problem.hidden_modules()}.values())
    with (
        evaluation_mode(*modules),
        restored_buffers(modules),
        own_randomness(seed, x0.device),
        torch.inference_mode(mode=False),
    ):
        problem.check_count(len(x0))
        problem.check(x0[:1])
        with torch.no_grad():
            first = problem.select(torch.arange(min(len(x0), _SOME))).objective
            one, other = (first(x0[:_SOME]) for _ in range(2))
        if not torch.allclose(one, other, rtol=1e-5, atol=1e-5, equal_nan=True):
            warnings.warn(_RANDOM, InputWarning, stacklevel=5)
        yield


_SOME = 8  # starts that are asked twice
_RANDOM = (
    "the model answers differently each time it is asked; what is claimed is of one evaluation."
)


def kept(problem: Problem, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return inputs moved to where a problem holds, and the ``z`` that they are decoded from."""
    z = problem.project(problem.space.begin(x))
    return problem.space.decode(z), z


def answered(
    problem: Problem,
    x0: Tensor,
    x: Tensor,
    *,
    status: Status,
    confidence: float | None,
    seed: int,
    seconds: float,
    steps: int = 0,
    evaluations: int = 0,
) -> Result:
    """Return a ``Result`` for inputs that were not found by ``solve``: measured and certified.

    Args:
        problem: measures and certifies them; they are moved to where it holds.
        x0: ``(n, *x_shape)``, the starts.
        x: ``(n, *x_shape)``.
        status: of all of them.
        confidence: the confidence from which the target counts as reached; None for the objective's
            own rule.
        seed: of every random choice.
        seconds: that finding them took.
        steps: of each.
        evaluations: passes through models, of each.
    """
    with torch.no_grad():
        x, z = kept(problem, x.detach())
        found = problem.objective.measure(x, z)
    certificate = problem.certify(x)
    n, nothing = len(x), x.new_full((len(x),), torch.nan)
    sure = nothing if found.confidence is None else found.confidence
    reached = torch.zeros(n, dtype=torch.bool) if found.reached is None else found.reached
    if confidence is not None and found.confidence is not None:
        reached = reached & (sure >= confidence)
    return Result(
        x0=x0,
        x=x,
        z=z,
        loss=found.loss,
        confidence=sure,
        reached=reached,
        violation=certificate.worst,
        feasible=certificate.feasible,
        status=(status,) * n,
        steps=torch.full((n,), steps),
        evaluations=torch.full((n,), evaluations),
        targeted=found.reached is not None,
        seed=seed,
        seconds=seconds,
        certificate=certificate,
    )
