"""Plain networks over images ``(n, channels, size, size)`` with values in [0, 1].

None of them keeps batch statistics or drops units, so a candidate's output is its own, alone or
in a batch, and the same in training and evaluation mode. The families differ on purpose: a judge
should not share the blind spots of the surrogate that it judges.
"""

import torch
from torch import Tensor, nn

__all__ = ["MLP", "VAE", "ResidualNet", "SmallCNN", "WideCNN"]


class SmallCNN(nn.Module):
    """The surrogate: three convolutions, cheap to differentiate (1 M multiply-adds at 16×16).

    Args:
        classes: the number of outputs.
        channels: of the input.
        size: height and width of the input, a multiple of 4.
        width: channels of the first convolution; the others have twice as many. The cost grows
            with its square.

    Shape:
        ``(n, channels, size, size)`` in [0, 1] → logits ``(n, classes)``.

    Example:
        >>> SmallCNN(classes=3, size=16)(torch.zeros(2, 1, 16, 16)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self, classes: int = 10, channels: int = 1, size: int = 28, width: int = 32
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            # a 6×6 kernel with stride 2, a fifth cheaper to differentiate when written like this
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * channels, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Sequential(
            nn.Linear(2 * width * _quarter(size) ** 2, 2 * width),
            nn.ReLU(),
            nn.Linear(2 * width, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``."""
        return self.head(self.features(x).flatten(1))


class WideCNN(nn.Module):
    """A convolutional judge: wide 5×5 and 7×7 kernels, ELU, average pooling instead of strides.

    Args:
        classes: the number of outputs.
        channels: of the input.
        size: height and width of the input, a multiple of 4.

    Shape:
        ``(n, channels, size, size)`` in [0, 1] → logits ``(n, classes)``.

    Example:
        >>> WideCNN(classes=11, size=16)(torch.zeros(2, 1, 16, 16)).shape
        torch.Size([2, 11])
    """

    def __init__(self, classes: int = 10, channels: int = 1, size: int = 28) -> None:
        super().__init__()
        _quarter(size)
        self.features = nn.Sequential(
            nn.Conv2d(channels, 16, 7, padding=3),
            nn.ELU(),
            nn.AvgPool2d(2),
            nn.Conv2d(16, 32, 5, padding=2),
            nn.ELU(),
            nn.AvgPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2),
            nn.ELU(),
            nn.AvgPool2d(2),
        )
        self.head = nn.Sequential(
            nn.Linear(64 * (size // 8) ** 2, 160), nn.ELU(), nn.Linear(160, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``."""
        return self.head(self.features(x).flatten(1))


class ResidualNet(nn.Module):
    """A residual judge: pre-activation blocks, group normalisation, GELU, global average pool.

    Source: He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016;
    Wu, He, "Group Normalization", ECCV 2018 (it normalises each candidate by itself).

    Args:
        classes: the number of outputs.
        channels: of the input.
        width: channels of the first stage; the later ones have two and three times as many.

    Shape:
        ``(n, channels, h, w)`` in [0, 1] → logits ``(n, classes)``, any ``h`` and ``w`` from 8.

    Example:
        >>> ResidualNet(classes=11)(torch.zeros(2, 1, 16, 16)).shape
        torch.Size([2, 11])
    """

    def __init__(self, classes: int = 10, channels: int = 1, width: int = 24) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),
            _Residual(width, width),
            _Residual(width, 2 * width, stride=2),
            _Residual(2 * width, 2 * width),
            _Residual(2 * width, 3 * width, stride=2),
            nn.GroupNorm(8, 3 * width),
            nn.GELU(),
        )
        self.head = nn.Linear(3 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``."""
        return self.head(self.features(x).mean((2, 3)))


class _Residual(nn.Module):
    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.GroupNorm(8, before),
            nn.GELU(),
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            nn.GroupNorm(8, after),
            nn.GELU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
        )
        plain = before == after and stride == 1
        self.keep = nn.Identity() if plain else nn.Conv2d(before, after, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.keep(x) + self.change(x)


class MLP(nn.Module):
    """A judge without convolutions: it sees pixels, not strokes.

    Args:
        classes: the number of outputs.
        inputs: the number of values of one input, whatever its shape.
        hidden: the widths of the hidden layers.

    Shape:
        ``(n, *shape)`` in [0, 1] with ``inputs`` values each → logits ``(n, classes)``.

    Example:
        >>> MLP(classes=11, inputs=256)(torch.zeros(2, 1, 16, 16)).shape
        torch.Size([2, 11])
    """

    def __init__(
        self, classes: int = 10, inputs: int = 784, hidden: tuple[int, ...] = (256, 160)
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((inputs, *hidden), hidden, strict=False):
            layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.GELU()]
        self.layers = nn.Sequential(*layers, nn.Linear((inputs, *hidden)[-1], classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``."""
        return self.layers(x.flatten(1))


class VAE(nn.Module):
    """A variational autoencoder of images: a map between inputs and a small smooth latent space.

    Source: Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014.

    The decoder costs about 1 M multiply-adds at 16×16, because a search decodes thousands of
    times; it works at a quarter and half of the size and ends in a sigmoid.

    Args:
        latent: the number of latent values.
        channels: of the image.
        size: height and width of the image, a multiple of 4.

    Example:
        >>> vae = VAE(latent=16, size=16)
        >>> vae.decode(vae.encode(torch.zeros(2, 1, 16, 16))).shape
        torch.Size([2, 1, 16, 16])
    """

    def __init__(self, latent: int = 16, channels: int = 1, size: int = 28) -> None:
        super().__init__()
        small = _quarter(size)
        self.latent = latent
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, 32, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(32, 64, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(64 * small**2, 2 * latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, 96),
            nn.SiLU(),
            nn.Linear(96, 48 * small**2),
            nn.SiLU(),
            nn.Unflatten(1, (48, small, small)),
            nn.ConvTranspose2d(48, 32, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(16, channels, 3, padding=1),
        )

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(z | x), each ``(n, latent)``, for ``x`` in [0, 1]."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 8)

    def encode(self, x: Tensor) -> Tensor:
        """Return the posterior mean, ``(n, latent)``, of images in [0, 1]."""
        return self.posterior(x)[0]

    def decode_logits(self, z: Tensor) -> Tensor:
        """Return pixels before the sigmoid, ``(n, channels, size, size)``."""
        return self.decoder(z)

    def decode(self, z: Tensor) -> Tensor:
        """Return images in [0, 1], ``(n, channels, size, size)``, of latents ``(n, latent)``."""
        return torch.sigmoid(self.decode_logits(z))

    def forward(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return reconstruction, mean and log-variance.

        Args:
            x: images in [0, 1].
            noise: standard normal ``(n, latent)`` with which z is drawn; None decodes the mean.
        """
        mean, log_variance = self.posterior(x)
        z = mean if noise is None else mean + (0.5 * log_variance).exp() * noise
        return self.decode(z), mean, log_variance


def _quarter(size: int) -> int:
    if size % 4 or size < 8:
        raise ValueError(f"size must be a multiple of 4 and at least 8, but is {size}.")
    return size // 4
