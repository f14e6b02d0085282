"""The files of one result: a table, a summary, pictures where inputs are pictures, and a page."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xhat.report.changes import as_pictures, save_changes_png
from xhat.report.judged import Chosen, ChosenRow, JudgedRecord
from xhat.report.judged_page import save_judged_page

__all__ = ["write_results"]

_NEAREST = 3  # real samples that are shown beside an input
_NOTES = (
    "An input is genuine if it looks no more unusual, on whatever axis, than nearly all real "
    "samples. The p-values of the axes are adjusted for their number: a real sample has one at "
    "or below alpha with a probability of alpha at most.",
)


def write_results(found: Any, folder: str | Path) -> Path:
    """Write ``results.parquet``, ``summary.json`` and ``report.html``; return the last's path.

    Args:
        found: a ``xhat.Judged``; what draws does not import what it draws.
        folder: to write to.

    Inputs that can be looked at leave ``changes.png`` too. Without verdicts there is no page, and
    the path is that of the table.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    folder = Path(folder)
    low, high = _shades(found)
    starts, pictures = (as_pictures(x, low, high) for x in (found.x0, found.x))
    drawn = starts is not None and pictures is not None
    table = found.write(folder, picture="changes.png" if drawn else None)
    if starts is not None and pictures is not None:
        save_changes_png(folder / "changes.png", starts, pictures, _captions(found))
    verdicts = found.verdicts
    if verdicts is None or not hasattr(verdicts, "axes"):  # those of a file are sentences alone
        return table
    if not verdicts.axes and found.selection is None:
        return table
    facts = {"goal": found.goal, "method": found.method, "alpha": f"{verdicts.alpha:g}"}
    facts |= {"beta": f"{verdicts.beta:g}"}
    return save_judged_page(
        folder / "report.html",
        _samples(found, low, high),
        title="What was found, and what the judges say",
        lead=f"{found.shifted} {found.counted().capitalize()}.".strip(),
        facts={name: value for name, value in facts.items() if value} | {"inputs": len(found)},
        notes=(
            *(_NOTES if verdicts.axes else ()),
            *(f"{note[:1].upper()}{note[1:]}." for note in found.notes),
        ),
        chosen=_chosen(found),
    )


def _chosen(found: Any) -> Chosen | None:
    """Return which samples may be believed, for the page; None where that was not asked."""
    selection = found.selection
    if selection is None:
        return None

    def row(i: int) -> ChosenRow:
        p, low, high = (float(each[i]) for each in (selection.p, selection.low, selection.high))
        return ChosenRow(i, bool(selection.verified[i]), p, low, high)

    return Chosen(
        summary=f"{selection.summary()}.".capitalize(),
        promise=selection.promise(),
        trusted=[row(i) for i in found.trusted.nonzero()[:, 0].tolist()],
        next=[row(i) for i in found.next.tolist()] if selection.by_truth else None,
    )


def _shades(found: Any) -> tuple[float, float]:
    """Return what is drawn as black and as white."""
    if found.domain is not None:
        low, high = float(found.domain.low.min()), float(found.domain.high.max())
    else:
        low, high = (float(end) for end in torch.aminmax(torch.cat((found.x0, found.x))))
        low, high = min(low, 0.0), max(high, 1.0)
    return (low, high) if high > low and np.isfinite([low, high]).all() else (0.0, 1.0)


def _captions(found: Any) -> list[str]:
    moved = (found.x - found.x0).flatten(1).norm(dim=1)
    said = []
    for i, status in enumerate(found.sentences):
        verdict = "not judged" if found.verdicts is None else found.word(found.verdicts.outcomes[i])
        sure = float(found.confidence[i])
        said.append(
            f"input {i}: {verdict}\n{status}\n"
            f"{'' if sure != sure else f'confidence {sure:.2f}, '}moved {float(moved[i]):.2f}"
        )
    return said


def _samples(found: Any, low: float, high: float) -> JudgedRecord:
    verdicts: Any = found.verdicts
    near = verdicts.near

    def grey(x: Tensor) -> NDArray[np.float32] | None:
        drawn = as_pictures(x, low, high)
        return None if drawn is None else drawn.mean(axis=-1)

    pictures, nearest = grey(found.x), None
    reference = (
        None
        if found.domain is None
        else found.domain.judge(verdicts.alpha, verdicts.beta).reference
    )
    if pictures is not None and near is not None and reference is not None:
        shown = grey(reference[near.index[:, :_NEAREST].flatten()])
        nearest = None if shown is None else shown.reshape(len(found), -1, *shown.shape[1:])
    names = () if found.domain is None else found.domain.classes
    classes = 0 if verdicts.votes is None else verdicts.votes.shape[2] - 1
    words = names if len(names) == classes else tuple(map(str, range(classes)))
    return JudgedRecord(
        outcomes=[str(outcome) for outcome in verdicts.outcomes],
        rules=[verdict.rule for verdict in verdicts],
        evidence=[_evidence(found, i) for i in range(len(verdicts))],
        axes=[axis.name for axis in verdicts.axes],
        p_values=np.stack([axis.adjusted.numpy() for axis in verdicts.axes], axis=1)
        if verdicts.axes
        else np.empty((len(found), 0)),
        alpha=verdicts.alpha,
        level=verdicts.alpha * (1 + 1e-9),
        targets=None if verdicts.target is None else [_word(words, k) for k in verdicts.target],
        members=verdicts.members,
        classes=[*words, "none"] if classes else (),
        votes=None if verdicts.votes is None else np.asarray(verdicts.votes),
        pictures=pictures,
        nearest=nearest,
        nearest_names=[verdict.nearest_names() for verdict in verdicts],
        starts=None if pictures is None or bool((found.x == found.x0).all()) else grey(found.x0),
        changed=_changed(found),
        worth=found.worth(),
        meanings={outcome: found.meaning(outcome) for outcome in set(verdicts.outcomes)},
        doubt="" if found.self_tested is None else found.self_tested.doubt,
    )


def _evidence(found: Any, i: int) -> str:
    """Return the evidence of one verdict, under the name that its outcome has here."""
    verdict = found.verdicts[i]
    _, rest = verdict.explain().split(":", 1)
    believed = "" if found.selection is None else f"\n{found.selection.explain(i)}"
    return f"{found.word(verdict.outcome)}:{rest}{believed}"


def _changed(found: Any) -> list[str]:
    """Return which columns of a table were changed, a text each; nothing for other data."""
    return [told or "nothing" for told in found.changes() or ()]


def _word(words: tuple[str, ...], label: Any) -> str:
    return words[int(label)] if int(label) < len(words) else str(int(label))
