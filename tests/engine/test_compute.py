import pytest
import torch
from torch import nn

from tests.laws.problems import looks
from tests.laws.registry import ConvNet, autoencoder, mlp, starts, targets
from xhat.engine import Compute, LossBelow, MaxEvaluations, Problem, TargetReached, Watch, solve
from xhat.objectives import CrossEntropy
from xhat.spaces import Box, Latent

N = 6
HALF = Compute(chunk=4, precision="bfloat16")


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("stop", [(), TargetReached(0.6), LossBelow(0.8)], ids=str)
def test_what_is_claimed_holds_in_single_precision(precision, stop):
    net = ConvNet().double() if precision == "float64" else ConvNet()
    problem = Problem(CrossEntropy(net, targets(N)), Box())
    compute = Compute(chunk=4, precision=precision)
    result = solve(problem, starts(N), stop=stop, max_steps=25, compute=compute)
    dtype = torch.float64 if precision == "float64" else torch.float32
    assert {result.x.dtype, result.z.dtype, result.loss.dtype} == {dtype}
    exact = CrossEntropy(ConvNet(), targets(N)).measure(result.x.float(), result.z.float())
    assert torch.allclose(exact.loss, result.loss.float(), atol=1e-5)
    assert torch.allclose(exact.confidence, result.confidence, atol=1e-5)
    if stop == TargetReached(0.6):
        assert result.reached.any()
        assert (exact.confidence[result.reached] >= 0.6 - 1e-6).all()
    else:
        assert torch.equal(exact.reached, result.reached)
    if stop == LossBelow(0.8):
        below = torch.tensor([status == LossBelow.status for status in result.status])
        assert (exact.loss[below] < 0.8 + 1e-6).all()


def test_autocast_is_used_in_the_search_and_only_there():
    kinds = []

    class Spy(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = ConvNet()

        def forward(self, x):
            logits = self.net(x)
            kinds.append(logits.dtype)
            return logits

    problem = Problem(CrossEntropy(Spy().eval(), targets(N)), Box())
    solve(problem, starts(N), max_steps=2, compute=HALF)
    assert kinds.count(torch.bfloat16) == 6  # two chunks, three looks each
    assert set(kinds) == {torch.bfloat16, torch.float32}
    kinds.clear()
    solve(problem, starts(N), max_steps=2)
    assert set(kinds) == {torch.float32}


class Boaster(nn.Module):
    """A classifier that is sure of class 1 under autocast, and of class 0 in full precision."""

    def __init__(self, sure: float = 9.0) -> None:
        super().__init__()
        self.seen, self.sure = 0, sure

    def forward(self, x):
        self.seen += len(x)
        boasts = torch.is_autocast_enabled(x.device.type)
        logit = self.sure if boasts else -9.0
        flat = x.flatten(1).mean(dim=1)
        return torch.stack([0 * flat, 0.1 * flat + logit], dim=1)


@pytest.mark.parametrize("stop", [TargetReached(), TargetReached(0.9), LossBelow(0.1)], ids=str)
def test_a_boast_of_half_precision_is_refused_and_the_search_still_ends(stop):
    model = Boaster().eval()
    result = solve(
        Problem(CrossEntropy(model, 1), Box()), starts(N), stop=stop, max_steps=5, compute=HALF
    )
    assert set(result.status) == {"step budget spent"}
    assert not result.reached.any()
    assert (result.loss > 8).all()
    assert (result.confidence < 0.01).all()
    assert result.steps.tolist() == [5] * N
    assert model.seen == int(result.evaluations.sum()) + looks(N, HALF.chunk)


def test_a_claim_that_single_precision_cannot_check_is_refused():
    def brittle(x):
        return x if torch.is_autocast_enabled(x.device.type) else x * torch.nan

    problem = Problem(CrossEntropy(brittle, 0), Box())
    x0 = torch.tensor([[0.6, 0.4]])
    result = solve(problem, x0, stop=TargetReached(), max_steps=2, compute=HALF)
    assert result.loss.isnan().all()
    assert not result.reached.any()
    assert result.status == ("step budget spent",)


def test_a_boast_without_a_rule_is_refused_as_well():
    problem = Problem(CrossEntropy(Boaster().eval(), 1), Box())
    result = solve(problem, starts(N), max_steps=2, compute=HALF)
    assert not result.reached.any()
    true = Problem(CrossEntropy(Boaster().eval(), 0), Box())
    assert solve(true, starts(N), max_steps=2, compute=HALF).reached.all()


def test_every_pass_of_half_precision_is_counted():
    net = ConvNet()
    problem = Problem(CrossEntropy(net, targets(N)), Box())
    stop = (TargetReached(0.5), MaxEvaluations(12))
    result = solve(problem, starts(N), stop=stop, compute=HALF)
    assert net.seen == int(result.evaluations.sum()) + looks(N, HALF.chunk)
    assert result.reached.any()


def test_half_precision_works_in_a_latent_space():
    problem = Problem(CrossEntropy(ConvNet(), targets(N)), Latent(*autoencoder()))
    result = solve(problem, starts(N), max_steps=5, compute=HALF, watch=Watch(trace=1))
    assert result.x.dtype == torch.float32
    assert torch.allclose(problem.space.decode(result.z), result.x, atol=1e-6)
    assert torch.allclose(problem.objective(result.x), result.loss, atol=1e-5)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch looks, while tracing
def test_a_compiled_search_finds_the_same_and_leaves_the_model_uncompiled():
    net = mlp((36, 8, 4), nn.Identity(), 0)
    problem = Problem(CrossEntropy(net, targets(3)), Box())
    plain = solve(problem, starts(3), max_steps=3)
    compiled = solve(problem, starts(3), max_steps=3, compute=Compute(compile="eager"))
    assert torch.allclose(compiled.x, plain.x, atol=1e-5)
    assert problem.objective.model.function is net


def test_double_precision_is_kept_in_the_trajectory():
    problem = Problem(CrossEntropy(ConvNet().double(), targets(N)), Box())
    compute = Compute(precision="float64")
    result = solve(problem, starts(N).double(), max_steps=4, watch=Watch(trace=2), compute=compute)
    assert result.trajectory.x.dtype == result.trajectory.loss.dtype == torch.float64
    assert torch.equal(result.trajectory.x[-1], result.x)
    again = torch.stack([problem.objective(x) for x in result.trajectory.x])
    assert torch.allclose(again, result.trajectory.loss, atol=1e-12)
