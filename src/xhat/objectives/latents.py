"""Energies of a latent: how unlikely a ``z`` is under a prior, ``-log p(z)`` up to a constant.

A decoder was trained on latents that real samples have. Far from them it makes whatever it likes,
and a search that follows a classifier there leaves the data. An energy keeps it near; it looks at
the search variable, so it joins an objective by ``InLatent``::

    CrossEntropy(f, target) + 0.1 * InLatent(GaussianEnergy())
"""

from typing import ClassVar, Protocol

import torch
from torch import Tensor

from xhat.core import check_tensor
from xhat.objectives.base import Measurement, Objective

__all__ = ["GaussianEnergy", "LatentPrior", "PriorEnergy"]


class LatentPrior(Protocol):
    """What gives a density over latents: a normalizing flow, a mixture, ``torch.distributions``."""

    def log_prob(self, z: Tensor, /) -> Tensor:
        """Return the logarithm of the density, ``(n, d) -> (n,)``, differentiable."""
        ...


class GaussianEnergy(Objective):
    """``|(z - mean) / scale|^2 / 2``: a Gaussian prior with independent dimensions.

    Without arguments it is the standard normal that a variational autoencoder is trained towards
    (Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014). ``fitted`` takes mean and
    scale from latents of real samples, for an autoencoder that was trained towards nothing.

    Args:
        mean: one number, or one for each dimension, ``(d,)``.
        scale: likewise, above 0.

    Raises:
        TypeError: not floating point.
        ValueError: not finite, not above 0, or of two lengths.

    Example:
        >>> from xhat.objectives import InLatent
        >>> GaussianEnergy()(torch.tensor([[3.0, 4.0]]))
        tensor([12.5000])
        >>> near = InLatent(GaussianEnergy(mean=torch.ones(2)))
        >>> near.measure(torch.zeros(1, 9), torch.ones(1, 2)).loss
        tensor([0.])
    """

    def __init__(self, mean: Tensor | float = 0.0, scale: Tensor | float = 1.0) -> None:
        self.mean, self.scale = _per_dimension("the mean", mean), _per_dimension("scale", scale)
        if not bool((self.scale > 0).all()):
            raise ValueError(f"scale must be above 0, but its least value is {self.scale.min():g}.")
        lengths = {len(each) for each in (self.mean, self.scale)} - {1}
        if len(lengths) > 1:
            raise ValueError(
                f"the mean and scale must have one length, but have {len(self.mean)} and "
                f"{len(self.scale)}."
            )
        self.dimensions = lengths.pop() if lengths else None

    @classmethod
    def fitted(cls, latents: Tensor) -> "GaussianEnergy":
        """Return the energy with mean and standard deviation of latents ``(m, d)``, ``m >= 2``.

        Raises:
            ValueError: of another shape, too few, or a dimension that does not vary.
        """
        check_tensor("the latents", latents)
        if latents.ndim != 2 or len(latents) < 2:
            raise ValueError(
                f"the latents must be (m, d) with two rows or more, but have shape "
                f"{tuple(latents.shape)}."
            )
        scale = latents.std(dim=0)
        if not bool((scale > 0).all()):
            still = (scale == 0).nonzero()[:, 0].tolist()
            raise ValueError(
                f"a Gaussian needs latents that vary, but dimensions {still} do not; leave them "
                f"out."
            )
        return cls(latents.mean(dim=0), scale)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002 - InLatent passes z twice
        """Return the energy."""
        flat = x.flatten(1)
        normal = (flat - self.mean.to(flat)) / self.scale.to(flat)
        return Measurement(normal.square().sum(dim=1) / 2)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check that the prior is of latents of this size."""
        if self.dimensions is not None:
            _check_size("the Gaussian prior", self.dimensions, x)
        super().check(x, z)


class PriorEnergy(Objective):
    """``-log p(z)`` in nats, of any density: a normalizing flow, a mixture, a distribution.

    Source: Papamakarios et al., "Normalizing Flows for Probabilistic Modeling and Inference",
    JMLR 2021; as a prior of a search: Asim et al., "Invertible generative models for inverse
    problems", ICML 2020.

    Args:
        prior: has ``log_prob``, ``(n, d) -> (n,)``, differentiable.

    Raises:
        TypeError: it has none.

    Example:
        >>> prior = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
        >>> energy = PriorEnergy(prior)
        >>> energy(torch.zeros(1, 2)), torch.tensor([2 * torch.pi]).log()
        (tensor([1.8379]), tensor([1.8379]))
    """

    models: ClassVar[tuple[str, ...]] = ("log_prob",)

    def __init__(self, prior: LatentPrior) -> None:
        if isinstance(prior, type) or not callable(getattr(prior, "log_prob", None)):
            raise TypeError(
                f"the prior must have log_prob, (n, d) -> (n,), but {type(prior).__name__} has "
                f"none; pass a flow or a torch.distributions.Distribution."
            )
        self.log_prob = prior.log_prob
        shape = getattr(prior, "event_shape", ())
        size = getattr(prior, "dimensions", shape[0] if len(shape) == 1 else None)
        self.dimensions = None if size is None else int(size)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002 - InLatent passes z twice
        """Return the energy."""
        return Measurement(-self.log_prob(x.flatten(1)))

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check that the prior is of latents of this size.

        A prior that says its size, by ``dimensions`` or an ``event_shape``, is asked for it.
        """
        if self.dimensions is not None:
            _check_size("the prior", self.dimensions, x)
        super().check(x, z)


def _per_dimension(name: str, value: Tensor | float) -> Tensor:
    if not isinstance(value, Tensor):
        value = torch.tensor(float(value))
    found = check_tensor(name, value.reshape(1) if value.ndim == 0 else value, ndim=1)
    return found.detach().clone()


def _check_size(name: str, size: int, z: Tensor) -> None:
    came = z[0].numel()
    if came != size:
        raise ValueError(
            f"{name} is of {size} latent values, but the search has {came}; take the prior that "
            f"was trained in this latent space."
        )
