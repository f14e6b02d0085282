"""The still picture: what every method made of every pair, with the verdict as the border."""

from collections.abc import Sequence
from math import floor
from pathlib import Path

from PIL import Image

from xhat.core import atomic_write, check_positive
from xhat.report.drawing import enlarge
from xhat_zoo.digits.report.board import Board, panels_across
from xhat_zoo.digits.report.records import MethodGrid, check_alike

__all__ = ["save_grid_png"]


def save_grid_png(
    path: str | Path, grids: Sequence[MethodGrid], *, title: str = "", width: int = 2400
) -> Path:
    """Draw the methods' grids side by side, with one legend, and save them as a PNG.

    Args:
        path: where to; its folder is made if needed.
        grids: one per method, all of one shape and with the same labels.
        title: the headline.
        width: about how wide the picture becomes, in pixels; small pictures are enlarged by whole
            factors only, so the result may be a little wider or narrower.

    Returns:
        The path.

    Raises:
        TypeError: something that is no ``MethodGrid``.
        ValueError: no grids, or grids that do not fit side by side.
        PermissionError: the folder cannot be written to.
    """
    image = draw_grids(check_alike(grids), title=title, width=width)
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)
    return Path(path)


def draw_grids(grids: Sequence[MethodGrid], *, title: str, width: int) -> Image.Image:
    """Return the picture that :func:`save_grid_png` saves."""
    board = board_of(grids, title=title, width=width)
    image = board.draw(verdicts=True)
    tiles = [enlarge(grid.images, board.tile) for grid in board.grids]
    for k, i, j in board.places():
        image.paste(Image.fromarray(tiles[k][i, j]), board.inside(k, i, j)[:2])
    return image


def board_of(grids: Sequence[MethodGrid], *, title: str, width: int) -> Board:
    """Return the board of about ``width`` pixels that holds ``grids``."""
    check_positive("width", width)
    c, h, w = grids[0].images.shape[1:]
    unit = min(1.0, max(0.5, width / 2400))
    across = panels_across(len(grids))
    panel = (width - 112 * unit - (across - 1) * 72 * unit) / across
    room = (panel - 56 * unit) / (c + 1) / 1.22  # a cell is a tile, its border and its gap
    scale = room / w
    scale = min(max(1, floor(scale + 0.5)), 6) if scale >= 0.75 else max(scale, 4 / w)
    return Board(grids, (max(1, round(scale * w)), max(1, round(scale * h))), unit, title)
