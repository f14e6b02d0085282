"""The record of a search: what it found, as tensors, columns, a table and a file.

``loss``, ``confidence`` and ``reached`` belong to that very ``x``: they were computed from it once
more after the search, in float32 or better.
"""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from xhat.constraints import Certificate
from xhat.core import Layout, Parts, SearchFailedError, UnreadableFileError, extra
from xhat.engine.files import as_table, read, write
from xhat.engine.status import Ending, Status, meant

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Result", "Trajectory"]

_TENSORS = ("x0", "x", "z")
_NUMBERS = ("loss", "confidence", "violation", "reached", "steps", "evaluations")
_LONG = ("x0", "x", "evidence")  # what a table in a notebook leaves out
_ENTRIES = ("x.", "x0.")  # columns of a table, likewise: what was changed of them is told
_ROWS_SHOWN = 20
_CERTIFIED = "violations"  # one column of lists, a value for each constraint
_OURS = ("status", "detail", *_NUMBERS, "feasible", *_TENSORS, _CERTIFIED, "path", "path_loss")
_PATH, _PATH_LOSS = "path", "path_loss"  # the frames of a trajectory, and their losses
_WHOLE = ("targeted", "seed", "seconds", "notes", "stepper")  # one value for all candidates


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
        stepper: how it stepped; empty where it was no search by gradient steps.
        details: text that follows each status, such as `` at step 3``; may be empty.
        certificate: by name, the violation at ``x`` of every constraint and of the space itself,
            evaluated in float64, with the tolerance.
        trajectory: the recorded steps; None unless ``trace`` asked for them.
        layout: which columns of ``x`` are which part, where the starts were several; else None.
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
    stepper: str = ""
    layout: Layout | None = field(default=None, repr=False)

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

    @property
    def parts(self) -> Tensor | Parts:
        """The inputs found, in the form of the starts: a dict or tuple of parts, or ``x``."""
        return self.x if self.layout is None else self.layout.unpack(self.x)

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

    def to_table(self, columns: Mapping[str, Any] | None = None) -> "pa.Table":
        """Return an Arrow table with one row per candidate.

        ``x0``, ``x`` and ``z`` become fixed-size lists; their shapes stand in the metadata.

        Args:
            columns: further columns to put first, each of length ``n``.

        Raises:
            ValueError: a further column has another length, or the name of one of ours.
            MissingExtraError: pyarrow is not installed.
        """
        return as_table(self._columns(columns), self._metadata())

    def _columns(self, further: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return one column for each name, further ones first; arrays have a row per candidate."""
        columns = dict(further or {})
        for name, values in columns.items():
            if name in _OURS:
                raise ValueError(f"a result has a column {name!r} of its own; choose another name.")
            if len(values) != len(self):
                raise ValueError(
                    f"the column {name!r} must have one value per candidate ({len(self)}), but "
                    f"has {len(values)}."
                )
        columns["status"] = [str(status) for status in self.status]
        columns["detail"] = self.details or [""] * len(self)
        for name in (*_NUMBERS, "feasible", *_TENSORS):
            columns[name] = _array(getattr(self, name))
        if self.certificate is not None:
            columns[_CERTIFIED] = self.certificate.violation.numpy()
        return columns

    def _metadata(self, **more: Any) -> dict[str, str]:
        """Return what is known beside the columns, as JSON by name."""
        about: dict[str, Any] = {
            "shapes": {name: list(getattr(self, name).shape[1:]) for name in _TENSORS},
            **{name: getattr(self, name) for name in _WHOLE},
        }
        if self.certificate is not None:
            names = ("names", "tolerance", "precision")
            about["certificate"] = {name: getattr(self.certificate, name) for name in names}
        if self.layout is not None:
            about["layout"] = {"names": self.layout.names, "shapes": self.layout.shapes}
        return {"xhat": json.dumps(about | more)}

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
            MissingExtraError: pandas is not installed.
        """
        with extra("tables", "to_pandas (to_dict does without) needs"):
            import pandas
        return pandas.DataFrame(self.to_dict())

    def _repr_html_(self) -> str:
        """Return a table for notebooks: the first candidates, without their inputs."""
        told = {
            name: column
            for name, column in self.to_dict().items()
            if name not in _LONG and not name.startswith(_ENTRIES)
        }
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

        Where the name ends in ``.npz``, the same columns are written as NumPy's arrays, which needs
        no extra.

        Raises:
            IsADirectoryError: the path is a folder.
            MissingExtraError: pyarrow is not installed, and the file is no ``.npz``.
            PermissionError: the folder cannot be written to.
            ValueError: a further column has another length, or the name of one of ours.
        """
        write(path, *self.as_columns(columns))

    def as_columns(
        self, columns: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what ``save`` writes: columns by name, and the metadata beside them."""
        told, metadata = self._columns(columns), self._metadata()
        if (path_taken := self.trajectory) is not None:
            told[_PATH] = _array(path_taken.x.transpose(0, 1))
            told[_PATH_LOSS] = _array(path_taken.loss.float().T)
            metadata = self._metadata(path_steps=list(path_taken.steps))
        return told, metadata

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what ``save`` wrote; further columns are ignored.

        Raises:
            UnreadableFileError: no such file, or not one of ours.
            MissingExtraError: pyarrow is not installed, and the file is no ``.npz``.
        """
        columns, metadata = read(path)
        try:
            return cls.of_columns(columns, metadata)
        except (KeyError, ValueError) as error:  # a column, or what ``save`` writes beside them
            raise UnreadableFileError(
                f"{path} is not a results file as Result.save writes it; read the demo's, which "
                f"holds several methods, with pandas."
            ) from error

    @classmethod
    def of_columns(cls, columns: dict[str, Any], metadata: dict[str, str]) -> Self:
        """Return the result of which ``as_columns`` gave these."""
        return cls(**cls._fields(columns, metadata))

    @classmethod
    def _fields(cls, columns: dict[str, Any], metadata: dict[str, str]) -> dict[str, Any]:
        about = json.loads(metadata["xhat"])
        told, shapes = columns["status"], about["shapes"]
        found: dict[str, Any] = {"status": tuple(map(meant, told))}
        for name in (*_NUMBERS, "feasible", *_TENSORS):
            found[name] = _tensor(columns[name], len(told), *shapes.get(name, ()))
        if "certificate" in about:
            of = about["certificate"]
            found["certificate"] = Certificate(
                names=tuple(of["names"]),
                violation=_tensor(columns[_CERTIFIED], len(told), -1),
                tolerance=of["tolerance"],
                precision=tuple(of["precision"]),
            )
        if (layout := about.get("layout")) is not None:
            shapes_of = tuple(map(tuple, layout["shapes"]))
            found["layout"] = Layout(tuple(layout["names"]), shapes_of)
        if "path_steps" in about:
            steps = tuple(about["path_steps"])
            frames = _tensor(columns[_PATH], len(told), len(steps), *shapes["x"])
            losses = _tensor(columns[_PATH_LOSS], len(told), len(steps))
            found["trajectory"] = Trajectory(steps, frames.transpose(0, 1), losses.T)
        if "detail" in columns:
            found["details"] = tuple(columns["detail"])
        found |= {name: about[name] for name in _WHOLE if name in about}
        return found | {"notes": tuple(found.get("notes", ()))}


def _array(rows: Tensor) -> np.ndarray:
    rows = rows.detach().cpu()
    return (rows.float() if rows.dtype == torch.bfloat16 else rows).numpy()


def _tensor(rows: np.ndarray, *shape: int) -> Tensor:
    return torch.from_numpy(np.array(rows)).reshape(shape)


def _cell(value: Any) -> str:
    return html.escape(f"{value:.4g}" if isinstance(value, float) else str(value))
