"""Restoration alone: the shortest way back, also where conditions bend."""

import pytest
import torch

from xhat.constraints import Equality, Inequality
from xhat.engine import Problem
from xhat.engine.restoration import Linearized, restore
from xhat.spaces import Box

EQUAL, BELOW = torch.tensor([[True]]), torch.tensor([[False]])


def problem(constraint, space=None, tolerance=1e-6):
    space = Box(-9.0, 9.0) if space is None else space
    return Problem(lambda x: x.sum(dim=1), space, (constraint,), tolerance=tolerance)


def test_an_equation_is_restored_by_the_shortest_move():
    line = Equality(lambda x: x[:, 0] + 2 * x[:, 1] - 5)
    found = restore(problem(line), torch.zeros(1, 3, dtype=torch.float64), EQUAL)
    assert found[0].tolist() == pytest.approx([1.0, 2.0, 0.0], abs=1e-6)


def test_what_holds_stays_and_each_candidate_moves_for_itself():
    below = Inequality(lambda x: x[:, 0] - 1)
    z = torch.tensor([[0.5, 3.0], [2.0, 3.0], [1.0, 0.0]], dtype=torch.float64)
    found = restore(problem(below), z, BELOW)
    assert torch.equal(found[[0, 2]], z[[0, 2]])
    assert found[1].tolist() == pytest.approx([1.0, 3.0], abs=1e-5)
    assert bool((below.violation(found) <= 0).all())  # a little inside, so that it truly holds


@pytest.mark.parametrize("far", [1.05, 1.2, 3.0, 8.0])
def test_a_bent_inequality_takes_several_steps_however_little_it_is_broken(far):
    disc = Inequality(lambda x: x.square().sum(dim=1) - 1)
    z = torch.tensor([[far, 0.0], [0.6 * far, 0.8 * far]], dtype=torch.float64)
    found = restore(problem(disc), z, BELOW)
    assert bool((disc.violation(found) <= 1e-6).all())
    assert torch.allclose(found, z / far, atol=1e-5)  # on the way that is shortest


def test_a_bound_holds_on_the_way_and_the_other_features_do_the_rest():
    line = Equality(lambda x: x.sum(dim=1) - 3)
    space = Box(torch.tensor([-9.0, -9.0]), torch.tensor([1.0, 9.0]))
    found = restore(problem(line, space), torch.tensor([[0.9, 0.9]], dtype=torch.float64), EQUAL)
    assert found[0].tolist() == pytest.approx([1.0, 2.0], abs=1e-5)


def test_what_cannot_be_restored_comes_no_farther_than_it_was():
    above = Inequality(lambda x: 1 + x.square().sum(dim=1))
    z = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    found = restore(problem(above), z, BELOW)
    assert float(above.violation(found)) < float(above.violation(z))
    assert bool(found.isfinite().all())


def test_who_has_arrived_stays_there_however_long_the_others_take():
    """To the last digit: whoever is beside a candidate must not decide how far it goes."""
    bent = Equality(lambda x: x[:, 0] ** 3 + x[:, 1].sinh() - 2)
    start = torch.tensor([[1.0, 0.7], [6.0, -3.0], [-7.0, 4.0]], dtype=torch.float64)
    whole = problem(bent, tolerance=1e-2)
    together = restore(whole, start, EQUAL)
    assert bool((bent.violation(together) <= 1e-3).all())
    for i in range(3):
        assert torch.equal(restore(whole, start[i : i + 1], EQUAL)[0], together[i])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_what_no_step_makes_less_is_left_where_it_is(dtype):
    """The rounding of a violation that is the same everywhere must not look like progress."""
    far = Inequality(lambda x: torch.nn.functional.normalize(x, dim=1).norm(dim=1) - 0.3)
    generator = torch.Generator().manual_seed(0)
    z = torch.rand(20, 5, generator=generator, dtype=torch.float64).to(dtype) + 0.1
    assert torch.equal(restore(problem(far), z, BELOW), z)


def test_what_cannot_be_restored_is_given_up_before_long():
    """Every step costs a projection, whoever could never arrive."""
    asked = []

    def apart(x):
        asked.append(len(x))
        return 0.5 + 1e-3 * x.square().sum(dim=1)

    z = torch.tensor([[1.0, 0.4]], dtype=torch.float64)
    found = restore(problem(Inequality(apart)), z, BELOW)
    assert float(apart(found)) < float(apart(z))
    assert len(asked) < 50


@pytest.mark.parametrize(("conditions", "features"), [(5, 50), (50, 5), (50, 50)])
def test_how_steep_conditions_are_is_measured_or_well_estimated(conditions, features):
    """The largest slope where it can be had; else the length of the gradient, to a third."""
    generator = torch.Generator().manual_seed(0)
    slopes = torch.rand(conditions, features, generator=generator, dtype=torch.float64) + 0.5
    slopes[::2] *= 100
    rows = Inequality(lambda x: x @ slopes.T)
    here = Linearized(problem(rows), torch.zeros(2, features, dtype=torch.float64))
    largest, length = slopes.amax(dim=1), slopes.norm(dim=1)
    wanted = length if min(conditions, features) > 32 else largest
    near = 0.35 if min(conditions, features) > 32 else 1e-6
    assert (here.steepness() / wanted - 1).abs().max() < near
    along = here.along(torch.ones(2, features, dtype=torch.float64))
    assert torch.allclose(along, slopes.sum(dim=1).expand(2, -1), rtol=1e-6)


def test_where_a_condition_is_not_defined_its_slope_counts_as_0():
    log = Inequality(lambda x: torch.stack([x[:, 0].log(), x[:, 1]], dim=1))
    z = torch.tensor([[1e-9, 0.5], [0.5, 0.5]], dtype=torch.float64)
    along = Linearized(problem(log), z).along(torch.tensor([[1.0, 1.0]] * 2).double())
    assert along[0].tolist() == pytest.approx([0.0, 1.0])  # a step back leaves the domain
    assert along[1].tolist() == pytest.approx([2.0, 1.0])


def test_equations_that_depend_on_each_other_are_restored_by_the_shortest_move_as_well():
    """The least-norm solution of all three together, by another method."""
    generator = torch.Generator().manual_seed(3)
    rows = torch.rand(3, 6, generator=generator, dtype=torch.float64)
    planes = Equality(lambda x: x @ rows.T - torch.tensor([1.0, -2.0, 0.5]).double())
    z = torch.rand(2, 6, generator=generator, dtype=torch.float64)
    whole = problem(planes, Box(-99.0, 99.0), tolerance=1e-8)
    found = restore(whole, z, torch.tensor([[True] * 3]))
    wanted = z - planes.values(z) @ torch.linalg.pinv(rows).T
    assert torch.allclose(found, wanted, atol=1e-6)
