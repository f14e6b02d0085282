import numpy as np
import pytest
from PIL import Image

from xhat_zoo.airfoil.pictures import AirfoilCurve, AirfoilPanel, save_airfoils_png

NOTHING = np.zeros(0)


def curve(name="found", shift=0.0, true=True):
    x = np.linspace(0, 1, 20)
    outline = np.stack([np.concatenate([x[::-1], x]), np.concatenate([0.1 * x, -0.1 * x])], 1)
    lift = np.linspace(0, 1, 5)
    drag = 0.006 + 0.004 * lift**2
    dots = (lift, drag + shift) if true else (NOTHING, NOTHING)
    return AirfoilCurve(name, outline, lift, drag, *dots)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_the_figure_shows_what_changed(tmp_path):
    def drawn(name, *curves):
        panel = AirfoilPanel("CL 0.5", "a note", curves, lifts=(0.5,))
        return pixels(save_airfoils_png(tmp_path / f"{name}.png", [panel], title="Airfoils"))

    plain, again = drawn("plain", curve()), drawn("again", curve())
    np.testing.assert_array_equal(plain, again)
    assert (drawn("moved", curve(shift=0.002)) != plain).any()
    assert (drawn("no dots", curve(true=False)) != plain).any()
    assert drawn("three", curve(), curve("word"), curve("real")).shape == plain.shape


@pytest.mark.parametrize("curves", [(), (curve(),) * 4])
def test_a_panel_has_one_to_three_curves(tmp_path, curves):
    with pytest.raises(ValueError, match="one to three curves"):
        save_airfoils_png(tmp_path / "x.png", [AirfoilPanel("", "", curves)])
    with pytest.raises(ValueError, match="needs panels"):
        save_airfoils_png(tmp_path / "x.png", [])
