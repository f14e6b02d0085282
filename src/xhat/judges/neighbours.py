"""Distance to real data, in one representation.

A sample is as natural as real samples are near it. ``Neighbours`` keeps real reference samples in
a representation (pixels, or what a held-out network makes of them) and measures the mean distance
to the nearest ``k``. Two yardsticks come from calibration samples, which are real too:

- their own distances, against which a candidate gets a conformal p-value: the share of real
  samples that lie at least as far out (Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random
  World", 2005);
- ``far``, how far a real sample typically is from the nearest samples of *another* class. What is
  farther than that from everything belongs to no class.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xhat.core import check_finite

__all__ = ["Neighbours", "penultimate", "pixels"]

Representation = Callable[[Tensor], Tensor]


def pixels(x: Tensor) -> Tensor:
    """Return ``x`` itself, ``(n, d)``."""
    return x.flatten(1)


def penultimate(model: nn.Module) -> Representation:
    """Return a function that gives what the last linear layer of ``model`` sees, ``(n, d)``.

    Raises:
        ValueError: the model has no linear layer.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
        >>> penultimate(net)(torch.zeros(4, 3)).shape
        torch.Size([4, 5])
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no linear layer whose input could be used.")

    def represent(x: Tensor) -> Tensor:
        seen: list[Tensor] = []
        hook = layers[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            with torch.no_grad():
                model(x)
        finally:
            hook.remove()
        return seen[0].flatten(1)

    return represent


@dataclass(frozen=True)
class Neighbours:
    """Real samples in one representation; build it by ``fit``.

    Attributes:
        name: of the representation, for people.
        represent: ``(n, *x_shape) -> (n, d)``.
        reference: ``(m, d)``, the represented reference samples.
        typical: ``(c,)``, the calibration samples' distances, ascending.
        far: the typical distance to another class.
        k: how many neighbours are averaged.
    """

    name: str
    represent: Representation
    reference: Tensor
    typical: Tensor
    far: float
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
            ValueError: fewer than ``k`` reference samples, one class only, or values not finite.
        """
        (x, labels), (held_out, held_labels) = reference, calibration
        if len(x) < k or len(labels.unique()) < 2:
            raise ValueError(
                f"the reference must have at least {k} samples of at least 2 classes, but has "
                f"{len(x)} of {len(labels.unique())}."
            )
        check_finite("the reference", x)
        check_finite("the calibration samples", held_out)
        self = cls(name, represent, _in_parts(represent, x), torch.empty(0), 0.0, k)
        queries = _in_parts(represent, held_out)
        near, other = self._nearest(queries), []
        for label in labels.unique():
            mine = held_labels == label
            if bool(mine.any()):
                other.append(self._nearest(queries[mine], labels != label))
        far = float(torch.cat(other).median())
        return cls(name, represent, self.reference, near.sort().values, far, k)

    def distance(self, x: Tensor) -> Tensor:
        """Return the mean distance to the nearest ``k`` reference samples, ``(n,)``."""
        return self._nearest(_in_parts(self.represent, x))

    def p_value(self, distance: Tensor) -> Tensor:
        """Return the conformal p-value of distances, ``(n,)``: small is unusually far."""
        below = torch.searchsorted(self.typical, distance.contiguous())
        return (1 + len(self.typical) - below) / (1 + len(self.typical))

    def limit(self, p: float) -> float:
        """Return the distance that a share ``p`` of real samples exceeds."""
        return float(self.typical.quantile(1 - p))

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
