"""Film strips: what lies on the ways from starts to targets, frame by frame, still and moving.

One :class:`Film` holds one kind of path for every pair. The still picture has a block for every
pair, a row for every kind, a column for every frame; in the moving one every kind and pair has one
tile. The border of a frame always is the colour of its verdict.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from xhat.core import atomic_write, check_positive
from xhat.judges.outcomes import Outcome
from xhat.report.checks import as_outcome, as_pixels, check_shape
from xhat.report.drawing import colour_index, enlarge, font_of, wrap, write
from xhat.report.palette import COLOURS, INK, MUTED, PAPER, label, legend

__all__ = ["Film", "save_films_gif", "save_films_png"]

_TILE, _BORDER, _GAP = 56, 5, 3  # pixels: two to one of a digit's
_PITCH = _TILE + 2 * _BORDER + _GAP
_MARGIN, _NAMES, _HEAD, _APART = 40, 210, 64, 44  # around, for names, above a block, between blocks
_TITLE, _LEGEND, _LINE = 84, 34, 22
_MOVING = 112  # from one pair to the next in an animation, room for its name
_GREYS = 32  # of an animation
_WIDE = 1200  # pixels, from which on words are larger and a legend has two columns


@dataclass(frozen=True, eq=False)
class Film:
    """One kind of path, for ``p`` pairs of a start and a target, as grey pictures.

    Args:
        name: of the kind.
        caption: what it is, in a few words.
        frames: ``(p, F, h, w)`` in [0, 1].
        outcomes: ``(p, F)`` outcomes or their names.

    Raises:
        TypeError: pictures that are not floating point.
        ValueError: pixels that are not finite or outside [0, 1], not one outcome for each frame, or
            a word that is no outcome.

    Example:
        >>> film = Film("line", "", np.zeros((1, 3, 4, 4)), [["genuine", "adversarial", "genuine"]])
        >>> film.frames.shape, film.outcomes[0][1]
        ((1, 3, 4, 4), <Outcome.ADVERSARIAL: 'adversarial'>)
    """

    name: str
    caption: str
    frames: NDArray[Any]
    outcomes: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        name = f"the film {self.name!r}"
        frames = as_pixels(f"frames of {name}", self.frames, ndim=4)
        rows = [list(row) for row in self.outcomes]
        for row in rows:
            check_shape(f"outcomes of {name}", (len(rows), len(row)), frames.shape[:2])
        check_shape(f"outcomes of {name}", (len(rows), frames.shape[1]), frames.shape[:2])
        words = tuple(tuple(as_outcome(f"outcomes of {name}", w) for w in row) for row in rows)
        object.__setattr__(self, "frames", frames)  # the record is frozen
        object.__setattr__(self, "outcomes", words)


def save_films_png(
    path: str | Path,
    films: Sequence[Film],
    pairs: Sequence[str],
    *,
    title: str = "",
    note: str = "",
) -> Path:
    """Draw a block for every pair with a strip for every kind of path, and save that as a PNG.

    Args:
        path: where to; its folder is made if needed.
        films: one per kind, all of the same pairs and with as many frames.
        pairs: their names, such as ``"from a 3 to an 8"``.
        title: the headline, or nothing.
        note: a line below it.

    Returns:
        The path.

    Raises:
        TypeError: something that is no ``Film``.
        ValueError: no films, films that do not fit together, or not one name for each pair.
        PermissionError: the folder cannot be written to.
    """
    films = _alike(films, pairs)
    p, frames = films[0].frames.shape[:2]
    across = 1 if p == 1 else 2
    wide = _NAMES + frames * _PITCH
    tall = _HEAD + len(films) * _PITCH
    top = _MARGIN + (_TITLE if title else 0)
    bottom = top + ceil(p / across) * (tall + _APART)
    width = 2 * _MARGIN + across * wide + (across - 1) * _APART
    image, pen = _paper(width, bottom + _legend_height(films, width) + _MARGIN)
    _headline(pen, title, note, width)
    for k, pair in enumerate(pairs):
        left = _MARGIN + k % across * (wide + _APART)
        y = top + k // across * (tall + _APART)
        write(pen, (left, y), pair, 24, bold=True)
        ends = ((0, "start", "la"), (frames - 1, "end", "ra"))
        for column, word, anchor in ends:
            x = left + _NAMES + column * _PITCH + (_PITCH - _GAP if anchor == "ra" else 0)
            write(pen, (x, y + _HEAD - 26), word, 16, colour=MUTED, anchor=anchor)
        for i, film in enumerate(films):
            row = y + _HEAD + i * _PITCH
            _name(pen, (left, row), film)
            for j in range(frames):
                place = left + _NAMES + j * _PITCH, row
                _frame(image, pen, place, film.frames[k, j], film.outcomes[k][j])
    _legend(pen, films, bottom, width)
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)
    return Path(path)


def save_films_gif(
    path: str | Path,
    films: Sequence[Film],
    pairs: Sequence[str],
    *,
    title: str = "",
    duration: float = 4.0,
    pause: float = 1.2,
) -> Path:
    """Save all paths as they go, there and back, as an endless animated GIF.

    A row is a kind of path, a column a pair; the border is the verdict on the frame that is shown.

    Args:
        path: where to; its folder is made if needed.
        films: as of :func:`save_films_png`.
        pairs: their names.
        title: the headline, or nothing.
        duration: seconds from a start to its end.
        pause: seconds for which both ends stay.

    Returns:
        The path.

    Raises:
        TypeError: something that is no ``Film``.
        ValueError: no films, films that do not fit together, or a time that is not above 0.
        PermissionError: the folder cannot be written to.
    """
    films = _alike(films, pairs)
    for name, value in (("duration", duration), ("pause", pause)):
        check_positive(name, value)
    p, count = films[0].frames.shape[:2]
    top = _MARGIN + (_HEAD // 2 if title else 0)
    below = top + _HEAD + len(films) * _PITCH + _APART // 2
    width = max(2 * _MARGIN + _NAMES + p * _MOVING, 740)
    still, pen = _paper(width, below + _legend_height(films, width) + _MARGIN)
    _headline(pen, title, "", width)
    for k, pair in enumerate(pairs):
        place = _MARGIN + _NAMES + k * _MOVING, top + _HEAD - 26
        write(pen, place, pair, 15, bold=True, room=_MOVING - 6)
    for i, film in enumerate(films):
        _name(pen, (_MARGIN, top + _HEAD + i * _PITCH), film)
    _legend(pen, films, below, width)
    palette, shown = _palette(), []
    for j in range(count):
        image = still.copy()
        for i, film in enumerate(films):
            for k in range(p):
                place = _MARGIN + _NAMES + k * _MOVING, top + _HEAD + i * _PITCH
                pen = ImageDraw.Draw(image)
                _frame(image, pen, place, film.frames[k, j], film.outcomes[k][j])
        shown.append(image.quantize(palette=palette, dither=Image.Dither.NONE))
    order = [*range(count), *range(count - 2, 0, -1)]
    step, stay = max(20, round(1000 * duration / count)), max(20, round(1000 * pause))
    stream = io.BytesIO()
    shown[0].save(
        stream,
        format="GIF",
        save_all=True,
        append_images=[shown[j] for j in order[1:]],
        duration=[stay if j in (0, count - 1) else step for j in order],
        loop=0,
        optimize=True,
        disposal=1,
    )
    with atomic_write(path) as temporary:
        temporary.write_bytes(stream.getvalue())
    return Path(path)


def _alike(films: Sequence[Film], pairs: Sequence[str]) -> tuple[Film, ...]:
    for film in films:
        if not isinstance(film, Film):
            raise TypeError(f"films must be Film records, not {type(film).__name__}.")
    if not films:
        raise ValueError("films is empty; pass at least one.")
    for film in films:
        check_shape(f"frames of the film {film.name!r}", film.frames.shape, films[0].frames.shape)
    if len(pairs) != len(films[0].frames):
        raise ValueError(
            f"pairs must name each of {len(films[0].frames)} pairs, but has {len(pairs)} names."
        )
    return tuple(films)


def _paper(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width, height), PAPER)
    return image, ImageDraw.Draw(image)


def _palette() -> Image.Image:
    """Return one palette for all frames, so that a colour is the same in each."""
    greys = [f"#{v:02x}{v:02x}{v:02x}" for v in np.rint(np.linspace(0, 255, _GREYS)).astype(int)]
    reference = Image.new("P", (1, 1))
    reference.putpalette(colour_index([*greys, *COLOURS.values()]))
    return reference


def _headline(pen: ImageDraw.ImageDraw, title: str, note: str, width: int) -> None:
    room, wide = width - 2 * _MARGIN, width > _WIDE
    write(pen, (_MARGIN, _MARGIN - 8), title, 34 if wide else 22, bold=True, colour=INK, room=room)
    size, line = (20, 28) if wide else (14, 19)
    for n, words in enumerate(wrap(note, font_of(size, bold=False), room, lines=2)):
        write(pen, (_MARGIN, _MARGIN + (38 if wide else 26) + n * line), words, size, colour=MUTED)


def _name(pen: ImageDraw.ImageDraw, place: tuple[int, int], film: Film) -> None:
    left, top = place
    write(pen, (left, top + 4), film.name, 18, bold=True, room=_NAMES - 10)
    for n, line in enumerate(wrap(film.caption, font_of(13, bold=False), _NAMES - 14, lines=2)):
        write(pen, (left, top + 28 + 16 * n), line, 13, colour=MUTED)


def _frame(
    image: Image.Image,
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    picture: NDArray[np.float32],
    outcome: str,
) -> None:
    left, top = place
    side = _TILE + 2 * _BORDER
    pen.rectangle((left, top, left + side - 1, top + side - 1), fill=COLOURS[Outcome(outcome)])
    tile = enlarge(picture, (_TILE, _TILE))
    image.paste(Image.fromarray(tile), (left + _BORDER, top + _BORDER))


def _entries(films: Sequence[Film]) -> list[Outcome]:
    found = {word for film in films for row in film.outcomes for word in row}
    return [entry.outcome for entry in legend(found)]


def _legend_height(films: Sequence[Film], width: int) -> int:
    return ceil(len(_entries(films)) / (2 if width > _WIDE else 1)) * _LEGEND


def _legend(pen: ImageDraw.ImageDraw, films: Sequence[Film], top: int, width: int) -> None:
    columns = 2 if width > _WIDE else 1
    each = (width - 2 * _MARGIN) // columns
    for n, outcome in enumerate(_entries(films)):
        x, y = _MARGIN + n % columns * each, top + n // columns * _LEGEND
        pen.rectangle((x, y, x + _LINE - 1, y + _LINE - 1), fill=COLOURS[outcome])
        write(pen, (x + _LINE + 10, y), label(outcome), 17, bold=True)
        taken = round(font_of(17, bold=True).getlength(label(outcome))) + _LINE + 24
        room = each - taken - 10
        write(pen, (x + taken, y + 1), outcome.meaning, 15, colour=MUTED, room=room)
