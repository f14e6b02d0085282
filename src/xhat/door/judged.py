"""What ``optimize`` and ``audit`` return: inputs with verdicts, as a table, a file and a page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xhat.core import atomic_folder_check, atomic_write
from xhat.domain import Domain, SelfTest
from xhat.domain.tested import NOT_TESTED
from xhat.door.paths import PathReport, path_report
from xhat.engine import Result, Status
from xhat.engine.files import usual_suffix
from xhat.judges import Outcome, Selection, Verdicts

__all__ = ["Judged", "KeptVerdict", "KeptVerdicts"]


@dataclass(frozen=True)
class KeptVerdict:
    """One verdict as a file keeps it.

    Attributes:
        outcome: what the input turned out to be.
        rule: which rule decided, in a sentence.
        evidence: the text of ``explain()``.
    """

    outcome: Outcome
    rule: str
    evidence: str

    @property
    def meaning(self) -> str:
        """What the outcome means in general."""
        return self.outcome.meaning

    def explain(self) -> str:
        """Return the evidence as lines of text."""
        return self.evidence


@dataclass(frozen=True)
class KeptVerdicts:
    """Verdicts as a file keeps them: outcomes and sentences, without the numbers behind them.

    Attributes:
        verdicts: one per input.
        p: ``(n,)``, the share of real samples that are at least as unusual.
        alpha: the share of real samples that may be flagged.
        beta: the share of real samples of other classes that may be called genuine.
    """

    verdicts: tuple[KeptVerdict, ...]
    p: Tensor
    alpha: float
    beta: float

    def __len__(self) -> int:
        return len(self.verdicts)

    def __getitem__(self, index: int) -> KeptVerdict:
        return self.verdicts[index]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """One per input."""
        return tuple(each.outcome for each in self.verdicts)

    def counts(self) -> dict[Outcome, int]:
        """Return how many inputs have each outcome."""
        return {outcome: self.outcomes.count(outcome) for outcome in Outcome}


@dataclass(frozen=True, eq=False, repr=False)
class Judged(Result):
    """A ``Result`` with verdicts.

    Attributes:
        verdicts: what the judge says of each input; None where there was no domain and no truth.
        domain: what real inputs look like; None if nobody said.
        selection: which inputs may be believed together, and which to simulate next; None where
            that was not asked.
        goal: what was wanted, as text.
        method: how it was searched, by name; empty for samples from elsewhere.
        model: the name of the model that was searched, where it has one; kept in the file, so that
            nobody takes the results for those of another domain.
    """

    verdicts: Verdicts | KeptVerdicts | None = None
    domain: Domain | None = field(default=None)
    selection: Selection | None = None
    goal: str = ""
    method: str = ""
    model: str = ""
    kept_test: SelfTest | None = field(default=None)

    @classmethod
    def of(cls, result: Result, **more: Any) -> "Judged":
        """Return a ``Result`` as a ``Judged``, with verdicts and further facts."""
        return cls(**vars(result), **more)

    def path(self, index: int) -> PathReport:
        """Return what is said of the states that one search went through.

        Args:
            index: of the candidate.

        Raises:
            ValueError: the states were not recorded, or no domain says what is real.
            IndexError: there is no such candidate.

        Example:
            >>> import xhat
            >>> from sklearn.datasets import load_iris
            >>> iris = load_iris()
            >>> domain = xhat.Domain(iris.data, iris.target)
            >>> model = lambda x: torch.stack((2 - x[:, 2], 0 * x[:, 2], x[:, 2] - 5), dim=1) * 4
            >>> found = xhat.optimize(model, domain.x[:2], 2, domain=domain, trace=1)
            >>> found.path(0).steps[-1]
            10
        """
        if self.trajectory is None:
            raise ValueError(
                "the states of the search were not recorded; search with trace=1, by a method that "
                "takes it."
            )
        if self.domain is None:
            raise ValueError("nobody said what real inputs look like; search with domain=.")
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} candidates, but {index} came.")
        return path_report(self.trajectory, index, self.domain)

    @property
    def trusted(self) -> Tensor:
        """Which inputs may be believed, ``(n,)`` booleans.

        With a ``selection`` what it has chosen, else what is genuine; none without verdicts.
        """
        if self.selection is not None:
            return self.selection.chosen
        if self.verdicts is None:
            return torch.zeros(len(self), dtype=torch.bool)
        return torch.tensor([each == Outcome.GENUINE for each in self.verdicts.outcomes])

    @property
    def next(self) -> Tensor:
        """Which inputs to simulate next, ``(k,)``, the most promising first; none if not asked."""
        nothing = torch.zeros(0, dtype=torch.long)
        return nothing if self.selection is None else self.selection.next

    @property
    def _from_elsewhere(self) -> bool:
        return all(status is Status.NOT_SEARCHED for status in self.status)

    @property
    def self_tested(self) -> SelfTest | None:
        """How far the verdicts can be trusted on these data; None where nobody has tested it."""
        return self.kept_test if self.domain is None else self.domain.self_tested

    @property
    def shifted(self) -> str:
        """A sentence where the inputs, taken together, are unlike those of the calibration."""
        shift = getattr(self.verdicts, "shift", None)
        return "" if shift is None else shift.line

    def word(self, outcome: Outcome) -> str:
        """Return an outcome in words; by a judge that lacks the power, genuine is unproven."""
        tested = self.self_tested
        return str(outcome).replace("_", " ") if tested is None else tested.word(outcome)

    def meaning(self, outcome: Outcome) -> str:
        """Return what an outcome means for the inputs that have it; in general, if they differ."""
        verdicts = self.verdicts if self.verdicts is not None else ()
        said = {each.meaning for each in verdicts if each.outcome is outcome}
        return said.pop() if len(said) == 1 else outcome.meaning

    def worth(self) -> str:
        """Return what the verdicts are worth on these data, in one line.

        Empty where there are none, or where they rest on a truth alone.
        """
        if (tested := self.self_tested) is not None and self.verdicts is not None:
            return tested.line
        return NOT_TESTED if self.verdicts is not None and self.domain is not None else ""

    def summary(self) -> str:
        """Return one line: how many inputs of each outcome, and what that is worth."""
        shift = "shifted as a set, so nothing is promised" if self.shifted else ""
        return "; ".join(filter(None, (shift, self.counted(), self.worth())))

    def counted(self) -> str:
        """Return how many inputs have each outcome; without verdicts what is missing for them."""
        reached = (
            f"{int(self.reached.sum())} of {len(self)} reached"
            if self.targeted
            else f"{len(self)} {'audited' if self._from_elsewhere else 'searched'}"
        )
        if self.verdicts is None:
            return f"{reached}; not judged: give a domain (or a truth) for verdicts"
        counts = {o: count for o, count in self.verdicts.counts().items() if count}
        said = ", ".join(f"{n} {self.word(o)}" for o, n in counts.items())
        selected = "" if self.selection is None else f"; {self.selection.summary()}"
        return f"{reached}; {said}{selected}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.goal}: {self.summary()})"

    def frame(self) -> Any:
        """Return the inputs that were found as a frame of the user's own columns.

        Raises:
            ValueError: no domain of named columns says what they are.

        Example:
            >>> import pandas as pd
            >>> from xhat import audit
            >>> jobs = pd.DataFrame({"age": range(40), "job": ["cook", "clerk"] * 20})
            >>> checked = audit(None, jobs, domain=Domain(jobs))
            >>> checked.frame().equals(jobs)
            True
        """
        if self.domain is None or self.domain.schema is None:
            raise ValueError(
                "nobody said what the columns are; search with domain=xhat.Domain(frame, …)."
            )
        return self.domain.decode(self.x)

    def changes(self, rows: Tensor | None = None) -> list[str] | None:
        """Return in words what was changed of each row of a table, the farthest first.

        Empty where nothing was; None for what has no named columns.

        Args:
            rows: ``(m,)``, of which inputs; None for all.
        """
        if self.domain is None or self.domain.schema is None:
            return None
        rows = torch.arange(len(self)) if rows is None else rows
        return self.domain.schema.changes(self.x0[rows], self.x[rows], self.domain.scale)

    def columns(self) -> dict[str, Any]:
        """Return what is known besides the search as columns, each of length ``n``.

        These are the verdicts; what was changed of a row of a table; and, as ``x.age`` and
        ``x0.age``, its entries in the user's own columns.
        """
        return self._verdicts() | self._entries()

    def _entries(self) -> dict[str, Any]:
        changed = self.changes()
        if changed is None or self.domain is None or self.domain.schema is None:
            return {}
        entries = {
            f"{name}.{column}": given.listed
            for name, x in (("x", self.x), ("x0", self.x0))
            for column, given in self.domain.schema.entries(x).items()
        }
        return {"changed": changed} | entries

    def _verdicts(self) -> dict[str, Any]:
        if self.verdicts is None:
            return {}
        each = [self.verdicts[i] for i in range(len(self))]
        return {
            "verdict": [str(one.outcome) for one in each],
            "p": self.verdicts.p.double().numpy(),
            "rule": [one.rule for one in each],
            "evidence": [one.explain() for one in each],
            **self._predictions(),
            **({} if self.selection is None else self.selection.columns()),
        }

    def _predictions(self) -> dict[str, Any]:
        """Return what held-out regressors predict, a column for each output."""
        if (value := getattr(self.verdicts, "value", None)) is None:
            return {}
        outputs = value.predicted.shape[1]
        numbers = ("",) if outputs == 1 else tuple(f"_{k}" for k in range(outputs))
        kinds = {"predicted": value.predicted, "predicted_error": value.error}
        return {
            f"{name}{number}": columns[:, k].double().numpy()
            for name, columns in kinds.items()
            for k, number in enumerate(numbers)
        }

    def to_dict(self) -> dict[str, Any]:
        """Return one list for each column: verdict, state of the search, and the inputs."""
        told = super().to_dict()
        columns = {name: list(values) for name, values in self.columns().items()}
        if "changed" in columns:  # the user's own columns instead of numbers that stand for them
            told = {name: told[name] for name in told if name not in ("x", "x0")}
        return columns | told

    def save(self, path: str | Path, columns: Mapping[str, Any] | None = None) -> None:
        """Write a file with verdicts and trajectory; see ``Result.save``."""
        super().save(path, {**self.columns(), **(columns or {})})

    def _metadata(self, **more: Any) -> dict[str, str]:
        about: dict[str, Any] = {"goal": self.goal, "method": self.method}
        if self.verdicts is not None:
            about |= {"alpha": self.verdicts.alpha, "beta": self.verdicts.beta}
        if self.selection is not None:
            about["selection"] = {"fdr": self.selection.fdr, "signed": self.selection.signed}
        if self.self_tested is not None:
            about["self_test"] = self.self_tested.to_dict()
        named = {"model": self.model} if self.model else {}
        return super()._metadata(**more) | {"judged": json.dumps(about)} | named

    @classmethod
    def _fields(cls, columns: dict[str, Any], metadata: dict[str, str]) -> dict[str, Any]:
        """Return what a file holds; the domain is not in it."""
        about = json.loads(metadata.get("judged", "{}"))
        verdicts = None
        if "alpha" in about:
            told = (columns[name] for name in ("verdict", "rule", "evidence"))
            each = tuple(KeptVerdict(Outcome(o), r, e) for o, r, e in zip(*told, strict=True))
            p, beta = torch.from_numpy(columns["p"].copy()), about.get("beta", 0.05)
            verdicts = KeptVerdicts(each, p, about["alpha"], beta)  # older files lack beta
        more: dict[str, Any] = {name: about.get(name, "") for name in ("goal", "method")}
        if (of := about.get("selection")) is not None:
            more["selection"] = Selection.of_columns(columns, of["fdr"], signed=of["signed"])
        kept = SelfTest.from_dict(about["self_test"]) if "self_test" in about else None
        more |= {"verdicts": verdicts, "kept_test": kept}
        return super()._fields(columns, metadata) | more

    def with_domain(self, domain: Domain) -> "Judged":
        """Return the same with the domain that it is about, for pictures and names."""
        return replace(self, domain=domain)

    def write(self, folder: str | Path, picture: str | None = None) -> Path:
        """Write the table and ``summary.json`` into a folder; return the table's path.

        The table is ``results.parquet``, or ``results.npz`` where pyarrow is not installed.

        Args:
            folder: made if needed.
            picture: the name of one beside them, for the summary.

        Raises:
            PermissionError: the folder cannot be written to.
        """
        folder = atomic_folder_check(folder)
        table = folder / f"results{usual_suffix()}"
        self.save(table)
        with atomic_write(folder / "summary.json") as temporary:
            told = self._numbers() | {"picture": picture}
            temporary.write_text(json.dumps(told, indent=1) + "\n")
        return table

    def _numbers(self) -> dict[str, Any]:
        moved = (self.x - self.x0).flatten(1).norm(dim=1)
        sure, finite = ~self.confidence.isnan(), ~self.loss.isnan()
        counts = {} if self.verdicts is None else self.verdicts.counts()
        return {
            "n": len(self),
            "goal": self.goal,
            "method": self.method,
            "reached": int(self.reached.sum()) if self.targeted else None,
            "feasible": int(self.feasible.sum()),
            "status": {str(s): self.status.count(s) for s in dict.fromkeys(self.status)},
            "shift": self.shifted,
            "verdicts": {str(outcome): count for outcome, count in counts.items() if count},
            "verdict": self.counted(),
            "worth": self.worth(),
            "trusted": int(self.trusted.sum()),
            "next": self.next.tolist(),
            "confidence": float(self.confidence[sure].mean()) if sure.any() else None,
            "loss": float(self.loss[finite].median()) if finite.any() else None,
            "moved": float(moved.median()),
            "evaluations": float(self.evaluations.float().mean()),
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }

    def report(self, folder: str | Path) -> Path:
        """Write the table, a summary and a page into a folder; return the page's path.

        Raises:
            MissingExtraError: what draws is not installed; ``write`` does without.
            PermissionError: the folder cannot be written to.
        """
        from xhat.report.results import write_results

        return write_results(self, folder)
