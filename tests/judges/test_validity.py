"""The promise of the panel: real samples are flagged at most as often as ``alpha`` says."""

import math

import pytest
import torch

from tests.judges.world import Centres, gaussians
from xhat.core import generator
from xhat.judges import Jury, Outcome, Panel, pixels

APART = 8.0
SPLITS, CALIBRATION, TEST = 30, 199, 400


def jury(seed: int = 0) -> Jury:
    noise = 0.3 * torch.randn(2, 3, 6, generator=generator(seed, "jury"))
    first, second = (Centres(APART * torch.eye(3, 6) + part).eval() for part in noise)
    return Jury((first, second), ("first", "second"), classes=3)


def first_half(x):
    return x[:, :3]


def panels(alpha):
    """Yield panels that differ in their calibration samples, with new real samples for each."""
    pool, labels = gaussians(SPLITS * (CALIBRATION + TEST), 7)
    order = torch.randperm(len(pool), generator=generator(1)).split(CALIBRATION + TEST)
    for part in order:
        calibration, test = part[:CALIBRATION], part[CALIBRATION:]
        panel = Panel.fit(
            jury(),
            {"all": pixels, "half": first_half},
            gaussians(500, 8),
            (pool[calibration], labels[calibration]),
            alpha,
        )
        yield panel, pool[test], labels[test]


def slack(p: float) -> float:
    """Three standard deviations of a share over all splits."""
    return 3 * math.sqrt(p * (1 - p) / SPLITS * (1 / CALIBRATION + 1 / TEST))


@pytest.mark.parametrize("alpha", [0.03, 0.1, 0.3])
def test_real_samples_are_flagged_at_most_as_often_as_allowed(alpha):
    flagged, moved = [], []
    for panel, x, labels in panels(alpha):
        outcomes = panel.judge(x, labels).outcomes
        flagged += [outcome is not Outcome.GENUINE for outcome in outcomes]
        moved += [o is not Outcome.GENUINE for o in panel.judge(x + 3, labels).outcomes]
    share = sum(flagged) / len(flagged)
    assert alpha / 6 < share <= alpha + slack(alpha)  # and the limits are not merely lax
    assert sum(moved) / len(moved) > 0.9


def test_every_axis_has_valid_p_values_that_are_as_small_as_they_can_be():
    axes = {"meaning": [], "all": [], "half": [], "likelihood": []}
    for panel, x, labels in panels(0.1):
        found = panel.judge(x, labels)
        axes["meaning"].append(found.meaning.p)
        for axis in found.manifold:
            axes[axis.name].append(axis.p)
    for name, parts in axes.items():
        p = torch.cat(parts)
        for k in (4, 10, 40, 100):  # of 1 + CALIBRATION = 200
            share = float((p <= k / 200).float().mean())
            assert share <= k / 200 + slack(k / 200)
            if name != "meaning":  # where probabilities of exactly 1 tie, it is on the safe side
                assert share >= k / 200 - slack(k / 200)


def test_samples_of_the_wrong_target_have_small_p_values():
    panel, x, labels = next(panels(0.1))
    assert bool((panel.judge(x, (labels + 1) % 3).meaning.p <= 0.02).float().mean() > 0.95)
