"""Does training on outliers with even targets keep a search on the manifold?"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from studies.report.planes import save_planes_png
from studies.runner.experiment import Arm, Cell, Claim, Context, Experiment, Pictures, Table
from studies.runner.paired import interval
from studies.surrogates import MEASURED, Plan, surrogate
from xhat.learning import predict
from xhat.methods import Options
from xhat.report import CurvePanel, save_curves_png
from xhat.surrogates import Adversarial
from xhat_zoo import digits
from xhat_zoo.digits.appraisal import STEERED, appraise, quickly, record
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.steering import steer

__all__ = ["OUT_OF_DISTRIBUTION"]

_ADVERSARY = Adversarial(2.0, "l2", steps=3)
_EVERY = 5  # steps between two points of a trajectory
_PAIR = (3, 8)  # start and target of the slice
_EVEN = 2.302585  # ln 10, the entropy of an even prediction, in nats
_SIDE = 41  # points along a side of the slice
_REACH = (-0.5, 1.5)  # of the slice, in units of the way from the start to a target's image
_ARMS = {
    "plain": ("digits alone", Plan()),
    "outliers": ("and images that show no digit, with even targets", Plan(outliers=True)),
    "robust": ("adversarial training in an L2 ball of 2", Plan(terms=(_ADVERSARY,))),
    "robust+outliers": (
        "both: outliers, too, are moved to where the network is most certain",
        Plan(outliers=True, terms=(_ADVERSARY,)),
    ),
}


def _cell(seed: int, context: Context, *, plan: Plan) -> Cell:
    model, judge = surrogate(plan, seed, context), digits_judge()
    scope = quickly(MEASURED) if context.quick else MEASURED
    found = appraise(model, judge, scope, seed=seed)
    options = Options(confidence=0.95, trace=_EVERY)
    path = steer(
        STEERED["robust"], model, digits.pairs(1), judge, options=options
    ).result.trajectory
    details = record(found) | {"slice": _slice(model)}
    if path is not None:
        details["entropy"] = [round(float(_entropy(model, x).mean()), 4) for x in path.x]
        details["steps"] = [int(step) for step in path.steps]
    return Cell(found.metrics, details)


def _entropy(model: nn.Module, x: Tensor) -> Tensor:
    log_p = predict(model, x).log_softmax(1)
    return -(log_p.exp() * log_p).sum(1)


def _slice(model: nn.Module) -> list[list[float]]:
    """Return the entropy over the plane of a start, a target's image and a piece of clothing."""
    test = digits.split("test")
    start, target = (test.images[(test.labels == k).nonzero()[0, 0]] for k in _PAIR)
    clothes = digits.fashion()[0]
    places = torch.linspace(*_REACH, _SIDE)
    along, aside = torch.meshgrid(places, places, indexing="xy")
    x = (
        start
        + along.reshape(-1, 1, 1, 1) * (target - start)
        + aside.reshape(-1, 1, 1, 1) * (clothes - start)
    )
    found = _entropy(model, x.clamp(0, 1)).reshape(_SIDE, _SIDE)
    return [[round(float(value), 3) for value in row] for row in found]


def _draw(table: Table, details: Mapping[str, Mapping[int, Any]], folder: Path) -> Pictures:
    """Draw the entropy along trajectories, and over the plane for the first seed."""
    del table
    lines = {}
    for arm, cells in details.items():
        steps = max((cell["steps"] for cell in cells.values()), key=len)
        paths = [_held(cell["entropy"], len(steps)) for cell in cells.values()]
        bands = [interval([one[k] for one in paths]) for k in range(len(steps))]
        columns = [(band.mean, max(0.0, band.low), min(_EVEN, band.high)) for band in bands]
        lines[arm] = (steps, *zip(*columns, strict=True))
    along = save_curves_png(
        folder / "trajectories.png",
        [CurvePanel("", "step of the search", "entropy of the prediction, nats", lines)],
        title="How certain surrogates are along a search, 100 pairs",
    )
    plane = save_planes_png(
        folder / "plane.png",
        {arm: np.array(cells[0]["slice"]) / _EVEN for arm, cells in details.items()},
        reach=_REACH,
        x_label=f"from a {_PAIR[0]} (0) to a {_PAIR[1]} (1)",
        y_label="to a piece of clothing (1)",
        marks={f"a {_PAIR[0]}": (0.0, 0.0), f"an {_PAIR[1]}": (1.0, 0.0), "clothing": (0.0, 1.0)},
        title="Entropy of the prediction over a plane of inputs, as a share of ln 10",
    )
    return (
        (along, "Mean entropy along searches by normalized gradient steps, with 95 % bands."),
        (
            plane,
            "White is certain, dark is even; the plane holds a 3, an 8 and a piece of clothing.",
        ),
    )


def _remark(table: Table) -> tuple[str, ...]:
    def share(arm: str, metric: str) -> str:
        return f"{100 * interval([c[metric] for c in table[arm].values()]).mean:.0f} %"

    stuck, reach = "unreached robust", "genuine robust"
    return (
        f"Outliers alone do keep a search from leaving the data, but by stopping it: "
        f"{share('outliers', stuck)} of the results are unreached, and "
        f"{share('outliers', reach)} genuine. Between a start and its target lies what the network "
        f"has learnt to be certain of nothing about, and there its gradient is no better than that "
        f"of the plain one.",
        f"If an adversary moves the outliers (and the digits) in training, the gradient leads "
        f"through: {share('robust+outliers', stuck)} are unreached, "
        f"{share('robust+outliers', reach)} genuine, "
        f"against {share('robust', reach)} without outliers.",
    )


def _held(values: list[float], n: int) -> list[float]:
    return values + [values[-1]] * (n - len(values))


def _arm(name: str) -> Arm:
    caption, plan = _ARMS[name]
    settings = {"plan": plan.describe(), "scope": MEASURED.describe(), "every": _EVERY}
    return Arm(name, caption, partial(_cell, plan=plan), settings)


OUT_OF_DISTRIBUTION = Experiment(
    name="out-of-distribution",
    question=(
        "Does training on outliers with even targets keep the result of a search on the manifold, "
        "and does it still reach its target?"
    ),
    protocol=(
        "Every surrogate is the small CNN, trained for 8 epochs on 10,000 digits of the "
        "surrogates' split, drawn afresh for each seed and turned afresh in every epoch. With "
        "outliers, a quarter of what it sees are superpositions, shuffled tiles, fragments, "
        "scribbles, signs, patches, blobs and noise, with even targets. Clothes, letters of other "
        "fonts, blends and glued halves are only measured on.",
        "Steering: 180 pairs of different digits, by normalized gradient steps in pixels (method "
        "robust) and by Adam near the start (method proximal). A result is unreached if the "
        "surrogate gives the target less than even odds.",
        "Entropy is drawn along the searches of 100 pairs, and for the first seed over the plane "
        "through a 3, an 8 and a piece of clothing.",
        "Fixed before the run: the claims below and their margins.",
    ),
    arms=tuple(_arm(name) for name in _ARMS),
    claims=(
        Claim(
            "outliers alone make fewer results out of distribution",
            "outliers",
            "plain",
            "out_of_distribution robust",
            lower=True,
        ),
        Claim("outliers alone raise the genuine share", "outliers", "plain", "genuine robust"),
        Claim(
            "under an adversary, outliers raise the genuine share",
            "robust+outliers",
            "robust",
            "genuine robust",
        ),
        Claim(
            "under an adversary, outliers make fewer results out of distribution",
            "robust+outliers",
            "robust",
            "out_of_distribution robust",
            lower=True,
        ),
    ),
    shown={
        "accuracy": "accuracy %",
        "AUROC clothes": "AUROC clothes",
        "AUROC letters": "AUROC letters",
        "AUROC blends": "AUROC blends",
        "AUROC halves": "AUROC halves",
        "genuine robust": "genuine %",
        "out_of_distribution robust": "out of distribution %",
        "off_manifold robust": "off manifold %",
        "adversarial robust": "adversarial %",
        "unreached robust": "unreached %",
        "genuine proximal": "genuine, near the start %",
        "unreached proximal": "unreached, near the start %",
    },
    draw=_draw,
    remark=_remark,
)
