"""Which digits are easy to reach, and from where?"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from studies.runner.experiment import Arm, Cell, Claim, Context, Experiment, Pictures, Table
from studies.runner.paired import interval
from studies.searches import own_pairs
from studies.surrogates import Plan, surrogate
from xhat.engine import Adam, NormalizedDescent
from xhat.judges import Outcome
from xhat.methods import InBall, InLatentSpace, Method, NearStart, Options, Pixels
from xhat.report import save_matrices_png
from xhat.surrogates import Adversarial
from xhat_zoo import digits
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.steering import Steering, steer

__all__ = ["EASY_TARGETS"]

_STARTS = 4
_SURROGATES = {"plain": Plan(), "robust": Plan(terms=(Adversarial(2.0, "l2", steps=3),))}
_SEARCHED: dict[str, tuple[str, Method, str]] = {
    "plain": (
        "the textbook loop: Adam on pixels until the classifier is sure",
        Pixels(Adam(0.05)),
        "plain",
    ),
    "pgd": ("adversarial discovery: no pixel may change by more than 0.3", InBall(), "plain"),
    "proximal": (
        "pixels, staying near the start: MAP with a Gaussian prior",
        NearStart(),
        "plain",
    ),
    "robust": (
        "pixels, through an adversarially trained classifier",
        Pixels(NormalizedDescent(3.0)),
        "robust",
    ),
    "latent": ("the latent space of an autoencoder, plain classifier", InLatentSpace(), "plain"),
    "latent-robust": (
        "latent space, adversarially trained classifier, a prior",
        InLatentSpace(prior=0.1),
        "robust",
    ),
}
"""By name: what it is, how is searched, and through which surrogate alone."""


def _cell(seed: int, context: Context, *, name: str) -> Cell:
    _, method, through = _SEARCHED[name]
    model = surrogate(_SURROGATES[through], seed, context)
    pairs = own_pairs(seed, 1 if context.quick else _STARTS)
    found = steer(method, model, pairs, digits_judge(), options=Options(seed=seed))
    return Cell(_metrics(found), {"genuine": found.table().tolist(), "moved": _moved(found)})


def _metrics(found: Steering) -> dict[str, float]:
    table = found.table()
    own = torch.eye(digits.CLASSES, dtype=torch.bool)
    crossing = table.masked_fill(own, torch.nan)
    diagonal = found.numbers(~found.crossing)
    metrics = {
        "genuine": float(crossing.nanmean()),
        "genuine on the diagonal": float(table[own].mean()),
        "moved on the diagonal": diagonal["moved"],
        "moved elsewhere": found.numbers()["moved"],
    }
    for k in range(digits.CLASSES):
        metrics[f"to {k}"] = float(crossing[:, k].nanmean())
        metrics[f"from {k}"] = float(crossing[k].nanmean())
    others = [metrics[f"to {k}"] for k in range(1, digits.CLASSES)]
    metrics["0 ahead of the others"] = metrics["to 0"] - sum(others) / len(others)
    metrics["0 ahead of the best other"] = metrics["to 0"] - max(others)
    metrics["diagonal ahead"] = metrics["genuine on the diagonal"] - metrics["genuine"]
    reached = torch.tensor([outcome != Outcome.UNREACHED for outcome in found.verdicts.outcomes])
    metrics["reached"] = float(reached[found.crossing].double().mean())
    return metrics


def _moved(found: Steering) -> list[list[float]]:
    moved = (found.result.x - found.result.x0).flatten(1).norm(dim=1)
    place = found.pairs.start_label * digits.CLASSES + found.pairs.target
    sums = torch.zeros(digits.CLASSES**2).index_add(0, place, moved)
    counts = torch.zeros(digits.CLASSES**2).index_add(0, place, torch.ones_like(moved))
    return (sums / counts).reshape(digits.CLASSES, digits.CLASSES).tolist()


def _draw(table: Table, details: Mapping[str, Mapping[int, Any]], folder: Path) -> Pictures:
    del table
    means = {
        arm: np.mean([cell["genuine"] for cell in cells.values()], axis=0)
        for arm, cells in details.items()
    }
    drawn = save_matrices_png(
        folder / "pairs.png",
        means,
        title="Share of genuine results by start and target, over all seeds",
        row_title="start",
        column_title="target",
    )
    return ((drawn, "Share of genuine results by start (row) and target (column)."),)


def _remark(table: Table) -> tuple[str, ...]:
    said = []
    for arm, cells in table.items():
        means = {
            k: interval([cell[f"to {k}"] for cell in cells.values()]) for k in range(digits.CLASSES)
        }
        order = sorted(means, key=lambda k: -means[k].mean)
        if means[order[0]].mean <= 0.02:
            said.append(f"{arm}: no target is reached with a genuine sample.")
            continue
        easy = ", ".join(f"{k} ({100 * means[k].mean:.0f} %)" for k in order[:3])
        hard = ", ".join(f"{k} ({100 * means[k].mean:.0f} %)" for k in order[-3:])
        said.append(f"{arm}: the easiest targets are {easy}; the hardest {hard}.")
    return tuple(said)


def _arm(name: str) -> Arm:
    caption, method, through = _SEARCHED[name]
    settings = {
        "plan": _SURROGATES[through].describe(),
        "method": method.describe(),
        "starts": _STARTS,
    }
    return Arm(name, caption, partial(_cell, name=name), settings)


EASY_TARGETS = Experiment(
    name="easy-targets",
    question=(
        "Which targets are easy to reach, from which starts: is 0 the easiest, and does the "
        "diagonal, where the start is the target already, stay put?"
    ),
    protocol=(
        "Six methods; every seed has its own surrogates (the small CNN, 8 epochs on 10,000 digits, "
        "for robust methods against an L2 ball of 2) and its own 4 starts of every digit, each "
        "with all 10 targets. The latent space is that of the shipped autoencoder.",
        "Shares are of genuine results, off the diagonal except where said. That 0 is the easiest "
        "is read from its share less the mean share of the other targets, and, more strictly, less "
        "that of the best other target.",
        "Fixed before the run: the claims below and their margins.",
    ),
    arms=tuple(_arm(name) for name in _SEARCHED),
    claims=(
        Claim(
            "0 is easier than the others on the mean (robust, pixels)",
            "robust",
            None,
            "0 ahead of the others",
        ),
        Claim(
            "0 is easier than every other (robust, pixels)",
            "robust",
            None,
            "0 ahead of the best other",
        ),
        Claim(
            "the diagonal stays genuine more often than others become so (robust, pixels)",
            "robust",
            None,
            "diagonal ahead",
            0.05,
        ),
        Claim(
            "the same in the latent space (latent-robust)",
            "latent-robust",
            None,
            "diagonal ahead",
            0.05,
        ),
    ),
    shown={
        "genuine": "genuine %",
        "genuine on the diagonal": "diagonal %",
        "to 0": "to 0 %",
        "to 1": "to 1 %",
        "to 8": "to 8 %",
        "0 ahead of the others": "0 ahead %",
        "moved elsewhere": "moved, L2",
        "moved on the diagonal": "moved on the diagonal",
        "reached": "reached %",
    },
    draw=_draw,
    remark=_remark,
)
