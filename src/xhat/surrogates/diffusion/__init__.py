"""Diffusion: images from noise, by a denoiser that is trained for all amounts of noise.

What is sampled is said by a *denoise*, ``(x, sigma) -> x`` without its noise. Guidance wraps one
and is one: towards a class (classifier-free), along a classifier's gradient, near a start, onto
what must hold. ``sample`` takes any of them from much noise to none, and from pure noise or a
noised start alike.
"""

from xhat.surrogates.diffusion.guidance import (
    ClassifierFree,
    ClassifierGuided,
    Conditional,
    Constrained,
    Denoise,
    Proximal,
)
from xhat.surrogates.diffusion.sampling import noise_levels, noised, sample
from xhat.surrogates.diffusion.training import train_denoiser

__all__ = [
    "ClassifierFree",
    "ClassifierGuided",
    "Conditional",
    "Constrained",
    "Denoise",
    "Proximal",
    "noise_levels",
    "noised",
    "sample",
    "train_denoiser",
]
