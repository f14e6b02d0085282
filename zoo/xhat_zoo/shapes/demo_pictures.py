"""The pictures of the demo of shapes."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from xhat_zoo import shapes
from xhat_zoo.shapes.scenes import Scene, Solid, View, save_scenes_png
from xhat_zoo.shapes.slices import Arrows, FieldSlice, save_slices_png
from xhat_zoo.shapes.training import normal_errors

if TYPE_CHECKING:
    from xhat_zoo.shapes.demo import Shown

__all__ = ["draw"]

_ACROSS, _DOWN = 180, 120  # points of a slice
_ARROWS, _PATHS, _SCENES = 44, 40, 8
_OBSTACLES, _BEFORE, _AFTER, _BALL = "#9aa3b2", "#cb2413", "#00a368", "#2a6fdb"
_VIEW = View(azimuth=-62.0, elevation=38.0, reach=2.7, size=(360, 270))


def draw(found: "Shown", out: Path) -> list[tuple[str, Path, str]]:
    """Save all pictures into a folder; return their headings, paths and captions."""
    names = list(shapes.SHAPES)
    return [
        (
            "What the surrogate has learned",
            save_slices_png(out / "slices.png", [_slice(name) for name in names]),
            "Slices through the four solids. Blue is inside, orange outside, a white line every "
            "step of distance. The surface of the surrogate is black; the truth's is dashed in "
            "white on top of it.",
        ),
        (
            "Its gradient is the normal",
            save_slices_png(out / "normals.png", [_normals(name) for name in _SMOOTH]),
            "Arrows are the surrogate's gradient at points of the true surface, coloured by the "
            "angle to the true normal. The dark ones of the dumbbell lie in the creases where ball "
            "and bar meet, and the normal turns at once.",
        ),
        (
            "To the surface, and to where a solid is thickest",
            save_slices_png(out / "trajectories.png", _searches(found)),
            "Trajectories of the searches, from white to green dots: down f² to the surface from "
            "anywhere, and down f to where no surface point alone is nearest.",
        ),
        (
            "The largest ball that fits",
            save_slices_png(out / "balls.png", [_ball(found, name) for name in names]),
            "Each drawn with the radius that the truth certifies around the centre that the "
            "surrogate found, in a slice through that centre.",
        ),
        _poses(found, out),
        _free_ball(found, out),
    ]


_SMOOTH = ("torus", "capsule", "dumbbell")
_AXES = {"capsule": (2, 0)}  # across and up, of a slice along y; (0, 2) for the others


def _slice(name: str, y: float = 0.0, **more: object) -> FieldSlice:
    low, high = shapes.region(name)
    a, b = _AXES.get(name, (0, 2))
    across = torch.linspace(float(low[a]), float(high[a]), _ACROSS, dtype=torch.float64)
    up = torch.linspace(float(low[b]), float(high[b]), _DOWN, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(across, up, indexing="xy"), dim=-1).reshape(-1, 2)
    points = torch.full((len(grid), 3), y, dtype=torch.float64)
    points[:, a], points[:, b] = grid[:, 0], grid[:, 1]
    with torch.no_grad():
        values = shapes.surrogate(name)(points.float())
    return FieldSlice(
        name,
        values.reshape(_DOWN, _ACROSS).numpy(),
        shapes.shape(name)(points).reshape(_DOWN, _ACROSS).numpy(),
        (float(low[a]), float(high[a]), float(low[b]), float(high[b])),
        ("xyz"[a], "xyz"[b]),
        **more,  # pyright: ignore[reportArgumentType]
    )


def _normals(name: str) -> FieldSlice:
    points = _outline(name)
    field, truth = shapes.surrogate(name).double(), shapes.shape(name)
    leaf = points.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(field(leaf).sum(), leaf)
    degrees = normal_errors(field, points, truth.normal(points))
    arrows = Arrows(_plane(name, points).numpy(), _plane(name, slope).numpy(), degrees.numpy())
    return _slice(name, arrows=arrows)


def _outline(name: str) -> Tensor:
    """Return points of the surface in the plane y = 0, about evenly far from each other."""
    found = shapes.surface_points(shapes.shape(name), 4000, seed=0).points
    flat = found * torch.tensor([1.0, 0.0, 1.0], dtype=found.dtype)
    truth = shapes.shape(name)
    for _ in range(4):
        flat = flat - truth(flat)[:, None] * truth.normal(flat)
    chosen = [flat[truth(flat).abs() < 1e-9][0]]
    points = flat[truth(flat).abs() < 1e-9]
    away = torch.full((len(points),), torch.inf, dtype=points.dtype)
    for _ in range(_ARROWS - 1):  # the farthest of all that are left
        away = torch.minimum(away, torch.linalg.vector_norm(points - chosen[-1], dim=1))
        chosen.append(points[int(away.argmax())])
    return torch.stack(chosen)


def _searches(found: "Shown") -> list[FieldSlice]:
    made = []
    for heading, results in (
        ("onto the {}", found.surface),
        ("the middle of the {}", found.medial),
    ):
        for name in ("torus", "capsule", "dumbbell"):
            trajectory = results[name].trajectory
            x = results[name].x[None] if trajectory is None else trajectory.x
            paths = [_plane(name, x[:, k]).numpy() for k in range(min(_PATHS, x.shape[1]))]
            one = _slice(name, paths=paths)
            made.append(_renamed(one, heading.format(name)))
    return made


def _renamed(one: FieldSlice, name: str) -> FieldSlice:
    return FieldSlice(name, one.values, one.truth, one.extent, one.labels, one.arrows, one.paths)


def _ball(found: "Shown", name: str) -> FieldSlice:
    ball = found.balls[name]
    across, up = (float(v) for v in _plane(name, ball.center))
    radius = ball.certified(shapes.shape(name))
    return _slice(name, y=float(ball.center[1]), discs=[(across, up, radius)])


def _poses(found: "Shown", out: Path) -> tuple[str, Path, str]:
    poses, obstacles = found.poses, _obstacles()
    hard = poses.before.argsort()  # those that collide most
    chosen = [int(k) for k in hard[: len(hard) * 2 // 3][:: max(1, len(hard) // 12)]][
        : _SCENES // 2
    ]
    scenes = [
        Scene(
            f"wanted: clearance {float(poses.before[k]):+.2f}",
            [obstacles, _placed(poses.wanted[k], _BEFORE)],
        )
        for k in chosen
    ] + [
        Scene(
            f"found: clearance {float(poses.certificate.clearance[k]):+.3f}",
            [
                obstacles,
                _placed(poses.wanted[k], _BEFORE, 0.75),
                _placed(poses.result.x[k], _AFTER),
            ],
        )
        for k in chosen
    ]
    caption = (
        "Above, where an L of 13 balls should be, seen through the obstacles where it is inside "
        "them; below, in green, the nearest pose that keeps clear, as the truth measures it. The "
        "walls of the room are not drawn, but are kept clear of as well."
    )
    path = save_scenes_png(out / "poses.png", scenes, _VIEW, across=_SCENES // 2)
    return "A pose that keeps clear", path, caption


def _free_ball(found: "Shown", out: Path) -> tuple[str, Path, str]:
    ball, obstacles = found.balls["room"], _obstacles(0.0)
    radius = ball.certified(shapes.room())
    center = ball.center.double().numpy()
    solid = Solid(lambda p: np.linalg.norm(p - center, axis=1) - radius, _BALL, 0.35)
    views = [replace(_VIEW, azimuth=turn, elevation=30.0) for turn in (-62.0, 28.0, 118.0)]
    scenes = [Scene(f"from {view.azimuth:.0f}°", [obstacles, solid]) for view in views]
    path = save_scenes_png(out / "ball.png", scenes, views, across=3)
    caption = (
        f"The largest ball in the free space of the room, from three sides: radius "
        f"{radius:.3f} by the truth; the surrogates claimed {ball.radius:.3f}."
    )
    return "The largest ball beside everything", path, caption


def _obstacles(clear: float = 0.4) -> Solid:
    both = shapes.obstacles()
    return Solid(lambda p: both(torch.from_numpy(p)).numpy(), _OBSTACLES, clear)


def _placed(pose: Tensor, colour: str, clear: float = 0.0) -> Solid:
    body = shapes.hook()
    centers = body.placed(pose[None].double())[0].numpy()
    radius = float(body.radii[0])

    def distance(p: np.ndarray) -> np.ndarray:
        square = (p * p).sum(1)[:, None] - 2 * p @ centers.T + (centers * centers).sum(1)
        return np.sqrt(np.maximum(square, 0)).min(axis=1) - radius

    return Solid(distance, colour, clear)


def _plane(name: str, x: Tensor) -> Tensor:
    return x[..., list(_AXES.get(name, (0, 2)))].detach()
