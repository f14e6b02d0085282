"""Rendered signs that are no digits, from the fonts that matplotlib carries.

Signs that look like a digit when they are slanted by up to 45° are left out by hand: O is a 0,
l a 1, Z a 2, Э a 3, S a 5, б a 6, T a 7, B an 8, q a 9, and so on. Of the rest, the ones for
training and the ones for testing share neither letters nor fonts.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from xhat.core import check_choice, extra

if TYPE_CHECKING:
    from PIL import ImageFont

__all__ = ["TEST_FONTS", "TEST_LETTERS", "TRAINING_FONTS", "TRAINING_SIGNS", "render", "signs"]

TRAINING_SIGNS = (
    "EKMNfkrth" + "ΓΔΛΞΠΣΦΨαγηκλμξπφχψω" + "ЖЙИЛПФХЦШЩЪЫЮЯДжйлпфшщюяд" + "#%&+=≠≈√∇∀∃★♣♥⇒↔⊗▲▼◆■"
)
TRAINING_FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSansMono",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
)
TEST_LETTERS = "AFHRWXmnwx"
TEST_FONTS = (
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "cmr10",
    "cmss10",
    "cmtt10",
    "cmti10",
)
_FONTS = (*TRAINING_FONTS, *TEST_FONTS)
_NEEDS = "signs, which are drawn with fonts, need"
_FINER = 4  # times finer than the picture, then averaged
_BOX = 20  # pixels: the longer side of a sign, as MNIST's digits have it


@functools.cache
def signs(letters: str, fonts: tuple[str, ...]) -> Tensor:
    """Return every letter in every font that has it, ``(n, 1, 28, 28)`` in [0, 1].

    Example:
        >>> signs("AB", ("cmr10",)).shape
        torch.Size([2, 1, 28, 28])
    """
    return torch.stack([render(c, font) for font in fonts for c in _known(letters, font)])


def render(letter: str, font: str) -> Tensor:
    """Return one sign, white on black, upright and centred, ``(1, 28, 28)`` in [0, 1].

    Args:
        letter: one character.
        font: a file of matplotlib's, without its ending.
    """
    side = 28 * _FINER
    face = _face(check_choice("font", font, _FONTS))
    left, top, right, bottom = face.getbbox(letter)
    scale = _BOX * _FINER / max(right - left, bottom - top)
    face = face.font_variant(size=max(1, round(face.size * scale)))
    left, top, right, bottom = face.getbbox(letter)
    with extra("report", _NEEDS):
        from PIL import Image, ImageDraw
    picture = Image.new("L", (side, side), 0)
    at = ((side - left - right) / 2, (side - top - bottom) / 2)
    ImageDraw.Draw(picture).text(at, letter, fill=255, font=face)
    small = picture.resize((28, 28), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(small, dtype=np.float32) / 255)[None]


@functools.cache
def _face(font: str) -> "ImageFont.FreeTypeFont":
    with extra("report", _NEEDS):
        import matplotlib
        from PIL import ImageFont
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    return ImageFont.truetype(str(path), 20 * _FINER)


def _known(letters: Sequence[str], font: str) -> list[str]:
    """Return the letters that the font draws as something else than its sign for "unknown"."""
    unknown = render("\uffff", font)
    return [c for c in letters if not torch.equal(render(c, font), unknown)]
