import numpy as np
import pytest
from PIL import Image

from xhat_zoo.shapes.scenes import Scene, Solid, View, render_scene, save_scenes_png

VIEW = View(azimuth=0.0, elevation=0.0, reach=1.0, size=(60, 60))


def ball(x=0.0, y=0.0, z=0.0, radius=0.5, colour="#ff0000", clear=0.0):
    center = np.array([x, y, z])
    return Solid(lambda p: np.linalg.norm(p - center, axis=1) - radius, colour, clear)


def covered(picture):
    return (picture < 250).any(axis=2)


def test_a_ball_covers_its_disc_and_nothing_else():
    seen = covered(render_scene([ball()], VIEW))
    across = (np.arange(60) + 0.5) / 60 * 2 - 1
    disc = np.hypot(*np.meshgrid(across, across)) < 0.5
    assert (seen != disc).mean() < 0.02


def test_the_camera_looks_along_x_with_y_to_the_right_and_z_up():
    right = covered(render_scene([ball(y=0.5, radius=0.2)], VIEW))
    above = covered(render_scene([ball(z=0.5, radius=0.2)], VIEW))
    assert right[:, 30:].sum() > 50 * (1 + right[:, :30].sum())
    assert above[:30].sum() > 50 * (1 + above[30:].sum())


def test_what_is_nearer_hides_what_is_behind_unless_it_is_clear():
    behind = ball(x=-0.6, radius=0.3, colour="#0000ff")
    middle = (30, 30)
    hidden = render_scene([behind, ball(colour="#ff0000")], VIEW)[middle]
    seen = render_scene([behind, ball(colour="#ff0000", clear=0.5)], VIEW)[middle]
    assert int(seen[2]) > int(hidden[2]) + 30
    assert (render_scene([ball(colour="#ff0000"), behind], VIEW)[middle] == hidden).all()


def test_scenes_are_saved_side_by_side_each_from_its_view(tmp_path):
    scenes = [Scene("one", [ball()]), Scene("two", [ball(), ball(y=0.4)])]
    path = save_scenes_png(tmp_path / "a.png", scenes, VIEW, title="Balls", note="a note")
    with Image.open(path) as image:
        assert image.width == 1920
    views = [VIEW, View(azimuth=90.0, size=(60, 60))]
    turned = save_scenes_png(tmp_path / "b.png", scenes, views, title="Balls", note="a note")
    assert turned.read_bytes() != path.read_bytes()


@pytest.mark.parametrize(
    ("scenes", "views", "message"),
    [([], VIEW, "scenes is empty"), ([Scene("a", [ball()])], [], "one view or 1 views")],
)
def test_rejects_what_cannot_be_drawn(tmp_path, scenes, views, message):
    with pytest.raises(ValueError, match=message):
        save_scenes_png(tmp_path / "a.png", scenes, views)


def test_rejects_an_empty_scene():
    with pytest.raises(ValueError, match="one solid or more"):
        render_scene([], VIEW)
