import numpy as np
import pytest
from PIL import Image

from studies.report.planes import save_planes_png

PLANE = np.linspace(0, 1, 81).reshape(9, 9)
LOOK = {"reach": (-0.5, 1.5), "x_label": "along", "y_label": "aside"}


def test_planes_stand_side_by_side_and_repeat(tmp_path):
    planes = {"plain": PLANE, "outliers": 1 - PLANE}
    marks = {"a 3": (0.0, 0.0)}
    first = save_planes_png(tmp_path / "a.png", planes, title="Entropy", marks=marks, **LOOK)
    again = save_planes_png(tmp_path / "b.png", planes, title="Entropy", marks=marks, **LOOK)
    assert first.read_bytes() == again.read_bytes()
    with Image.open(first) as image:
        assert image.width >= 1200
        grey = np.asarray(image.convert("L"))
    assert (grey < 40).mean() > 0.01  # the dark corner of a plane
    assert (grey > 250).mean() > 0.2


@pytest.mark.parametrize(
    ("planes", "message"),
    [
        ({}, "planes is empty"),
        ({"a": np.zeros((2, 3))}, r"must be square, but has shape \(2, 3\)"),
        ({"a": PLANE * 2}, r"must lie in \[0, 1\]"),
        ({"a": PLANE * np.nan}, r"must lie in \[0, 1\]"),
    ],
)
def test_rejects_what_cannot_be_drawn(planes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save_planes_png(tmp_path / "a.png", planes, **LOOK)
