"""Adversarial training: learning from the worst inputs in a ball around each image.

The worst input maximises ``H(p, softmax f(x'))`` over ``|x' - x| <= eps``, found by projected
gradient steps of the library's own engine. ``Adversarial`` learns from it instead of the image
(Madry et al.); ``Trades`` learns from the image, and adds how far the worst input's prediction is
from the image's (Zhang et al.). Targets may be soft, and those of images that show no class are
uniform: then the worst input is the one where the model is most certain, and a search that leaves
the data meets no certainty there either (Augustin, Meinke, Hein).

``eps`` grows from 0 at the beginning, since a new network that meets the full ball at once learns
a constant. What a search wants of such a network is the gradient with respect to its input. With an
L2 ball it looks like parts of the class. With an Linf ball it does not, at least on black and
white images: the network learns to threshold every pixel, and its gradient is a few scattered dots.

Source: Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards Deep Learning Models Resistant to
Adversarial Attacks", ICLR 2018 (whose Appendix C describes the thresholds); Tsipras, Santurkar,
Engstrom, Turner, Madry, "Robustness May Be at Odds with Accuracy", ICLR 2019; Zhang, Yu, Jiao,
Xing, El Ghaoui, Jordan, "Theoretically Principled Trade-off between Robustness and Accuracy", ICML
2019; Augustin, Meinke, Hein, "Adversarial Robustness on In- and Out-Distribution Improves
Explainability", ECCV 2020.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.attacks import pgd
from xhat.core import check_choice, check_count, check_fraction, check_positive, evaluation_mode
from xhat.engine import Compute
from xhat.surrogates.training_terms import Batch, Limits, TrainingTerm, within

__all__ = ["Adversarial", "Trades", "worst_inputs"]

Norm = Literal["linf", "l2"]


@dataclass(frozen=True)
class Adversarial(TrainingTerm):
    """Moves every input to the worst that is found in a ball around it; targets stay.

    Attributes:
        eps: the radius of the ball at the end of the ramp.
        norm: of the ball, ``"l2"`` or ``"linf"``.
        steps: of the inner search; each is ``2.5 * eps / steps`` long.
        ramp: the share of the training during which the radius grows, in (0, 1).
        scattered: whether the search begins at a random point of the ball (of its surface, for
            ``"l2"``) rather than at the image.
    """

    eps: float = 2.0
    norm: Norm = "l2"
    steps: int = 5
    ramp: float = 0.4
    scattered: bool = False

    def __post_init__(self) -> None:
        _check_ball(self.eps, self.norm, self.steps, self.ramp)

    def __call__(
        self, model: nn.Module, batch: Batch, draws: torch.Generator, progress: float
    ) -> Batch:
        """Return the batch at its worst inputs."""
        eps = self.eps * min(1.0, progress / self.ramp)
        x, p = batch.x, batch.p
        start = _scatter(batch, eps, self.norm, draws) if self.scattered else None
        worst = worst_inputs(
            model, x, p, eps=eps, norm=self.norm, steps=self.steps, start=start, limits=batch.limits
        )
        return replace(batch, x=worst)


@dataclass(frozen=True)
class Trades(TrainingTerm):
    """Adds ``beta * KL(f(x) || f(x'))`` at the input of the ball where it is greatest.

    Attributes:
        eps, norm, steps, ramp: as of ``Adversarial``.
        beta: the weight; the larger, the more robust and the less accurate.
    """

    eps: float = 2.0
    norm: Norm = "l2"
    steps: int = 5
    ramp: float = 0.4
    beta: float = 6.0

    def __post_init__(self) -> None:
        _check_ball(self.eps, self.norm, self.steps, self.ramp)
        check_positive("beta", self.beta)

    def __call__(
        self, model: nn.Module, batch: Batch, draws: torch.Generator, progress: float
    ) -> Batch:
        """Return the batch with the term added."""
        eps = self.eps * min(1.0, progress / self.ramp)
        with torch.no_grad():
            given = model(batch.x).softmax(1)
        # at the image itself the divergence has no slope, so the search begins beside it
        start = _scatter(batch, eps, self.norm, draws)
        ball = {"eps": eps, "norm": self.norm, "steps": self.steps}
        worst = worst_inputs(model, batch.x, given, start=start, limits=batch.limits, **ball)
        there, here = model(worst).log_softmax(1), model(batch.x).log_softmax(1)
        apart = F.kl_div(there, here, reduction="batchmean", log_target=True)
        return batch.plus(self.beta * apart)


def worst_inputs(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: Norm,
    steps: int,
    start: Tensor | None = None,
    limits: Limits = (0.0, 1.0),
) -> Tensor:
    """Return inputs within ``eps`` of ``x`` and within the limits where ``y`` is least likely.

    Args:
        model: gives logits.
        x: ``(n, *x_shape)`` within the limits.
        y: ``(n,)`` labels or ``(n, classes)`` distributions to leave.
        eps: the radius of the ball.
        norm: of the ball.
        steps: of the search, each ``2.5 * eps / steps`` long.
        start: ``(n, *x_shape)`` within the ball, where the search begins; None is ``x``.
        limits: ``(low, high)`` of the features.

    Returns:
        ``(n, *x_shape)``.
    """
    with evaluation_mode(model, warn=False):  # a model in training is meant to be searched here
        result = pgd(
            model,
            x,
            label=y,
            radius=eps,
            norm=norm,
            steps=steps,
            start=start,
            bounds=limits,
            compute=Compute(chunk=len(x)),
        ).finished()
    return result.x


def _scatter(batch: Batch, eps: float, norm: Norm, draws: torch.Generator) -> Tensor:
    x = batch.x
    if norm == "linf":
        away = torch.rand(x.shape, generator=draws).to(x) * 2 - 1
    else:
        away = torch.randn(x.shape, generator=draws).to(x)
        away = away / away.flatten(1).norm(dim=1).reshape(-1, *[1] * (x.ndim - 1))
    return within(x + eps * away, batch.limits)


def _check_ball(eps: float, norm: Norm, steps: int, ramp: float) -> None:
    check_positive("eps", eps)
    check_choice("norm", norm, ("linf", "l2"))
    check_count("steps", steps)
    check_fraction("ramp", ramp)
