from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn

from xhat.core import InputWarning, PerCandidate, evaluation_mode, modules_of, per_row


@dataclass(frozen=True)
class Inner(PerCandidate):
    per_candidate: ClassVar[tuple[str, ...]] = ("target",)
    models: ClassVar[tuple[str, ...]] = ("model",)
    target: torch.Tensor
    model: object = None


@dataclass(frozen=True)
class Outer(PerCandidate):
    per_candidate: ClassVar[tuple[str, ...]] = ("radius",)
    radius: torch.Tensor
    parts: tuple[Inner, ...]
    name: str = "outer"


def outer() -> Outer:
    shared = Inner(torch.zeros(1, 2))
    return Outer(torch.arange(3.0), (Inner(torch.arange(3), nn.Linear(2, 2)), shared))


def test_a_selection_narrows_every_row_and_nothing_shared():
    whole = outer()
    part = whole.select(torch.tensor([2, 0]))
    assert part.radius.tolist() == [2.0, 0.0]
    assert part.parts[0].target.tolist() == [2, 0]
    assert part.parts[1].target is whole.parts[1].target
    assert part.parts[0].model is whole.parts[0].model
    assert (whole.rows, part.rows, whole.parts[1].rows) == (3, 2, 1)
    assert whole.radius.tolist() == [0.0, 1.0, 2.0]


def test_a_cast_spares_integers_and_models():
    cast = outer().to("cpu", torch.float64)
    assert cast.radius.dtype == cast.parts[1].target.dtype == torch.float64
    assert cast.parts[0].target.dtype == torch.int64
    assert cast.parts[0].model.weight.dtype == torch.float32


def test_parts_for_different_numbers_are_refused_in_any_order():
    for sizes in ((2, 3), (3, 2), (2, 3, 1), (1, 2, 3)):
        parts = tuple(Inner(torch.zeros(size)) for size in sizes)
        with pytest.raises(ValueError, match="different numbers of candidates"):
            _ = Outer(torch.zeros(1), parts).rows
    for sizes in ((3, 1), (1, 3), (3, 3), (3,)):
        assert Outer(torch.zeros(1), tuple(Inner(torch.zeros(size)) for size in sizes)).rows == 3
    assert Outer(torch.zeros(1), ()).rows == 1


def test_modules_are_found_behind_methods_and_in_parts():
    net = nn.Linear(2, 2)
    found = Outer(torch.zeros(1), (Inner(torch.zeros(1), net.forward), Inner(torch.zeros(1), net)))
    assert all(module is net for module in found.modules())
    assert len(list(found.modules())) == 2
    assert not list(Inner(torch.zeros(1), print).modules())


def test_rows_broadcast():
    assert per_row(torch.arange(3), torch.zeros(3, 4, 5)).shape == (3, 1, 1)
    assert per_row(torch.arange(3), torch.zeros(3)).shape == (3,)


def test_evaluation_mode_is_for_the_block_only_even_if_it_fails():
    net = nn.Sequential(nn.Dropout(), nn.Linear(1, 1)).eval()
    with evaluation_mode(net):  # nothing to warn of
        assert not any(module.training for module in net.modules())
    net[0].train()

    def interrupted():
        with evaluation_mode(net):
            assert not net[0].training
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), pytest.warns(InputWarning, match="Call model.eval"):
        interrupted()
    assert [module.training for module in net.modules()] == [False, True, False]


def test_modules_are_found_wherever_a_callable_keeps_them():
    net, other = nn.Linear(2, 1), nn.Linear(2, 1)

    class Holds:
        def __init__(self):
            self.first, self.second, self.text = net, other, "text"

        def look(self, x):
            return self.first(x)

    held = Holds()
    for function, expected in (
        (net, (net,)),
        (net.forward, (net,)),
        (held, (net, other)),
        (held.look, (net, other)),
        (torch.round, ()),
        (len, ()),
        (lambda x: net(x), (net,)),
        (lambda x: x, ()),
    ):
        assert modules_of(function) == expected
