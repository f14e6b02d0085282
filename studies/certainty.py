"""Is it enough to reward certainty in the search, or must a surrogate be trained for it?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn

from studies.runner.experiment import Arm, Cell, Claim, Context, Experiment
from studies.surrogates import MEASURED, Plan, surrogate
from xhat.constraints import Constraint
from xhat.methods import Method
from xhat.methods import Plan as SearchPlan
from xhat.methods.base import Around, Model
from xhat.objectives import Disagreement, Entropy, Indecision, Objective
from xhat.objectives.goals import Goal
from xhat.surrogates import Adversarial
from xhat.surrogates.ensembles import Ensemble
from xhat_zoo.digits.appraisal import STEERED, Scope, appraise, quickly, record
from xhat_zoo.digits.judging import digits_judge

__all__ = ["CERTAINTY"]

_MEMBERS = 3
_ASIDE = 1_000  # what the seeds of an ensemble's further members begin with
_ROBUST = Plan(terms=(Adversarial(2.0, "l2", steps=3),))
_SEARCHES = ("robust", "proximal")


@dataclass(frozen=True)
class _Penalised(Method):
    """Another method, with a penalty on the model's uncertainty."""

    name: ClassVar[str] = "penalised"
    caption: ClassVar[str] = "another method, with a penalty on uncertainty"
    method: Method
    penalty: Callable[[Any], Objective]
    weight: float

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> SearchPlan:
        """Return the other method's question, with the penalty added."""
        plan = self.method.plan(model, goal, x0, domain, constraints)
        objective = plan.problem.objective + self.weight * self.penalty(model)
        return replace(plan, problem=replace(plan.problem, objective=objective))

    def describe(self) -> dict[str, Any]:
        """Return the other method's settings and the penalty, as JSON."""
        told = {"penalty": self.penalty.__name__, "penalty_weight": self.weight}
        return self.method.describe() | told


def _disagreement(model: Any) -> Objective:
    return Disagreement(model)


def _cell(
    seed: int,
    context: Context,
    *,
    plan: Plan,
    penalty: Callable[[Any], Objective] | None,
    weight: float,
    together: bool,
) -> Cell:
    model = _model(plan, seed, context, together=together)
    scope = quickly(_scope(penalty, weight)) if context.quick else _scope(penalty, weight)
    found = appraise(model, digits_judge(), scope, seed=seed)
    return Cell(found.metrics, record(found))


def _model(plan: Plan, seed: int, context: Context, *, together: bool) -> nn.Module:
    if not together:
        return surrogate(plan, seed, context)
    seeds = [seed, *(_ASIDE + _MEMBERS * seed + k for k in range(1, _MEMBERS))]
    return Ensemble([surrogate(plan, each, context) for each in seeds])


def _scope(penalty: Callable[[Any], Objective] | None, weight: float) -> Scope:
    if penalty is None:
        return replace(MEASURED, methods={name: STEERED[name] for name in _SEARCHES})
    methods = {name: _Penalised(STEERED[name], penalty, weight) for name in _SEARCHES}
    return replace(MEASURED, methods=methods)


def _arm(
    name: str,
    caption: str,
    plan: Plan,
    penalty: Callable[[Any], Objective] | None = None,
    weight: float = 1.0,
    together: bool = False,
) -> Arm:
    run = partial(_cell, plan=plan, penalty=penalty, weight=weight, together=together)
    settings = {
        "plan": plan.describe(),
        "scope": _scope(penalty, weight).describe(),
        "members": _MEMBERS if together else 1,
    }
    return Arm(name, caption, run, settings)


CERTAINTY = Experiment(
    name="certainty",
    question=(
        "Does a penalty on uncertainty during the search lead to genuine samples as well as a "
        "surrogate that was trained to know what it does not know?"
    ),
    protocol=(
        "Every surrogate is the small CNN, trained for 8 epochs on 10,000 digits of the "
        "surrogates' split, drawn afresh for each seed and turned afresh in every epoch.",
        "Rewarded: the search's objective gets a penalty of weight 1 on the plain surrogate: the "
        "entropy of its prediction, or its indecision between the two likeliest classes; on an "
        "ensemble of 3 plain surrogates (other seeds, other images), their disagreement, of "
        "weight 5.",
        "Trained: outliers with even targets; or these under adversarial training in an L2 ball "
        "of 2. The search has no penalty.",
        "Steering: 180 pairs of different digits, by normalized gradient steps in pixels (method "
        "robust) and by Adam near the start (method proximal).",
        "Fixed before the run: the claims below and their margins.",
    ),
    arms=(
        _arm("plain", "no penalty, plain surrogate", Plan()),
        _arm("entropy", "penalty on entropy", Plan(), Entropy),
        _arm("indecision", "penalty on indecision", Plan(), Indecision),
        _arm("ensemble", "three plain surrogates, no penalty", Plan(), together=True),
        _arm(
            "disagreement",
            "three plain surrogates, penalty on their disagreement",
            Plan(),
            _disagreement,
            5.0,
            together=True,
        ),
        _arm("outliers", "trained with outliers, no penalty", Plan(outliers=True)),
        _arm(
            "robust+outliers",
            "trained with outliers under an adversary, no penalty",
            replace(_ROBUST, outliers=True),
        ),
    ),
    claims=(
        Claim(
            "a penalty on entropy raises the genuine share", "entropy", "plain", "genuine robust"
        ),
        Claim(
            "a penalty on an ensemble's disagreement raises it",
            "disagreement",
            "ensemble",
            "genuine robust",
        ),
        Claim(
            "training with outliers under an adversary raises it above any penalty on entropy",
            "robust+outliers",
            "entropy",
            "genuine robust",
        ),
        Claim(
            "and above a penalty on disagreement",
            "robust+outliers",
            "disagreement",
            "genuine robust",
        ),
    ),
    shown={
        "accuracy": "accuracy %",
        "genuine robust": "genuine, normalized steps %",
        "genuine proximal": "genuine, near the start %",
        "adversarial proximal": "adversarial, near the start %",
        "out_of_distribution robust": "out of distribution %",
        "judges' confidence robust": "judges' confidence %",
        "judges' confidence proximal": "judges' confidence, near the start %",
        "AUROC clothes": "AUROC clothes",
    },
)
