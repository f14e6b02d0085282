import pytest
import torch
from torch import Tensor, nn

from tests.laws.registry import STEPPERS, mlp, starts, targets
from xhat.engine import Adam, LossBelow, Problem, TargetReached, solve
from xhat.engine.tape import Tape, same
from xhat.objectives import CrossEntropy
from xhat.spaces import Box

N = 5


class Counted(nn.Module):
    """A network that knows how often it was asked."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.asked = net, 0

    def forward(self, x):
        self.asked += 1
        return self.net(x)


def slope(net: nn.Module):
    """Output and gradient of a network, as a function from tensors to tensors."""

    def function(inputs):
        x = inputs[0].detach().requires_grad_(True)
        y = net(x)
        (gradient,) = torch.autograd.grad(y.square().sum(), x)
        return [y.detach(), gradient, inputs[1]]

    return function


def small(*more: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), *more, nn.Linear(8, 3)).eval()


def inputs(seed: int) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(4, 6, generator=random), torch.randn(2, generator=random)]


@pytest.mark.parametrize(
    "net",
    [
        small(),
        small(nn.LayerNorm(8), nn.GELU()),
        small(nn.BatchNorm1d(8), nn.Softmax(dim=1)),
        nn.Sequential(nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 2, 2), nn.Flatten(), nn.SiLU()),
    ],
    ids=["relu", "layernorm", "batchnorm", "convolution"],
)
def test_a_tape_does_for_other_inputs_what_the_function_does(net):
    function = slope(net.eval())
    tape = Tape(function, inputs(0))
    assert same(tape.outputs, function(inputs(0)))
    with torch.no_grad():
        played = tape(inputs(1))
    assert same(played, function(inputs(1)))
    assert not same(tape.outputs, function(inputs(1)))


def test_weights_are_looked_at_when_a_tape_is_played():
    net = small()
    tape = Tape(slope(net), inputs(0))
    with torch.no_grad():
        net[0].weight.mul_(2)
        played = tape(inputs(1))
    assert same(played, slope(net)(inputs(1)))


class Reading(nn.Module):
    def forward(self, x):
        return x * float(x.detach().max())


class Choosing(nn.Module):
    def forward(self, x):
        return x * len(x[x.detach()[:, 0] > 0])


class Remembering(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x):
        self.count += 1
        return x * self.count


@pytest.mark.parametrize(
    "part", [Reading(), Choosing(), Remembering(), nn.Dropout().train()], ids=repr
)
def test_what_a_list_of_operations_cannot_hold_has_no_tape(part):
    function = slope(nn.Sequential(nn.Linear(6, 8), part))
    assert Tape(function, inputs(0)).play is None


@pytest.mark.parametrize("stepper", STEPPERS, ids=str)
def test_a_search_by_tape_finds_what_one_by_steps_finds(stepper):
    net = Counted(mlp((36, 16, 4), nn.Tanh(), 0)).eval()
    problem = Problem(CrossEntropy(net, targets(N)), Box(-5, 5))
    options = {"stepper": stepper.make(N), "stop": LossBelow(0.05), "max_steps": 120}
    played = solve(problem, starts(N), **options)
    asked, net.asked = net.asked, 0
    hook = net.register_forward_hook(lambda *_: None)
    stepped = solve(problem, starts(N), **options)
    hook.remove()
    assert torch.allclose(played.x, stepped.x, atol=1e-3)
    assert torch.allclose(played.loss, stepped.loss, atol=1e-3)
    assert played.status == stepped.status
    steps = int(stepped.steps.max())
    assert net.asked > steps
    assert steps < 40 or asked < net.asked / 2


def test_candidates_leave_a_tape_at_the_step_at_which_they_are_done():
    net = mlp((36, 16, 4), nn.Tanh(), 0).double()
    problem = Problem(CrossEntropy(net, targets(16)), Box(-5, 5))
    options = {"stop": TargetReached(0.4), "max_steps": 200}
    played = solve(problem, starts(16).double(), **options)
    net.register_forward_hook(lambda *_: None)
    stepped = solve(problem, starts(16).double(), **options)
    assert len(set(stepped.steps.tolist())) > 4
    assert played.steps.tolist() == stepped.steps.tolist()
    assert played.evaluations.tolist() == stepped.evaluations.tolist()
    assert played.status == stepped.status
    assert torch.allclose(played.x, stepped.x, atol=1e-5)


def test_a_function_that_changes_on_its_own_is_noticed():
    """Its tape is dropped when it is compared, and what is claimed is measured anew."""
    calls, until, start = list[int](), [1000], torch.full((2, 3), 0.5)

    def turning(x: Tensor) -> Tensor:
        calls.append(1)
        return x.sum(dim=1) if len(calls) <= until[0] else -x.sum(dim=1)

    solve(Problem(turning, Box(-1e3, 1e3)), start, stepper=Adam(), max_steps=200)
    assert len(calls) < 40  # played, and compared at times
    until[0] = len(calls) - 3
    calls.clear()
    with pytest.warns(UserWarning, match="answers differently each time"):
        result = solve(Problem(turning, Box(-1e3, 1e3)), start, stepper=Adam(), max_steps=1000)
    assert len(calls) > 500  # asked again and again, once it differed
    assert torch.allclose(result.loss, -result.x.sum(dim=1))


def test_a_function_of_numpy_has_no_tape():
    def by_hand(x: Tensor) -> Tensor:
        shift = torch.from_numpy(x.detach().numpy().copy()) - 0.3  # what torch does not see
        return (2 * shift * x - shift.square()).sum(dim=1) + 0 * x.sum(dim=1)

    x0 = torch.full((2, 3), 0.9)
    result = solve(Problem(by_hand, Box()), x0, max_steps=200)
    assert torch.isfinite(result.loss).all()
    again = by_hand(result.x)
    assert torch.allclose(again, result.loss, atol=1e-5)
