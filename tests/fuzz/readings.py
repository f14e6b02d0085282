"""An answer, read again by the campaign: inputs, structure, constraints, goals."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tests.fuzz import material
from tests.fuzz.conditions import CONDITIONS
from tests.fuzz.goals import GOALS, Reading, Seen, total
from tests.fuzz.problems import RANDOM, Case
from tests.fuzz.spaces import KINDS, Look
from xhat.engine import Result

DRAWS, MANY, PASSES = 64, 4096, 16
"""Of a model that answers differently each time; ``MANY`` before it is said that a mean, which the
engine takes over so many ``PASSES``, is off.
"""


class Reader:
    """The model as it should be read: a copy in evaluation mode and float64, each input alone."""

    def __init__(self, case: Case, net: nn.Module) -> None:
        self.clean = copy.deepcopy(net).double().eval()
        self.kind, self.drawn, self.together = case.model, 0, False

    def __call__(self, x: Tensor) -> Tensor:
        """Logits, ``(n, classes)``; NaN where the model fails.

        Where they are read ``together``, a model that looks across the batch sees all of them.
        """
        with torch.no_grad(), torch.random.fork_rng(devices=()):
            self.drawn += 1
            torch.manual_seed(self.drawn)
            if self.kind == "across" and self.together:
                return material.across(self.clean)(x)
            if self.kind == "across":
                return self.clean(0.5 * x)  # an input alone is its own mean
            if self.kind in ("nan", "raises"):
                return torch.where(material.high(x)[:, None], torch.nan, self.clean(x))
            wrap = {
                "dropout": material.dropping,
                "noisy": material.noisy,
                "dead": material.dead,
                "rounding": material.rounding,
                "saturated": material.saturated,
            }.get(self.kind)
            return wrap(self.clean)(x) if wrap else self.clean(x)


@dataclass(frozen=True)
class Answered:
    """Inputs that were found, to be looked at.

    Attributes:
        case: the problem.
        look: what checks may look at.
        settled: ``(n,)``, whether the network gives a number.
    """

    case: Case
    look: Look
    settled: Tensor

    @classmethod
    def of(cls, case: Case, names: dict[str, Any], x: Tensor, z: Tensor | None) -> "Answered":
        """Look at inputs, float64, of a script's problem."""
        read = Reader(case, names["net"])
        names = {**names, "read": read, "clean": read.clean}
        x0 = names["x0"].double()
        z = z.double() if z is not None else None
        look = Look(0, case.shape, case.top, x, x0, z, names)
        return cls(case, look, read(x).isfinite().all(dim=1))

    def _at(self, seed: int) -> Look:
        return Look(**{**vars(self.look), "seed": seed})

    def rounding(self) -> Tensor:
        """What rounding to the type of the search may be off, ``(n,)``, in the unit of ``x``."""
        eps = 1e-13 if self.case.precision == "float64" else 1e-6
        if self.case.dtype == "float32":  # the script computes centres and the like in it
            eps = max(eps, 1e-7)
        if self.case.dtype in ("bfloat16", "float16"):
            eps = 1e-5
        return eps * (1 + self.look.x.flatten(1).norm(dim=1)) + eps * self.look.x[0].numel() ** 0.5

    def layers(self, *, start: bool = False) -> list[tuple[str, Tensor]]:
        """By how much each space misses its structure."""
        alone = len(self.case.space) == 1 and not start
        found = []
        for part in self.case.space:
            if start and part.kind in ("Latent", "Warped"):
                continue
            look = self._at(part.seed)
            look = look if alone else Look(**{**vars(look), "z": None})
            found.append((part.kind, KINDS[part.kind].off(look)))
        return found

    def off(self, *, start: bool = False) -> Tensor:
        """By how much the worst of the spaces misses its structure, ``(n,)``."""
        found = [off for _, off in self.layers(start=start)]
        return torch.stack(found).amax(dim=0) if found else self.look.x.new_zeros(len(self.look.x))

    def beyond(self) -> Tensor:
        """The largest violation of a constraint, ``(n,)``; 0 or less without one."""
        worst = self.look.x.new_zeros(len(self.look.x))
        for part in self.case.conditions:
            worst = torch.maximum(worst, CONDITIONS[part.kind].beyond(self._at(part.seed)))
        return worst

    def brink(self) -> Tensor:
        """Who lies where the model begins to fail, to rounding, ``(n,)``: it may or may not."""
        fails = self.case.model in ("nan", "raises")
        mean = self.look.x.flatten(1).mean(dim=1)
        return (mean - material.BRINK).abs() <= (1e-6 if fails else -1.0)

    def logits(self) -> Tensor:
        """What the model says, ``(n, classes)``."""
        return self.look.names["read"](self.look.x)

    def crowded(self) -> bool:
        """Whether what is said of a candidate changes with who is beside it."""
        reader = self.look.names["read"]
        alone, reader.together = self._draw(), True
        beside, reader.together = self._draw(), False
        pairs = [(alone.loss, beside.loss), (alone.confidence, beside.confidence)]
        return any(
            bool(((one - other).abs() > 5e-3 * (1 + one.abs())).any())
            for one, other in pairs
            if one is not None and other is not None
        )

    def read(self, draws: int = DRAWS) -> tuple[Reading, Reading]:
        """Loss, how clearly the target is reached, and confidence; and how each scatters.

        Of ``MANY`` draws a rare one may be far from all others: what it moves a mean of a few
        ``PASSES`` by, counts as scatter too.
        """
        drawn = [self._draw() for _ in range(draws if self.case.model in RANDOM else 1)]
        found = []
        for how in (_mean, _scatter if draws < MANY else _moved):
            loss, clear, confidence = (
                None if getattr(drawn[0], name) is None else how([getattr(d, name) for d in drawn])
                for name in ("loss", "clear", "confidence")
            )
            assert loss is not None
            found.append(Reading(loss, clear, confidence))
        return found[0], found[1]

    def _draw(self) -> Reading:
        look, read, readings = self.look, self.look.names["read"], []
        for place, part in enumerate(self.case.terms):
            seen = Seen(**{**vars(self._at(part.seed)), "logits": read(look.x)})
            readings.append((1.0 if place == 0 else 0.1, GOALS[part.kind].read(seen)))
        return total(readings)


def _mean(draws: list[Tensor]) -> Tensor:
    return torch.stack(draws).mean(dim=0)


def _scatter(draws: list[Tensor]) -> Tensor:
    return torch.stack(draws).std(dim=0) if len(draws) > 1 else torch.zeros_like(draws[0])


def _moved(draws: list[Tensor]) -> Tensor:
    """The scatter, or what a rare draw, twice as far away as all that were seen, does to a mean."""
    far = (torch.stack(draws) - _mean(draws)).abs().amax(dim=0)
    return torch.maximum(_scatter(draws), 2 * far / PASSES)


def answered(case: Case, names: dict[str, Any], result: Result) -> Answered:
    """Look at an answer."""
    return Answered.of(case, names, result.x.double(), result.z)
