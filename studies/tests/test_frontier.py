import pytest
from PIL import Image

from studies.report.frontier import FrontierDot, best, save_frontier_png

DOTS = [
    FrontierDot("near", 0.9, 4.0, 0.9),
    FrontierDot("alike", 1.5, 1.2, 0.6),
    FrontierDot("beaten", 1.5, 4.1, 1.0),
    FrontierDot("between", 1.2, 2.0, 0.8),
]
LABELS = {"x_label": "moved", "y_label": "Fréchet", "share_label": "genuine, %"}


def test_the_front_is_what_nothing_beats_in_both():
    assert [dot.name for dot in best(DOTS)] == ["near", "between", "alike"]


def test_draws_the_same_picture_twice(tmp_path):
    a = save_frontier_png(tmp_path / "a.png", DOTS, **LABELS, title="A title", note="A note.")
    b = save_frontier_png(tmp_path / "b.png", DOTS, **LABELS, title="A title", note="A note.")
    assert a.read_bytes() == b.read_bytes()
    with Image.open(a) as picture:
        assert picture.width > 1500


def test_what_cannot_be_drawn_is_told(tmp_path):
    with pytest.raises(ValueError, match="two dots or more, with y above 0"):
        save_frontier_png(tmp_path / "a.png", DOTS[:1], **LABELS)
    with pytest.raises(ValueError, match="two dots or more, with y above 0"):
        save_frontier_png(tmp_path / "a.png", [*DOTS, FrontierDot("zero", 1, 0, 1)], **LABELS)
    assert not list(tmp_path.iterdir())
