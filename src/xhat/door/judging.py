"""Verdicts for a result: by a domain's judge, by the truth, or by both."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from xhat.constraints import Certificate, Constraint
from xhat.core import Layout, evaluation_mode, modules_of, own_randomness
from xhat.domain import Domain
from xhat.door.judged import Judged
from xhat.door.verifying import reasons_of
from xhat.engine import Result
from xhat.executors import Workers
from xhat.judges import Judge, Outcome, Simulator, Truth, TruthEvidence, Verdicts, ask
from xhat.objectives.goals import Goal

__all__ = [
    "as_truth",
    "asked_again",
    "at_rest",
    "calling",
    "failures",
    "judge_of",
    "judged",
    "outcomes_by_truth",
]

Model = Callable[[Tensor], Tensor]
_NAMED = 10  # samples on which the truth failed


def judged(
    found: Result,
    model: Model | None,
    goal: Goal | None,
    *,
    domain: Domain | None,
    truth: Any,
    constraints: Sequence[Constraint],
    alpha: float,
    beta: float | None = None,
    searched: Sequence[nn.Module],
    method: str = "",
    started: bool = True,
    on_progress: Callable[[str, int, int], None] | None = None,
    workers: Workers | int | None = None,
) -> Judged:
    """Return a result with the verdicts that can be had."""
    more = {"domain": domain, "goal": "" if goal is None else repr(goal), "method": method}
    reached = found.reached if found.targeted else None
    if domain is None and truth is None:
        return Judged.of(found, **more)
    labels = None if goal is None else goal.labels_for(len(found))
    true = None if truth is None or goal is None else as_truth(truth, goal, found.layout)
    if domain is None:
        if true is None:
            raise ValueError("the truth is asked whether a goal is met; give the goal.")
        with asked_again(model):
            verdicts = _by_truth(found, true, model, labels, reached)
    else:
        judge = judge_of(domain, alpha, beta, labels, on_progress, workers)
        with asked_again(model):
            verdicts = judge.judge(
                found.x,
                labels,
                goal=goal,
                reached=reached,
                constraints=constraints,
                truth=true,
                surrogate=model,
                searched=searched,
                x0=found.x0 if started else None,
            )
    if true is not None and verdicts.truth is not None:
        notes = (*found.notes, *failures(true, verdicts.truth, torch.arange(len(found))))
        found = replace(found, notes=notes)
    return Judged.of(found, verdicts=verdicts, **more)


def judge_of(
    domain: Domain,
    alpha: float,
    beta: float | None,
    labels: Tensor | None,
    on_progress: Callable[[str, int, int], None] | None = None,
    workers: Workers | int | None = None,
) -> Judge:
    """Return the judge of a domain at two levels; without a jury where no class is wanted."""
    judge = domain.judge(alpha, beta, on_progress, workers=workers)
    return judge.without_jury() if judge.jury is not None and labels is None else judge


@contextmanager
def at_rest(model: Model, *, warn: bool = True) -> Iterator[None]:
    """Ask a model in evaluation mode, and leave it and torch's global generators as they were."""
    with evaluation_mode(*modules_of(model), warn=warn), own_randomness(0, torch.device("cpu")):
        yield


def asked_again(model: Model | None) -> AbstractContextManager[None]:
    """Ask a model that was asked before, which warned where there is something to be warned of."""
    return nullcontext() if model is None else at_rest(model, warn=False)


@contextmanager
def calling(
    truth: Any, workers: Workers | int | None, layout: Layout | None = None
) -> Iterator[Any]:
    """Yield a truth whose simulator is called on workers for the time of the block."""
    if truth is None or workers is None:
        yield truth
        return
    made = truth if isinstance(truth, Truth) else _simulator(truth, layout)
    simulator = made.f if isinstance(made, Truth) else made
    with simulator.on(workers) if isinstance(simulator, Simulator) else nullcontext():
        yield made


def as_truth(truth: Any, goal: Goal, layout: Layout | None = None) -> Truth:
    """Return what is asked for the truth: a function of one sample, or what it is already."""
    if isinstance(truth, Truth):
        return truth
    f = _simulator(truth, layout)
    return Truth(f, error=lambda y, _: goal.off(torch.as_tensor(y)), tolerance=goal.tolerance)


def _simulator(truth: Any, layout: Layout | None) -> Simulator:
    """Return what is asked of one sample, or of its parts."""
    if isinstance(truth, Simulator):
        return truth
    return Simulator(truth if layout is None else lambda x: truth(_parts(x, layout)))


def _parts(x: Any, layout: Layout) -> Any:
    """Return the parts of one sample, arrays, as they were given."""
    parts = layout.unpack(torch.as_tensor(x))
    if isinstance(parts, tuple):
        return tuple(part.numpy() for part in parts)
    return {name: part.numpy() for name, part in parts.items()}


def failures(truth: Truth, evidence: TruthEvidence, rows: Tensor) -> tuple[str, ...]:
    """Return a sentence that names the samples on which the truth has just failed, if any.

    Args:
        truth: what was asked.
        evidence: what it said of ``b`` samples.
        rows: ``(b,)``, their numbers.
    """
    why = reasons_of(truth, evidence)
    failed = [i for i, reason in enumerate(why) if reason is not None]
    if not failed:
        return ()
    named = ", ".join(str(int(rows[i])) for i in failed[:_NAMED])
    more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return (
        f"the truth failed on {len(failed)} of {len(why)} samples, which count as not meeting the "
        f"goal: {named}{more} (the first: {why[failed[0]]})",
    )


def outcomes_by_truth(
    certificate: Certificate | None, reached: Tensor | None, otherwise: Sequence[Outcome]
) -> tuple[Outcome, ...]:
    """Return the outcomes of samples of which nothing but model, constraints and truth speak."""
    outcomes = []
    for i, outcome in enumerate(otherwise):
        if certificate is not None and not bool(certificate.feasible[i]):
            outcomes.append(Outcome.INFEASIBLE)
        elif reached is not None and not bool(reached[i]):
            outcomes.append(Outcome.UNREACHED)
        else:
            outcomes.append(outcome)
    return tuple(outcomes)


def _by_truth(
    found: Result, truth: Truth, model: Model | None, labels: Tensor | None, reached: Tensor | None
) -> Verdicts:
    """Return verdicts that rest on the truth alone."""
    asked = ask(truth, found.x, 0.0 if labels is None else labels, model)
    held = [Outcome.GENUINE if holds else Outcome.MISTAKEN for holds in asked.holds.tolist()]
    outcomes = outcomes_by_truth(found.certificate, reached, held)
    nothing = torch.full((len(found),), torch.nan)
    return Verdicts(
        outcomes, labels, (), nothing, nothing, 0.05, structure=found.certificate, truth=asked
    )
