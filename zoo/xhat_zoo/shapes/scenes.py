"""Solids in space as a camera sees them, from nothing but their distances.

Source: Hart, "Sphere Tracing: A Geometric Method for the Antialiased Ray Tracing of Implicit
Surfaces" (The Visual Computer, 1996): a ray may advance by the distance to the nearest surface.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xhat.report.palette import rgb
from xhat.report.plots import MARGIN, WIDTH, Sheet, fold, title_height, title_lines

__all__ = ["Scene", "Solid", "View", "render_scene", "save_scenes_png"]

Floats = NDArray[np.float64]
_STEPS, _NEAR = 60, 2e-3
_LIGHT = np.array([0.35, -0.5, 0.8]) / np.linalg.norm([0.35, -0.5, 0.8])
_HEAD, _NOTE, _BELOW, _GAP = 11.0, 10.0, 0.15, 0.2


@dataclass(frozen=True)
class Solid:
    """A solid, its colour, and how much of what lies behind is seen through it.

    Attributes:
        distance: ``(n, 3) -> (n,)`` arrays, the distance to its surface or less.
        colour: ``#rrggbb``.
        clear: in [0, 1); 0 hides what is behind.
    """

    distance: Callable[[Floats], ArrayLike]
    colour: str
    clear: float = 0.0


@dataclass(frozen=True)
class View:
    """Where a camera without perspective looks from.

    Attributes:
        azimuth: degrees around the vertical axis, 0 from along x.
        elevation: degrees above the horizon.
        reach: half of the width that is seen, in the unit of the solids.
        size: width and height in pixels.
        center: what is in the middle.
    """

    azimuth: float = -60.0
    elevation: float = 30.0
    reach: float = 1.5
    size: tuple[int, int] = (360, 240)
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Scene:
    """One picture of solids, and a line above it."""

    name: str
    solids: Sequence[Solid]


def render_scene(solids: Sequence[Solid], view: View) -> NDArray[np.uint8]:
    """Return the picture ``(height, width, 3)`` of solids on white paper.

    Args:
        solids: all that is seen.
        view: from where.

    Raises:
        ValueError: there are no solids.

    Example:
        >>> ball = Solid(lambda x: np.linalg.norm(x, axis=1) - 0.5, "#2a6fdb")
        >>> picture = render_scene([ball], View(reach=1.0, size=(40, 30)))
        >>> picture.shape, picture[0, 0].tolist(), bool((picture[15, 20] < 250).any())
        ((30, 40, 3), [255, 255, 255], True)
    """
    if not solids:
        raise ValueError("a scene needs one solid or more.")
    return _picture(solids, [_layer(solid, view) for solid in solids], view)


def _picture(
    solids: Sequence[Solid], layers: Sequence[tuple[Floats, Floats]], view: View
) -> NDArray[np.uint8]:
    """Return what is seen of solids, of which each is seen alone already."""
    depth = np.stack([layer[0] for layer in layers])  # (solids, pixels), inf where it misses
    paper = np.full((depth.shape[1], 3), 255.0)
    pixels = np.arange(depth.shape[1])
    every = np.stack([layer[1] for layer in layers])
    for k in np.argsort(-depth, axis=0, kind="stable"):  # the farthest first
        hit = np.isfinite(depth[k, pixels])
        colours = every[k, pixels]
        clear = np.array([solid.clear for solid in solids])[k][:, None]
        mixed = clear * paper + (1 - clear) * colours
        paper = np.where(hit[:, None], mixed, paper)
    width, height = view.size
    return np.rint(paper).astype(np.uint8).reshape(height, width, 3)


def save_scenes_png(
    path: str | Path,
    scenes: Sequence[Scene],
    view: View | Sequence[View],
    *,
    across: int = 4,
    title: str = "",
    note: str = "",
) -> Path:
    """Draw scenes side by side and save that as a PNG.

    Args:
        path: where to; its folder is made if needed.
        scenes: one or more.
        view: from where; one for all, or one for each, of one size.
        across: how many in a row.
        title: the headline, or nothing.
        note: a line below.

    Returns:
        The path.

    Raises:
        ValueError: there are no scenes.
        PermissionError: the folder cannot be written to.
    """
    if not scenes:
        raise ValueError("scenes is empty; pass at least one.")
    views = [view] * len(scenes) if isinstance(view, View) else list(view)
    if len(views) != len(scenes):
        raise ValueError(f"there must be one view or {len(scenes)} views, but are {len(views)}.")
    across = min(across, len(scenes))
    wide = (WIDTH - 2 * MARGIN - (across - 1) * _GAP) / across
    tall = wide * views[0].size[1] / views[0].size[0]
    headline = title_lines(title)
    seen: dict[tuple[int, View], tuple[Floats, Floats]] = {}
    lines = fold(note, _NOTE, WIDTH - 2 * MARGIN, lines=3) if note else []
    top, step = title_height(headline) + 0.1, 0.3 + tall + _BELOW
    height = top + ceil(len(scenes) / across) * step + 0.2 * len(lines) + 0.1
    with Sheet.drawn(path, height) as sheet:
        sheet.title(headline)
        for k, (scene, one) in enumerate(zip(scenes, views, strict=True)):
            row, column = divmod(k, across)
            left, above = MARGIN + column * (wide + _GAP), top + row * step
            sheet.write(left, above, fold(scene.name, _HEAD, wide, lines=1), _HEAD)
            axes = sheet.axes(left, above + 0.3, wide, tall)
            axes.set_axis_off()
            for solid in scene.solids:  # many scenes show the same obstacles
                if (id(solid), one) not in seen:
                    seen[id(solid), one] = _layer(solid, one)
            layers = [seen[id(solid), one] for solid in scene.solids]
            axes.imshow(_picture(scene.solids, layers, one), interpolation="lanczos")
        if lines:
            sheet.write(MARGIN, height - 0.2 * len(lines) - 0.12, lines, _NOTE)
    return Path(path)


def _rays(view: View) -> tuple[Floats, Floats]:
    """Return where the ray of each pixel starts, and where all of them lead."""
    turn, lift = np.deg2rad(view.azimuth), np.deg2rad(view.elevation)
    back = np.array([np.cos(turn) * np.cos(lift), np.sin(turn) * np.cos(lift), np.sin(lift)])
    right = np.array([-np.sin(turn), np.cos(turn), 0.0])
    up = np.cross(back, right)
    width, height = view.size
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = (1 - (np.arange(height) + 0.5) / height * 2) * height / width
    across, along = np.meshgrid(x, y)
    places = across[..., None] * right + along[..., None] * up
    start = np.asarray(view.center) + view.reach * (places + 3 * back)
    return start.reshape(-1, 3), -back


def _layer(solid: Solid, view: View) -> tuple[Floats, Floats]:
    """Return how far along each ray the solid lies, ``inf`` for never, and its colour there."""
    start, ahead = _rays(view)
    near, far = _NEAR * view.reach, 6 * view.reach
    depth = np.zeros(len(start))
    going = np.arange(len(start))
    hit = np.zeros(len(start), dtype=bool)
    for _ in range(_STEPS):
        d = _call(solid, start[going] + depth[going, None] * ahead)
        hit[going[d < near]] = True
        depth[going] += np.maximum(d, 0)
        going = going[(d >= near) & (depth[going] < far)]
        if not len(going):
            break
    where = hit.nonzero()[0]
    colours = np.zeros((len(start), 3))
    colours[where] = _shaded(solid, start[where] + depth[where, None] * ahead, -ahead)
    return np.where(hit, depth, np.inf), colours


def _shaded(solid: Solid, points: Floats, back: Floats) -> Floats:
    step = 1e-3
    moves = step * np.eye(3)
    slope = np.stack([_call(solid, points + m) - _call(solid, points - m) for m in moves], axis=1)
    normal = slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12)
    light = 0.62 + 0.38 * np.clip(normal @ _LIGHT, 0, 1)
    rim = np.clip(normal @ back, 0, 1) ** 0.35  # darker where the surface turns away
    gleam = 60 * np.clip(normal @ _LIGHT, 0, 1)[:, None] ** 24
    return np.clip(np.array(rgb(solid.colour)) * (light * rim)[:, None] + gleam, 0, 255)


def _call(solid: Solid, points: Floats) -> Floats:
    return np.asarray(solid.distance(points), dtype=np.float64)
