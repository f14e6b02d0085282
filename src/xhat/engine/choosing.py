"""How a search steps where its caller does not say."""

from dataclasses import replace

import torch
from torch import Tensor

from xhat.engine.first_look import Nature
from xhat.engine.problem import Problem
from xhat.engine.setup import Setup
from xhat.engine.sqp import SQP
from xhat.engine.steppers import LBFGS, Adam, Stepper
from xhat.engine.stopping import Plateau, StopRule

__all__ = ["falls_back", "suited"]

_SMALL = 100  # entries of z, up to which curvature is worth its while
_SETTLED = Plateau(patience=12, tolerance=0.0)


def suited(
    problem: Problem, x0: Tensor, rules: tuple[StopRule, ...]
) -> tuple[Stepper, tuple[StopRule, ...]]:
    """Return the stepper that suits a problem, and the stop rules that go with it.

    ``SQP`` where constraints are not kept by projection; ``LBFGS`` with a ``Plateau`` where a
    smooth function of few features is minimised. Where a rule ends the search at a target, small
    steps end nearer to the start, and ``Adam`` takes them.

    Args:
        problem: what is wanted.
        x0: ``(n, *x_shape)``, the starts.
        rules: that end a candidate's search, those that claim success first.
    """
    if problem.general:
        return SQP(), rules
    if problem.constraints or any(rule.aims for rule in rules) or not _few_and_smooth(problem, x0):
        return Adam(), rules
    return LBFGS(), tuple(sorted((*rules, _SETTLED), key=lambda rule: not rule.certain))


def falls_back(setup: Setup, nature: Nature) -> Setup:
    """Return the same search with ``Adam`` where curvature would be that of noise."""
    if setup.problem.general or not (nature.random or nature.slopes or setup.autocast):
        return setup
    rules = tuple(rule for rule in setup.rules if rule is not _SETTLED)
    return replace(setup, stepper=Adam(), rules=rules)


def _few_and_smooth(problem: Problem, x0: Tensor) -> bool:
    try:
        space = problem.select(torch.tensor([0])).space
        with torch.no_grad():
            few = space.begin(x0[:1]).numel() <= _SMALL
            return few and space.smooth and space.lattice(x0[:1]) is None
    except Exception:  # noqa: BLE001 - a start that the space cannot take has its own status
        return False
