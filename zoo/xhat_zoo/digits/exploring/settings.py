"""What may be turned in an exploration: the weights of each method, and what must hold."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from xhat.constraints import Fixed, Invariance, Projected, SumWithin
from xhat.core import check_choice, check_positive
from xhat.symmetry import Mirror
from xhat_zoo.digits.methods import METHODS, Exemplary, Method

__all__ = ["STRUCTURES", "Setting", "Structure", "settings", "structures", "turned"]

_HALF = 14  # columns, or rows, of an image


@dataclass(frozen=True)
class Setting:
    """A number of a method that may be changed.

    Attributes:
        name: of the number, as ``Question`` takes it.
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


def settings(name: str) -> tuple[Setting, ...]:
    """Return what may be changed of a method.

    Raises:
        ValueError: there is no such method.

    Example:
        >>> [setting.name for setting in settings("latent-robust")]
        ['proximity', 'prior', 'confidence', 'rate', 'steps']
    """
    how = METHODS[check_choice("method", name, METHODS)]
    found = [Setting("proximity", "Stay near the start", _NEAR, 0, 0.5, 0.005, how.proximity)]
    if isinstance(how, Exemplary):
        found += [
            Setting("certainty", "Be as sure as of real digits", _SURE, 0, 20, 0.5, how.certainty),
            Setting("bending", "Bend little", _BEND, 0, 0.2, 0.005, how.bending),
        ]
    if how.space == "latent":
        found.append(Setting("prior", "Stay usual among digits", _USUAL, 0, 1, 0.01, how.prior))
    if how.space == "box":
        radius = _UNBOUNDED if how.radius is None else how.radius
        found.append(
            Setting("radius", "No pixel changes by more than", _BALL, 0.02, 1, 0.02, radius)
        )
    if not isinstance(how, Exemplary):
        found.append(Setting("confidence", "End when this sure", _END, 0.5, 0.995, 0.005, 0.95))
    rate = float(getattr(how.stepper, "rate"))  # noqa: B009 - of all steppers of METHODS
    found.append(Setting("rate", "Step size", _RATE, rate / 10, 3 * rate, rate / 10, rate))
    found.append(Setting("steps", "Steps at most", _STEPS, 1, 300, 1, how.max_steps))
    return tuple(found)


_UNBOUNDED = 1.0  # pixels lie in [0, 1], so that a radius of 1 is none
_NEAR = "Weight of the squared distance to the start."
_SURE = "Weight of what the classifiers lack of being as sure as of half of the real digits."
_BEND = "Weight of the energy of bending the real digit from which it begins."
_USUAL = "Weight of how far from the middle of the latent space it lies."
_BALL = "Radius of a box around the start; 1 lets every pixel change freely."
_END = "The search ends when its classifier gives the target this probability."
_RATE = "How far one step goes."
_STEPS = "The search ends after so many steps at the latest."


def turned(name: str, weights: dict[str, float], *, structured: bool) -> Method:
    """Return a method with some of its numbers changed.

    Args:
        name: of the method.
        weights: name of a setting → value; ``confidence`` is left to the caller.
        structured: whether a structure holds; then there is no ball around the start.
    """
    how, own = METHODS[name], {setting.name: setting for setting in settings(name)}
    fields: dict[str, Any] = {
        setting: value
        for setting, value in weights.items()
        if setting in ("proximity", "prior", "certainty", "bending")
        and value != own[setting].default
    }
    if "radius" in own:
        radius = weights.get("radius", own["radius"].default)
        radius = None if structured or radius >= _UNBOUNDED else radius
        if radius != how.radius:
            fields["radius"] = radius
    if weights.get("rate", own["rate"].default) != own["rate"].default:
        stepper: Any = how.stepper  # those of METHODS are all records with a rate
        fields["stepper"] = replace(stepper, rate=weights["rate"])
    steps = int(weights.get("steps", how.max_steps))
    if steps != how.max_steps:
        fields["max_steps"] = steps
    return replace(how, **fields)


@dataclass(frozen=True)
class Structure:
    """Something that must hold exactly of a result.

    Attributes:
        name: as ``Question`` takes it.
        title: for people.
        make: starts ``(n, 1, 28, 28)`` → the constraint.
        code: the expression that makes it, and the import that it needs.
    """

    name: str
    title: str
    make: Callable[[Tensor], Projected]
    code: tuple[str, tuple[str, ...]]


def _half(dim: int, first: bool) -> Tensor:
    mask = torch.zeros(1, 28, 28, dtype=torch.bool)
    mask.narrow(dim, 0 if first else _HALF, _HALF).fill_(True)
    return mask


STRUCTURES: dict[str, Structure] = {
    structure.name: structure
    for structure in (
        Structure(
            "left",
            "The left half stays as it is",
            lambda x0: Fixed(_half(2, first=True), x0),
            ("Fixed(torch.arange(28).expand(1, 28, 28) < 14, x0)", ("xhat.constraints Fixed",)),
        ),
        Structure(
            "lower",
            "The lower half stays as it is",
            lambda x0: Fixed(_half(1, first=False), x0),
            (
                "Fixed(torch.arange(28)[:, None].expand(1, 28, 28) >= 14, x0)",
                ("xhat.constraints Fixed",),
            ),
        ),
        Structure(
            "mirror",
            "It is its own mirror image",
            lambda x0: Invariance(Mirror(-1)),  # noqa: ARG005 - all are made from the starts
            ("Invariance(Mirror(-1))", ("xhat.constraints Invariance", "xhat.symmetry Mirror")),
        ),
        Structure(
            "ink",
            "As much ink as the start",
            lambda x0: SumWithin(0.0, 1.0, x0.flatten(1).sum(dim=1)),
            ("SumWithin(0.0, 1.0, x0.flatten(1).sum(dim=1))", ("xhat.constraints SumWithin",)),
        ),
    )
}
"""What may be asked to hold."""


def structures(name: str) -> tuple[Structure, ...]:
    """Return what may be asked to hold of the results of a method.

    A method that bends real digits cannot keep any of it.

    Raises:
        ValueError: there is no such method.

    Example:
        >>> [structure.name for structure in structures("plain")], structures("xhat")
        (['left', 'lower', 'mirror', 'ink'], ())
    """
    how = METHODS[check_choice("method", name, METHODS)]
    return () if how.space == "warped" else tuple(STRUCTURES.values())
