"""Airfoils of least drag: searched by NeuralFoil, verified by XFoil, and drawn.

``write`` leaves ``airfoils.png``, ``report.html``, ``results.parquet`` and ``summary.json``.
Without XFoil all is there but its dots, and the page says that nothing was verified.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from xhat.core import atomic_folder_check, atomic_write
from xhat.report import PageTable, TaskPage, save_task_page
from xhat_zoo.airfoil.demo_run import AirfoilDemo, angles_of, middle, number, run, shapes_of
from xhat_zoo.airfoil.geometry import coordinates
from xhat_zoo.airfoil.pictures import AirfoilCurve, AirfoilPanel, save_airfoils_png
from xhat_zoo.airfoil.specification import Specification
from xhat_zoo.airfoil.surrogate import surrogate
from xhat_zoo.airfoil.xfoil import INSTALL

__all__ = ["AirfoilDemo", "run", "said", "write"]

TITLE = "Airfoils of least drag, and whether they are what the surrogate says"
_LINE = 25  # angles of a line
FOUND, WORD, REAL = "found", "at the surrogate's word", "best real"


def write(
    found: AirfoilDemo, out: str | Path, *, command: str = "xhat demo --task airfoil"
) -> Path:
    """Write the files into ``out`` and return the path of the page.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    demo, out = found, atomic_folder_check(out)
    with atomic_write(out / "results.parquet") as temporary:
        columns = {"task": ["airfoil"] * len(demo.found.names), "start": list(demo.found.names)}
        pq.write_table(demo.found.result.to_table(columns), temporary)
    with atomic_write(out / "summary.json") as temporary:
        temporary.write_text(json.dumps(demo.summary(), indent=1) + "\n")
    panels = [_panel(demo, i) for i in range(len(demo.specifications))]
    picture = save_airfoils_png(out / "airfoils.png", panels, title=TITLE)
    caption = (
        "Outlines and polars. Lines are the surrogate, dots are XFoil: where dots leave their "
        "line, the surrogate was wrong. Less drag is to the left."
    )
    page = TaskPage(
        TITLE,
        _lead(demo),
        [("What was found", picture, caption)],
        [_table(demo)],
        _facts(demo, command),
        _REMARKS if demo.verified else (INSTALL + ".", *_REMARKS),
    )
    return save_task_page(out / "report.html", page)


_REMARKS = (
    "A design is 18 shape parameters and one angle of attack per condition. Asked is the least "
    "mean of ln CD over three conditions of level flight, at given lifts, within limits on "
    "thickness, moment, leading edge and smoothness, and where the confidence of both sizes of "
    "the surrogate is at least 0.975.",
    "“At the surrogate's word” is the same descent with the lift of the middle condition and the "
    "thickness as its only conditions.",
    "The surrogate is NeuralFoil (Peter Sharpe, MIT licence), trained on 8 million runs of XFoil; "
    "nobody here trained it. XFoil is Mark Drela's, run as a program of its own.",
    "Each search begins at the best of 1,908 real airfoils for its specification; “best real” is "
    "the one with the least drag by XFoil among the three best by the surrogate.",
)


def said(demo: AirfoilDemo) -> str:
    """Return what a terminal shows."""
    lines = [_lead(demo), ""]
    for i, one in enumerate(demo.specifications):
        gap = number(demo.verified, "gap", i)
        saved = demo.saved(i)
        words = [f"drag {1e4 * float(demo.found.seen.drag[i].log().mean().exp()):.1f} counts"]
        words += [] if gap is None else [f"XFoil differs by {100 * gap:.1f} %"]
        words += (
            [] if saved is None else [f"{_less(saved, 'below', 'above')} the best real airfoil"]
        )
        lines.append(f"{_asked(one)}: {', '.join(words)}")
    return "\n".join(lines + ([] if demo.verified else ["", INSTALL]))


def _lead(demo: AirfoilDemo) -> str:
    if demo.verified is None or demo.word_verified is None:
        return (
            f"{len(demo.specifications)} designs by the surrogate alone. Nothing was verified: "
            f"XFoil is not installed (apt install xfoil)."
        )
    gap, word = demo.verified.gap.nanmedian(), demo.word_verified.gap.nanmedian()
    better = int(demo.verified.better.sum())
    return (
        f"Where the surrogate is asked only for what it can be trusted with, XFoil finds its drag "
        f"{100 * float(gap):.1f} % away in the median; taken at its word, {100 * float(word):.1f} "
        f"%. {better} of {len(demo.specifications)} designs have less drag than the best real "
        f"airfoil, by XFoil."
    )


def _panel(demo: AirfoilDemo, i: int) -> AirfoilPanel:
    one = demo.specifications[i]
    shapes = shapes_of(demo.found, demo.word, demo.verified, demo.known, i)
    angles = angles_of(demo.found, i, _LINE)
    reynolds = torch.tensor([middle(one)], dtype=torch.float64)
    with torch.no_grad():
        seen = surrogate()(shapes, angles, reynolds)
    names, curves = (FOUND, WORD, _rival_name(demo, i)), []
    for k, name in enumerate(names):
        true = demo.polars[i][k] if demo.polars else None
        nothing = np.zeros(0)
        curves.append(
            AirfoilCurve(
                name,
                coordinates(shapes[k : k + 1])[0].numpy(),
                seen.lift[k].numpy(),
                seen.drag[k].numpy(),
                nothing if true is None else true.lift.numpy(),
                nothing if true is None else true.drag.numpy(),
            )
        )
    return AirfoilPanel(_asked(one), _note(demo, i), curves, one.lift)


def _note(demo: AirfoilDemo, i: int) -> str:
    if demo.verified is None:
        return "not verified"
    why = demo.verified.flights.why(i)
    if why:
        return why
    gap, word = number(demo.verified, "gap", i), number(demo.word_verified, "gap", i)
    words = [f"XFoil differs by {100 * (gap or 0):.1f} %"]
    words += [] if word is None else [f"at its word by {100 * word:.1f} %"]
    saved = demo.saved(i)
    if saved is not None:
        words.append(f"{_less(saved, 'less', 'more')} drag than {_rival_name(demo, i)}")
    return "; ".join(words)


def _table(demo: AirfoilDemo) -> PageTable:
    rows = []
    for i, one in enumerate(demo.specifications):
        surrogate_drag = float(demo.found.seen.drag[i].log().mean().exp())
        rows.append(
            (
                _asked(one),
                f"{1e4 * surrogate_drag:.1f}",
                _counts(demo.verified and demo.verified.flights.merit[i]),
                _share(number(demo.verified, "gap", i)),
                _share(number(demo.word_verified, "gap", i)),
                _rival_name(demo, i),
                _counts(demo.verified and demo.verified.rival_merit[i]),
                "–" if demo.verified is None else _yes(demo.verified.flights.holds[i]),
            )
        )
    return PageTable(
        "Drag, geometric mean of three conditions, in counts (CD × 10⁴)",
        (
            "asked",
            "surrogate",
            "XFoil",
            "gap",
            "gap at its word",
            "best real",
            "its drag by XFoil",
            "limits hold by XFoil",
        ),
        rows,
        "XFoil holds every lift itself, and its moments are compared with the limit.",
    )


def _facts(demo: AirfoilDemo, command: str) -> dict[str, str]:
    confidence = float(demo.found.seen.confidence.min())
    return {
        "command": command,
        "seed": str(demo.seed),
        "least confidence of a design": f"{confidence:.3f}",
        "searched and verified in": f"{demo.seconds:.0f} s",
        "versions": ", ".join(f"{k} {v}" for k, v in demo.summary()["versions"].items()),
    }


def _asked(one: Specification) -> str:
    lifts = ", ".join(f"{lift:.2f}" for lift in one.lift)
    return (
        f"CL {lifts}; Re {middle(one):.2g}".replace("e+0", "e")
        + f"; thickness ≥ {100 * one.thickness:.1f} %; CM ≥ {one.moment:.2f}"
    )


def _rival_name(demo: AirfoilDemo, i: int) -> str:
    named = None if demo.verified is None else demo.verified.rival_names[i]
    return named or (demo.known[i].names or ("nearest real",))[0]


def _counts(merit: Tensor | None) -> str:
    known = merit is not None and bool(merit.isfinite())
    return f"{1e4 * float(merit.exp()):.1f}" if known and merit is not None else "–"


def _less(saved: float, less: str, more: str) -> str:
    return f"{abs(100 * saved):.0f} % {less if saved >= 0 else more}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _yes(value: Tensor) -> str:
    return "yes" if bool(value) else "no"
