"""The main job: every digit into every digit, by several methods, judged and drawn.

``run`` searches and judges; ``write`` leaves five files: ``grid.png``, ``morph.gif``,
``report.html``, ``results.parquet`` and ``summary.json``, each whole or not at all. The animation
shows states of the searches and nothing else; it is left out where no method has a way from the
start.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Group
from rich.table import Table
from torch import Tensor

import xhat
from xhat.core import atomic_folder_check, atomic_write, check_fraction
from xhat.engine import Progress
from xhat.judges import Outcome
from xhat.learning.checkpoints import versions
from xhat.methods import Method, Options, method
from xhat.report import COLOURS
from xhat.task import Stage, Tell
from xhat_zoo import digits
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.report import (
    MethodGrid,
    Summary,
    SummaryRow,
    save_grid_png,
    save_morph_gif,
    save_page,
)
from xhat_zoo.digits.steering import METHODS, Steering, searched_through, steer

__all__ = ["Demo", "run", "said", "write"]

TITLE = "From every digit to every other digit"
_FRAMES = 36  # of the animation, at most
_FRAME_EVERY = 3  # steps between two of them, or less where a search has few
_NEAREST = "nearest"  # which every search is measured by
_EXAMPLE = (3, 8)  # the pair that the README and the docs tell of


@dataclass(frozen=True)
class Demo:
    """All that one run of the demo found.

    Attributes:
        pairs: which starts and targets.
        found: one per method, in the order asked for.
        seed: of every random choice.
        confidence: at which a search ended.
        seconds: wall-clock time of searching and judging, loading included.
    """

    pairs: digits.Pairs
    found: tuple[Steering, ...]
    seed: int
    confidence: float
    seconds: float

    def summary(self) -> dict[str, Any]:
        """Return the numbers: per method over off-diagonal pairs, per target, the diagonal."""
        off = self.pairs.start_label != self.pairs.target
        methods = {}
        for found in self.found:
            per_target = {
                str(k): found.numbers(off & (self.pairs.target == k)) for k in range(digits.CLASSES)
            }
            methods[found.method.name] = {
                **found.numbers(),
                "seconds": round(found.result.seconds, 3),
                "per_target": per_target,
                "diagonal": found.numbers(~off),
            }
        return {
            "task": "digits",
            "seed": self.seed,
            "confidence": self.confidence,
            "pairs": len(self.pairs),
            "seconds": round(self.seconds, 2),
            "versions": _versions(),
            "methods": methods,
        }


def run(
    *,
    starts: int = 3,
    methods: Sequence[str] = METHODS,
    seed: int = 0,
    confidence: float = 0.95,
    on_progress: Tell | None = None,
) -> Demo:
    """Search and judge.

    Args:
        starts: how many starts of every digit, each with ten targets.
        methods: names of methods of the library.
        seed: of every random choice.
        confidence: at which the surrogate is sure enough for a search to end, in (0, 1).
        on_progress: called with a ``Stage``.

    Raises:
        ValueError: an unknown method, no method, or a number out of its range.
    """
    began = time.perf_counter()
    chosen = [method(name) for name in dict.fromkeys(methods)]
    if not chosen:
        raise ValueError(f"choose at least one method of {', '.join(METHODS)}.")
    check_fraction("confidence", confidence)
    pairs = digits.pairs(starts)
    tell = on_progress or (lambda _: None)
    tell(Stage("judges", 0, 1))
    judge = digits_judge()
    tell(Stage("judges", 1, 1))
    everything = []
    for how in chosen:

        def report(progress: Progress, name: str = how.name) -> None:
            tell(Stage(name, progress.done, progress.total))

        found = steer(
            how,
            searched_through(how.name),
            pairs,
            judge,
            options=Options(confidence, seed=seed, trace=_trace(how), on_progress=report),
        )
        tell(Stage(how.name, len(pairs), len(pairs)))  # not every method tells how far it is
        everything.append(found)
    return Demo(pairs, tuple(everything), seed, confidence, time.perf_counter() - began)


def write(demo: Demo, out: str | Path, *, command: str = "xhat demo") -> Path:
    """Write the files into ``out`` and return the path of the page.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    out = atomic_folder_check(out)
    grids = [_grid(found, demo.pairs) for found in demo.found]
    with atomic_write(out / "results.parquet") as temporary:
        pq.write_table(_table(demo), temporary)
    with atomic_write(out / "summary.json") as temporary:
        temporary.write_text(json.dumps(demo.summary(), indent=1) + "\n")
    save_grid_png(out / "grid.png", grids, title=f"Rotated MNIST: {TITLE.lower()}")
    morph = None
    if any(grid.frames is not None for grid in grids):
        morph = save_morph_gif(out / "morph.gif", grids, title=TITLE, max_frames=_FRAMES)
    return save_page(
        out / "report.html",
        title=TITLE,
        lead=_lead(demo),
        grids=grids,
        summary=_tables(demo),
        facts=_facts(demo, command),
        morph=morph,
        notes=_NOTES,
        pair=_EXAMPLE,
    )


def said(demo: Demo) -> Group:
    """Return a table of the methods, for a terminal."""
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    table.add_column("method", no_wrap=True)
    for heading in ("genuine", *_SHORT.values(), "seen by judges", "moved"):
        table.add_column(heading, justify="right", min_width=max(map(len, heading.split())))
    methods = demo.summary()["methods"]
    for name, row in methods.items():
        shares = [f"{100 * row['verdicts'][k] / row['n']:.0f} %" for k in _SHORT]
        genuine = f"[bold {COLOURS[Outcome.GENUINE]}]{100 * row['genuine']:.0f} %[/]"
        table.add_row(
            name, genuine, *shares, f"{row['judge_confidence']:.2f}", f"{row['moved']:.1f}"
        )
    n = next(iter(methods.values()))["n"]
    lead = f"Of {n} pairs of different digits a method; moved is the median distance, in L2:\n"
    return Group(lead, table)


_SHORT = {
    "off_manifold": "off manifold",
    "adversarial": "adversarial",
    "out_of_distribution": "out of distr.",
    "mistaken": "mistaken",
}

_NOTES = (
    "Every search ends when its own classifier is sure of the target, or when its steps are "
    "spent; it is unreached if the classifier then gives the target less than even odds. The "
    "verdict comes from judges that the search never saw: five classifiers of other families, "
    "trained on other images, "
    "which may also answer “no digit at all”, and seven measures of how far real digits are.",
    "What is usual is learned from 5,000 real digits that trained nothing, so that a real digit is "
    "flagged with a probability of 5 % at most.",
    "The method nearest searches nothing: it is the nearest real sample of the target, and what "
    "every search is measured by. Retrieval begins there, too, so that no way leads from the start "
    "to what it finds.",
    "The grids show the first start of every digit; the tables count all starts.",
)


def _trace(how: Method) -> int:
    """Return how many steps lie between two frames of the animation; 0 for no frames."""
    if not how.from_start:
        return 0
    steps = getattr(how, "max_steps", getattr(how, "levels", 1))
    return min(_FRAME_EVERY, max(1, steps // _FRAMES))


def _table(demo: Demo) -> pa.Table:
    tables = []
    n = len(demo.pairs)
    for found in demo.found:
        columns = {
            "task": ["digits"] * n,
            "method": [found.method.name] * n,
            "seed": [demo.seed] * n,
            "index": demo.pairs.index.numpy(),
            "start_label": demo.pairs.start_label.numpy(),
            "target": demo.pairs.target.numpy(),
            "verdict": [str(outcome) for outcome in found.verdicts.outcomes],
            "judge_confidence": found.verdicts.confidence.numpy(),
        }
        # z has another length in every space, and each has constraints of its own, so a table of
        # several methods leaves both out
        table = found.result.to_table(columns)
        tables.append(table.drop_columns(["z", *({"violations"} & set(table.column_names))]))
    shapes = {name: list(demo.pairs.starts.shape[1:]) for name in ("x0", "x")}
    whole = pa.concat_tables([table.replace_schema_metadata() for table in tables])
    return whole.replace_schema_metadata({"shapes": json.dumps(shapes)})


def _grid(found: Steering, pairs: digits.Pairs) -> MethodGrid:
    c = digits.CLASSES
    first = c * c  # the pairs of the first start of every digit
    path = found.result.trajectory
    outcomes = np.array(found.verdicts.outcomes[:first]).reshape(c, c)
    evidence = [found.verdicts[i].explain() for i in range(first)]
    return MethodGrid(
        method=found.method.name,
        caption=found.method.caption,
        starts=_images(found.result.x0[:first:c], c),
        images=_images(found.result.x[:first], c, c),
        outcomes=outcomes,
        evidence=[evidence[i : i + c] for i in range(0, first, c)],
        row_labels=[str(int(k)) for k in pairs.start_label[:first:c]],
        column_labels=[str(int(k)) for k in pairs.target[:c]],
        frames=None if path is None else _images(path.x[:, :first], len(path.steps), c, c),
    )


def _images(x: Tensor, *shape: int) -> np.ndarray:
    return x.reshape(*shape, *x.shape[-2:]).clamp(0, 1).numpy()


def _tables(demo: Demo) -> Summary:
    numbers = demo.summary()["methods"]

    def row(name: str, of: dict[str, Any]) -> SummaryRow:
        return SummaryRow(
            method=name,
            n=of["n"],
            counts=of["verdicts"],
            reached=of["reached"],
            confidence=of["judge_confidence"],
            moved=of["moved"],
            seconds=of.get("seconds"),
            evaluations=of["evaluations"],
        )

    targets = [str(k) for k in range(digits.CLASSES)]
    return Summary(
        rows=[row(name, of) for name, of in numbers.items()],
        diagonal=[row(name, of["diagonal"]) for name, of in numbers.items()],
        per_target={
            k: [row(name, of["per_target"][k]) for name, of in numbers.items()] for k in targets
        },
    )


def _lead(demo: Demo) -> str:
    shares = {name: of["genuine"] for name, of in demo.summary()["methods"].items()}
    first, worst = next(iter(shares)), min(shares, key=lambda name: shares[name])
    said = [f"{first} turns {100 * shares[first]:.0f} % of them into genuine samples"]
    if _NEAREST in shares and first != _NEAREST:
        said.append(f"the nearest real sample, untouched, is one in {100 * shares[_NEAREST]:.0f} %")
    if worst not in (first, _NEAREST):
        said.append(f"{worst} finds one in {100 * shares[worst]:.0f} %")
    return (
        f"Rows are start digits, columns are wanted digits. Every search below convinced its own "
        f"classifier or ran out of steps; {', '.join(said)}."
    )


def _facts(demo: Demo, command: str) -> dict[str, str]:
    return {
        "command": command,
        "seed": str(demo.seed),
        "pairs": f"{len(demo.pairs)} a method",
        "confidence asked for": f"{demo.confidence:g}",
        "searched and judged in": f"{demo.seconds:.0f} s",
        "versions": ", ".join(f"{name} {version}" for name, version in _versions().items()),
    }


def _versions() -> dict[str, str]:
    return {"xhat": xhat.__version__, **versions()}
