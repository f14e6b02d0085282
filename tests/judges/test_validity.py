"""The promise of a judge: real samples are flagged at most as often as ``alpha`` says."""

import math

import pytest
import torch

from tests.judges.world import Centres, gaussians
from xhat.core import generator
from xhat.judges import Judge, Jury, Likelihood, Neighbours, Outcome

APART = 8.0
SPLITS, HALF, TEST = 30, 199, 200


def jury():
    noise = 0.5 * torch.randn(2, 3, 6, generator=generator(0, "jury"))
    first, second = (Centres(APART * torch.eye(3, 6) + part).eval() for part in noise)
    return Jury((first, second), ("first", "second"), classes=3)


def first_half(x):
    return x[:, :3]


def splits(alpha):
    """Yield judges with and without labels, and new real samples for each pair."""
    x, labels = gaussians(SPLITS * (2 * HALF + TEST), 7)
    known, theirs = gaussians(400, 8)
    axes = (
        Neighbours("all", known, labels=theirs, k_dimension=20),
        Neighbours("half", known, first_half, theirs),
        Likelihood("likelihood", known, typicality=True),
    )
    order = torch.randperm(len(x), generator=generator(1))
    for part in order.split(2 * HALF + TEST):
        usual, new = part[: 2 * HALF], part[2 * HALF :]
        both = [
            Judge.assemble(jury(), axes, (known, theirs), (x[usual], labels[usual]), alpha),
            Judge.assemble(None, axes, (known, None), (x[usual], None), alpha),
        ]
        yield both, x[new], labels[new]


@pytest.fixture(scope="module")
def judged():
    """Verdicts on new real samples, and on the same moved, of 30 judges of each kind."""
    real, moved = ([], []), ([], [])
    for both, x, labels in splits(0.03):
        for kind, judge in enumerate(both):
            target = labels if kind == 0 else None
            real[kind].append(judge.judge(x, target))
            moved[kind].append(judge.judge(x[:50] + 2.5, None if target is None else labels[:50]))
    return real, moved


def slack(alpha):
    """Three standard deviations of a share over all splits."""
    return 3 * math.sqrt(alpha * (1 - alpha) / SPLITS * (1 / HALF + 1 / TEST))


@pytest.mark.parametrize("kind", [0, 1], ids=["labels", "no labels"])
@pytest.mark.parametrize("alpha", [0.03, 0.1, 0.3])
def test_real_samples_are_flagged_as_often_as_allowed_and_no_more(judged, kind, alpha):
    real, moved = judged
    share = float(torch.cat([found.p for found in real[kind]]).le(alpha).double().mean())
    assert 0.75 * alpha - slack(alpha) <= share <= alpha + slack(alpha)
    far = torch.cat([found.p for found in moved[kind]]).le(alpha).double().mean()
    assert float(far) > 0.95


@pytest.mark.parametrize("kind", [0, 1], ids=["labels", "no labels"])
def test_what_is_not_flagged_is_genuine(judged, kind):
    for found in judged[0][kind]:
        genuine = [outcome is Outcome.GENUINE for outcome in found.outcomes]
        assert genuine == (found.p > 0.03).tolist()


@pytest.mark.parametrize("kind", [0, 1], ids=["labels", "no labels"])
def test_every_axis_has_valid_p_values(judged, kind):
    for axis in range(len(judged[0][kind][0].axes)):
        p = torch.cat([found.axes[axis].p for found in judged[0][kind]])
        for k in (4, 10, 40, 100):  # of 1 + HALF = 200
            assert float((p <= k / 200).double().mean()) <= k / 200 + slack(k / 200)


def test_alpha_may_be_given_late():
    early, late = next(splits(0.3)), next(splits(0.03))
    for first, second in zip(early[0], late[0], strict=True):
        x, labels = early[1], early[2] if first.jury else None
        one, other = first.judge(x, labels), second.judge(x, labels, alpha=0.3)
        assert one.outcomes == other.outcomes != second.judge(x, labels).outcomes
        assert torch.equal(one.p, other.p)
        assert one.alpha == other.alpha == 0.3


def test_samples_of_the_wrong_target_have_small_p_values():
    (judge, _), x, labels = next(splits(0.03))
    found = judge.judge(x, (labels + 1) % 3)
    assert float((found.p <= 0.02).double().mean()) > 0.95
    assert found.counts()[Outcome.MISTAKEN] > 0.9 * len(x)
