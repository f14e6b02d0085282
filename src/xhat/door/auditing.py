"""``xhat.audit``: verdicts on samples from anywhere."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from xhat.constraints import Constraint, as_constraint, certify
from xhat.core import check_fraction, check_tensor, evaluation_mode, modules_of, own_randomness
from xhat.domain import Domain
from xhat.door.judged import Judged
from xhat.engine import Result, Status
from xhat.judges import Outcome, Simulator, Truth, Verdicts, ask
from xhat.objectives.goals import Class, Goal, as_goal

__all__ = ["as_truth", "at_rest", "audit", "judged", "wanted"]

Model = Callable[[Tensor], Tensor]
_PART = 512


def audit(
    model: Model | None,
    samples: Any,
    goal: Any = None,
    *,
    domain: Domain | None = None,
    truth: Any = None,
    constraints: Sequence[Constraint | Model] = (),
    x0: Any = None,
    alpha: float = 0.05,
    beta: float | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Judged:
    """Judge samples of any origin: can each of them be believed?

    Args:
        model: the model that the samples were made for; None if it is not at hand. Without it
            nobody says whether the samples reach the goal.
        samples: ``(n, *x_shape)``: a tensor, an array or a frame.
        goal: what the samples should be: a ``Goal``, a class (by number or name), ``(n,)`` classes;
            None where there are no classes.
        domain: what real inputs look like.
        truth: the ground truth: a function of one sample or a ``Truth`` or ``Simulator``.
        constraints: what must hold besides the limits that the domain declares, in float64; a
            function ``g`` says ``g(x) <= 0``.
        x0: ``(n, *x_shape)``, the starts of the search that found the samples, for pictures and
            distances; None if unknown.
        alpha: the probability, in (0, 1), with which a real sample may be called anything but
            genuine or undecided.
        beta: the probability, in (0, 1), with which a real sample of another class may be called
            genuine; None for that of the domain's judge, .05 unless it was made with another.
        on_progress: called as ``(stage, done, total)`` while a judge is fitted.

    Returns:
        The samples with their verdicts; ``.trusted`` says which are genuine.

    Raises:
        TypeError, ValueError: neither a domain nor a truth is given; or shapes, labels or goals do
            not fit.

    Example:
        >>> from sklearn.datasets import load_wine
        >>> wine = load_wine(as_frame=True)
        >>> domain = Domain(wine.data, wine.target)
        >>> checked = audit(None, wine.data[:3] * 3, 0, domain=domain)
        >>> checked.trusted.tolist()
        [False, False, False]
    """
    if domain is None and truth is None:
        raise ValueError(
            "an audit needs to know what is real: give domain=xhat.Domain(samples, labels), or "
            "truth=, a simulator."
        )
    if domain is not None:
        x = domain.check_inputs("the samples", samples)
        constraints = (*constraints, *domain.bounds)
    else:
        x = check_tensor("the samples", samples, floating=False)
        x = x if x.is_floating_point() else x.float()
    asked = None if goal is None else wanted(goal, domain)
    start = x if x0 is None else check_tensor("the starts", x0).to(x)
    if start.shape != x.shape:
        raise ValueError(
            f"the starts must be one for each sample, {tuple(x.shape)}, but have shape "
            f"{tuple(start.shape)}."
        )
    kept = tuple(map(as_constraint, constraints))
    found = _measured(model, asked, x, start, kept)
    how = {"domain": domain, "truth": truth, "constraints": kept, "alpha": alpha, "beta": beta}
    return judged(found, model, asked, searched=(), on_progress=on_progress, **how)


def wanted(goal: Any, domain: Domain | None) -> Goal:
    """Return a goal; names of classes are those of the domain.

    Raises:
        TypeError, ValueError: no goal, or no class of the domain.
    """
    if domain is not None and isinstance(goal, str):
        return Class(domain.class_of(goal))
    named = isinstance(goal, list | tuple) and any(isinstance(each, str) for each in goal)
    if domain is not None and named:
        return Class([domain.class_of(each) for each in goal])
    if isinstance(goal, str):
        raise TypeError(
            f"the target {goal!r} is a name, but without a domain classes have none; give its "
            f"number."
        )
    found = as_goal(goal)
    if domain is not None and domain.classes and found.labels is not None:
        most = int(found.labels.max())
        if most >= len(domain.classes):
            raise ValueError(
                f"the target must be a class from 0 to {len(domain.classes) - 1} "
                f"({', '.join(domain.classes)}), but {most} came."
            )
    return found


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
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Judged:
    """Return a result with the verdicts that can be had."""
    more = {"domain": domain, "goal": "" if goal is None else repr(goal), "method": method}
    reached = found.reached if found.targeted else None
    if domain is None and truth is None:
        return Judged.of(found, **more)
    labels = None if goal is None else goal.labels_for(len(found))
    true = None if truth is None or goal is None else as_truth(truth, goal)
    if domain is None:
        if true is None:
            raise ValueError("the truth is asked whether a goal is met; give the goal.")
        return Judged.of(found, verdicts=_by_truth(found, true, model, labels, reached), **more)
    judge = domain.judge(alpha, on_progress)
    if beta is not None:
        judge = replace(judge, beta=check_fraction("beta", beta))
    if judge.jury is not None and labels is None:
        judge = judge.without_jury()
    verdicts = judge.judge(
        found.x,
        labels,
        reached=reached,
        constraints=constraints,
        truth=true,
        surrogate=model,
        searched=searched,
    )
    return Judged.of(found, verdicts=verdicts, **more)


@contextmanager
def at_rest(model: Model, *, warn: bool = True) -> Iterator[None]:
    """Ask a model in evaluation mode, and leave it and torch's global generators as they were."""
    with evaluation_mode(*modules_of(model), warn=warn), own_randomness(0, torch.device("cpu")):
        yield


def as_truth(truth: Any, goal: Goal) -> Truth:
    """Return what is asked for the truth: a function of one sample, or what it is already."""
    if isinstance(truth, Truth):
        return truth
    f = truth if isinstance(truth, Simulator) else Simulator(truth)
    return Truth(f, error=lambda y, _: goal.off(torch.as_tensor(y)), tolerance=goal.tolerance)


def _by_truth(
    found: Result, truth: Truth, model: Model | None, labels: Tensor | None, reached: Tensor | None
) -> Verdicts:
    """Return verdicts that rest on the truth alone."""
    asked = ask(truth, found.x, 0.0 if labels is None else labels, model)
    certificate = found.certificate
    outcomes = []
    for i in range(len(found)):
        if certificate is not None and not bool(certificate.feasible[i]):
            outcomes.append(Outcome.INFEASIBLE)
        elif reached is not None and not bool(reached[i]):
            outcomes.append(Outcome.UNREACHED)
        else:
            outcomes.append(Outcome.GENUINE if bool(asked.holds[i]) else Outcome.MISTAKEN)
    nothing = torch.full((len(found),), torch.nan)
    return Verdicts(
        tuple(outcomes), labels, (), nothing, nothing, 0.05, structure=certificate, truth=asked
    )


def _measured(
    model: Model | None,
    goal: Goal | None,
    x: Tensor,
    x0: Tensor,
    constraints: tuple[Constraint, ...],
) -> Result:
    """Return what a model says of samples, as a result."""
    n = len(x)
    nothing = torch.full((n,), torch.nan)
    loss, sure, reached = nothing, nothing, torch.zeros(n, dtype=torch.bool)
    targeted = model is not None and goal is not None and goal.targeted
    if model is not None and goal is not None:
        objective = goal.objective(model)
        first = x[:1].clone().requires_grad_(True)
        some = torch.arange(n).split(_PART)
        with at_rest(model):
            objective.check(first, first)
            with torch.no_grad():
                parts = [objective.select(rows).measure(x[rows], x[rows]) for rows in some]
        loss = torch.cat([part.loss for part in parts])
        if parts[0].confidence is not None:
            sure = torch.cat([part.confidence for part in parts if part.confidence is not None])
        if parts[0].reached is not None:
            reached = torch.cat([part.reached for part in parts if part.reached is not None])
    certificate = certify(constraints, x) if constraints else None
    return Result(
        x0=x0,
        x=x,
        z=x,
        loss=loss,
        confidence=sure,
        reached=reached,
        violation=torch.zeros(n) if certificate is None else certificate.violation.amax(dim=1),
        feasible=torch.ones(n, dtype=torch.bool) if certificate is None else certificate.feasible,
        status=(Status.NOT_SEARCHED,) * n,
        steps=torch.zeros(n, dtype=torch.long),
        evaluations=torch.zeros(n, dtype=torch.long),
        targeted=targeted,
        certificate=certificate,
    )
