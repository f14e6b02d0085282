import numpy as np
import pytest

from studies.tests.studies import estimate
from studies.tests.test_intervals import near, pixels
from xhat.report import CurvePanel, save_curves_png, save_tradeoff_png
from xhat.report.curves import _legend_rows
from xhat.report.plots import TINTS, spread

X = [0.0, 0.1, 0.3]


def test_a_tradeoff_has_a_line_a_band_and_a_name_for_every_series(tmp_path):
    series = {
        "clean": [0.99, 0.98, 0.9],
        "under $ attack": [estimate(y, 0.05) for y in (0, 0.6, 1)],
    }
    path = save_tradeoff_png(tmp_path / "a.png", X, series, x_label="radius", title="t", note="n")
    picture = pixels(path)
    assert picture.shape[1] == 1920
    for tint in TINTS[:2]:
        assert near(picture, tint).sum() > 2000
    assert not near(picture, TINTS[2]).any()
    again = save_tradeoff_png(tmp_path / "b.png", X, series, x_label="radius", title="t", note="n")
    assert again.read_bytes() == path.read_bytes()


def test_a_name_keeps_its_colour_in_every_panel(tmp_path):
    middle = np.array([1.0, 0.5, 0.2])
    panels = [
        CurvePanel("a", "epoch", "loss", {"plain": (X, middle, middle - 1, middle + 1)}),
        CurvePanel("b", "rate", "share, %", {"robust": ([0.1, 1], [0.2, 0.4])}, log_x=True),
    ]
    picture = pixels(save_curves_png(tmp_path / "a.png", panels, note="3 seeds"))
    below = picture[120:]  # the legend names both at the top
    for k, half in enumerate((below[:, :960], below[:, 960:])):
        assert near(half, TINTS[k]).any()
        assert not near(half, TINTS[1 - k]).any()


def test_names_are_moved_apart_and_stay_inside():
    wanted = {"a": 0.5, "b": 0.52, "c": 0.99, "d": 0.01}
    heights = dict.fromkeys(wanted, 0.1)
    places = spread(wanted, heights)
    assert places["b"] - places["a"] == pytest.approx(0.1)
    assert (places["c"], places["d"]) == (0.95, 0.05)
    crowd = spread(dict.fromkeys("abcdef", 0.98), dict.fromkeys("abcdef", 0.1))
    assert np.diff(sorted(crowd.values())).min() >= 0.1 - 1e-6
    assert max(crowd.values()) <= 0.95 + 1e-6


def test_a_legend_breaks_into_lines():
    rows = _legend_rows([f"a rather long name of the line {k}" for k in range(8)])
    assert len(rows) > 1
    assert sum(map(len, rows)) == 8


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ({}, "at least one line"),
        ({"a": (X,)}, r"the line 'a' must be \(x, y\) or \(x, mean, low, high\)"),
        ({"a": (X, X, X)}, "the line 'a' must be"),
        ({"a": (X, X[:2])}, "each of n numbers"),
        ({"a": ([], [])}, "each of n numbers"),
        ({"a": (X, [0, 1, float("nan")])}, "must have finite x and y"),
        ({"a": (X, [0, 1, float("inf")])}, "must have finite x and y"),
        ({"a": (X, X, X, [float("nan")] * 3)}, "finite"),
    ],
)
def test_lines_that_cannot_be_drawn_are_refused(lines, sentence):
    with pytest.raises(ValueError, match=sentence):
        CurvePanel("t", "x", "y", lines)


def test_bad_requests_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="above 0 on a log axis"):
        CurvePanel("t", "x", "y", {"a": (X, X)}, log_x=True)
    with pytest.raises(ValueError, match="panels is empty"):
        save_curves_png(tmp_path / "a.png", [])
    with pytest.raises(TypeError, match="CurvePanel"):
        save_curves_png(tmp_path / "a.png", ["a"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="one value for each of 3 x, but has 2"):
        save_tradeoff_png(tmp_path / "a.png", X, {"a": [0.1, 0.2]}, x_label="radius")
    with pytest.raises(ValueError, match="at least one line"):
        save_tradeoff_png(tmp_path / "a.png", X, {}, x_label="radius")
    assert not list(tmp_path.iterdir())
