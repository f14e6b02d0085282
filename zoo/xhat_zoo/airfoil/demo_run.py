"""What the demo of airfoils searches and verifies: three specifications in one batch.

Each is searched once within what the surrogate can be trusted for and once at its word; XFoil,
where it is installed, is asked of both, of the best real airfoils, and of their polars.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

import xhat
from xhat.engine import Progress
from xhat.learning.checkpoints import versions
from xhat.task import Stage, Tell
from xhat_zoo.airfoil.design import Design
from xhat_zoo.airfoil.searching import Rivals, Searched, rivals, search
from xhat_zoo.airfoil.specification import Specification, specifications
from xhat_zoo.airfoil.verifying import Verified, fly_polar, verify
from xhat_zoo.airfoil.xfoil import Polar, XFoil, installed

__all__ = ["COUNT", "AirfoilDemo", "angles_of", "middle", "number", "run", "shapes_of"]

COUNT = 3  # specifications
_RIVALS, _TIMEOUT = 3, 15.0
_DOTS, _OF_DOT = 7, 2  # angles of a polar, and runs of XFoil for one of them


@dataclass(frozen=True)
class AirfoilDemo:
    """All that one run of the demo found.

    Attributes:
        specifications: what was asked.
        known: the best real airfoils for each.
        found: the designs within what the surrogate can be trusted for.
        word: those of a descent that takes it at its word.
        verified: what XFoil says of the former; None without XFoil.
        word_verified: the same of the latter.
        polars: of each specification XFoil's polars of the three airfoils; empty without XFoil.
        seed: of the specifications.
        seconds: wall-clock time.
    """

    specifications: tuple[Specification, ...]
    known: tuple[Rivals, ...]
    found: Searched
    word: Searched
    verified: Verified | None
    word_verified: Verified | None
    polars: tuple[tuple[Polar, ...], ...]
    seed: int
    seconds: float

    def summary(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready; None where XFoil says nothing."""
        rows = []
        for i, one in enumerate(self.specifications):
            rows.append(
                {
                    "asked": {**vars(one), "lift": list(one.lift), "reynolds": list(one.reynolds)},
                    "feasible": bool(self.found.result.feasible[i]),
                    "drag_by_surrogate": self.found.seen.drag[i].tolist(),
                    "gap": number(self.verified, "gap", i),
                    "gap_at_its_word": number(self.word_verified, "gap", i),
                    "holds_by_xfoil": self.verified and bool(self.verified.flights.holds[i]),
                    "best_real": self.verified and self.verified.rival_names[i],
                    "drag_saved": self.saved(i),
                }
            )
        return {
            "task": "airfoil",
            "seed": self.seed,
            "verified": self.verified is not None,
            "seconds": round(self.seconds, 2),
            "versions": {"xhat": xhat.__version__, **versions()},
            "specifications": rows,
        }

    def saved(self, i: int) -> float | None:
        """Return the share of drag below the best real airfoil, by XFoil, or None."""
        if self.verified is None:
            return None
        share = 1 - (self.verified.flights.merit[i] - self.verified.rival_merit[i]).exp()
        return float(share) if bool(share.isfinite()) else None


def run(*, seed: int = 0, on_progress: Tell | None = None) -> AirfoilDemo:
    """Search three specifications, and verify what was found where XFoil is installed.

    Args:
        seed: of the specifications.
        on_progress: called with a ``Stage``.
    """
    began, tell = time.perf_counter(), on_progress or (lambda _: None)
    asked, known = specifications(COUNT, seed), []
    for i, one in enumerate(asked):
        tell(Stage("real airfoils", i, COUNT))
        known.append(rivals(one, _RIVALS))
    tell(Stage("real airfoils", COUNT, COUNT))

    def told(name: str) -> Callable[[Progress], None]:
        return lambda progress: tell(Stage(name, progress.done, progress.total))

    found = search(asked, known, on_progress=told("search"))
    word = search(asked, known, trusting=True, on_progress=told("at its word"))
    verified = word_verified = None
    polars: tuple[tuple[Polar, ...], ...] = ()
    if installed():
        xfoil, total = XFoil(timeout=_TIMEOUT), sum(len(of.names) for of in known) + COUNT

        def counted(done: int) -> None:
            tell(Stage("XFoil", done, total))

        verified = verify(found, known, xfoil, on_progress=counted)
        word_verified = verify(word, [], xfoil)
        quick = replace(xfoil, attempts=_OF_DOT)
        shapes = [shapes_of(found, word, verified, known, i) for i in range(COUNT)]
        flown = []
        for i, (one, shape) in enumerate(zip(asked, shapes, strict=True)):
            tell(Stage("polars", i, COUNT))
            flown.append(fly_polar(shape, middle(one), angles_of(found, i, _DOTS), quick))
        polars = tuple(flown)
    seconds = time.perf_counter() - began
    return AirfoilDemo(
        asked, tuple(known), found, word, verified, word_verified, polars, seed, seconds
    )


def shapes_of(
    found: Searched,
    word: Searched,
    verified: Verified | None,
    known: Sequence[Rivals],
    i: int,
) -> Tensor:
    """Return the shapes of the three airfoils, ``(3, 18)``."""
    real = known[i].nearest
    if verified is not None and verified.rival_names[i] is not None:
        real = verified.rival_designs[i : i + 1]
    shape = Design.of(real).parameters
    return torch.stack([found.design.parameters[i], word.design.parameters[i], shape[0]])


def angles_of(found: Searched, i: int, count: int) -> Tensor:
    """Return angles around those of a design, ``(count,)`` degrees, for its polar."""
    angles = found.design.angles[i]
    low, high = float(angles.min()) - 1.5, float(angles.max()) + 1.5
    return torch.linspace(low, high, count, dtype=torch.float64)


def middle(one: Specification) -> float:
    """Return the Reynolds number of the middle condition."""
    return one.reynolds[one.conditions // 2]


def number(verified: Verified | None, name: str, i: int) -> float | None:
    """Return a number of a design, or None where XFoil says nothing."""
    value = float("nan") if verified is None else float(getattr(verified, name)[i])
    return value if value == value else None
