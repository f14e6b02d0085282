"""A surrogate of a shape: trained on points that the truth was asked about, measured on others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xhat.core import atomic_folder_check, check_choice, check_count, check_positive
from xhat.learning import Card, EpochRecord, save_checkpoint
from xhat_zoo import shapes
from xhat_zoo.shapes.base import Shape
from xhat_zoo.shapes.distances import train_distance
from xhat_zoo.shapes.fields import DistanceField

__all__ = ["RECIPES", "fit_shape", "measure_field", "normal_errors", "train_shape"]

_HELD_OUT = 1_000_003  # added to the seed, so that no point is measured that was trained on
_POINTS = 20_000  # that a measurement takes, on the surface and around it
_SCHEDULE: dict[str, Any] = {
    "epochs": 60,
    "batch_size": 512,
    "learning_rate": 1e-2,
    "weight": 1.0,
    "average": 0.998,
}
RECIPES: dict[str, dict[str, Any]] = {
    "torus": {"points": 30_000, "hidden": 64, "layers": 3} | _SCHEDULE,
    "box": {"points": 30_000, "hidden": 64, "layers": 3} | _SCHEDULE,
    "capsule": {"points": 30_000, "hidden": 64, "layers": 3} | _SCHEDULE,
    "dumbbell": {"points": 30_000, "hidden": 64, "layers": 3} | _SCHEDULE,
}
"""How the shipped surrogate of each shape is trained."""


def fit_shape(
    shape: Shape,
    *,
    seed: int = 0,
    region: tuple[Tensor, Tensor] | None = None,
    points: int = 30_000,
    deep: float = 0.25,
    normals: bool = True,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **options: Any,
) -> DistanceField:
    """Train a surrogate of any shape, also of a mesh.

    Args:
        shape: the truth; asked for ``points`` distances (and normals).
        seed: of points, weights and order.
        region: two corners of the box to learn; by default that of ``shapes.region_of``.
        points: how many to train on.
        deep: the share of them inside, where a thin solid would have few; half are near the
            surface, and the rest anywhere.
        normals: whether the truth's normals are told; without them the eikonal equation alone
            shapes the gradient.
        on_epoch: called with a record after each epoch.
        **options: of ``xhat.surrogates.train_distance``, instead of the recipes' own.

    Returns:
        The network, float32, frozen and in evaluation mode.

    Raises:
        TypeError: the shape is no ``Shape``.
        ValueError: a number out of its range.

    Example:
        >>> ball = fit_shape(shapes.Sphere(1.0), points=2000, epochs=4, hidden=16)
        >>> ball(torch.zeros(1, 3)).shape
        torch.Size([1])
    """
    if not isinstance(shape, Shape):
        raise TypeError(f"the shape must be a Shape, not {type(shape).__name__}.")
    box = shapes.region_of(shape) if region is None else region
    known = shapes.samples_around(
        shape, check_count("points", points), seed=seed, region=box, near=0.5, deep=deep
    )
    field = train_distance(
        known.points.float(),
        known.distances.float(),
        known.normals.float() if normals else None,
        region=box,
        seed=seed,
        on_epoch=on_epoch,
        **_SCHEDULE | options,
    )
    return field.requires_grad_(False)


def train_shape(
    name: str,
    *,
    out: str | Path,
    seed: int = 1,
    epochs: int | None = None,
    points: int | None = None,
    progress: Callable[[EpochRecord], None] | None = None,
) -> Card:
    """Train the surrogate of a shape of the catalogue, measure it, and write weights and card.

    Args:
        name: a key of ``shapes.SHAPES``.
        out: the folder to write to; checked before the work begins.
        seed: of the training; the shipped files were made with 1.
        epochs: instead of the recipe's own number.
        points: instead of the recipe's own number.
        progress: called with a record after each epoch.

    Returns:
        The card as written.

    Raises:
        ValueError: an unknown shape, or a number out of its range.
        PermissionError: ``out`` cannot be written to.
    """
    recipe = RECIPES[check_choice("shape", name, RECIPES)]
    given = {"--epochs": epochs, "--limit": points}
    for option, value in given.items():
        if value is not None:
            check_positive(option.strip("-"), value)
    atomic_folder_check(out)
    changed = {k: v for k, v in {"epochs": epochs, "points": points}.items() if v is not None}
    options: dict[str, Any] = recipe | changed
    seconds = 0.0

    def on_epoch(record: EpochRecord) -> None:
        nonlocal seconds
        seconds = record.seconds
        if progress is not None:
            progress(record)

    truth, region = shapes.shape(name), shapes.region(name)
    field = fit_shape(truth, seed=seed, region=region, on_epoch=on_epoch, **options)
    told = "".join(f" {k} {v}" for k, v in given.items() if v is not None)
    card = Card(
        name=name,
        task="shapes",
        architecture="DistanceField",
        arguments={
            "low": region[0].tolist(),
            "high": region[1].tolist(),
            "hidden": options["hidden"],
            "layers": options["layers"],
        },
        recipe=name,
        hyperparameters=options,
        seed=seed,
        split="around",
        split_size=options["points"],
        metrics=measure_field(field, truth, region=region, seed=seed + _HELD_OUT),
        seconds=round(seconds, 1),
        command=f"xhat train shapes --recipe {name} --seed {seed}{told}",
    )
    return save_checkpoint(out, field, card)


def measure_field(
    field: DistanceField,
    shape: Shape,
    *,
    region: tuple[Tensor, Tensor] | None = None,
    seed: int,
    points: int = _POINTS,
) -> dict[str, float]:
    """Return how far a surrogate is from the truth, on points of its own.

    Returns:
        ``normal_median`` and ``normal_95``, degrees between the surrogate's gradient and the
        truth's normal on the surface; ``surface_median`` and ``surface_max``, the surrogate's
        ``|f|`` there; ``near_median`` and ``near_max``, ``|f - d|`` within 5 % of the region's
        diagonal of the surface; ``median`` and ``max`` in the whole region, where the creases are,
        at which the truth's normal turns at once; all in the unit of the shape. And ``samples``.
    """
    on = shapes.surface_points(shape, points, seed=seed)
    low, high = shapes.region_of(shape) if region is None else region
    around = shapes.samples_around(shape, points, seed=seed, region=(low, high))
    even = shapes.samples_around(shape, points, seed=seed + 1, region=(low, high), near=0.0)
    close = around.distances.abs() < 0.05 * float(torch.linalg.vector_norm(high - low))
    angles = normal_errors(field, on.points, on.normals)
    with torch.no_grad():
        surface = field(on.points.float()).double().abs()
        near = (field(around.points.float()).double() - around.distances).abs()[close]
        far = (field(even.points.float()).double() - even.distances).abs()
    return {
        "samples": points,
        "normal_median": float(angles.median()),
        "normal_95": float(angles.quantile(0.95)),
        "surface_median": float(surface.median()),
        "surface_max": float(surface.max()),
        "near_median": float(near.median()),
        "near_max": float(near.max()),
        "median": float(far.median()),
        "max": float(far.max()),
    }


def normal_errors(field: Callable[[Tensor], Tensor], points: Tensor, normals: Tensor) -> Tensor:
    """Return the angle between a field's gradient and the normals, ``(n,)``, in degrees.

    Example:
        >>> ball = shapes.Sphere(1.0)
        >>> x = torch.tensor([[0.0, 0.0, 1.0]])
        >>> normal_errors(ball, x, torch.tensor([[0.0, 1.0, 1.0]]))
        tensor([45.], dtype=torch.float64)
    """
    x = points.to(next(_floats(field), points)).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(field(x).sum(), x)
    a, b = slope.double(), normals.double()
    across = torch.linalg.vector_norm(torch.linalg.cross(a, b), dim=1)
    return torch.rad2deg(torch.atan2(across, (a * b).sum(dim=1)))  # exact for small angles too


def _floats(field: Any) -> Any:
    parameters = getattr(field, "parameters", tuple)
    return iter(parameters())
