"""Priors: how unusual a candidate is, and a hinge from which on that adds to the loss."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.core import Model, check_count, check_rows, check_tensor
from xhat.objectives.base import Measurement, Objective, as_objective

__all__ = ["Hinge", "NearReal", "TypicalityPenalty"]


class Hinge(Objective):
    """An objective that costs nothing below a bound: ``max(0, loss - bound)``.

    A hinge. With it a search asks a model to be *as confident as it is of real samples*, or a
    candidate to be *as typical as real samples are*, and not more. ``reached`` and ``confidence``
    are those of the wrapped objective.

    Args:
        objective: what is bounded.
        bound: the loss below which nothing is added: one number, or ``(n,)``, one for each
            candidate.

    Raises:
        ValueError: the bound is not finite, or of another shape.

    Example:
        >>> ink = Hinge(lambda x: x.sum(dim=1), 2.0)
        >>> ink(torch.tensor([[1.0, 0.5], [1.0, 4.0]]))
        tensor([0., 3.])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("bound",)

    def __init__(
        self, objective: Objective | Callable[[Tensor], Tensor], bound: Tensor | float
    ) -> None:
        self.objective = as_objective(objective)
        bound = torch.as_tensor(bound, dtype=torch.get_default_dtype())
        self.bound = check_tensor("the bound", bound.reshape(1) if bound.ndim == 0 else bound)
        if self.bound.ndim != 1:
            raise ValueError(
                f"the bound must be one number or one for each candidate, (n,), but has shape "
                f"{tuple(self.bound.shape)}."
            )

    def measure(self, x: Tensor, z: Tensor) -> Measurement:
        """Return what exceeds the bound."""
        found = self.objective.measure(x, z)
        return Measurement((found.loss - self.bound).relu(), found.reached, found.confidence)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the wrapped objective."""
        self.objective.check(x, z)


class TypicalityPenalty(Objective):
    """Nearness to the middle of a latent space: ``-|encoder(x)|``.

    A typicality penalty. With a standard normal prior in ``d`` dimensions, real samples lie near a
    shell of radius ``√d``, not in the middle, where the density is highest and images are averages.
    Inside ``Hinge``, with the bound of real samples, it keeps a search out of the middle.

    Source: Nalisnick, Matsukawa, Teh, Lakshminarayanan, "Detecting Out-of-Distribution Inputs to
    Deep Generative Models Using Typicality", 2019.

    Args:
        encoder: ``(n, *x_shape) -> (n, d)``, differentiable, such as a VAE's ``encode``.

    Raises:
        TypeError: the encoder is not callable.

    Example:
        >>> TypicalityPenalty(lambda x: x)(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([-5., -1.])
    """

    models: ClassVar[tuple[str, ...]] = ("encoder",)

    def __init__(self, encoder: Callable[[Tensor], Tensor]) -> None:
        if not callable(encoder):
            raise TypeError(f"the encoder must be callable, not {type(encoder).__name__}.")
        self.encoder = Model.of(encoder)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the negated distance from the middle."""
        seen = self.encoder(x)
        check_rows("the latents", seen, len(x))
        square = seen.flatten(1).square().sum(dim=1)
        return Measurement(-square.clamp(min=1e-12).sqrt())


class NearReal(Objective):
    """The mean distance to the ``k`` nearest real samples in a feature space.

    A density estimate by nearest neighbours, as a prior: small among real samples, growing away
    from them (Loftsgaarden, Quesenberry, "A Nonparametric Estimate of a Multivariate Density
    Function", 1965). With classes, only real samples of a candidate's target count.

    Args:
        features: ``(n, *x_shape) -> (n, d)``, differentiable.
        real: ``(m, d)``, the features of real samples; with a target ``(classes, m, d)``, those of
            each class.
        target: ``(n,)`` classes, one for each candidate, or ``(1,)`` for all; None without classes.
        k: how many neighbours.

    Raises:
        ValueError: shapes that do not fit together, or fewer than ``k`` real samples.

    Example:
        >>> near = NearReal(lambda x: x, torch.tensor([[0.0, 0.0], [4.0, 0.0]]), k=1)
        >>> near(torch.tensor([[3.0, 0.0]]))
        tensor([1.])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("target",)
    models: ClassVar[tuple[str, ...]] = ("features",)

    def __init__(
        self,
        features: Callable[[Tensor], Tensor],
        real: Tensor,
        target: Any = None,
        k: int = 5,
    ) -> None:
        if not callable(features):
            raise TypeError(f"features must be callable, not {type(features).__name__}.")
        real = check_tensor("the features of real samples", real)
        self.k = check_count("k", k)
        if real.ndim != (2 if target is None else 3):
            wanted = "(m, d)" if target is None else "(classes, m, d)"
            raise ValueError(
                f"the features of real samples must be {wanted}, but have shape "
                f"{tuple(real.shape)}."
            )
        if real.shape[-2] < k:
            raise ValueError(f"there are {real.shape[-2]} real samples, but k is {k}.")
        whole = target is None
        self.target = torch.zeros(1, dtype=torch.long) if whole else _classes(target, len(real))
        self.features = Model.of(features)
        self.real = real[None] if whole else real

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the mean distance."""
        seen = self.features(x)
        check_rows("features", seen, len(x))
        if seen.ndim != 2 or seen.shape[1] != self.real.shape[-1]:
            raise ValueError(
                f"NearReal knows real samples by {self.real.shape[-1]} features, but of the "
                f"candidate come {tuple(seen.shape[1:])}; take both by one function."
            )
        real = self.real.to(seen)[self.target.to(seen.device)]
        square = (
            seen.square().sum(1)[:, None]
            + real.square().sum(2)
            - 2 * torch.einsum("nd,nmd->nm", seen, real.expand(len(seen), -1, -1))
        )
        nearest = square.topk(self.k, dim=1, largest=False).values
        return Measurement(nearest.clamp(min=1e-12).sqrt().mean(dim=1))


def _classes(target: Any, classes: int) -> Tensor:
    target = check_tensor("the target", target, floating=False).reshape(-1)
    if target.is_floating_point() or target.min() < 0 or target.max() >= classes:
        raise ValueError(
            f"the target must be classes from 0 to {classes - 1}, but holds values from "
            f"{target.min()} to {target.max()} of type {str(target.dtype)[6:]}."
        )
    return target.long()
