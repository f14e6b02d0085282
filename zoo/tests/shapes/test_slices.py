import numpy as np
import pytest
from PIL import Image

from xhat_zoo.shapes.slices import Arrows, FieldSlice, save_slices_png

X, Y = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 31))
DISC = np.hypot(X, Y) - 0.5
EXTENT = (-1.0, 1.0, -1.0, 1.0)
ANGLES = np.linspace(0, 2 * np.pi, 12, endpoint=False)
AROUND = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


def test_slices_stand_side_by_side_and_repeat(tmp_path):
    slices = [
        FieldSlice("plain", DISC, DISC, EXTENT),
        FieldSlice("ways", DISC, DISC, EXTENT, paths=[AROUND, AROUND / 2], discs=[(0, 0, 0.5)]),
        FieldSlice("arrows", DISC, DISC, EXTENT, arrows=Arrows(AROUND / 2, AROUND, ANGLES)),
    ]
    first = save_slices_png(tmp_path / "a.png", slices, title="Discs", note="a note")
    again = save_slices_png(tmp_path / "b.png", slices, title="Discs", note="a note")
    assert first.read_bytes() == again.read_bytes()
    with Image.open(first) as image:
        assert image.width == 1920


def test_a_truth_that_differs_is_seen(tmp_path):
    same = save_slices_png(tmp_path / "a.png", [FieldSlice("a", DISC, DISC, EXTENT)])
    other = save_slices_png(tmp_path / "b.png", [FieldSlice("a", DISC, DISC + 0.1, EXTENT)])
    assert same.read_bytes() != other.read_bytes()


@pytest.mark.parametrize(
    ("values", "truth", "message"),
    [
        (DISC, DISC[1:], r"two planes \(h, w\) of one shape"),
        (DISC[0], DISC[0], r"two planes \(h, w\) of one shape"),
        (DISC * np.nan, DISC, "must be finite"),
    ],
)
def test_rejects_what_is_no_slice(values, truth, message):
    with pytest.raises(ValueError, match=message):
        FieldSlice("a", values, truth, EXTENT)


def test_rejects_nothing_to_draw(tmp_path):
    with pytest.raises(ValueError, match="slices is empty"):
        save_slices_png(tmp_path / "a.png", [])
