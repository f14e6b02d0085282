"""The only training loop: shuffled batches in memory, AdamW, one learning-rate cycle.

What a training is *for* is its ``loss``, a callable ``(model, x, y, generator) -> scalar``: plain
or soft classification, adversarial inputs, or a variational bound all run in the same loop.
Every random choice comes from the seed; the global generators are neither read nor set.

Source: Loshchilov, Hutter, "Decoupled Weight Decay Regularization", ICLR 2019; Smith, Topin,
"Super-Convergence", 2017; averaging: Polyak, Juditsky, "Acceleration of Stochastic Approximation
by Averaging", 1992.
"""

import pickle
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xhat.core import atomic_write, check_fraction, check_positive, generator
from xhat.learning.precision import short_passes

__all__ = ["Augment", "EpochRecord", "Loss", "fit", "predict"]

Loss = Callable[[nn.Module, Tensor, Tensor, torch.Generator], Tensor]
Augment = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch did: its number (from 1), of how many, mean loss, seconds so far."""

    epoch: int
    epochs: int
    loss: float
    seconds: float


def fit(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    weight_decay: float = 1e-2,
    augment: Augment | None = None,
    autocast: bool = False,
    average: float | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    keep: Path | None = None,
) -> tuple[EpochRecord, ...]:
    """Train ``model`` in place and leave it in evaluation mode.

    Args:
        model: its parameters that require a gradient are trained.
        inputs: ``(n, *x_shape)``.
        targets: ``(n, ...)``, handed to the loss row by row.
        loss: ``(model, x, y, generator) -> scalar`` for one batch.
        epochs: passes over the data.
        batch_size: rows of one step; the last, smaller batch of an epoch is used too.
        learning_rate: the peak of the cycle.
        seed: of the order, the augmentation and whatever the loss draws.
        weight_decay: of AdamW.
        augment: ``(x, generator) -> x``, applied to every batch afresh.
        autocast: the model's passes compute in bfloat16, with channels last; weights, loss and
            whatever the loss makes of the data stay float32.
        average: decay of an exponential moving average of the weights per step, in (0, 1); the
            averaged weights are what the model holds in the end.
        on_epoch: called with a record after each epoch.
        keep: a file in which the training is kept after each epoch and from which it goes on, to
            the same weights; gone when it is done. Its name must change with everything that the
            training depends on. None to keep nothing.

    Returns:
        One record per epoch.

    Raises:
        ValueError: inputs and targets of different length, or a number out of its range.
        ArithmeticError: the loss became NaN or infinite.

    Example:
        >>> import torch.nn.functional as F
        >>> x = torch.linspace(-1, 1, 64)[:, None]
        >>> line = nn.Linear(1, 1)
        >>> records = fit(line, x, 3 * x + 1, lambda m, x, y, g: F.mse_loss(m(x), y),
        ...               epochs=60, batch_size=16, learning_rate=0.1, seed=0, weight_decay=0)
        >>> records[-1].loss < 0.01
        True
    """
    if len(inputs) != len(targets) or not len(inputs):
        raise ValueError(
            f"inputs and targets must have the same number of rows, at least one, "
            f"but have {len(inputs)} and {len(targets)}."
        )
    for name, value in (
        ("epochs", epochs),
        ("batch_size", batch_size),
        ("learning_rate", learning_rate),
    ):
        check_positive(name, value)
    averaged = None if average is None else _Average(model, check_fraction("average", average))
    steps = -(-len(inputs) // batch_size)
    optimizer = torch.optim.AdamW(
        _trained(model), lr=learning_rate, weight_decay=weight_decay, fused=True
    )
    total = epochs * steps
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        learning_rate,
        total_steps=total,
        pct_start=0.2 if total != 5 else 0.3,  # where 0.2 total = 1, torch divides by 0
    )
    order, draws = generator(seed, "fit", "order"), generator(seed, "fit", "draws")
    if autocast:
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    model.train()
    state = _State(model, optimizer, cycle, averaged, (order, draws))
    records = [] if keep is None else state.read(keep)
    start = time.perf_counter() - (records[-1].seconds if records else 0.0)
    for epoch in range(len(records) + 1, epochs + 1):
        total = 0.0
        for rows in torch.randperm(len(inputs), generator=order).split(batch_size):
            x, y = inputs[rows], targets[rows]
            if augment is not None:
                x = augment(x, draws)
            with short_passes(model, x.device) if autocast else nullcontext():
                value = loss(model, x, y, draws)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            cycle.step()
            if averaged is not None:
                averaged.update()
            total += float(value.detach()) * len(rows)
        records.append(EpochRecord(epoch, epochs, total / len(inputs), time.perf_counter() - start))
        if total - total != 0:  # NaN or infinity
            raise ArithmeticError(
                f"the training loss became {total} in epoch {epoch} of {epochs}; "
                f"lower the learning rate ({learning_rate:g})."
            )
        if keep is not None:
            state.write(keep, records)
        if on_epoch is not None:
            on_epoch(records[-1])
    if averaged is not None:
        averaged.copy_to_model()
    model.eval()
    if keep is not None:
        keep.unlink(missing_ok=True)
    return tuple(records)


@torch.no_grad()
def predict(model: nn.Module, x: Tensor, *, batch_size: int = 500) -> Tensor:
    """Return the model's output for ``(n, *x_shape)`` in batches, in float32, without gradients.

    Args:
        model: in evaluation mode.
        x: the inputs.
        batch_size: rows at a time, which bounds the memory.

    Example:
        >>> predict(nn.Identity(), torch.ones(3, 2), batch_size=2).shape
        torch.Size([3, 2])
    """
    return torch.cat([model(part).float() for part in x.split(batch_size)])


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


class _Average:
    """An exponential moving average of a model's trained parameters."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.parameters = _trained(model)
        self.decay = decay
        self.steps = 0
        self.values = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))  # forget the start quickly
        for value, parameter in zip(self.values, self.parameters, strict=True):
            value.lerp_(parameter, 1 - decay)

    @torch.no_grad()
    def copy_to_model(self) -> None:
        for value, parameter in zip(self.values, self.parameters, strict=True):
            parameter.copy_(value)


@dataclass(frozen=True)
class _State:
    """All that a training is, between two epochs."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    cycle: torch.optim.lr_scheduler.LRScheduler
    averaged: _Average | None
    generators: tuple[torch.Generator, ...]

    def write(self, path: Path, records: list[EpochRecord]) -> None:
        known: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "cycle": self.cycle.state_dict(),
            "generators": [each.get_state() for each in self.generators],
            "records": [asdict(record) for record in records],
        }
        if self.averaged is not None:
            known["averaged"] = {"steps": self.averaged.steps, "values": self.averaged.values}
        with atomic_write(path) as temporary:
            torch.save(known, temporary)

    def read(self, path: Path) -> list[EpochRecord]:
        """Take the state of a file; leave everything as it is where there is none to be read."""
        try:
            known = torch.load(path, weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError):
            return []
        self.model.load_state_dict(known["model"])
        self.optimizer.load_state_dict(known["optimizer"])
        self.cycle.load_state_dict(known["cycle"])
        for each, state in zip(self.generators, known["generators"], strict=True):
            each.set_state(state)
        if self.averaged is not None:
            self.averaged.steps = known["averaged"]["steps"]
            self.averaged.values = list(known["averaged"]["values"])
        return [EpochRecord(**record) for record in known["records"]]
