"""Training of held-out judges: networks that share nothing with what the search used.

A judge has another architecture, another seed, another part of the data and another augmentation
than the surrogate; and one output more, for "none of the classes". What it sees in training is
slanted, moved, sheared, scaled, faint, blurred, noisy and partly covered, so that it reads a
digit for its strokes and not for a texture that a search can add; and shapes between two digits,
of which it learns to be unsure. Of the images it is given it trains on all but one fold, which
differs from judge to judge and sets its temperature, so that its probabilities mean what they say.

Source: label smoothing: Müller, Kornblith, Hinton, "When Does Label Smoothing Help?", NeurIPS
2019; random erasing: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020; temperature:
Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017; single-step
adversarial training: Wong, Rice, Kolter, "Fast is better than free", ICLR 2020.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_count, check_fraction, check_positive, generator
from xhat.learning import (
    EpochRecord,
    Jitter,
    build,
    fit,
    fit_temperature,
    fit_vae,
    predict,
    random_affine,
)
from xhat_zoo.digits.morphs import Morphs, signed_distance
from xhat_zoo.digits.negatives import Negatives

__all__ = [
    "JudgeLoss",
    "calibrate",
    "disturb",
    "held_out",
    "train_autoencoder",
    "train_judge",
]

FOLDS = 5
_MORPHED = 4_000  # digits whose distance fields are kept, 13 MB


def train_judge(
    images: Tensor,
    labels: Tensor,
    *,
    seed: int,
    architecture: str,
    arguments: Mapping[str, Any] | None = None,
    fold: int = 0,
    classes: int = 10,
    none_share: float = 0.3,
    between_share: float = 0.06,
    smoothing: float = 0.02,
    radius: float = 0.0,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **schedule: Any,
) -> nn.Module:
    """Train a classifier with ``classes + 1`` outputs, the last of which says "none of them".

    Args:
        images: ``(n, 1, size, size)`` in [0, 1], upright.
        labels: ``(n,)`` int64, 0 to ``classes - 1``.
        seed: of weights, order, augmentation and negatives.
        architecture: a name in ``xhat.learning.architectures()``.
        arguments: of that architecture; the number of outputs is added.
        fold: which fifth of the images only sets the temperature, 0 to 4.
        classes: the number of real classes.
        none_share: which share of what the judge sees shows no class, in (0, 1).
        between_share: likewise, which share lies between two classes.
        smoothing: of the labels.
        radius: of the L2 ball in which every image is moved one step against the judge; 0 for none.
        on_epoch: called with a record after each epoch.
        **schedule: passed to ``xhat.learning.fit``: ``epochs``, ``batch_size``,
            ``learning_rate`` and its optional numbers.

    Returns:
        The judge, giving logits ``(n, classes + 1)``, calibrated, in evaluation mode.
    """
    out = held_out(len(labels), fold)
    known, known_labels = images[~out], labels[~out]
    morphs = Morphs(signed_distance(known[:_MORPHED]), known_labels[:_MORPHED])
    negatives = Negatives(known, known_labels)
    loss = JudgeLoss(negatives, morphs, classes, none_share, between_share, smoothing, radius)
    model = build(architecture, seed=seed, classes=classes + 1, **dict(arguments or {}))
    fit(model, known, known_labels, loss, seed=seed, on_epoch=on_epoch, **schedule)
    calibrate(model, images[out], labels[out], classes, generator(seed, "temperature"))
    return model


def held_out(n: int, fold: int) -> Tensor:
    """Return which of ``n`` images belong to the fold, ``(n,)`` booleans.

    Example:
        >>> held_out(6, 1).tolist()
        [False, True, False, False, False, False]
    """
    if not 0 <= fold < FOLDS:
        raise ValueError(f"fold must lie between 0 and {FOLDS - 1}, but is {fold}.")
    return torch.arange(check_count("the number of images", n)) % FOLDS == fold


@dataclass(frozen=True)
class JudgeLoss:
    """Cross-entropy on disturbed digits, on images that show none, and on shapes between two.

    Attributes:
        negatives: makes the images that show no class.
        morphs: makes the shapes between two classes.
        classes: the number of real classes; the label of the rest.
        none_share: of a batch, in (0, 1).
        between_share: of a batch, in (0, 1).
        smoothing: of the labels.
        radius: of the L2 ball in which images are moved one step against the judge.
    """

    negatives: Negatives
    morphs: Morphs
    classes: int
    none_share: float
    between_share: float
    smoothing: float
    radius: float

    def __post_init__(self) -> None:
        check_fraction("none_share", self.none_share)
        check_fraction("between_share", self.between_share)
        check_fraction("none_share and between_share", self.none_share + self.between_share)
        check_positive("radius", self.radius, zero=True)

    def __call__(
        self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the mean over the batch and what is added to it."""
        shown, wanted = self.batch(x, y, generator)
        if self.radius:
            shown = _moved_against(model, shown, wanted, self.radius, generator)
        return F.cross_entropy(model(shown), wanted, label_smoothing=self.smoothing)

    def batch(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return what the judge sees, and the distribution that it should give."""
        total = len(x) / (1 - self.none_share - self.between_share)
        none, between = (
            max(1, round(total * share)) for share in (self.none_share, self.between_share)
        )
        moved = random_affine(x, generator, angle=48, shift=2, scale=0.12, shear=0.15)
        shapes, shares = self.morphs.draw(between, generator, self.classes + 1)
        shapes = random_affine(shapes, generator, angle=45, shift=1)
        shown = torch.cat((moved, self.negatives.draw(none, generator), shapes))
        certain = torch.cat((y, y.new_full((none,), self.classes)))
        wanted = torch.cat((F.one_hot(certain, self.classes + 1).to(shares), shares))
        return disturb(shown, generator), wanted


def calibrate(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    classes: int,
    generator: torch.Generator,
    none_share: float = 0.3,
) -> float:
    """Divide the logits by the temperature at which held-out images are most likely; return it.

    The temperature becomes part of the last linear layer.

    Args:
        model: in evaluation mode.
        images: ``(n, 1, size, size)`` in [0, 1], upright, unseen in training.
        labels: ``(n,)`` int64.
        classes: the number of real classes.
        generator: the source of randomness.
        none_share: how many of what is shown are made to show no class.
    """
    none = max(1, round(len(labels) * none_share / (1 - none_share)))
    shown = torch.cat(
        (
            random_affine(images, generator, angle=45),
            Negatives(images, labels).draw(none, generator),
        )
    )
    wanted = torch.cat((labels, labels.new_full((none,), classes)))
    logits = predict(model, shown)
    temperature = fit_temperature(logits, wanted)
    last = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.div_(temperature)
    return temperature


def train_autoencoder(
    images: Tensor,
    labels: Tensor,
    *,
    seed: int,
    latent: int = 24,
    beta: float = 0.5,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **schedule: Any,
) -> nn.Module:
    """Train a variational autoencoder for judging: what it cannot rebuild is not like the data.

    Args:
        images: ``(n, 1, size, size)`` in [0, 1], upright.
        labels: not used.
        seed: of weights, order, augmentation and latent noise.
        latent: the number of latent values.
        beta: weight of the divergence from the standard normal prior.
        on_epoch: called with a record after each epoch.
        **schedule: passed to ``xhat.learning.fit``.
    """
    del labels
    jitter = Jitter(angle=47.0, shift=1.0)
    return fit_vae(
        images, seed=seed, latent=latent, beta=beta, jitter=jitter, on_epoch=on_epoch, **schedule
    )


def disturb(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return images made fainter, blurred, partly covered and noisy, each at random, in [0, 1].

    What shows a digit still does: a covered square is at most 6 pixels wide.

    Args:
        x: ``(n, 1, h, w)`` in [0, 1].
        generator: the source of randomness.
    """
    n, _, h, w = x.shape

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, 1, 1, 1, generator=generator) * (high - low) + low

    def sometimes(share: float) -> Tensor:
        return (uniform(0, 1) < share).float()

    x = x * (1 - sometimes(0.5) * uniform(0, 0.4))
    blurred = F.avg_pool2d(x, 3, stride=1, padding=1)
    x = torch.lerp(x, blurred, sometimes(0.3) * uniform(0, 0.8))
    coarse = torch.randn(n, 1, 7, 7, generator=generator)
    waves = F.interpolate(coarse, (h, w), mode="bilinear", align_corners=False)
    fine = torch.randn(x.shape, generator=generator)
    x = x + sometimes(0.3) * uniform(0, 0.2) * waves + sometimes(0.4) * uniform(0, 0.25) * fine
    x = x + sometimes(0.15) * uniform(0, 0.3) * fine.sign()  # as large as an Linf attack's
    return (x * (1 - sometimes(0.3) * _squares(n, h, w, generator))).clamp(0, 1)


def _moved_against(
    model: nn.Module, x: Tensor, wanted: Tensor, radius: float, generator: torch.Generator
) -> Tensor:
    """Return images moved in one step, of a random length up to ``radius``, to a higher loss."""
    noise = torch.randn(x.shape, generator=generator)
    start = x + 0.25 * radius * noise / noise.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    start.requires_grad_(True)
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(start), wanted), start)
    norm = gradient.flatten(1).norm(dim=1).clamp_min(1e-12).reshape(-1, 1, 1, 1)
    length = radius * torch.rand(len(x), 1, 1, 1, generator=generator).sqrt()
    return (start.detach() + length * gradient / norm).clamp(0, 1)


def _squares(n: int, h: int, w: int, generator: torch.Generator) -> Tensor:
    side = torch.randint(3, 7, (n, 1, 1, 1), generator=generator)
    top = torch.randint(0, h - 6, (n, 1, 1, 1), generator=generator)
    left = torch.randint(0, w - 6, (n, 1, 1, 1), generator=generator)
    rows, columns = torch.arange(h)[:, None], torch.arange(w)[None, :]
    inside = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
    return inside.float()
