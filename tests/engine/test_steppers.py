import pytest
import torch

from tests.laws.registry import ConvNet, starts, targets
from xhat.core import generator
from xhat.engine import (
    LBFGS,
    Adam,
    Compute,
    GradientDescent,
    NormalizedDescent,
    Problem,
    SignDescent,
    Stepper,
    Watch,
    solve,
)
from xhat.engine.setup import Setup
from xhat.engine.step import Step
from xhat.objectives import CrossEntropy
from xhat.spaces import Box

N = 3
FREE = Box(-1e6, 1e6)  # so that nothing is ever clipped


def bumpy(x: torch.Tensor) -> torch.Tensor:
    """A smooth function with gradients of all sizes, one value per row."""
    flat = x.flatten(1)
    weight = torch.linspace(0.1, 3, flat.shape[1], dtype=x.dtype)
    return (weight * (flat - 0.3).square()).sum(dim=1) + (3 * flat).sin().prod(dim=1)


def begun() -> torch.Tensor:
    return torch.randn(N, 2, 3, generator=generator(0, "start"), dtype=torch.float64)


def moved(stepper: Stepper, steps: int) -> torch.Tensor:
    """Where the engine is after so many steps of a descent whose last point is its best."""
    compute = Compute(precision="float64", chunk=2)
    return solve(
        Problem(bumpy, FREE),
        begun(),
        stepper=stepper,
        max_steps=steps,
        watch=Watch(trace=1),
        compute=compute,
    ).trajectory.x[steps]


def by_torch(kind: type[torch.optim.Optimizer], steps: int, **options) -> torch.Tensor:
    """The same by an optimizer of torch, each candidate on its own."""
    rows = [row[None].clone().requires_grad_(True) for row in begun()]
    for row in rows:
        optimizer = kind([row], **options)
        for _ in range(steps):
            optimizer.zero_grad()
            bumpy(row).sum().backward()
            optimizer.step()
    return torch.cat(rows).detach()


def by_formula(steps: int, direction) -> torch.Tensor:
    z = begun()
    for _ in range(steps):
        z = z.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(bumpy(z).sum(), z)
        z = z - direction(gradient)
    return z.detach()


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_gradient_descent_is_torchs(momentum, steps):
    ours = moved(GradientDescent(0.02, momentum), steps)
    assert torch.allclose(ours, by_torch(torch.optim.SGD, steps, lr=0.02, momentum=momentum))
    assert not torch.allclose(ours, by_torch(torch.optim.SGD, steps, lr=0.021))


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.7)])
def test_adam_is_torchs(betas, steps):
    ours = moved(Adam(0.05, *betas, epsilon=1e-3), steps)
    theirs = by_torch(torch.optim.Adam, steps, lr=0.05, betas=betas, eps=1e-3)
    assert torch.allclose(ours, theirs, atol=1e-9)
    other = by_torch(torch.optim.Adam, steps, lr=0.05, betas=betas, eps=1e-1)
    assert not torch.allclose(ours, other, atol=1e-9)


def test_adams_clock_belongs_to_the_candidate():
    """One that enters the batch when others have moved for long is corrected as a fresh one."""
    problem = Problem(bumpy, FREE)
    compute = Compute(precision="float64", chunk=1)
    late = solve(problem, begun(), stepper=Adam(), max_steps=3, compute=compute)
    together = solve(problem, begun(), stepper=Adam(), max_steps=3, compute=Compute(3, "float64"))
    assert torch.allclose(late.x, together.x, atol=1e-12)


def test_sign_is_the_formula():
    assert torch.allclose(moved(SignDescent(0.03), 5), by_formula(5, lambda g: 0.03 * g.sign()))


def test_normalised_is_the_formula():
    def unit(gradient):
        length = gradient.flatten(1).norm(dim=1)[:, None, None]
        return 0.2 * gradient / length

    assert torch.allclose(moved(NormalizedDescent(0.2), 5), by_formula(5, unit))


@pytest.mark.parametrize("stepper", [SignDescent(), NormalizedDescent(), Adam(), LBFGS()], ids=repr)
def test_no_gradient_is_no_step(stepper):
    x0 = torch.full((2, 3), 0.4)
    result = solve(Problem(lambda x: 0 * x.sum(dim=1), Box()), x0, stepper=stepper, max_steps=3)
    assert torch.equal(result.x, x0)
    assert result.steps.tolist() == [0, 0]
    assert all(
        status.startswith("the gradient is zero at the start") for status in result.sentences
    )


def quadratics() -> tuple[Problem, torch.Tensor, torch.Tensor]:
    """Ill-conditioned bowls, one per candidate, whose scales differ by a million."""
    n, d = 4, 8
    random = generator(0, "bowls")
    turn = torch.linalg.qr(torch.randn(n, d, d, generator=random, dtype=torch.float64)).Q
    scale = torch.tensor([1e-3, 1.0, 30.0, 1e3], dtype=torch.float64)[:, None]
    curvature = scale * torch.logspace(0, 3, d, dtype=torch.float64)
    bowl = (turn * curvature[:, None]) @ turn.mT
    optimum = torch.randn(n, d, generator=random, dtype=torch.float64)

    class Bowls(torch.nn.Module):
        """The first two features of ``x`` say which bowl it is; the rest is where."""

        def forward(self, x):
            number = x[:, 0].round().long()
            delta = x[:, 1:] - optimum[number].to(x)
            return torch.einsum("ni,nij,nj->n", delta, bowl[number].to(x), delta) / 2

    x0 = torch.cat([torch.arange(n)[:, None].double(), torch.zeros(n, d).double()], dim=1)
    return Problem(Bowls().eval(), FREE), x0, optimum


def test_lbfgs_reaches_the_optimum_of_every_bowl_at_its_own_scale():
    problem, x0, optimum = quadratics()
    result = solve(
        problem, x0, stepper=LBFGS(), max_steps=120, compute=Compute(precision="float64")
    )
    assert (result.x[:, 1:] - optimum).abs().max() < 1e-4
    assert (result.loss < 1e-6 * problem.objective(x0)).all()


def test_lbfgs_is_far_ahead_of_gradient_descent():
    problem, x0, _ = quadratics()
    options = {"max_steps": 120, "compute": Compute(precision="float64")}
    ours = solve(problem, x0, stepper=LBFGS(), **options).loss / problem.objective(x0)
    best = torch.full_like(ours, torch.inf)
    for rate in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0):
        found = solve(problem, x0, stepper=GradientDescent(rate), **options)
        best = torch.minimum(best, found.loss / problem.objective(x0))
    assert (ours < 1e-3 * best).all()


def test_lbfgs_solves_rosenbrock_from_several_starts():
    def rosenbrock(x):
        return (1 - x[:, 0]).square() + 100 * (x[:, 1] - x[:, 0].square()).square()

    x0 = torch.tensor([[-1.2, 1.0], [2.0, -1.0], [0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    compute = Compute(precision="float64", chunk=3)
    result = solve(Problem(rosenbrock, FREE), x0, stepper=LBFGS(), max_steps=150, compute=compute)
    assert torch.allclose(result.x, torch.ones_like(x0), atol=1e-4)
    short = solve(Problem(rosenbrock, FREE), x0, stepper=Adam(), max_steps=150, compute=compute)
    assert not torch.allclose(short.x, torch.ones_like(x0), atol=1e-2)


def test_lbfgs_never_accepts_a_rise():
    problem = Problem(CrossEntropy(ConvNet(), targets(4)), Box())
    result = solve(problem, starts(4), stepper=LBFGS(first=5.0), max_steps=25)
    assert (result.loss < problem.objective(starts(4))).all()


def test_lbfgs_keeps_to_a_box_whose_border_holds_the_optimum():
    problem = Problem(lambda x: ((x - 2) * torch.tensor([1.0, 10.0])).square().sum(dim=1), Box())
    result = solve(problem, torch.zeros(2, 2), stepper=LBFGS(), max_steps=40)
    assert torch.allclose(result.x, torch.ones(2, 2))


def test_history_forgets_the_oldest_pair_first():
    stepper = LBFGS(history=2)
    z = torch.zeros(1, 2, dtype=torch.float64)
    state = stepper.init(z)
    slope = torch.tensor([1.0, 4.0], dtype=torch.float64)
    for _ in range(6):
        loss = (slope * z.square()).sum(dim=1) / 2 - z.sum(dim=1)
        z, state = stepper.step(z, loss, slope * z - 1, state)
    assert state["pairs"].shape == (1, 2, 2, 2)
    assert (state["known"] > 0).all()
    moves, changes = state["pairs"][0]
    assert torch.allclose(changes, slope * moves)


def test_a_trial_beyond_the_domain_is_taken_back():
    def barrier(x):  # NaN or infinite up to 0.1, least at 0.2
        return (x - 0.1 * (x - 0.1).log()).sum(dim=1)

    problem = Problem(barrier, Box(-100, 100))
    x0 = torch.tensor([[5.0, 3.0], [0.25, 40.0], [0.05, 3.0]])
    result = solve(problem, x0, stepper=LBFGS(first=10.0), max_steps=80)
    assert torch.allclose(result.x[:2], torch.full((2, 2), 0.2), atol=1e-3)
    assert result.status[:2] == ("step budget spent",) * 2
    assert result.sentences[2] == "loss became non-finite at step 0"  # nowhere to go back to
    plain = solve(problem, x0[:1], stepper=GradientDescent(10.0), max_steps=80)
    assert plain.sentences == ("loss became non-finite at step 1",)


def test_a_rejected_trial_is_followed_by_the_least_of_the_parabola_through_it():
    """Of ``z^2`` from 1: a step of 2.5 overshoots to -1.5, and the parabola's least is 0."""
    stepper, start = LBFGS(first=2.5), torch.ones(1, 1)
    trial, state = stepper.step(start, start[:, 0] ** 2, 2 * start, stepper.init(start))
    assert trial.item() == -1.5
    again, _ = stepper.step(trial, trial[:, 0] ** 2, 2 * trial, state)
    assert again.item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("first", "share"), [(50.0, 0.1), (2.02, 0.4950495)])
def test_a_trial_is_shortened_by_no_less_than_half_and_no_more_than_to_a_tenth(first, share):
    stepper, start = LBFGS(first=first), torch.ones(1, 1)
    trial, state = stepper.step(start, start[:, 0] ** 2, 2 * start, stepper.init(start))
    again, _ = stepper.step(trial, trial[:, 0] ** 2, 2 * trial, state)
    assert (1 - again.item()) / first == pytest.approx(share, rel=1e-5)


def test_a_pair_without_curvature_among_the_free_features_is_left_out():
    """What was learnt of a feature that a bound holds now says nothing of the others."""
    stepper, start = LBFGS(history=1), torch.tensor([[1.0, 1.0]])
    loss, gradient = torch.ones(1), torch.tensor([[1.0, 0.0]])
    known = stepper.init(start)
    known["moves"] = torch.tensor([[[1.0, 1.0]]])
    known["changes"] = torch.tensor([[[0.0, 1.0]]])  # all of its curvature is in the held feature
    known["known"] = torch.ones(1, 1)
    fresh, _ = stepper.step(start, loss, gradient, stepper.init(start))
    found, _ = stepper.step(start, loss, gradient, known)
    assert torch.equal(found, fresh)


@pytest.mark.parametrize("kind", [GradientDescent, SignDescent, NormalizedDescent, Adam])
@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_is_a_number_above_0(kind, rate):
    with pytest.raises(ValueError, match="rate must be above 0, but is"):
        kind(rate)


def test_where_a_direction_leads_nowhere_all_that_was_learnt_is_forgotten():
    """The next trial is as long as the very first, straight down, and knows no pair."""
    stepper, start = LBFGS(history=2, first=0.5), torch.tensor([[1.0, 2.0]])
    state = stepper.init(start)
    slope = torch.tensor([[3.0, 4.0]])
    state |= {
        "loss": torch.ones(1),
        "gradient": slope,
        "direction": torch.tensor([[9.0, -1.0]]),
        "length": torch.tensor([5e-5]),
        "moves": torch.ones(1, 2, 2),
        "changes": torch.tensor([[[0.5, 9.0], [7.0, 0.1]]]),
        "known": torch.ones(1, 2),
    }
    trial, new = stepper.step(start + 1e-3, torch.tensor([2.0]), 2 * slope, state)
    assert not new["known"].any()
    assert torch.allclose(trial, start - 0.5 * slope / 5)
    kept, same = stepper.step(start + 1e-3, torch.tensor([2.0]), 2 * slope, state | {
        "length": torch.tensor([0.5])
    })  # fmt: skip
    assert same["known"].all()
    assert torch.equal(same["direction"], state["direction"])
    assert not torch.allclose(kept, trial)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_which_features_a_bound_holds_does_not_depend_on_the_unit_of_the_loss(scale):
    """A feature at its bound, pushed outward, takes no part in the curvature of the others."""
    problem = Problem(lambda x: x.sum(dim=1), Box())
    setup = Setup(problem, LBFGS(), (), torch.device("cpu"), torch.float64, False, lambda: 0.0)
    z = torch.tensor([[1.0, 1.0, 0.5, 0.0, 0.0]], dtype=torch.float64)
    gradient = scale * torch.tensor([[-1.0, 1.0, -1.0, 1.0, -1.0]], dtype=torch.float64)
    found = Step(setup, problem).unheld(z, gradient)
    assert torch.equal(found, gradient * torch.tensor([[0.0, 1.0, 1.0, 0.0, 1.0]]))


@pytest.mark.parametrize("loss", [float("-inf"), float("inf"), float("nan")])
def test_no_trial_is_taken_whose_loss_is_not_finite(loss):
    """However low: what lies beyond a domain may come out as minus infinity."""
    stepper, start = LBFGS(), torch.ones(1, 2)
    trial, state = stepper.step(start, torch.ones(1), torch.ones(1, 2), stepper.init(start))
    _, after = stepper.step(trial, torch.tensor([loss]), torch.ones(1, 2), state)
    assert torch.equal(after["point"], state["point"])
    assert after["loss"].item() == 1.0
    assert after["length"].item() == pytest.approx(0.5)
