"""Rows of results: some of them, and several results as one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from xhat.engine.result import Result, Trajectory

__all__ = ["joined", "rows_of"]

_ROWS = (
    "x0", "x", "z", "loss", "confidence", "reached", "violation", "feasible", "steps",
    "evaluations",
)  # fmt: skip


def rows_of(found: Result, rows: Tensor) -> Result:
    """Return the candidates ``rows`` of a result, ``(m,)`` integers, in that order."""
    told: dict[str, Any] = {name: getattr(found, name)[rows] for name in _ROWS}
    told["status"] = tuple(found.status[i] for i in rows.tolist())
    if found.details:
        told["details"] = tuple(found.details[i] for i in rows.tolist())
    if (kept := found.certificate) is not None:
        told["certificate"] = replace(kept, violation=kept.violation[rows])
    if (path := found.trajectory) is not None:
        told["trajectory"] = replace(path, x=path.x[:, rows], loss=path.loss[:, rows])
    return replace(found, **told)


def joined(parts: Sequence[Result]) -> Result:
    """Return results of the same question as one, in the order in which they come.

    Its ``seconds`` are the sum of theirs.
    """
    if len(parts) == 1:
        return parts[0]
    told: dict[str, Any] = {name: torch.cat([getattr(p, name) for p in parts]) for name in _ROWS}
    told["status"] = tuple(status for part in parts for status in part.status)
    told["details"] = tuple(said for part in parts for said in part.details or ("",) * len(part))
    kept = [part.certificate for part in parts]
    certificates = [each for each in kept if each is not None]
    if len(certificates) == len(parts):
        violation = torch.cat([each.violation for each in certificates])
        told["certificate"] = replace(certificates[0], violation=violation)
    told["trajectory"] = _along(parts)
    told["seconds"] = sum(part.seconds for part in parts)
    told["notes"] = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    told["targeted"] = any(part.targeted for part in parts)
    return replace(parts[0], **told)


def _along(parts: Sequence[Result]) -> Trajectory | None:
    paths = [part.trajectory for part in parts]
    found = [path for path in paths if path is not None]
    if len(found) < len(parts):
        return None
    recorded = max((path.steps[:-1] for path in found), key=len)
    last = max(path.steps[-1] for path in found)

    def grown(frames: Tensor) -> Tensor:  # who has ended stays where it is
        missing = len(recorded) + 1 - len(frames)
        return torch.cat([frames, *[frames[-1:]] * missing])

    return Trajectory(
        (*recorded, last),
        torch.cat([grown(path.x) for path in found], dim=1),
        torch.cat([grown(path.loss) for path in found], dim=1),
    )
