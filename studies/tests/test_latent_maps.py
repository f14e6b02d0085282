import dataclasses

import numpy as np
import pytest
from PIL import Image

from studies.report.latent_maps import LatentMap, save_latent_maps_png

DRAW = np.random.default_rng(0)
MAP = LatentMap(
    "dense",
    (-3.0, -3.0),
    (3.0, 3.0),
    DRAW.random((5, 5, 6, 6)),
    DRAW.random((5, 5)) > 0.5,
    DRAW.normal(size=(60, 2)),
    np.arange(60) % 10,
    [([[0.0, 0.0], [1.0, 1.0]], "genuine"), ([[0.0, 1.0], [-1.0, 2.0]], "off_manifold")],
)


def test_maps_stand_side_by_side_and_repeat(tmp_path):
    first = save_latent_maps_png(tmp_path / "a.png", [MAP, MAP], title="Two", note="below")
    again = save_latent_maps_png(tmp_path / "b.png", [MAP, MAP], title="Two", note="below")
    assert first.read_bytes() == again.read_bytes()
    with Image.open(first) as image:
        assert image.width > image.height > 600


def test_a_tile_lies_where_its_place_is_upright_and_pale_where_it_is_not_natural(tmp_path):
    def ground(up, right, natural):
        tiles = np.zeros((2, 2, 2, 2))
        tiles[up, right, 0] = 1  # the upper half of one tile
        bare = dataclasses.replace(
            MAP, mosaic=tiles, natural=np.full((2, 2), natural), data=np.zeros((0, 2)),
            labels=np.zeros(0, dtype=int), paths=(),
        )  # fmt: skip
        with Image.open(save_latent_maps_png(tmp_path / "t.png", [bare])) as image:
            return np.asarray(image.convert("L"), dtype=float)[120:-160, 200:-160]

    left_above, right_below = ground(1, 0, True), ground(0, 1, True)
    half = left_above.shape[0] // 2
    assert left_above[:half].mean() < left_above[half:].mean()
    assert right_below[:half].mean() > right_below[half:].mean()
    assert ground(1, 0, False).mean() > left_above.mean()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mosaic": np.zeros((5, 4, 6, 6))}, r"the mosaic of 'dense' must be \(k, k, h, w\)"),
        ({"natural": np.ones((4, 4))}, "with natural"),
        ({"data": np.zeros((60, 3))}, r"must be \(m, 2\)"),
        ({"labels": np.arange(9)}, "with labels"),
        ({"labels": np.full(60, 10)}, "must lie in 0 to 9"),
        ({"low": (3.0, -3.0)}, "must be below high"),
    ],
)
def test_what_does_not_fit_is_told(change, said):
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(MAP, **change)


def test_something_must_be_drawn(tmp_path):
    with pytest.raises(ValueError, match="maps is empty"):
        save_latent_maps_png(tmp_path / "a.png", [])
    with pytest.raises(TypeError, match="not str"):
        save_latent_maps_png(tmp_path / "a.png", ["map"])
