"""The noun: a prior, which knows where samples of a domain lie, seen from a start.

A prior is asked what a sample was before noise was added to it, given what is wanted and given a
start from which it should not be far::

    D(u; σ, wanted, start) = E[u_real | u_real + σ n = u, wanted, near the start]

Both may be hidden. With both hidden it is the denoiser of all samples, and
``(D(u; σ) - u) / σ²`` is the gradient of their log-density, blurred by ``σ`` (Tweedie's formula).
It computes in *coordinates* in which samples have a mean of 0 and a variance of 1.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from xhat.priors.coordinates import Coordinates

__all__ = ["Prior", "Wanted"]

Wanted = Tensor | None
"""``(n,)`` classes or ``(n, quantities)`` values; None where it is hidden."""


class Prior(nn.Module, ABC):
    """What was a sample before noise, given what is wanted and a start.

    Attributes:
        coordinates: in which it computes.
        classes: how many there are; 0 for none.
        quantities: how many numbers a value has; 0 for none.
        apart: how far samples lie from the nearest of another class, or of the farthest tenth of
            the values, in coordinates.
    """

    name: str
    coordinates: Coordinates
    classes: int
    quantities: int
    apart: Tensor

    @abstractmethod
    def denoised(self, u: Tensor, sigma: float, wanted: Wanted, start: Tensor | None) -> Tensor:
        """Return what samples were without noise.

        Args:
            u: ``(n, *u_shape)``, in coordinates, with noise.
            sigma: its standard deviation, above 0.
            wanted: classes or values; None where that is hidden.
            start: ``(n, *u_shape)``, in coordinates; None where it is hidden.
        """
