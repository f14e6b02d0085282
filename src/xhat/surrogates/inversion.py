"""Inversion: which code a decoder makes an input from, found by search.

A decoder without an encoder (a GAN's generator, a part of somebody's model) can make inputs but not
say where a given one lies. That is once more an input optimisation, of the decoder this time::

    minimise  |decoder(z) - x|^2   over z in [-limit, limit]

It is not convex, so that several starts are tried and the best is kept. It also betters what an
encoder says, if it begins there: an encoder is trained for the mean over all inputs.

Source: Zhu, Krähenbühl, Shechtman, Efros, "Generative Visual Manipulation on the Natural Image
Manifold", ECCV 2016; Creswell, Bharath, "Inverting the Generator of a Generative Adversarial
Network", 2018.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from xhat.core import check_count, check_positive, check_range, check_tensor
from xhat.engine import Adam, Compute, Plateau, Problem, Restarts, Result, solve
from xhat.objectives import Measurement, Objective
from xhat.spaces import Box

__all__ = ["Inversion", "invert"]

Decoder = Callable[[Tensor], Tensor]


def invert(
    decoder: Decoder,
    x: Tensor,
    begin: Tensor | int,
    *,
    limit: float = 4.0,
    tries: int = 3,
    max_steps: int = 150,
    **options: Any,
) -> Result:
    """Return the codes from which ``decoder`` makes what is nearest to ``x``, all searched at once.

    Args:
        decoder: ``z -> x``, differentiable.
        x: ``(n, *x_shape)``, what is to be made.
        begin: ``(n, *z_shape)``, where the first try begins, such as what an encoder says; or how
            long a code is, to begin at 0.
        limit: half the width of the latent box.
        tries: how many starts; those after the first are drawn around it, within a quarter
            of the box.
        max_steps: the step budget of every try.
        **options: of ``xhat.engine.solve``, such as ``stepper`` (``Adam(0.1)`` if left out), or
            ``compute``, whose seed is that of the draws.

    Returns:
        A ``Result`` whose ``x`` are the codes, and whose ``loss`` is the squared distance between
        what they decode to and ``x``.

    Raises:
        TypeError: a decoder that is not callable, or inputs that are not floating point.
        ValueError: codes outside the box, not one for each input, or a decoder whose output has
            another shape than ``x``.

    Example:
        >>> import torch
        >>> found = invert(lambda z: torch.stack((z[:, 0], 2 * z[:, 1]), 1), torch.ones(1, 2), 2)
        >>> [round(value, 1) for value in found.x[0].tolist()]
        [1.0, 0.5]
    """
    x = check_tensor("the inputs", x)
    limit = check_positive("limit", limit)
    if isinstance(begin, Tensor):
        z = check_tensor("the codes to begin at", begin)
        if len(z) != len(x):
            raise ValueError(f"there must be one code for each of {len(x)} inputs, not {len(z)}.")
        check_range("the codes to begin at", z, -limit, limit)
    else:
        z = x.new_zeros(len(x), check_count("the length of a code", begin))
    options = {"stepper": Adam(0.1), "stop": Plateau(20, 1e-3)} | options
    further = Restarts(tries, 1 / 8) if check_count("tries", tries) > 1 else None
    problem = Problem(_Rebuilt(decoder, x), Box(-limit, limit))
    return solve(problem, z, max_steps=max_steps, restarts=further, **options).finished()


@dataclass(frozen=True)
class Inversion:
    """An encoder for a decoder that has none: it searches for codes, as ``invert`` does.

    It serves as the encoder of ``xhat.spaces.Latent``. Every call is a search, of some hundred
    passes through the decoder.

    Attributes:
        decoder: ``z -> x``, differentiable.
        size: how long a code is.
        limit: half the width of the latent box; not above that of the space.
        tries: how many starts.
        max_steps: the step budget of every try.
        seed: of the starts.

    Example:
        >>> import torch
        >>> from xhat.spaces import Latent
        >>> def decoder(z):
        ...     return torch.cat((z, -z), dim=1)
        >>> space = Latent(Inversion(decoder, size=1), decoder)
        >>> space.encode(torch.tensor([[1.5, -1.5]])).round(decimals=1)
        tensor([[1.5000]])
    """

    decoder: Decoder
    size: int
    limit: float = 4.0
    tries: int = 3
    max_steps: int = 150
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the parts."""
        if not callable(self.decoder):
            raise TypeError(f"decoder must be callable, not {type(self.decoder).__name__}.")
        check_count("size", self.size)
        check_positive("limit", self.limit)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the codes of ``x``, ``(n, size)``."""
        return invert(
            self.decoder,
            x,
            self.size,
            limit=self.limit,
            tries=self.tries,
            max_steps=self.max_steps,
            compute=Compute(seed=self.seed),
        ).x.to(x)


class _Rebuilt(Objective):
    """The squared distance between what is decoded and what is wanted, of codes ``x``."""

    per_candidate: ClassVar[tuple[str, ...]] = ("wanted",)
    models: ClassVar[tuple[str, ...]] = ("decoder",)

    def __init__(self, decoder: Decoder, wanted: Tensor) -> None:
        if not callable(decoder):
            raise TypeError(f"decoder must be callable, not {type(decoder).__name__}.")
        self.decoder, self.wanted = decoder, wanted

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Decode and compare."""
        made = self.decoder(x)
        if not isinstance(made, Tensor) or made.shape != (len(x), *self.wanted.shape[1:]):
            came = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise ValueError(
                f"the decoder must make inputs of shape {tuple(self.wanted.shape[1:])}, as are to "
                f"be inverted, but of {len(x)} codes it makes {came}."
            )
        return Measurement((made - self.wanted).flatten(1).square().sum(dim=1))
