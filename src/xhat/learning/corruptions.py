"""Damage by degrees, each kind of it from none at severity 0 to heavy at 1.

One number, the severity, says how much of an image's meaning is gone, whatever the kind. It is what
accuracy under growing noise is plotted against, and what the softness of a target may follow.

Source: Hendrycks, Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019; elastic deformation: Simard, Steinkraus, Platt, "Best Practices for
Convolutional Neural Networks Applied to Visual Document Analysis", ICDAR 2003.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.core import check_choice, check_range, check_rows

__all__ = ["CORRUPTIONS", "DAMAGE", "corrupt"]

_NOISE = 1.2  # standard deviation at severity 1, in units of the whole range
_BLUR = 5 / 28  # of the shorter side, standard deviation at severity 1
_BEND = 0.25  # of each side, standard deviation of the displacement at severity 1
_LATTICE = 5  # points a side where displacements are drawn
_LEVELS = 8  # kernels between no blur and the widest

Corruption = Callable[[Tensor, Tensor, torch.Generator], Tensor]


def corrupt(
    kind: str,
    x: Tensor,
    severity: Tensor,
    generator: torch.Generator,
    limits: tuple[float, float] | tuple[Tensor, Tensor] = (0.0, 1.0),
) -> Tensor:
    """Return samples damaged by ``kind``, each by its own severity.

    Args:
        kind: a name in ``CORRUPTIONS``.
        x: ``(n, *x_shape)``, in units of about the range of what varies; for blur and deformation
            images ``(n, channels, h, w)``.
        severity: ``(n,)`` in [0, 1], or ``(1,)`` for all.
        generator: the source of randomness.
        limits: ``(low, high)`` of the features, two numbers or two tensors.

    Returns:
        ``(n, *x_shape)`` within the limits; at severity 0 the samples themselves.

    Example:
        >>> from xhat.core import generator
        >>> x = torch.rand(3, 1, 16, 16)
        >>> same = corrupt("blur", x, torch.zeros(3), generator(0))
        >>> torch.allclose(same, x, atol=1e-6)
        True
    """
    check_choice("kind", kind, CORRUPTIONS)
    check_rows("severity", severity, len(x))
    check_range("severity", severity, 0.0, 1.0)
    damaged = CORRUPTIONS[kind](x, severity.to(x).expand(len(x)), generator)
    return torch.clamp(damaged, *limits)  # pyright: ignore[reportCallIssue, reportArgumentType]


def noise(x: Tensor, severity: Tensor, generator: torch.Generator) -> Tensor:
    """Normal noise on every value."""
    grain = torch.randn(x.shape, generator=generator).to(x)
    return x + _NOISE * _each(severity, x) * grain


def blur(x: Tensor, severity: Tensor, generator: torch.Generator) -> Tensor:
    """Gaussian blur, brightened so that the brightest pixel stays as bright."""
    del generator  # nothing is drawn
    level = severity * _LEVELS
    below = level.floor().clamp(max=_LEVELS - 1)
    out = torch.empty_like(x)
    for k in range(_LEVELS):
        rows = (below == k).nonzero()[:, 0]
        if len(rows):
            part, share = x[rows], (level[rows] - k).reshape(-1, 1, 1, 1)
            out[rows] = torch.lerp(_blurred(part, k), _blurred(part, k + 1), share)
    brightest = [images.flatten(1).amax(1).clamp_min(1e-6) for images in (x, out)]
    return out * (brightest[0] / brightest[1]).reshape(-1, 1, 1, 1)


def deformation(x: Tensor, severity: Tensor, generator: torch.Generator) -> Tensor:
    """Elastic deformation: every place is moved by a smooth random field."""
    n, (h, w) = len(x), x.shape[-2:]
    coarse = torch.randn(n, 2, _LATTICE, _LATTICE, generator=generator).to(x)
    field = F.interpolate(coarse, (h, w), mode="bicubic", align_corners=True)
    scale = 2 * _BEND  # the image spans 2
    moved = (field * scale * severity.reshape(-1, 1, 1, 1)).permute(0, 2, 3, 1)
    same = torch.eye(2, 3).to(x).expand(n, 2, 3)
    grid = F.affine_grid(same, list(x.shape), align_corners=False) + moved
    return F.grid_sample(x, grid, padding_mode="zeros", align_corners=False)


def dropout(x: Tensor, severity: Tensor, generator: torch.Generator) -> Tensor:
    """Values that are lost, a share of ``severity``, and filled with those of another sample."""
    lost = torch.rand(x.shape, generator=generator).to(x) < _each(severity, x)
    return torch.where(lost, x[torch.randperm(len(x), generator=generator)], x)


def gaps(x: Tensor, severity: Tensor, generator: torch.Generator) -> Tensor:
    """A stretch along the last axis that is lost, and filled with a straight line."""
    length = x.shape[-1]
    long = (severity * (length - 1)).floor()
    first = (torch.rand(len(x), generator=generator).to(x) * (length - long)).floor()
    first, long = _each(first, x), _each(long, x)
    place = torch.arange(length).to(x)
    ends = (first - 1).clamp_min(0), (first + long).clamp_max(length - 1)
    before, after = (x.gather(-1, end.long().expand(*x.shape[:-1], 1)) for end in ends)
    line = torch.lerp(before, after, ((place - ends[0]) / (ends[1] - ends[0]).clamp_min(1)))
    return torch.where((place >= first) & (place < first + long), line, x)


CORRUPTIONS: dict[str, Corruption] = {
    "noise": noise,
    "blur": blur,
    "deformation": deformation,
    "dropout": dropout,
    "gaps": gaps,
}
DAMAGE = {
    "image": ("noise", "blur", "deformation"),
    "field": ("noise", "dropout"),
    "signal": ("noise", "gaps"),
    "table": ("noise", "dropout"),
}
"""What can happen to samples, by kind of data."""


def _each(value: Tensor, x: Tensor) -> Tensor:
    """Return ``(n,)`` values so that they broadcast over samples."""
    return value.reshape(-1, *[1] * (x.ndim - 1))


def _blurred(x: Tensor, level: int) -> Tensor:
    if level == 0:
        return x
    sigma = _BLUR * min(x.shape[-2:]) * level / _LEVELS
    radius = int(3 * sigma) + 1
    places = torch.arange(-radius, radius + 1).to(x)
    kernel = (-0.5 * (places / sigma).square()).exp()
    kernel = kernel / kernel.sum()
    channels = x.shape[1]
    for shape, padding in (((1, 1, -1, 1), (radius, 0)), ((1, 1, 1, -1), (0, radius))):
        weight = kernel.reshape(shape).expand(channels, 1, *([-1, 1] if padding[0] else [1, -1]))
        x = F.conv2d(x, weight, padding=padding, groups=channels)
    return x
