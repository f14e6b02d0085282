"""What all pages share: pictures as sprites, bars of outcomes, and the templates' tools.

Many pictures travel as one sprite, a PNG that holds them all, and every place on the page shows
its own part of it. A change is drawn in two colours of which neither is light or dark, over
whatever the page's paper is: more ink is orange, less is blue, and none is no colour at all. The
two stay apart for colour-blind eyes. Whatever comes from outside is escaped by jinja2.
"""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

from xhat.core import UnreadableFileError
from xhat.judges.outcomes import Outcome
from xhat.report.palette import COLOURS, MARKS, ink_on, label, legend, rgb

__all__ = ["LESS", "MORE", "Sprite", "Sprites", "data_uri", "picture_of", "render", "segments"]

MORE, LESS = "#c85200", "#2a6fdb"
"""The colours of more and of less ink; both keep 3:1 to a white and to a near-black page."""


@dataclass(frozen=True)
class Sprite:
    """One PNG that holds ``rows × columns`` pictures, each with a rim that repeats its edge."""

    name: str
    uri: str
    shape: tuple[int, int, int, int]

    @property
    def aspect(self) -> str:
        """CSS aspect-ratio of one picture."""
        _, _, h, w = self.shape
        return f"{w}/{h}"

    @property
    def size(self) -> str:
        """CSS background-size at which one picture fills its box."""
        r, c, h, w = self.shape
        return f"{_short(c * (w + 2) / w * 100)}% {_short(r * (h + 2) / h * 100)}%"

    def place(self, i: int, j: int) -> str:
        """CSS background-position of the picture ``(i, j)``."""
        r, c, h, w = self.shape
        x = (j * (w + 2) + 1) / (c * (w + 2) - w) * 100
        y = (i * (h + 2) + 1) / (r * (h + 2) - h) * 100
        return f"{_short(x)}% {_short(y)}%"

    def at(self, k: int) -> str:
        """CSS background-position of picture ``k``, counted row by row."""
        return self.place(*divmod(k, self.shape[1]))


class Sprites:
    """The sprites of a page; equal pictures are stored once."""

    def __init__(self) -> None:
        self.known: list[Sprite] = []

    def add(self, pictures: NDArray[np.float32]) -> Sprite:
        """Return the sprite of ``(r, c, h, w)`` pictures in [0, 1]."""
        sheet = np.rint(_padded(pictures) * 255).astype(np.uint8)
        return self._keep(Image.fromarray(sheet), pictures.shape)

    def add_list(self, pictures: NDArray[np.float32]) -> Sprite:
        """Return the sprite of ``(n, h, w)`` pictures in [0, 1], laid out about square."""
        return self.add(_squared(pictures))

    def add_changes(self, changes: NDArray[np.float32]) -> Sprite:
        """Return the sprite of ``(n, h, w)`` changes in [-1, 1], transparent where they are 0."""
        squared = _squared(changes)
        image = Image.fromarray(np.rint(127 * _padded(squared) + 127).astype(np.uint8))
        less, more = [list(rgb(LESS))] * 127, [list(rgb(MORE))] * 128
        image.putpalette([channel for colour in less + more for channel in colour])
        image.info["transparency"] = bytes(
            min(255, round(255 * abs(k - 127) / 127)) for k in range(255)
        )
        return self._keep(image, squared.shape)

    def _keep(self, sheet: Image.Image, shape: tuple[int, ...]) -> Sprite:
        uri = data_uri(sheet, "PNG")
        for sprite in self.known:
            if sprite.uri == uri:
                return sprite
        r, c, h, w = shape
        self.known.append(Sprite(f"s{len(self.known)}", uri, (r, c, h, w)))
        return self.known[-1]


def segments(counts: Mapping[Outcome, int]) -> list[dict[str, Any]]:
    """Return the parts of a bar of outcomes, as the template's ``bar`` draws them."""
    total = sum(counts.values())
    return [
        {"outcome": o, "label": label(o), "count": n, "share": n / total, "ink": ink_on(COLOURS[o])}
        for o, n in counts.items()
        if n
    ]


def data_uri(image: Image.Image, kind: str) -> str:
    """Return a picture as a ``data:`` address."""
    stream = io.BytesIO()
    image.save(stream, format=kind, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"


def picture_of(path: Path, caption: str) -> dict[str, Any]:
    """Return a PNG, or a GIF that moves, as a ``data:`` address, with its size."""
    try:
        data = Path(path).read_bytes()
        with Image.open(io.BytesIO(data), formats=["PNG", "GIF"]) as image:
            image.load()
            (width, height), kind = image.size, image.get_format_mimetype()
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read as a PNG or a GIF ({error}).") from error
    uri = f"data:{kind};base64," + base64.b64encode(data).decode()
    return {"uri": uri, "caption": caption, "width": width, "height": height}


def render(template: str, folder: Path | None = None, /, **values: object) -> str:
    """Return the page that a template makes of ``values``; everything in them is escaped.

    Args:
        template: its name.
        folder: where it is looked for first; it may extend those of this room.
        **values: what it shows.
    """
    ours = PackageLoader("xhat.report")
    environment = Environment(
        loader=ours if folder is None else ChoiceLoader([FileSystemLoader(folder), ours]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=_percent, number=_number, label=label, p_value=_p_value)
    environment.globals.update(
        COLOURS=COLOURS, MARKS=MARKS, MORE=MORE, LESS=LESS, ink_on=ink_on, legend=legend()
    )
    return environment.get_template(template).render(values)


def _padded(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    r, c, h, w = pictures.shape
    padded = np.pad(pictures, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    return padded.transpose(0, 2, 1, 3).reshape(r * (h + 2), c * (w + 2))


def _squared(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    n, h, w = pictures.shape
    columns = ceil(sqrt(n))
    rows = ceil(n / columns)
    filled = np.concatenate([pictures, np.zeros((rows * columns - n, h, w), pictures.dtype)])
    return filled.reshape(rows, columns, h, w)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.0f}\u202f%"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _p_value(value: float) -> str:
    return f"{value:.2g}"


def _short(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
