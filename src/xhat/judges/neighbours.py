"""Distance to the nearest real samples, in one representation.

``Neighbours`` keeps real reference samples in a representation (pixels, or what a held-out network
makes of them) and measures the mean distance to the nearest ``k``. Besides the usual distance it
knows ``far``: how far a real sample typically is from the nearest samples of *another* class. What
is farther than that from everything belongs to no class.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xhat.core import check_finite, evaluation_mode
from xhat.judges.axes import ManifoldAxis

__all__ = ["Neighbours", "Penultimate", "pixels"]

Representation = Callable[[Tensor], Tensor]


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
                self.model(x)
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


@dataclass(frozen=True)
class Neighbours(ManifoldAxis):
    """Real samples in one representation; build it by ``fit``.

    Attributes:
        represent: ``(n, *x_shape) -> (n, d)``.
        reference: ``(m, d)``, the represented reference samples.
        k: how many neighbours are averaged.
    """

    represent: Representation
    reference: Tensor
    k: int

    @classmethod
    def fit(
        cls,
        name: str,
        represent: Representation,
        reference: tuple[Tensor, Tensor],
        calibration: tuple[Tensor, Tensor],
        k: int = 3,
    ) -> "Neighbours":
        """Represent reference samples and measure calibration samples against them.

        Args:
            name: of the representation.
            represent: ``(n, *x_shape) -> (n, d)``.
            reference: samples ``(m, *x_shape)`` and their classes ``(m,)``.
            calibration: likewise, disjoint from the reference.
            k: how many neighbours are averaged.

        Raises:
            ValueError: fewer than ``k`` reference samples of each of two classes, classes that
                only the calibration has, or values not finite.
        """
        (x, labels), (held_out, held_labels) = reference, calibration
        classes, counts = labels.unique(return_counts=True)
        if len(classes) < 2 or int(counts.min()) < k:
            raise ValueError(
                f"the reference must have at least {k} samples of each of at least 2 classes, but "
                f"has {counts.tolist()} of the classes {classes.tolist()}."
            )
        if not bool(torch.isin(held_labels, classes).all()):
            raise ValueError("the calibration samples have classes that the reference lacks.")
        check_finite("the reference", x)
        check_finite("the calibration samples", held_out)
        self = cls(name, torch.empty(0), None, represent, _in_parts(represent, x), k)
        queries = _in_parts(represent, held_out)
        near = self._nearest(queries).sort().values
        other = [
            self._nearest(queries[held_labels == label], labels != label)
            for label in held_labels.unique()
        ]
        far = float(torch.cat(other).median())
        return cls(name, near, far, represent, self.reference, k)

    def distance(self, x: Tensor) -> Tensor:
        """Return the mean distance to the nearest ``k`` reference samples, ``(n,)``."""
        return self._nearest(_in_parts(self.represent, x))

    def _nearest(self, queries: Tensor, which: Tensor | None = None) -> Tensor:
        reference = self.reference if which is None else self.reference[which]
        norms = reference.square().sum(dim=1)
        found = []
        for part in queries.split(512):  # 512 x 10,000 distances are 20 MB
            squared = torch.addmm(norms, part, reference.T, alpha=-2)
            squared += part.square().sum(dim=1, keepdim=True)
            nearest = squared.topk(self.k, dim=1, largest=False).values
            found.append(nearest.clamp_min(0).sqrt().mean(dim=1))
        return torch.cat(found)


def _in_parts(represent: Representation, x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([represent(part) for part in x.split(500)])
