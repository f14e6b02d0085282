"""Does a surrogate that knows a symmetry steer better, and does its search commute with it?"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from studies.runner.experiment import Arm, Cell, Claim, Context, Experiment
from studies.surrogates import MEASURED, Plan, surrogate
from xhat.judges import Outcome
from xhat.learning import rotate
from xhat.objectives.goals import Class
from xhat.surrogates import Adversarial
from xhat_zoo import digits
from xhat_zoo.digits.appraisal import STEERED, appraise, quickly, record
from xhat_zoo.digits.domain import digits_domain
from xhat_zoo.digits.judging import digits_judge

__all__ = ["EQUIVARIANCE"]

_COMMUTED, _FEW = 100, 5  # pairs for the commutation error
_ALIKE = (6, 9)  # digits that a half turn exchanges
_PLAN = Plan(images=5_000, epochs=8, terms=(Adversarial(2.0, "l2", steps=2),))
_ARMS = {
    "plain": ("digits turned by up to 45° in training", _PLAN),
    "turned": ("and by random quarters", replace(_PLAN, turns=True)),
    "C2": ("the mean over half turns, exact", replace(_PLAN, group="c2")),
    "C4": ("the mean over quarter turns, exact", replace(_PLAN, group="c4")),
}


def _cell(seed: int, context: Context, *, plan: Plan) -> Cell:
    model = surrogate(plan, seed, context)
    scope = quickly(MEASURED) if context.quick else MEASURED
    found = appraise(model, digits_judge(), scope, seed=seed)
    steering = found.steering["robust"]
    alike = torch.tensor(_ALIKE)
    known = [~torch.isin(k, alike) for k in (steering.start, steering.target)]
    rest = steering.crossing & known[0] & known[1]
    counts = steering.verdicts.counts(rest)
    pairs = _pairs(_FEW if context.quick else _COMMUTED)
    metrics = found.metrics | {
        "genuine without 6 and 9": counts[Outcome.GENUINE] / int(rest.sum()),
        "invariance error": _invariance(model),
        "commutation error, quarter": _commutation(model, 90.0, pairs),
        "commutation error, eighth": _commutation(model, 45.0, pairs),
    }
    return Cell(metrics, record(found))


def _turned(x: Tensor, degrees: float) -> Tensor:
    if degrees % 90 == 0:
        return torch.rot90(x, round(degrees / 90), (2, 3))
    return rotate(x, torch.tensor([degrees])).clamp(0, 1)


def _invariance(model: nn.Module) -> float:
    """Return the largest change of a logit under a quarter turn, in units of their spread."""
    x = digits.split("test").images[:100]
    with torch.no_grad():
        here, there = model(x), model(_turned(x, 90.0))
    return float((here - there).abs().max() / here.std())


def _pairs(n: int) -> digits.Pairs:
    every = digits.pairs(1)
    return digits.Pairs(every.index[:n], every.start_label[:n], every.target[:n])


def _commutation(model: nn.Module, degrees: float, pairs: digits.Pairs) -> float:
    """Return how far ``solve(g x0)`` is from ``g solve(x0)``, in units of the way of the search."""
    x0, goal, domain = pairs.starts, Class(pairs.target), digits_domain()
    first, second = (
        STEERED["robust"].search(model, goal, x, domain).finished().x
        for x in (x0, _turned(x0, degrees))
    )
    first = _turned(first, degrees)
    apart, way = (
        (a - b).flatten(1).norm(dim=1) for a, b in ((first, second), (second, _turned(x0, degrees)))
    )
    return float(apart.sum() / way.sum())


def _arm(name: str) -> Arm:
    caption, plan = _ARMS[name]
    settings = {"plan": plan.describe(), "scope": MEASURED.describe(), "commuted": _COMMUTED}
    return Arm(name, caption, partial(_cell, plan=plan), settings)


EQUIVARIANCE = Experiment(
    name="equivariance",
    question=(
        "Does a surrogate that is invariant under rotations steer better, and does its search "
        "commute with them: solve(rotate(x0)) = rotate(solve(x0))?"
    ),
    protocol=(
        "Every surrogate is the small CNN, trained for 8 epochs on 5,000 digits of the "
        "surrogates' split, drawn afresh for each seed and turned afresh by up to 45° in every "
        "epoch, against 2 gradient steps in an L2 ball of 2. The invariant ones are trained as "
        "they are used: their logits are means over the group.",
        "A half turn makes a 6 of a 9, so no invariant surrogate can tell them apart; the genuine "
        "share is read without these two as well, as starts and as targets.",
        "Commutation error: the distance between solve(rotate(x0)) and rotate(solve(x0)), in units "
        "of the distance that the search moved, over 100 pairs, by normalized gradient steps in "
        "pixels (method robust).",
        "Fixed before the run: the claims below and their margins.",
    ),
    arms=tuple(_arm(name) for name in _ARMS),
    claims=(
        Claim(
            "exact C4 averaging raises the genuine share (without 6 and 9)",
            "C4",
            "plain",
            "genuine without 6 and 9",
        ),
        Claim(
            "exact C4 averaging makes the search commute with quarter turns",
            "C4",
            "plain",
            "commutation error, quarter",
            0.1,
            lower=True,
        ),
        Claim(
            "training on quarter turns alone does so as well",
            "turned",
            "plain",
            "commutation error, quarter",
            0.1,
            lower=True,
        ),
    ),
    shown={
        "accuracy": "accuracy %",
        "genuine robust": "genuine %",
        "genuine without 6 and 9": "genuine without 6, 9 %",
        "robust l2 1": "robust, L2 1.0 %",
        "invariance error": "invariance error",
        "commutation error, quarter": "commutation error, 90°",
        "commutation error, eighth": "commutation error, 45°",
    },
)
