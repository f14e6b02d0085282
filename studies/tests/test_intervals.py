import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from studies.report.intervals import _limits, _Plan, save_intervals_png
from studies.report.records import ArmRow
from studies.tests.studies import estimate, make_page
from xhat.report.palette import rgb
from xhat.report.plots import TINTS, WIDTH


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def near(picture, colour):
    """Where a picture has about that colour; it is saved in 256 of them."""
    return np.abs(picture - rgb(colour)).max(axis=-1) < 12


def test_the_figure_is_wide_and_every_panel_has_its_dots(tmp_path):
    page = make_page()
    picture, plan = pixels(save_intervals_png(tmp_path / "a.png", page)), _Plan(page)
    assert picture.shape[:2] == (int(plan.height * 160), 1920)
    assert picture[0, 0].tolist() == [255, 255, 255]
    top = plan.top(0) + plan.head
    for column, rows in enumerate((3, 2)):  # the last arm has no distance
        left = round(160 * (0.35 + plan.gutter + column * (plan.panel + 0.3)))
        part = near(picture, TINTS[0])[:, left : left + round(160 * plan.panel)]
        for k in range(3):
            middle = round(160 * (top + (k + 0.5) * 0.5))
            assert part[middle - 6 : middle + 6].any() == (k < rows)


def test_the_answer_stands_below_in_its_colour(tmp_path):
    page = make_page(1, answer="supported")
    picture = pixels(save_intervals_png(tmp_path / "a.png", page))
    assert near(picture, "#007d73")[-90:].mean() > 0.01
    assert not near(picture, "#b84a00").any()


def test_the_same_study_gives_the_same_bytes_whatever_the_users_style(tmp_path):
    page, before = make_page(question="What costs $5 and $6? " * 20), dict(mpl.rcParams)
    first = save_intervals_png(tmp_path / "a.png", page).read_bytes()
    with mpl.rc_context({"font.size": 30.0, "axes.facecolor": "red", "savefig.dpi": 30}):
        assert save_intervals_png(tmp_path / "b.png", page).read_bytes() == first
    assert dict(mpl.rcParams) == before


def test_many_measurements_stand_in_several_lines_of_panels():
    shown = {f"m{k}": "a heading that is rather long for its panel" for k in range(7)}
    arms = (ArmRow("plain", "", {metric: estimate(0.5) for metric in shown}),)
    plan = _Plan(make_page(arms=arms, claims=(), shown=shown))
    assert (plan.lines, plan.across) == (2, 4)
    assert plan.gutter + 4 * plan.panel + 3 * 0.3 == pytest.approx(WIDTH - 0.7)
    assert plan.top(1) - plan.top(0) > plan.head + plan.tall


def test_an_axis_holds_what_matters():
    low, high = _limits([estimate(0.4, 0.02), estimate(0.6, 0.02)], 100)
    assert low < 36 < 64 < high
    assert _limits([estimate(0.99, 0.01)], 100)[1] < 101  # no share lies beyond 100 %
    assert _limits([estimate(5.0, 0.0)], 1)[0] < 5 < _limits([estimate(5.0, 0.0)], 1)[1]
    assert _limits([estimate(0.0, 0.0)], 1)[0] < 0
    wide = type(estimate(1.0))(1.0, -99.0, 101.0, (0.9, 1.1))
    low, high = _limits([wide], 1)
    assert -1 < low < 0.9 < 1.1 < high < 3  # a long bar is cut


def test_only_a_study_is_drawn(tmp_path):
    with pytest.raises(TypeError, match="StudyPage"):
        save_intervals_png(tmp_path / "a.png", "steering")  # pyright: ignore[reportArgumentType]
    assert not list(tmp_path.iterdir())
