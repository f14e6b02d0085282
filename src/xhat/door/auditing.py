"""``xhat.audit``: verdicts on samples from anywhere, and which of them may be believed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from xhat.constraints import Constraint, as_constraint, certify
from xhat.core import Key, Layout, check_fraction, check_tensor
from xhat.core import Model as Asked
from xhat.domain import Domain
from xhat.door.asking import alone_with_its_conditions, parts_of, ready, remarks_on
from xhat.door.judged import Judged
from xhat.door.judging import at_rest, calling, judge_of, judged
from xhat.door.models import only_asked
from xhat.door.selecting import check_budget, select_by_truth, select_by_verdicts
from xhat.engine import Result, Status
from xhat.executors import Workers
from xhat.objectives.goals import Class, Goal, as_goal

__all__ = ["audit", "of_whole", "wanted"]

Model = Callable[[Tensor], Tensor]
_PART = 512


def audit(
    model: Callable[..., Any] | None,
    samples: Any,
    goal: Any = None,
    *,
    output: Key | None = None,
    given: Mapping[str, Any] | None = None,
    domain: Domain | None = None,
    truth: Any = None,
    budget: int | None = None,
    fdr: float = 0.1,
    seed: int = 0,
    constraints: Sequence[Constraint | Model] = (),
    x0: Any = None,
    alpha: float = 0.05,
    beta: float | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
    workers: Workers | int | None = None,
) -> Judged:
    """Judge samples of any origin: can each of them be believed, and which of them together?

    By a domain alone, every sample gets a verdict, and of the genuine ones so many are trusted that
    at most a share ``fdr`` of them is expected to be a real sample of another class. With a truth,
    every sample is verified; with a budget, only a random part, which calibrates which of the
    others meet the goal with at most a share ``fdr`` of false ones expected among them. See
    ``xhat.judges.selection`` for what is guaranteed.

    Args:
        model: the model that the samples were made for; None if it is not at hand. Without it
            nobody says whether the samples reach the goal.
        samples: ``(n, *x_shape)``: a tensor, an array or a frame; or several parts, in a dict by
            the names of the model's parameters, or in a tuple.
        goal: what the samples should be: a ``Goal``, a class (by number or name), ``(n,)`` classes;
            None where there are no classes.
        output: which of the model's outputs is meant, by name or number; None finds it.
        given: further inputs of the model by name: a row for each sample or one for all.
        domain: what real inputs look like.
        truth: the ground truth: a function of one sample or a ``Truth`` or ``Simulator``. Where it
            fails, the sample counts as not meeting the goal.
        budget: of how many samples the truth is asked; None for all of them. Samples that break a
            constraint or do not reach the goal by the model itself are not asked about.
        fdr: the false discovery rate, in (0, 1): the share of false ones that is expected among
            those that are trusted without being verified, at most.
        seed: of the choice of what is verified. With the same seed a larger budget verifies the
            same samples and more, so that a ``Simulator(f, cache=True)`` is asked of the new ones.
        constraints: what must hold besides the limits that the domain declares, in float64; a
            function ``g`` says ``g(x) <= 0``.
        x0: ``(n, *x_shape)``, the starts of the search that found the samples, for pictures and
            distances; None if unknown.
        alpha: the probability, in (0, 1), with which a real sample may be called anything but
            genuine or undecided.
        beta: the probability, in (0, 1), with which a real sample of another class may be called
            genuine; None for that of the domain's judge, .05 unless it was made with another.
        on_progress: called as ``(stage, done, total)`` while a judge is fitted.
        workers: where judges are fitted and a simulator is called, several times at once: a number
            of processes, or a cluster (``xhat.Dask``, ``xhat.Ray``); None for this process.

    Returns:
        The samples with their verdicts; ``.trusted`` says which to believe, ``.next`` which to
        simulate next, the most promising first, and ``.selection`` why, with bounds of the gap
        between truth and model.

    Raises:
        TypeError, ValueError: neither a domain nor a truth is given; shapes, labels or goals do
            not fit; or a budget without a truth, or larger than the number of samples.

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
    layout = parts_of(samples, domain, "the samples")
    if domain is not None:
        x = domain.check_inputs("the samples", samples, valid=False)
        constraints = (*constraints, *domain.bounds)
    else:
        whole = samples if layout is None else layout.pack(samples)
        x = check_tensor("the samples", whole, floating=False)
        x = x if x.is_floating_point() else x.float()
    asked = None if goal is None else wanted(goal, domain)
    if model is not None:
        model = ready(model, x, asked, output=output, given=given, layout=layout, domain=domain)
    asked = None if asked is None else of_whole(asked, model, x)
    begun = layout.pack(x0) if layout is not None and Layout.meant(x0) else x0
    start = x if begun is None else check_tensor("the starts", begun).to(x)
    if start.shape != x.shape:
        raise ValueError(
            f"the starts must be one for each sample, {tuple(x.shape)}, but have shape "
            f"{tuple(start.shape)}."
        )
    check_fraction("fdr", fdr)
    if budget is not None:
        check_budget(budget, len(x), truth, asked)
    kept = tuple(map(as_constraint, constraints))
    if layout is not None:
        kept = tuple(each.laid_out(layout) for each in kept)
    apart = alone_with_its_conditions(model)
    if apart and budget is not None:
        raise ValueError(
            "a budget goes with a model that is asked about samples alone, but each sample has a "
            "condition of its own (given=); leave out budget=."
        )
    found = _measured(model, asked, x, start, kept)
    found = replace(found, notes=remarks_on(model), layout=layout)
    with calling(truth, workers, layout) as truth_there:
        checked = judged(
            found,
            None if apart else model,
            asked,
            domain=domain,
            truth=None if budget is not None else truth_there,
            constraints=kept,
            alpha=alpha,
            beta=beta,
            searched=(),
            started=x0 is not None,
            on_progress=on_progress,
            workers=workers,
        )
        if budget is None or asked is None:
            return select_by_verdicts(checked, fdr)
        labels = asked.labels_for(len(x))
        judge = None if domain is None else judge_of(domain, alpha, beta, labels)
        return select_by_truth(
            checked, model, asked, truth_there, judge=judge, budget=budget, fdr=fdr, seed=seed
        )


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


def of_whole(goal: Goal, model: Model | None, x: Tensor) -> Goal:
    """Return a goal; of a model that answers at positions, as one that names no class of the whole.

    What is a 3 at every pixel is not an image of the class 3, and no judge is told so.
    """
    if model is None or goal.labels is None or only_asked(model):
        return goal
    try:
        with at_rest(model, warn=False), torch.no_grad():
            first = model.select(torch.zeros(1).long()) if isinstance(model, Asked) else model
            y = first(x[:1])
    except Exception:  # noqa: BLE001 - the search says better what is wrong with a model
        return goal
    shape = tuple(getattr(y, "shape", ()))[2:]
    return goal.at_positions() if torch.Size(shape).numel() > 1 else goal


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
            if not only_asked(model):
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
