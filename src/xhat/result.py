"""The frozen answer of a search, and its file format.

One row per candidate, in the caller's order. ``loss``, ``confidence`` and ``reached`` belong to
that very ``x``: they were computed from it once more after the search, in float32 or better.
"""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from xhat.constraints import Certificate
from xhat.core import SearchFailedError, UnreadableFileError, atomic_write

__all__ = ["Ending", "Result", "Status", "Trajectory"]


class Status(StrEnum):
    """Why a candidate's search ended; each value is the sentence that says so.

    Example:
        >>> Status("target reached") is Status.TARGET_REACHED
        True
    """

    TARGET_REACHED = "target reached"
    LOSS_BELOW = "loss below the wanted value"
    CONVERGED = "constraints hold and the loss no longer falls"
    NO_PROGRESS = "no more progress"
    STEPS_SPENT = "step budget spent"
    ROUNDS_SPENT = "round budget spent"
    ROUND_ENDED = "round ended"
    EVALUATIONS_SPENT = "evaluation budget spent"
    TIME_SPENT = "time budget spent"
    STOPPED = "stopped by a rule of one's own"
    DENIED = "what the search claimed did not hold when asked again"
    VIOLATED = "a constraint is violated beyond the tolerance"
    INFEASIBLE = "no feasible point was found"
    LOSS_NOT_FINITE = "loss became non-finite"
    GRADIENT_NOT_FINITE = "gradient became non-finite"
    FLAT_START = (
        "the gradient is zero at the start: a dead or saturated model, rounding inside it, or "
        "nothing to improve"
    )
    FLAT = "the gradient is zero"
    TOO_SMALL_STEP = "the step is too small to move the input; raise the rate or search in float64"
    INTERRUPTED = "interrupted"
    FAILED = "the model failed"
    SAMPLED = "sampled"
    LOOKED_UP = "looked up"
    NOT_SEARCHED = "not searched"

    def __repr__(self) -> str:
        """Return the sentence in quotes, as it reads best in tables and notebooks."""
        return repr(self.value)

    @property
    def cut_short(self) -> bool:
        """Whether the search was ended from outside: by Ctrl-C, or by the model's exception."""
        return self in (Status.INTERRUPTED, Status.FAILED)

    @property
    def hopeless(self) -> bool:
        """Whether nothing that the same search could do next would help."""
        return self.cut_short or self in (
            Status.LOSS_NOT_FINITE,
            Status.GRADIENT_NOT_FINITE,
            Status.FLAT_START,
            Status.INFEASIBLE,
        )


@dataclass(frozen=True)
class Ending:
    """Why one candidate's search ended, and what more there is to say of it.

    Attributes:
        status: why.
        detail: text that follows the status, such as `` at step 3``; may be empty. For a user's own
            stop rule it is the whole sentence.
    """

    status: Status
    detail: str = ""

    @property
    def sentence(self) -> str:
        """Status and detail."""
        return self.detail if self.status is Status.STOPPED else f"{self.status}{self.detail}"


_TENSORS = ("x0", "x", "z")
_NUMBERS = ("loss", "confidence", "violation", "reached", "steps", "evaluations")
_LONG = ("x0", "x", "evidence")  # what a table in a notebook leaves out
_ROWS_SHOWN = 20
_CERTIFIED = "violations"  # one column of lists, a value for each constraint
_OURS = ("status", "detail", *_NUMBERS, "feasible", *_TENSORS, _CERTIFIED, "path", "path_loss")
_PATH, _PATH_LOSS = "path", "path_loss"  # the frames of a trajectory, and their losses
_WHOLE = ("targeted", "seed", "seconds", "notes")  # one value for all candidates


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Where every candidate was during the search.

    Attributes:
        steps: the recorded step numbers, ``frames`` of them, and last the final one.
        x: ``(frames, n, *x_shape)``; a candidate that left early stays at its final ``x``.
        loss: ``(frames, n)``.
    """

    steps: tuple[int, ...]
    x: Tensor
    loss: Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What a search found for ``n`` candidates.

    Attributes:
        x0: ``(n, *x_shape)``, the starts as they were given.
        x: ``(n, *x_shape)``, the inputs found.
        z: ``(n, *z_shape)``, their search variables.
        loss: ``(n,)``, the objective at ``x``; NaN if it was never finite, or if time ran out or
            the search was interrupted before this candidate was evaluated.
        confidence: ``(n,)`` in [0, 1], how confident the model is of the target; NaN without one.
        reached: ``(n,)`` booleans, whether the target was reached, by the stop rule if it defines
            that, else by the objective; false without a target.
        violation: ``(n,)``, the largest violation of a constraint at ``x``; <= 0 is feasible.
        feasible: ``(n,)`` booleans, whether the violation is within the problem's tolerance.
        status: one ``Status`` per candidate: why its search ended.
        steps: ``(n,)``, gradient steps taken, restarts included.
        evaluations: ``(n,)``, passes through the objective in the search. Each step costs one
        forward and one backward pass, the evaluation of the last ``x`` a forward pass. The trial
        evaluations before a search and the check of every answer after it are not counted.
        targeted: whether the objective has a target, so that ``reached`` means something.
        seed: the seed of every random choice.
        seconds: wall-clock time of the whole search.
        notes: sentences about the search as a whole, such as that the model answers differently
            each time; usually none.
        details: text that follows each status, such as `` at step 3``; may be empty.
        certificate: by name, the violation at ``x`` of every constraint and of the space itself,
            evaluated in float64, with the tolerance.
        trajectory: the recorded steps; None unless ``trace`` asked for them.
    """

    x0: Tensor
    x: Tensor
    z: Tensor
    loss: Tensor
    confidence: Tensor
    reached: Tensor
    violation: Tensor
    feasible: Tensor
    status: tuple[Status, ...]
    steps: Tensor
    evaluations: Tensor
    targeted: bool = False
    seed: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    certificate: Certificate | None = field(default=None, repr=False)
    trajectory: Trajectory | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Take sentences for what they mean."""
        object.__setattr__(self, "status", tuple(map(Status, self.status)))
        if not any(self.details):
            object.__setattr__(self, "details", ())

    def __len__(self) -> int:
        return self.x.shape[0]

    @property
    def sentences(self) -> tuple[str, ...]:
        """Why each candidate's search ended, with all there is to say of it."""
        details = self.details or ("",) * len(self.status)
        pairs = zip(self.status, details, strict=True)
        return tuple(Ending(status, detail).sentence for status, detail in pairs)

    def raise_if_failed(self) -> "Result":
        """Return self, or raise if a candidate failed.

        A candidate failed if it is infeasible or not finite, missed its target, or its search was
        interrupted or ended by an exception of the model.

        Raises:
            SearchFailedError: says how many failed, and why the first did.
        """
        fine = self.feasible & torch.isfinite(self.loss)
        if self.targeted:
            fine &= self.reached
        fine &= ~torch.tensor([status.cut_short for status in self.status])
        failed = (~fine).nonzero()[:, 0].tolist()
        if failed:
            raise SearchFailedError(
                f"{len(failed)} of {len(self)} candidates failed; the first is candidate "
                f"{failed[0]}: {self._failure(failed[0])}."
            )
        return self

    def finished(self) -> "Result":
        """Return self, or raise ``KeyboardInterrupt`` if Ctrl-C has cut the search short.

        For code that would otherwise continue with incomplete results.
        """
        if Status.INTERRUPTED in self.status:
            raise KeyboardInterrupt
        return self

    def _failure(self, i: int) -> str:
        said = self.sentences[i]
        if not bool(torch.isfinite(self.loss[i])) or self.status[i].cut_short:
            return said
        if not bool(self.feasible[i]):
            return f"{said}, and {self._broken(i)} is violated by {self.violation[i]:.3g}"
        return f"{said}, and the target is not reached"

    def _broken(self, i: int) -> str:
        if self.certificate is None:
            return "a constraint"
        return self.certificate.names[int(self.certificate.violation[i].argmax())]

    def to_table(self, columns: Mapping[str, Any] | None = None) -> pa.Table:
        """Return an Arrow table with one row per candidate.

        ``x0``, ``x`` and ``z`` become fixed-size lists; their shapes stand in the metadata.

        Args:
            columns: further columns to put first, each of length ``n``.

        Raises:
            ValueError: a further column has another length, or the name of one of ours.
        """
        arrays = {name: pa.array(values) for name, values in (columns or {}).items()}
        for name, values in arrays.items():
            if name in _OURS:
                raise ValueError(f"a result has a column {name!r} of its own; choose another name.")
            if len(values) != len(self):
                raise ValueError(
                    f"the column {name!r} must have one value per candidate ({len(self)}), but "
                    f"has {len(values)}."
                )
        arrays["status"] = pa.array([str(status) for status in self.status])
        arrays["detail"] = pa.array(self.details or [""] * len(self))
        for name in (*_NUMBERS, "feasible"):
            arrays[name] = pa.array(getattr(self, name).cpu().numpy())
        for name in _TENSORS:
            rows = getattr(self, name).cpu().flatten(1)
            flat = (rows.float() if _short(rows) else rows).numpy()
            arrays[name] = _lists(flat)
        about: dict[str, Any] = {
            "shapes": {name: list(getattr(self, name).shape[1:]) for name in _TENSORS},
            **{name: getattr(self, name) for name in _WHOLE},
        }
        if self.certificate is not None:
            arrays[_CERTIFIED] = _lists(self.certificate.violation.numpy())
            about["certificate"] = {
                name: getattr(self.certificate, name)
                for name in ("names", "tolerance", "precision")
            }
        return pa.table(arrays).replace_schema_metadata({"xhat": json.dumps(about)})

    def to_dict(self) -> dict[str, Any]:
        """Return one list for each column: how each search ended, and the inputs as flat lists."""
        told: dict[str, Any] = {"status": list(self.sentences)}
        for name in (*_NUMBERS, "feasible"):
            told[name] = getattr(self, name).cpu().tolist()
        for name in ("x0", "x"):
            told[name] = getattr(self, name).cpu().flatten(1).tolist()
        return told

    def to_pandas(self) -> Any:
        """Return the same as a pandas frame, one row per candidate.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "to_pandas needs pandas; pip install pandas, or use to_dict()."
            ) from error
        return pandas.DataFrame(self.to_dict())

    def _repr_html_(self) -> str:
        """Return a table for notebooks: the first candidates, without their inputs."""
        told = {name: column for name, column in self.to_dict().items() if name not in _LONG}
        rows = "".join(
            "<tr>" + "".join(f"<td>{_cell(column[i])}</td>" for column in told.values()) + "</tr>"
            for i in range(min(len(self), _ROWS_SHOWN))
        )
        head = "".join(f"<th>{html.escape(name)}</th>" for name in told)
        more = f"<p>… and {len(self) - _ROWS_SHOWN} more.</p>" if len(self) > _ROWS_SHOWN else ""
        return f"<p>{html.escape(repr(self))}</p><table><tr>{head}</tr>{rows}</table>{more}"

    def __repr__(self) -> str:
        counts = {status: self.status.count(status) for status in dict.fromkeys(self.status)}
        said = ", ".join(f"{count} {status}" for status, count in counts.items())
        return f"{type(self).__name__}({len(self)} candidates: {said})"

    def save(self, path: str | Path, columns: Mapping[str, Any] | None = None) -> None:
        """Write a Parquet file that pandas, polars and DuckDB read; whole or not at all.

        Raises:
            IsADirectoryError: the path is a folder.
            PermissionError: the folder cannot be written to.
            ValueError: a further column has another length, or the name of one of ours.
        """
        with atomic_write(path) as temporary:
            pq.write_table(self.with_path(self.to_table(columns)), temporary)

    def with_path(self, table: pa.Table) -> pa.Table:
        """Return a table of this result with the trajectory, if there is one, as ``save`` does."""
        path = self.trajectory
        if path is None:
            return table
        frames = path.x.cpu().transpose(0, 1).flatten(1)
        frames = (frames.float() if _short(frames) else frames).numpy()
        table = table.append_column(_PATH, _lists(frames))
        table = table.append_column(_PATH_LOSS, _lists(path.loss.cpu().float().T.numpy()))
        metadata = dict(table.schema.metadata or {})
        about = json.loads(metadata[b"xhat"]) | {"path_steps": list(path.steps)}
        return table.replace_schema_metadata(metadata | {b"xhat": json.dumps(about).encode()})

    @classmethod
    def load(cls, path: str | Path) -> "Result":
        """Read what ``save`` wrote; further columns are ignored.

        Raises:
            UnreadableFileError: no such file, or not one of ours.
        """
        try:
            table = pq.read_table(Path(path))
        except (OSError, pa.ArrowInvalid) as error:
            raise UnreadableFileError(
                f"{path} cannot be read as Parquet: it is missing, truncated or another format."
            ) from error
        try:
            return cls._from_table(table)
        except (KeyError, ValueError) as error:  # a column, or what ``save`` writes beside them
            raise UnreadableFileError(
                f"{path} is not a results file as Result.save writes it; read the demo's, which "
                f"holds several methods, with pandas."
            ) from error

    @classmethod
    def _from_table(cls, table: pa.Table) -> "Result":
        about = json.loads((table.schema.metadata or {})[b"xhat"])
        found: dict[str, Any] = {}
        for name in _TENSORS:
            found[name] = _rows(table, name).reshape(table.num_rows, *about["shapes"][name])
        for name in (*_NUMBERS, "feasible"):
            found[name] = torch.from_numpy(table[name].to_numpy().copy())
        if "certificate" in about:
            of = about["certificate"]
            found["certificate"] = Certificate(
                names=tuple(of["names"]),
                violation=_rows(table, _CERTIFIED),
                tolerance=of["tolerance"],
                precision=tuple(of["precision"]),
            )
        if "path_steps" in about:
            steps, shape = tuple(about["path_steps"]), about["shapes"]["x"]
            frames = _rows(table, _PATH).reshape(table.num_rows, len(steps), *shape)
            losses = _rows(table, _PATH_LOSS).reshape(table.num_rows, len(steps))
            found["trajectory"] = Trajectory(steps, frames.transpose(0, 1), losses.T)
        status = tuple(map(_status, table["status"].to_pylist()))
        if "detail" in table.column_names:
            found["details"] = tuple(table["detail"].to_pylist())
        whole = {name: about[name] for name in _WHOLE if name in about}
        whole["notes"] = tuple(whole.get("notes", ()))
        return cls(**found, status=status, **whole)


def _status(sentence: str) -> Status:
    """Return what a sentence in a file means; older files have the detail in it."""
    for status in Status:
        if sentence.startswith(status):
            return status
    return Status.STOPPED


def _short(rows: Tensor) -> bool:
    return rows.dtype == torch.bfloat16


def _cell(value: Any) -> str:
    return html.escape(f"{value:.4g}" if isinstance(value, float) else str(value))


def _lists(rows: np.ndarray) -> pa.FixedSizeListArray:
    values = pa.array(np.ascontiguousarray(rows).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(values, rows.shape[1])


def _rows(table: pa.Table, name: str) -> Tensor:
    flat = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return torch.from_numpy(flat.reshape(table.num_rows, -1).copy())
