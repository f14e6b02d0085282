import math

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score, roc_curve
from torchmetrics.classification import MulticlassCalibrationError

from xhat.core import generator
from xhat.metrics import auroc, brier, expected_calibration_error, fpr_at_tpr, nll

N, K = 400, 5


def forecasts(seed: int = 0, sharp: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels drawn from their softmax at a temperature of 1.5: too certain."""
    random = generator(seed, "forecasts")
    logits = sharp * torch.randn(N, K, generator=random)
    labels = (logits / 1.5).softmax(dim=1).multinomial(1, generator=random)[:, 0]
    return logits, labels


def scores(ties: bool) -> tuple[torch.Tensor, torch.Tensor]:
    random = generator(0, "scores")
    both = torch.randn(90, generator=random) + 1.0, torch.randn(130, generator=random)
    return tuple((4 * part).round() for part in both) if ties else both


def test_likelihood_and_brier_are_scikit_learns():
    logits, labels = forecasts()
    p = logits.double().softmax(dim=1).numpy()
    assert nll(logits, labels) == pytest.approx(log_loss(labels, p), rel=1e-9)
    assert brier(logits, labels) == pytest.approx(brier_score_loss(labels, p), rel=1e-9)


@pytest.mark.parametrize("bins", [1, 10, 15])
@pytest.mark.parametrize("sharp", [0.5, 3.0])
def test_calibration_error_is_torchmetrics(bins, sharp):
    logits, labels = forecasts(sharp=sharp)
    reference = MulticlassCalibrationError(K, n_bins=bins, norm="l1")
    expected = float(reference(logits.double().softmax(dim=1), labels))
    assert expected_calibration_error(logits, labels, bins) == pytest.approx(expected, abs=1e-6)


def test_calibration_error_by_hand():
    p = torch.tensor([0.6, 0.6, 0.9, 0.9], dtype=torch.float64)  # two bins of ten
    logits = torch.stack((p, 1 - p), dim=1).log()
    labels = torch.tensor([0, 1, 0, 0])  # right in half, and in all
    found = expected_calibration_error(logits, labels, bins=10)
    assert found == pytest.approx(0.5 * 0.1 + 0.5 * 0.1)
    assert expected_calibration_error(logits, labels, 1) == pytest.approx(0.0)


def test_who_is_certain_and_right_is_perfect_and_who_knows_nothing_is_not():
    labels = torch.arange(K)
    certain = 1e4 * torch.eye(K)
    for measure in (nll, brier, expected_calibration_error):
        assert measure(certain, labels) == 0
        assert measure(certain, labels.roll(1)) > 0.99
    assert nll(torch.zeros(K, K), labels) == pytest.approx(math.log(K))
    assert brier(torch.zeros(K, K), labels) == pytest.approx(1 - 1 / K)


@pytest.mark.parametrize("ties", [False, True])
def test_the_area_is_scikit_learns_and_counts_pairs(ties):
    positive, negative = scores(ties)
    truth = np.repeat([1, 0], [len(positive), len(negative)])
    expected = roc_auc_score(truth, torch.cat((positive, negative)))
    assert auroc(positive, negative) == pytest.approx(expected, abs=1e-12)
    above = (positive[:, None] > negative).double() + 0.5 * (positive[:, None] == negative)
    assert auroc(positive, negative) == pytest.approx(float(above.mean()), abs=1e-12)
    assert auroc(negative, positive) == pytest.approx(1 - expected, abs=1e-12)


@pytest.mark.parametrize("tpr", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("ties", [False, True])
def test_the_rate_is_that_of_scikit_learns_curve(ties, tpr):
    positive, negative = scores(ties)
    truth = np.repeat([1, 0], [len(positive), len(negative)])
    curve = roc_curve(truth, torch.cat((positive, negative)), drop_intermediate=False)
    false, true = curve[:2]
    assert fpr_at_tpr(positive, negative, tpr) == pytest.approx(false[true >= tpr - 1e-12].min())


def test_scores_may_be_infinite_and_never_nan():
    inf = math.inf
    assert auroc(torch.tensor([inf, 1.0]), torch.tensor([0.0, -inf])) == 1
    assert auroc(torch.tensor([inf]), torch.tensor([inf])) == 0.5
    assert fpr_at_tpr(torch.tensor([1.0, inf]), torch.tensor([-inf, 0.0, inf])) == 1 / 3
    for bad in (
        lambda: auroc(torch.tensor([math.nan]), torch.ones(1)),
        lambda: fpr_at_tpr(torch.ones(1), torch.tensor([math.nan])),
    ):
        with pytest.raises(ValueError, match=r"scores must be finite.*NaN"):
            bad()


GOOD = torch.zeros(3, 2)


@pytest.mark.parametrize("measure", [nll, brier, expected_calibration_error])
@pytest.mark.parametrize(
    ("logits", "labels", "kind", "said"),
    [
        (GOOD, torch.tensor([0, 1]), ValueError, r"one label for each.*2 came for 3"),
        (GOOD, torch.tensor([0, 1, 2]), ValueError, r"labels must lie in \[0, 1\].*to 2"),
        (GOOD, torch.tensor([0.0, 1.0, 1.0]), TypeError, r"class indices, not float32"),
        (GOOD, torch.tensor([True, False, True]), TypeError, r"class indices, not bool"),
        (GOOD, torch.zeros(3, 1, dtype=torch.long), ValueError, r"labels must have 1 axes"),
        (GOOD[:, :1], torch.zeros(3, dtype=torch.long), ValueError, r"at least 2 classes"),
        (GOOD.long(), torch.tensor([0, 1, 1]), TypeError, r"floating point"),
        (GOOD * torch.nan, torch.tensor([0, 1, 1]), ValueError, r"finite"),
        (GOOD[:0], torch.tensor([]), ValueError, r"empty"),
    ],
)
def test_rejects_forecasts_that_do_not_fit(measure, logits, labels, kind, said):
    with pytest.raises(kind, match=said):
        measure(logits, labels)


def test_rejects_numbers_out_of_range():
    with pytest.raises(ValueError, match=r"bins must be a whole number from 1"):
        expected_calibration_error(GOOD, torch.tensor([0, 1, 1]), 0)
    for tpr in (0.0, 1.0):
        with pytest.raises(ValueError, match=r"tpr must"):
            fpr_at_tpr(torch.ones(2), torch.ones(2), tpr)
    with pytest.raises(ValueError, match=r"1 axes"):
        auroc(torch.ones(2, 2), torch.ones(2))
    with pytest.raises(TypeError, match=r"floating point"):
        auroc(torch.ones(2, dtype=torch.long), torch.ones(2))
