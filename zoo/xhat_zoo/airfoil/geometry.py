"""The shape of an airfoil: Kulfan's parameters, and what follows from them.

An airfoil of chord 1 is 18 numbers: 8 weights of the upper surface from the leading to the trailing
edge, 8 of the lower one, the weight of a leading-edge mode, and the thickness of the trailing edge.
With the class function C(x) = √x (1 - x) and the Bernstein polynomials B,

    y_upper = C Σ w_i B_i(x) + w_le x (1 - x)^8.5 + t_te x / 2
    y_lower = C Σ w_i B_i(x) + w_le x (1 - x)^8.5 - t_te x / 2

so all of this is linear in the parameters but for the leading-edge radius. Everything here is
batched, ``(n, 18)`` in, and differentiable.

Sources: Kulfan, "Universal Parametric Geometry Representation Method", Journal of Aircraft 45,
2008; the leading-edge mode: Kulfan, "Modification of CST Airfoil Representation Methodology", 2020.
"""

import functools
import math

import torch
from torch import Tensor

from xhat.core import check_count, check_tensor

__all__ = [
    "PARAMETERS",
    "SIDE",
    "area",
    "camber",
    "check_parameters",
    "coordinates",
    "crossing",
    "leading_edge_radius",
    "least_gap",
    "max_thickness",
    "surfaces",
    "thickness",
    "wiggle",
]

SIDE = 8  # weights of one surface
PARAMETERS = 2 * SIDE + 2
_POINTS = 101  # stations along the chord at which a shape is looked at
_DIGITS = 1e-9


def check_parameters(name: str, parameters: Tensor) -> Tensor:
    """Return ``(n, 18)`` parameters, or raise if there are more, fewer, or one is not finite.

    Raises:
        TypeError: not floating point.
        ValueError: another shape, or NaN.

    Example:
        >>> check_parameters("the airfoil", torch.zeros(1, 12))
        Traceback (most recent call last):
        ValueError: the airfoil must have shape (n, 18): 8 upper and 8 lower weights, the \
leading-edge weight and the trailing-edge thickness; but has shape (1, 12).
    """
    parameters = check_tensor(name, parameters)
    if parameters.ndim != 2 or parameters.shape[1] != PARAMETERS:
        raise ValueError(
            f"{name} must have shape (n, {PARAMETERS}): {SIDE} upper and {SIDE} lower weights, the "
            f"leading-edge weight and the trailing-edge thickness; but has shape "
            f"{tuple(parameters.shape)}."
        )
    return parameters


def surfaces(parameters: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the height of the upper and of the lower surface, each ``(n, len(x))``, in chords.

    Args:
        parameters: ``(n, 18)``.
        x: ``(m,)`` stations from 0 (leading edge) to 1.

    Example:
        >>> flat = torch.zeros(1, 18, dtype=torch.float64)
        >>> flat[0, 17] = 0.02  # nothing but a trailing edge
        >>> upper, lower = surfaces(flat, torch.tensor([0.0, 1.0]))
        >>> (upper - lower).tolist()
        [[0.0, 0.02]]
    """
    x = x.to(parameters)
    weights = _bernstein(x)
    mode = parameters[:, 16, None] * (x * (1 - x) ** (SIDE + 0.5))
    edge = parameters[:, 17, None] * x / 2
    return (
        parameters[:, :SIDE] @ weights + mode + edge,
        parameters[:, SIDE : 2 * SIDE] @ weights + mode - edge,
    )


def coordinates(parameters: Tensor, points: int = _POINTS) -> Tensor:
    """Return the outline, ``(n, 2 * points - 1, 2)``, in Selig's order.

    It begins at the trailing edge, follows the upper surface to the leading edge and the lower one
    back; stations are dense at both edges (cosine spacing).

    Args:
        parameters: ``(n, 18)``.
        points: of each surface, 3 or more.

    Raises:
        ValueError: fewer points.
    """
    if check_count("points", points) < 3:
        raise ValueError(f"points must be 3 or more, but is {points}.")
    x = _stations(points).to(parameters)
    upper, lower = surfaces(parameters, x)
    across = torch.cat([x.flip(0), x[1:]]).expand(len(parameters), -1)
    return torch.stack([across, torch.cat([upper.flip(1), lower[:, 1:]], 1)], 2)


def thickness(parameters: Tensor, x: Tensor | None = None) -> Tensor:
    """Return the distance of the two surfaces, ``(n, len(x))``, in chords; below 0 they cross."""
    upper, lower = surfaces(parameters, _stations(_POINTS) if x is None else x)
    return upper - lower


def camber(parameters: Tensor, x: Tensor | None = None) -> Tensor:
    """Return the height of the mean of the two surfaces, ``(n, len(x))``, in chords."""
    upper, lower = surfaces(parameters, _stations(_POINTS) if x is None else x)
    return (upper + lower) / 2


def max_thickness(parameters: Tensor) -> Tensor:
    """Return the largest thickness, ``(n,)``, in chords.

    Example:
        >>> from xhat_zoo.airfoil import catalogue
        >>> [f"{float(t):.3f}" for t in max_thickness(catalogue().of("naca0012"))]
        ['0.120']
    """
    return thickness(parameters).amax(1)


def area(parameters: Tensor) -> Tensor:
    """Return the enclosed area, ``(n,)``, in square chords; exact.

    Of each term the integral over the chord is known: ∫ C B_i = K_i B(i + 3/2, 9 - i) with Euler's
    beta function; the leading-edge mode moves both surfaces alike and adds nothing.
    """
    beta = [
        math.comb(SIDE - 1, i)
        * math.exp(math.lgamma(i + 1.5) + math.lgamma(9 - i) - math.lgamma(10.5))
        for i in range(SIDE)
    ]
    integral = parameters.new_tensor(beta)
    difference = parameters[:, :SIDE] - parameters[:, SIDE : 2 * SIDE]
    return difference @ integral + parameters[:, 17] / 2


def leading_edge_radius(parameters: Tensor) -> Tensor:
    """Return the smaller radius of curvature of the two surfaces at the nose, ``(n,)``, in chords.

    Near the nose y → w_0 √x, whose radius of curvature there is w_0² / 2. A surface that starts in
    the wrong direction (an upper weight below 0) has a radius below 0 here.
    """
    first = torch.stack([parameters[:, 0], -parameters[:, SIDE]], 1)
    return (first * first.abs() / 2).amin(1)


def least_gap(parameters: Tensor) -> Tensor:
    """Return the least of thickness / C(x) inside the chord, ``(n,)``; below 0 the surfaces cross.

    Divided by the class function, the measure is as sharp at the edges as in the middle, where
    plain thickness always goes to that of the edge.
    """
    x = _stations(_POINTS)[1:-1].to(parameters)
    return (thickness(parameters, x) / (x.sqrt() * (1 - x))).amin(1)


def crossing(parameters: Tensor) -> Tensor:
    """Return whether the surfaces touch or cross behind the nose, ``(n,)`` booleans.

    Example:
        >>> round_, crossed = torch.zeros(1, 18), torch.zeros(1, 18)
        >>> round_[0, :8], round_[0, 8:16] = 0.2, -0.2
        >>> crossed[0, :16] = 0.1  # both surfaces are the same curve
        >>> crossing(torch.cat([round_, crossed])).tolist()
        [False, True]
    """
    return (least_gap(parameters) <= _DIGITS) | (parameters[:, 17] < 0)


def wiggle(parameters: Tensor) -> Tensor:
    """Return the roughness of the weights, ``(n,)``: the sum of squared second differences.

    Neighbouring weights that go up and down make a surface with waves, which boundary layers and
    workshops dislike. For the surfaces of a NACA 4-digit airfoil it is about 0.01.

    Source: Sharpe, "NeuralFoil: an Airfoil Aerodynamics Analysis Tool Using Physics-Informed
    Machine Learning", 2025 (the constraint of its example of optimization).
    """
    second = [
        side[:, 2:] - 2 * side[:, 1:-1] + side[:, :-2]
        for side in (parameters[:, :SIDE], parameters[:, SIDE : 2 * SIDE])
    ]
    return torch.cat(second, 1).square().sum(1)


@functools.cache
def _stations(points: int) -> Tensor:
    angle = torch.linspace(0, math.pi, points, dtype=torch.float64)
    return (1 - angle.cos()) / 2


def _bernstein(x: Tensor) -> Tensor:
    """Return C(x) B_i(x), ``(8, len(x))``."""
    i = torch.arange(SIDE, dtype=x.dtype, device=x.device)[:, None]
    counts = x.new_tensor([math.comb(SIDE - 1, k) for k in range(SIDE)])[:, None]
    return counts * x**i * (1 - x) ** (SIDE - 1 - i) * x.sqrt() * (1 - x)
