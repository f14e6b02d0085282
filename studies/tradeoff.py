"""What does adversarial training cost in accuracy, and what does it give to a search?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studies.runner.experiment import Arm, Claim, Experiment, Pictures, Table
from studies.runner.paired import interval
from studies.surrogates import Plan, surrogate_arm
from xhat.report import save_tradeoff_png
from xhat.surrogates import Adversarial

__all__ = ["TRADEOFF"]

_RADII = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
_AFFORDED = 0.02  # accuracy that may be lost for the best trade


def _arm(radius: float) -> Arm:
    terms = (Adversarial(radius, "l2", steps=3),) if radius else ()
    caption = f"adversarial training in an L2 ball of {radius:g}" if radius else "no adversary"
    return surrogate_arm(f"{radius:g}", caption, Plan(terms=terms))


def _draw(table: Table, details: Mapping[str, Any], folder: Path) -> Pictures:
    del details
    series = {}
    for heading, metric in {
        "accuracy": "accuracy",
        "robust accuracy, L2 1.0": "robust l2 1",
        "genuine, normalized steps": "genuine robust",
        "genuine, near the start": "genuine proximal",
    }.items():
        found = [interval([cell[metric] for cell in table[f"{r:g}"].values()]) for r in _RADII]
        series[heading] = found
    drawn = save_tradeoff_png(
        folder / "tradeoff.png",
        _RADII,
        series,
        title="What adversarial training costs and gives",
        x_label="radius of the L2 ball in training",
    )
    return (
        (
            drawn,
            "Accuracy, robust accuracy and genuine share over the radius of adversarial training, "
            "with 95 % bands.",
        ),
    )


def _remark(table: Table) -> tuple[str, ...]:
    def mean(arm: str, metric: str) -> float:
        return interval([cell[metric] for cell in table[arm].values()]).mean

    arms = [f"{radius:g}" for radius in _RADII]
    free = [a for a in arms if mean(a, "accuracy") >= mean("0", "accuracy") - _AFFORDED]
    said = []
    for metric, how in {
        "genuine robust": "normalized steps",
        "genuine proximal": "Adam near the start",
    }.items():
        best = max(free, key=lambda arm: mean(arm, metric))
        top = max(arms, key=lambda arm: mean(arm, metric))
        said.append(
            f"By {how}, the largest genuine share for at most {100 * _AFFORDED:g} points of "
            f"accuracy is at radius {best}: {100 * mean(best, metric):.0f} % genuine, "
            f"{100 * mean(best, 'accuracy'):.1f} % accurate; the largest of all is at radius "
            f"{top}: {100 * mean(top, metric):.0f} %, {100 * mean(top, 'accuracy'):.1f} % accurate."
        )
    return tuple(said)


TRADEOFF = Experiment(
    name="accuracy-robustness",
    question=(
        "As the radius of adversarial training grows, accuracy falls and robustness rises; what "
        "happens to genuine steering, and where is the best trade?"
    ),
    protocol=(
        "Every surrogate is the small CNN, trained for 8 epochs on 10,000 digits of the "
        "surrogates' split, drawn afresh for each seed and turned afresh in every epoch, against "
        "3 gradient steps in an L2 ball whose radius grows over the first 40 % of the training.",
        "Robust accuracy: 200 test images, L2 ball of 1.0, 20 steps of projected gradient descent. "
        "Steering: 180 pairs of different digits, by normalized gradient steps in pixels (method "
        "robust) and by Adam near the start (method proximal).",
        f"The best trade is the largest genuine share among radii that lose at most "
        f"{100 * _AFFORDED:g} points of accuracy.",
        "Fixed before the run: the claims below and their margins.",
    ),
    arms=tuple(_arm(radius) for radius in _RADII),
    claims=(
        Claim("a ball of 2 raises the genuine share over none", "2", "0", "genuine robust", 0.1),
        Claim("a ball of 2 raises it near the start as well", "2", "0", "genuine proximal", 0.1),
        Claim("a ball of 2 lowers accuracy", "2", "0", "accuracy", 0.01, lower=True),
    ),
    shown={
        "accuracy": "accuracy %",
        "robust l2 0.5": "robust, L2 0.5 %",
        "robust l2 1": "robust, L2 1.0 %",
        "robust l2 1.5": "robust, L2 1.5 %",
        "genuine robust": "genuine, normalized steps %",
        "genuine proximal": "genuine, near the start %",
        "adversarial proximal": "adversarial, near the start %",
        "judges' confidence robust": "judges' confidence %",
    },
    draw=_draw,
    remark=_remark,
)
