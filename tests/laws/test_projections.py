"""Promise 5: projections are idempotent and feasible; spaces round-trip as documented."""

import pytest
import torch

from tests.laws.problems import every_projection
from tests.laws.registry import PROJECTED, SPACES, ink, mask, starts
from xhat.core import generator
from xhat.engine import Problem
from xhat.spaces import Box, Masked

N = 6
IMPLIED = {  # what the space alone holds already
    ("logit", "halfspace"),
    ("masked-box", "halfspace"),
    ("masked-box", "fixed"),
    ("symmetric", "mirror"),
}


def scattered(like: torch.Tensor, reach: float = 3.0) -> torch.Tensor:
    """Points far inside and far outside."""
    return reach * torch.randn(like.shape, generator=generator(0, "scatter"))


@pytest.mark.parametrize("entry", SPACES, ids=str)
def test_a_space_projects_once_and_for_all(entry):
    space = entry.make(N)
    z = scattered(space.begin(entry.starts(N)), 2000.0)
    once = space.project(z)
    assert torch.equal(once, z) == entry.free
    assert torch.equal(space.project(once), once)
    if space.exact:
        space.check(space.decode(once))
    if not entry.free:
        Box(-1.0, 6.0).check(space.decode(once))
    with pytest.raises(ValueError, match=r"must lie in"):
        Box(-1.0, 6.0).check(z)


@pytest.mark.parametrize("entry", SPACES, ids=str)
def test_exact_spaces_return_what_they_encoded(entry):
    space = entry.make(N)
    x = space.decode(space.project(scattered(space.begin(entry.starts(N)))))
    again = space.decode(space.encode(x))
    assert torch.allclose(again, x, atol=2e-6) == space.exact


@pytest.mark.parametrize("entry", SPACES, ids=str)
def test_a_search_begins_at_the_start(entry):
    space = entry.make(N)
    x0 = entry.starts(N)
    error = (space.decode(space.begin(x0)) - x0).abs().max()
    assert (error <= 1 / 512 + 1e-6) == space.exact


@pytest.mark.parametrize("entry", SPACES, ids=str)
def test_decoding_has_a_gradient_wherever_features_are_free(entry):
    space = entry.make(N)
    z = space.begin(entry.starts(N)).requires_grad_(True)
    weights = 1 + torch.rand(starts(1).shape, generator=generator(0))
    (gradient,) = torch.autograd.grad((space.decode(z) * weights).sum(), z)
    held = isinstance(space, Masked) and space.exact
    free = mask().expand_as(gradient) if held else torch.ones_like(gradient, dtype=torch.bool)
    assert (gradient[free] != 0).all()
    assert (gradient[~free] == 0).all()


@pytest.mark.parametrize("entry", PROJECTED, ids=str)
def test_a_constraint_projects_once_and_for_all(entry):
    constraint = entry.make(N)
    x0 = entry.starts(N)
    far = x0 + scattered(x0)
    outside = constraint.violation(far) > 0
    assert (constraint.violation(far) > 0.1).any()
    once = constraint.project(far)
    assert (constraint.violation(once) <= 1e-6).all()
    assert (constraint.violation(once)[outside] > -1e-4).all()  # on the border, not inside
    assert torch.allclose(once[~outside], far[~outside], atol=1e-6)
    assert torch.allclose(constraint.project(once), once, atol=1e-6)
    near = x0 + (0.0 if entry.thin else 1e-3) * scattered(x0)
    assert (constraint.violation(near) <= 1e-6 * entry.thin).all()
    assert torch.allclose(constraint.project(near), near, atol=1e-6)
    if constraint.convex:  # no nearer on the way to what is known to hold
        way = once + 0.1 * (x0 - once)
        assert ((far - way).flatten(1).norm(dim=1) >= (far - once).flatten(1).norm(dim=1)).all()


@pytest.mark.parametrize("entry", PROJECTED, ids=str)
def test_in_float64_a_projection_holds_to_1e_12(entry):
    x0 = entry.starts(N).double()
    constraint = entry.make(N).to("cpu", torch.float64)
    once = constraint.project(x0 + scattered(x0))
    assert once.dtype == torch.float64
    assert (constraint.violation(once) <= 1e-12).all()


@every_projection
def test_together_they_hold_as_well(space, constraint):
    problem = Problem(ink, space.make(N), constraint.make(N))
    problem.check(space.starts(N)[:1])
    z = problem.space.encode(space.starts(N))
    z = z + scattered(z)
    once = problem.project(z)
    x = problem.space.decode(once)
    before = problem.violation(problem.space.decode(problem.space.project(z)))
    assert bool((before > 1e-3).any()) != ((str(space), str(constraint)) in IMPLIED)
    assert (problem.violation(x) <= 1e-6).all()
    problem.space.check(x)
    assert torch.allclose(problem.space.decode(problem.project(once)), x, atol=2e-6)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_projection_that_cannot_be_carried_back_is_kept_by_multipliers_instead(space):
    ball = PROJECTED[0].make(2)
    problem = Problem(ink, space.make(2), ball)
    on_grid = space.name in ("rounded", "grey-levels") and bool(
        (problem.space.violation(ball.center) <= 1e-6).all()
    )  # where features are rounded towards the centre
    kept = problem.space.carries or on_grid
    assert (problem.projected, problem.general) == (((ball,), ()) if kept else ((), (ball,)))
