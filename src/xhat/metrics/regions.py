"""Search regions: the declared set of inputs of which a density is a share."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import check_count, check_tensor, evaluation_mode, modules_of
from xhat.metrics.features import weights_hash

__all__ = ["Region"]


@dataclass(frozen=True, eq=False)
class Region:
    """A box, or what a decoder makes of one.

    A latent box is a region of inputs whose uniform draws are decoded draws from the box.

    Args:
        name: for people.
        low: the lower bound of every number of a sample, ``shape``.
        high: the upper bounds, likewise, each above its lower bound.
        decode: ``(n, *shape) -> (n, *x_shape)``; None where the box itself is searched.

    Raises:
        TypeError: bounds that are not floating point.
        ValueError: bounds that are not finite, differ in shape, or leave no room between them.

    Example:
        >>> unit = Region.box("pixels in [0, 1]", 0.0, 1.0, (1, 28, 28))
        >>> unit.dimensions, len(unit.sha256)
        (784, 64)
    """

    name: str
    low: Tensor
    high: Tensor
    decode: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        """Check the bounds."""
        low, high = check_tensor("low", self.low), check_tensor("high", self.high)
        if low.shape != high.shape:
            raise ValueError(
                f"low and high must have one shape, but have {tuple(low.shape)} and "
                f"{tuple(high.shape)}."
            )
        if not bool((low < high).all()):
            raise ValueError(
                "every lower bound must be below its upper bound; leave out what cannot vary."
            )
        object.__setattr__(self, "low", low.detach().cpu().clone())
        object.__setattr__(self, "high", high.detach().to(low).cpu().clone())

    @classmethod
    def box(
        cls,
        name: str,
        low: float,
        high: float,
        shape: tuple[int, ...],
        decode: Callable[[Tensor], Tensor] | None = None,
    ) -> "Region":
        """Return the region with the same bounds for every number of a sample of ``shape``."""
        return cls(name, torch.full(shape, float(low)), torch.full(shape, float(high)), decode)

    @property
    def dimensions(self) -> int:
        """How many numbers of a draw vary."""
        return self.low.numel()

    @property
    def sha256(self) -> str:
        """What makes two regions the same: shape, bounds and decoder.

        A decoder is identified by its weights, or, if it has none, by its own name and that of the
        region; so give different regions different names.
        """
        hashed = hashlib.sha256(repr(tuple(self.low.shape)).encode())
        for bound in (self.low, self.high):
            hashed.update(bound.double().contiguous().numpy().tobytes())
        if self.decode is not None:
            known = getattr(self.decode, "__qualname__", type(self.decode).__qualname__)
            weights = weights_hash(self.decode) or f"{self.name} {self.decode.__module__}"
            hashed.update(f"{known} {weights}".encode())
        return hashed.hexdigest()

    def at(self, unit: Tensor) -> Tensor:
        """Return the inputs ``(n, *x_shape)`` at places ``(n, d)`` of the unit cube."""
        shaped = unit.reshape(-1, *self.low.shape).to(self.low)
        z = torch.lerp(self.low, self.high, shaped)
        if self.decode is None:
            return z
        with torch.no_grad(), evaluation_mode(*modules_of(self.decode)):
            x = self.decode(z)
        if not isinstance(x, Tensor) or x.ndim == 0 or len(x) != len(z):
            came = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(
                f"the decoder of {self.name!r} must return one input for each of {len(z)} draws, "
                f"but returns {came}."
            )
        return x

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` uniform draws, ``(n, *x_shape)``.

        Example:
            >>> from xhat.core import generator
            >>> region = Region("wide", torch.tensor([0.0, 0.0]), torch.tensor([1.0, 100.0]))
            >>> region.sample(3, generator(0)).shape
            torch.Size([3, 2])
        """
        unit = torch.rand(
            check_count("n", n), self.dimensions, generator=generator, dtype=torch.float64
        )
        return self.at(unit)
