"""What studies that compare ways of searching share: a cell is one way, on pairs of its own.

Every seed has starts of its own, and all arms of a seed have the same. Fréchet distance, coverage
and density are taken for each target in features of the judge ``judge-residual``, beside what as
many real digits score.
"""

import base64
import statistics
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from studies.report.frontier import FrontierDot, save_frontier_png
from studies.runner.experiment import Arm, Cell, Context, Details, Pictures, Table
from xhat.domain import Domain
from xhat.methods import Method, Options
from xhat_zoo import digits
from xhat_zoo.digits.domain import digits_domain
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.report import MethodGrid, save_grid_png
from xhat_zoo.digits.steering import Steering, searched_through, steer

__all__ = ["SHOWN", "draw_grids", "own_pairs", "search_arm"]

SHOWN = {
    "genuine": "genuine %",
    "Fréchet / real": "Fréchet over that of real",
    "coverage / real": "coverage over that of real",
    "moved / nearest real": "moved over nearest real",
    "moved": "moved, L2",
    "milliseconds": "CPU ms a result",
}


def search_arm(
    name: str,
    caption: str,
    method: Method,
    starts: int = 10,
    domain: Callable[[], Domain] = digits_domain,
) -> Arm:
    """Return the arm that searches by ``method`` from ``starts`` of every digit.

    Args:
        name: of the arm.
        caption: what it is.
        method: how to search.
        starts: of every digit, each with all ten targets.
        domain: makes the digits that are searched among; named in the settings if it is special.
    """
    settings: dict[str, Any] = {"method": method.describe(), "starts": starts}
    if domain is not digits_domain:
        settings["domain"] = domain.__name__
    run = partial(_cell, method=method, starts=starts, domain=domain)
    return Arm(name, caption, run, settings)


def own_pairs(seed: int, starts: int) -> digits.Pairs:
    """Return starts that are different for every seed, each with all ten targets."""
    every = digits.pairs(starts * (seed + 1))
    last = slice(-starts * digits.CLASSES**2, None)
    return digits.Pairs(every.index[last], every.start_label[last], every.target[last])


def _cell(
    seed: int, context: Context, *, method: Method, starts: int, domain: Callable[[], Domain]
) -> Cell:
    pairs, judge = own_pairs(seed, 2 if context.quick else starts), digits_judge()
    model, options = searched_through(method.name), Options(seed=seed)
    found = steer(method, model, pairs, judge, domain=domain(), options=options)
    return Cell(_metrics(found), _details(found))


def _metrics(found: Steering) -> dict[str, float]:
    numbers, which = found.numbers(), found.crossing
    verdicts = {str(name): count / numbers["n"] for name, count in numbers["verdicts"].items()}
    return {
        **verdicts,
        **_distances(found),
        "moved": numbers["moved"],
        "moved on the diagonal": found.numbers(~which)["moved"],
        "milliseconds": 1e3 * found.seconds / len(found.pairs),
    }


def _distances(found: Steering) -> dict[str, float]:
    table = found.measured()
    rows = [table.row(label) for label in range(digits.CLASSES)]

    def mean(name: str, what: str) -> float:
        return statistics.mean(getattr(row[name], what) for row in rows)

    against = {
        f"{title} / real": mean(name, "value") / mean(name, "floor")
        for title, name in (
            ("Fréchet", "frechet"),
            ("coverage", "coverage"),
            ("density", "density"),
        )
    }
    return {
        **against,
        "Fréchet": mean("frechet", "value"),
        "coverage": mean("coverage", "value"),
        "moved / nearest real": mean("ratio", "value"),
    }


def _details(found: Steering) -> dict[str, Any]:
    first = slice(0, digits.CLASSES**2)
    return {
        "genuine": found.table().tolist(),
        "outcomes": [str(outcome) for outcome in found.verdicts.outcomes[first]],
        "starts": _packed(found.result.x0[first][:: digits.CLASSES]),
        "images": _packed(found.result.x[first]),
    }


def _packed(x: Tensor) -> str:
    pixels = (x.clamp(0, 1) * 255).round().to(torch.uint8).numpy().tobytes()
    return base64.b85encode(zlib.compress(pixels, 9)).decode()


def _images(text: str, *shape: int) -> np.ndarray:
    pixels = np.frombuffer(zlib.decompress(base64.b85decode(text)), np.uint8)
    return pixels.reshape(*shape, 28, 28) / np.float32(255)


def draw_grids(
    table: Table, details: Details, folder: Path, *, captions: Mapping[str, str]
) -> Pictures:
    """Draw the frontier of nearness and likeness, and what every arm made of some starts.

    The grids are of the first start of every digit, with the first seed.
    """
    c = digits.CLASSES
    names = [str(k) for k in range(c)]
    grids = [
        MethodGrid(
            method=arm,
            caption=captions[arm],
            starts=_images(cells[0]["starts"], c),
            images=_images(cells[0]["images"], c, c),
            outcomes=np.array(cells[0]["outcomes"]).reshape(c, c),
            evidence=[[""] * c] * c,
            row_labels=names,
            column_labels=names,
        )
        for arm, cells in details.items()
    ]
    drawn = save_grid_png(folder / "grids.png", grids, title="The first start of every digit")
    return (
        _draw_frontier(table, folder),
        (drawn, "Rows are starts, columns are targets; borders are verdicts."),
    )


def _draw_frontier(table: Table, folder: Path) -> tuple[Path, str]:
    def mean(arm: str, name: str) -> float:
        return statistics.mean(cell[name] for cell in table[arm].values())

    names = ("moved / nearest real", "Fréchet / real", "genuine")
    dots = [FrontierDot(arm, *(mean(arm, name) for name in names)) for arm in table]
    seeds = len(next(iter(table.values())))
    drawn = save_frontier_png(
        folder / "frontier.png",
        dots,
        x_label="distance moved, over that to the nearest real sample of the target",
        y_label="Fréchet distance, over that of real",
        share_label="genuine, %",
        title="Near, like real digits, and genuine: what every way gives of each",
        note=f"Means over {seeds} seeds. Lower and further left is better; the line joins what "
        f"nothing beats in both.",
    )
    return drawn, "Every way: how near its results are, how like real digits, and how genuine."
