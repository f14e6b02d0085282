"""Promises 3, 4 and 7: who has finished costs nothing; there is an answer, true of its own x."""

import pytest
import torch

from tests.laws.problems import (
    CHUNK,
    STEPS,
    N,
    Search,
    every_triple,
    looks,
    make_problem,
    networks,
    searched,
)
from tests.laws.registry import OBJECTIVES, SHAPE, SPACES, STOP_RULES
from xhat.engine import Compute, MaxSteps, Plateau, SignDescent, Status, TargetReached, solve
from xhat.objectives import InLatent

# Some searches of these begin where nothing falls: the gradient is 0, or what rounding makes of 0.
FLAT, STILL = "the gradient is zero at the start", "the step is too small to move the input"
SENTENCES = {TargetReached.status, Plateau.status, MaxSteps.status}
AMONG_NEIGHBOURS = {Status.NO_BETTER_NEIGHBOUR, Status.BEST_OF_ALL, Status.EVALUATIONS_SPENT}


def is_countable(problem) -> bool:
    """Whether neighbours are tried after the search."""
    one = problem.space.select(torch.tensor([0]))
    return one.lattice(torch.zeros(1, *SHAPE)) is not None


def every_candidate_has_an_answer_in_a_sentence(search: Search, x0: torch.Tensor) -> None:
    problem, result = search.problem, search.result
    assert len(result) == len(result.status) == N
    told = {status for status in result.status if not status.startswith((FLAT, STILL))}
    assert told <= SENTENCES | (AMONG_NEIGHBOURS if is_countable(problem) else set())
    assert torch.equal(result.x0, x0)
    assert result.x.shape == x0.shape
    assert torch.allclose(problem.space.decode(result.z), result.x, atol=1e-6)
    for tensor in (result.x, result.z, result.loss):
        assert torch.isfinite(tensor).all()
        assert not tensor.requires_grad
    problem.space.check(result.x)
    assert result.feasible.all()


def the_loss_belongs_to_that_very_x_and_is_the_best_seen(search: Search) -> None:
    result = search.result
    found = search.problem.objective.measure(result.x, result.z)
    # batches of another size round otherwise, which a loss in units of 0.01 shows 1e4-fold
    assert torch.allclose(found.loss, result.loss, atol=1e-5, rtol=1e-4)
    if found.confidence is not None:
        assert torch.allclose(found.confidence, result.confidence, atol=1e-5)
    if found.reached is not None:
        assert torch.equal(found.reached, result.reached)
    early = torch.tensor([status == TargetReached.status for status in result.status])
    assert torch.equal(early, result.reached)
    best = torch.where(early, result.loss, result.trajectory.loss[:-1].amin(dim=0))
    if is_countable(search.problem) and found.reached is None:
        assert (result.loss <= best + 1e-6).all()
    elif not is_countable(search.problem):
        assert torch.allclose(result.loss, best, atol=1e-6)


def every_frame_carries_its_own_loss_and_the_last_is_the_answer(search: Search) -> None:
    path = search.result.trajectory
    assert torch.equal(path.x[-1], search.result.x)
    assert torch.equal(path.loss[-1], search.result.loss)
    assert path.steps[:-1] == tuple(range(len(path.steps) - 1))
    if not isinstance(search.problem.objective, InLatent):  # frames keep x, not z
        again = torch.stack([search.problem.objective(x) for x in path.x])
        assert torch.allclose(again, path.loss, atol=1e-5, rtol=1e-5)


def work_is_what_the_result_says_and_in_batches_within_the_chunk(search: Search) -> None:
    result = search.result
    spent = torch.tensor([status == MaxSteps.status for status in result.status])
    assert (result.steps[spent] == STEPS).all()
    assert (result.steps <= STEPS).all()
    moved = torch.tensor([not status.startswith(STILL) for status in result.sentences])
    least = result.steps + moved  # what did not move was seen
    if is_countable(search.problem):
        assert (result.evaluations >= least).all()
        assert (result.evaluations <= least + 40 * STEPS + 100).all()
    else:
        assert torch.equal(result.evaluations, least)
    for seen, most in zip(search.seen, search.most, strict=True):
        assert seen == int(result.evaluations.sum()) + looks(N, CHUNK)
        assert most <= CHUNK


@every_triple
def test_the_answer_of_every_search(space, objective, stepper):
    search = searched(space, objective, stepper)
    every_candidate_has_an_answer_in_a_sentence(search, space.starts(N))
    the_loss_belongs_to_that_very_x_and_is_the_best_seen(search)
    every_frame_carries_its_own_loss_and_the_last_is_the_answer(search)
    work_is_what_the_result_says_and_in_batches_within_the_chunk(search)


@pytest.mark.parametrize("rule", STOP_RULES, ids=str)
@pytest.mark.parametrize("space", SPACES, ids=str)
def test_who_has_left_is_never_shown_to_the_model_again(space, rule):
    (entry,) = (entry for entry in OBJECTIVES if entry.name == "class")
    n = 8
    problem = make_problem(space, entry, n)
    (network,) = networks(problem)
    stop = rule.make(n)
    options = {"stepper": SignDescent(0.1), "stop": stop, "max_steps": 12}
    x0 = space.starts(n)
    result = solve(problem, x0, compute=Compute(chunk=3), **options)
    assert network.seen == int(result.evaluations.sum()) + looks(n, 3)
    assert network.most == 3
    among = AMONG_NEIGHBOURS if is_countable(problem) else set()
    assert set(result.status) <= {stop.status, MaxSteps.status} | among
    assert torch.equal(result.x0, x0)
    alone = solve(problem.select(torch.tensor([5])), x0[5:6], **options)
    if space.name != "parts":  # mixed: rounding may turn which of two discrete answers is better
        assert torch.allclose(result.x[5:6], alone.x, atol=1e-4)  # so the order was kept
