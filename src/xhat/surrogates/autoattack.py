"""AutoAttack, in the package of its authors, with its side effects kept from the caller.

The package sets the global generators, removes the interpreter's trace, logs warnings, leaves
gradients on a model's parameters and writes into what the model returned. None of that is seen
outside ``attack``.

Source: Croce, Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
Parameter-free Attacks", ICML 2020; for L1: Croce, Hein, "Mind the Box: L1-APGD for Sparse
Adversarial Attacks on Image Classifiers", ICML 2021.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_range, evaluation_mode, extra, modules_of

__all__ = ["Attacked", "attack"]

Model = Callable[[Tensor], Tensor]

_NORMS = {"linf": "Linf", "l2": "L2", "l1": "L1"}
_QUICK = ("apgd-ce", "apgd-t")


@dataclass(frozen=True)
class Attacked:
    """What AutoAttack found.

    Attributes:
        x: ``(n, channels, h, w)``, per image the worst point found.
        said: ``(n,)``, the class that the model gives there.
        attacks: which were run.
        remarks: the package's own warnings, one of each kind.
    """

    x: Tensor
    said: Tensor
    attacks: tuple[str, ...]
    remarks: tuple[str, ...]


def attack(
    model: Model,
    x: Tensor,
    labels: Tensor,
    radius: float,
    norm: str,
    *,
    version: str,
    batch_size: int,
    seed: int,
) -> Attacked:
    """Run AutoAttack on images that ``autoattack_accuracy`` has checked.

    Args:
        model: gives logits.
        x: ``(n, channels, h, w)`` in [0, 1], float32.
        labels: ``(n,)`` int64.
        radius: of the ball.
        norm: of the ball.
        version: ``"standard"`` or ``"quick"``.
        batch_size: images at once.
        seed: of all chances.

    Raises:
        ImportError: the extra ``robustness`` is not installed.
        ValueError: the model gives no logits, or a label is not one of its classes.
    """
    package, told = _package(), _Remarks()
    with evaluation_mode(*modules_of(model)), _apart(), torch.no_grad():
        classes = _classes(model, x, labels)
        seen = _only_of_the_input(model)
        theirs = package.AutoAttack(
            seen, norm=_NORMS[norm], eps=float(radius), seed=seed, device=x.device
        )
        attacks = _set_up(theirs, version, classes, told)
        for name in package.checks.funcs:  # counted over all models of a process, if left alone
            package.checks.funcs[name] = 0
        worst, _ = theirs.run_standard_evaluation(x, labels, batch_size=batch_size)
        said = torch.cat([seen(part).argmax(dim=1) for part in worst.split(batch_size)])
    return Attacked(worst, said, attacks, told.sentences)


def _set_up(theirs: Any, version: str, classes: int, told: "_Remarks") -> tuple[str, ...]:
    """Leave out what so few classes do not allow, and return the names of the attacks."""
    names = theirs.attacks_to_run if version == "standard" else _QUICK
    theirs.attacks_to_run = [name for name in names if name != "apgd-t" or classes > 3]
    theirs.apgd_targeted.n_target_classes = min(theirs.apgd_targeted.n_target_classes, classes - 1)
    theirs.fab.n_target_classes = min(theirs.fab.n_target_classes, classes - 1)
    theirs.logger = theirs.apgd.logger = theirs.apgd_targeted.logger = told
    return tuple(theirs.attacks_to_run)


class _Remarks(logging.Logger):
    """A logger of no family, which keeps the warnings of one evaluation, one of each kind."""

    def __init__(self) -> None:
        super().__init__("xhat.robustness", logging.WARNING)
        self._kinds: dict[str, str] = {}

    def handle(self, record: logging.LogRecord) -> None:
        """Keep a message, without the pointer to a file of the package's repository."""
        said = re.sub(r"\s*See \S+ for details\.", "", record.getMessage())
        self._kinds.setdefault(re.sub(r"[\d.]+", "", said), said)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was kept, in order."""
        return tuple(self._kinds.values())


@contextmanager
def _apart() -> Iterator[None]:
    """Keep what the package does to generators and the interpreter's trace from the caller."""
    traced = sys.gettrace()
    devices = range(torch.cuda.device_count())
    try:
        with torch.random.fork_rng(devices), torch.inference_mode(mode=False):
            yield
    finally:
        sys.settrace(traced)  # the package's check for defences that search ends by removing it


def _only_of_the_input(model: Model) -> Model:
    """Return the model such that ``backward`` leaves no gradient on anything but the input."""

    class OfTheInput(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            if not ctx.needs_input_grad[0]:
                return model(x).clone()  # which the Square attack writes into
            with torch.enable_grad():
                ctx.x = x.detach().requires_grad_(True)
                ctx.y = model(ctx.x)
            return ctx.y.detach().clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
            (found,) = torch.autograd.grad(ctx.y, ctx.x, gradient, retain_graph=True)
            return found.contiguous()  # the package takes views of it

    return OfTheInput.apply


def _package() -> Any:
    with extra("robustness", "AutoAttack needs"):
        import pyautoattack
    return pyautoattack


def _classes(model: Model, x: Tensor, labels: Tensor) -> int:
    logits = model(x[:1])
    if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[1] < 2:
        came = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"the model must return logits (n, classes) of 2 classes or more, but for one input "
            f"it returned {came}."
        )
    check_range("the labels", labels, 0, logits.shape[1] - 1)
    return logits.shape[1]
