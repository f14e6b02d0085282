"""Searching a model that has no gradient: on a surrogate, confirmed and repaired on the model."""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.blackbox import BlackBox, Distillate, Known, Units, as_box, distil, search_table, units_of
from xhat.constraints import Constraint
from xhat.core import InputWarning
from xhat.engine import Problem, Result, Status, solve
from xhat.methods.base import Around, Method, Model, Options, Plan, Training, until
from xhat.methods.features import NearStart, Pixels
from xhat.methods.flow import Flow
from xhat.objectives.goals import Goal

__all__ = ["Distilled"]

_EACH, _ALL = 14, 600  # evaluations: for each candidate, and for all together
_FEWEST = 20  # samples that a surrogate learns from
_SURE = 0.8  # of the surrogate, at which a search on it ends
_STEPS = 80  # of such a search in a table
_ROUNDS = 3  # of searching, asking and learning, where inputs are changed as a whole
_PASSES = 4  # over which the claims of a random model are means


@dataclass(frozen=True)
class Distilled(Method):
    """A surrogate is distilled and searched; it learns where the model says otherwise.

    Everything that a result claims is of the model itself. In tables few features are changed, by
    values that real rows have; elsewhere the surrogate is searched by another method. What the
    model does not accept teaches the surrogate, and the nearest real sample that the model accepts
    is the answer where nothing better was found.

    The model is asked 600 times and 14 times for each candidate at most, unless ``evaluations=``
    says otherwise; how often it was, the notes of the result say.

    Attributes:
        by: how the surrogate is searched; None for changes of few features in tables, and for
            ``flow`` or steps on the features elsewhere.
    """

    name: ClassVar[str] = "distilled"
    caption: ClassVar[str] = "for models without gradients: on a surrogate, confirmed by the model"
    options: ClassVar[tuple[str, ...]] = ("confidence", "evaluations", "seed")
    from_start: ClassVar[bool] = False
    gradient: ClassVar[bool] = False
    by: Method | None = None

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the question that answers are measured by."""
        return Plan(Problem(goal.objective(model), domain.space(x0), tuple(constraints)))

    def missing(self, domain: Around, goal: Goal) -> str | None:
        """Return why a domain cannot serve, and what to do; None where it can."""
        if not domain.knows_samples:
            return (
                "a model without gradients is searched on a surrogate, which is distilled from "
                "what it says of real samples; give some rows of data "
                "(domain=xhat.Domain(samples, labels), or --reference)."
            )
        return None if self.by is None else self.by.missing(domain, goal)

    def prepare(self, domain: Around, on_progress: Training | None = None) -> None:
        """Train what the search on the surrogate needs."""
        if self.by is not None:
            self.by.prepare(domain, on_progress)

    def search(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
        options: Options | None = None,
    ) -> Result:
        """Search from every start; see ``Method.search``.

        Raises:
            TypeError: the model answers in no form that is known.
            ValueError: fewer evaluations than a search needs, or the model fails on all samples.
        """
        given, began = self.checked(options), time.perf_counter()
        until(goal, given.confidence)  # says where a confidence does not belong
        box = as_box(
            model,
            x0,
            by_class=goal.by_class,
            classes=domain.classes,
            names=getattr(domain, "names", None),
        )
        box.budget = _budget(given.evaluations, box.asked, len(x0))
        problem = self.plan(box, goal, x0, domain, constraints).problem
        problem.check_count(len(x0))
        seed = given.computing.seed
        known, ended = Known(box, goal, x0, given.confidence), Status.NO_PROGRESS
        learned = None
        try:
            units = self._units(domain)
            real: Any = domain  # there is one, as ``missing`` says
            learned = distil(box, real, x0, units, by_class=goal.by_class, seed=seed)
            reserve = len(x0) * (_PASSES if box.random else 1)
            if units is not None:
                self._few_changes(known, learned, units, problem, domain, constraints, reserve)
            else:
                self._whole(known, learned, problem, domain, constraints, seed, reserve)
            if box.left is not None and box.left - reserve <= 0:
                ended = Status.EVALUATIONS_SPENT
        except KeyboardInterrupt:
            ended = Status.INTERRUPTED
        found = _claimed(known, problem, ended, seed, began)
        return found if learned is None else _told(found, box, learned)

    def _units(self, domain: Around) -> Units | None:
        """Return what may change in a table; None where inputs are changed as a whole."""
        few = self.by is None and domain.kind == "table"
        return units_of(domain) if few else None  # pyright: ignore[reportArgumentType]

    def _few_changes(
        self,
        known: Known,
        learned: Distillate,
        units: Units,
        problem: Problem,
        domain: Around,
        constraints: Sequence[Constraint],
        reserve: int,
    ) -> None:
        by = NearStart() if known.goal.targeted else Pixels()
        net, goal, x0 = learned.surrogate.net, known.goal, known.x0
        plan = by.plan(net, goal, x0, domain, constraints)
        stop = until(goal, _SURE if goal.by_class else None)

        def descend(rows: Tensor) -> Tensor:
            how = plan.options | {"stop": stop, "max_steps": _STEPS}
            return solve(plan.problem.select(rows), x0[rows], **how).finished().x

        search_table(known, learned, units, descend=descend, problem=problem, reserve=reserve)

    def _whole(
        self,
        known: Known,
        learned: Distillate,
        problem: Problem,
        domain: Around,
        constraints: Sequence[Constraint],
        seed: int,
        reserve: int,
    ) -> None:
        """Search the surrogate, ask, learn; what stays unreached takes a real sample."""
        by = _otherwise(domain, known.goal) if self.by is None else self.by
        box, x0 = known.box, known.x0
        every = torch.arange(len(x0))
        known.take(x0, box(x0), every, torch.zeros(len(x0)))
        for _ in range(_ROUNDS):
            left = len(x0) if box.left is None else box.left - reserve
            rows = every[~known.reached][: max(0, left)]
            if not len(rows):
                break
            net, options = learned.surrogate.net, Options(seed=seed)
            x = by.search(net, known.goal, x0, domain, constraints, options).finished().x
            known.ask(x[rows], rows, torch.zeros(len(rows)))
            if (news := known.news()) is not None:
                learned.surrogate.learn(*news)
        for i in every[~known.reached].tolist():
            one = torch.tensor([i])
            for x in _accepted(known, learned, domain, i):
                if bool(box.knows(x[None])) and bool(problem.select(one).certify(x[None]).feasible):
                    known.take(x[None], box(x[None]), one, torch.zeros(1))
                    break


def _budget(asked: int | None, before: int, n: int) -> int:
    """Return how often the model may be asked, what it was asked already included."""
    least = 2 * n + _FEWEST
    if asked is None:
        return before + _ALL + _EACH * n
    if asked < least:
        raise ValueError(
            f"evaluations must be at least {least} for {n} candidates (each start once, each "
            f"answer once more, and {_FEWEST} samples to learn from), but {asked} came."
        )
    return before + asked


def _otherwise(domain: Around, goal: Goal) -> Method:
    """Return how a surrogate is searched where inputs are changed as a whole."""
    flow = Flow()
    if flow.missing(domain, goal) is None and flow.knows(domain, goal):
        return flow
    return NearStart() if goal.by_class else Pixels()


def _accepted(known: Known, learned: Distillate, domain: Around, i: int) -> Tensor:
    """Return real samples that the model accepts for a candidate, the nearest first."""
    rows = torch.full((len(learned.real),), i)
    real = learned.real[known.meaning(learned.said, rows).reached]
    apart = ((real - known.x0[i]) / domain.scale).flatten(1).square().sum(dim=1)
    return real[apart.argsort()]


def _claimed(known: Known, problem: Problem, ended: Status, seed: int, began: float) -> Result:
    """Ask the model once more of every answer, and return what it says now."""
    box, x, rows = known.box, known.x, torch.arange(len(known.x))
    passes = torch.stack([box.afresh(x) for _ in range(_PASSES if box.random else 1)])
    if known.goal.by_class:
        y = passes.softmax(dim=2).mean(dim=0).clamp_min(1e-12).log() if box.random else passes[0]
    else:
        y = passes.mean(dim=0)
    said, now = known.measure(y, rows), known.meaning(y, rows)
    targeted, nothing = said.reached is not None, torch.full((len(x),), torch.nan)
    reached = now.reached if targeted else torch.zeros_like(now.reached)
    certificate = problem.certify(x)

    def status(i: int) -> Status:
        if bool(reached[i]):
            return Status.TARGET_REACHED if bool(certificate.feasible[i]) else Status.VIOLATED
        if bool(known.reached[i]) and ended is not Status.INTERRUPTED:
            return Status.DENIED
        return Status.LOSS_NOT_FINITE if not bool(now.loss[i].isfinite()) else ended

    with torch.no_grad():
        z = problem.space.begin(x)
    return Result(
        x0=known.x0,
        x=x,
        z=z,
        loss=now.loss.where(now.loss.isfinite(), torch.nan),
        confidence=nothing if said.confidence is None else said.confidence.float(),
        reached=reached,
        violation=certificate.worst,
        feasible=certificate.feasible,
        status=tuple(map(status, rows.tolist())),
        steps=torch.zeros(len(x), dtype=torch.long),
        evaluations=known.asked + len(passes),
        targeted=targeted,
        seed=seed,
        seconds=time.perf_counter() - began,
        certificate=certificate,
    )


def _told(found: Result, box: BlackBox, learned: Distillate) -> Result:
    """Return the result with what is to be known of the model."""
    notes = [
        f"no gradient of the model was used: a surrogate was distilled from {learned.asked} of its "
        f"answers and searched; the model was asked of {box.asked} inputs in all, of {box.budget} "
        f"at most, and all that is claimed is what it said itself"
    ]
    if box.failed:
        notes.append(
            f"the model failed on {box.failed} of the {box.asked} inputs that it was asked, which "
            f"count as not reaching the goal (the first time: {box.reason})"
        )
    if box.random:
        notes.append(
            f"the model answers differently each time it is asked; what is claimed are means over "
            f"{_PASSES} new evaluations"
        )
    if box.mixes:
        notes.append(
            "the model lets one input change its answer to another in the batch; at the end it was "
            "asked of every answer alone"
        )
    for note in notes[1:]:
        warnings.warn(f"{note}.", InputWarning, stacklevel=4)
    return replace(found, notes=(*found.notes, *notes))
