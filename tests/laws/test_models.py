"""Promise 1: the model is left as it was, whatever happens; only the input is differentiated."""

import functools
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from tests.laws.problems import STEPS, N, every_triple, make_problem
from tests.laws.registry import OBJECTIVES, SPACES, ConvNet, autoencoder, mlp, starts, targets
from xhat.core import InputWarning, Model, modules_of
from xhat.engine import Compute, GradientDescent, Problem, Watch, solve
from xhat.objectives import CrossEntropy
from xhat.spaces import Box, Latent


def portrait(module: nn.Module) -> dict[str, object]:
    """All that a search could spoil."""
    found: dict[str, object] = {f"mode {name}": m.training for name, m in module.named_modules()}
    for name, tensor in module.state_dict(keep_vars=True).items():
        found[f"value {name}"] = tensor.detach().clone()
        found[f"asks {name}"] = tensor.requires_grad
        found[f"gradient {name}"] = None if tensor.grad is None else tensor.grad.clone()
    return found


def same(before: dict[str, object], after: dict[str, object]) -> bool:
    """Whether two portraits show the same model."""
    return before.keys() == after.keys() and all(
        torch.equal(value, after[name]) if torch.is_tensor(value) else value is after[name]
        for name, value in before.items()
    )


@every_triple
def test_a_search_leaves_every_model_as_it_was(space, objective, stepper):
    problem = make_problem(space, objective)
    modules = list(problem.modules())
    before = [portrait(module) for module in modules]
    solve(problem, space.starts(N), stepper=stepper.make(N), max_steps=STEPS)
    assert all(map(same, before, map(portrait, modules)))


def test_a_portrait_notices_every_change():
    changes = (
        lambda net: net.body[3].train(),
        lambda net: net.head.weight.data.add_(1),
        lambda net: net.body[1].running_mean.add_(1),
        lambda net: net.head.weight.requires_grad_(False),
        lambda net: net(starts(1)).sum().backward(),
    )
    for change in changes:
        net = ConvNet()
        before = portrait(net)
        change(net)
        assert not same(before, portrait(net))


@pytest.mark.parametrize("mode", ["all", "some", "below"])
@pytest.mark.parametrize("space", SPACES, ids=str)
def test_modes_are_warned_of_and_restored_part_by_part(space, mode):
    (entry,) = (entry for entry in OBJECTIVES if entry.name == "sum")
    problem = make_problem(space, entry)
    modules = list(problem.modules())
    for module in modules:
        module.train(mode == "all")
        if mode == "some":
            module.training = True
        if mode == "below":
            next(module.children()).training = True
    modules[-1].train(mode == "all") if len(modules) > 1 else None
    before = [portrait(module) for module in modules]
    with pytest.warns(InputWarning, match=r"training mode.*restored"):
        trained = solve(problem, space.starts(N), max_steps=2)
    assert all(map(same, before, map(portrait, modules)))
    for module in modules:
        module.eval()
    assert torch.equal(
        trained.x, solve(problem, space.starts(N), max_steps=2).x
    )  # and not even a warning


class Broken(GradientDescent):
    def step(self, z, loss, gradient, state):
        raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["stepper", "progress", "model", "check"])
def test_an_error_or_an_interrupt_leaves_the_model_as_it_was(where):
    net = ConvNet()
    net.body[3].train()
    net.head.weight.grad = torch.ones_like(net.head.weight)
    before, calls = portrait(net), []

    def interrupt(*_):
        raise KeyboardInterrupt

    def failing(x):
        calls.append(x)
        if len(calls) > 9 or where == "check":
            raise LookupError("the simulator is gone")
        return x.flatten(1).sum(dim=1)

    objective = CrossEntropy(net, 1)
    if where in ("model", "check"):
        objective = objective + failing
    stepper = Broken() if where == "stepper" else GradientDescent()
    progress = interrupt if where == "progress" else None
    problem = Problem(objective, Box())
    if where == "check":
        with pytest.warns(InputWarning), pytest.raises(ValueError, match="gone"):
            solve(problem, starts(2))
    else:
        with pytest.warns(InputWarning):
            result = solve(problem, starts(2), stepper=stepper, watch=Watch(on_progress=progress))
        says = "the model failed" if where == "model" else "interrupted"
        assert all(status.startswith(says) for status in result.sentences)
    assert same(before, portrait(net))


def test_methods_of_a_model_are_found_as_the_model():
    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = autoencoder()
            self.noise = nn.Dropout(0.5)

        def encode(self, x):
            return self.encoder(x)

        def decode(self, z):
            return self.decoder(self.noise(z))

    vae = VAE().train()
    before = portrait(vae)
    problem = Problem(
        CrossEntropy(mlp((36, 4), nn.Identity(), 0), 1), Latent(vae.encode, vae.decode)
    )
    with pytest.warns(InputWarning, match="VAE is in training mode"):
        first = solve(problem, starts(2), max_steps=2)
    with pytest.warns(InputWarning):
        second = solve(problem, starts(2), max_steps=2)
    assert torch.equal(first.x, second.x)  # no dropout took part
    assert same(before, portrait(vae))


def test_only_the_inputs_gradient_is_computed():
    class Spy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.save_for_backward(weight)
            return x * weight

        @staticmethod
        def backward(ctx, gradient):
            (weight,) = ctx.saved_tensors
            return gradient * weight, None

    weight = nn.Parameter(torch.ones(2))
    hooked = []
    weight.register_post_accumulate_grad_hook(hooked.append)
    problem = Problem(lambda x: Spy.apply(x, weight).square().sum(dim=1), Box())
    result = solve(problem, torch.ones(3, 2), compute=Compute(chunk=2), max_steps=50)
    assert float(result.loss.max()) < 1e-3
    assert not hooked
    assert weight.grad is None


class Holder:
    """Something of the user's that holds a model, and is called in its place."""

    __slots__ = ("models",)

    def __init__(self, net):
        self.models = {"main": [net]}

    def __call__(self, x):
        return self.models["main"][0](x)

    def method(self, x):
        return self(x)


@dataclass(frozen=True)
class Record:
    """A record that holds a model, and is called in its place."""

    net: nn.Module

    def __call__(self, x):
        return self.net(x)


class Outer(nn.Module):
    """A module that calls what is none of its own modules."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.training = False

    def forward(self, x):
        return self.function(x)


def twice_negated(function):
    """A decorator that changes nothing, and leaves no trace of what it is around."""

    def around(*args):
        return 0 - (0 - function(*args))

    return around


def hidden(net):
    """The ways in which people hide a model from whoever looks at the callable only."""

    def helper(x, model=net):
        return model(x)

    return {
        "list": lambda x, nets=[net]: nets[0](x),
        "dict": lambda x, nets={"of": {"mine": net}}: nets["of"]["mine"](x),
        "record": Record(net),
        "decorated": twice_negated(lambda x: net(x)),
        "partial of a method": functools.partial(Holder.method, Holder(net)),
        "model": Model(Model(lambda x: {"y": net(x)})),
        "module in a module": Outer(lambda x: net(x)),
        "lambda": lambda x: net(x),
        "nested": lambda x: (lambda y: helper(y))(x),
        "default": helper,
        "partial": functools.partial(lambda model, x: model(x), net),
        "object": Holder(net),
        "method": Holder(net).method,
        "wrapped": functools.wraps(net.forward)(lambda x: helper(x)),
        "cached": functools.lru_cache(lambda x: net(x)).__wrapped__,
    }


@pytest.mark.parametrize("how", hidden(nn.Identity()))
def test_a_hidden_model_is_evaluated_and_left_as_it_was(how):
    net = ConvNet().train()
    before = portrait(net)
    problem = Problem(CrossEntropy(hidden(net)[how], targets(3)), Box())
    with pytest.warns(InputWarning, match="ConvNet is in training mode"):
        found = solve(problem, starts(3), max_steps=3)
    assert same(before, portrait(net))
    plain = solve(Problem(CrossEntropy(ConvNet(), targets(3)), Box()), starts(3), max_steps=3)
    assert torch.equal(found.x, plain.x)
    assert found.notes == ()


THERE = ConvNet()


def globally(x):
    return THERE(x)


def test_a_global_model_is_found_by_the_name_that_the_code_uses():
    assert modules_of(globally) == modules_of(lambda x: globally(x)) == (THERE,)
    assert modules_of(torch.sigmoid) == modules_of(len) == modules_of(3) == ()


class Restless(nn.Module):
    """A model that trains itself whenever it is asked."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x):
        self.norm.train()
        return self.norm(x)


def test_even_a_model_that_switches_itself_to_training_is_put_back():
    net = Restless().eval()
    before = portrait(net)
    with pytest.warns(InputWarning, match="lets one candidate change another"):
        found = solve(Problem(lambda x: (net(x) - x).flatten(1)[:, 0], Box()), torch.rand(4, 3, 5))
    assert same(before, portrait(net))
    assert "one candidate change another" in found.notes[0]


def test_modules_beside_a_module_are_found_once():
    net, other = ConvNet(), nn.Linear(2, 2)
    outer = Outer([net, net.head])
    assert modules_of(outer) == (outer, net)
    assert modules_of(net) == (net,)
    net.register_forward_hook(lambda module, x, y: other(y))
    assert modules_of(net) == (net, other)
