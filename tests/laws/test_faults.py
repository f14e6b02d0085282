"""Promises 2, 4, 5 and 7: there is an answer whatever happens, and only what holds is claimed."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.laws.registry import STEPPERS, ConvNet, autoencoder, starts, targets
from xhat.constraints import Bounds, Inequality
from xhat.core import InputWarning, SearchFailedError
from xhat.engine import (
    Adam,
    AugmentedLagrangian,
    Compute,
    GradientDescent,
    LossBelow,
    Problem,
    Restarts,
    SignDescent,
    TargetReached,
    Watch,
    solve,
)
from xhat.engine.first_look import LOOKS
from xhat.objectives import CrossEntropy, Hinge, Untargeted
from xhat.spaces import Box, Held, Latent, Masked, Normalized

N = 8


def bowl(x):
    return (x - 0.3).flatten(1).square().sum(dim=1)


class Interrupting:
    """A bowl whose user presses Ctrl-C at the k-th pass."""

    def __init__(self, at: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.at, self.calls, self.error = at, 0, error

    def __call__(self, x):
        self.calls += 1
        if self.calls == self.at:
            raise self.error("enough")
        return bowl(x)


ROOF = Inequality(lambda x: x.flatten(1).sum(dim=1) - 0.6, name="roof")


@pytest.mark.parametrize("constraints", [(), (ROOF,)], ids=["free", "multipliers"])
@pytest.mark.parametrize("at", [2, 7, 9, 13, 30])
def test_ctrl_c_keeps_what_there_is(at, constraints):
    x0 = torch.rand(N, 3, generator=torch.Generator().manual_seed(1))
    function = Interrupting(at)
    options = {"compute": Compute(chunk=3), "stepper": GradientDescent(0.05), "max_steps": 40}
    found = solve(Problem(function, Box(), constraints), x0, **options)
    assert "interrupted" in found.status
    assert set(found.status) <= {"interrupted", "step budget spent"}
    looked = found.loss.isfinite()
    assert torch.allclose(bowl(found.x)[looked], found.loss[looked], atol=1e-6)
    if not constraints:
        assert (found.loss[looked] <= bowl(x0)[looked] + 1e-6).all()
    assert torch.equal(found.x[~looked], x0[~looked])
    with pytest.raises(SearchFailedError, match="interrupted"):
        found.raise_if_failed()


def test_candidates_that_were_done_before_ctrl_c_stay_done():
    x0 = torch.cat([torch.full((4, 2), 0.31), torch.full((4, 2), 0.9)])
    heard = []

    def tell(now):
        heard.append(now.done)
        if now.done >= 4 and len(heard) > 3:
            raise KeyboardInterrupt

    watch = Watch(on_progress=tell)
    found = solve(Problem(bowl, Box()), x0, stepper=Adam(), stop=LossBelow(1e-3), watch=watch)
    assert found.status == (*["loss below the wanted value"] * 4, *["interrupted"] * 4)
    assert found.steps.tolist() == [0] * 4 + [len(heard)] * 4


def test_ctrl_c_in_a_further_try_keeps_the_first():
    # after the first look, which asks about both alone, a try of 3 steps asks 4 times, and its
    # answer is asked about once more
    function, x0 = Interrupting(1 + LOOKS + 2 + 4 + 1 + 2), torch.full((2, 2), 0.9)
    options = {"stepper": GradientDescent(0.01), "max_steps": 3}
    found = solve(Problem(function, Box()), x0, restarts=Restarts(5, 0.1), **options)
    assert found.status == ("interrupted", "interrupted")
    once = solve(Problem(bowl, Box()), x0, **options)
    assert (found.loss <= once.loss + 1e-6).all()


class Allergic(nn.Module):
    """A classifier that raises for inputs whose first pixel is bright, from the k-th pass on."""

    def __init__(self, error: type[Exception], since: int = 0) -> None:
        super().__init__()
        self.net, self.error, self.since, self.calls = ConvNet(), error, since, 0

    def forward(self, x):
        self.calls += 1
        if self.calls > self.since and bool((x[:, 0, 0, 0] > 0.6).any()):
            raise self.error("this one not\nand more")
        return self.net(x)


@pytest.mark.parametrize("error", [RuntimeError, ZeroDivisionError, KeyError, MemoryError])
@pytest.mark.parametrize("stepper", STEPPERS, ids=str)
def test_an_exception_for_one_candidate_touches_no_other(stepper, error):
    x0 = starts(N).double()
    x0[:, 0, 0, 0] = 0.0
    x0[5, 0, 0, 0] = 1.0
    still = torch.ones(1, 6, 6)
    still[0, 0, 0] = 0
    net = Allergic(error).double().eval()
    space = Held(Box(), lambda x, start: torch.where(still > 0, x, start), x0)
    problem = Problem(CrossEntropy(net, targets(N)), space)
    options = {"stepper": stepper.make(N), "max_steps": 4}
    options["compute"] = Compute(chunk=6, precision="float64")
    found = solve(problem, x0, **options)
    assert found.sentences[5].startswith(f"the model failed at step 0: {error.__name__}: ")
    assert "\n" not in found.status[5]
    healthy = torch.tensor([0, 1, 2, 3, 4, 6, 7])
    clean = solve(problem.select(healthy), x0[healthy], **options)
    assert set(found.status) == {found.status[5], *clean.status}
    assert torch.allclose(found.x[healthy], clean.x, atol=1e-5)
    assert torch.allclose(found.loss[healthy], clean.loss, atol=1e-5)
    assert torch.equal(found.x[5], x0[5])
    with pytest.raises(SearchFailedError, match="candidates failed"):
        found.raise_if_failed()


@pytest.mark.parametrize("number", range(4))
def test_a_first_start_that_the_model_cannot_take_keeps_no_other_from_being_searched(number):
    """Each with frozen features of its own: what is tried of another start is its own problem."""
    x0 = starts(4)
    x0[:, 0, 0, 0] = 0.0
    x0[:number, 0, 0, 0] = 1.0
    free = torch.ones(1, 6, 6, dtype=torch.bool)
    free[0, 0, 0] = False
    space = Masked(Box(), free, x0)
    problem = Problem(CrossEntropy(Allergic(RuntimeError).eval(), targets(4)), space)
    found = solve(problem, x0, stepper=GradientDescent(0.01), max_steps=2)
    failed = [status.startswith("the model failed at step 0") for status in found.sentences]
    assert failed == [i < number for i in range(4)]


def test_who_is_lost_between_two_rounds_is_not_searched_in_the_next():
    """The model fails where nothing is differentiated: when a round is looked at."""

    def shy(x):
        if not torch.is_grad_enabled() and len(x) == 1 and bool((x[:, 0] > 0.79).any()):
            raise RuntimeError("not while anybody looks")
        return bowl(x)

    still = torch.tensor([0.0, 1.0, 1.0])
    x0 = torch.tensor([[0.1, 0.9, 0.9], [0.1, 0.8, 0.7], [0.8, 0.9, 0.9]])
    space = Held(Box(), lambda x, start: torch.where(still > 0, x, start), x0)
    how = AugmentedLagrangian(GradientDescent(0.01), rounds=4)
    compute = Compute(chunk=1)
    found = solve(Problem(shy, space, ROOF), x0, max_steps=3, compute=compute, stepper=how)
    assert found.sentences[2].startswith("the model failed: RuntimeError: not while anybody looks")
    assert found.steps[2] <= 3  # those of one round
    assert (found.steps[:2] > 3).all()


@pytest.mark.parametrize("constraints", [(), (ROOF,)], ids=["free", "multipliers"])
def test_a_model_that_fails_late_loses_nothing_that_was_found(constraints):
    class Late(Interrupting):
        def __call__(self, x):
            self.calls += 1
            if self.calls >= self.at:
                raise OSError("the disk is gone")
            assert bool(x.isfinite().all())  # read, so that it is asked at every step
            return bowl(x)

    x0 = torch.full((4, 3), 0.9)
    problem = Problem(Late(40), Box(), constraints)
    found = solve(problem, x0, stepper=GradientDescent(0.02), max_steps=100)
    assert all(status.startswith("the model failed") for status in found.sentences)
    assert all("OSError: the disk is gone" in status for status in found.sentences)
    assert (bowl(found.x) < 0.5 * bowl(x0)).all()
    # what is told as the loss is the loss, and not what multipliers made of it
    told = found.loss.isfinite()
    assert torch.allclose(found.loss[told], bowl(found.x)[told], atol=1e-6)


@pytest.mark.parametrize("at", [7, 8, 9, 12, 30, 45, 60])
def test_a_loss_that_could_not_be_asked_again_is_no_merit(at):
    class Late(Interrupting):
        def __call__(self, x):
            self.calls += 1
            if self.calls >= self.at:
                raise OSError("the disk is gone")
            return bowl(x)

    x0 = torch.full((4, 3), 0.9)
    how = AugmentedLagrangian(GradientDescent(0.02), rounds=3)
    found = solve(Problem(Late(at), Box(), ROOF), x0, max_steps=5, stepper=how)
    told = found.loss.isfinite()
    assert torch.allclose(found.loss[told], bowl(found.x)[told], atol=1e-6)
    assert bool(told.any()) == (at > 12)  # after a round that was looked at, there is a loss


@pytest.mark.parametrize("where", ["encoder", "decoder", "constraint"])
def test_what_else_the_user_brought_may_raise(where):
    encoder, decoder = autoencoder()
    calls = []

    def spoilt(part, name, since):
        def called(x):
            calls.append(name)
            if name == where and calls.count(name) > since:
                raise RuntimeError("gone")
            return part(x)

        return called

    weight = spoilt(lambda x: x.flatten(1).sum(dim=1) - 12, "constraint", 12)
    space = Latent(spoilt(encoder, "encoder", 6), spoilt(decoder, "decoder", 20))
    problem = Problem(CrossEntropy(ConvNet(), targets(N)), space, Inequality(weight))
    found = (
        solve(
            problem,
            starts(N),
            max_steps=5,
            compute=Compute(chunk=3),
            stepper=AugmentedLagrangian(rounds=3),
        )
        if where == "constraint"
        else solve(
            Problem(problem.objective, space), starts(N), max_steps=9, compute=Compute(chunk=3)
        )
    )
    assert len(found) == N
    assert any(status.startswith("the model failed") for status in found.sentences)
    assert torch.isfinite(found.x).all()


class Dropping(nn.Module):
    """A classifier with dropout that is always on."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.second = nn.Linear(6, width), nn.Linear(width, 3)

    def forward(self, x):
        return 4 * self.second(F.dropout(self.first(x).tanh(), 0.5, training=True))


def inputs(n: int, d: int = 6) -> torch.Tensor:
    return torch.rand(n, d, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("stop", [TargetReached(0.9), TargetReached(), ()], ids=str)
def test_a_random_model_is_noticed_and_claims_are_made_of_new_evaluations(stop):
    model, x0 = Dropping().eval(), inputs(32)
    problem = Problem(CrossEntropy(model, 1), Box())
    with pytest.warns(InputWarning, match="answers differently each time"):
        found = solve(problem, x0, stop=stop)
    assert "answers differently each time" in found.notes[0]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(5)
        p = torch.stack([model(found.x).softmax(dim=1)[:, 1] for _ in range(400)]).mean(dim=0)
    assert (found.confidence - p).abs().mean() < 0.1  # of 16 passes, not of the luckiest
    if stop == TargetReached(0.9):
        assert torch.equal(found.reached, found.confidence >= 0.9)
    claimed = torch.tensor([status == "target reached" for status in found.status])
    assert (found.reached | ~claimed).all()
    before = torch.get_rng_state()
    with pytest.warns(InputWarning):
        again = solve(problem, x0, stop=stop)
    assert torch.equal(found.x, again.x)  # the seed is the search's own
    assert torch.equal(before, torch.get_rng_state())


def test_a_model_that_looks_across_the_batch_is_searched_one_at_a_time():
    net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)).eval()
    x0 = inputs(5)

    def mixing(x):
        return net(x) + 3 * x.mean(dim=0).sum() * torch.tensor([1.0, -1.0, 0.0])

    problem = Problem(CrossEntropy(mixing, 1), Box())
    with pytest.warns(InputWarning, match="lets one candidate change another"):
        found = solve(problem, x0, stop=TargetReached(0.6), max_steps=20)
    for i in range(5):
        alone = solve(problem, x0[i : i + 1], stop=TargetReached(0.6), max_steps=20)
        assert torch.allclose(alone.x, found.x[i : i + 1], atol=1e-6)
        assert alone.status[0] == found.status[i]
        assert torch.allclose(alone.confidence, found.confidence[i : i + 1], atol=1e-6)


def test_a_random_model_is_noticed_where_its_loss_is_clipped():
    model, x0 = Dropping().eval(), inputs(3)
    objective = Hinge(CrossEntropy(model, 1), 50.0)  # a loss of 0, whatever the model says
    with pytest.warns(InputWarning, match="answers differently each time"):
        solve(Problem(objective, Box()), x0, max_steps=2)


@pytest.mark.parametrize("since", [3, 4, 5, 6])
def test_what_differs_late_is_not_taken_for_mixing(since):
    """Dropout may do the same a few times; of a start that has no others, it is no mixing."""
    calls = []

    def model(x):
        calls.append(len(x))
        return bowl(x) + (0.1 * len(calls) if len(calls) > since else 0.0)

    with pytest.warns(InputWarning, match="answers differently each time") as told:
        found = solve(Problem(model, Box()), inputs(1), max_steps=3)
    assert not any("another" in str(one.message) for one in told)
    assert len(found.notes) == 1


@pytest.mark.parametrize("once", [3, 4])
def test_one_pass_that_differs_is_enough(once):
    """Of those that only look again: the others of them may agree."""
    calls = []

    def model(x):
        calls.append(len(x))
        return bowl(x) + (0.1 if len(calls) == once else 0.0)

    with pytest.warns(InputWarning, match="answers differently each time"):
        solve(Problem(model, Box()), inputs(2), max_steps=3)


@pytest.mark.parametrize("place", range(4))
def test_mixing_is_noticed_whichever_start_shows_it(place):
    def mixing(x):
        return (bowl(x) + x.mean(dim=0).sum() - 2.0).clamp_min(0)

    x0 = torch.full((4, 3), 0.3)
    x0[place] = 1.0  # the loss of all others is clipped to 0, alone and in the batch
    with pytest.warns(InputWarning, match="lets one candidate change another"):
        solve(Problem(mixing, Box(-1, 2)), x0, max_steps=2)


def test_success_is_never_claimed_of_what_is_infeasible():
    x0 = F.normalize(inputs(4) - 0.2, dim=1)
    problem = Problem(lambda x: x[:, 0], Normalized(), Bounds(high=0.9), tolerance=0.0)
    found = solve(problem, x0, stop=LossBelow(0.5), stepper=AugmentedLagrangian(rounds=3))
    for status, feasible in zip(found.status, found.feasible.tolist(), strict=True):
        assert feasible or status not in ("loss below the wanted value", "target reached")
        assert not (feasible and status == "no feasible point was found")


@pytest.mark.parametrize(
    ("space", "tolerance"), [(Normalized(), 1e-8), (Normalized(), 0.0)], ids=["1e-8", "0"]
)
def test_status_and_feasibility_come_from_one_place(space, tolerance):
    x0 = F.normalize(inputs(16, 40), dim=1)
    net = nn.Linear(40, 3).eval()
    problem = Problem(CrossEntropy(net, 1), space, tolerance=tolerance)
    found = solve(problem, x0, stop=TargetReached())
    assert found.reached.any()
    for status, feasible in zip(found.status, found.feasible.tolist(), strict=True):
        assert feasible == (status != "a constraint is violated beyond the tolerance")


def dead(x):
    return F.relu(x - 5) @ torch.ones(6, 3) + torch.tensor([1.0, 0.0, 0.0])


def rounding(x):
    return ((x * 255).round() / 255) @ torch.eye(6, 3)


def saturated(x):
    return 1e6 * x @ torch.eye(6, 3)


@pytest.mark.parametrize("stepper", STEPPERS, ids=str)
@pytest.mark.parametrize(
    "objective",
    [
        CrossEntropy(dead, 1),
        CrossEntropy(rounding, 1),
        Untargeted(lambda x: 4 * saturated(x).tanh(), 0),
    ],
    ids=["dead", "rounding", "saturated"],
)
def test_a_gradient_of_zero_is_named_at_once(objective, stepper):
    x0 = inputs(3)
    x0[:, 0] = 0.99
    found = solve(Problem(objective, Box()), x0, stepper=stepper.make(3), stop=TargetReached(0.99))
    assert all(status.startswith("the gradient is zero at the start") for status in found.sentences)
    assert found.evaluations.tolist() == [1, 1, 1]


def test_a_step_too_small_for_the_range_is_named_at_once():
    x0 = 1000 + inputs(2)
    problem = Problem(lambda x: x.sum(dim=1), Box(0, 2000))
    found = solve(problem, x0, stepper=SignDescent(1e-6))
    assert all(status.startswith("the step is too small") for status in found.sentences)
    fine = solve(
        problem, x0.double(), stepper=SignDescent(1e-6), compute=Compute(precision="float64")
    )
    assert set(fine.status) == {"step budget spent"}


@pytest.mark.parametrize("size", [300, 1000, 2000])
@pytest.mark.parametrize("seed", [0, 1])
def test_thousands_of_conditions_in_a_latent_space_are_restored_without_an_exception(size, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = nn.Linear(size, 8).eval()
        decoder = nn.Sequential(nn.Linear(8, size), nn.Sigmoid()).eval()
        net, x0 = nn.Linear(size, 3).eval(), torch.rand(4, size)
    problem = Problem(CrossEntropy(net, 1), Latent(encoder, decoder), Bounds(0.01, 0.95))
    how = AugmentedLagrangian(rounds=2)
    found = solve(problem, x0, max_steps=5, stepper=how)
    start = decoder(encoder(x0).clamp(-4, 4)).detach()
    assert (found.violation <= problem.violation(start).clamp_min(0) + 1e-5).all()
    # this many backward passes would be needed for a Jacobian alone; a search takes far fewer
    calls = []
    counted = Latent(encoder, lambda z: calls.append(1) or decoder(z))
    solve(Problem(problem.objective, counted, Bounds(0.01, 0.95)), x0, max_steps=5, stepper=how)
    assert len(calls) < 1000


def test_what_is_not_finite_for_one_is_not_restored_for_it_alone():
    def broken(x):
        return torch.where(x[:, 0] > 0.8, torch.nan, x.sum(dim=1) - 1.0)

    x0 = torch.tensor([[0.1, 0.9, 0.9], [0.9, 0.9, 0.9], [0.2, 0.8, 0.7]])
    still = torch.tensor([0.0, 1.0, 1.0])
    space = Held(Box(), lambda x, start: torch.where(still > 0, x, start), x0)
    found = solve(Problem(bowl, space, Inequality(broken)), x0, max_steps=20)
    assert found.feasible.tolist() == [True, False, True]
