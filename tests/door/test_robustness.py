"""How much change a classifier withstands."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression

import xhat
from xhat.door.robust import Robust


def digits() -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    data = load_digits()
    x, y = data.images[:, None] / 16, data.target
    fitted = LogisticRegression(max_iter=400, C=0.05).fit(x[400:].reshape(-1, 64), y[400:])
    linear = torch.nn.Linear(64, 10)
    linear.weight.data = torch.tensor(fitted.coef_, dtype=torch.float32)
    linear.bias.data = torch.tensor(fitted.intercept_, dtype=torch.float32)
    net = torch.nn.Sequential(torch.nn.Flatten(), linear).eval()
    return net, torch.tensor(x[:30], dtype=torch.float32), torch.tensor(y[:30])


@pytest.fixture(scope="module")
def found() -> Robust:
    net, x, y = digits()
    norms = ["linf", "l2", "l1", "l0"]
    return xhat.robustness(net, x, y, norms=norms, attack="quick")


def test_a_linear_classifier_withstands_what_it_must(found):
    net, x, y = digits()
    weights, logits = net[1].weight.detach(), net(x).detach()
    own = logits.gather(1, y[:, None])
    for norm, dual in (("linf", 1), ("l2", 2), ("l1", torch.inf)):
        gaps = torch.linalg.vector_norm(weights[:, None] - weights[None], ord=dual, dim=2)[y]
        apart = (own - logits) / gaps.clamp_min(1e-9)
        least = apart.scatter(1, y[:, None], torch.inf).amin(dim=1)
        curve, right = found.curves[norm], found.right
        assert (curve.distances[right] >= least[right] - 1e-4).all()  # no bounds in the formula
        assert curve.distances[right].median() <= 1.3 * least[right].median()
    assert found.curves["l0"].distances[found.right].min() >= 1


def test_a_curve_falls_and_its_intervals_hold_it(found):
    for curve in found.curves.values():
        assert list(curve.shares) == sorted(curve.shares, reverse=True)
        assert curve.shares[0] <= found.accuracy
        for share, (low, high) in zip(curve.shares, curve.intervals, strict=True):
            assert low - 1e-9 <= share <= high + 1e-9
    assert not found.warnings
    assert len(found.table()) == 1 + sum(len(curve.radii) for curve in found.curves.values())


def test_what_was_found_is_misread(found):
    net, _, y = digits()
    for curve in found.curves.values():
        nearest = curve.nearest
        assert torch.equal(net(nearest.x).argmax(dim=1) != y, nearest.reached)


def test_masked_gradients_are_noticed():
    net, x, y = digits()

    def masked(x):
        return net((8 * x).round() / 8 + 0 * x)

    with torch.no_grad():
        right = masked(x).argmax(dim=1) == y
    found = xhat.robustness(masked, x[right], y[right], norms=["linf"], radii=[0.3], attack="quick")
    said = " ".join(found.warnings)
    assert "the gradient is zero" in said
    assert "random squares fool" in said
    assert found.curves["linf"].shares[0] < 1


def test_a_table_counts_in_ranges_and_makes_a_page(tmp_path):
    wine = load_wine()
    fitted = LogisticRegression(max_iter=5000).fit(wine.data, wine.target)
    weights, bias = (
        torch.tensor(part, dtype=torch.float32) for part in (fitted.coef_, fitted.intercept_)
    )
    x = wine.data[::6].astype(np.float32)

    def probable(x):
        return (x @ weights.T + bias).softmax(dim=1)

    found = xhat.robustness(
        probable, x, wine.target[::6], norms=["l1"], attack="quick", limits=None
    )
    assert found.ranged
    assert found.x.max() <= 1
    assert any("probabilities" in note for note in found.notes)
    page = found.report(tmp_path)
    assert "feature" in page.read_text()
    assert "shares of each feature" in page.read_text()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"norms": "linf"}, ValueError, "norms must be a list"),
        ({"norms": ["l9"]}, ValueError, "l0, but is 'l9'"),
        ({"attack": "huge"}, ValueError, "quick, standard, thorough"),
        ({"radii": 0.1}, ValueError, "radii must be a list"),
        ({"labels": [0, 1]}, ValueError, "one label for each input"),
        ({"labels": [0.5] * 30}, TypeError, "class indices"),
        ({"labels": [99] * 30}, ValueError, "the labels"),
        ({"limits": 3}, TypeError, "limits"),
    ],
)
def test_bad_input_is_one_sentence(options, error, said):
    net, x, y = digits()
    with pytest.raises(error, match=said):
        xhat.robustness(net, x, **{"labels": y, **options})
