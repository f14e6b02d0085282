"""Distance to the nearest real samples, in one representation, and the dimension there.

``Neighbours`` keeps real reference samples in a representation (pixels, or what a held-out network
makes of them) and measures the mean distance to the nearest few. It knows ``far`` besides: how far
a real sample typically is from the nearest samples of *another* class, or, without classes, from
any real sample at all. A sample that is farther than that from every class belongs to none.

How the distances to the neighbours grow tells the dimension of the data around a sample. Where
several sheets of the manifold meet, or noise has been added, it is higher.

Source: Levina, Bickel, "Maximum Likelihood Estimation of Intrinsic Dimension", NIPS 2004; Ma et
al., "Characterizing Adversarial Subspaces Using Local Intrinsic Dimensionality", ICLR 2018.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from xhat.core import check_finite, modules_of
from xhat.judges.axes import ManifoldAxis, Representation, pixels, represented
from xhat.judges.nearest import Points

__all__ = ["Neighbourhood", "Neighbours", "local_dimension"]

_COPY = 1e-4  # of the distance to the last neighbour: nearer than that is the same sample


@dataclass(frozen=True)
class Neighbourhood:
    """The nearest reference samples of ``n`` samples, nearest first.

    Attributes:
        distance: ``(n, k)``.
        index: ``(n, k)``, indices into the reference.
        copied: ``(n,)``, the index of the reference sample that a sample looks exactly like, -1 if
            none; it is not among its neighbours.
    """

    distance: Tensor
    index: Tensor
    copied: Tensor


class Neighbours(ManifoldAxis):
    """Real samples in one representation.

    Args:
        name: of the representation, for people.
        reference: real samples ``(m, *x_shape)``, at least ``k`` (or ``k_dimension``).
        see: ``(n, *x_shape) -> (n, d)``.
        labels: ``(m,)`` classes of the reference; None without any.
        k: how many neighbours are averaged.
        k_dimension: how many neighbours the local dimension is estimated from; None for no such
            score.
        seen: returns the representation of the reference, ``(m, d)``, where it was computed before;
            called when it is first needed.

    Raises:
        ValueError: too few reference samples, or values not finite.

    Example:
        >>> axis = Neighbours("place", torch.arange(50.0)[:, None], k=2)
        >>> axis.scores(torch.tensor([[10.5], [70.5]])).tolist()
        [[0.5], [22.0]]
    """

    def __init__(
        self,
        name: str,
        reference: Tensor,
        see: Representation = pixels,
        labels: Tensor | None = None,
        k: int = 3,
        k_dimension: int | None = None,
        *,
        seen: Callable[[], Tensor] | None = None,
    ) -> None:
        check_finite("the reference", reference)
        self.see, self.k, self.k_dimension = see, k, k_dimension
        most = max(k, k_dimension or 0)
        counts = [len(reference)] if labels is None else labels.unique(return_counts=True)[1]
        if len(reference) < most or min(int(count) for count in counts) < k:
            raise ValueError(
                f"the reference must have at least {most} samples, and {k} of every class, but "
                f"has {len(reference)}, of the classes {[int(count) for count in counts]}."
            )
        self.names = (name,) if k_dimension is None else (name, f"local dimension in {name}")
        self.two_sided = (False, True)[: len(self.names)]
        self.labels = labels
        self._known = seen or partial(represented, see, reference)
        if seen is None:
            _ = self._places  # as the network is now

    @cached_property
    def _places(self) -> tuple[Tensor, Points]:
        """The centre, and the reference from there."""
        seen = self._known()
        centre = seen.mean(dim=0)  # of distances far from 0, float32 loses the digits
        return centre, Points.of(seen - centre)

    @property
    def neighbours(self) -> "Neighbours":
        """The axis itself."""
        return self

    @property
    def reference(self) -> Tensor:
        """What is seen of the reference, ``(m, d)``, from its centre."""
        return self._places[1].places

    def scores(self, x: Tensor) -> Tensor:
        """Return the mean distance to the nearest, and the local dimension if asked for."""
        return self.scores_of(self.nearest(x, max(self.k, self.k_dimension or 0)))

    def scores_of(self, near: Neighbourhood) -> Tensor:
        """Return the scores of samples whose neighbours are known, ``(n, len(names))``."""
        columns = [near.distance[:, : self.k].mean(dim=1)]
        if self.k_dimension is not None:
            columns.append(local_dimension(near.distance[:, : self.k_dimension]))
        return torch.stack(columns, dim=1)

    def nearest(self, x: Tensor, k: int) -> Neighbourhood:
        """Return the ``k`` nearest reference samples of samples ``(n, *x_shape)``.

        A sample that looks exactly like one of the reference is not its own neighbour: of a copy it
        is asked how far it is from the others.
        """
        distance, index = self._places[1].nearest(self.seen(x), k + 1)
        most = distance.shape[1]
        same = distance[:, 0] <= _COPY * distance[:, -1]
        kept = torch.arange(min(k, most)).expand(len(x), -1) + same[:, None].long()
        kept = kept.clamp_max(most - 1)
        copied = index[:, 0].where(same, torch.tensor(-1))
        return Neighbourhood(distance.gather(1, kept), index.gather(1, kept), copied)

    def far(self, x: Tensor, labels: Tensor | None) -> float:
        """Return the typical distance of real samples ``x`` from samples of another class.

        That is the median distance to the nearest reference samples of another class, or, without
        labels, to reference samples taken at random.
        """
        queries = self.seen(x)
        if labels is None or self.labels is None or len(self.labels.unique()) < 2:
            anyone = self.reference[torch.arange(len(queries)) % len(self.reference)]
            return float((queries - anyone.roll(1, 0)).norm(dim=1).median())
        apart = [
            Points.of(self.reference[self.labels != label])
            .nearest(queries[labels == label], self.k)[0]
            .mean(dim=1)
            for label in labels.unique()
        ]
        return float(torch.cat(apart).median())

    def modules(self) -> tuple[nn.Module, ...]:
        """Return the network that looks, if one does."""
        return modules_of(self.see)

    def seen(self, x: Tensor) -> Tensor:
        """Return what is seen of samples, from the centre of the reference, ``(n, d)``."""
        return represented(self.see, x) - self._places[0]


def local_dimension(distance: Tensor) -> Tensor:
    """Return the maximum-likelihood dimension from distances to neighbours.

    Args:
        distance: ``(n, k)``, ascending, with ``k`` of 3 or more.

    Returns:
        ``(n,)``: ``-1 / mean log(r_i / r_k)``, over the ``k - 1`` nearer ones.

    Example:
        >>> round(float(local_dimension(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))), 2)
        1.27
    """
    least = 1e-6 * distance[:, -1:].clamp_min(1e-12)
    ratio = distance[:, :-1].clamp_min(least) / distance[:, -1:].clamp_min(1e-12)
    return -1 / ratio.log().mean(dim=1).clamp_max(-1e-6)
