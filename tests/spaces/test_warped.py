import pytest
import torch

from tests.laws.registry import starts
from xhat.core import generator
from xhat.engine import Adam, Problem, solve
from xhat.objectives import InLatent, Proximity
from xhat.spaces import Warped
from xhat_zoo import digits


def digit(n=2):
    return digits.split("test").images[:n]


def moves(n, space, seed=0):
    """Moves that are as wild as the space allows."""
    size = space.begin(space.exemplars.expand(n, -1, -1, -1)).shape[1]
    return space.project(100 * torch.randn(n, size, generator=generator(seed)))


def test_moving_every_lattice_point_alike_moves_the_image():
    space = Warped(digit(), levels=(7,))
    z = torch.zeros(2, 2, 49)
    z[:, 0] = 2.0  # read two pixels farther right: the image goes left
    z[:, 1] = -1.0
    moved = space.decode(z.flatten(1))
    torch.testing.assert_close(moved[..., 1:, :-2], digit()[..., :-1, 2:], atol=2e-5, rtol=0)
    assert float(space.bending(z.flatten(1)).abs().max()) == 0
    assert (space.bending(moves(2, space)) > 1).all()


@pytest.mark.parametrize("levels", [(4,), (7, 16), (5, 9, 20)])
def test_no_map_folds_however_far_the_points_move(levels):
    side = 141
    ramp = torch.arange(side, dtype=torch.float64).expand(side, side)
    places = Warped(torch.stack((ramp, ramp.T, torch.ones_like(ramp)))[None], levels, limit=0.488)
    at = places.decode(moves(8, places).double())
    read = at[:, 2] > 1 - 1e-9  # beyond the edge it reads 0
    inside = read[:, :-1, :-1] & read[:, 1:, :-1] & read[:, :-1, 1:]
    dx, dy = at.diff(dim=3)[:, :, :-1], at.diff(dim=2)[..., :-1]
    area = dx[:, 0] * dy[:, 1] - dx[:, 1] * dy[:, 0]
    assert inside.float().mean() > 0.5
    assert float(area[inside].min()) > 0
    assert float(area[inside].max()) > 1.3  # and it is far from the identity


def test_a_larger_limit_would_fold_and_is_refused():
    with pytest.raises(ValueError, match=r"limit must be below 0.4887, where a map may begin to f"):
        Warped(digit(), limit=0.49)


def test_encoding_bends_towards_the_input():
    x, exemplars = digit(40)[:20], digit(40)[20:]
    space = Warped(exemplars)
    z = space.encode(x)
    before, after = ((y - x).flatten(1).norm(dim=1) for y in (exemplars, space.decode(z)))
    assert (after < before).all()
    assert float(z.abs().max()) == pytest.approx(1.0, abs=1e-5)  # a pixel, however far it is
    assert float(space.encode(exemplars).abs().max()) < 1e-3


def test_a_search_registers_an_image_to_a_bent_one_of_itself():
    space = Warped(digit(), levels=(7,))
    bent = space.decode(0.3 * moves(2, space))
    problem = Problem(Proximity(bent) + 0.01 * InLatent(space.bending), space)
    found = solve(problem, bent, stepper=Adam(0.1), max_steps=150)
    left = (found.x - bent).flatten(1).norm(dim=1) / (digit() - bent).flatten(1).norm(dim=1)
    assert (left < 0.2).all()


def test_values_stay_within_those_of_the_exemplar():
    space = Warped(digit())
    x = space.decode(moves(2, space))
    assert x.min() >= 0
    assert x.max() <= 1 + 1e-6


def test_wrong_exemplars_levels_and_starts_are_told():
    with pytest.raises(
        ValueError, match=r"must be images \(n, channels, h, w\), but have shape \(2"
    ):
        Warped(torch.zeros(2, 7))
    with pytest.raises(ValueError, match=r"levels must be numbers of lattice points, 4 or more"):
        Warped(digit(), levels=(3,))
    problem = Problem(Proximity(starts(2)), Warped(digit()))
    with pytest.raises(ValueError, match=r"have shape \(1, 28, 28\), but the starts \(1, 6, 6\)"):
        solve(problem, starts(2))


def test_a_lattice_point_moves_by_a_share_of_the_spacing_along_its_own_axis():
    space = Warped(torch.rand(1, 1, 9, 21), levels=(5, 7), limit=0.25)
    far = space.project(torch.full((1, 2 * (25 + 49)), 1e3))[0]
    across, down = 0.25 * 20, 0.25 * 8  # of a spacing: so many pixels for one cell
    wanted = [across / 2] * 25 + [down / 2] * 25 + [across / 4] * 49 + [down / 4] * 49
    assert far.tolist() == pytest.approx(wanted)
    assert torch.equal(space.project(-1e3 * torch.ones_like(far)[None])[0], -far)
