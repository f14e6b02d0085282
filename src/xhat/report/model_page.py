"""The page of a trained model: what it is, what was measured of it, and where its gradient leads.

One file without network or script, laid out like the page of a study.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xhat.core import atomic_write
from xhat.judges.outcomes import Outcome
from xhat.report.checks import as_outcome
from xhat.report.pages import LESS, MORE, picture_of, render, segments
from xhat.report.palette import INK, ORDER, rgb

__all__ = ["ModelPage", "save_gradients_png", "save_model_page"]

_TILE, _GAP = 104, 8  # pixels


@dataclass(frozen=True)
class ModelPage:
    """What is shown of a trained model.

    Attributes:
        name: of the model.
        lead: what it is, in one or two sentences.
        tables: by heading, the rows of each: what was measured, and the value in words.
        steering: by method, how many results had each outcome.
        pictures: PNG files by heading, each with its caption.
        facts: how it was made.
        remarks: what a reader should know.
        note: a line below the headline of steering, such as from where to what was searched.

    Raises:
        ValueError: steering without results, or an outcome that is none.
    """

    name: str
    lead: str
    tables: Mapping[str, tuple[tuple[str, str], ...]]
    steering: Mapping[str, Mapping[Any, int]] = field(default_factory=dict)
    pictures: tuple[tuple[str, Path, str], ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    note: str = "Verdicts of judges that the search never saw."

    def __post_init__(self) -> None:
        clean = {}
        for method, counts in self.steering.items():
            given = {as_outcome(f"counts of {method!r}", k): int(v) for k, v in counts.items()}
            if sum(given.values()) < 1:
                raise ValueError(f"steering by {method!r} must have results, but has none.")
            clean[method] = {outcome: given[outcome] for outcome in ORDER if given.get(outcome)}
        object.__setattr__(self, "steering", clean)  # the record is frozen


def save_model_page(path: str | Path, page: ModelPage) -> Path:
    """Save the page of a model: one HTML file with all pictures and styles inside.

    Args:
        path: where to; its folder is made if needed.
        page: what is shown.

    Returns:
        The path.

    Raises:
        UnreadableFileError: a picture is missing, or is no PNG.
        PermissionError: the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> page = ModelPage("plain", "A textbook classifier.", {"Accuracy": (("right", "99 %"),)})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     "textbook" in save_model_page(f"{folder}/plain.html", page).read_text("utf-8")
        True
    """
    html = render(
        "model.html",
        title=page.name,
        lead=page.lead,
        page=page,
        bars={
            method: {
                "n": sum(counts.values()),
                "genuine": counts.get(Outcome.GENUINE, 0) / sum(counts.values()),
                "parts": segments(counts),
            }
            for method, counts in page.steering.items()
        },
        pictures=[
            {"heading": heading} | picture_of(file, caption)
            for heading, file, caption in page.pictures
        ],
        facts=dict(page.facts),
        sprites=[],
    )
    with atomic_write(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return Path(path)


def save_gradients_png(
    path: str | Path, images: NDArray[np.float32], gradients: NDArray[np.float32]
) -> Path:
    """Draw images, and below each the direction in which its own class becomes likelier.

    Every gradient is scaled by its own largest value: orange is more ink, blue is less.

    Args:
        path: where to; its folder is made if needed.
        images: ``(n, h, w)`` in [0, 1].
        gradients: ``(n, h, w)``, of the loss; drawn with the sign turned.

    Raises:
        ValueError: the shapes differ, or a value is not finite.
        PermissionError: the folder cannot be written to.
    """
    if images.ndim != 3 or images.shape != gradients.shape or not len(images):
        raise ValueError(
            f"images and gradients must both be (n, h, w), but have {images.shape} and "
            f"{gradients.shape}."
        )
    if not np.isfinite(gradients).all():
        raise ValueError("gradients must be finite.")
    size = (_GAP + len(images) * (_TILE + _GAP), 2 * _TILE + 3 * _GAP)
    sheet = Image.new("RGB", size, INK)
    for k, (image, gradient) in enumerate(zip(images, gradients, strict=True)):
        grey = np.repeat(np.rint(255 * np.clip(image, 0, 1))[..., None], 3, axis=2)
        for row, tile in enumerate((grey.astype(np.uint8), _coloured(-gradient))):
            picture = Image.fromarray(tile).resize((_TILE, _TILE), Image.Resampling.NEAREST)
            sheet.paste(picture, (_GAP + k * (_TILE + _GAP), _GAP + row * (_TILE + _GAP)))
    with atomic_write(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)
    return Path(path)


def _coloured(change: NDArray[np.float32]) -> NDArray[np.uint8]:
    share = (change / max(float(np.abs(change).max()), 1e-12))[..., None]
    more, less = np.array(rgb(MORE)), np.array(rgb(LESS))
    paper = np.full(3, 255.0)
    colour = np.where(share > 0, more, less)
    return np.rint(paper + np.abs(share) * (colour - paper)).astype(np.uint8)
