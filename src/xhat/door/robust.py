"""What ``xhat.robustness`` found: curves by norm, minimum norms, a table, files and a page."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from scipy.stats import binomtest
from torch import Tensor

from xhat.core import MissingExtraError, atomic_write
from xhat.engine import Result

__all__ = ["Curve", "Robust"]

_QUANTILES = (0.1, 0.5, 0.9)
_SHOWN = 12  # of the smallest changes


@dataclass(frozen=True, eq=False)
class Curve:
    """Robust accuracy over radii in one norm.

    Attributes:
        norm: ``linf``, ``l2``, ``l1`` or ``l0``.
        radii: ascending, in the unit of the inputs (see ``Robust.ranged``).
        shares: the robust accuracy at each, in [0, 1]; an upper bound.
        distances: ``(n,)``, how near a misread input was found; 0 where the model is wrong at
            once, infinite where none was found.
        nearest: the search for minimum norms.
    """

    norm: str
    radii: tuple[float, ...]
    shares: tuple[float, ...]
    distances: Tensor
    nearest: Result = field(repr=False)

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """Wilson's 95 % interval of each share, for inputs drawn by chance."""
        n = len(self.distances)
        found = (
            binomtest(round(share * n), n).proportion_ci(0.95, method="wilson")
            for share in self.shares
        )
        return tuple((float(each.low), float(each.high)) for each in found)

    def quantile(self, share: float) -> float:
        """Return the distance within which a share of the inputs is misread; may be infinite."""
        ordered = self.distances.double().sort().values
        return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])

    @property
    def median(self) -> float:
        """The distance within which half of the inputs are misread."""
        return self.quantile(0.5)


@dataclass(frozen=True, eq=False, repr=False)
class Robust:
    """How much change a classifier withstands.

    Attributes:
        x: ``(n, *x_shape)``, the inputs; in shares of each feature's range where ``ranged``.
        labels: ``(n,)``, right classes.
        right: ``(n,)`` booleans, where the model is right as it is.
        curves: by norm.
        warnings: sentences on what makes the figures doubtful, such as masked gradients.
        notes: what was noticed of the model.
        attack: the budget.
        ranged: whether distances count in shares of each feature's range.
        seed: of every random choice.
        seconds: that it took.
    """

    x: Tensor
    labels: Tensor
    right: Tensor
    curves: Mapping[str, Curve]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    attack: str = "standard"
    ranged: bool = False
    seed: int = 0
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def accuracy(self) -> float:
        """The share of inputs that the model reads rightly as they are."""
        return float(self.right.double().mean())

    def table(self) -> list[tuple[str, ...]]:
        """Return a row for each norm and radius: norm, radius, robust accuracy, interval."""
        rows = [("any", "0", f"{self.accuracy:.1%}", "")]
        for norm, curve in self.curves.items():
            for radius, share, ends in zip(curve.radii, curve.shares, curve.intervals, strict=True):
                rows.append((norm, f"{radius:g}", f"{share:.1%}", "{:.1%} – {:.1%}".format(*ends)))
        return rows

    def norms(self) -> list[tuple[str, ...]]:
        """Return a row for each norm: norm, and 10 %, 50 % and 90 % quantiles of the distance."""
        return [
            (norm, *(f"{curve.quantile(share):.4g}" for share in _QUANTILES))
            for norm, curve in self.curves.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON; an infinite distance is null."""
        return {
            "n": len(self),
            "accuracy": self.accuracy,
            "attack": self.attack,
            "unit": "range of each feature" if self.ranged else "input",
            "norms": {norm: _told(curve) for norm, curve in self.curves.items()},
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "seed": self.seed,
            "seconds": self.seconds,
        }

    def write(self, folder: str | Path) -> Path:
        """Write ``robustness.json``, ``inputs.csv``, and the nearest inputs of each norm.

        The latter are ``nearest-NORM.parquet``, or ``.npz`` where pyarrow is not installed, and
        are read by ``Result.load``.

        Returns:
            The path of ``robustness.json``.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "robustness.json") as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=1) + "\n")
        with atomic_write(folder / "inputs.csv") as temporary, temporary.open("w") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(("input", "label", "right", *self.curves))
            columns = [curve.distances.tolist() for curve in self.curves.values()]
            pairs = zip(self.labels.tolist(), self.right.tolist(), *columns, strict=True)
            lines.writerows((i, *row) for i, row in enumerate(pairs))
        for norm, curve in self.curves.items():
            try:
                curve.nearest.save(folder / f"nearest-{norm}.parquet")
            except MissingExtraError:
                curve.nearest.save(folder / f"nearest-{norm}.npz")
        return folder / "robustness.json"

    def report(self, folder: str | Path) -> Path:
        """Write the files and a page with the curves and the smallest changes.

        Returns:
            The path of ``robustness.html``.

        Raises:
            MissingExtraError: the extra ``report`` is not installed.
            PermissionError: the folder cannot be written to.
        """
        from xhat.report.robustness import write_robustness

        self.write(folder)
        return write_robustness(self, folder)

    def smallest(self, norm: str) -> Tensor:
        """Return the places of the inputs with the smallest changes, nearest first."""
        far = self.curves[norm].nearest
        size = self.curves[norm].distances.where(self.right & far.reached, torch.inf)
        order = size.argsort()
        return order[size[order].isfinite()][:_SHOWN]

    def __repr__(self) -> str:
        said = "; ".join(f"{norm} {curve.median:.3g}" for norm, curve in self.curves.items())
        return f"Robust({len(self)} inputs, {self.accuracy:.1%} right, median distance {said})"


def _told(curve: Curve) -> dict[str, Any]:
    return {
        "radii": list(curve.radii),
        "robust_accuracy": list(curve.shares),
        "intervals": [list(ends) for ends in curve.intervals],
        "median": _finite(curve.median),
        "quantiles": {str(share): _finite(curve.quantile(share)) for share in _QUANTILES},
        "distances": [_finite(each) for each in curve.distances.tolist()],
    }


def _finite(value: float) -> float | None:
    return value if value < float("inf") else None
