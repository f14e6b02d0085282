import dataclasses

import pytest
import torch

from tests.laws.problems import looks
from tests.laws.registry import ConvNet, ink, radii, starts, targets
from xhat.constraints import Equality, L2Ball, Projected
from xhat.engine import (
    LBFGS,
    Adam,
    AugmentedLagrangian,
    Compute,
    GradientDescent,
    LossBelow,
    MaxSeconds,
    Problem,
    Progress,
    Restarts,
    SignDescent,
    TargetReached,
    Watch,
    solve,
)
from xhat.objectives import (
    CrossEntropy,
    InLatent,
    Margin,
    Maximize,
    Measurement,
    Objective,
    Proximity,
)
from xhat.spaces import Box, Logit

N = 5
BOWL = Problem(lambda x: (x - 0.3).square().flatten(1).sum(dim=1), Box())


def test_the_starts_are_left_alone():
    x0 = starts(N)
    result = solve(BOWL, x0, max_steps=3)
    assert torch.equal(x0, starts(N))
    assert torch.equal(result.x0, x0)
    assert not torch.equal(result.x, x0)


def test_the_best_of_all_steps_is_kept_not_the_last():
    result = solve(
        BOWL, torch.full((2, 3), 0.4), stepper=SignDescent(0.25), max_steps=6, watch=Watch(trace=1)
    )
    assert torch.allclose(result.loss, result.trajectory.loss[:-1].amin(dim=0))
    assert (result.trajectory.loss[5] > result.loss).all()


@pytest.mark.parametrize("trace", [1, 2, 5, 100])
def test_a_trajectory_has_a_frame_each_so_many_steps_and_the_answer_last(trace):
    problem = Problem(CrossEntropy(ConvNet(), targets(N)), Box())
    options = {"stop": TargetReached(0.5), "max_steps": 12}
    whole = solve(problem, starts(N), watch=Watch(trace=1), **options)
    result = solve(
        problem, starts(N), watch=Watch(trace=trace), compute=Compute(chunk=2), **options
    )
    path, last = result.trajectory, int(whole.steps.max())
    assert path.steps == (*range(0, last + 1, trace), last)
    assert torch.allclose(path.x[:-1], whole.trajectory.x[: last + 1 : trace], atol=1e-5)
    assert torch.equal(path.x[-1], result.x)
    assert path.x.shape == (len(path.steps), N, 1, 6, 6)
    for i, step in enumerate(result.steps.tolist()):
        for frame, number in enumerate(path.steps):
            if number >= step:  # it left: its final x stays
                assert torch.equal(path.x[frame, i], result.x[i])
                assert torch.isclose(path.loss[frame, i], result.loss[i], rtol=1e-6)
    assert solve(problem, starts(N), **options).trajectory is None


def test_the_trajectory_of_a_restart_is_that_of_the_try_that_won():
    problem = Problem(CrossEntropy(ConvNet(), targets(N)), Box())
    options = {"restarts": Restarts(3, 0.5), "stop": TargetReached(0.6), "max_steps": 9}
    result = solve(problem, starts(N), watch=Watch(trace=2), compute=Compute(seed=1), **options)
    path = result.trajectory
    assert torch.equal(path.x[-1], result.x)
    assert path.steps == (0, 2, 4, 6, 8, 9)  # of one try, though steps add up over tries
    assert int(result.steps.max()) > 9
    again = torch.stack([problem.objective(x) for x in path.x])
    assert torch.allclose(again, path.loss, atol=1e-5)
    assert torch.allclose(
        result.x, solve(problem, starts(N), compute=Compute(seed=1), **options).x, atol=1e-6
    )


def test_restarts_find_what_one_try_does_not():
    def hills(x):  # a shallow valley at 0.2 where everyone starts, a deep one at 0.8
        return 1 - 0.3 * (-(((x - 0.2) / 0.1) ** 2)).exp() - (-(((x - 0.8) / 0.1) ** 2)).exp()

    problem, x0 = Problem(lambda x: hills(x[:, 0]), Box()), torch.linspace(0.15, 0.25, 6)[:, None]
    options = {"stepper": Adam(0.01), "stop": LossBelow(0.05), "max_steps": 60}
    once = solve(problem, x0, **options)
    assert (once.loss > 0.5).all()
    more = solve(problem, x0, restarts=Restarts(8, 0.8), **options)
    assert (more.loss <= once.loss).all()
    assert (more.loss < 0.05).sum() >= 3
    assert torch.allclose(problem.objective(more.x), more.loss, atol=1e-6)
    won = more.loss < 0.05
    assert {s for s, w in zip(more.status, won.tolist(), strict=True) if w} == {LossBelow.status}
    assert (more.steps > 60).all()


def test_no_restart_is_spent_on_a_target_that_is_reached():
    problem = Problem(Margin(ConvNet(), 0), Box())  # the first class is what all of them are
    net = next(problem.modules())
    result = solve(problem, starts(N), stop=TargetReached(), restarts=Restarts(9, 0.3))
    assert result.evaluations.tolist() == [1] * N
    assert net.seen == N + looks(N, 256)


def test_no_restart_is_spent_on_a_loss_that_is_low_enough():
    problem = Problem(lambda x: (x - 0.3).square().sum(dim=1), Box())
    x0, stop = torch.zeros(2, 3), LossBelow(1e-3)
    once = solve(problem, x0, stop=stop)
    more = solve(problem, x0, stop=stop, restarts=Restarts(9, 0.1))
    assert more.steps.tolist() == once.steps.tolist()
    assert torch.equal(more.x, once.x)


def test_a_try_that_never_was_finite_is_not_kept_for_being_feasible():
    class Low(Projected):
        def values(self, x):
            return x.mean(dim=1, keepdim=True) - 0.2

        def project(self, x):
            return x

    def peaked(x):  # finite at the start itself and far from it, not near it
        near = ((x - 0.1).abs().amax(dim=1) > 1e-6) & (x.amax(dim=1) < 0.18)
        return torch.where(near, torch.nan, (x - 1).square().sum(dim=1))

    problem, x0 = Problem(peaked, Box(), (Low(),)), torch.full((1, 2), 0.1)
    options = {"stepper": GradientDescent(0.3), "max_steps": 5}
    once = solve(problem, x0, **options)
    more = solve(problem, x0, restarts=Restarts(3, 0.05), **options)
    assert not once.feasible[0]
    assert torch.isfinite(more.loss[0])
    assert torch.equal(more.x, once.x)
    assert more.status == once.status


def test_restarts_stay_within_the_ball_and_the_box():
    problem = Problem(CrossEntropy(ConvNet(), 1), Box(), L2Ball(starts(N), radii(N, 0.3)))
    tries = Restarts(1, 5.0, from_start=False)
    result = solve(problem, starts(N), restarts=tries, max_steps=1, watch=Watch(trace=1))
    for x in result.trajectory.x:
        assert (problem.violation(x) <= 1e-5).all()
        assert x.min() >= 0
        assert x.max() <= 1
    assert (result.trajectory.x[0] != starts(N)).flatten(1).any(dim=1).all()


def test_leaving_each_candidates_own_label():
    labels = ConvNet()(starts(N)).argmax(dim=1)
    entropy = CrossEntropy(ConvNet(), labels)
    result = solve(Problem(Maximize(entropy), Box()), starts(N), compute=Compute(chunk=2))
    assert torch.allclose(result.loss, -entropy(result.x), atol=1e-5)
    assert (ConvNet()(result.x).argmax(dim=1) != labels).all()
    assert result.confidence.isnan().all()
    assert not result.targeted


def test_a_prior_on_z_and_a_penalty_on_x_pull_each_in_its_own_space():
    pulled = Problem(Proximity(starts(N)) + 100 * InLatent(ink), Logit())
    free = Problem(Proximity(starts(N)) + 0 * InLatent(ink), Logit())
    options = {"stepper": Adam(0.3), "max_steps": 100}
    assert solve(pulled, starts(N), **options).z.abs().max() < 0.5
    assert solve(free, starts(N), **options).z.abs().max() > 3


def test_progress_is_reported_after_every_step_and_ends_at_all():
    heard: list[Progress] = []
    solve(
        BOWL,
        starts(N),
        max_steps=4,
        compute=Compute(chunk=2),
        watch=Watch(on_progress=heard.append),
    )
    done = [progress.done for progress in heard]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, N)
    assert {progress.total for progress in heard} == {N}
    assert len(heard) == 3 * 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        heard[0].done = 1


def test_progress_ends_at_all_when_the_time_is_up_before_anyone_moved():
    told = []
    solve(BOWL, starts(N), stop=MaxSeconds(1e-9), watch=Watch(on_progress=told.append))
    assert [(now.done, now.total) for now in told] == [(N, N)]


@pytest.mark.parametrize("chunk", [2, N])
def test_live_candidates_are_those_of_the_trajectory(chunk):
    heard: list[Progress] = []
    problem = Problem(CrossEntropy(ConvNet(), targets(N)), Box())
    options = {"stop": TargetReached(0.4), "max_steps": 12, "compute": Compute(chunk=chunk)}
    found = solve(problem, starts(N), watch=Watch(trace=1, on_progress=heard.append), **options)
    assert len(set(found.steps.tolist())) > 1  # they left at different times
    last = {}
    for live in [progress.live for progress in heard]:
        assert not any(each.requires_grad for each in (live.x, live.loss, live.confidence))
        for row, i in enumerate(live.ids.tolist()):
            frame = found.trajectory.steps.index(int(live.steps[row]))
            assert torch.equal(live.x[row], found.trajectory.x[frame, i])
            assert torch.isclose(live.loss[row], found.trajectory.loss[frame, i], atol=1e-6)
            last[i] = live.x[row], live.confidence[row]
    for i in range(N):  # who leaves is shown for the last time, where it ends
        assert torch.equal(last[i][0], found.x[i])
        assert torch.isclose(last[i][1], found.confidence[i], atol=1e-6)  # it was asked once more


def test_live_losses_are_what_is_descended():
    heard: list[Progress] = []
    apart = Equality(lambda x: x.flatten(1)[:, :2].diff(dim=1)[:, 0] - 0.1, name="apart")
    compute, problem = Compute(precision="float64"), Problem(ink, Box(), (apart,))
    by, watch = AugmentedLagrangian(LBFGS()), Watch(on_progress=heard.append)
    solve(problem, starts(N).double(), stepper=by, compute=compute, watch=watch)
    assert all(torch.isfinite(now.live.loss).all() for now in heard)
    assert all(now.live.confidence is None for now in heard)
    first = heard[0].live
    assert not torch.allclose(first.loss, ink(first.x))  # scaled, and with a penalty


def test_an_error_of_the_callback_ends_the_search_after_that_step():
    seen = []

    def stop(progress):
        seen.append(progress.live.steps.max())
        if len(seen) == 3:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        solve(BOWL, starts(N), watch=Watch(on_progress=stop))
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 100])
def test_what_is_found_does_not_depend_on_the_chunk(chunk):
    problem = Problem(CrossEntropy(ConvNet(), targets(N)), Box())
    options = {"stop": TargetReached(0.5), "max_steps": 30}
    whole = solve(problem, starts(N), **options)
    result = solve(problem, starts(N), compute=Compute(chunk=chunk), **options)
    assert torch.allclose(result.x, whole.x, atol=1e-4)
    assert result.steps.tolist() == whole.steps.tolist()


def test_raw_vectors_and_single_candidates_are_fine():
    result = solve(BOWL, torch.zeros(1, 1))
    assert torch.allclose(result.x, torch.tensor([[0.3]]), atol=1e-2)
    assert result.status == ("no more progress",)


def test_a_problem_made_in_inference_mode_is_searched_like_any_other():
    net = ConvNet()
    with torch.inference_mode():
        inside = solve(Problem(CrossEntropy(net, 1), Box()), starts(N), max_steps=2)
    outside = solve(Problem(CrossEntropy(net, 1), Box()), starts(N), max_steps=2)
    assert torch.allclose(inside.x, outside.x)


def test_a_start_outside_what_cannot_be_held_together_is_told_whoever_is_beside():
    """Two balls that do not meet, for three candidates; a fourth has room in both."""
    x0 = torch.full((4, 2), 0.5)
    apart = x0 + torch.tensor([[0.4], [0.4], [0.4], [0.05]])
    balls = (L2Ball(x0, 0.1), L2Ball(apart, 0.1))
    found = solve(Problem(BOWL.objective, Box(), balls), x0, max_steps=3)
    assert found.status == (*["no feasible point was found"] * 3, "step budget spent")
    assert found.feasible.tolist() == [False, False, False, True]
    assert found.evaluations.tolist() == [1, 1, 1, 4]


def test_a_gradient_that_becomes_zero_ends_what_nothing_else_moves():
    hinge = Problem(lambda x: (x - 0.5).relu().sum(dim=1), Box())
    x0 = torch.tensor([[0.75, 0.9], [0.6, 0.55]])
    found = solve(hinge, x0, stepper=GradientDescent(0.1), max_steps=50)
    assert found.sentences == ("the gradient is zero at step 4", "the gradient is zero at step 1")
    onward = solve(hinge, x0, stepper=Adam(0.1), max_steps=50)  # its momentum moves for a while
    assert onward.sentences == (
        "the gradient is zero at step 24",
        "the gradient is zero at step 21",
    )


class Below(Objective):
    """A target that is reached where a step has overshot the least loss."""

    def measure(self, x, z):
        return Measurement((x - 0.5).abs().sum(dim=1), x[:, 0] < 0.4)


def test_what_claims_success_is_what_is_returned_though_its_loss_was_lower_before():
    x0 = torch.tensor([[0.6], [2.5], [3.5]])  # the others go on
    options = {"stepper": GradientDescent(0.3), "stop": TargetReached(), "max_steps": 4}
    found = solve(Problem(Below(), Box(-9, 9)), x0, **options)
    assert found.status == ("target reached", "step budget spent", "step budget spent")
    assert found.reached.tolist() == [True, False, False]
    assert found.x[0].item() == pytest.approx(0.3)
    assert found.loss[0].item() == pytest.approx(0.2)
