"""How the shipped surrogate is trained and measured, from simulated encounters alone.

Manoeuvres are drawn so that the miss ends up anywhere from 0 to 7.5 standard deviations: a
direction at random, half of the time along the track, and a time within 2.7 revolutions. The truth
gives two targets, where the primary is at the predicted approach and ``log10 Pc``; both networks
are trained together on both, by ``xhat.learning.fit``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xhat.core import check_count, generator
from xhat.learning import EpochRecord, fit
from xhat_zoo.conjunction.approaching import approach, fly
from xhat_zoo.conjunction.approximation import Surrogate, describe
from xhat_zoo.conjunction.encounters import Encounters
from xhat_zoo.conjunction.orbits import rtn_axes
from xhat_zoo.conjunction.simulating import simulate

__all__ = ["HELD_OUT", "Recipe", "Rows", "errors", "manoeuvres", "rows", "train"]

HELD_OUT = 90_001
"""The seed of encounters that trained nothing."""

_MOST = 0.35  # m/s, a little more than any thrust limit
_REACH = 7.5  # standard deviations
_REVOLUTIONS = (0.04, 2.7)


@dataclass(frozen=True)
class Recipe:
    """What a training is.

    Attributes:
        encounters: how many are simulated.
        manoeuvres: of each.
        epochs: passes over all.
        batch_size: rows of a step.
        learning_rate: the peak of the cycle.
        shift_weight: of the error of the shift beside that of ``log10 Pc``.
    """

    encounters: int = 16_000
    manoeuvres: int = 12
    epochs: int = 60
    batch_size: int = 1024
    learning_rate: float = 4e-3
    shift_weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Rows:
    """Manoeuvres with what the truth says of them.

    Attributes:
        x: ``(n, 4)``.
        context: ``(n, CONTEXT)``.
        log10_pc: ``(n,)``.
        moved: ``(n, 3)``, m, how far the burn moves the primary, in its axes at the approach.
    """

    x: Tensor
    context: Tensor
    log10_pc: Tensor
    moved: Tensor


def manoeuvres(encounters: Encounters, *, seed: int) -> Tensor:
    """Return one manoeuvre for each encounter, ``(n, 4)``, as described above."""
    n, draws = len(encounters), generator(seed, "manoeuvres")
    context = describe(encounters)
    turned = torch.rand(n, generator=draws, dtype=torch.float64)
    turned = _REVOLUTIONS[0] + turned * (_REVOLUTIONS[1] - _REVOLUTIONS[0])
    seconds = 2 * torch.pi * turned / context[:, 0]
    way = torch.randn(n, 3, generator=draws, dtype=torch.float64)
    way[: n // 2] *= torch.tensor([0.15, 1.0, 0.15], dtype=torch.float64)
    way = torch.nn.functional.normalize(way, dim=1)
    still = context[:, 20:22]
    moved = Surrogate().double().moved(torch.cat([way, seconds[:, None]], 1), context)
    unit = still + (context[:, 14:20].reshape(-1, 2, 3) * moved[:, None]).sum(2) - still
    wanted = _REACH * torch.rand(n, generator=draws, dtype=torch.float64)
    a, b = unit.square().sum(1), (unit * still).sum(1)
    rest = (b.square() - a * (still.square().sum(1) - wanted.square())).clamp_min(0)
    length = ((rest.sqrt() - b) / a).abs().clamp(max=_MOST)
    return torch.cat([way * length[:, None], seconds[:, None]], 1).detach()


def rows(encounters: int, each: int, *, seed: int) -> Rows:
    """Simulate encounters and manoeuvres, and ask the truth.

    Args:
        encounters: how many.
        each: manoeuvres of each.
        seed: of both.
    """
    check_count("manoeuvres", each)
    base = simulate(encounters, seed=seed)
    many = base.select(torch.arange(encounters).repeat(each))
    x = manoeuvres(many, seed=seed)
    parts = []
    for index in torch.arange(len(many)).split(8192):
        part, burn = many.select(index), x[index]
        moved = fly(part, burn)[2] - part.primary
        moved = (rtn_axes(part.primary) @ moved[:, :3, None])[:, :, 0]
        parts.append((approach(part, burn).log10_pc, moved))
    found, shift = (torch.cat(column) for column in zip(*parts, strict=True))
    return Rows(x, describe(many), found, shift)


def train(
    recipe: Recipe, *, seed: int, on_epoch: Callable[[EpochRecord], None] | None = None
) -> Surrogate:
    """Train a surrogate, float32, from the recipe alone.

    Example:
        >>> small = Recipe(encounters=8, manoeuvres=2, epochs=1)
        >>> train(small, seed=0).training
        False
    """
    data = rows(recipe.encounters, recipe.manoeuvres, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Surrogate()
    inputs = torch.cat([data.x, data.context], 1).float()
    scale = data.x[:, :3].norm(dim=1).clamp_min(1e-4) / data.context[:, 0]
    targets = torch.cat([data.log10_pc[:, None], data.moved, scale[:, None]], 1).float()

    def loss(model: nn.Module, x: Tensor, y: Tensor, draws: torch.Generator) -> Tensor:  # noqa: ARG001
        return _loss(model, x, y, recipe.shift_weight)

    fit(
        model, inputs, targets, loss,
        epochs=recipe.epochs, batch_size=recipe.batch_size, learning_rate=recipe.learning_rate,
        weight_decay=0.0, average=0.999, seed=seed, on_epoch=on_epoch,
    )  # fmt: skip
    return model


def _loss(model: nn.Module, inputs: Tensor, targets: Tensor, weight: float) -> Tensor:
    """Errors where the probability matters count fully, far below it less."""
    if not isinstance(model, Surrogate):
        raise TypeError(f"this loss is for a Surrogate, not {type(model).__name__}.")
    x, context = inputs[:, :4], inputs[:, 4:]
    moved = model.moved(x, context)
    off = (moved - targets[:, 1:4]) / targets[:, 4:]
    delay = model.delay(moved, context)
    found = model.probability(model.whitened(moved, context), delay, context)
    error = (found - targets[:, 0]) / (1 + (targets[:, 0] + 5).abs() / 3)
    return 10 * torch.nn.functional.smooth_l1_loss(
        error, torch.zeros_like(error), beta=0.05
    ) + weight * 100 * torch.nn.functional.smooth_l1_loss(off, torch.zeros_like(off), beta=0.05)


@torch.no_grad()
def errors(model: Surrogate, data: Rows, *, near: tuple[float, float] = (-7.0, -3.0)) -> Tensor:
    """Return ``f_θ - f`` in ``log10 Pc`` where the truth lies in a range, ``(m,)``."""
    dtype = next(model.parameters()).dtype
    found = model(data.x.to(dtype), data.context.to(dtype)).double()
    inside = (data.log10_pc >= near[0]) & (data.log10_pc <= near[1])
    return (found - data.log10_pc)[inside]
