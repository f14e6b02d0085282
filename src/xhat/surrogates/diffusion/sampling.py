"""From noise to images, level by level.

In the scale where images keep their size and noise grows, ``x_σ = x + σ n``, one step from ``σ``
down to ``τ`` is, for a denoise ``D``::

    x_τ = D + sqrt(τ² - ν²) (x_σ - D) / σ + ν n        ν = η sqrt(τ² (σ² - τ²) / σ²)

With η = 0 it is DDIM's step, with η = 1 DDPM's: theirs are the same with all divided by
``sqrt(1 + σ²)``.

Source: Ho, Jain, Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020; Song, Meng,
Ermon, "Denoising Diffusion Implicit Models", ICLR 2021; the scale: Karras et al., "Elucidating the
Design Space of Diffusion-Based Generative Models", NeurIPS 2022.
"""

import itertools

import torch
from torch import Tensor

from xhat.core import check_count, check_positive
from xhat.surrogates.diffusion.guidance import Denoise

__all__ = ["noise_levels", "noised", "sample"]


def noise_levels(
    steps: int, largest: float = 20.0, smallest: float = 0.02, power: float = 7.0
) -> Tensor:
    """Return ``steps`` falling levels of noise, evenly spaced in ``σ^(1 / power)``.

    Args:
        steps: how many.
        largest: the first, in the units of pixels; 20 hides any image.
        smallest: the last.
        power: how much more of them are small.

    Example:
        >>> noise_levels(3, 1.0, 0.01, power=1.0)
        tensor([1.0000, 0.5050, 0.0100])
    """
    check_count("steps", steps)
    check_positive("smallest", smallest)
    if largest < smallest:
        raise ValueError(f"largest must be at least smallest, {smallest:g}, but is {largest:g}.")
    at = torch.linspace(0, 1, steps, dtype=torch.float64)
    first, last = largest ** (1 / power), smallest ** (1 / power)
    return (first + at * (last - first)).pow(power).float()


def noised(x: Tensor, sigma: Tensor | float, generator: torch.Generator) -> Tensor:
    """Return images with noise, where a sampling may begin: of images, or of zeros.

    Source for beginning at a noised image: Meng et al., "SDEdit: Guided Image Synthesis and Editing
    with Stochastic Differential Equations", ICLR 2022.

    Example:
        >>> from xhat.core import generator
        >>> noised(torch.zeros(2, 1, 8, 8), 2.0, generator(0)).std() > 1
        tensor(True)
    """
    return x + sigma * torch.randn(x.shape, generator=generator).to(x)


@torch.no_grad()
def sample(
    denoise: Denoise,
    x: Tensor,
    levels: Tensor,
    *,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return images without noise.

    Args:
        denoise: what is sampled.
        x: ``(n, *x_shape)``, with noise of the first level.
        levels: ``(steps,)``, falling, above 0; one pass of ``denoise`` each.
        eta: of the noise that each step replaces, from 0 (DDIM) to 1 (DDPM).
        generator: of that noise; needed where eta is above 0.

    Returns:
        ``(n, *x_shape)``; not clipped.

    Raises:
        ValueError: levels that do not fall, or eta out of its range or without a generator.

    Example:
        >>> shrink = lambda x, sigma: x / (1 + sigma**2)  # of normal images
        >>> sample(shrink, torch.full((1, 1), 3.0), noise_levels(200, 3.0)).round(decimals=1)
        tensor([[0.9000]])
    """
    if levels.ndim != 1 or not len(levels) or (levels <= 0).any() or (levels.diff() >= 0).any():
        raise ValueError("levels must be falling and above 0; use noise_levels.")
    if not 0 <= eta <= 1 or (eta and generator is None):
        raise ValueError(
            f"eta must lie in [0, 1] and needs a generator above 0, but is {eta:g}"
            f"{'' if generator else ' without one'}."
        )
    for sigma, lower in itertools.pairwise(levels):
        found = denoise(x, sigma.reshape(1))
        fresh = eta * lower * (1 - (lower / sigma).square()).sqrt()
        x = found + (lower.square() - fresh.square()).sqrt() / sigma * (x - found)
        if generator is not None and eta:
            x = x + fresh * torch.randn(x.shape, generator=generator).to(x)
    return denoise(x, levels[-1:])
