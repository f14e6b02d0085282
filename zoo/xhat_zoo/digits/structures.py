"""Structured digits: what no generative model was trained for, and what must hold of it exactly."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.constraints import Certificate, Constraint, Fixed, Invariance, SumWithin, certify
from xhat.core import generator
from xhat.domain.references import label_loss
from xhat.judges import Judge, Verdicts
from xhat.methods import Annealed, Options
from xhat.objectives.goals import Class
from xhat.spaces import Held, Masked, Space, Symmetric
from xhat.symmetry import Group, Mirror, Rotations
from xhat_zoo import digits
from xhat_zoo.digits.domain import digits_domain

__all__ = ["Found", "Structured", "structured_digits", "symmetric_digits"]

_METHOD = Annealed(noise=0.9)
_STARTS = 4  # of every digit, of which one result is kept
_INK = 100.0  # pixels; a real digit has 102 in the middle
_ROWS = 14  # from the top, which may change where the rest is frozen
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Structured:
    """Digits of one structure.

    Attributes:
        title: what must hold.
        says: how it was kept.
        x: ``(n, 1, 28, 28)``.
        target: ``(n,)``, the digits that they should be.
        names: of each, for people.
        certificate: by how much the constraint is broken, in float64.
        verdicts: of the held-out judges.
    """

    title: str
    says: str
    x: Tensor
    target: Tensor
    names: tuple[str, ...]
    certificate: Certificate
    verdicts: Verdicts


def structured_digits(judge: Judge, seed: int) -> tuple[Structured, ...]:
    """Search for symmetric digits, digits with a frozen half, and digits of a given ink."""
    parts = (
        symmetric_digits("Its own mirror image, left and right", Mirror(-1), (0, 1, 8), seed),
        symmetric_digits("Its own mirror image, top and bottom", Mirror(-2), (0, 1, 3, 8), seed),
        symmetric_digits("The same when turned by 180°", Rotations(2), (0, 1, 2, 5, 8), seed),
        _frozen(seed),
        _inked(seed),
    )
    return tuple(part.judged(judge) for part in parts)


@dataclass(frozen=True)
class Found:
    """Digits of one structure, and the constraint that says what must hold; see ``Structured``."""

    title: str
    says: str
    x: Tensor
    target: Tensor
    names: tuple[str, ...]
    constraint: Constraint

    def judged(self, judge: Judge) -> Structured:
        """Return the same with certificate and verdicts."""
        certificate = certify(self.constraint, self.x, tolerance=_TOLERANCE)
        verdicts = judge.judge(self.x, self.target)
        return Structured(
            self.title, self.says, self.x, self.target, self.names, certificate, verdicts
        )


def symmetric_digits(title: str, group: Group, wanted: tuple[int, ...], seed: int) -> Found:
    """Return digits that a group leaves as they are, the surest of a few searches each."""
    starts, target = _real(wanted, seed), torch.tensor(wanted).repeat_interleave(_STARTS)
    x0 = group.symmetrize(starts)
    found = _searched(x0, target, lambda space, _: Symmetric(space, group), seed)
    x = _best(found, target, _STARTS)
    names = tuple(map(str, wanted))
    says = f"Kept by the space Symmetric(Box(0, 1), {group})."
    return Found(title, says, x, torch.tensor(wanted), names, Invariance(group))


def _frozen(seed: int) -> Found:
    """The lower half of every digit is frozen; of the other digits the surest is shown."""
    everyone = torch.arange(digits.CLASSES)
    starts = _real(tuple(everyone.tolist()), seed)[::_STARTS]
    x0 = starts.repeat_interleave(digits.CLASSES, dim=0)
    target = everyone.repeat(digits.CLASSES)
    free = torch.zeros(1, 28, 28, dtype=torch.bool)
    free[:, :_ROWS] = True
    x = _searched(x0, target, lambda space, x0: Masked(space, free, x0), seed)
    sure = -_unsure(x, target).reshape(digits.CLASSES, -1)
    sure.fill_diagonal_(-torch.inf)
    rows = torch.arange(digits.CLASSES) * digits.CLASSES + sure.argmax(dim=1)
    names = tuple(f"{start} → {int(target[row])}" for start, row in enumerate(rows))
    return Found(
        "The lower half of a real digit, frozen: another digit's upper half",
        "Kept by the space Masked(Box(0, 1), upper half, start).",
        x[rows],
        target[rows],
        names,
        Fixed(~free, starts),
    )


def _inked(seed: int) -> Found:
    everyone = tuple(range(digits.CLASSES))
    target = torch.tensor(everyone).repeat_interleave(_STARTS)
    ink = SumWithin(0.0, 1.0, _INK)
    x0 = ink.project(_real(everyone, seed))
    found = _searched(x0, target, lambda space, _: Held(space, ink), seed)
    x = _best(found, target, _STARTS)
    return Found(
        f"Exactly {_INK:g} pixels of ink",
        f"Kept by the space Held(Box(0, 1), SumWithin(0, 1, {_INK:g})).",
        x,
        torch.tensor(everyone),
        tuple(map(str, everyone)),
        ink,
    )


def _searched(
    x0: Tensor, target: Tensor, structure: Callable[[Space, Tensor], Space], seed: int
) -> Tensor:
    domain, model = digits_domain().within(structure), digits.surrogate("plain")
    return _METHOD.search(model, Class(target), x0, domain, options=Options(seed=seed)).x


def _real(wanted: tuple[int, ...], seed: int) -> Tensor:
    """Return ``_STARTS`` real digits of each class, of the test images."""
    test = digits.split("test")
    chosen = []
    for digit in wanted:
        places = (test.labels == digit).nonzero()[:, 0]
        order = torch.randperm(len(places), generator=generator(seed, "structures", digit))
        chosen.append(places[order[:_STARTS]])
    return test.images[torch.cat(chosen)]


def _unsure(x: Tensor, target: Tensor) -> Tensor:
    with torch.no_grad():
        return sum(
            (label_loss(digits.surrogate(name), x, target) for name in digits.SURROGATES),
            x.new_zeros(len(x)),
        )


def _best(x: Tensor, target: Tensor, count: int) -> Tensor:
    """Return of each ``count`` results the one of which the surrogates are surest."""
    rows = _unsure(x, target).reshape(-1, count).argmin(dim=1)
    return x[torch.arange(len(rows)) * count + rows]
