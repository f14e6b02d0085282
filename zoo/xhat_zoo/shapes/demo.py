"""Signed distances: what a surrogate's gradient is good for, and what the truth says of it.

``run`` searches surface points, medial points, the largest balls and poses, all with surrogates,
and asks the truth about each; ``write`` leaves ``report.html``, its pictures, ``poses.parquet`` and
``summary.json``, each whole or not at all.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import xhat
from xhat.core import atomic_folder_check, atomic_write, generator
from xhat.engine import GradientDescent, Result, Watch
from xhat.learning.checkpoints import versions
from xhat.report import PageTable, TaskPage, save_task_page
from xhat.task import Stage, Tell
from xhat_zoo import shapes
from xhat_zoo.shapes.demo_pictures import draw
from xhat_zoo.shapes.points import Ball, find_medial, find_surface, largest_ball
from xhat_zoo.shapes.poses import Certificate, certify, find_poses, overstatement
from xhat_zoo.shapes.training import measure_field

__all__ = ["Poses", "Shown", "run", "said", "search_poses", "write"]

TITLE = "Distances that know which way is out"
CLEARANCE, IMPOSSIBLE = 0.05, 1.0
POSES, HOPELESS, TRIES, STARTS, POINTS = 60, 6, 3, 60, 5_000
KNOWN = {"torus": 0.25, "box": 0.35, "capsule": 0.3, "dumbbell": 0.35}
"""The radius of the largest ball in each shape, by geometry."""

_SLOW, _SLOWLY = 0.1, 0.02  # of descent, so that trajectories can be seen and are smooth


@dataclass(frozen=True, eq=False)
class Poses:
    """Poses that were wanted, found, and asked about.

    Attributes:
        wanted: ``(n, 7)``.
        before: ``(n,)``, the clearance of the wanted poses by the truth.
        result: of the search.
        certificate: what the truth says of it.
        moved: ``(n,)``, by how much the body was moved, root mean square over its balls.
    """

    wanted: Tensor
    before: Tensor
    result: Result
    certificate: Certificate
    moved: Tensor


@dataclass(frozen=True, eq=False)
class Shown:
    """All that one run of the demo found.

    Attributes:
        errors: by shape, what ``measure_field`` says of its surrogate, on points of this run.
        surface: by shape, the search for its surface, with its trajectory.
        medial: by shape, the search for where it is thickest.
        balls: by shape, the largest ball inside; ``room``: the largest beside everything.
        margin: what the surrogates overstate a distance by, at most.
        poses: with a clearance that can be kept.
        hopeless: with one that cannot.
        seed: of every random choice.
        seconds: wall-clock time.
    """

    errors: dict[str, dict[str, float]]
    surface: dict[str, Result]
    medial: dict[str, Result]
    balls: dict[str, Ball]
    margin: float
    poses: Poses
    hopeless: Poses
    seed: int
    seconds: float

    def summary(self) -> dict[str, Any]:
        """Return the numbers."""
        found = {}
        for name, ball in self.balls.items():
            truth = shapes.room() if name == "room" else shapes.shape(name)
            found[name] = {
                "claimed": ball.radius,
                "certified": ball.certified(truth),
                "known": KNOWN.get(name),
            }
        return {
            "task": "shapes",
            "seed": self.seed,
            "seconds": round(self.seconds, 2),
            "errors": self.errors,
            "surface": {name: _distances(name, r) for name, r in self.surface.items()},
            "balls": found,
            "margin": self.margin,
            "poses": _counts(self.poses),
            "impossible": _counts(self.hopeless),
        }


def run(*, seed: int = 0, on_progress: Tell | None = None) -> Shown:
    """Search with the shipped surrogates, and ask the truth.

    Args:
        seed: of every random choice.
        on_progress: called with a ``Stage``.
    """
    began, tell = time.perf_counter(), on_progress or (lambda _: None)
    errors, surface, medial, balls = {}, {}, {}, {}
    for k, name in enumerate(shapes.SHAPES):
        tell(Stage("shapes", k, len(shapes.SHAPES)))
        truth, field = shapes.shape(name), shapes.surrogate(name)
        region = shapes.region(name)
        errors[name] = measure_field(field, truth, region=region, seed=seed, points=POINTS)
        field = field.double()
        surface[name] = find_surface(
            field, _in_plane(name, seed), stepper=GradientDescent(_SLOW), watch=Watch(trace=1)
        )
        inside = shapes.samples_around(truth, 6 * STARTS, seed=seed, near=0.0, deep=1.0)
        medial[name] = find_medial(
            field,
            _flat(name, inside.points[inside.distances < 0]),
            stepper=GradientDescent(_SLOWLY),
            watch=Watch(trace=2),
        )
        balls[name] = largest_ball(field, inside.points[inside.distances < 0][:STARTS])
    tell(Stage("shapes", len(shapes.SHAPES), len(shapes.SHAPES)))
    room, learned = shapes.room(), shapes.learned_room().double()
    tell(Stage("ball in the room", 0, 1))
    free = shapes.samples_around(room, 8 * STARTS, seed=seed, near=0.0, region=_inside_walls())
    balls["room"] = largest_ball(learned, free.points[free.distances > 0.2], inside=False)
    tell(Stage("ball in the room", 1, 1))
    level = float(shapes.hook().radii[0]) + CLEARANCE
    margin = overstatement(learned, room, level, region=_inside_walls(), seed=seed)
    wanted = shapes.wanted_poses(POSES, seed=seed)
    poses = search_poses(learned, wanted, CLEARANCE, margin=margin, seed=seed, tell=tell)
    hopeless = search_poses(
        learned, wanted[:HOPELESS], IMPOSSIBLE, margin=margin, seed=seed, tell=tell
    )
    seconds = time.perf_counter() - began
    return Shown(errors, surface, medial, balls, margin, poses, hopeless, seed, seconds)


def search_poses(
    field: shapes.Shape,
    wanted: Tensor,
    clearance: float,
    *,
    margin: float,
    tries: int | None = None,
    seed: int = 0,
    tell: Tell = lambda _: None,
) -> Poses:
    """Search poses of the hook in the room, and ask the truth about them."""
    body, room = shapes.hook(), shapes.room()
    name = f"poses, clearance {clearance:g}"
    half = torch.tensor(shapes.ROOM_HALF, dtype=torch.float64)
    result = find_poses(
        field,
        body,
        wanted,
        clearance=clearance,
        margin=margin,
        within=(-half, half),
        tries=tries or TRIES,
        seed=seed,
        watch=Watch(on_progress=lambda now: tell(Stage(name, now.done, now.total))),
    )
    before = shapes.chunked(shapes.Clearance(room, body), wanted)
    moved = body.moved(result.x.double(), wanted).sqrt()
    return Poses(wanted, before, result, certify(room, body, result, clearance), moved)


def write(found: Shown, out: str | Path, *, command: str = "xhat demo --task shapes") -> Path:
    """Write the page and the files beside it into ``out``, and return the path of the page.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    out = atomic_folder_check(out)
    pictures = draw(found, out)
    poses = found.poses
    found.poses.result.save(
        out / "poses.parquet",
        {
            "clearance_before": poses.before.numpy(),
            "clearance_by_truth": poses.certificate.clearance.numpy(),
            "certified": poses.certificate.holds.numpy(),
            "moved": poses.moved.numpy(),
        },
    )
    with atomic_write(out / "summary.json") as temporary:
        temporary.write_text(json.dumps(found.summary(), indent=1) + "\n")
    facts = {
        "command": command,
        "seed": str(found.seed),
        "searched and certified in": f"{found.seconds:.0f} s",
        "versions": ", ".join(
            f"{k} {v}" for k, v in {"xhat": xhat.__version__, **versions()}.items()
        ),
    }
    page = TaskPage(TITLE, _lead(found), pictures, _tables(found), facts, _REMARKS)
    return save_task_page(out / "report.html", page)


def said(found: Shown) -> str:
    """Return what a terminal shows of a run."""
    of, poses, none = found.summary(), _counts(found.poses), _counts(found.hopeless)
    lines = [
        f"{name:9} normals {e['normal_median']:.2f}° off (median), {e['normal_95']:.1f}° (95 %)"
        for name, e in of["errors"].items()
    ]
    lines.append(
        f"\n{poses['found']} of {poses['n']} poses found, {poses['certified']} certified by the "
        f"truth; with an impossible clearance {none['found']} of {none['n']}."
    )
    return "\n".join(lines)


_REMARKS = (
    "Every search sees the surrogate alone: a network of 8,641 numbers for each shape, trained on "
    "30,000 points. The truth, a closed form, is asked afterwards, in float64.",
    "The gradient of a distance turns at once where two surface points are equally near. A smooth "
    "network rounds that crease, so that it understates how deep the middle of a solid is: the "
    "balls that fit are larger than it claims. Most large angles between gradient and normal lie "
    "at sharp edges, for the same reason.",
    "A pose must keep the clearance and, on top of it, a margin: the most by which the surrogates "
    "overstated a distance of that size on points that trained nothing.",
    "The body of the poses is a union of balls, and the clearance of a ball is known from the "
    "distance at its centre: so what is certified is certified of the whole body.",
)


def _lead(found: Shown) -> str:
    poses = _counts(found.poses)
    worst = max(found.errors.values(), key=lambda e: e["normal_median"])["normal_median"]
    return (
        f"A network that learned how far the surface is also knows the way there: its gradient is "
        f"the surface normal, {worst:.1f}° off in the median or less. With nothing but these "
        f"gradients, {poses['found']} of {poses['n']} bodies were moved clear of all obstacles, "
        f"and the truth certifies {poses['certified']}."
    )


def _tables(found: Shown) -> list[PageTable]:
    of = found.summary()
    errors = [
        (
            name,
            f"{e['normal_median']:.2f}°",
            f"{e['normal_95']:.2f}°",
            f"{e['surface_median']:.5f}",
            f"{of['surface'][name]['median']:.5f}",
            f"{of['surface'][name]['max']:.5f}",
        )
        for name, e in of["errors"].items()
    ]
    balls = [
        (
            name,
            f"{b['claimed']:.3f}",
            f"{b['certified']:.4f}",
            "not known" if b["known"] is None else f"{b['known']:g}",
        )
        for name, b in of["balls"].items()
    ]
    poses = [
        (
            f"{p['clearance']:g}",
            str(p["n"]),
            str(p["clear before"]),
            str(p["found"]),
            str(p["certified"]),
            "–" if p["least"] is None else f"{p['least']:.4f}",
        )
        for p in (of["poses"], of["impossible"])
    ]
    return [
        PageTable(
            "Normals and surfaces",
            ("shape", "angle, median", "95 %", "|f| on the surface", "points found: |d|", "worst"),
            errors,
            f"The first three on {POINTS:,} points, even by area; |d| is the truth's distance of "
            f"what the search took for the surface.",
        ),
        PageTable(
            "The largest ball that fits", ("shape", "claimed", "by the truth", "known"), balls
        ),
        PageTable(
            "Poses",
            ("clearance", "wanted", "clear at once", "found", "certified", "least, by the truth"),
            poses,
            f"Margin: {found.margin:.4f}. Where no pose was found, the status says infeasible.",
        ),
    ]


def _distances(name: str, result: Result) -> dict[str, float]:
    away = shapes.shape(name)(result.x.double()).abs()
    return {"n": len(result), "median": float(away.median()), "max": float(away.max())}


def _counts(poses: Poses) -> dict[str, Any]:
    holds, feasible = poses.certificate.holds, poses.result.feasible
    return {
        "clearance": poses.certificate.needed,
        "n": len(poses.wanted),
        "clear before": int((poses.before >= poses.certificate.needed).sum()),
        "found": int(feasible.sum()),
        "certified": int(holds.sum()),
        "least": float(poses.certificate.clearance[feasible].min()) if feasible.any() else None,
        "moved": float(poses.moved[feasible].mean()) if feasible.any() else None,
    }


def _in_plane(name: str, seed: int) -> Tensor:
    low, high = shapes.region(name)
    draws = generator(seed, "starts", name)
    return _flat(name, low + (high - low) * torch.rand(STARTS, 3, generator=draws).double())


def _flat(name: str, x: Tensor) -> Tensor:
    """Return the points moved into the plane y = 0, which halves every shape; slices show it."""
    kept = x * torch.tensor([1.0, 0.0, 1.0], dtype=x.dtype)
    inside = shapes.shape(name)(x) < 0
    return kept[~inside | (shapes.shape(name)(kept) < 0)][:STARTS]


def _inside_walls() -> tuple[Tensor, Tensor]:
    half = torch.tensor(shapes.ROOM_HALF, dtype=torch.float64)
    return -half, half
