"""Manifold axes: how far a sample is from real data, each seen in its own way.

An axis gives scores; a larger score is more unusual (on a two-sided axis, a smaller one as well).
``xhat.judges.conformal`` learns from real samples which scores are typical. A representation says
what is looked at: the sample itself, or what a held-out network makes of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from xhat.core import check_finite, evaluation_mode, modules_of
from xhat.judges.passes import ROWS, answered, once

if TYPE_CHECKING:
    from xhat.judges.neighbours import Neighbours

__all__ = [
    "Likelihood",
    "ManifoldAxis",
    "Penultimate",
    "Reconstruction",
    "Representation",
    "pixels",
    "represented",
]

Representation = Callable[[Tensor], Tensor]
_MOST_FEATURES = 4096  # beyond it, the covariance takes over 100 MB and minutes


def pixels(x: Tensor) -> Tensor:
    """Return ``x`` itself, ``(n, d)``."""
    return x.flatten(1)


@dataclass(frozen=True)
class Penultimate:
    """What the last linear layer of ``model`` sees, as a function of ``x``, ``(n, d)``.

    Raises:
        ValueError: the model has no linear layer.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
        >>> Penultimate(net)(torch.zeros(4, 3)).shape
        torch.Size([4, 5])
    """

    model: nn.Module

    def __post_init__(self) -> None:
        """Look for the layer."""
        _ = self._layer

    def __call__(self, x: Tensor) -> Tensor:
        """Return the features of ``x``."""
        seen: list[Tensor] = []
        hook = self._layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            with torch.no_grad(), evaluation_mode(self.model):
                answered(self.model, x, self.model(x))
        finally:
            hook.remove()
        return seen[-1].flatten(1)

    @property
    def _layer(self) -> nn.Linear:
        layers = [module for module in self.model.modules() if isinstance(module, nn.Linear)]
        if not layers:
            name = type(self.model).__name__
            raise ValueError(f"{name} has no linear layer whose input could be used.")
        return layers[-1]


def represented(see: Representation, x: Tensor) -> Tensor:
    """Return the representation ``see(x)``, computed in batches and without gradients."""
    with torch.no_grad(), evaluation_mode(*modules_of(see)):
        return torch.cat([once(see, part) for part in x.split(ROWS)])


class ManifoldAxis(ABC):
    """One way of looking at samples, which gives one or more scores.

    Attributes:
        names: of the scores, for people.
        two_sided: of each score, whether an unusually small value is unusual too.
    """

    names: tuple[str, ...]
    two_sided: tuple[bool, ...]

    @abstractmethod
    def scores(self, x: Tensor) -> Tensor:
        """Return the scores, ``(n, len(names))``, of samples ``(n, *x_shape)``."""

    @property
    def neighbours(self) -> "Neighbours | None":
        """The axis itself, if it knows the nearest real samples."""
        return None

    def learnt(self) -> dict[str, Tensor]:
        """Return what took long to learn and a file should keep, by name."""
        return {}

    def modules(self) -> tuple[nn.Module, ...]:
        """Return the networks of this axis; none of them may have been used by the search."""
        return ()


class Likelihood(ManifoldAxis):
    """Gaussian likelihood: the Mahalanobis distance ``|(C + s^2 I)^(-1/2) (u - m)|``.

    With mean ``m`` and covariance ``C`` of what is seen of the reference. It weighs every direction
    by how little real samples vary along it, so it notices what nearest neighbours do not: faint
    structure where real samples have none, such as the noise of an adversarial example. ``s`` is
    the noise that counts for nothing, 1 % of the range of the data. With ``typicality`` it is
    unusual on both sides: a real sample of many features is never near the mean.

    Source: Nalisnick, Matsukawa, Teh, Lakshminarayanan, "Detecting Out-of-Distribution Inputs to
    Deep Generative Models Using Typicality", 2019.

    Args:
        name: for people.
        reference: real samples ``(m, *x_shape)``.
        see: the representation, ``(n, *x_shape) -> (n, d)``.
        typicality: whether unusually likely samples count as unusual, too.
        seen: returns the representation of the reference, ``(m, d)``, where it was computed before;
            called when it is first needed.

    Raises:
        ValueError: too many features for a covariance, or values not finite.

    Example:
        >>> from xhat.core import generator
        >>> axis = Likelihood("likelihood", torch.randn(500, 3, generator=generator(0)))
        >>> axis.scores(torch.tensor([[0.0, 0, 0], [9.0, 9, 9]])).round().tolist()
        [[0.0], [15.0]]
    """

    def __init__(
        self,
        name: str,
        reference: Tensor,
        see: Representation = pixels,
        *,
        typicality: bool = False,
        seen: Callable[[], Tensor] | None = None,
    ) -> None:
        check_finite("the reference", reference)
        self.names, self.two_sided, self.see = (name,), (typicality,), see
        self._known = seen or partial(represented, see, reference)
        if seen is None:
            _ = self._gaussian  # too many features are told at once

    @cached_property
    def _gaussian(self) -> tuple[Tensor, Tensor]:
        """The mean, and what makes of differences from it independent ones of variance 1."""
        flat = self._known()
        if flat.shape[1] > _MOST_FEATURES:
            raise ValueError(
                f"the likelihood axis holds at most {_MOST_FEATURES} features, but samples have "
                f"{flat.shape[1]}; give it a smaller representation."
            )
        low, high = torch.aminmax(flat)
        mean = flat.mean(dim=0)
        values, vectors = torch.linalg.eigh(torch.cov((flat - mean).T).reshape(flat.shape[1], -1))
        noise = (0.01 * (high - low)).square().clamp_min(1e-12)  # for a constant reference
        return mean, vectors / (values.clamp_min(0) + noise).sqrt()

    def scores(self, x: Tensor) -> Tensor:
        """Return the Mahalanobis distance, ``(n, 1)``; about ``sqrt(d)`` for real samples."""
        return represented(self.distance, x)[:, None]

    def distance(self, x: Tensor) -> Tensor:
        """Return the Mahalanobis distance, ``(n,)``, differentiably."""
        mean, whitening = self._gaussian
        return torch.linalg.vector_norm((self.see(x) - mean) @ whitening, dim=1)

    def modules(self) -> tuple[nn.Module, ...]:
        """Return the network that looks, if one does."""
        return modules_of(self.see)


class Reconstruction(ManifoldAxis):
    """The reconstruction error of a model of the data: ``|x - rebuild(x)|``.

    Source: the idea: Japkowicz, Myers, Gluck, "A Novelty Detection Approach to Classification",
    IJCAI 1995.

    Args:
        name: for people.
        rebuild: ``(n, *x_shape) -> (n, *x_shape)``, such as an autoencoder.

    Example:
        >>> axis = Reconstruction("rounding", torch.round)
        >>> axis.scores(torch.tensor([[1.0], [1.25]])).tolist()
        [[0.0], [0.25]]
    """

    def __init__(self, name: str, rebuild: Callable[[Tensor], Tensor]) -> None:
        self.names, self.two_sided, self.rebuild = (name,), (False,), rebuild

    def scores(self, x: Tensor) -> Tensor:
        """Return the distance between samples and what is rebuilt, ``(n, 1)``."""
        return represented(self.distance, x)[:, None]

    def distance(self, x: Tensor) -> Tensor:
        """Return the distance between samples and what is rebuilt, ``(n,)``, differentiably."""
        return torch.linalg.vector_norm((x - self.rebuild(x)).flatten(1), dim=1)

    def modules(self) -> tuple[nn.Module, ...]:
        """Return the network that rebuilds, if one does."""
        return modules_of(self.rebuild)
