import numpy as np
import pytest
from PIL import Image, ImageColor

from xhat.judges import Outcome
from xhat.report import COLOURS
from xhat_zoo.digits.readings import StructureRow, save_readings_png, save_structures_png

GOOD, BAD = Outcome.GENUINE, Outcome.ADVERSARIAL


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def has(picture, outcome):
    colour = np.array(ImageColor.getrgb(COLOURS[outcome]))
    return bool((picture == colour).all(axis=-1).any())


def test_every_reading_has_its_image_and_the_colour_of_its_verdict(tmp_path):
    images = np.zeros((1, 1, 28, 28), dtype=np.float32)
    images[0, 0, :14] = 1.0  # the upper half
    path = save_readings_png(tmp_path / "a.png", images, [[(GOOD, BAD)]], title="T", lead="L")
    drawn = pixels(path)
    assert has(drawn, GOOD)
    assert has(drawn, BAD)
    assert not has(drawn, Outcome.MISTAKEN)
    columns = (drawn == 0).all(axis=-1)  # the black of images, above and below
    rows = np.flatnonzero(columns.sum(axis=1) >= 56)
    assert len(rows) == 56
    halves = columns[rows[0]].nonzero()[0].mean(), columns[rows[-1]].nonzero()[0].mean()
    assert halves[0] > halves[1]  # black is on top where it is turned, which is on the right


def test_only_where_both_readings_are_genuine_there_is_a_ground(tmp_path):
    ground = np.array(ImageColor.getrgb("#a6e5cb"))

    def shown(*pair):
        images = np.zeros((1, 1, 28, 28), dtype=np.float32)
        drawn = pixels(save_readings_png(tmp_path / "a.png", images, [[pair]], title="T", lead="L"))
        return bool((drawn == ground).all(axis=-1).any())

    assert shown(GOOD, GOOD)
    assert not shown(GOOD, BAD)
    assert not shown(BAD, BAD)


def test_rows_of_structures_are_drawn(tmp_path):
    row = StructureRow("one", "kept", np.ones((2, 28, 28), np.float32), ("1", "2"), (GOOD, BAD))
    drawn = pixels(save_structures_png(tmp_path / "s.png", [row], title="T", lead="L"))
    assert has(drawn, GOOD)
    assert has(drawn, BAD)


def test_what_does_not_fit_is_told(tmp_path):
    with pytest.raises(ValueError, match="a row needs an image, and a name and an outcome"):
        StructureRow("one", "kept", np.ones((2, 28, 28), np.float32), ("1",), (GOOD, BAD))
    with pytest.raises(ValueError, match="outcomes for all of 1 × 1 images"):
        save_readings_png(
            tmp_path / "a.png", np.zeros((1, 1, 28, 28), np.float32), [], title="T", lead="L"
        )
    with pytest.raises(ValueError, match="at least one row to draw"):
        save_structures_png(tmp_path / "s.png", [], title="T", lead="L")
