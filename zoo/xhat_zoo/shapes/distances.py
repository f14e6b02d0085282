"""Training a signed distance: points around a surface, their distances, and their normals.

    loss = 3 |f(x) - d(x)| + w ‖∇f(x) - ∇d(x)‖ + 0.1 |‖∇f(x)‖ - 1|        (mean over points)

The second term needs the truth's normals; without them the last one, the eikonal equation, is what
makes the gradient a normal.

Source: Gropp, Yariv, Haim, Atzmon, Lipman, "Implicit Geometric Regularization for Learning Shapes"
(ICML 2020); Czarnecki et al., "Sobolev Training for Neural Networks" (NeurIPS 2017).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from xhat.core import check_tensor
from xhat.learning import EpochRecord, build, fit
from xhat_zoo.shapes.fields import DistanceField

__all__ = ["train_distance"]

_DISTANCE, _EIKONAL = 3.0, 0.1  # weights, in units of a length and of none


def train_distance(
    points: Tensor,
    distances: Tensor,
    normals: Tensor | None = None,
    *,
    region: tuple[Tensor, Tensor],
    seed: int,
    weight: float = 1.0,
    hidden: int = 64,
    layers: int = 3,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **schedule: Any,
) -> DistanceField:
    """Train a network to be a signed distance whose gradient is the surface normal.

    Args:
        points: ``(n, 3)``, where the distance is known.
        distances: ``(n,)``, signed, negative inside.
        normals: ``(n, 3)``, the distance's gradient; None where it is not known.
        region: two corners, ``(3,)`` each, of the box that the points fill.
        seed: of weights and order.
        weight: of the error of the normals.
        hidden: units of a layer.
        layers: hidden layers.
        on_epoch: called with a record after each epoch.
        **schedule: passed to ``xhat.learning.fit``: ``epochs``, ``batch_size``,
            ``learning_rate`` and its optional numbers.

    Returns:
        The network in evaluation mode, float32.

    Raises:
        ValueError: shapes that do not fit together, or a number out of its range.

    Example:
        >>> x = torch.rand(256, 3) * 2 - 1
        >>> field = train_distance(x, x.norm(dim=1) - 0.5, x / x.norm(dim=1, keepdim=True),
        ...                        region=(-torch.ones(3), torch.ones(3)), seed=0, hidden=8,
        ...                        epochs=2, batch_size=64, learning_rate=1e-2)
        >>> field(x).shape
        torch.Size([256])
    """
    targets = _targets(points, distances, normals)
    low, high = (corner.tolist() for corner in region)
    field = build("DistanceField", seed=seed, low=low, high=high, hidden=hidden, layers=layers)
    if not isinstance(field, DistanceField):
        raise TypeError(f"the architecture DistanceField is a {type(field).__name__}.")
    scale = float((region[1] - region[0]).max() / 2)

    def loss(model: nn.Module, x: Tensor, y: Tensor, draws: torch.Generator) -> Tensor:
        del draws
        return _loss(model, x, y, scale, weight)

    schedule = {"weight_decay": 0.0} | schedule
    fit(field, points.float(), targets.float(), loss, seed=seed, on_epoch=on_epoch, **schedule)
    return field


def _loss(model: nn.Module, x: Tensor, y: Tensor, scale: float, weight: float) -> Tensor:
    x = x.detach().requires_grad_(True)
    f = model(x)
    (slope,) = torch.autograd.grad(f.sum(), x, create_graph=True)
    total = _DISTANCE * (f - y[:, 0]).abs().mean() / scale
    total = total + _EIKONAL * (torch.linalg.vector_norm(slope, dim=1) - 1).abs().mean()
    if y.shape[1] > 1:
        total = total + weight * torch.linalg.vector_norm(slope - y[:, 1:], dim=1).mean()
    return total


def _targets(points: Tensor, distances: Tensor, normals: Tensor | None) -> Tensor:
    check_tensor("the points", points, ndim=2)
    check_tensor("the distances", distances, ndim=1)
    known = [distances[:, None]]
    if normals is not None:
        known.append(check_tensor("the normals", normals, ndim=2))
    wanted = [(len(points), 3), (len(points), 1), (len(points), 3)]
    for name, value, shape in zip(
        ("the points", "the distances", "the normals"), (points, *known), wanted, strict=False
    ):
        if tuple(value.shape) != shape:
            raise ValueError(f"{name} must have shape {shape}, but have {tuple(value.shape)}.")
    return torch.cat([value.to(points) for value in known], dim=1)
