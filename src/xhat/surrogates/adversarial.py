"""The robust twin: a classifier trained on the worst inputs in a ball around each image.

Its loss is ``max over |d| <= eps of CE(f(x + d), y)``, the maximum found by projected gradient
steps. ``eps`` grows from 0 at the beginning, since a new network that meets the full ball at once
learns a constant.

What a search wants of such a network is the gradient with respect to its input. With an L2 ball
it looks like strokes of the digit. With an Linf ball it does not, at least on black and white
images: the network learns to threshold every pixel, and its gradient is a few scattered dots.

Source: Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards Deep Learning Models Resistant to
Adversarial Attacks", ICLR 2018 (whose Appendix C describes the thresholds); Tsipras, Santurkar,
Engstrom, Turner, Madry, "Robustness May Be at Odds with Accuracy", ICLR 2019.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_fraction, check_positive, evaluation_mode
from xhat.learning import EpochRecord, Jitter, build, fit
from xhat.solve import Compute, pgd
from xhat.surrogates.classifier import ROTATION

__all__ = ["AdversarialLoss", "train_adversarial", "worst_inputs"]

Norm = Literal["linf", "l2"]


def train_adversarial(
    images: Tensor,
    labels: Tensor,
    *,
    seed: int,
    eps: float = 2.0,
    norm: Norm = "l2",
    steps: int = 5,
    ramp: float = 0.4,
    architecture: str = "SmallCNN",
    jitter: Jitter = ROTATION,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **schedule: Any,
) -> nn.Module:
    """Train a classifier against projected gradient steps in a ball.

    Args:
        images: ``(n, channels, h, w)`` in [0, 1], upright.
        labels: ``(n,)`` int64.
        seed: of weights, order and augmentation.
        eps: the radius of the ball at the end of the ramp.
        norm: of the ball, ``"l2"`` or ``"linf"``.
        steps: of the inner search; each is ``2.5 * eps / steps`` long.
        ramp: the share of the training during which the radius grows, in (0, 1).
        architecture: a name in ``xhat.learning.NETWORKS``.
        jitter: how far every image is turned, moved and slanted.
        on_epoch: called with a record after each epoch.
        **schedule: passed to ``xhat.learning.fit``: ``epochs``, ``batch_size``,
            ``learning_rate`` and its optional numbers.

    Returns:
        The classifier, giving logits, in evaluation mode.
    """
    updates = schedule["epochs"] * -(-len(images) // schedule["batch_size"])
    loss = AdversarialLoss(eps, norm, steps, max(1, round(check_fraction("ramp", ramp) * updates)))
    model = build(architecture, seed=seed)
    fit(model, images, labels, loss, seed=seed, augment=jitter, on_epoch=on_epoch, **schedule)
    return model


@dataclass
class AdversarialLoss:
    """Cross-entropy at the worst inputs found; the radius grows over the first calls.

    Attributes:
        eps: the final radius.
        norm: of the ball.
        steps: of the inner search.
        ramp_calls: how many calls it takes for the radius to reach ``eps``.
        calls: how many there have been.
    """

    eps: float
    norm: Norm
    steps: int
    ramp_calls: int
    calls: int = 0

    def __post_init__(self) -> None:
        check_positive("eps", self.eps)
        check_positive("steps", self.steps)

    def __call__(
        self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the mean cross-entropy at the worst inputs around ``x``."""
        self.calls += 1
        eps = self.eps * min(1.0, self.calls / self.ramp_calls)
        del generator  # nothing is drawn: the search begins at the images themselves
        worst = worst_inputs(model, x, y, eps=eps, norm=self.norm, steps=self.steps)
        return F.cross_entropy(model(worst), y)


def worst_inputs(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: Norm,
    steps: int,
) -> Tensor:
    """Return inputs within ``eps`` of ``x``, in [0, 1], where ``y`` is least likely.

    Args:
        model: gives logits.
        x: ``(n, *x_shape)`` in [0, 1].
        y: ``(n,)`` int64, the labels to leave.
        eps: the radius of the ball.
        norm: of the ball.
        steps: of the search, each ``2.5 * eps / steps`` long.

    Returns:
        ``(n, *x_shape)``.
    """
    with evaluation_mode(model, warn=False):  # a model in training is meant to be searched here
        result = pgd(
            model, x, label=y, radius=eps, norm=norm, steps=steps, compute=Compute(chunk=len(x))
        )
    return result.x
