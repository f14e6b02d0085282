import numpy as np
import pytest
from PIL import Image

from xhat_zoo.conjunction.pictures import EncounterPlane, save_encounters_png

CIRCLE = np.stack([np.cos(np.linspace(0, 6, 30)), np.sin(np.linspace(0, 6, 30))], 1) * (300, 60)
PLANE = EncounterPlane("one", ("a line",), (20, 10), (30, 90), (120, 25), 6.0, CIRCLE)


def colours(path):
    with Image.open(path) as image:
        return {tuple(c) for c in np.asarray(image.convert("RGB")).reshape(-1, 3)[::7].tolist()}


def test_draws_the_same_bytes_twice(tmp_path):
    one = save_encounters_png(tmp_path / "a.png", [PLANE, PLANE], title="two", note="a note")
    two = save_encounters_png(tmp_path / "b.png", [PLANE, PLANE], title="two", note="a note")
    assert one.read_bytes() == two.read_bytes()
    assert len(colours(one)) > 5


def test_another_burn_is_another_picture(tmp_path):
    other = EncounterPlane("one", ("a line",), (20, 10), (90, 90), (120, 25), 6.0, CIRCLE)
    one = save_encounters_png(tmp_path / "a.png", [PLANE])
    two = save_encounters_png(tmp_path / "b.png", [other])
    assert one.read_bytes() != two.read_bytes()


def test_refuses_what_cannot_be_drawn(tmp_path):
    with pytest.raises(ValueError, match="before must be 2 finite numbers"):
        EncounterPlane("one", (), (1, 2, 3), (0, 0), (1, 1), 1.0, CIRCLE)
    with pytest.raises(ValueError, match="after must be 2 finite numbers"):
        EncounterPlane("one", (), (1, 2), (0, np.nan), (1, 1), 1.0, CIRCLE)
    with pytest.raises(ValueError, match=r"risky must be \(k, 2\)"):
        EncounterPlane("one", (), (1, 2), (0, 0), (1, 1), 1.0, [1.0, 2.0])
    with pytest.raises(ValueError, match="at least one"):
        save_encounters_png(tmp_path / "a.png", [])
