"""Structured digits: ambigrams of all pairs of digits, and digits of which something must hold.

``run`` searches and judges; ``write`` leaves ``ambigrams.png``, ``structures.png``,
``report.html``, ``ambigrams.npy`` and ``summary.json``, each whole or not at all.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import xhat
from xhat.core import atomic_folder_check, atomic_write
from xhat.judges import Judge, Outcome, Verdicts
from xhat.learning.checkpoints import versions
from xhat.report import PageTable, TaskPage, save_task_page
from xhat.task import Stage, Tell
from xhat_zoo import digits
from xhat_zoo.digits.ambigrams.search import Ambigram, Ambigrams
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.readings import StructureRow, save_readings_png, save_structures_png
from xhat_zoo.digits.structures import Structured, structured_digits

__all__ = ["Gallery", "all_pairs", "count_readings", "run", "said", "write"]

TITLE = "One image, two digits"


@dataclass(frozen=True)
class Gallery:
    """All that one run of the demo found.

    Attributes:
        found: the ambigrams of all pairs ``a <= b``; those of ``(b, a)`` are their half turns.
        verdicts: of all images, then of all turned.
        structured: digits of which something must hold.
        seed: of every random choice.
        seconds: wall-clock time of searching and judging, loading included.
    """

    found: Ambigrams
    verdicts: Verdicts
    structured: tuple[Structured, ...]
    seed: int
    seconds: float

    def summary(self) -> dict[str, Any]:
        """Return the counts, as JSON."""
        return {
            "task": "ambigrams",
            "seed": self.seed,
            "seconds": round(self.seconds, 2),
            "versions": {"xhat": xhat.__version__, **versions()},
            "ambigrams": count_readings(self.found, self.verdicts),
            "structures": [
                {
                    "structure": each.title,
                    "n": len(each.x),
                    "genuine": sum(o is Outcome.GENUINE for o in each.verdicts.outcomes),
                    "largest violation, float64": float(each.certificate.violation.max()),
                }
                for each in self.structured
            ],
        }


def all_pairs() -> tuple[Tensor, Tensor]:
    """Return the 55 pairs ``a <= b`` of digits, of which those of ``b > a`` are the half turns."""
    rows, columns = torch.triu_indices(digits.CLASSES, digits.CLASSES).unbind()
    return rows, columns


def count_readings(found: Ambigrams, verdicts: Verdicts) -> dict[str, Any]:
    """Return what judges say of the ordered pairs: an image counts for ``(a, b)`` and ``(b, a)``.

    Args:
        found: the images.
        verdicts: of all of them upright, then of all turned.
    """
    n = len(found)
    good = torch.tensor([outcome is Outcome.GENUINE for outcome in verdicts.outcomes])
    good = good.reshape(2, n).int()
    seen = (verdicts.confidence > 0.5).reshape(2, n).int()
    times = torch.where(found.upright == found.turned, 1, 2)

    def pairs(which: Tensor) -> int:
        return int((which * times).sum())

    failing = (good.amin(dim=0) == 0).nonzero()[:, 0].tolist()
    upside = int(times.sum()) - pairs(good.amin(dim=0))
    return {
        "pairs": int(times.sum()),
        "genuine in both readings": pairs(good.amin(dim=0)),
        "genuine upright": int((good[0] + good[1] * (times == 2)).sum()),
        "seen in both readings": pairs(seen.amin(dim=0)),
        "seen upright": int((seen[0] + seen[1] * (times == 2)).sum()),
        "not genuine in both": upside,
        "which": [f"{int(found.upright[i])}/{int(found.turned[i])}" for i in failing],
    }


def run(
    *, seed: int = 0, on_progress: Tell | None = None, method: Ambigram | None = None
) -> Gallery:
    """Search and judge.

    Args:
        seed: of every random choice.
        on_progress: called with a ``Stage``.
        method: how to search for ambigrams; by default ``Ambigram()``.
    """
    began, tell = time.perf_counter(), on_progress or (lambda _: None)
    how = method or Ambigram()
    found = how.search(
        *all_pairs(), seed=seed, on_progress=lambda n, of: tell(Stage("ambigrams", n, of))
    )
    tell(Stage("judges", 0, 1))
    judge: Judge = digits_judge()
    verdicts = judge.judge(*found.readings())
    tell(Stage("judges", 1, 1))
    structured = structured_digits(judge, seed)
    return Gallery(found, verdicts, structured, seed, time.perf_counter() - began)


def write(found: Gallery, out: str | Path, *, command: str = "xhat demo") -> Path:
    """Write the five files into ``out`` and return the path of the page.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    out, summary = atomic_folder_check(out), found.summary()
    images, outcomes = _table(found)
    with atomic_write(out / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n")
    with atomic_write(out / "ambigrams.npy") as temporary, temporary.open("wb") as file:
        np.save(file, images)
    first = save_readings_png(out / "ambigrams.png", images, outcomes, title=TITLE, lead=_SHORT)
    second = save_structures_png(
        out / "structures.png",
        [_row(each) for each in found.structured],
        title="What must hold, holds exactly",
        lead="Each digit is the one of a few searches of which the surrogates are surest.",
    )
    page = TaskPage(
        TITLE,
        _lead(summary),
        (
            ("All pairs", first, _CAPTION),
            ("Mirrors, frozen halves, a given ink", second, _CERTIFIED),
        ),
        (_counts(summary),),
        {
            "command": command,
            "seed": str(found.seed),
            "searched and judged in": f"{found.seconds:.0f} s",
            "versions": ", ".join(f"{k} {v}" for k, v in summary["versions"].items()),
        },
        _NOTES,
    )
    return save_task_page(out / "report.html", page)


_CAPTION = (
    "Left of each pair: the image as it is, to be read as the digit of its row. Right: the same "
    "image turned by 180°, to be read as that of its column. The border is the verdict."
)
_SHORT = (
    "Left: to be read as the digit of its row. Right: turned by 180°, as that of its column. "
    "On green: both accepted."
)
_CERTIFIED = (
    "Digits of which something must hold exactly. The violation is evaluated on the image itself, "
    "in float64."
)
_NOTES = (
    "Every ambigram was searched with four surrogates and a denoiser as the prior, all of which "
    "look at the image and at its half turn. The judges are other classifiers, trained on other "
    "images, and measures of how far real digits are; no judge took part in the search, nor in the "
    "choice among its restarts.",
    "A reading is genuine if the held-out judges find nothing unusual about it. The image for a "
    "pair (b, a) is that for (a, b), turned; so the table is its own half turn.",
    "Some pairs have no good answer: the strokes of one digit leave no room for the other. They "
    "are shown as they are.",
)


def _table(gallery: Gallery) -> tuple[Any, list[list[tuple[Outcome, Outcome]]]]:
    """Return the images of all pairs, ``(10, 10, 28, 28)``, and the outcomes of both readings."""
    n, c = len(gallery.found), digits.CLASSES
    images = np.zeros((c, c, 28, 28), dtype=np.float32)
    blank = Outcome.UNREACHED
    outcomes: list[list[tuple[Outcome, Outcome]]] = [[(blank, blank)] * c for _ in range(c)]
    for i in range(n):
        a, b = int(gallery.found.upright[i]), int(gallery.found.turned[i])
        first, second = gallery.verdicts.outcomes[i], gallery.verdicts.outcomes[n + i]
        image = gallery.found.x[i, 0].numpy()
        images[b, a], outcomes[b][a] = image[::-1, ::-1], (second, first)
        images[a, b], outcomes[a][b] = image, (first, second)
    return images, outcomes


def _row(each: Structured) -> StructureRow:
    worst = float(each.certificate.violation.max())
    return StructureRow(
        each.title,
        f"{each.says} Largest violation in float64: {max(worst, 0.0):.1g}.",
        each.x[:, 0].numpy(),
        each.names,
        each.verdicts.outcomes,
    )


def _counts(summary: dict[str, Any]) -> PageTable:
    of = summary["ambigrams"]
    n = of["pairs"]
    named = {
        "ambigrams: both readings genuine": "genuine in both readings",
        "ambigrams: the upright reading genuine": "genuine upright",
        "ambigrams: both readings seen by the judges, genuine or not": "seen in both readings",
        "ambigrams: the upright reading seen by the judges": "seen upright",
    }
    rows = [(name, str(of[key]), str(n), "–") for name, key in named.items()]
    for each in summary["structures"]:
        violation = f"{max(each['largest violation, float64'], 0.0):.1g}"
        rows.append(
            (f"{each['structure']}: genuine", str(each["genuine"]), str(each["n"]), violation)
        )
    return PageTable("What was counted", ("", "count", "of", "largest violation"), rows)


def _lead(summary: dict[str, Any]) -> str:
    of = summary["ambigrams"]
    return (
        f"{of['genuine in both readings']} of {of['pairs']} pairs of digits have an image that "
        f"held-out judges accept as the one digit upright and as the other upside down; in "
        f"{of['seen in both readings']} they see both digits."
    )


def said(gallery: Gallery) -> str:
    """Return what a terminal shows."""
    summary = gallery.summary()
    lines = [
        f"{each['structure']}: {each['genuine']} of {each['n']} genuine, violation at most "
        f"{max(each['largest violation, float64'], 0.0):.1g}."
        for each in summary["structures"]
    ]
    return "\n".join((_lead(summary), *lines))
