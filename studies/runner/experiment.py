"""The noun: a question, the protocol that was fixed before the run, and what may be answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Arm", "Cell", "Claim", "Context", "Details", "Experiment", "Pictures", "Table"]

Table = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Arm → seed → measurement → value."""
Details = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""Arm → seed → whatever else the cell kept."""
Pictures = tuple[tuple[Path, str], ...]
"""PNG files, or a GIF that moves, each with its caption; the first is a PNG."""


@dataclass(frozen=True)
class Claim:
    """That ``arm`` has a higher ``metric`` than ``baseline``, by ``margin`` or more.

    With ``lower`` it is that it has a lower one; without a baseline, that it is above 0.
    """

    says: str
    arm: str
    baseline: str | None
    metric: str
    margin: float = 0.02
    lower: bool = False


@dataclass(frozen=True)
class Context:
    """What a cell may use besides its arm and seed.

    Attributes:
        quick: whether to do as little as shows that everything works.
        cache: a folder for what several cells and studies use, such as trained surrogates.
    """

    quick: bool
    cache: Path


@dataclass(frozen=True)
class Cell:
    """What one arm gave with one seed.

    Attributes:
        metrics: the measurements, by name; compared and put into the table.
        details: curves, tables and pictures, for the figure.
    """

    metrics: Mapping[str, float]
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """One way of doing it.

    Attributes:
        name: of the row in the table.
        caption: what it is, in one line.
        run: ``(seed, context) -> Cell``; must be importable by name, since it runs in processes.
        settings: everything that the cell depends on, as JSON; a study is only resumed with the
            same.
    """

    name: str
    caption: str
    run: Callable[[int, Context], Cell]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """A study.

    Attributes:
        name: as on the command line.
        question: that is answered, in one or two sentences.
        protocol: what is done and what will be read, in sentences, fixed before the run.
        arms: what is compared.
        claims: what may turn out supported; the first are the question's own, and the answer is
            that of all of them together.
        shown: metrics of the table, and how they are headed.
        draw: ``(table, details, folder)``, which draws into a folder and returns each picture with
            its caption; None for the plain one of intervals alone.
        remark: ``(table) -> sentences`` that only the numbers can fill.
    """

    name: str
    question: str
    protocol: tuple[str, ...]
    arms: tuple[Arm, ...]
    claims: tuple[Claim, ...]
    shown: Mapping[str, str]
    draw: Callable[[Table, Details, Path], Pictures] | None = None
    remark: Callable[[Table], tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        for claim in self.claims:
            for name in (claim.arm, claim.baseline):
                if name is not None and name not in names:
                    raise ValueError(
                        f"the claim {claim.says!r} is of {name!r}, but the arms of {self.name} "
                        f"are {', '.join(names)}."
                    )
        if len(set(names)) < len(names):
            raise ValueError(f"arms of {self.name} must have different names, but are {names}.")

    def arm(self, name: str) -> Arm:
        """Return an arm by name."""
        return next(arm for arm in self.arms if arm.name == name)
