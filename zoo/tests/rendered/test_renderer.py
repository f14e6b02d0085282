"""The renderer and the data: areas, symmetries, derivatives, ranges, noise."""

import math

import pytest
import torch

from xhat_zoo.rendered import NOISE, SHAPES, draw, masks, render
from xhat_zoo.rendered.renderer import HIGH, LOW, PERIODS
from xhat_zoo.rendered.samples import CONTRAST, DARK, LIGHT

SIZE = 8.0
AREAS = {  # of outlines with corners on a circle of radius 1
    "disc": math.pi,
    "square": 2.0,
    "triangle": 3 * math.sqrt(3) / 4,
    "star": 5 * 0.45 * math.sin(math.pi / 5),
    "ring": math.pi * (1 - 0.6**2),
    "cross": 4 * (2 * 0.94 * 0.34 - 0.34**2),
}


def pose(*values):
    return torch.tensor([values], dtype=torch.float64)


@pytest.mark.parametrize("kind", range(len(SHAPES)))
class TestEveryShape:
    def test_covers_its_area(self, kind):
        seen = masks(kind, pose(0.3, -0.2, SIZE, 0.4), blur=0.3).sum()
        assert float(seen) == pytest.approx(AREAS[SHAPES[kind]] * SIZE**2, rel=0.02)

    def test_looks_the_same_after_its_period_and_not_after_half(self, kind):
        period = PERIODS[kind]
        turn = 1.0 if math.isinf(period) else period
        first, same = (masks(kind, pose(1.0, 2.0, SIZE, 0.2 + by)) for by in (0, turn))
        assert torch.allclose(first, same, atol=1e-6)
        if not math.isinf(period):
            half = masks(kind, pose(1.0, 2.0, SIZE, 0.2 + period / 2))
            assert (first - half).abs().max() > 0.5

    def test_moves_with_its_place(self, kind):
        still = masks(kind, pose(0.0, 0.0, SIZE, 0.3))
        moved = masks(kind, pose(3.0, -2.0, SIZE, 0.3))
        assert torch.allclose(still.roll((-2, 3), (1, 2)), moved, atol=1e-5)

    def test_has_the_derivatives_of_differences(self, kind):
        at = pose(0.37, -0.61, 7.3, 0.23)
        slopes = torch.autograd.functional.jacobian(lambda p: masks(kind, p), at)[0, :, :, 0]
        for i in range(4):
            step = 1e-5 * torch.eye(4, dtype=torch.float64)[i]
            known = (masks(kind, at + step) - masks(kind, at - step))[0] / 2e-5
            assert (slopes[:, :, i] - known).abs().quantile(0.99) < 1e-4  # a few lie on creases


def test_colours_are_where_the_shape_is_and_is_not():
    red_on_blue = torch.tensor([[[0.9, 0.1, 0.1], [0.1, 0.1, 0.9]]])
    image = render(torch.tensor([0]), pose(0.0, 0.0, SIZE, 0.0).float(), red_on_blue)[0]
    assert torch.allclose(image[:, 16, 16], red_on_blue[0, 0], atol=1e-4)
    assert torch.allclose(image[:, 0, 0], red_on_blue[0, 1], atol=1e-4)


def test_a_kind_that_is_none_is_refused():
    with pytest.raises(ValueError, match="0 to 5, but go from 6 to 6"):
        render(torch.tensor([6]), pose(0.0, 0.0, SIZE, 0.0).float(), torch.rand(1, 2, 3))


class TestData:
    def test_come_from_the_seed_and_the_stream_alone(self):
        first, same = draw(20, seed=5), draw(20, seed=5)
        assert torch.equal(first.images, same.images)
        for other in (draw(20, seed=6), draw(20, seed=5, stream="other")):
            assert not torch.equal(first.images, other.images)

    def test_keep_their_ranges(self):
        some = draw(2_000, seed=1)
        assert some.labels.bincount(minlength=6).min() > 250
        for i in range(3):
            assert LOW[i] <= float(some.pose[:, i].min()) < LOW[i] + 0.2
            assert HIGH[i] - 0.2 < float(some.pose[:, i].max()) <= HIGH[i]
        assert DARK <= float(some.colours.min()) <= float(some.colours.max()) <= LIGHT
        assert float((some.colours[:, 0] - some.colours[:, 1]).norm(dim=1).min()) >= CONTRAST

    def test_carry_the_noise_of_the_sensor_and_nothing_else(self):
        some = draw(50, seed=2)
        left = some.images - render(some.labels, some.pose, some.colours)
        assert float(left.std()) == pytest.approx(NOISE, rel=0.01)
        assert abs(float(left.mean())) < 1e-3

    def test_none_are_refused(self):
        with pytest.raises(ValueError, match="n must"):
            draw(0, seed=1)
