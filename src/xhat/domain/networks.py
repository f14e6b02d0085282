"""What knows a domain, fitted to its samples where a method needs it.

========================  ======================================================================
``prior``                 where samples lie, seen from a start and towards what is wanted
                          (``xhat.priors``)
``robust``                a classifier that was trained against an adversary; its gradient with
                          respect to the input looks like the classes (Tsipras et al., "Robustness
                          May Be at Odds with Accuracy", ICLR 2019)
``autoencoder``           a variational autoencoder: a latent space in which real images are dense
``denoiser``              the mean of an image given its noisy version, for each class and for all
========================  ======================================================================

The first two serve any kind of data, the others images and fields. Networks of images see one size
with values from 0 to 1; ``Frame`` brings any image there and back. All are fitted to the half of
the samples that searches may use, with a fixed seed, for about a fixed number of steps, so that the
time does not depend on how many samples there are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.domain.guards import guard, guard_of_images, layers
from xhat.learning import (
    VAE,
    Denoiser,
    EpochRecord,
    Shift,
    build,
    fit_vae,
    predict,
    side_of,
    squared,
)
from xhat.priors import fit_prior, untrained
from xhat.surrogates import train_denoiser

__all__ = [
    "ANY_KIND",
    "PARTS",
    "Frame",
    "FramedAutoencoder",
    "FramedClassifier",
    "FramedDenoiser",
    "Known",
    "again",
    "doubts",
    "made",
]

Progress = Callable[[str, int, int], None]
PARTS = ("prior", "robust", "autoencoder", "denoiser")
"""Names of what a domain can fit."""
ANY_KIND = ("prior", "robust")
"""Those of them that serve any kind of data."""

_BATCH = 128
_STEPS = {"robust": 900, "autoencoder": 1_800, "denoiser": 1_800}
_LATENT = 16
_WIDTH = 24  # of the denoiser
_LARGE = 16  # pixels along a side from which a shift by one pixel changes nothing that matters


@dataclass(frozen=True)
class Frame:
    """How images of a domain become what the networks see: values from 0 to 1, square.

    Attributes:
        shape: ``(channels, h, w)`` of one image.
        low, high: the values that become 0 and 1.
    """

    shape: tuple[int, ...]
    low: float
    high: float

    @property
    def side(self) -> int:
        """Height and width of what the networks see: a multiple of 4, at least 8."""
        return side_of(*self.shape[1:])

    def into(self, x: Tensor) -> Tensor:
        """Return images as the networks see them, padded by repeating their edges."""
        return squared((x - self.low) / (self.high - self.low), self.side)

    def out(self, unit: Tensor) -> Tensor:
        """Return what the networks make as images of the domain."""
        h, w = self.shape[1:]
        top, left = (self.side - h) // 2, (self.side - w) // 2
        cut = unit[..., top : top + h, left : left + w]
        return self.low + (self.high - self.low) * cut


class FramedClassifier(nn.Module):
    """A classifier of a domain's images: ``(n, *x_shape)`` to logits ``(n, classes)``."""

    def __init__(self, frame: Frame, net: nn.Module) -> None:
        super().__init__()
        self.frame, self.net = frame, net
        self.architecture = net.__class__.__name__

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.net(self.frame.into(x))


class FramedAutoencoder(nn.Module):
    """An autoencoder of a domain's images."""

    def __init__(self, frame: Frame, net: VAE) -> None:
        super().__init__()
        self.frame, self.net = frame, net

    def encode(self, x: Tensor) -> Tensor:
        """Return latents ``(n, latent)`` of images."""
        return self.net.encode(self.frame.into(x))

    def decode(self, z: Tensor) -> Tensor:
        """Return images of latents."""
        return self.frame.out(self.net.decode(z))


class FramedDenoiser(nn.Module):
    """A denoiser of a domain's images, in their own units.

    Attributes:
        classes: the number of classes; this number as a label means that the class is unknown.
        mean: of the values of images.
        unit: the range of values that the network sees as a range of 1.
    """

    def __init__(self, frame: Frame, net: Denoiser) -> None:
        super().__init__()
        self.frame, self.net, self.classes = frame, net, net.classes
        self.unit = frame.high - frame.low
        self.mean = frame.low + self.unit * net.mean

    def forward(self, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the mean of images without their noise of standard deviation ``sigma``."""
        return self.frame.out(self.net(self.frame.into(x), sigma / self.unit, label))


@dataclass(frozen=True)
class Known:
    """The half of a domain's samples that searches may use.

    Attributes:
        x: ``(m, *x_shape)``, in the domain's own units.
        labels: ``(m,)``; None for none.
        values: ``(m, ...)``; None for none.
        doubt: ``(m,)``, how unsure the guard is of each; None for none.
    """

    x: Tensor
    labels: Tensor | None = None
    values: Tensor | None = None
    doubt: Tensor | None = None


def doubts(guard: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of the label of every sample, ``(m,)``."""
    return F.cross_entropy(predict(guard, x), labels, reduction="none")


def made(
    name: str, frame: Frame, known: Known, seed: int, on_progress: Progress | None
) -> nn.Module:
    """Return what ``PARTS`` names, fitted.

    Args:
        name: of it.
        frame: of the images.
        known: the samples.
        seed: of the training.
        on_progress: called with the name, and how many epochs of how many are done.
    """
    x, labels = known.x, known.labels
    if name == "prior":
        told = known.values, known.doubt
        return fit_prior(x, labels, *told, seed=seed, on_progress=on_progress)
    if name == "robust" and labels is not None and x.ndim != 4:
        return _framed(guard(x, labels, seed, _told(name, on_progress)))
    unit = frame.into(x).clamp(0, 1)
    schedule: dict[str, Any] = {
        "epochs": max(2, round(_STEPS[name] * _BATCH / len(x))),
        "batch_size": min(_BATCH, len(x)),
        "seed": seed,
        "jitter": Shift(1) if frame.side >= _LARGE else None,
        "on_epoch": _told(name, on_progress),
    }
    if name == "autoencoder":
        found = fit_vae(unit, latent=_latent(x), beta=1.0, learning_rate=2e-3, **schedule)
        return _framed(FramedAutoencoder(frame, found))
    classes = 2 if labels is None else int(labels.max()) + 1
    labels = torch.zeros(len(x), dtype=torch.long) if labels is None else labels
    if name == "denoiser":
        found = train_denoiser(
            unit,
            labels,
            width=_WIDTH,
            classes=classes,
            mean=float(unit.mean()),
            spread=float(unit.std()),
            learning_rate=3e-3,
            average=0.998,
            **schedule,
        )
        return _framed(FramedDenoiser(frame, found))
    found = guard_of_images(unit, labels, classes, **schedule)
    return _framed(FramedClassifier(frame, found))


def again(name: str, frame: Frame, classes: int, arguments: dict[str, Any]) -> nn.Module:
    """Return an untrained network of the same layers, to load weights into."""
    if name == "prior":
        return untrained(frame.shape, **arguments)
    if name == "robust" and len(frame.shape) != 3:
        net: Any = build("Surrogate", seed=0, shape=list(frame.shape), classes=classes)
        return net
    if name == "autoencoder":
        net = build("VAE", seed=0, channels=frame.shape[0], size=frame.side, **arguments)
        return FramedAutoencoder(frame, net)  # pyright: ignore[reportArgumentType]
    if name == "denoiser":
        shape = {"classes": classes, "channels": frame.shape[0], "width": _WIDTH}
        net = build("Denoiser", seed=0, **shape, **arguments)
        return FramedDenoiser(frame, net)  # pyright: ignore[reportArgumentType]
    architecture = arguments.get("architecture", "SmallCNN")
    made_with = layers(architecture, frame.shape[0], frame.side, classes)
    return FramedClassifier(frame, build(architecture, seed=0, **made_with))


def _latent(x: Tensor) -> int:
    return min(_LATENT, x[0].numel() // 4)


def _framed(model: nn.Module) -> nn.Module:
    return model.eval().requires_grad_(False)


def _told(name: str, on_progress: Progress | None) -> Callable[[EpochRecord], None]:
    def tell(record: EpochRecord) -> None:
        if on_progress is not None:
            on_progress(name, record.epoch, record.epochs)

    return tell
