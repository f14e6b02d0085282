"""Which judges a task has, composed from its held-out networks and its real data."""

import functools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from xhat.core import atomic_write, check_range, check_tensor
from xhat.judges import Jury, Panel, Penultimate, Verdicts, pixels
from xhat.tasks import digits

__all__ = ["REFERENCE", "digits_panel", "judge_samples"]

REFERENCE = 10_000  # real samples that distances are measured to


def digits_panel(alpha: float = 0.05) -> Panel:
    """Return the panel for rotated digits: three held-out networks, three representations.

    The jury was trained on the split ``judge_train``, the surrogates on ``surrogate_train``, and
    the thresholds come from ``calibration``: no image is in two of them.

    Args:
        alpha: the share of real digits that may be flagged.

    Raises:
        UnreadableFileError: data or weights are missing or damaged.
    """
    return _digits_panel(alpha)


@functools.cache
def _digits_panel(alpha: float) -> Panel:
    members = {name: digits.judge(name) for name in digits.JUDGES}
    reference, calibration = digits.split("judge_train"), digits.split("calibration")
    representations = {"pixels": pixels} | {
        f"features of {name}": Penultimate(members[name])
        for name in digits.JUDGES
        if name != "judge-mlp"
    }
    return Panel.fit(
        Jury(tuple(members.values()), tuple(members), digits.CLASSES),
        representations,
        (reference.images[:REFERENCE], reference.labels[:REFERENCE]),
        (calibration.images, calibration.labels),
        alpha,
    )


def judge_samples(x: Tensor, target: Tensor, *, out: str | Path, alpha: float = 0.05) -> Verdicts:
    """Judge digit images from anywhere, and write ``verdicts.parquet``: one row a sample.

    Args:
        x: ``(n, 1, 28, 28)`` in [0, 1].
        target: ``(n,)`` or ``(1,)`` classes they should be.
        out: folder to write to.
        alpha: the share of real digits that may be flagged.

    Raises:
        TypeError: the samples are not floating point.
        ValueError: of another shape or range, or not finite.
        PermissionError: the folder cannot be written to.
    """
    x = check_tensor("the samples", x)
    check_range("the samples", x, 0.0, 1.0)
    verdicts = digits_panel(alpha).judge(x, target)
    columns = {
        "target": verdicts.target.numpy(),
        "verdict": [str(outcome) for outcome in verdicts.outcomes],
        "judge_confidence": verdicts.confidence.numpy(),
        **{f"distance by {axis.name}": axis.value.numpy() for axis in verdicts.manifold},
        "evidence": [verdict.explain() for verdict in verdicts],
    }
    with atomic_write(Path(out) / "verdicts.parquet") as temporary:
        pq.write_table(pa.table(columns), temporary)
    return verdicts
