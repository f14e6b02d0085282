"""What may be asked of an exploration: a method with its numbers, and what must hold exactly."""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from xhat.constraints import Constraint, Fixed, Invariance, LinfBall, SumWithin
from xhat.core import check_choice, check_positive
from xhat.engine import Adam
from xhat.methods import Method
from xhat.symmetry import Mirror

__all__ = ["FREE", "STRUCTURES", "Question", "Setting", "Structure", "settings", "structures"]

FREE = "free"
"""The name of no structure at all."""


@dataclass(frozen=True)
class Setting:
    """A number that may be changed.

    Attributes:
        name: of a field of the method, or ``confidence`` or ``radius``.
        title: for people.
        says: what it does, in one sentence.
        low: the least value.
        high: the largest.
        step: between neighbouring values.
        default: the method's own value.
    """

    name: str
    title: str
    says: str
    low: float
    high: float
    step: float
    default: float

    def check(self, value: Any) -> float:
        """Return the value as a number.

        Raises:
            TypeError: not a number.
            ValueError: not finite, or out of range.
        """
        check_positive(self.name, value, zero=True)
        if not self.low <= value <= self.high:
            raise ValueError(
                f"{self.name} must lie from {self.low:g} to {self.high:g}, but is {value:g}."
            )
        return float(value)


_TITLES = {
    "bending": "Bend little",
    "certainty": "Be as sure as of real samples",
    "confidence": "End when this sure",
    "max_steps": "Steps at most",
    "prior": "Stay usual",
    "proximity": "Stay near the start",
    "radius": "No pixel changes by more than",
    "rate": "Step size",
}
_CONFIDENCE = Setting(
    "confidence", _TITLES["confidence"],
    "The search ends when the classifier gives the target this probability.",
    0.5, 0.995, 0.005, 0.95,
)  # fmt: skip
_RADIUS = Setting(
    "radius", _TITLES["radius"],
    "A share of the range of values; 1 lets every pixel change freely.",
    0.02, 1, 0.02, 1,
)  # fmt: skip


def settings(how: Method) -> tuple[Setting, ...]:
    """Return what may be changed of a method: its numbers, and what its search may be told.

    Example:
        >>> from xhat.methods import NearStart
        >>> [setting.name for setting in settings(NearStart())]
        ['proximity', 'rate', 'max_steps', 'confidence', 'radius']
    """
    says = _described(type(how))
    found = []
    for each in fields(how):  # pyright: ignore[reportArgumentType] - methods are dataclasses
        name, value = each.name, getattr(how, each.name)
        if is_dataclass(value) and hasattr(value, "rate"):
            name, value = "rate", value.rate  # pyright: ignore[reportAttributeAccessIssue]
            value = Adam.usual if value is None else value  # of a range of 1, as images have it
        if isinstance(value, int | float):
            found.append(_setting(name, value, says.get(name, "")))
    if "confidence" in how.options:
        found.append(_CONFIDENCE)
    if how.from_start and "radius" not in {each.name for each in found}:
        found.append(_RADIUS)
    return tuple(found)


def _described(kind: type) -> dict[str, str]:
    """Return what docstrings say of attributes, those of base classes included."""
    found = {"rate": "How far one step goes."}
    for each in reversed(kind.__mro__):
        _, _, told = inspect.cleandoc(each.__doc__ or "").partition("Attributes:\n")
        for name, words in re.findall(r"^ {4}(\w+): (.+(?:\n {8,}.+)*)", told, re.MULTILINE):
            found[name] = " ".join(words.split()).capitalize()
    return found


def _setting(name: str, value: float, says: str) -> Setting:
    title = _TITLES.get(name, name.replace("_", " ").capitalize())
    if isinstance(value, bool):
        return Setting(name, title, says, 0, 1, 1, int(value))
    if isinstance(value, int):
        return Setting(name, title, says, 1, 300 if value >= 10 else 10, 1, value)
    high = 4 * value or 1.0
    step = 10.0 ** math.floor(math.log10(high / 40))
    if value < 1 < high:  # it may be a share, which must lie below 1
        high, step = 0.99, 0.01
    may_be_zero = value == 0 or "weight" in says.lower()
    return Setting(name, title, says, 0.0 if may_be_zero else step, high, step, value)


@dataclass(frozen=True)
class Structure:
    """Something that must hold exactly of a result.

    Attributes:
        name: as it is asked for.
        title: for people.
        make: starts ``(n, c, h, w)`` → the constraint.
        code: the expression that makes it of ``x0``, with ``{c}``, ``{h}`` and ``{w}`` in it.
    """

    name: str
    title: str
    make: Callable[[Tensor], Constraint]
    code: str


def _half(x0: Tensor, dim: int, *, first: bool) -> Tensor:
    mask = torch.zeros(x0.shape[1:], dtype=torch.bool)
    side = x0.shape[1 + dim]
    mask.narrow(dim, 0 if first else side // 2, side // 2 if first else side - side // 2).fill_(1)
    return mask


STRUCTURES: Mapping[str, Structure] = {
    structure.name: structure
    for structure in (
        Structure(
            "left",
            "The left half stays as it is",
            lambda x0: Fixed(_half(x0, 2, first=True), x0),
            "xhat.Fixed(torch.arange({w}).expand({c}, {h}, {w}) < {w} // 2, x0)",
        ),
        Structure(
            "lower",
            "The lower half stays as it is",
            lambda x0: Fixed(_half(x0, 1, first=False), x0),
            "xhat.Fixed(torch.arange({h})[:, None].expand({c}, {h}, {w}) >= {h} // 2, x0)",
        ),
        Structure(
            "mirror",
            "It is its own mirror image",
            lambda x0: Invariance(Mirror(-1)),  # noqa: ARG005 - all are made from the starts
            "xhat.Invariance(xhat.symmetry.Mirror(-1))",
        ),
        Structure(
            "ink",
            "As bright in all as the start",
            lambda x0: SumWithin(0.0, 1.0, x0.flatten(1).sum(dim=1)),
            "xhat.SumWithin(0.0, 1.0, x0.flatten(1).sum(dim=1))",
        ),
    )
}
"""What may be asked to hold, of images with values from 0 to 1."""


def structures(how: Method) -> tuple[Structure, ...]:
    """Return what may be asked to hold of the results of a method.

    Nothing where it does not begin at the start, since then it cannot keep anything of it.
    """
    return tuple(STRUCTURES.values()) if how.from_start else ()


@dataclass(frozen=True)
class Question:
    """Turn this image into one of that class, by this method.

    Attributes:
        start: ``(1, c, h, w)``, in the domain's units.
        target: the number of the class that it should become.
        how: the method, with its default numbers.
        weights: name → value, of ``settings(how)``; what is missing has the method's own value.
        structure: ``"free"``, or a name in ``STRUCTURES``.
        limits: the least and the largest value of a pixel.
        index: of the start among the real samples; None where it was drawn.
        label: the class of the start; None likewise.

    Raises:
        TypeError: a value of the wrong kind.
        ValueError: a value out of range, unknown, or one that does not go with the method.
    """

    start: Tensor = field(repr=False)
    target: int
    how: Method
    weights: Mapping[str, float] = field(default_factory=dict)
    structure: str = FREE
    limits: tuple[float, float] = (0.0, 1.0)
    index: int | None = None
    label: int | None = None

    def __post_init__(self) -> None:
        own = {setting.name: setting for setting in settings(self.how)}
        for name, value in self.weights.items():
            if name not in own:
                raise ValueError(
                    f"the method {self.how.name} has no {name!r}; it has {', '.join(own)}."
                )
            own[name].check(value)
        self.method  # noqa: B018 - whether the method takes them
        check_choice("structure", self.structure, (FREE, *STRUCTURES))
        if self.structure == FREE:
            return
        if not structures(self.how):
            raise ValueError(
                f"the method {self.how.name} does not begin at the start and cannot keep any of "
                f"it; choose one that does."
            )
        if "radius" in self.constraining:
            raise ValueError("a radius and a structure exclude each other; leave one out.")

    @property
    def constraining(self) -> Mapping[str, float]:
        """The weights that are no fields of the method and no options of its search."""
        names = {each.name for each in fields(self.how)}  # pyright: ignore[reportArgumentType]
        return {k: v for k, v in self.weights.items() if k == "radius" and k not in names}

    @property
    def changed(self) -> dict[str, Any]:
        """The fields of the method that differ from its own."""
        found: dict[str, Any] = {}
        for each in fields(self.how):  # pyright: ignore[reportArgumentType]
            value = getattr(self.how, each.name)
            if is_dataclass(value) and hasattr(value, "rate") and "rate" in self.weights:
                rate = self.weights["rate"]
                same = rate == (Adam.usual if value.rate is None else value.rate)  # pyright: ignore[reportAttributeAccessIssue]
                made: Any = value if same else replace(value, rate=rate)  # pyright: ignore[reportArgumentType, reportCallIssue]
            elif each.name in self.weights:
                kind: Any = type(value)
                made = kind(self.weights[each.name])
            else:
                continue
            if made != value:
                found[each.name] = made
        return found

    @property
    def method(self) -> Method:
        """The method, with what was changed of it."""
        return replace(self.how, **self.changed)  # pyright: ignore[reportArgumentType]

    @property
    def options(self) -> dict[str, float]:
        """What the search is told besides."""
        return {k: v for k, v in self.weights.items() if k == "confidence"}

    @property
    def steps(self) -> int:
        """How many steps there are at most."""
        how: Any = self.method
        return getattr(how, "max_steps", getattr(how, "levels", 1))

    @property
    def radius(self) -> float | None:
        """By how much a pixel may change, in the domain's units; None for freely."""
        share = self.constraining.get("radius", 1.0)
        return None if share >= 1 else share * (self.limits[1] - self.limits[0])

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """What must hold exactly."""
        if self.radius is not None:
            return (LinfBall(self.start, self.radius),)
        if self.structure == FREE:
            return ()
        return (STRUCTURES[self.structure].make(self.start),)
