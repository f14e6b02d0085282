"""What a model is asked before a search: the starts, real samples, and inputs around both."""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.blackbox.model import BlackBox
from xhat.blackbox.surrogate import Student
from xhat.blackbox.units import Units
from xhat.core import generator
from xhat.domain import Domain

__all__ = ["Distillate", "distil"]

_SHARE = 0.4  # of the evaluations, that go into the first surrogate
_AROUND = 0.35  # of these, that are no real samples
_MOST = 800  # of both
_CHANGES = 3  # units of an input around the data that come from another sample


@dataclass(frozen=True)
class Distillate:
    """A surrogate, and what the model said of real samples.

    Attributes:
        surrogate: distilled from all that the model was asked.
        real: ``(m, *x_shape)``, real samples of the half that is for searches.
        said: ``(m, ...)``, what the model says of them.
        asked: how many rows it was asked.
    """

    surrogate: Student
    real: Tensor
    said: Tensor
    asked: int


def distil(
    box: BlackBox, domain: Domain, x0: Tensor, units: Units | None, *, by_class: bool, seed: int
) -> Distillate:
    """Ask a model of samples of a domain and of inputs around them, and train a surrogate.

    Args:
        box: the model.
        domain: what real inputs look like; only the half that is for searches is used.
        x0: ``(n, *x_shape)``, the starts, which are asked, too.
        units: what may change in a table; None for other data, where inputs around the data lie
            between samples.
        by_class: whether the model gives logits of classes.
        seed: of every choice.

    Raises:
        ValueError: the model fails on all of them.
    """
    before = box.asked
    draws = generator(seed, "distil")
    budget = 10**9 if box.left is None else box.left
    count = min(_MOST, max(8, int(_SHARE * budget)))
    real = domain.x[domain.halves[0]]
    some = torch.randperm(len(real), generator=draws)[: max(4, round((1 - _AROUND) * count))]
    real = real[some]
    few = max(0, count - len(real) - len(x0))
    around = _around(real, x0, units, min(few, round(_AROUND * count)), draws)
    every = torch.cat([real, x0, around])
    y = box(every)
    fine = y.reshape(len(y), -1).isfinite().all(dim=1)
    if int(fine.sum()) < 2:
        raise ValueError(
            f"the model fails on samples of the domain, so that nothing can be learned of it; the "
            f"first time it said: {box.reason}."
        )
    box.look(every[fine])
    found = Student(every, y, by_class=by_class, seed=seed)
    return Distillate(found, real, y[: len(real)], box.asked - before)


def _around(
    real: Tensor, x0: Tensor, units: Units | None, count: int, draws: torch.Generator
) -> Tensor:
    """Return inputs as a search will ask about: starts and samples with parts of other samples."""

    def drawn(x: Tensor) -> Tensor:
        return x[torch.randint(len(x), (count,), generator=draws)]

    half = torch.rand((count, *(1,) * (real.ndim - 1)), generator=draws) < 0.5
    base, other = torch.where(half, drawn(x0), drawn(real)), drawn(real)
    if units is None:
        share = torch.rand((count, *(1,) * (real.ndim - 1)), generator=draws)
        return base + share * (other - base)
    k = len(units.columns)
    order = torch.rand((count, k), generator=draws).argsort(dim=1).argsort(dim=1)
    changes = torch.randint(1, _CHANGES + 1, (count, 1), generator=draws)
    columns = ((order < changes).float() @ units.columns.float()) > 0
    return torch.where(columns, other, base)
