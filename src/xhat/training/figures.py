"""What a surrogate of each kind of data is shown by: its gradient, and what searches changed.

Images and fields are drawn as pictures, signals as lines, and of a table the columns are named that
a search moved most.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xhat.domain import Domain
from xhat.report import (
    CurvePanel,
    as_pictures,
    save_changes_png,
    save_curves_png,
    save_gradients_png,
)
from xhat.training.appraisal import Appraisal
from xhat.training.steering import NEAREST, Steering

__all__ = ["Picture", "changes_of", "figures_of"]

Picture = tuple[str, Path, str]
_EXAMPLES, _COLUMNS = 6, 6  # searches that are shown; columns of a table that are named
_GRADIENT = "What would make each class likelier"
_CHANGES = "What searches changed"


def figures_of(found: Appraisal, domain: Domain, folder: Path) -> tuple[Picture, ...]:
    """Write the figures that samples of this kind have into a folder."""
    if domain.kind == "signal":
        return _of_signals(found, domain, folder)
    return () if domain.kind == "table" else _of_pictures(found, domain, folder)


def changes_of(found: Appraisal, domain: Domain) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return, for a table, what a few searches changed: a table each of column and values."""
    if domain.kind != "table":
        return {}
    name, one = _last_search(found)
    near = found.steering[NEAREST].result.x
    made, names = {}, domain.names or tuple(map(str, range(domain.shape[0])))
    for i in _examples(one):
        before, after = one.result.x0[i], one.result.x[i]
        order = ((after - before).abs() / domain.scale[0]).argsort(descending=True)[:_COLUMNS]
        made[f"{_said(one, domain, i)} ({name})"] = tuple(
            (
                names[k],
                f"{float(before[k]):.3g} → {float(after[k]):.3g} (real: {float(near[i, k]):.3g})",
            )
            for k in order.tolist()
        )
    return made


def _of_pictures(found: Appraisal, domain: Domain, folder: Path) -> tuple[Picture, ...]:
    low, high = (float(end) for end in torch.aminmax(domain.x))
    drawn: list[Picture] = []
    grey = _grey(found.samples, low, high)
    if grey is not None:
        path = save_gradients_png(
            folder / "gradients.png", grey, found.gradients.mean(dim=1).numpy()
        )
        drawn.append((_GRADIENT, path, "Samples, and the input gradient: orange is more."))
    name, one = _last_search(found)
    rows = _examples(one)
    pictures = [as_pictures(x[rows], low, high) for x in (one.result.x0, one.result.x)]
    if pictures[0] is not None and pictures[1] is not None:
        captions = [_said(one, domain, i) for i in rows]
        path = save_changes_png(folder / "changes.png", pictures[0], pictures[1], captions)
        drawn.append((_CHANGES, path, f"Searches by the method {name}; red is more, blue less."))
    return tuple(drawn)


def _of_signals(found: Appraisal, domain: Domain, folder: Path) -> tuple[Picture, ...]:
    time = list(range(domain.shape[-1]))
    panels = []
    for x, gradient in zip(found.samples, found.gradients, strict=True):
        wave, slope = x[0], -gradient[0]
        size = 0.5 * float(wave.max() - wave.min()) / max(float(slope.abs().max()), 1e-12)
        lines = {"sample": (time, wave.tolist()), "moved": (time, (wave + size * slope).tolist())}
        panels.append(CurvePanel(f"class {domain.classes[len(panels)]}", "time", "value", lines))
    shown = "A sample of each class, and the same moved along the gradient of its class."
    name, one = _last_search(found)
    near = found.steering[NEAREST].result.x
    searches = [
        CurvePanel(
            _said(one, domain, i).replace("\n", ", "),
            "time",
            "value",
            {
                "start": (time, one.result.x0[i, 0].tolist()),
                "found": (time, one.result.x[i, 0].tolist()),
                NEAREST: (time, near[i, 0].tolist()),
            },
        )
        for i in _examples(one)
    ]
    return (
        (_GRADIENT, save_curves_png(folder / "gradients.png", panels), shown),
        (
            _CHANGES,
            save_curves_png(folder / "changes.png", searches),
            f"Searches by the method {name}, in the first channel.",
        ),
    )


def _last_search(found: Appraisal) -> tuple[str, Steering]:
    return [(name, one) for name, one in found.steering.items() if name != NEAREST][-1]


def _examples(one: Steering) -> list[int]:
    n = len(one.result)
    return np.linspace(0, n - 1, min(_EXAMPLES, n)).round().astype(int).tolist()


def _said(one: Steering, domain: Domain, i: int) -> str:
    start, target = domain.classes[int(one.start[i])], domain.classes[int(one.target[i])]
    return f"{start} → {target}\n{one.verdicts.outcomes[i].replace('_', ' ')}"


def _grey(x: Tensor, low: float, high: float) -> NDArray[np.float32] | None:
    drawn = as_pictures(x, low, high)
    return None if drawn is None else drawn.mean(axis=-1)
