"""Geodesics: the shortest ways through what a decoder can make.

A decoder bends its latent space: a straight line in it may be a long way round in pixels. The
shortest way between two codes is itself an input optimisation, in which *one candidate is a whole
curve*, its inner points are what moves, and its ends are held::

    minimise  (F - 1) * sum_i |decode(z_{i+1}) - decode(z_i)|^2   over  z_1 ... z_{F-2}

That is the energy of the decoded curve. By Cauchy and Schwarz it is at least the squared length,
and equal to it where all steps are alike, so that its minimum is short *and* even, which the length
alone would not be. ``Curves`` is the space, ``CurveEnergy`` the objective, and ``AlongCurve`` lays
any objective of single points along a curve, such as a prior that keeps it among real codes: a
decoder without a variance of its own gives no reason to go around where it never learnt anything.

Source: Shao, Kumar, Fletcher, "The Riemannian Geometry of Deep Generative Models", CVPR Workshops
2018; why a prior is needed: Arvanitidis, Hansen, Hauberg, "Latent Space Oddity: On the Curvature of
Deep Generative Models", ICLR 2018.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.core import check_count, check_tensor
from xhat.engine import Adam, Problem, Result, solve
from xhat.objectives import InLatent, Measurement, Objective
from xhat.spaces import Space

__all__ = ["AlongCurve", "CurveEnergy", "Curves", "geodesic"]


class Curves(Space):
    """Curves through another space, with both ends held.

    ``z`` holds the inner points, ``(n, frames - 2, *z_shape)``; ``x`` is the whole decoded curve,
    ``(n, frames, *x_shape)``. A search begins on the straight line between the ends.

    Args:
        space: in which the points lie, such as ``Latent``.
        first: ``(n, *z_shape)``, where the curves begin.
        last: likewise, where they end.

    Raises:
        TypeError: no space, or ends that are not floating point.
        ValueError: ends of different shapes, or not finite.

    Example:
        >>> from xhat.spaces import Box
        >>> curves = Curves(Box(0, 1), torch.zeros(1, 2), torch.ones(1, 2))
        >>> z = curves.begin(torch.zeros(1, 5, 2))
        >>> z.shape, curves.decode(z)[0, :, 0]
        (torch.Size([1, 3, 2]), tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000]))
    """

    exact: ClassVar[bool] = False
    per_candidate: ClassVar[tuple[str, ...]] = ("first", "last")

    def __init__(self, space: Space, first: Tensor, last: Tensor) -> None:
        if not isinstance(space, Space):
            raise TypeError(f"Curves go through a Space, not {type(space).__name__}.")
        first, last = check_tensor("the first end", first), check_tensor("the last end", last)
        if first.shape != last.shape or first.ndim < 2:
            raise ValueError(
                f"both ends must have one shape, (n, *z_shape), but have {tuple(first.shape)} and "
                f"{tuple(last.shape)}."
            )
        self.space, self.first, self.last = space, first, last

    def decode(self, z: Tensor) -> Tensor:
        """Return the whole curves, their ends decoded as well."""
        n = len(z)
        first, last = (end.expand(n, *end.shape[1:])[:, None] for end in (self.first, self.last))
        points = torch.cat((first, z, last), dim=1)
        x = self.space.decode(points.flatten(0, 1))
        return x.reshape(n, -1, *x.shape[1:])

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes of the inner frames."""
        z = self.space.encode(x[:, 1:-1].flatten(0, 1))
        return z.reshape(len(x), -1, *z.shape[1:])

    def begin(self, x: Tensor) -> Tensor:
        """Return the inner points of straight lines with as many frames as ``x`` has."""
        n, frames = x.shape[:2]
        share = torch.linspace(0, 1, frames, dtype=x.dtype, device=x.device)[1:-1]
        share = share.reshape(1, -1, *(1 for _ in self.first.shape[1:]))
        z = torch.lerp(self.first[:, None].to(x), self.last[:, None].to(x), share)
        return self.project(z.expand(n, *z.shape[1:]).contiguous())

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts are curves with inner frames."""
        if x.ndim < 3 or x.shape[1] < 3:
            raise ValueError(
                f"the start must be curves of 3 frames or more, (n, frames, *x_shape), but has "
                f"shape {tuple(x.shape)}."
            )

    def project(self, z: Tensor) -> Tensor:
        """Project every point by the wrapped space."""
        return self.space.project(z.flatten(0, 1)).reshape(z.shape)


class CurveEnergy(Objective):
    """The energy of curves ``(n, frames, *x_shape)``: ``(F - 1) * sum |x_{i+1} - x_i|^2``.

    The squared length of a curve in even steps, more for the same curve in uneven ones.

    Example:
        >>> even = torch.tensor([[[0.0], [1.0], [2.0]]])
        >>> CurveEnergy()(even), CurveEnergy()(torch.tensor([[[0.0], [0.0], [2.0]]]))
        (tensor([4.]), tensor([8.]))
    """

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the energy."""
        steps = x.diff(dim=1).flatten(1).square().sum(dim=1)
        return Measurement((x.shape[1] - 1) * steps)


class AlongCurve(Objective):
    """The mean of an objective of single points over all points of a curve.

    Args:
        objective: of points; it holds nothing per candidate, since a curve has many.

    Raises:
        TypeError: no objective.
        ValueError: an objective with one row per candidate.

    Example:
        >>> from xhat.objectives import Custom
        >>> ink = AlongCurve(Custom(lambda x: x.sum(dim=1)))
        >>> ink(torch.tensor([[[0.0], [1.0], [5.0]]]))
        tensor([2.])
    """

    def __init__(self, objective: Objective) -> None:
        if not isinstance(objective, Objective):
            raise TypeError(f"objective must be an Objective, not {type(objective).__name__}.")
        if objective.rows != 1:
            raise ValueError(
                f"the objective must be one for all points of a curve, but holds "
                f"{objective.rows} rows."
            )
        self.objective = objective

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the mean over the points of ``x``."""
        points = x.flatten(0, 1)
        return Measurement(self.objective(points).reshape(len(x), -1).mean(dim=1))


def geodesic(
    space: Space,
    first: Tensor,
    last: Tensor,
    *,
    frames: int = 11,
    prior: Objective | None = None,
    max_steps: int = 100,
    **options: Any,
) -> Result:
    """Return the shortest curves between codes, all searched at once.

    Args:
        space: in which the points lie, such as ``Latent``.
        first: ``(n, *z_shape)``, where the curves begin.
        last: likewise, where they end.
        frames: of a curve, the ends included; 3 or more.
        prior: an objective of single codes, weighted; its mean over the inner points is added.
        max_steps: the step budget.
        **options: of ``xhat.engine.solve``, such as ``stepper`` (``Adam(0.05)`` if left out).

    Returns:
        A ``Result`` whose ``x`` are the curves, ``(n, frames, *x_shape)``, and whose ``z`` are
        their inner codes, ``(n, frames - 2, *z_shape)``.

    Raises:
        TypeError, ValueError: as ``Curves`` and ``solve``; fewer than three frames.

    Example:
        >>> from xhat.spaces import Latent
        >>> valley = Latent(None, lambda z: torch.stack((z[:, 0], 1 - z[:, 0] ** 2 + z[:, 1]), 1))
        >>> ends = torch.tensor([[-1.0, 0.0]]), torch.tensor([[1.0, 0.0]])
        >>> found = geodesic(valley, *ends, frames=5, max_steps=300)
        >>> bool(found.x[0, :, 1].abs().max() < 0.01)  # straight where it is seen, bent in z
        True
    """
    if check_count("frames", frames) < 3:
        raise ValueError(f"frames must be 3 or more, or nothing can move, but is {frames}.")
    curves = Curves(space, first, last)
    objective: Objective = CurveEnergy()
    if prior is not None:
        objective = objective + InLatent(AlongCurve(prior))
    with torch.no_grad():
        begun = curves.decode(curves.begin(curves.first.new_zeros(len(first), frames, 1)))
    options = {"stepper": Adam(0.05)} | options
    return solve(Problem(objective, curves), begun, max_steps=max_steps, **options).finished()
