"""A prior given by a denoiser: the distance of an image from its denoised version.

For a search by MAP, ``-log p(x)`` is wanted only for its gradient, and that is what a denoiser
gives at every amount of noise, by Tweedie's formula (Robbins, 1956; Efron, 2011)::

    -∇ log p_σ(x) = (x - D(x; σ)) / σ²

Searched from large σ to small, it first says what the whole should be, and then what its edges
should be (Song, Ermon, "Generative Modeling by Estimating Gradients of the Data Distribution",
NeurIPS 2019).
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.core import check_positive, check_tensor
from xhat.objectives.base import Measurement, Objective

__all__ = ["ScorePrior"]


class ScorePrior(Objective):
    """``|x - D(x + σ n; σ)|² / 2 σ²``, with the denoised image taken as fixed.

    Its gradient is ``(x - D) / σ²``, the negated score of images with noise of ``σ``: one pass
    forward through the denoiser and none back. Noise is added because the denoiser was trained on
    noisy images. It is an argument, so that a search can be repeated, and cancels on average.
    Without noise it is regularisation by denoising, whose images become smoother than real ones.

    Source: Romano, Elad, Milanfar, "The Little Engine that Could: Regularization by Denoising
    (RED)", SIAM Journal on Imaging Sciences 2017; with noise: Mardani, Song, Kautz, Vahdat, "A
    Variational Perspective on Solving Inverse Problems with Diffusion Models", ICLR 2024.

    Args:
        denoiser: ``(x, sigma, label) -> x0``: images with noise, ``(1,)``, ``(n,)`` or ``(1,)``
            classes or None, to images without; such as ``xhat.learning.Denoiser``.
        sigma: of the noise, in the units of ``x``.
        label: ``(n,)`` classes, or ``(1,)`` for all, of the prior; None for the prior over all
            classes.
        noise: standard normal, ``(n, *x_shape)`` or ``(1, *x_shape)``; None for none.

    Raises:
        TypeError: the denoiser is not callable.
        ValueError: sigma is not above 0, labels are no classes, or, when it is asked, the denoiser
            returns another shape.

    Example:
        >>> shrink = lambda x, sigma, label: x / (1 + sigma**2)  # of standard normal images
        >>> ScorePrior(shrink, 1.0)(torch.tensor([[2.0, 0.0]]))
        tensor([0.5000])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("label", "noise")
    models: ClassVar[tuple[str, ...]] = ("denoiser",)

    def __init__(
        self,
        denoiser: Callable[[Tensor, Tensor, Any], Tensor],
        sigma: float,
        label: Any = None,
        noise: Tensor | None = None,
    ) -> None:
        if not callable(denoiser):
            raise TypeError(f"the denoiser must be callable, not {type(denoiser).__name__}.")
        self.denoiser = denoiser
        self.sigma = check_positive("sigma", sigma)
        self.labelled, self.noisy = label is not None, noise is not None
        self.label = _classes(0 if label is None else label)
        self.noise = torch.zeros(1, 1) if noise is None else check_tensor("the noise", noise)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return half the squared distance to the denoised image, in units of the noise."""
        with torch.no_grad():
            noisy = x.detach() + self.sigma * self.noise.to(x) if self.noisy else x.detach()
            label = self.label.to(x.device) if self.labelled else None
            found = self.denoiser(noisy, x.new_full((1,), self.sigma), label)
        if found.shape != x.shape:
            raise ValueError(
                f"the denoiser must return images of the shape that it is given, "
                f"{tuple(x.shape[1:])}, but returned {tuple(found.shape[1:])}; it was made for "
                f"other inputs."
            )
        away = (x - found).flatten(1).square().sum(dim=1)
        return Measurement(away / (2 * self.sigma**2))

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check that noise and denoiser fit one input."""
        if self.noisy and self.noise.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"the noise has shape {tuple(self.noise.shape[1:])}, but the candidates "
                f"{tuple(x.shape[1:])}; draw it like the starts."
            )
        super().check(x, z)


def _classes(label: Any) -> Tensor:
    label = check_tensor("the label", label, floating=False).reshape(-1)
    if label.is_floating_point() or label.min() < 0:
        raise ValueError(
            f"the label must be classes from 0, but holds values from {label.min()} of type "
            f"{str(label.dtype)[6:]}."
        )
    return label.long()
