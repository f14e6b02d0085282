import pytest
import torch

from xhat.constraints import Monotone
from xhat.core import generator
from xhat.engine import Adam, Problem, Watch, solve
from xhat.objectives import Proximity
from xhat.spaces import Box, Held


def mirrored(x):
    return (x + x.flip(-1)) / 2


def test_holds_at_every_step_and_finds_the_nearest_that_holds():
    wanted = torch.rand(4, 1, 6, 6, generator=generator(0))
    problem = Problem(Proximity(wanted), Held(Box(0, 1), mirrored))
    found = solve(
        problem, torch.rand(4, 1, 6, 6), stepper=Adam(0.05), max_steps=300, watch=Watch(trace=1)
    )
    assert torch.equal(found.x, found.x.flip(-1))
    path = found.trajectory.x
    assert torch.equal(path, path.flip(-1))
    torch.testing.assert_close(found.x, mirrored(wanted), atol=2e-3, rtol=0)


def test_gives_the_projection_each_candidates_own_reference():
    reference = torch.tensor([[0.1], [0.9]])
    space = Held(Box(0, 1), lambda x, given: torch.cat((x[:, :1], given), dim=1), reference)
    z = torch.full((2, 2), 0.5)
    torch.testing.assert_close(space.decode(z), torch.tensor([[0.5, 0.1], [0.5, 0.9]]))
    assert space.select(torch.tensor([1])).decode(z[:1])[0, 1] == reference[1, 0]


def test_what_does_not_fit_is_told():
    with pytest.raises(TypeError, match="Held wraps a Space, not int"):
        Held(3, mirrored)
    with pytest.raises(TypeError, match="the projection must be callable, not str"):
        Held(Box(), "mirrored")
    with pytest.raises(ValueError, match="the reference"):
        Held(Box(), mirrored, torch.full((1, 2), torch.nan))
    with pytest.raises(TypeError, match="a constraint brings what it needs; drop the reference"):
        Held(Box(), Monotone(), torch.zeros(1, 2))
