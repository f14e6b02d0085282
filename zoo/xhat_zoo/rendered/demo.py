"""Rendered shapes: what a judge says of every kind of image, beside the computed truth.

``run`` makes every kind of control, searches, judges and asks the truth; ``write`` leaves
``report.html``, its picture and ``summary.json``, each whole or not at all.
"""

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

import xhat
from xhat.core import atomic_folder_check, atomic_write
from xhat.domain import Domain
from xhat.judges import Outcome
from xhat.learning.checkpoints import versions
from xhat.report import COLOURS, PageTable, TaskPage, legend, save_task_page
from xhat.report.drawing import font_of, shorten
from xhat.report.palette import INK, MUTED, PAPER, ink_on, label
from xhat.task import Stage, Tell
from xhat_zoo.rendered.agreement import Row, agree
from xhat_zoo.rendered.controls import material
from xhat_zoo.rendered.networks import surrogate

__all__ = ["Shown", "run", "said", "save_verdicts_png", "write"]

TITLE = "Verdicts beside the truth"
IMAGES, SHOWN = 12, 4  # of every kind, and of those in the picture
_TILE, _GAP, _BAR, _NAME = 96, 6, 18, 190


@dataclass(frozen=True, eq=False)
class Shown:
    """All that one run of the demo found.

    Attributes:
        rows: by kind of control.
        seed: of every random choice.
        seconds: wall-clock time.
    """

    rows: list[Row]
    seed: int
    seconds: float

    def summary(self) -> dict[str, Any]:
        """Return the numbers."""
        return {
            "task": "rendered",
            "seed": self.seed,
            "seconds": round(self.seconds, 2),
            "n": sum(map(len, self.rows)),
            "right": sum(row.right for row in self.rows),
            "overclaimed": sum(row.overclaimed for row in self.rows),
            "kinds": {
                row.name: {
                    "n": len(row),
                    "right": row.right,
                    "true": {str(k): v for k, v in Counter(row.true).items()},
                    "said": {str(k): v for k, v in Counter(row.said).items()},
                }
                for row in self.rows
            },
        }


def run(domain: Domain, *, seed: int = 0, on_progress: Tell | None = None) -> Shown:
    """Judge every kind of control, and ask the truth.

    Args:
        domain: rendered shapes.
        seed: of every random choice.
        on_progress: called with a ``Stage``.
    """
    began, tell = time.perf_counter(), on_progress or (lambda _: None)
    of = material(surrogate(), IMAGES, seed=seed)
    rows = agree(domain, of, on_progress=lambda name, done, n: tell(Stage(name, done, n)))
    return Shown(rows, seed, time.perf_counter() - began)


def write(found: Shown, out: str | Path, *, command: str = "xhat demo --task rendered") -> Path:
    """Write the page and the files beside it into ``out``, and return the path of the page.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    out, summary = atomic_folder_check(out), found.summary()
    picture = save_verdicts_png(out / "verdicts.png", found.rows)
    with atomic_write(out / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n")
    facts = {
        "command": command,
        "seed": str(found.seed),
        "made, judged and asked about in": f"{found.seconds:.0f} s",
        "versions": ", ".join(
            f"{k} {v}" for k, v in {"xhat": xhat.__version__, **versions()}.items()
        ),
    }
    table = PageTable(
        "By kind of image",
        ("kind", "images", "the same outcome", "truth", "judge"),
        [
            (row.name, str(len(row)), str(row.right), _counted(row.true), _counted(row.said))
            for row in found.rows
        ],
    )
    caption = (
        "Four images of every kind, each above the nearest image that the renderer can make. The "
        "upper bar is the computed truth, the lower one what the judge says."
    )
    page = TaskPage(
        TITLE, _lead(found), [("Every kind", picture, caption)], [table], facts, _REMARKS
    )
    return save_task_page(out / "report.html", page)


def said(found: Shown) -> str:
    """Return what a terminal shows of a run."""
    lines = [f"{row.name:28} {row.right:3} of {len(row):3} as the truth" for row in found.rows]
    return "\n".join(lines) + f"\n\n{_lead(found)}"


def save_verdicts_png(path: str | Path, rows: list[Row], shown: int = SHOWN) -> Path:
    """Draw the first images of every row, the nearest rendered ones, and both outcomes.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    high = 2 * (_TILE + _BAR) + 3 * _GAP
    columns, wide = 2, _NAME + shown * (_TILE + _GAP) + 3 * _GAP
    across = -(-len(rows) // columns)
    sheet = Image.new("RGB", (columns * wide, across * high + 40), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, row in enumerate(rows):
        column, line = divmod(place, across)
        _draw_row(sheet, draw, row, (column * wide + _GAP, line * high + _GAP), shown)
    seen = {outcome for row in rows for outcome in (*row.true, *row.said)}
    left, font = _GAP, font_of(13, bold=False)
    for entry in legend(seen):
        draw.rectangle((left, sheet.height - 28, left + 14, sheet.height - 14), fill=entry.colour)
        draw.text((left + 20, sheet.height - 30), entry.label, fill=INK, font=font)
        left += 40 + round(font.getlength(entry.label))
    with atomic_write(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)
    return Path(path)


def _draw_row(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, row: Row, at: tuple[int, int], shown: int
) -> None:
    left, top = at
    name, small = font_of(14, bold=True), font_of(11, bold=False)
    for number, words in enumerate(row.name.split(", ")):
        draw.text((left, top + 18 * number), words, fill=INK, font=name)
    draw.text((left, top + 44), f"{row.right} of {len(row)} as the truth", fill=MUTED, font=small)
    for i in range(min(shown, len(row))):
        x = left + _NAME + i * (_TILE + _GAP)
        for k, pixels in enumerate((row.images[i], row.nearest[i])):
            tile = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            picture = Image.fromarray(tile).resize((_TILE, _TILE), Image.Resampling.NEAREST)
            sheet.paste(picture, (x, top + k * (_TILE + _GAP)))
        for k, outcome in enumerate((row.true[i], row.said[i])):
            y = top + 2 * (_TILE + _GAP) - 2 + k * _BAR
            draw.rectangle((x, y, x + _TILE - 1, y + _BAR - 2), fill=COLOURS[outcome])
            words = shorten(label(outcome), small, _TILE - 6)
            draw.text((x + 4, y + 1), words, fill=ink_on(COLOURS[outcome]), font=small)


def _counted(outcomes: tuple[Outcome, ...]) -> str:
    return ", ".join(f"{n} {label(o)}" for o, n in Counter(outcomes).most_common())


def _lead(found: Shown) -> str:
    of = found.summary()
    return (
        f"Of any image the renderer tells whether nature makes it, and as which shape. In "
        f"{of['right']} of {of['n']} cases the judge, which does not know the renderer, says the "
        f"same; in {of['overclaimed']} it says genuine where the truth does not."
    )


_REMARKS = (
    "Nature is a shape that is rendered and seen by a sensor, whose noise has a standard deviation "
    "of .02. An image is natural if what is left of it, when the nearest rendered image is taken "
    "away, looks like that noise: white, no stronger and no weaker.",
    "Adversarial and mistaken: the image is another shape than the surrogate says. If one in a "
    "hundred natural images with the same factors are misread so, too, it is a mistake.",
    "Only images that the surrogate takes for the target count where it was searched.",
)
