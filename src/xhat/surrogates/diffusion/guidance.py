"""What a diffusion is guided by: each is a denoise, and most wrap another.

A denoise is ``(x, sigma) -> x0``: images with noise of standard deviation ``sigma``, a tensor with
one number, to what they are without it. Its score is ``(x0 - x) / sigma^2``, so that what is added
to a log-density adds ``sigma^2`` times its gradient here.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.core import check_positive
from xhat.learning import Denoiser

__all__ = [
    "ClassifierFree",
    "ClassifierGuided",
    "Conditional",
    "Constrained",
    "Denoise",
    "Proximal",
]

Denoise = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Conditional:
    """The denoiser of one class for each image, or of all classes.

    Attributes:
        denoiser: of the images.
        label: ``(n,)`` classes; None for all.
    """

    denoiser: Denoiser
    label: Tensor | None = None

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the mean of the images without their noise."""
        return self.denoiser(x, sigma, self.label)


@dataclass(frozen=True)
class ClassifierFree:
    """More of a class than the class itself: away from what any image would be.

    ``D + scale (D_class - D)``; 1 is the class itself, above 1 are more typical images of it.

    Source: Ho, Salimans, "Classifier-Free Diffusion Guidance", 2022.

    Attributes:
        denoiser: of the images.
        label: ``(n,)`` classes.
        scale: how far beyond.
    """

    denoiser: Denoiser
    label: Tensor
    scale: float

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the guided mean; two passes, in one batch."""
        any_class = torch.full_like(self.label, self.denoiser.classes)
        both = self.denoiser(torch.cat((x, x)), sigma, torch.cat((self.label, any_class)))
        wanted, whole = both.chunk(2)
        return whole + self.scale * (wanted - whole)


@dataclass(frozen=True)
class ClassifierGuided:
    """A denoise that also goes where classifiers see the class in what it says.

    ``D + scale sigma^2 ∇ log p(class | D(x))``, the gradient taken through the denoise. Classifiers
    that never saw noise are shown the denoised image, as Chung et al. do.

    Source: Dhariwal, Nichol, "Diffusion Models Beat GANs on Image Synthesis", NeurIPS 2021; Chung
    et al., "Diffusion Posterior Sampling for General Noisy Inverse Problems", ICLR 2023.

    Attributes:
        inner: what is guided.
        classifiers: images → logits; the mean of their log-probabilities counts.
        label: ``(n,)`` classes.
        scale: weight of the gradient.
    """

    inner: Denoise
    classifiers: tuple[Callable[[Tensor], Tensor], ...]
    label: Tensor
    scale: float

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the guided mean; a pass forward and one back."""
        with torch.inference_mode(False), torch.enable_grad():
            x = x.detach().clone().requires_grad_(True)
            found = self.inner(x, sigma)
            unsure = [
                F.cross_entropy(f(found.clamp(0, 1)), self.label, reduction="sum")
                for f in self.classifiers
            ]
            (gradient,) = torch.autograd.grad(sum(unsure, found.new_zeros(())), x)
        step = self.scale / len(self.classifiers) * sigma.square()
        return found.detach() - step * gradient


@dataclass(frozen=True)
class Proximal:
    """A denoise that stays near a start: its proximal step at every level.

    The minimum of ``|x - D|^2 / sigma^2 + weight |x - start|^2``: at much noise the start, at
    little what the denoiser says.

    Source: Zhu et al., "Denoising Diffusion Models for Plug-and-Play Image Restoration", CVPR
    Workshops 2023.

    Attributes:
        inner: what is kept near.
        start: ``(n, *x_shape)``.
        weight: above 0.
    """

    inner: Denoise
    start: Tensor
    weight: float

    def __post_init__(self) -> None:
        check_positive("weight", self.weight)

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the mean, drawn towards the start."""
        pull = self.weight * sigma.square()
        return (self.inner(x, sigma) + pull * self.start) / (1 + pull)


@dataclass(frozen=True)
class Constrained:
    """A denoise whose every answer is put onto what must hold.

    With a projection onto what is known this is inpainting by replacement; onto a group's fixed
    points, or a given sum, it is sampling among such images.

    Source: Lugmayr et al., "RePaint", CVPR 2022; Christopher, Baek, Fioretto, "Constrained
    Synthesis with Projected Diffusion Models", NeurIPS 2024.

    Attributes:
        inner: whose answers are projected.
        project: ``x -> x``, candidate by candidate.
    """

    inner: Denoise
    project: Callable[[Tensor], Tensor]

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the projected mean."""
        return self.project(self.inner(x, sigma))
