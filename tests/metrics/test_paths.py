import pytest
import torch

from xhat.core import generator
from xhat.metrics import path_shape, resample_path, spherical, straight
from xhat_zoo import digits


def ends(n=4, d=6):
    return torch.randn(n, d, generator=generator(0)), torch.randn(n, d, generator=generator(1))


class TestStraight:
    def test_goes_in_even_steps_from_one_real_digit_to_another(self):
        images = digits.split("test").images
        path = straight(images[:3], images[3:6], 11)
        assert path.shape == (3, 11, 1, 28, 28)
        assert torch.equal(path[:, 0], images[:3])
        assert torch.equal(path[:, -1], images[3:6])
        assert torch.allclose(path[:, 5], (images[:3] + images[3:6]) / 2, atol=1e-6)
        shape = path_shape(path)
        assert torch.allclose(shape.detour, torch.ones(3), atol=1e-5)
        assert torch.allclose(shape.unevenness, torch.ones(3), atol=1e-4)
        assert torch.allclose(shape.length, (images[:3] - images[3:6]).flatten(1).norm(dim=1))


class TestSpherical:
    def test_keeps_the_radius_between_the_ends_radii_and_turns_evenly(self):
        first, last = ends()
        path = spherical(first, last, 9)
        assert torch.allclose(path[:, 0], first, atol=1e-6)
        assert torch.allclose(path[:, -1], last, atol=1e-6)
        radii = straight(first.norm(dim=1)[:, None], last.norm(dim=1)[:, None], 9)[..., 0]
        assert torch.allclose(path.norm(dim=2), radii, atol=1e-5)
        unit = path / path.norm(dim=2, keepdim=True)
        angles = (unit[:, 1:] * unit[:, :-1]).sum(2).clamp(-1, 1).acos()
        assert torch.allclose(angles, angles[:, :1].expand_as(angles), atol=1e-3)

    def test_takes_the_line_where_there_is_no_one_arc(self):
        first = torch.tensor([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]])
        last = torch.tensor([[-1.0, -2.0], [2.0, 4.0], [3.0, 1.0]])
        path = spherical(first, last, 5)
        assert torch.isfinite(path).all()
        assert torch.allclose(path[:2], straight(first, last, 5)[:2], atol=1e-6)

    def test_knows_images_as_well_as_vectors(self):
        first, last = ends(2, 8)
        whole = spherical(first.reshape(2, 2, 2, 2), last.reshape(2, 2, 2, 2), 4)
        assert torch.allclose(whole.flatten(2), spherical(first, last, 4), atol=1e-6)


class TestEvenly:
    def test_lays_the_same_curve_in_equal_steps(self):
        angle = torch.linspace(0, 1, 400).square() * torch.pi  # faster and faster
        arc = torch.stack((angle.cos(), angle.sin()), dim=1)[None]
        found = resample_path(arc, 9)
        assert torch.allclose(found.norm(dim=2), torch.ones(1, 9), atol=1e-3)
        assert float(path_shape(found).unevenness) < 1.001 < float(path_shape(arc).unevenness)
        assert torch.equal(found[:, 0], arc[:, 0])
        assert torch.equal(found[:, -1], arc[:, -1])

    def test_leaves_out_where_a_path_waits_and_never_lengthens_it(self):
        path = torch.randn(3, 7, 5, generator=generator(2))
        waiting = path.repeat_interleave(3, dim=1)
        assert torch.allclose(resample_path(waiting, 20), resample_path(path, 20), atol=1e-5)
        assert (path_shape(resample_path(path, 30)).length <= path_shape(path).length + 1e-4).all()

    def test_a_path_that_never_moves_stays(self):
        still = torch.ones(2, 4, 3)
        assert torch.equal(resample_path(still, 6), torch.ones(2, 6, 3))
        shape = path_shape(still)
        assert shape.length.tolist() == [0, 0]
        assert shape.detour.tolist() == shape.unevenness.tolist() == [1, 1]


def test_a_jump_is_uneven_and_a_loop_an_infinite_detour():
    jump = torch.tensor([[[0.0], [0.0], [0.0], [0.0], [2.0]]])
    assert path_shape(jump).unevenness.item() == 4
    loop = torch.tensor([[[0.0], [1.0], [0.0]]])
    assert path_shape(loop).detour.item() == torch.inf


def test_bad_paths_are_refused():
    first, last = ends()
    with pytest.raises(ValueError, match=r"one shape.*\(4, 6\) and \(4, 5\)"):
        straight(first, last[:, :5], 3)
    with pytest.raises(ValueError, match="frames must be 2 or more"):
        spherical(first, last, 1)
    with pytest.raises(ValueError, match=r"two frames or more.*\(4, 1, 6\)"):
        resample_path(first[:, None], 3)
    with pytest.raises(TypeError, match="floating point"):
        path_shape(torch.ones(1, 3, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="must be finite"):
        straight(first, last * torch.nan, 3)
