"""Signed distances: normals, surface points, balls, and poses that the truth certifies.

    python benchmarks/shapes.py [--poses 500]

All searches see the shipped surrogates alone. The truth, a closed form, is asked afterwards, in
float64, on points and poses that trained nothing. The largest ball of a room and the nearest pose
are not known in closed form: beside them stands what the same search finds with the truth as its
model. Time is of the processor, summed over its cores.
"""

import argparse
import time
from typing import Any

import torch
from record import provenance, table, write

from xhat_zoo import shapes
from xhat_zoo.shapes import find_surface, largest_ball, measure_field, overstatement
from xhat_zoo.shapes.demo import IMPOSSIBLE, KNOWN, Poses, search_poses

SEED, POINTS, STARTS, CLEARANCE, FEW = 20, 20_000, 2_000, 0.05, 200


def solid(name: str) -> dict[str, Any]:
    """Return what is measured of one shape."""
    truth, field = shapes.shape(name), shapes.surrogate(name)
    low, high = shapes.region(name)
    errors = measure_field(field, truth, region=(low, high), seed=SEED, points=POINTS)
    field = field.double()
    x0 = shapes.samples_around(truth, STARTS, seed=SEED, region=(low, high), near=0.0).points
    began = time.process_time()
    found = find_surface(field, x0)
    seconds = time.process_time() - began
    away, longer = truth(found.x).abs(), (found.x - x0).norm(dim=1) - truth(x0).abs()
    inside = shapes.samples_around(truth, 200, seed=SEED, near=0.0, deep=1.0).points
    ball = largest_ball(field, inside[truth(inside) < 0])
    return errors | {
        "shape": name,
        "reached": float(found.reached.double().mean()),
        "surface by truth, median": float(away.median()),
        "surface by truth, 95 %": float(away.quantile(0.95)),
        "surface by truth, max": float(away.max()),
        "longer than nearest, median": float(longer.median()),
        "milliseconds a point": 1e3 * seconds / STARTS,
        "medial, median": _off_axis(name, ball.result.x, 0.5),
        "medial, 95 %": _off_axis(name, ball.result.x, 0.95),
        "ball claimed": ball.radius,
        "ball certified": ball.certified(truth),
        "ball known": KNOWN[name],
        "trained in seconds": shapes.card(name).seconds,
        "parameters": shapes.card(name).parameters,
    }


def room(count: int) -> dict[str, Any]:
    """Return what is measured among obstacles."""
    truth, learned = shapes.room(), shapes.learned_room().double()
    half = torch.tensor(shapes.ROOM_HALF, dtype=torch.float64)
    starts = shapes.samples_around(truth, 800, seed=SEED, near=0.0, region=(-half, half))
    free = starts.points[starts.distances > 0.1]
    ball, best = (largest_ball(f, free, inside=False) for f in (learned, truth))
    level = float(shapes.hook().radii[0]) + CLEARANCE
    margin = overstatement(learned, truth, level, region=(-half, half), seed=SEED)
    wanted = shapes.wanted_poses(count, seed=SEED)
    rows, few = {}, min(count, FEW)
    for name, field, extra, clearance, n in (
        ("surrogates, with the margin", learned, margin, CLEARANCE, count),
        ("surrogates, no margin", learned, 0.0, CLEARANCE, few),
        ("truth as the model", truth, 0.0, CLEARANCE, few),
        ("surrogates, an impossible clearance", learned, margin, IMPOSSIBLE, 10),
    ):
        began = time.process_time()
        found = poses(field, wanted[:n], clearance, extra)
        rows[name] = told(found, n, clearance, time.process_time() - began)
        print(name, rows[name], flush=True)
        if n == count > few:
            rows[f"the same, the first {few}"] = told(found, few, clearance, None)
    return {
        "margin": margin,
        "ball claimed": ball.radius,
        "ball certified": ball.certified(truth),
        "ball with the truth as model": best.certified(truth),
        "poses": rows,
    }


def poses(
    field: shapes.Shape, wanted: torch.Tensor, clearance: float, margin: float
) -> dict[str, torch.Tensor]:
    """Search once from each wanted pose; where none was found, from 4 random poses around it."""
    found = _columns(search_poses(field, wanted, clearance, margin=margin, tries=1))
    again = (~found["found"]).nonzero()[:, 0]
    if len(again):
        more = search_poses(field, wanted[again], clearance, margin=margin, tries=5, seed=SEED)
        for name, column in _columns(more).items():
            found[name][again] = column
    return found


def _columns(found: Poses) -> dict[str, torch.Tensor]:
    return {
        "before": found.before.clone(),
        "found": found.result.feasible.clone(),
        "certified": found.certificate.holds.clone(),
        "clearance": found.certificate.clearance.clone(),
        "moved": found.moved.clone(),
    }


def told(
    found: dict[str, torch.Tensor], n: int, clearance: float, seconds: float | None
) -> dict[str, Any]:
    """Return what is said of the first ``n`` poses of a search."""
    of = {name: column[:n] for name, column in found.items()}
    there = of["found"]
    return {
        "clearance": clearance,
        "poses": n,
        "clear at once": int((of["before"] >= clearance).sum()),
        "found": int(there.sum()),
        "certified": int(of["certified"].sum()),
        "least": float(of["clearance"][there].min()) if bool(there.any()) else None,
        "moved": float(of["moved"][there].mean()) if bool(there.any()) else None,
        "milliseconds a pose": None if seconds is None else 1e3 * seconds / n,
    }


def _off_axis(name: str, x: torch.Tensor, share: float) -> float | None:
    """Return how far found points are from the medial axis that is known, at a quantile."""
    flat = x[:, :2].norm(dim=1)
    ends = torch.tensor([[-0.55, 0.0, 0.0], [0.55, 0.0, 0.0]], dtype=x.dtype)
    off = {
        "torus": torch.hypot(flat - 0.6, x[:, 2]),
        "capsule": torch.hypot(flat, (x[:, 2].abs() - 0.5).clamp_min(0)),
        "box": torch.hypot(
            x[:, 2], torch.hypot((x[:, 0].abs() - 0.35).clamp_min(0),
                                 (x[:, 1].abs() - 0.15).clamp_min(0))),
        "dumbbell": torch.cdist(x, ends).amin(dim=1),
    }[name]  # fmt: skip
    return float(off.quantile(share))


def main() -> None:
    """Measure, and write ``shapes.json`` and ``shapes.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--poses", type=int, default=500)
    arguments = parser.parse_args()
    solids = []
    for name in shapes.SHAPES:
        solids.append(solid(name))
        print(solids[-1], flush=True)
    among = room(arguments.poses)
    text = table(
        ("shape", "normals, median", "95 %",
         "surface points by the truth, median", "95 %", "worst",
         "off the medial axis, median", "95 %", "ball: claimed", "by the truth", "known"),
        [
            (
                s["shape"],
                f"{s['normal_median']:.2f}°",
                f"{s['normal_95']:.2f}°",
                f"{s['surface by truth, median']:.5f}",
                f"{s['surface by truth, 95 %']:.5f}",
                f"{s['surface by truth, max']:.5f}",
                f"{s['medial, median']:.4f}",
                f"{s['medial, 95 %']:.4f}",
                f"{s['ball claimed']:.4f}",
                f"{s['ball certified']:.4f}",
                f"{s['ball known']:g}",
            )
            for s in solids
        ],
    ) + "\n" + table(
        ("poses in the room", "asked", "wanted", "clear at once", "found", "certified",
         "least, by the truth", "moved, mean", "CPU ms a pose"),
        [
            (
                name,
                f"{p['clearance']:g}",
                p["poses"],
                p["clear at once"],
                p["found"],
                p["certified"],
                "–" if p["least"] is None else f"{p['least']:.4f}",
                "–" if p["moved"] is None else f"{p['moved']:.4f}",
                "" if p["milliseconds a pose"] is None else f"{p['milliseconds a pose']:.0f}",
            )
            for name, p in among["poses"].items()
        ],
    )  # fmt: skip
    text += (
        f"\nMargin {among['margin']:.4f}. Largest ball beside everything: claimed "
        f"{among['ball claimed']:.4f}, by the truth {among['ball certified']:.4f}, with the truth "
        f"as the model {among['ball with the truth as model']:.4f}.\n"
    )
    record = {"provenance": provenance(SEED, ("torch", "numpy")), "solids": solids, "room": among}
    write("shapes", record, text)


if __name__ == "__main__":
    main()
