"""Searching along the data: from the start to what is wanted, every state on the way real.

A prior knows where real samples lie (``xhat.priors``). The search begins at the start, takes it for
a real sample of what is wanted that was hidden by much noise, and asks, at falling levels of noise,
what that sample was. Each answer is steered by the gradient of the searched model, and the state
goes a part of the way to it::

    e = D(z; σ, wanted, start)
    e ← e + near (e - D(z; σ)) + sure (e - D(z; σ, start))    at the first levels
    e ← e - step ∇ loss(f(e))
    z ← e + τ/σ (z - e) + churn τ n                           τ, the next level; n, fresh noise

How the gradient moves estimates: ``xhat.methods.steering``. What ends far from the start is surer,
what ends near it less so. Of several degrees of sureness each start gets the least at which its
result is accepted (``xhat.methods.acceptance``).

Where something must hold, the search begins at the start moved to where it does, and every answer
is moved there. A start that this moves by more than half of the way to another class is no evidence
of what lies near it, and is hidden from the prior: a digit laid over its mirror
image is no digit.

Source: the steps: Song, Meng, Ermon, "Denoising Diffusion Implicit Models", ICLR 2021; fresh noise:
Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models", NeurIPS 2022;
away from what anything would be: Ho, Salimans, "Classifier-Free Diffusion Guidance", 2022, and at
some levels only: Kynkäänniemi et al., "Applying Guidance in a Limited Interval Improves Sample and
Distribution Quality in Diffusion Models", NeurIPS 2024.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.constraints import Constraint
from xhat.core import check_count, check_fraction, check_positive
from xhat.engine import Problem, Result, Status
from xhat.methods.acceptance import Acceptance, known_of
from xhat.methods.along import Along
from xhat.methods.answers import answered, untouched
from xhat.methods.base import Around, Method, Model, Options, Plan, Training, until
from xhat.objectives import Objective
from xhat.objectives.goals import Goal
from xhat.priors import FEWEST, Prior, at_once

__all__ = ["Flow", "LabelFree"]

_EXACT = {
    "noise": 0.6, "through": False, "steering": 0.3, "nearness": 0.5,
    "guided": 0.4, "sureness": (0.0, 0.5, 1.0, 2.0), "churn": 0.0, "middle": 0.0,
}  # fmt: skip
# what a network says is an average, which is smoother than samples and nearer to the middle
_LEARNT = {
    "noise": 0.2, "through": True, "steering": 0.1, "nearness": 0.0,
    "guided": 0.4, "sureness": (0.0, 1.0, 2.0, 4.0), "churn": 0.25, "middle": 0.1,
}  # fmt: skip


@dataclass(frozen=True)
class Flow(Method):
    """From the start along the data: a prior says where, the model's gradient says which way.

    The prior is told the wanted class or value where the domain knows it of its samples. Otherwise
    the gradient alone says which way. Where a value is wanted of samples that have classes, the
    class of the start is kept, as the guard sees it.

    What is None is what suits the prior: see ``suited``.

    Attributes:
        noise: the first level, over how far samples lie from the nearest of another class; the
            more, the farther from the start and the surer.
        least: the last level, over the deviation of real samples.
        levels: how many.
        through: whether the model's gradient goes back through the prior.
        steering: length of a step along that gradient, over the distance from the start, or over
            that of the noise where it goes through the prior; to a value it is as long as it takes.
            0 never steps.
        nearness: how far away from what a sample would be without start and target.
        sureness: how far away from what a sample would be without the target, tried one after the
            other; the first level is raised by it, too.
        guided: share of the levels, from the first, with nearness and sureness; each of these takes
            a pass more through the prior there. Without nearness there is neither.
        churn: fresh noise, over the level, from the second level on.
        tries: with noise of their own, for each degree of sureness; the nearest is taken.
        share: the guard is to be as sure as of this share, in (0, 1), of real samples.
        middle: results are no more average than this share, in [0, 1), of real samples.
    """

    name: ClassVar[str] = "flow"
    caption: ClassVar[str] = "from the start along the data to the target"
    needs: ClassVar[tuple[str, ...]] = ("prior",)
    tells: ClassVar[bool] = True  # whether the prior is told what is wanted, and shown the start
    runs: ClassVar[type[Along]] = Along
    noise: float | None = None
    least: float = 0.05
    levels: int = 10
    through: bool | None = None
    steering: float | None = None
    nearness: float | None = None
    sureness: tuple[float, ...] | None = None
    guided: float | None = 0.4
    churn: float | None = None
    tries: int = 1
    share: float = 0.8
    middle: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.noise is not None:
            check_positive("noise", self.noise)
        check_positive("least", self.least)
        check_count("levels", self.levels)
        check_count("tries", self.tries)
        check_fraction("share", self.share)
        for name in ("guided", "steering", "nearness", "churn", "middle"):
            if (value := getattr(self, name)) is not None:
                check_positive(name, value, zero=True)
        if self.sureness == ():
            raise ValueError("sureness must be one number or more, such as (0.0, 1.0), but is ().")
        for each in self.sureness or ():
            check_positive("sureness", each, zero=True)

    def suited(self, prior: Prior) -> "Flow":
        """Return the method with what was left open filled in for a prior."""
        usual = _EXACT if prior.exact else _LEARNT
        if self.tries > 1:  # which differ by their noise
            usual = usual | {"churn": _LEARNT["churn"]}
        left = {name: value for name, value in usual.items() if getattr(self, name) is None}
        return replace(self, **left)

    def missing(self, domain: Around, goal: Goal) -> str | None:
        """Return why a domain cannot serve this method; see ``Method.missing``."""
        said = super().missing(domain, goal)
        return self.too_few(domain) if said is None else said

    def too_few(self, domain: Any) -> str | None:
        """Return a sentence where searches know too few samples for a prior, else None."""
        if (few := len(domain.halves[0])) >= FEWEST:
            return None
        return (
            f"the method {self.name!r} needs a prior, which takes {FEWEST} samples or more, "
            f"but searches know {few}; use the method 'nearest', or give more."
        )

    def knows(self, domain: Any, goal: Goal) -> bool:
        """Return whether real samples, or the model's slope, say where what is wanted lies."""
        return bool(domain.classes) and goal.labels is not None if goal.by_class else goal.targeted

    def quick(self, domain: Any) -> bool:
        """Return whether the prior has a closed form, so that it is there at once."""
        return at_once(domain.x.ndim, len(domain.halves[0]))

    def prepare(self, domain: Around, on_progress: Training | None = None) -> None:
        """Fit the prior, and the guard where there are classes."""
        domain.network("prior", on_progress)
        if domain.classes:
            domain.network("robust", on_progress)

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the question that results are measured by."""
        return Plan(Problem(goal.objective(model), domain.space(x0), tuple(constraints)))

    def search(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
        options: Options | None = None,
    ) -> Result:
        """Search from every start; ``max_steps`` is the number of levels. See ``Method.search``."""
        given = self.checked(options)
        began = time.perf_counter()
        prior: Prior = domain.network("prior")  # pyright: ignore[reportAttributeAccessIssue]
        how = self.suited(prior)
        how = how if given.max_steps is None else replace(how, levels=given.max_steps)
        problem = self.plan(model, goal, x0, domain, constraints).problem
        seed = given.computing.seed
        with untouched(problem, x0, seed):
            confidence = _confidence(goal, given.confidence)
            labels = _classes(goal, domain, x0)
            content = how.acceptance(problem.objective, labels, domain, confidence)
            wanted = _wanted(prior, goal, labels, model, x0) if self.tells else None
            to_value = goal.targeted and not goal.by_class
            flow = self.runs(
                how, problem, x0, prior, wanted, content, to_value, given, domain.relaxed(x0)
            )
            status, passes = flow.searched(given.on_progress, began)
            if status is not Status.INTERRUPTED:
                flow.restore(until(goal, confidence))
            found = answered(
                problem,
                x0,
                flow.x,
                status=status,
                confidence=confidence,
                seed=seed,
                seconds=time.perf_counter() - began,
                steps=how.levels,
                evaluations=passes,
            )
        ended = tuple(
            Status.TARGET_REACHED if there else status for there in found.reached.tolist()
        )
        return replace(found, status=ended, trajectory=flow.path(given.trace, found))

    def acceptance(
        self, objective: Objective, labels: Tensor | None, domain: Any, confidence: float | None
    ) -> Acceptance:
        """Return what results must be, of a question about classes of a domain."""
        if labels is None or int(labels.max()) >= len(domain.classes):
            return Acceptance(objective, confidence)
        _check_known(labels, domain)
        coordinates = domain.network("prior").coordinates
        known = known_of(domain, coordinates, self.share, self.middle or 0.0)
        return Acceptance(objective, confidence, labels, known)


@dataclass(frozen=True)
class LabelFree(Flow):
    """From the start along the data, by the model's gradient alone: the prior is told no target.

    The data say where samples lie, the searched model where to go, and nothing else is known: the
    prior is told no target and shown no start. Any goal of any model is served, whether the domain
    has labels for it or not.
    """

    name: ClassVar[str] = "label-free"
    caption: ClassVar[str] = "from the start along the data, by the model's gradient alone"
    tells: ClassVar[bool] = False
    through: bool | None = True
    guided: float | None = None  # nothing is told from which to push away
    steering: float | None = 0.2
    sureness: tuple[float, ...] | None = (0.0, 1.0, 2.0, 4.0)


def _classes(goal: Goal, domain: Any, x0: Tensor) -> Tensor | None:
    """Return the class that each result is to have, ``(n,)``; None where that is not asked."""
    if goal.targeted and not goal.by_class and domain.classes:  # what is of one class stays of it
        with torch.no_grad():
            return domain.network("robust")(x0).argmax(dim=1)
    return goal.labels_for(len(x0))


def _wanted(
    prior: Any, goal: Goal, labels: Tensor | None, model: Model, x0: Tensor
) -> Tensor | None:
    """Return what is wanted in the words of the prior; None where it does not know them."""
    if prior.classes:
        return None if labels is None or int(labels.max()) >= prior.classes else labels
    if prior.quantities and not goal.by_class:
        with torch.no_grad():
            y = model(x0).reshape(len(x0), -1)
        return goal.aim(y) if y.shape[1] == prior.quantities else None
    return None


def _check_known(labels: Tensor, domain: Any) -> None:
    """Raise ``ValueError`` unless searches know a real sample of every wanted class."""
    known = domain.labels[domain.halves[0]].unique()
    missing = labels[~torch.isin(labels, known)]
    if len(missing):
        raise ValueError(
            f"searches know no real sample of the class {domain.classes[int(missing[0])]!r}, of "
            f"{len(domain.halves[0])} that they may use; give more samples of it."
        )


def _confidence(goal: Goal, given: float | None) -> float | None:
    if not goal.by_class:
        return None
    return 0.95 if given is None else given
