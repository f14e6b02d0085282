"""Verdicts for samples from anywhere, and the page that shows them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xhat.core import atomic_folder_check, atomic_write, check_range, check_tensor, extra
from xhat.judges import Judge, Outcome, Verdicts
from xhat.report import JudgedSamples, as_pictures, save_judged_page
from xhat.task import Task

with extra("report", "verdicts with a page need"):
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["Judged", "judge_samples", "write_judged"]

_NEAREST = 3  # real samples that are shown beside a candidate


@dataclass(frozen=True)
class Judged:
    """Samples and what a judge says of them.

    Attributes:
        x: ``(n, *x_shape)``.
        verdicts: one per sample.
        judge: who said it.
        x0: ``(n, *x_shape)``, where a search for them began; None if it is not known.
    """

    x: Tensor
    verdicts: Verdicts
    judge: Judge
    x0: Tensor | None = None


def judge_samples(
    x: Tensor,
    target: Tensor | None = None,
    *,
    reference: Tensor | Task,
    labels: Tensor | None = None,
    alpha: float = 0.05,
    x0: Tensor | None = None,
    seed: int = 0,
) -> Judged:
    """Judge samples from anywhere: of a task, or of any domain with real samples.

    Args:
        x: ``(n, *x_shape)``.
        target: ``(n,)`` or ``(1,)`` classes they should be; None for a domain without classes.
        reference: real samples ``(m, *x_shape)`` of the domain, or a task with a judge.
        labels: ``(m,)``, their classes, if there are any.
        alpha: the share of real samples that may be flagged.
        x0: where a search for ``x`` began, for the pictures.
        seed: of the fitting to a reference.

    Raises:
        TypeError: samples that are not floating point.
        ValueError: of another shape or range, not finite, targets missing or superfluous.
    """
    x = check_tensor("the samples", x)
    if isinstance(reference, Task):
        judge = _judge_of(reference, x, target, labels, alpha)
    else:
        if labels is None and target is not None:
            raise ValueError(
                "targets need classes, but the reference has no labels; give --labels, or leave "
                "the targets out."
            )
        judge = Judge.fit(reference, labels, alpha=alpha, seed=seed)
    return Judged(x, judge.judge(x, target), judge, x0)


def _judge_of(
    task: Task, x: Tensor, target: Tensor | None, labels: Tensor | None, alpha: float
) -> Judge:
    if labels is not None:
        raise ValueError(f"labels go with a reference; the judge of {task.name} has its own.")
    if target is None:
        raise ValueError(
            f"the judge of {task.name} needs the target: --targets 3, or one class for each "
            f"sample; for another domain give a reference."
        )
    if task.limits is not None:
        check_range("the samples", x, *task.limits)
    return task.judge(alpha)


def write_judged(judged: Judged, out: str | Path, *, command: str = "xhat judge") -> Path:
    """Write ``verdicts.parquet``, ``summary.json`` and ``judged.html``; return the page's path.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    out, verdicts = atomic_folder_check(out), judged.verdicts
    with atomic_write(out / "verdicts.parquet") as temporary:
        pq.write_table(_table(verdicts), temporary)
    counts = {str(outcome): count for outcome, count in verdicts.counts().items() if count}
    summary = {"n": len(verdicts), "alpha": verdicts.alpha, "verdicts": counts, "command": command}
    with atomic_write(out / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n")
    return save_judged_page(
        out / "judged.html",
        _page_of(judged),
        title="What the judges say",
        lead=_lead(verdicts),
        facts={"command": command, "alpha": f"{verdicts.alpha:g}", "samples": len(verdicts)},
        notes=_NOTES,
    )


_NOTES = (
    "A sample is genuine if it looks no more unusual, on whatever axis, than nearly all real "
    "samples. The p-values of the axes are adjusted for their number: a real sample has one at "
    "or below alpha with a probability of alpha at most.",
)


def _lead(verdicts: Verdicts) -> str:
    genuine = verdicts.counts()[Outcome.GENUINE]
    return f"{genuine} of {len(verdicts)} samples are genuine."


def _table(verdicts: Verdicts) -> pa.Table:
    columns: dict[str, Any] = {
        "verdict": [str(outcome) for outcome in verdicts.outcomes],
        "p": verdicts.p.numpy(),
    }
    if verdicts.target is not None:
        columns |= {
            "target": verdicts.target.numpy(),
            "judge_confidence": verdicts.confidence.numpy(),
        }
    for axis in verdicts.axes:
        columns |= {axis.name: axis.value.numpy(), f"p of {axis.name}": axis.adjusted.numpy()}
    if verdicts.near is not None:
        columns["nearest"] = verdicts.near.index[:, :_NEAREST].tolist()
    return pa.table(
        columns
        | {
            "rule": [verdict.rule for verdict in verdicts],
            "evidence": [verdict.explain() for verdict in verdicts],
        }
    )


def _page_of(judged: Judged) -> JudgedSamples:
    verdicts, judge, near = judged.verdicts, judged.judge, judged.verdicts.near
    low, high = (float(value) for value in torch.aminmax(judge.reference))

    def grey(x: Tensor) -> NDArray[np.float32] | None:
        drawn = as_pictures(x, low, high) if high > low else None
        return None if drawn is None else drawn.mean(axis=-1)

    pictures, nearest = grey(judged.x), None
    if pictures is not None and near is not None:
        shown = grey(judge.reference[near.index[:, :_NEAREST].flatten()])
        nearest = None if shown is None else shown.reshape(len(verdicts), -1, *shown.shape[1:])
    starts = None if judged.x0 is None or pictures is None else grey(judged.x0)
    classes = 0 if verdicts.votes is None else verdicts.votes.shape[2] - 1
    return JudgedSamples(
        outcomes=[str(outcome) for outcome in verdicts.outcomes],
        rules=[verdict.rule for verdict in verdicts],
        evidence=[verdict.explain() for verdict in verdicts],
        axes=[axis.name for axis in verdicts.axes],
        p_values=torch.stack([axis.adjusted for axis in verdicts.axes], dim=1).numpy(),
        alpha=verdicts.alpha,
        level=verdicts.alpha * (1 + 1e-9),
        targets=None if verdicts.target is None else [str(int(k)) for k in verdicts.target],
        members=verdicts.members,
        classes=[*map(str, range(classes)), "none"] if classes else (),
        votes=None if verdicts.votes is None else np.asarray(verdicts.votes),
        pictures=pictures,
        nearest=nearest,
        nearest_names=[verdict.nearest_names() for verdict in verdicts],
        starts=starts,
    )
