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
from xhat.engine.answers import Answers
from xhat.engine.faults import guarded
from xhat.engine.problem import Problem
from xhat.engine.setup import Setup, measured, snapshot
from xhat.engine.status import Ending, Status
from xhat.engine.stopping import Snapshot, target_reached
from xhat.objectives import Measurement

__all__ = ["ask_again", "certified", "same_answers", "settled"]

_ROUNDINGS = 8  # of weights, by which a model's answers in batches of different size may differ
_AMONG_NEIGHBOURS = (Status.NO_BETTER_NEIGHBOUR, Status.BEST_OF_ALL)
_ROWS = 1024  # candidates certified together, at least: no model is asked for them


def ask_again(setup: Setup, answers: Answers, ids: Tensor, chunk: int) -> bool:
    """Measure the answers of ``ids`` anew, and take back the claims that do not hold.

    Returns:
        Whether what is seen now agrees with what the search saw, as it does of every model but a
        random one.
    """
    had, agrees = answers.columns, True
    finite = had["loss"][ids].isfinite()
    had["reached"][ids[~finite]] = False

    def ask(part: Tensor) -> None:
        nonlocal agrees
        z = had["z"][part].to(setup.device)
        with torch.no_grad():
            _, found = measured(setup.narrowed(part), z, passes=setup.passes)
        none = torch.zeros_like(part)
        now = snapshot(found, none, none, setup.clock())
        # who was cut short in a round of multipliers is known by its merit only
        ended = [not _cut_short(answers.endings[i]) for i in part.tolist()]
        agrees &= setup.autocast or _same(
            now.merit.cpu()[ended], had["loss"][part][ended], setup.rounding
        )
        _deny(setup, answers, part, now)
        reached = target_reached(setup.rules, now)
        values = {"loss": now.merit, "confidence": now.confidence, "reached": reached}
        for name, value in values.items():
            if value is not None:
                had[name][part] = value.detach().to(had[name])
        had["reached"][part] &= now.merit.isfinite().cpu()
        had["own"][part] = True

    parts = list(ids[finite].split(chunk))
    try:
        while parts:
            for i, ending in guarded(parts[0], ask).items():
                _leave_unasked(answers, i, ending)
            parts.pop(0)
    except KeyboardInterrupt:  # what was not asked is not claimed
        setup.stopped.set()
        for i in torch.cat(parts).tolist():
            _leave_unasked(answers, i, Ending(Status.INTERRUPTED))
    return agrees


def _leave_unasked(answers: Answers, i: int, ending: Ending) -> None:
    """Say why candidate ``i`` was not asked about again, and claim nothing that was not seen."""
    answers.endings[i] = ending
    answers.columns["reached"][i] = False
    if not answers.columns["own"][i]:
        answers.columns["loss"][i] = torch.nan


def _deny(setup: Setup, answers: Answers, ids: Tensor, now: Snapshot) -> None:
    """Take back the claims that are not so."""
    holds: dict[Ending | None, Tensor] = {}
    for rule in setup.rules:
        if rule.certain:
            fires = rule.fired(now, {})[0] & now.merit.isfinite()
            holds[rule.ending] = fires | holds.get(rule.ending, torch.zeros_like(fires))
    for row, i in enumerate(ids.tolist()):
        claim = answers.endings[i]
        stands = holds.get(claim)
        if claim is not None and stands is not None and not bool(stands[row]):
            answers.endings[i] = Ending(Status.DENIED, f": {claim.sentence}")


def _cut_short(ending: Ending | None) -> bool:
    return ending is not None and ending.status.cut_short


def same_answers(one: Measurement, other: Measurement, rounding: float = 0.0) -> bool:
    """Return whether two passes agree, as far as batches of different size let them.

    Of a loss that is clipped, as a margin or ``Hinge`` is, only the confidence shows a difference.
    Weights of half precision round more, by ``rounding``.
    """
    sure, other_sure = one.confidence, other.confidence
    same = sure is None or other_sure is None or _same(sure, other_sure, rounding)
    return same and _same(one.loss, other.loss, rounding)


def _same(one: Tensor, other: Tensor, rounding: float) -> bool:
    rough = _ROUNDINGS * rounding
    return torch.equal(one, other) or torch.allclose(
        one.double(), other.double(), rtol=1e-3 + rough, atol=1e-5 + rough, equal_nan=True
    )


def certified(problem: Problem, answers: Answers, chunk: int) -> Certificate:
    """Certify the answers; where a constraint raises, its violation is NaN and it is told."""
    x = answers.columns["x"]
    parts = (*problem.constraints, problem.space)
    violation = torch.full((len(x), len(parts)), torch.nan, dtype=torch.float64)
    names, precision = tuple(part.name for part in parts), ("float64",) * len(parts)

    def look(part: Tensor) -> None:
        nonlocal names, precision
        found = problem.select(part).certify(x[part])
        violation[part], names, precision = found.violation, found.names, found.precision

    for part in torch.arange(len(x)).split(max(chunk, _ROWS)):
        for i, ending in guarded(part, look).items():
            answers.endings[i] = ending
    return Certificate(names, violation, problem.tolerance, precision)


def settled(answers: Answers, setup: Setup, certificate: Certificate) -> tuple[Ending, ...]:
    """Return the endings, none of which contradicts the certificate."""
    claims = {Ending(Status.CONVERGED), *(rule.ending for rule in setup.rules if rule.certain)}

    def true(ending: Ending | None, holds: bool) -> Ending:
        if ending is None:
            raise RuntimeError("a candidate has no ending; this is a fault of xhat.")
        if (ending in claims or ending.status in _AMONG_NEIGHBOURS) and not holds:
            return Ending(Status.VIOLATED)
        found_after_all = ending.status is Status.INFEASIBLE and holds
        return Ending(Status.STEPS_SPENT) if found_after_all else ending

    return tuple(map(true, answers.endings, certificate.feasible.tolist()))
