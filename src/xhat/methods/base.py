"""The noun: one way to search, and what it makes of a question."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from xhat.constraints import Constraint
from xhat.domain import Domain
from xhat.engine import Compute, Problem, Progress, Restarts, Result, TargetReached, Watch, solve
from xhat.methods.surroundings import Surroundings
from xhat.objectives.goals import Goal

__all__ = [
    "Around",
    "Method",
    "Model",
    "Options",
    "Plan",
    "Training",
    "distinct",
    "until",
]

Model = Callable[[Tensor], Tensor]
Around = Domain | Surroundings
Training = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Plan:
    """What a method asks of the engine.

    Attributes:
        problem: the question.
        options: of ``solve``, such as ``stepper`` and ``max_steps``.
    """

    problem: Problem
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """Options of a search that do not change the question.

    Attributes:
        confidence: the search for a class ends at this confidence, in (0, 1); None for 0.95. A
            search for values ends when the goal is met.
        max_steps: the largest number of steps; None for the method's default.
        restarts: further tries from random points around the start.
        seed: of every random choice; None for that of ``compute``.
        compute: chunk size, precision, device, seed.
        evaluations: of a model without gradients, of all candidates together, at most; None for
            what the method says.
        trace: record all candidates every ``trace`` steps; 0 for never.
        on_progress: called with a ``Progress`` as the search goes on.
    """

    confidence: float | None = None
    max_steps: int | None = None
    restarts: Restarts | None = None
    seed: int | None = None
    compute: Compute | None = None
    evaluations: int | None = None
    trace: int = 0
    on_progress: Callable[[Progress], None] | None = None

    @property
    def computing(self) -> Compute:
        """How to compute, and from which seed."""
        return Compute.of(self.compute, self.seed)


class Method(ABC):
    """One way to search; a frozen dataclass of the settings that it uses.

    Attributes:
        name: as on the command line.
        caption: what it is, in one line.
        needs: what a domain must have: ``"classes"``, ``"images"`` and names of its networks.
        options: the fields of ``Options`` that its search uses.
        gradient: whether it needs the model's gradient; another is used for models that have none.
        from_start: whether it begins at the start, so that the states of its search are a way from
            there to what was found.
    """

    name: ClassVar[str]
    caption: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[tuple[str, ...]] = (
        "confidence", "max_steps", "restarts", "seed", "compute", "trace", "on_progress",
    )  # fmt: skip

    gradient: ClassVar[bool] = True
    from_start: ClassVar[bool] = True

    @abstractmethod
    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the question that this method asks, and how it is searched.

        Args:
            model: differentiable, ``(n, *x_shape)`` to the outputs that the goal is about.
            goal: what is wanted of its output.
            x0: ``(n, *x_shape)``, the starts.
            domain: what real inputs look like.
            constraints: what must hold besides.
        """

    def search(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
        options: "Options | None" = None,
    ) -> Result:
        """Search from every start at once.

        Args:
            model: as for ``plan``.
            goal: likewise.
            x0: likewise.
            domain: likewise.
            constraints: likewise.
            options: of the search; only those that this method uses may be given.

        Raises:
            TypeError, ValueError: as ``xhat.engine.solve``.
        """
        given = self.checked(options)
        plan = self.plan(model, goal, x0, domain, constraints)
        how: dict[str, Any] = {"stop": until(goal, given.confidence)} | plan.options
        if given.max_steps is not None:
            how["max_steps"] = given.max_steps
        return solve(
            plan.problem,
            x0,
            restarts=given.restarts,
            compute=given.computing,
            watch=Watch(given.trace, given.on_progress),
            **how,
        )

    def checked(self, options: "Options | None") -> "Options":
        """Return options, if this method uses all that are given.

        Raises:
            TypeError: it does not use one; the message lists those that it uses.
        """
        given = Options() if options is None else options
        for each in fields(given):
            if each.name not in self.options and getattr(given, each.name) != each.default:
                raise TypeError(
                    f"the method {self.name!r} does not use {each.name}; it takes "
                    f"{', '.join(self.options)}."
                )
        return given

    def missing(self, domain: Around, goal: Goal) -> str | None:
        """Return why a domain cannot serve this method, and what to do; None where it can."""
        if self.needs and not domain.knows_samples:
            return (
                f"the method {self.name!r} needs to know what real inputs look like; give a domain "
                f"(domain=xhat.Domain(samples, labels), or --reference)."
            )
        if "images" in self.needs and domain.kind not in ("image", "field"):
            return (
                f"the method {self.name!r} is for images and fields, but these samples are "
                f"{domain.kind}s; use one of those that need no images (xhat info lists them)."
            )
        if "classes" in self.needs and not domain.classes:
            return (
                f"the method {self.name!r} needs to know which class real samples are of; give "
                f"labels= when the domain is made."
            )
        if "classes" in self.needs and goal.labels is None:
            return f"the method {self.name!r} is for goals that name a class, not for {goal!r}."
        return None

    def prepare(self, domain: Around, on_progress: Training | None = None) -> None:
        """Train what this method needs of a domain and what is not there yet."""
        for part in self.needs:
            if part not in ("classes", "images"):
                domain.network(part, on_progress)

    def describe(self) -> dict[str, Any]:
        """Return its name and settings, for a record."""
        told = fields(self)  # pyright: ignore[reportArgumentType] - dataclasses all
        return {"name": self.name} | {each.name: _plain(getattr(self, each.name)) for each in told}


def until(goal: Goal, confidence: float | None) -> tuple[TargetReached, ...]:
    """Return the rule that ends a candidate's search when the goal is met.

    Raises:
        ValueError: a confidence for a goal that names no classes.
    """
    if confidence is not None and not goal.by_class:
        raise ValueError(
            f"confidence goes with goals that name classes or labels; {goal!r} is met by its "
            f"values, for which a tolerance, ends or reached= say what is near enough."
        )
    if not goal.targeted:
        return ()
    if not goal.by_class:
        return (TargetReached(),)
    return (TargetReached(0.95 if confidence is None else confidence),)


def distinct(*models: Model) -> tuple[Model, ...]:
    """Return models, each once: one that was loaded twice counts as one."""
    found: list[Model] = []
    for model in models:
        if not any(_same(model, other) for other in found):
            found.append(model)
    return tuple(found)


def _same(one: Model, other: Model) -> bool:
    if one is other or not (isinstance(one, nn.Module) and isinstance(other, nn.Module)):
        return one is other
    mine, theirs = one.state_dict(), other.state_dict()
    return (
        type(one) is type(other)
        and mine.keys() == theirs.keys()
        and all(torch.equal(mine[name], theirs[name]) for name in mine)
    )


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | tuple | None) else repr(value)
