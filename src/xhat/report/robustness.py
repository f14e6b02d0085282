"""The page of a robustness measurement: curves over radii, minimum norms, the smallest changes."""

from pathlib import Path
from typing import Any

import torch

from xhat.report.changes import as_pictures, save_changes_png
from xhat.report.curves import CurvePanel, save_curves_png
from xhat.report.model_page import ModelPage, save_model_page

__all__ = ["write_robustness"]

_NAMES = {"linf": "Linf", "l2": "L2", "l1": "L1", "l0": "L0"}
_MOVED = 5  # features of a table that are told of each change


def write_robustness(found: Any, folder: str | Path) -> Path:
    """Write ``curves.png``, ``changes-NORM.png`` of images, and ``robustness.html``.

    Args:
        found: a ``xhat.door.robust.Robust``; what draws does not import what it draws.
        folder: to write to.

    Returns:
        The path of the page.
    """
    folder = Path(folder)
    curves = folder / "curves.png"
    unit = "shares of each feature's range" if found.ranged else "unit of the inputs"
    save_curves_png(curves, [_panel(found, norm) for norm in found.curves], title="")
    pictures = [("Robust accuracy", curves, "Upper bounds, with 95 % intervals (Wilson).")]
    tables = {
        "Robust accuracy": tuple(
            (f"{_NAMES.get(norm, 'as it is')} {radius}".removesuffix(" 0"), f"{share}  {ends}")
            for norm, radius, share, ends in found.table()
        ),
        "Distance to the nearest misread input": tuple(
            (f"{_NAMES[norm]}: 10 %, half, 90 % of inputs", ", ".join(quantiles))
            for norm, *quantiles in found.norms()
        ),
    }
    for norm in found.curves:
        drawn = _changes(found, norm, folder / f"changes-{norm}.png")
        if drawn is not None:
            what = f"Smallest changes, {_NAMES[norm]}"
            pictures.append((what, drawn, "Input, changed input, change: the nearest first."))
        elif rows := _moved(found, norm):
            tables[f"Smallest changes, {_NAMES[norm]}"] = rows
    doubts = tuple(f"Doubtful: {each}." for each in found.warnings)
    page = ModelPage(
        name="How much change the model withstands",
        lead=(
            f"Of {len(found)} inputs {found.accuracy:.1%} are read rightly as they are. "
            + (doubts[0] if doubts else "Nothing speaks for masked gradients.")
        ),
        tables=tables,
        pictures=tuple(pictures),
        facts={
            "inputs": str(len(found)),
            "attack": found.attack,
            "distances in": unit,
            "seed": str(found.seed),
            "seconds": f"{found.seconds:.0f}",
        },
        remarks=(*doubts, *(f"{note[:1].upper()}{note[1:]}." for note in found.notes)),
    )
    return save_model_page(folder / "robustness.html", page)


def _panel(found: Any, norm: str) -> CurvePanel:
    curve, n = found.curves[norm], len(found)
    from scipy.stats import binomtest

    right = binomtest(int(found.right.sum()), n).proportion_ci(0.95, method="wilson")
    x = [0.0, *curve.radii]
    low, high = zip((right.low, right.high), *curve.intervals, strict=True)
    lines = {"robust accuracy": (x, [found.accuracy, *curve.shares], list(low), list(high))}
    return CurvePanel(_NAMES[norm], "radius", "robust accuracy, %", lines)


def _changes(found: Any, norm: str, path: Path) -> Path | None:
    rows = found.smallest(norm)
    nearest = found.curves[norm].nearest
    starts, changed = nearest.x0[rows], nearest.x[rows]
    ends = torch.cat([starts, changed]) if len(rows) else torch.tensor([0.0, 1.0])
    low, high = min(float(ends.min()), 0.0), max(float(ends.max()), 1.0)
    pictures = [as_pictures(part, low, high) for part in (starts, changed)]
    if not len(rows) or pictures[0] is None or pictures[1] is None:
        return None
    far, labels = found.curves[norm].distances, found.labels
    words = [
        f"input {i}, class {int(labels[i])}\n{_NAMES[norm]} {float(far[i]):.3g}\nmisread"
        for i in rows.tolist()
    ]
    return save_changes_png(path, pictures[0], pictures[1], words)


def _moved(found: Any, norm: str) -> tuple[tuple[str, str], ...]:
    """Return, of inputs that are no pictures, which features were changed most."""
    nearest, told = found.curves[norm].nearest, []
    for i in found.smallest(norm).tolist():
        moved = (nearest.x[i] - nearest.x0[i]).flatten()
        order = moved.abs().argsort(descending=True)[:_MOVED].tolist()
        parts = [f"feature {k}: {float(moved[k]):+.3g}" for k in order if moved[k] != 0]
        told.append((f"input {i}", ", ".join(parts)))
    return tuple(told)
