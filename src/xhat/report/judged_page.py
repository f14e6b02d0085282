"""The page of a judgement: every sample, and why the judges said what they said of it.

One file without network. A gallery shows the samples, to be filtered by outcome and by target; one
that is chosen opens its reasons: the picture beside the nearest real ones, what changed, what each
judge saw, how unusual every axis calls it, the rule that decided and the evidence. Without
JavaScript the same reasons stand below the gallery, one after another.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xhat.core import atomic_write
from xhat.report.drawing import enlarge
from xhat.report.judged import Chosen, JudgedRecord, select_evenly
from xhat.report.pages import Sprite, Sprites, render, segments
from xhat.report.palette import ORDER, legend

__all__ = ["MOST", "save_judged_page"]

MOST = 240
"""The samples that one page shows; of more, an even selection."""

_SIDE = 96  # pixels to which larger pictures are shrunk, so that the file can be mailed
_CLASSES = 14  # what a table of votes lists; of more, those that matter
_LISTED = 20  # rows of the tables of what to believe and what to simulate
_TARGETS = 40  # rows of the table by target
_FAINT = 0.05  # a change that never exceeds it is drawn faint


def save_judged_page(
    path: str | Path,
    samples: JudgedRecord,
    *,
    title: str,
    lead: str,
    facts: Mapping[str, object] | None = None,
    notes: Sequence[str] = (),
    chosen: Chosen | None = None,
) -> Path:
    """Save the page of a judgement: one HTML file with all pictures, styles and the script inside.

    Args:
        path: where to; its folder is made if needed.
        samples: what was judged; the numbers count all, the gallery shows at most ``MOST``.
        title: what this is about; the headline.
        lead: what is seen, in one sentence.
        facts: of the run, such as seed, versions, command and seconds, in the order of reading.
        notes: further paragraphs for "How to read this", such as what the judges are.
        chosen: which samples may be believed together; None if nobody asked.

    Returns:
        The path.

    Raises:
        TypeError: ``samples`` is no ``JudgedRecord``.
        PermissionError: the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> samples = JudgedRecord(
        ...     outcomes=["genuine"], rules=["no rule applies"], evidence=["the judges see a 3"],
        ...     axes=["likelihood"], p_values=np.array([[0.4]]), alpha=0.01, level=0.01,
        ... )
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = save_judged_page(f"{folder}/judged.html", samples, title="One", lead="3")
        ...     "no rule applies" in page.read_text("utf-8")
        True
    """
    if not isinstance(samples, JudgedRecord):
        raise TypeError(f"samples must be a JudgedRecord, not {type(samples).__name__}.")
    places = select_evenly(samples.outcomes, MOST)
    sprites = Sprites()
    html = render(
        "judged.html",
        title=title,
        lead=lead,
        samples=samples,
        total=len(samples),
        views=_views(samples, places, sprites),
        sprites=sprites.known,
        counts=_named(samples, segments(samples.counts())),
        targets=_targets(samples, places),
        by_target=_by_target(samples),
        present=[
            replace(entry, label=samples.word(entry.outcome))
            for entry in legend(samples.outcomes[i] for i in places)
        ],
        compared="the start" if samples.starts is not None else "the nearest real sample",
        chart=_chart(samples),
        facts=dict(facts or {}),
        notes=list(notes),
        chosen=chosen,
        listed=_LISTED,
    )
    with atomic_write(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return Path(path)


def _named(samples: JudgedRecord, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return parts of a bar, under the names that this page has for outcomes."""
    return [part | {"label": samples.word(part["outcome"])} for part in parts]


def _views(samples: JudgedRecord, places: list[int], sprites: Sprites) -> list[dict[str, Any]]:
    """Return what the page tells of every sample that it shows."""
    pictures = _pictures(samples, places, sprites)
    names = _target_numbers(samples)
    return [
        {
            "index": i,
            "outcome": samples.outcomes[i],
            "label": samples.word(samples.outcomes[i]),
            "target": samples.targets[i] if samples.targets is not None else None,
            "number": names[samples.targets[i]] if samples.targets is not None else 0,
            "rule": samples.rules[i],
            "lines": [line for line in samples.evidence[i].splitlines() if line.strip()],
            "votes": _votes(samples, i),
            "axes": _axes(samples, i),
            "names": samples.nearest_names[i],
            "changed": samples.changed[i] if samples.changed else "",
            **{name: value[k] for name, value in pictures.items()},
        }
        for k, i in enumerate(places)
    ]


def _pictures(samples: JudgedRecord, places: list[int], sprites: Sprites) -> dict[str, list[Any]]:
    """Return, under each name, what each sample shows there: ``(sprite's name, position)``."""
    if samples.pictures is None:
        return {}
    own = _fit(samples.pictures[places])
    shown: dict[str, list[Any]] = {"picture": _spots(sprites.add_list(own), len(own))}
    if samples.starts is not None:
        starts = _fit(samples.starts[places])
        shown["start"] = _spots(sprites.add_list(starts), len(own))
    if samples.nearest is not None:
        nearest = _fit(samples.nearest[places])
        q = nearest.shape[1]
        spots = _spots(sprites.add_list(nearest.reshape(-1, *own.shape[1:])), len(own) * q)
        shown["nearest"] = [spots[k * q : k * q + q] for k in range(len(own))]
    changes = samples.changes()
    if changes is not None:
        most = np.abs(changes[places]).max(axis=(1, 2))
        scale = np.maximum(most, _FAINT)[:, None, None]
        shades = 2 * _fit(0.5 + 0.5 * changes[places] / scale) - 1
        shown["change"] = _spots(sprites.add_changes(shades), len(own))
        shown["scale"] = [float(s) for s in scale.ravel()]
        shown["mean"] = [float(m) for m in np.abs(changes[places]).mean(axis=(1, 2))]
    return shown


def _fit(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return pictures ``(..., h, w)`` in [0, 1], shrunk if they are larger than the page needs."""
    h, w = pictures.shape[-2:]
    if max(h, w) <= _SIDE:
        return pictures
    tile = max(1, round(w * _SIDE / max(h, w))), max(1, round(h * _SIDE / max(h, w)))
    return (enlarge(pictures, tile) / 255).astype(np.float32)


def _spots(sprite: Sprite, n: int) -> list[tuple[str, str]]:
    return [(sprite.name, sprite.at(k)) for k in range(n)]


def _votes(samples: JudgedRecord, i: int) -> list[dict[str, Any]]:
    """Return the rows of the table of votes: a class, and each judge's share for it."""
    if samples.votes is None:
        return []
    votes = samples.votes[i]
    target = samples.targets[i] if samples.targets is not None else None
    last = len(samples.classes) - 1
    order = np.argsort(-votes.mean(axis=0), kind="stable")[:_CLASSES].tolist()
    wanted = [c for c, name in enumerate(samples.classes) if name == target]
    return [
        {
            "name": samples.classes[c],
            "wanted": c in wanted,
            "none": c == last,
            "shares": [float(v) for v in votes[:, c]],
        }
        for c in sorted({*order, *wanted, last})
    ]


def _axes(samples: JudgedRecord, i: int) -> list[dict[str, Any]]:
    """Return the rows of the chart of p-values, with places on it in percent."""
    decades = _decades(samples)
    return [
        {
            "name": name,
            "p": float(p),
            "place": _place(p, decades),
            "level": _place(level, decades),
            "unusual": bool(p < level),
        }
        for name, p, level in zip(samples.axes, samples.p_values[i], samples.levels, strict=True)
    ]


def _chart(samples: JudgedRecord) -> dict[str, Any]:
    decades = _decades(samples)
    step = ceil(decades / 3)
    ticks = [
        {"text": f"{10.0**-d:g}", "place": _place(10.0**-d, decades)}
        for d in range(decades, -1, -1)
        if d % step == 0
    ]
    same = len(set(samples.levels)) == 1
    return {"ticks": ticks, "decades": decades, "level": samples.levels[0] if same else None}


def _decades(samples: JudgedRecord) -> int:
    """Return how many powers of ten the chart of p-values spans: 2 to 8, all that occur."""
    values = [*samples.p_values[samples.p_values > 0].tolist(), *filter(None, samples.levels)]
    return min(8, max(2, -floor(log10(min(values, default=1.0)) + 1e-9)))


def _place(p: float, decades: int) -> float:
    """Return where ``p`` lies between ``10^-decades`` (0) and 1 (100)."""
    return 0.0 if p <= 0 else max(0.0, 100 * (1 + log10(p) / decades))


def _target_numbers(samples: JudgedRecord) -> dict[str, int]:
    """Return the targets in the order of their names, numbers by their size."""
    names = set(samples.targets or ())
    ordered = sorted(names, key=lambda t: (0, float(t), t) if t.isdecimal() else (1, 0.0, t))
    return {name: k for k, name in enumerate(ordered)}


def _targets(samples: JudgedRecord, places: list[int]) -> list[dict[str, Any]]:
    shown = Counter(samples.targets[i] for i in places) if samples.targets is not None else {}
    numbers = _target_numbers(samples)
    return [{"name": t, "number": k, "count": shown[t]} for t, k in numbers.items() if t in shown]


def _by_target(samples: JudgedRecord) -> list[dict[str, Any]]:
    """Return the outcomes of every target; nothing if there are too many targets, or one."""
    numbers = _target_numbers(samples)
    if samples.targets is None or not 2 <= len(numbers) <= _TARGETS:
        return []
    found = Counter(zip(samples.targets, samples.outcomes, strict=True))
    rows = [{o: found[t, o] for o in ORDER if found[t, o]} for t in numbers]
    return [
        {
            "target": t,
            "n": sum(row.values()),
            "counts": row,
            "segments": _named(samples, segments(row)),
        }
        for t, row in zip(numbers, rows, strict=True)
    ]
