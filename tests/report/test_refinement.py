import math

import pytest
from PIL import Image

from xhat.report import save_gaps_png

GAPS = [[0.5, 0.8, 0.3], [], [0.05, 0.0]]
BEST = [(3, math.nan), (5, 0.3), (7, 0.01)]


def test_draws_the_same_picture_twice(tmp_path):
    a = save_gaps_png(tmp_path / "a.png", GAPS, BEST, tolerance=0.05, title="A title", note="Note.")
    b = save_gaps_png(tmp_path / "b.png", GAPS, BEST, tolerance=0.05, title="A title", note="Note.")
    assert a.read_bytes() == b.read_bytes()
    with Image.open(a) as picture:
        assert picture.width > 1500
    other = save_gaps_png(tmp_path / "c.png", GAPS, BEST, title="A title", note="Note.")
    assert other.read_bytes() != a.read_bytes()


def test_a_single_round_without_a_best_is_drawn(tmp_path):
    assert save_gaps_png(tmp_path / "a.png", [[0.2]], [(1, math.nan)]).exists()
    assert save_gaps_png(tmp_path / "b.png", [[0.2]], [(1, 0.0)]).exists()


@pytest.mark.parametrize(
    ("gaps", "best", "words"),
    [
        ([], [], "one entry for each round"),
        (GAPS, BEST[:2], "one entry for each round"),
        ([[0.1, -0.1]], BEST[:1], "every gap must be finite"),
        ([[math.nan]], BEST[:1], "every gap must be finite"),
        ([[0.1]], [(1, -2.0)], "every best error"),
        ([[0.0]], BEST[:1], "no gap above 0"),
    ],
)
def test_what_cannot_be_drawn_is_told(tmp_path, gaps, best, words):
    with pytest.raises(ValueError, match=words):
        save_gaps_png(tmp_path / "a.png", gaps, best)
    assert not list(tmp_path.iterdir())
