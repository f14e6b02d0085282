"""The collection of programs is what its source says it is."""

from dataclasses import replace

import pytest
import torch

from tests.engine.hock_schittkowski import CONTRADICTORY, PROBLEMS, ROUGH
from tests.engine.peers import slsqp
from tests.engine.program import Program

EVERY = (*PROBLEMS, *CONTRADICTORY, *ROUGH)
BY_NUMBER = {p.number: p for p in EVERY}
REDUNDANT = 55  # SLSQP stalls: its six equalities have rank five
NAN_START = "a logarithm that ends"
STEEP = "a root that ends at the optimum"


def named(programs):
    return pytest.mark.parametrize("program", programs, ids=lambda p: str(p.number))


def tensor(point):
    return torch.tensor(point, dtype=torch.float64)


def reached(program: Program) -> bool:
    """Whether SLSQP reaches the stated optimum, and nothing below it."""
    x = slsqp(program, tensor(program.near or program.start), steps=300).x[None]
    return bool((program.gap(x).abs() <= 1e-6) & (program.violation(x) <= 1e-6))


# SciPy before 1.16 says so of some steps, and is right in the end
@pytest.mark.filterwarnings("ignore:Values in x were outside bounds:RuntimeWarning")
@named([p for p in (*PROBLEMS, *ROUGH) if p.number not in (REDUNDANT, NAN_START, STEEP)])
def test_slsqp_reaches_the_optimum(program):
    assert reached(program)


def test_a_wrong_transcription_is_seen():
    right = BY_NUMBER[43]
    assert not reached(replace(right, optimum=right.optimum - 1e-3))
    assert not reached(replace(right, cost=lambda *x: right.cost(*x) + 1e-3 * x[1]))
    flipped = replace(right, positive=lambda *x: [-g for g in right.positive(*x)])
    assert not reached(flipped)


def test_the_redundant_program_by_scanning_its_segment():
    program, t = BY_NUMBER[REDUNDANT], torch.linspace(0, 1, 1001, dtype=torch.float64)
    s = (2 - t) / 3
    x = torch.stack((t, 2 - s, 1 - t + s, 1 - t, s, 1 + t - s), dim=1)
    assert program.violation(x).max() < 1e-12
    assert program.gap(x).min().abs() < 1e-12
    assert program.gap(x).argmin() == 0
    assert program.gap(tensor(program.near)[None]).abs() < 1e-12


def test_the_logarithm_by_its_curve():
    program, t = BY_NUMBER[NAN_START], torch.linspace(0.5, 2, 301, dtype=torch.float64)
    x = torch.stack((t, 1 / t), dim=1)
    assert program.violation(x).max() < 1e-12
    assert program.gap(x).min().abs() < 1e-12


def test_the_root_by_its_line():
    program, t = BY_NUMBER[STEEP], torch.linspace(0.5, 2, 301, dtype=torch.float64)
    x = torch.stack((torch.full_like(t, 0.25), t), dim=1)
    assert program.violation(x).max() == 0
    assert program.gap(x).min().abs() < 1e-12


def test_it_is_a_set_of_constrained_programs():
    assert len(PROBLEMS) >= 60
    assert len({p.number for p in EVERY}) == len(EVERY)
    assert {p.variables for p in PROBLEMS} >= {2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15}
    assert (len(CONTRADICTORY), len(ROUGH)) == (6, 4)
    assert all(p.told for p in (*CONTRADICTORY, *ROUGH))


@named(EVERY)
def test_rows_are_independent_and_keep_their_dtype(program):
    x = tensor(program.start) + torch.rand(3, program.variables, dtype=torch.float64) / 10
    for part in (program.objective, program.inequalities, program.equalities):
        every = part(x)
        alone = torch.cat([part(row[None]) for row in x])
        assert torch.allclose(every, alone, rtol=1e-12, atol=1e-12, equal_nan=True)
        assert part(x.float()).dtype == torch.float32
    assert program.inequalities(x).shape[1] + program.equalities(x).shape[1] > 0
    assert all(bound.shape == (program.variables,) for bound in program.bounds())


@named(CONTRADICTORY)
def test_no_point_is_feasible(program):
    generator = torch.Generator().manual_seed(0)
    shape = (50_000, program.variables)
    x = 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
    low, high = program.bounds()
    assert program.violation(torch.clamp(x, low, high)).min() >= 0.3


@named(ROUGH)
def test_rough_spots_are_there(program):
    x = tensor(program.start)[None].requires_grad_()
    if program.number == NAN_START:
        assert program.inequalities(x).isnan().any()
        return
    assert program.violation(x).isfinite().all()
    if "NaN" in program.told:
        assert program.equalities(tensor([[0.0, 1.0]])).isnan().all()
