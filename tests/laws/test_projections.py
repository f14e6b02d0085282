"""Promise 5: projections are idempotent and feasible; spaces round-trip as documented."""

import pytest
import torch

from tests.laws.problems import every_projection
from tests.laws.registry import CONSTRAINTS, SPACES, ink, mask, starts
from xhat.core import generator
from xhat.problem import Problem
from xhat.spaces import Box, Masked

N = 6


def scattered(like: torch.Tensor, reach: float = 3.0) -> torch.Tensor:
    """Points far inside and far outside."""
    return reach * torch.randn(like.shape, generator=generator(0, "scatter"))


@pytest.mark.parametrize("entry", SPACES, ids=str)
def test_a_space_projects_once_and_for_all(entry):
    space = entry.make(N)
    z = scattered(space.begin(starts(N)), 20.0)
    once = space.project(z)
    assert not torch.equal(once, z)
    assert torch.equal(space.project(once), once)
    Box(-1.0, 2.0).check(space.decode(once))
    with pytest.raises(ValueError, match=r"must lie in"):
        Box(-1.0, 2.0).check(z)


@pytest.mark.parametrize("entry", SPACES, ids=str)
def test_exact_spaces_return_what_they_encoded(entry):
    space = entry.make(N)
    x = space.decode(space.project(scattered(space.begin(starts(N)))))
    again = space.decode(space.encode(x))
    assert torch.allclose(again, x, atol=2e-6) == space.exact


@pytest.mark.parametrize("entry", SPACES, ids=str)
def test_a_search_begins_at_the_start(entry):
    space = entry.make(N)
    x0 = starts(N)
    error = (space.decode(space.begin(x0)) - x0).abs().max()
    assert (error <= 1 / 512 + 1e-6) == space.exact


@pytest.mark.parametrize("entry", SPACES, ids=str)
def test_decoding_has_a_gradient_wherever_features_are_free(entry):
    space = entry.make(N)
    z = space.begin(starts(N)).requires_grad_(True)
    weights = 1 + torch.rand(starts(1).shape, generator=generator(0))
    (gradient,) = torch.autograd.grad((space.decode(z) * weights).sum(), z)
    held = isinstance(space, Masked) and space.exact
    free = mask().expand_as(gradient) if held else torch.ones_like(gradient, dtype=torch.bool)
    assert (gradient[free] != 0).all()
    assert (gradient[~free] == 0).all()


@pytest.mark.parametrize("entry", CONSTRAINTS, ids=str)
def test_a_constraint_projects_once_and_for_all(entry):
    constraint = entry.make(N)
    far = starts(N) + scattered(starts(N))
    assert (constraint.violation(far) > 0.1).all()
    once = constraint.project(far)
    assert (constraint.violation(once) <= 1e-5).all()
    assert (constraint.violation(once) > -1e-4).all()  # on the border, not somewhere inside
    assert torch.allclose(constraint.project(once), once, atol=1e-6)
    near = starts(N) + 1e-3 * scattered(starts(N))
    assert (constraint.violation(near) < 0).all()
    assert torch.allclose(constraint.project(near), near, atol=1e-6)


@every_projection
def test_together_they_hold_as_well(space, constraint):
    problem = Problem(ink, space.make(N), constraint.make(N))
    z = problem.space.encode(starts(N)) + scattered(starts(N))
    once = problem.project(z)
    x = problem.space.decode(once)
    assert (problem.violation(problem.space.decode(problem.space.project(z))) > 1e-3).any()
    edges = 36e-6 if (str(space), str(constraint)) == ("logit", "l1") else 0.0
    # Logit keeps every pixel 1e-6 off its bounds, and in L1 these distances add up.
    assert (problem.violation(x) <= problem.tolerance + edges).all()
    problem.space.check(x)
    assert torch.allclose(problem.space.decode(problem.project(once)), x, atol=2e-6)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_projection_that_cannot_be_carried_back_is_kept_by_multipliers_instead(space):
    ball = CONSTRAINTS[0].make(2)
    problem = Problem(ink, space.make(2), ball)
    assert (problem.projected, problem.general) == (
        ((ball,), ()) if problem.space.exact else ((), (ball,))
    )
