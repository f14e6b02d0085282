"""Do soft targets make a surrogate robust, and steer a search to genuine samples?"""

from dataclasses import replace
from pathlib import Path

from studies.runner.experiment import Claim, Experiment
from studies.surrogates import Plan, labelled_arm, surrogate_arm
from xhat_zoo.digits.labelled import read_labelled

__all__ = ["SOFT_LABELS", "with_labels"]

_STILL = Plan(turned=False)
_ROBUST, _GENUINE = "robust l2 1", "genuine robust"

SOFT_LABELS = Experiment(
    name="soft-labels",
    question=(
        "Do soft targets, without augmentation, raise adversarial robustness and genuine steering "
        "over one-hot targets, and does even smoothing do less than smoothing that is aligned with "
        "what images look like?"
    ),
    protocol=(
        "Every surrogate is the small CNN, trained for 8 epochs on 10,000 rotated digits of the "
        "surrogates' split, drawn afresh for each seed; no image is changed in training.",
        "Aligned targets are machine labels: mean answers of networks that did not see the image "
        "(2 readers, 3 folds), each looking at 4 changed views. No person gave them.",
        "Even smoothing is as strong as machine labels are soft on the mean, so that only the "
        "direction of the softness differs. Class-aligned smoothing gives every image the mean "
        "machine label of its class.",
        "Robust accuracy: 200 test images, L2 ball of 1.0, 20 steps of projected gradient descent. "
        "Steering: 20 starts to 10 targets, 180 pairs of different digits, by normalized gradient "
        "steps in pixels (method robust) and by Adam near the start (method proximal).",
        "Fixed before the run: the claims below and their margins.",
    ),
    arms=(
        surrogate_arm("one-hot", "labels as they are", _STILL),
        surrogate_arm(
            "even",
            "label smoothing, as strong as machine labels are soft",
            Plan(turned=False, targets="as soft as machine"),
        ),
        surrogate_arm(
            "class-aligned",
            "the mean machine label of the image's class",
            Plan(turned=False, targets="machine by class"),
        ),
        surrogate_arm(
            "machine", "the machine label of each image", Plan(turned=False, targets="machine")
        ),
    ),
    claims=(
        Claim(
            "machine labels raise robust accuracy over one-hot",
            "machine",
            "one-hot",
            "robust l2 1",
        ),
        Claim(
            "machine labels raise the genuine share over one-hot",
            "machine",
            "one-hot",
            "genuine robust",
        ),
        Claim(
            "machine labels raise robust accuracy over even smoothing",
            "machine",
            "even",
            "robust l2 1",
        ),
        Claim(
            "machine labels make judges surer of the target than one-hot",
            "machine",
            "one-hot",
            "judges' confidence robust",
        ),
    ),
    shown={
        "accuracy": "accuracy %",
        "nll": "NLL, nats",
        "calibration error": "calibration error %",
        "robust l2 0.5": "robust, L2 0.5 %",
        "robust l2 1": "robust, L2 1.0 %",
        "genuine robust": "genuine %",
        "judges' confidence robust": "judges' confidence %",
        "AUROC clothes": "AUROC clothes",
    },
)


def with_labels(path: str | Path) -> Experiment:
    """Return the study with one arm more: collected labels where there are any.

    The arms, claims and cells of the study itself stay as they are; what is new has settings of its
    own, the checksum of the file among them.

    Args:
        path: of the ``labels.parquet`` of an export, of images of ``surrogate_train``.

    Raises:
        UnreadableFileError: the file is missing or damaged.
        ValueError: it is of other images.
    """
    found = read_labelled(path, "surrogate_train")
    name = "people" if found.annotators == "human" else "simulated people"
    voted = int(found.voted.sum())
    arm = labelled_arm(
        name,
        f"{found.annotators} labels of {voted:,} of {len(found.voted):,} images, else one-hot",
        _STILL,
        Path(path).resolve(),
        found.checksum,
    )
    claims = (
        Claim(f"labels by {name} raise robust accuracy over one-hot", name, "one-hot", _ROBUST),
        Claim(f"labels by {name} raise the genuine share over one-hot", name, "one-hot", _GENUINE),
    )
    sentence = (
        f"Labels by {name} are mean votes where there are any; all other images keep their label, "
        f"so that the arm differs from one-hot in {100 * voted / len(found.voted):.1f} % of images."
    )
    return replace(
        SOFT_LABELS,
        protocol=(*SOFT_LABELS.protocol, sentence),
        arms=(*SOFT_LABELS.arms, arm),
        claims=(*SOFT_LABELS.claims, *claims),
    )
