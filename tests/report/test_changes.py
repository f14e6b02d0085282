"""The picture of start, found and change."""

import numpy as np
import pytest
from PIL import Image

from xhat.report import as_pictures, save_changes_png


@pytest.mark.parametrize(
    ("shape", "pictures"),
    [
        ((2, 8, 6), (2, 8, 6, 1)),
        ((2, 1, 8, 6), (2, 8, 6, 1)),
        ((2, 3, 8, 6), (2, 8, 6, 3)),
        ((2, 4, 8, 6), None),
        ((2, 7), None),
        ((2, 3, 2, 2), None),
    ],
)
def test_only_images_become_pictures(shape, pictures):
    found = as_pictures(np.full(shape, 5.0), 0.0, 10.0)
    assert (None if found is None else found.shape) == pictures
    assert found is None or float(found.max()) == 0.5


def test_change_is_red_where_more_and_blue_where_less(tmp_path):
    starts = np.full((1, 4, 4, 1), 0.5, dtype=np.float32)
    found = starts.copy()
    found[0, 0, 0], found[0, 3, 3] = 1.0, 0.0
    path = save_changes_png(tmp_path / "changes.png", starts, found, ["one\ntwo"])
    picture = np.asarray(Image.open(path)).astype(int)
    change = picture[32 : 32 + 96, 8 + 2 * 104 : 8 + 2 * 104 + 96]
    red, blue, white = change[2, 2], change[-3, -3], change[2, -3]
    assert red[0] == 255
    assert red[2] < 255
    assert blue[2] == 255
    assert blue[0] < 255
    assert white.tolist() == [255, 255, 255]


def test_unequal_shapes_are_refused(tmp_path):
    one, two = np.zeros((1, 4, 4, 1), np.float32), np.zeros((2, 4, 4, 1), np.float32)
    with pytest.raises(ValueError, match="one shape and a caption each"):
        save_changes_png(tmp_path / "changes.png", one, two, ["a"])
    assert not list(tmp_path.iterdir())
