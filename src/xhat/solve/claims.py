"""Claims: what a search says of an input is asked once more, of that very input, before it is told.

A search sees a candidate in a batch, in the precision and at the pass of that moment. What counts
is the ``x`` that is handed on: its loss, confidence and target are measured anew, in evaluation
mode and full precision (over several passes for a random model, alone for one that mixes
candidates), and its constraints and space are certified in float64. A sentence that claims success
stands only where both agree with it.
"""

import torch
from torch import Tensor

from xhat.constraints import Certificate
from xhat.problem import Problem
from xhat.result import INTERRUPTED
from xhat.solve.answers import Answers
from xhat.solve.batch import Setup, measured, snapshot
from xhat.solve.faults import guarded
from xhat.solve.stopping import MaxSteps, TargetReached

__all__ = ["CONVERGED", "INFEASIBLE", "ask_again", "certified", "settled"]

CONVERGED = "constraints hold and the loss no longer falls"
INFEASIBLE = "no feasible point was found"
_DENIED = "the target was reached in the search, but not when asked again"
_BROKEN = "a constraint is violated beyond the tolerance"


def ask_again(setup: Setup, answers: Answers, ids: Tensor, chunk: int) -> None:
    """Measure the answers of ``ids`` anew, and take back the claims that do not hold."""
    had = answers.columns
    rules = {rule.sentence: rule for rule in setup.rules if rule.certain}
    judged = ids[had["loss"][ids].isfinite()] if "loss" in had else ids[:0]

    def ask(part: Tensor) -> None:
        z = had["z"][part].to(setup.device)
        with torch.no_grad():
            _, found = measured(setup.narrowed(part), z, passes=setup.passes)
        none = torch.zeros_like(part)
        now = snapshot(found, none, none, setup.clock())
        finite = now.merit.isfinite()
        reached = None if found.reached is None else found.reached & finite
        for sentence, rule in rules.items():
            holds = rule.fired(now, {})[0] & finite
            if isinstance(rule, TargetReached):  # the wanted confidence decides
                reached = holds
            for i, stands in zip(part.tolist(), holds.tolist(), strict=True):
                if answers.status[i] == sentence and not stands:
                    answers.status[i] = _DENIED
        values = {"loss": found.loss, "confidence": found.confidence, "reached": reached}
        for name, value in values.items():
            if value is not None:
                had[name][part] = value.detach().to(had[name])

    parts = list(judged.split(chunk))
    try:
        while parts:
            for i, sentence in guarded(parts[0], ask).items():
                answers.status[i] = sentence
                had["reached"][i] = False
            parts.pop(0)
    except KeyboardInterrupt:  # what was not asked is not claimed
        setup.stopped.set()
        for i in torch.cat(parts).tolist():
            answers.status[i] = INTERRUPTED
            had["reached"][i] = False


def certified(problem: Problem, answers: Answers) -> Certificate:
    """Certify the answers; where a constraint raises, its violation is NaN and it is told."""
    x = answers.columns["x"]
    parts = (*problem.constraints, problem.space)
    violation = torch.full((len(x), len(parts)), torch.nan, dtype=torch.float64)
    names, precision = tuple(part.name for part in parts), ("float64",) * len(parts)

    def look(part: Tensor) -> None:
        nonlocal names, precision
        found = problem.select(part).certify(x[part])
        violation[part], names, precision = found.violation, found.names, found.precision

    for i, sentence in guarded(torch.arange(len(x)), look).items():
        answers.status[i] = sentence
    return Certificate(names, violation, problem.tolerance, precision)


def settled(answers: Answers, setup: Setup, certificate: Certificate) -> tuple[str, ...]:
    """Return the sentences, none of which contradicts the certificate."""
    claims = {CONVERGED, *(rule.sentence for rule in setup.rules if rule.certain)}
    feasible = certificate.feasible.tolist()

    def true(sentence: str, holds: bool) -> str:
        if sentence in claims and not holds:
            return _BROKEN
        return MaxSteps.sentence if sentence == INFEASIBLE and holds else sentence

    return tuple(map(true, answers.status, feasible))
