"""Which judge the task digits has, and the judging of samples from anywhere."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from xhat.core import atomic_folder_check, atomic_write, check_range, check_tensor
from xhat.judges import (
    Judge,
    Jury,
    Likelihood,
    ManifoldAxis,
    Neighbours,
    Outcome,
    Penultimate,
    Reconstruction,
    Usual,
    Verdicts,
    represented,
)
from xhat.learning import VAE, load_checkpoint
from xhat.report import JudgedSamples, as_pictures, save_judged_page
from xhat.study.remembering import fingerprint, remembered
from xhat.tasks import digits, mnist

__all__ = ["Judged", "digits_judge", "judge_samples", "write_judged"]

_COVARIANCE = 10_000  # real samples from which a covariance is estimated
_NEAREST = 3  # real samples that are shown beside a candidate
_ANY = 0.05  # what is usual does not depend on alpha


def digits_judge(alpha: float = 0.05, weights: str | Path | None = None) -> Judge:
    """Return the judge of rotated digits: five held-out classifiers and seven manifold axes.

    All were trained on the split ``judge_train``, the surrogates on ``surrogate_train``, and what
    is usual comes from ``calibration``: no image is in two of them. What is usual is shipped
    (``xhat.study.remembering``); what the networks see of real digits is kept from the first time
    that a sample is judged.

    Args:
        alpha: the share of real digits that may be flagged.
        weights: a folder with other weights of the same names; None for those shipped.

    Raises:
        UnreadableFileError: data or weights are missing or damaged.
        ValueError: too few calibration samples for ``alpha``.
    """
    return _digits_judge(alpha, Path(weights) if weights is not None else digits.WEIGHTS)


@functools.cache
def _digits_judge(alpha: float, weights: Path) -> Judge:
    members = {name: load_checkpoint(weights, name)[0] for name in digits.JUDGES}
    autoencoder = load_checkpoint(weights, digits.AUTOENCODER)[0]
    if not isinstance(autoencoder, VAE):
        raise TypeError(f"the checkpoint {digits.AUTOENCODER} must hold a VAE.")
    reference, calibration = digits.split("judge_train"), digits.split("calibration")
    x, labels = reference.images, reference.labels
    flat = x.flatten(1)  # asked for like what networks see, so that a judge is made at once
    see = {"features": Penultimate(members["judge-residual"]), "latents": autoencoder.encode}
    made_from = _made_from(weights)

    @functools.cache
    def seen() -> dict[str, Tensor]:
        return remembered(
            "judge-sees", made_from, lambda: {name: represented(f, x) for name, f in see.items()}
        )

    features, latents = see.values()
    axes = (
        Neighbours("distance in pixels", x, labels=labels, k_dimension=20, seen=lambda: flat),
        Neighbours(
            "distance in features of judge-residual",
            x,
            features,
            labels,
            seen=lambda: seen()["features"],
        ),
        Neighbours(
            "distance in latents of the autoencoder",
            x,
            latents,
            labels,
            seen=lambda: seen()["latents"],
        ),
        Likelihood("likelihood", x[:_COVARIANCE], seen=lambda: flat[:_COVARIANCE]),
        Likelihood(
            "typicality of latents",
            x[:_COVARIANCE],
            latents,
            typicality=True,
            seen=lambda: seen()["latents"][:_COVARIANCE],
        ),
        Reconstruction("reconstruction", _Rebuilt(autoencoder)),
    )
    jury = Jury(tuple(members.values()), tuple(members), digits.CLASSES)
    parts = jury, axes, (x, labels), (calibration.images, calibration.labels)
    known = remembered(
        "judge-usual", made_from, lambda: _as_tensors(Judge.assemble(*parts, _ANY).usual)
    )
    return Judge.assemble(*parts, alpha, usual=_as_usual(known, axes))


def _made_from(weights: Path) -> str:
    names = (*digits.JUDGES, digits.AUTOENCODER)
    files = [weights / f"{name}{ending}" for name in names for ending in (".safetensors", ".json")]
    rooms = ("core", "judges", "learning", "tasks/digits.py", "tasks/mnist.py", "study/judging.py")
    return fingerprint([*files, mnist.DATA / "SHA256SUMS"], rooms)


def _as_tensors(usual: Usual) -> dict[str, Tensor]:
    return {
        "weights": torch.tensor(usual.weights, dtype=torch.double),
        "scores": usual.scores,
        "unread": torch.tensor(usual.unread, dtype=torch.double),
        "fars": torch.tensor(list(usual.fars.values()), dtype=torch.double),
    }


def _as_usual(known: dict[str, Tensor], axes: tuple[ManifoldAxis, ...]) -> Usual:
    names = [axis.names[0] for axis in axes if isinstance(axis, Neighbours)]
    return Usual(
        tuple(known["weights"].tolist()),
        known["scores"],
        float(known["unread"]),
        dict(zip(names, known["fars"].tolist(), strict=True)),
    )


@dataclass(frozen=True)
class _Rebuilt:
    """What an autoencoder makes of samples: their mean latents, decoded."""

    model: VAE

    def __call__(self, x: Tensor) -> Tensor:
        return self.model.decode(self.model.encode(x))


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
    alpha: float = 0.05,
    reference: Tensor | None = None,
    labels: Tensor | None = None,
    x0: Tensor | None = None,
    seed: int = 0,
) -> Judged:
    """Judge samples from anywhere: digit images, or data of another domain with a reference.

    Args:
        x: ``(n, *x_shape)``; digits ``(n, 1, 28, 28)`` in [0, 1].
        target: ``(n,)`` or ``(1,)`` classes they should be; None for a domain without classes.
        alpha: the share of real samples that may be flagged.
        reference: real samples ``(m, *x_shape)`` of the domain; None for digits.
        labels: ``(m,)``, their classes, if there are any.
        x0: where a search for ``x`` began, for the pictures.
        seed: of the fitting to a reference.

    Raises:
        TypeError: samples that are not floating point.
        ValueError: of another shape or range, not finite, targets missing or superfluous.
    """
    x = check_tensor("the samples", x)
    if reference is None:
        if labels is not None:
            raise ValueError("labels go with a reference; the judge of digits has its own.")
        if target is None:
            raise ValueError(
                "the judge of digits needs the target: --targets 3, or one class for each sample; "
                "for another domain give a reference."
            )
        check_range("the samples", x, 0.0, 1.0)
        judge = digits_judge(alpha)
    else:
        if labels is None and target is not None:
            raise ValueError(
                "targets need classes, but the reference has no labels; give --labels, or leave "
                "the targets out."
            )
        judge = Judge.fit(reference, labels, alpha=alpha, seed=seed)
    return Judged(x, judge.judge(x, target), judge, x0)


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
