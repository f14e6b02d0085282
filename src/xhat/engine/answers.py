"""Where finished candidates are written, in the caller's order, until they become a ``Result``."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from xhat.core import per_row
from xhat.engine.result import Trajectory
from xhat.engine.status import Ending, Status

__all__ = ["ANSWERED", "Answers"]

ANSWERED = ("x", "z", "loss", "confidence", "reached", "violation", "steps", "evaluations")
"""What is written of every candidate that leaves the batch."""


@dataclass
class Answers:
    """Final values of ``n`` candidates in one try; filled row by row as they leave the batch.

    ``keep_better`` takes over what another try found; ``steps`` and ``evaluations`` then add up,
    while ``ended`` is the last step of the try that was kept, and ``frame`` its last frame.
    ``own`` says whose loss is that of the problem as it was asked; that of a round of multipliers
    is a merit, until the candidate has been asked about.

    Attributes:
        columns: name to ``(n, ...)`` tensor; those of ``x``, ``z`` appear with the first row.
        endings: why each candidate's search ended; None of those who are not written yet.
        trace: record every this many steps; 0 for never.
        targeted: whether the objective has a target.
    """

    n: int
    trace: int = 0
    targeted: bool = False
    columns: dict[str, Tensor] = field(default_factory=dict)
    endings: list[Ending | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start with no evaluations and no endings."""
        self.endings = [None] * self.n
        self.columns["steps"] = torch.zeros(self.n, dtype=torch.long)
        self.columns["evaluations"] = torch.zeros(self.n, dtype=torch.long)
        self.columns["reached"] = torch.zeros(self.n, dtype=torch.bool)
        self.columns["own"] = torch.ones(self.n, dtype=torch.bool)
        self.columns["frame"] = torch.full((self.n,), -1, dtype=torch.long)

    def write(self, ids: Tensor, values: dict[str, Tensor], endings: list[Ending]) -> None:
        """Write the final values of the candidates ``ids``."""
        for name, value in {**values, "ended": values["steps"]}.items():
            column = self._column(name, value)
            column[ids] = value.to(column)
        for candidate, ending in zip(ids.tolist(), endings, strict=True):
            self.endings[candidate] = ending

    def leave_out(self, endings: Mapping[int, Ending], x0: Tensor) -> None:
        """Write why nothing was searched from some starts, ``(n, ...)``, which stay as they are.

        Written last: only whoever was searched knows the shape of ``z``.
        """
        if not endings:
            return
        places = torch.tensor(list(endings))
        starts = x0[places].cpu()
        like = self.columns.get("z", starts)
        nothing = torch.full((len(places),), torch.nan, dtype=starts.dtype)
        values = {
            "x": starts,
            "z": torch.zeros(len(places), *like.shape[1:], dtype=like.dtype),
            "steps": torch.zeros(len(places), dtype=torch.long),
            "evaluations": torch.zeros(len(places), dtype=torch.long),
            "reached": torch.zeros(len(places), dtype=torch.bool),
            **dict.fromkeys(("loss", "confidence", "violation"), nothing),
        }
        self.write(places, values, list(endings.values()))

    def record(self, ids: Tensor, steps: Tensor, x: Tensor, loss: Tensor) -> None:
        """Write a frame of the trajectory for those candidates that are due."""
        due = (steps % self.trace == 0).cpu()
        frame = (steps.cpu() // self.trace)[due]
        if not len(frame):
            return
        for name, values in (("path_x", x), ("path_loss", loss.to(x.dtype))):
            self._grow(name, int(frame.max()) + 1, values)
            self.columns[name][frame, ids[due]] = values.detach().cpu()[due]
        self.columns["frame"][ids[due]] = frame

    @property
    def status(self) -> list[Status | None]:
        """Why each candidate's search ended, without details."""
        return [None if ending is None else ending.status for ending in self.endings]

    def unsuccessful(self, claims: Collection[Ending]) -> Tensor:
        """Return the indices of candidates that neither reached their target nor left by a claim.

        Args:
            claims: the endings of the stop rules that claim success.
        """
        left = torch.tensor([ending in claims for ending in self.endings])
        return (~self.columns["reached"] & ~left).nonzero()[:, 0]

    def keep_better(self, other: "Answers", ids: Tensor, tolerance: float) -> None:
        """Take over those rows ``ids`` of another try that are better than ours."""
        ours, theirs = self.columns, other.columns
        lower = (theirs["loss"] < ours["loss"]) | ours["loss"].isnan()
        nearer = (ours["violation"] > tolerance) & (theirs["violation"] < ours["violation"])
        won = _first_that_differs(
            (theirs["violation"] <= tolerance, ours["violation"] <= tolerance),
            (nearer, torch.zeros_like(nearer)),
            (theirs["reached"], ours["reached"]),
            (lower, torch.zeros_like(lower)),
        )
        tried = torch.zeros_like(won).index_fill_(0, ids, True)
        won &= tried & ~theirs["loss"].isnan()  # a try that never was finite found nothing
        won &= theirs["own"] | ~ours["own"]  # a merit is no loss to compare
        for name in ("steps", "evaluations"):
            ours[name] += theirs[name]
        if not bool(won.any()):
            return
        for name, column in theirs.items():
            if name in ("steps", "evaluations"):
                continue
            if name.startswith("path_"):
                self._grow(name, column.shape[0], column[0])
                other._grow(name, ours[name].shape[0], column[0])
                ours[name][:, won] = theirs[name][:, won]
            else:
                ours[name][won] = column[won]
        for candidate in won.nonzero()[:, 0].tolist():
            self.endings[candidate] = other.endings[candidate]

    def cut_short(self, other: "Answers", ids: Tensor) -> None:
        """Say of whom another try did not finish that it was interrupted."""
        for i in ids.tolist():
            if other.status[i] is Status.INTERRUPTED:
                self.endings[i] = other.endings[i]

    def follow(self, other: "Answers", ids: Tensor) -> None:
        """Append the frames that another pass recorded of ``ids``, which went on from ours."""
        if "path_x" not in other.columns:
            return
        begun, until = self.columns["frame"], other.columns["frame"]
        for name in ("path_x", "path_loss"):
            self._grow(name, len(other.columns[name]), other.columns[name][0])
        for i in ids.tolist():
            new = slice(int(begun[i]) + 1, int(until[i]) + 1)
            for name in ("path_x", "path_loss"):
                self.columns[name][new, i] = other.columns[name][new, i]
        self.columns["frame"][ids] = torch.maximum(begun[ids], until[ids])
        self.columns["ended"][ids] = other.columns["ended"][ids]

    def trajectory(self) -> Trajectory | None:
        """Return what was recorded, if anything; a candidate that left stays at its final ``x``."""
        if "path_x" not in self.columns:
            return None
        path, loss = self.columns["path_x"], self.columns["path_loss"]
        final, last = self.columns["x"], self.columns["loss"].to(loss.dtype)
        for number in range(path.shape[0]):
            left = number > self.columns["frame"]
            path[number] = torch.where(per_row(left, final), final, path[number])
            loss[number] = torch.where(left, last, loss[number])
        recorded = range(0, path.shape[0] * self.trace, self.trace)
        steps = (*recorded, max(recorded[-1], int(self.columns["ended"].max())))
        return Trajectory(steps, torch.cat([path, final[None]]), torch.cat([loss, last[None]]))

    def _column(self, name: str, value: Tensor) -> Tensor:
        if name not in self.columns:
            self.columns[name] = torch.empty(self.n, *value.shape[1:], dtype=value.dtype)
        return self.columns[name]

    def _grow(self, name: str, frames: int, like: Tensor) -> None:
        had = self.columns.get(name)
        new = frames - (0 if had is None else had.shape[0])
        if new > 0:
            more = torch.zeros(new, self.n, *like.shape[1:], dtype=like.dtype)
            self.columns[name] = more if had is None else torch.cat([had, more])


def _first_that_differs(*pairs: tuple[Tensor, Tensor]) -> Tensor:
    """Return where the first of the boolean pairs that differs is true on its left side."""
    won, undecided = torch.zeros_like(pairs[0][0]), torch.ones_like(pairs[0][0])
    for theirs, ours in pairs:
        won |= undecided & theirs & ~ours
        undecided &= theirs == ours
    return won
