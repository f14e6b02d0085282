"""Should targets become softer as images become noisier?"""

from studies.runner.experiment import Claim, Experiment
from studies.surrogates import Plan, surrogate_arm

__all__ = ["NOISE_SOFTNESS"]

NOISE_SOFTNESS = Experiment(
    name="noise-softness",
    question=(
        "Under the same damaged images, are targets whose softness follows the damage better than "
        "fixed smoothing and than hard targets?"
    ),
    protocol=(
        "Every surrogate is the small CNN, trained for 8 epochs on 10,000 digits of the "
        "surrogates' split, drawn afresh for each seed and turned afresh in every epoch. Half of "
        "each batch is damaged by noise, blur or deformation of uniform severity.",
        "Proportional: a damaged image's label keeps the accuracy that a network, trained with "
        "hard labels under the same damage on nine tenths of the images, has on the last tenth at "
        "that severity. Even: all labels are smoothed by the mean of that.",
        "Calibration under damage: 300 test images, each damaged in three ways at five severities. "
        "Robust accuracy: 200 test images, L2 ball of 1.0, 20 steps of projected gradient descent. "
        "Steering: 180 pairs of different digits, by normalized gradient steps in pixels.",
        "Fixed before the run: the claims below and their margins.",
    ),
    arms=(
        surrogate_arm("no damage", "clean images, hard labels", Plan()),
        surrogate_arm("hard", "damaged images, hard labels", Plan(damage="hard")),
        surrogate_arm("even", "damaged images, even smoothing", Plan(damage="even")),
        surrogate_arm(
            "proportional",
            "damaged images, as soft as accuracy under the damage",
            Plan(damage="proportional"),
        ),
    ),
    claims=(
        Claim(
            "proportional softness lowers the calibration error under damage against hard labels",
            "proportional",
            "hard",
            "calibration error damaged",
            lower=True,
        ),
        Claim(
            "proportional softness lowers it against even smoothing",
            "proportional",
            "even",
            "calibration error damaged",
            lower=True,
        ),
        Claim(
            "proportional softness tells clothes from digits better than hard labels",
            "proportional",
            "hard",
            "AUROC clothes",
        ),
        Claim(
            "proportional softness raises the genuine share over hard labels",
            "proportional",
            "hard",
            "genuine robust",
        ),
    ),
    shown={
        "accuracy": "accuracy %",
        "accuracy under noise": "accuracy, noise %",
        "nll damaged": "NLL under damage",
        "calibration error damaged": "calibration error under damage %",
        "AUROC clothes": "AUROC clothes",
        "AUROC letters": "AUROC letters",
        "robust l2 1": "robust, L2 1.0 %",
        "genuine robust": "genuine %",
        "judges' confidence robust": "judges' confidence %",
    },
)
