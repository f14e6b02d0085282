"""A judge fitted to data of any kind; real data where it is small enough to come with a library."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_iris

from tests.judges.world import gaussians
from xhat.core import generator
from xhat.judges import Judge, Outcome
from xhat.judges.fitting import crossed_scores, default_axes, default_jury, split_reference

ALPHA = 0.1


def halves(x, y, share=0.75, seed=0):
    """Return what a judge is fitted to and what it has not seen, in random order."""
    x, y = torch.as_tensor(x).float(), torch.as_tensor(y).long()
    order = torch.randperm(len(x), generator=generator(seed, "order"))
    known, new = order[: round(share * len(x))], order[round(share * len(x)) :]
    return (x[known], y[known]), (x[new], y[new])


def slack(judge, n, alpha=ALPHA):
    return 3 * math.sqrt(alpha * (1 - alpha) * (1 / len(judge.calibration.whole) + 1 / n))


def flagged(found):
    return float((found.p <= found.alpha).double().mean())


def scrambled(x, seed=0):
    """Every feature from another sample, so that nothing fits together."""
    rows = torch.randint(len(x), x.shape, generator=generator(seed, "scrambled"))
    return x.flatten(1).gather(0, rows.flatten(1)).reshape(x.shape)


def mixed(x, y):
    """The mean of two samples of different classes, as the class of the first."""
    order = torch.randperm(len(x), generator=generator(0, "mixed"))
    other = y != y[order]
    return (x[other] + x[order][other]) / 2, y[other]


@pytest.fixture(scope="module")
def images():
    """A judge of the 8 x 8 digits of the UCI repository, and images that it has not seen."""
    x, y = load_digits(return_X_y=True)
    known, new = halves(x.reshape(-1, 1, 8, 8) / 16, y)
    return Judge.fit(*known, alpha=ALPHA), *new


@pytest.fixture(scope="module")
def table():
    """A judge of 30 measurements of tumours, of very different sizes, and others."""
    known, new = halves(*load_breast_cancer(return_X_y=True))
    return Judge.fit(*known, alpha=ALPHA), *new


KINDS = ["images", "table"]
JURIES = {
    "images": ("wide convolutions", "residual network"),
    "table": ("trees", "network", "kernel"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_real_samples_are_flagged_as_rarely_as_promised(kind, request):
    judge, x, labels = request.getfixturevalue(kind)
    found = judge.judge(x, labels)
    assert flagged(found) <= ALPHA + slack(judge, len(x))
    counts = found.counts()
    usual = counts[Outcome.GENUINE] + counts[Outcome.UNDECIDED]
    assert usual == round((1 - flagged(found)) * len(x))
    assert counts[Outcome.GENUINE] > 0.85 * usual
    assert judge.jury.names == JURIES[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_targets_are_mistaken(kind, request):
    judge, x, labels = request.getfixturevalue(kind)
    found = judge.judge(x, (labels + 1) % judge.jury.classes)
    assert flagged(found) > 0.9
    assert found.counts()[Outcome.MISTAKEN] > 0.7 * len(x)


@pytest.mark.parametrize("kind", KINDS)
def test_planted_outliers_are_flagged(kind, request):
    judge, x, labels = request.getfixturevalue(kind)
    far = x + 5 * x.std(dim=0) * torch.randn(x.shape, generator=generator(0))
    for outliers in (scrambled(x), far, -x, x + 100 * x.std(dim=0)):
        assert flagged(judge.judge(outliers, labels)) > 0.9
    counts = judge.judge(scrambled(x), labels).counts()
    assert counts[Outcome.OUT_OF_DISTRIBUTION] > 0.5 * len(x)


def test_mixtures_of_classes_are_flagged(images):
    judge, x, labels = images
    for first in (True, False):
        found = judge.judge(*mixed(x, labels) if first else mixed(x.flip(0), labels.flip(0)))
        assert flagged(found) > 0.9


def test_the_promise_holds_over_splits_of_real_data():
    flags, n = [], 0
    for seed in range(8):
        (known, _), (new, _) = halves(*load_breast_cancer(return_X_y=True), seed=seed)
        judge = Judge.fit(known, alpha=ALPHA, seed=seed)
        flags.append(flagged(judge.judge(new)))
        n += len(new)
    # the splits overlap, so the bound is that of two independent ones
    assert ALPHA / 2 < np.mean(flags) < ALPHA + slack(judge, 143) / math.sqrt(2)


def waves(n, seed):
    """Real signals: a wave of one frequency, of any phase, whose height varies little."""
    source = generator(seed, "waves")
    phase = 2 * math.pi * torch.rand(n, 1, generator=source)
    height = 1 + 0.1 * torch.randn(n, 1, generator=source)
    t = torch.linspace(0, 4 * math.pi, 64)
    return height * torch.sin(t + phase) + 0.02 * torch.randn(n, 64, generator=source)


def test_signals_without_classes():
    judge = Judge.fit(waves(500, 0), alpha=ALPHA)
    assert judge.jury is None
    real = waves(300, 1)
    found = judge.judge(real)
    assert flagged(found) <= ALPHA + slack(judge, 300)
    assert found.target is None
    faint = real + 0.2 * torch.sin(20 * torch.linspace(0, 4 * math.pi, 64))  # a tone besides
    flat, louder = 0 * real + 0.01 * real, 3 * real
    for other in (faint, flat, louder, scrambled(real), real.roll(1, 0) + real):
        assert flagged(judge.judge(other)) > 0.85
    for other in (faint, louder):
        assert judge.judge(other).counts()[Outcome.ADVERSARIAL] == 0  # nobody was asked for a class


def test_images_without_classes(images):
    _, x, _ = images
    known, _ = halves(load_digits().images[:, None] / 16, load_digits().target)
    judge = Judge.fit(known[0], alpha=ALPHA)
    assert flagged(judge.judge(x)) <= ALPHA + slack(judge, len(x))
    assert flagged(judge.judge(scrambled(x))) > 0.9
    with pytest.raises(ValueError, match=r"shape \(n, 1, 8, 8\), like the reference"):
        judge.judge(x.flatten(1))


@pytest.mark.parametrize("shape", [(400,), (400, 1)])
def test_one_feature(shape):
    x = torch.randn(400, generator=generator(0)).reshape(shape)
    judge = Judge.fit(x, alpha=ALPHA)
    real = torch.randn(500, 1, generator=generator(1))
    assert flagged(judge.judge(real)) <= ALPHA + slack(judge, 500)
    found = judge.judge(torch.tensor([[0.0], [0.5], [-6.0], [6.0], [1000.0]]))
    wanted = [Outcome.GENUINE] * 2 + [Outcome.OUT_OF_DISTRIBUTION] * 3
    assert list(found.outcomes) == wanted


def test_one_feature_with_classes():
    labels = torch.arange(600) % 2
    x = 8.0 * labels[:, None] + torch.randn(600, 1, generator=generator(0))
    judge = Judge.fit(x[:400], labels[:400], alpha=ALPHA)
    assert flagged(judge.judge(x[400:], labels[400:])) <= ALPHA + slack(judge, 200)
    assert flagged(judge.judge(x[400:], 1 - labels[400:])) > 0.95
    between = torch.full((1, 1), 4.0)
    assert judge.judge(between, 0).outcomes[0] is not Outcome.GENUINE


def test_features_that_are_constant_or_of_other_units_are_no_trouble():
    x, labels = gaussians(600, 0)
    x = torch.cat([x * torch.tensor([1.0, 1e6, 1e-6, 1.0, 1.0, 1.0]), torch.ones(600, 1)], dim=1)
    x[:, 4] += 1e4
    judge = Judge.fit(x[:400], labels[:400], alpha=ALPHA)
    assert flagged(judge.judge(x[400:], labels[400:])) <= ALPHA + slack(judge, 200)
    moved, small = x[400:].clone(), x[400:].clone()
    moved[:, 6] += 1e4  # a little, in the units of the others
    small[:, 2] += 1e-4  # much, in its own
    for other in (moved, small):
        assert flagged(judge.judge(other, labels[400:])) > 0.95


@pytest.mark.parametrize("unit", [1.0, 1e5, 1e-5])
def test_a_feature_that_hardly_ever_varies_does_not_drown_the_others(unit):
    x = torch.randn(600, 5, generator=generator(0))
    x[:, 4] = 0.0
    x[[3, 77], 4] = 1e-6  # as the corner of an image
    x = unit * x
    judge = Judge.fit(x[:400], alpha=ALPHA)
    real = x[400:].clone()
    real[:, 4] = 1e-5 * unit
    assert flagged(judge.judge(real)) <= ALPHA + slack(judge, 200)
    real[:, 4] = 10.0 * unit
    assert flagged(judge.judge(real)) == 1


def test_more_features_than_samples():
    factors = torch.randn(3, 200, generator=generator(0))

    def some(n, seed):
        drawn = torch.randn(n, 3, generator=generator(seed, "some")) @ factors
        return drawn + 0.1 * torch.randn(n, 200, generator=generator(seed, "noise"))

    judge = Judge.fit(some(120, 1), alpha=0.2)
    assert flagged(judge.judge(some(300, 2))) <= 0.2 + slack(judge, 300, 0.2)
    assert flagged(judge.judge(scrambled(some(300, 3)))) > 0.9


def test_fitting_follows_the_seed_and_leaves_the_global_generator_alone():
    x, labels = gaussians(150, 0)
    before = torch.random.get_rng_state()
    first, again, other = (Judge.fit(x, labels, alpha=ALPHA, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    new, theirs = gaussians(50, 1)
    one, two, three = (judge.judge(new, theirs) for judge in (first, again, other))
    assert torch.equal(one.surprise, two.surprise)
    assert not torch.equal(one.surprise, three.surprise)


def test_progress_is_told():
    x, labels = gaussians(150, 0)
    told = []
    Judge.fit(x, labels, alpha=ALPHA, on_progress=lambda *record: told.append(record))
    assert {name for name, _, _ in told} == {"judge trees", "judge network", "judge kernel"}
    assert all(1 <= done <= total for _, done, total in told)
    assert told[-1][1] == told[-1][2]


def test_the_parts_are_disjoint_and_standardised():
    x, labels = gaussians(1000, 0)
    parts = split_reference(x, labels, 0)
    assert len(parts.reference) == 600
    assert len(parts.calibration) == len(parts.calibration_labels) == 400
    together = torch.cat([parts.reference, parts.calibration])
    assert torch.equal(torch.unique(together, dim=0), torch.unique(x, dim=0))
    seen = parts.standardised(parts.reference)
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.std(dim=0), torch.ones(6), atol=1e-5, rtol=0)
    names = [name for axis in default_axes(parts) for name in axis.names]
    assert names == [
        "nearest neighbours",
        "local dimension in nearest neighbours",
        "likelihood",
        "principal components",
    ]
    wide = split_reference(torch.randn(100, 2000, generator=generator(0)), None, 0)
    assert "likelihood" not in [name for axis in default_axes(wide) for name in axis.names]
    with pytest.raises(ValueError, match="a jury needs labels"):
        default_jury(wide, 0)


def test_few_samples_serve_for_both_and_are_scored_by_what_others_taught():
    x, labels = gaussians(150, 0)
    parts = split_reference(x, labels, 0)
    assert parts.crossed
    assert torch.equal(parts.reference, parts.calibration)
    judge = Judge.fit(x, labels)
    assert len(judge.calibration.whole) == 150
    axes = default_axes(parts)
    scores = crossed_scores(parts, axes, 0)
    own = torch.cat([axis.scores(parts.reference) for axis in axes], dim=1)
    assert scores.shape == own.shape
    likelihood = [name for axis in axes for name in axis.names].index("likelihood")
    assert bool((scores > own)[:, likelihood].double().mean() > 0.7)  # what was not seen is farther


@pytest.mark.parametrize(
    ("n", "alpha", "outcome"), [(18, 0.05, "undecided"), (19, 0.05, "mistaken")]
)
def test_too_few_samples_for_alpha_leave_it_undecided_and_say_how_many_it_takes(n, alpha, outcome):
    x = (
        torch.randn(n, 2, generator=generator(0)) / 10
        + torch.tensor([[-3.0, 0], [3, 0]])[torch.arange(n) % 2]
    )
    judge = Judge.fit(x, torch.arange(n) % 2, alpha=alpha)
    verdict = judge.judge(torch.tensor([[3.0, 0.0]]), 0)[0]
    assert verdict.outcome == outcome
    told = "18 real samples tell what is usual, and it takes 19 to say"
    assert (told in verdict.rule) == (outcome == "undecided")


X, LABELS = gaussians(200, 0)


@pytest.mark.parametrize(
    ("x", "labels", "kind", "message"),
    [
        (X.long(), None, TypeError, "must be floating point"),
        ("nothing", None, TypeError, "must be a tensor or array of numbers"),
        (X.where(X[3, 2] != X, torch.nan), None, ValueError, "must be finite.*NaN"),
        (X.where(X[3, 2] != X, torch.inf), None, ValueError, "must be finite.*infinity"),
        (X[:0], None, ValueError, "is empty"),
        (torch.cat([X, X[7:9]]), None, ValueError, "2 of its 202 samples repeat another"),
        (load_iris().data, None, ValueError, r"1 of its 150 .*\(rows 101 and 142"),
        (X, LABELS.float(), TypeError, "integer classes from 0, but are float32"),
        (X, LABELS > 0, TypeError, "integer classes from 0, but are bool"),
        (X, LABELS[:199], ValueError, "has 200 samples, but 199 labels came"),
        (X, LABELS[:, None], ValueError, "the labels must have 1 axes"),
        (X, LABELS - 1, ValueError, "must be classes from 0, but one is -1"),
        (X, LABELS * 2, ValueError, "without gaps, but the counts are"),
        (X, LABELS * 0, ValueError, "at least 2 classes"),
        (X, (torch.arange(200) < 5).long(), ValueError, r"at least 6 .* counts are \[195, 5\]"),
        (X[:11], None, ValueError, "at least 12 real samples, .* has 11"),
    ],
)
def test_bad_references_are_refused(x, labels, kind, message):
    with pytest.raises(kind, match=message):
        Judge.fit(x, labels, alpha=ALPHA)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, float("nan")])
def test_alpha_is_a_share(alpha):
    with pytest.raises(ValueError, match="alpha must"):
        Judge.fit(X, alpha=alpha)


def test_arrays_of_double_precision_are_taken():
    judge = Judge.fit(X.double().numpy(), alpha=ALPHA)
    assert torch.equal(judge.judge(X).p, Judge.fit(X, alpha=ALPHA).judge(X).p)
