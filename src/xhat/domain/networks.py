"""Networks that know a domain of images, trained on its samples where a method needs them.

========================  ======================================================================
``robust``                a classifier that was trained against an adversary; its gradient with
                          respect to the input looks like the classes (Tsipras et al., "Robustness
                          May Be at Odds with Accuracy", ICLR 2019)
``autoencoder``           a variational autoencoder: a latent space in which real images are dense
``denoiser``              the mean of an image given its noisy version, for each class and for all
========================  ======================================================================

The networks see images of one size with values from 0 to 1; ``Frame`` brings any image there and
back. All are trained on the half of the samples that searches may use, with a fixed seed, for about
a fixed number of steps, so that the time does not depend on how many samples there are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xhat.learning import VAE, Denoiser, EpochRecord, Shift, build, fit_vae, side_of, squared
from xhat.surrogates import Adversarial, apart, train_classifier, train_denoiser
from xhat.surrogates.recipes import RADIUS

__all__ = [
    "PARTS",
    "Frame",
    "FramedAutoencoder",
    "FramedClassifier",
    "FramedDenoiser",
    "again",
    "made",
]

Progress = Callable[[str, int, int], None]
PARTS = ("robust", "autoencoder", "denoiser")
"""Names of the networks that a domain can train."""

_BATCH = 128
_STEPS = {"robust": 900, "autoencoder": 1_800, "denoiser": 1_800}  # about a minute each at 28 x 28
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


def made(
    name: str,
    frame: Frame,
    x: Tensor,
    labels: Tensor | None,
    seed: int,
    on_progress: Progress | None,
) -> nn.Module:
    """Return a network of ``PARTS``, trained.

    Args:
        name: of it.
        frame: of the images.
        x: ``(m, channels, h, w)``, in the domain's own units.
        labels: ``(m,)``; the classifier needs them.
        seed: of the training.
        on_progress: called with the name, and how many epochs of how many are done.
    """
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
    against = Adversarial(eps=RADIUS * apart(unit, labels, seed), norm="l2", steps=4, ramp=0.4)
    found = train_classifier(
        unit,
        labels,
        terms=[against],
        arguments=_small(frame, classes),
        classes=classes,
        learning_rate=2e-3,
        average=0.998,
        **schedule,
    )
    return _framed(FramedClassifier(frame, found))


def again(name: str, frame: Frame, classes: int, arguments: dict[str, Any]) -> nn.Module:
    """Return an untrained network of the same layers, to load weights into."""
    if name == "autoencoder":
        net = build("VAE", seed=0, channels=frame.shape[0], size=frame.side, **arguments)
        return FramedAutoencoder(frame, net)  # pyright: ignore[reportArgumentType]
    if name == "denoiser":
        shape = {"classes": classes, "channels": frame.shape[0], "width": _WIDTH}
        net = build("Denoiser", seed=0, **shape, **arguments)
        return FramedDenoiser(frame, net)  # pyright: ignore[reportArgumentType]
    return FramedClassifier(frame, build("SmallCNN", seed=0, **_small(frame, classes)))


def _small(frame: Frame, classes: int) -> dict[str, Any]:
    return {"classes": classes, "channels": frame.shape[0], "size": frame.side}


def _latent(x: Tensor) -> int:
    return min(_LATENT, x[0].numel() // 4)


def _framed(model: nn.Module) -> nn.Module:
    return model.eval().requires_grad_(False)


def _told(name: str, on_progress: Progress | None) -> Callable[[EpochRecord], None]:
    def tell(record: EpochRecord) -> None:
        if on_progress is not None:
            on_progress(name, record.epoch, record.epochs)

    return tell
