"""How steps are taken is not to be seen: several before somebody looks, or played from a tape."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.laws.problems import every_projection, make_problem, rule_for
from tests.laws.registry import OBJECTIVES, SPACES, STEPPERS, ConvNet, mlp, starts, targets
from tests.laws.test_independence import assert_same
from xhat.engine import (
    Adam,
    Compute,
    LossBelow,
    MaxEvaluations,
    Plateau,
    Problem,
    TargetReached,
    solve,
)
from xhat.objectives import CrossEntropy
from xhat.spaces import Box

N = 4
(CLASS,) = (entry for entry in OBJECTIVES if entry.name == "class")
every_stepper = pytest.mark.parametrize("stepper", STEPPERS, ids=str)


def unseen(every: int) -> Compute:
    return Compute(precision="float64", every=every)


def in_double(problem: Problem) -> Problem:
    for module in problem.modules():
        module.double()
    return problem


def same_however_long_the_trains(problem: Problem, x0: Tensor, **options: Any) -> None:
    one = solve(problem, x0, compute=unseen(1), **options)
    for every in (3, 16):
        assert_same(solve(problem, x0, compute=unseen(every), **options), one, atol=1e-7)


@every_stepper
@pytest.mark.parametrize("space", [s for s in SPACES if not s.jumps], ids=str)
def test_trains_change_nothing(space, stepper):
    problem, x0 = make_problem(space, CLASS, N), space.starts(N)
    rules = (rule_for(problem, x0), Plateau(4, 0.01))
    options = {"stepper": stepper.make(N), "stop": rules, "max_steps": 12}
    same_however_long_the_trains(in_double(problem), x0, **options)


@pytest.mark.parametrize("rule", [TargetReached(0.5), LossBelow(1.0), MaxEvaluations(7)], ids=str)
def test_who_is_done_within_a_train_keeps_its_answer(rule):
    problem = in_double(Problem(CrossEntropy(ConvNet(), targets(N)), Box()))
    same_however_long_the_trains(problem, starts(N), stop=rule, max_steps=30)
    found = solve(problem, starts(N), stop=rule, max_steps=30, compute=unseen(16))
    assert rule.status in found.status


@every_projection
def test_trains_keep_constraints(space, constraint):
    problem = in_double(Problem(CLASS.make(N), space.make(N), constraint.make(N)))
    same_however_long_the_trains(problem, space.starts(N), max_steps=5)


def test_a_gradient_that_fails_within_a_train_is_met_one_step_at_a_time():
    def root(x: Tensor) -> Tensor:  # no derivative at 0, which the descent reaches
        return x.clamp_min(0).sqrt().sum(dim=1)

    x0 = torch.tensor([[0.3, 0.9], [0.8, 0.8]])
    with pytest.warns(UserWarning, match="without a finite derivative"):
        one = solve(Problem(root, Box()), x0, max_steps=40, compute=unseen(1))
    with pytest.warns(UserWarning, match="without a finite derivative"):
        many = solve(Problem(root, Box()), x0, max_steps=40, compute=unseen(16))
    assert_same(many, one)
    assert many.notes == one.notes


class Reads(TorchDispatchMode):
    """Counts what makes the host wait for a device: numbers, shapes and choices read from it."""

    names = ("_local_scalar_dense", "is_nonzero", "nonzero", "equal", "masked_select", "_unique2")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        chooses = name in ("index", "index_put", "index_put_") and any(
            one is not None and one.dtype == torch.bool for one in args[1]
        )
        self.count += chooses or name in self.names
        return func(*args, **(kwargs or {}))


@contextmanager
def lists_counted(reads: Reads):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("tolist", "numpy", "cpu"):
            own = getattr(Tensor, name)

            def counted(tensor: Tensor, *args: Any, own: Callable[..., Any] = own, **kwargs: Any):
                reads.count += 1
                return own(tensor, *args, **kwargs)

            patch.setattr(Tensor, name, counted)
        yield


def reads_a_step(problem: Problem, x0: Tensor, compute: Compute, **options: Any) -> float:
    """How often the host reads in a further step, once a search is on its way."""
    counts = []
    for steps in (80, 208):
        with Reads() as reads, lists_counted(reads):
            solve(problem, x0, max_steps=steps, compute=compute, **options)
        counts.append(reads.count)
    return (counts[1] - counts[0]) / 128


def test_the_count_of_reads_sees_them():
    def nosy(x: Tensor) -> Tensor:
        return x.sum(dim=1) if float(x.max()) > -1 else -x.sum(dim=1)

    x0 = torch.full((2, 3), 0.5)
    problem = Problem(nosy, Box(-1e3, 1e3))
    assert reads_a_step(problem, x0, unseen(8), stepper=Adam()) > 1


@every_stepper
@pytest.mark.parametrize("hooked", [False, True], ids=["tape", "trains"])
def test_the_host_reads_once_in_eight_steps(stepper, hooked):
    net = mlp((36, 16, 4), nn.Identity(), 0).double()
    if hooked:  # what a tape would not call
        net.register_forward_hook(lambda *_: None)
    x0 = starts(N)
    problem = Problem(lambda x: (net(x) - 0.3).pow(4).sum(dim=1), Box(-100, 100))
    rules = (Plateau(500), LossBelow(-1.0))
    options = {"stepper": stepper.make(N), "stop": rules}
    assert reads_a_step(problem, x0, unseen(8), **options) <= 1 / 8
