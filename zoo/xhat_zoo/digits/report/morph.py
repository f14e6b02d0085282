"""The moving picture: the states of every search, then the verdicts; nothing is made up in between.

A GIF has one palette and stores what differs from the frame before. So greys are rounded to a few
levels, and a pixel is redrawn only when it has moved by more than one level; the last frame is
exact. If the file still is too large, moments and levels are left out until it fits.
"""

import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xhat.core import atomic_write, check_positive
from xhat.report.drawing import colour_index, enlarge
from xhat.report.palette import COLOURS, FAINT, INK, MUTED
from xhat_zoo.digits.report.board import Board
from xhat_zoo.digits.report.records import MethodGrid, check_alike

__all__ = ["save_morph_gif"]

_STILL = "no way from the start: shown still"
_COARSER = ((1.0, 24), (0.7, 16), (0.5, 12), (0.35, 8), (0.2, 6), (0.1, 4))


def save_morph_gif(
    path: str | Path,
    grids: Sequence[MethodGrid],
    *,
    title: str = "",
    duration: float = 5.0,
    pause: float = 4.0,
    max_frames: int = 36,
    max_bytes: int = 4_000_000,
) -> Path:
    """Save how the grids change over the search as an endless animated GIF.

    It begins with the starts, moves through ``frames`` (methods with fewer or more of them end
    together), and rests on the candidates with the borders of their verdicts. A method without
    frames has no way from the start: it shows its candidates all the time, and says so.

    Args:
        path: where to; its folder is made if needed.
        grids: one per method, all of one shape; at least one has ``frames``.
        title: the headline.
        duration: seconds of movement.
        pause: seconds for which the last frame stays.
        max_frames: at most so many moments of the search are shown.
        max_bytes: the largest file; a coarser movement is drawn if the finest does not fit.

    Returns:
        The path.

    Raises:
        TypeError: something that is no ``MethodGrid``.
        ValueError: no grids, grids that do not fit side by side, none with frames, or a size that
            even the coarsest movement exceeds.
        PermissionError: the folder cannot be written to.
    """
    grids = check_alike(grids)
    for name, value in (("duration", duration), ("pause", pause), ("max_frames", max_frames)):
        check_positive(name, value)
    if all(grid.frames is None for grid in grids):
        raise ValueError("no grid has frames, so nothing moves; record the searches' trajectories.")
    board = _board(grids, title)
    data = b""
    for share, levels in _COARSER:
        moments = max(2, round(max_frames * share))
        data = _encode(board, moments, levels, duration, pause)
        if len(data) <= max_bytes:
            break
    if len(data) > max_bytes:
        raise ValueError(
            f"the movement takes {len(data):,} bytes at its coarsest, more than {max_bytes:,}; "
            f"allow more or show fewer methods."
        )
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)


def _board(grids: Sequence[MethodGrid], title: str) -> Board:
    h, w = grids[0].images.shape[2:]
    scale = max(1, 28 // max(h, w)) if max(h, w) <= 40 else 28 / max(h, w)
    tile = max(1, round(w * scale)), max(1, round(h * scale))
    named = [
        grid if grid.frames is not None else replace(grid, caption=f"{grid.caption} ({_STILL})")
        for grid in grids
    ]
    return Board(named, tile, 0.5, title, explain=False)


def _encode(board: Board, moments: int, levels: int, duration: float, pause: float) -> bytes:
    palette = _palette(levels)
    still = _indexed(board.draw(verdicts=False), palette)
    shown = [_moment(board, still, t / (moments - 1), levels) for t in range(moments)]
    for before, now in pairwise(shown):
        unchanged = np.abs(now.astype(np.int16) - before) <= 1
        grey = (now < levels) & (before < levels)
        np.copyto(now, before, where=unchanged & grey)
    last = _indexed(board.draw(verdicts=True), palette)
    shown.append(_filled(board, last, [grid.images for grid in board.grids], levels))
    frames = []
    for indices in shown:
        frame = Image.fromarray(indices, mode="P")
        frame.putpalette(palette)
        frames.append(frame)
    step = max(20, round(duration * 1000 / moments))
    times = [min(600, 4 * step), *[step] * (moments - 1), max(20, round(pause * 1000))]
    stream = io.BytesIO()
    frames[0].save(
        stream,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=times,
        loop=0,
        optimize=True,
        disposal=1,
    )
    return stream.getvalue()


def _moment(board: Board, still: NDArray[np.uint8], part: float, levels: int) -> NDArray[np.uint8]:
    """Return the frame at ``part`` of the way, in [0, 1]."""
    pictures = []
    for grid in board.grids:
        if grid.frames is None:
            pictures.append(grid.images)
        elif part == 0:
            pictures.append(np.broadcast_to(grid.starts[:, None], grid.images.shape))
        else:
            pictures.append(grid.frames[round(part * (len(grid.frames) - 1))])
    return _filled(board, still, pictures, levels)


def _filled(
    board: Board,
    still: NDArray[np.uint8],
    pictures: Sequence[NDArray[np.float32]],
    levels: int,
) -> NDArray[np.uint8]:
    out = still.copy()
    tiles = [
        np.rint(enlarge(p, board.tile) / 255 * (levels - 1)).astype(np.uint8) for p in pictures
    ]
    for k, i, j in board.places():
        left, top, right, bottom = board.inside(k, i, j)
        out[top:bottom, left:right] = tiles[k][i, j]
    return out


def _palette(levels: int) -> list[int]:
    greys = [f"#{v:02x}{v:02x}{v:02x}" for v in np.rint(np.linspace(0, 255, levels)).astype(int)]
    return colour_index([*greys, *COLOURS.values(), FAINT, INK, MUTED])


def _indexed(image: Image.Image, palette: list[int]) -> NDArray[np.uint8]:
    reference = Image.new("P", (1, 1))
    reference.putpalette(palette)
    return np.array(image.quantize(palette=reference, dither=Image.Dither.NONE))
