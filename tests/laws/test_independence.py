"""Promise 2: a candidate gets the same alone, in any batch, in any order; NaN touches no other."""

import pytest
import torch
from torch import nn

from tests.laws.problems import N, every_smooth_triple, make_problem, rule_for
from tests.laws.registry import CONSTRAINTS, SPACES, STEPPERS, ConvNet, starts, targets
from xhat.attacks import pgd
from xhat.engine import Adam, Compute, Problem, Restarts, TargetReached, solve
from xhat.objectives import CrossEntropy, Margin
from xhat.spaces import Box, Logit

NAMES = ("x", "z", "loss", "confidence", "reached", "violation", "steps", "evaluations")


def assert_same(one, other, index=slice(None), atol=1e-8):
    """Compare the candidates of ``one`` with those at ``index`` of ``other``."""
    for name in NAMES:
        mine, theirs = getattr(one, name), getattr(other, name)[index]
        assert torch.allclose(mine.double(), theirs.double(), atol=atol, equal_nan=True), name
    numbers = torch.arange(len(other))[index].tolist()
    assert list(one.status) == [other.status[i] for i in numbers]


@every_smooth_triple
def test_alone_in_a_batch_and_in_another_order_are_the_same(space, objective, stepper):
    problem = make_problem(space, objective)
    x0 = space.starts(N)
    rule = rule_for(problem, x0)
    for module in problem.modules():
        module.double()
    order = torch.tensor([2, 0, 1])

    def run(index: torch.Tensor, chunk: int):
        return solve(
            problem.select(index),
            x0[index],
            stepper=stepper.make(N),
            stop=rule,
            max_steps=2,
            restarts=Restarts(2, 0.1),
            compute=Compute(chunk=chunk, precision="float64"),
        )

    assert_same(run(order, 1), run(torch.arange(N), 2), order)


@pytest.mark.parametrize("entry", CONSTRAINTS, ids=str)
def test_with_a_constraint_as_well(entry):
    n, order = 5, torch.tensor([4, 2, 0, 3, 1])
    problem = Problem(CrossEntropy(ConvNet().double(), targets(n)), Box(), entry.make(n))
    x0 = entry.starts(n)
    options = {"stop": TargetReached(0.3), "max_steps": 6, "restarts": Restarts(3, 0.2)}
    whole = solve(problem, x0, compute=Compute(precision="float64"), **options)
    compute = Compute(chunk=2, precision="float64")
    turned = solve(problem.select(order), x0[order], compute=compute, **options)
    # Rounds of quasi-Newton steps enlarge the rounding errors that every batch makes of its own.
    assert_same(turned, whole, order, atol=1e-5 if problem.general else 1e-8)
    assert len(set(whole.steps.tolist())) > 1  # they did leave at different times


def test_the_default_step_of_an_attack_belongs_to_its_candidate():
    x0, radius = starts(2), torch.tensor([0.1, 0.3])
    with pytest.raises(ValueError, match=r"needs rate= when the radius differs"):
        pgd(ConvNet(), x0, target=1, radius=radius)
    both = pgd(ConvNet(), x0, target=1, radius=radius, rate=0.01, steps=4)
    one = pgd(ConvNet(), x0[:1], target=1, radius=0.1, rate=0.01, steps=4)
    assert torch.allclose(both.x[:1], one.x, atol=1e-6)


def test_a_loss_that_mixes_candidates_is_refused():
    with pytest.raises(ValueError, match=r"one loss per candidate, shape \(2,\).*do not average"):
        solve(Problem(lambda x: x.mean().reshape(1), Box()), starts(2))
    assert len(solve(Problem(lambda x: x.flatten(1).mean(dim=1), Box()), starts(2), max_steps=2))


class Poison(torch.autograd.Function):
    """The identity; its gradient is ``worth`` in marked rows."""

    @staticmethod
    def forward(ctx, x, marked, worth):
        ctx.save_for_backward(marked)
        ctx.worth = worth
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        (marked,) = ctx.saved_tensors
        return torch.where(marked[:, None, None, None], ctx.worth, gradient), None, None


class Poisoned(nn.Module):
    """A classifier that fails for inputs whose first pixel is bright."""

    def __init__(self, worth: float, where: str) -> None:
        super().__init__()
        self.net, self.worth, self.where = ConvNet().double(), worth, where
        self.keep = torch.ones(1, 6, 6, dtype=torch.float64)
        self.keep[0, 0, 0] = 0

    def forward(self, x):
        marked, x = x[:, 0, 0, 0] > 0.6, x * self.keep  # so that the mark itself never moves
        if self.where == "gradient":
            return self.net(Poison.apply(x, marked, self.worth))
        return torch.where(marked[:, None], self.worth, self.net(x))


@pytest.mark.parametrize("stepper", STEPPERS, ids=str)
@pytest.mark.parametrize("where", ["loss", "gradient"])
@pytest.mark.parametrize("worth", [torch.nan, torch.inf], ids=["nan", "infinity"])
@pytest.mark.parametrize("space", [Box(), Logit()], ids=["box", "logit"])
def test_one_candidates_nan_touches_no_other(space, worth, where, stepper):
    x0 = starts(4)
    x0[:, 0, 0, 0] = torch.tensor([0.0, 0.0, 1.0, 0.0])
    problem = Problem(CrossEntropy(Poisoned(worth, where).eval(), targets(4)), space)
    compute = Compute(precision="float64", chunk=3)
    options = {"stepper": stepper.make(4), "max_steps": 4, "compute": compute}
    result = solve(problem, x0, **options)
    assert result.sentences[2] == f"{where} became non-finite at step 0"
    healthy = torch.tensor([0, 1, 3])
    clean = solve(problem.select(healthy), x0[healthy], **options)
    for name in NAMES:
        assert torch.equal(getattr(result, name)[healthy], getattr(clean, name)) or torch.allclose(
            getattr(result, name)[healthy].double(), getattr(clean, name).double(), atol=1e-8
        )
    assert torch.isfinite(result.x).all()
    assert torch.isfinite(result.loss[healthy]).all()
    assert bool(torch.isfinite(result.loss[2])) == (where == "gradient")
    assert result.evaluations.tolist() == [5, 5, 1, 5]


def test_what_was_best_before_the_misfortune_is_the_answer():
    def cliff(x):
        return torch.where(x[:, 0] > 0.5, torch.nan, 1 - x[:, 0])

    x0 = torch.tensor([[0.0], [0.2]])
    result = solve(Problem(cliff, Box()), x0, stepper=Adam(), max_steps=50)  # L-BFGS would go back
    assert all(status.startswith("loss became non-finite at step ") for status in result.sentences)
    assert torch.allclose(result.loss, 1 - result.x[:, 0])
    assert (result.x[:, 0] > 0.4).all()
    assert (result.x[:, 0] <= 0.5).all()


@pytest.mark.parametrize("objective", [CrossEntropy, Margin])
def test_a_target_reached_before_a_restart_is_kept(objective):
    n = 4
    problem = Problem(objective(ConvNet(), targets(n)), Box())
    options = {"stop": TargetReached(), "max_steps": 4}
    once = solve(problem, starts(n), **options)
    more = solve(problem, starts(n), restarts=Restarts(4, 0.4), **options)
    assert 0 < once.reached.sum() < n
    assert torch.equal(more.x[once.reached], once.x[once.reached])
    assert torch.equal(more.evaluations[once.reached], once.evaluations[once.reached])
    assert (more.reached | ~once.reached).all()
    assert (more.evaluations > once.evaluations)[~once.reached].all()


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_restarts_differ_by_seed_and_by_candidate(space):
    problem = Problem(lambda x: (x - 0.5).flatten(1).square().sum(dim=1), space.make(2))
    tries = Restarts(1, 0.3, from_start=False)

    def moved(seed: int) -> torch.Tensor:
        return solve(
            problem, space.starts(2), restarts=tries, compute=Compute(seed=seed), max_steps=1
        ).z

    assert torch.equal(moved(0), moved(0))
    assert not torch.equal(moved(0), moved(1))
    assert not torch.equal(moved(0)[0], moved(0)[1])
