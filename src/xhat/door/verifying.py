"""Verify: what the truth says of every candidate that a search found.

A search needs no truth, and ``solve`` knows of none. ``verify`` asks it afterwards, once for each
candidate, and lays the answer beside the ``Result``: whether the target is met, whether constraints
hold that only the truth can tell, and how far the surrogate was off.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from xhat.constraints import Certificate
from xhat.core import check_positive, short
from xhat.engine import Result
from xhat.executors import Workers
from xhat.judges import Simulator
from xhat.judges.answers import answer, finite
from xhat.judges.truth import CHUNK, Truth, TruthEvidence, ask, check_truth

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TruthConstraint", "Verification", "reasons_of", "verify"]

TruthConstraint = Callable[[Tensor, Tensor], Any]
"""``(x, y) -> (n,)`` or ``(n, k)``: a violation by inputs and the truth's outputs, <= 0 is fine."""

_SHOWN = 10  # candidates that are told one by one


@dataclass(frozen=True, eq=False)
class Verification:
    """What the truth says of the ``n`` candidates of a result.

    Attributes:
        result: what was verified.
        evidence: error, gap, outputs; see ``TruthEvidence``.
        structure: the violations of constraints on the truth's outputs; None if there are none.
        reasons: one per candidate: why the truth failed; None where it did not.
    """

    result: Result
    evidence: TruthEvidence
    structure: Certificate | None
    reasons: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.reasons)

    @property
    def feasible(self) -> Tensor:
        """Whether all constraints hold by the truth, ``(n,)``; false where it failed."""
        fine = ~self.evidence.failed
        return fine if self.structure is None else fine & self.structure.feasible

    @property
    def confirmed(self) -> Tensor:
        """Whether the truth gives the target and all constraints hold, ``(n,)`` booleans."""
        return self.evidence.holds & self.feasible

    def explain(self, i: int) -> str:
        """Return what the truth says of candidate ``i``, in a line of sentences."""
        i = range(len(self))[i]
        said = self.evidence.explain(i)
        if self.reasons[i] is not None:
            return f"{said} Why: {self.reasons[i]}."
        return said if self.structure is None else f"{said} {self.structure.explain(i)}"

    def __str__(self) -> str:
        """Return counts, the median gap, and the first candidates one by one."""
        found, n = self.evidence, len(self)
        counts = f"{int(self.confirmed.sum())} of {n} candidates confirmed by {found.name}"
        if self.structure is not None:
            counts += f", {int((found.holds & ~self.feasible).sum())} on target but infeasible"
        counts += f", {int(found.failed.sum())} failed"
        if found.gap is not None and bool((~found.gap.isnan()).any()):
            counts += f"; median gap of the surrogate {short(float(found.gap.nanmedian()))}"
        lines = [f"{counts}.", *(f"{i}: {self.explain(i)}" for i in range(min(n, _SHOWN)))]
        return "\n".join(lines if n <= _SHOWN else [*lines, f"... and {n - _SHOWN} more."])

    def columns(self) -> dict[str, Any]:
        """Return columns for ``Result.to_table`` and ``Result.save``, each of length ``n``.

        ``truth_y`` holds the outputs as flat lists; ``truth_violation`` the worst violation.
        """
        found = self.evidence
        columns: dict[str, Any] = {
            "truth_y": found.y.reshape(len(self), -1).tolist(),
            "truth_error": found.error.numpy(),
            "truth_holds": found.holds.numpy(),
            "truth_failed": found.failed.numpy(),
            "truth_reason": list(self.reasons),
        }
        if found.gap is not None:
            columns["truth_gap"] = found.gap.numpy()
        if self.structure is not None:
            columns["truth_violation"] = self.structure.violation.amax(dim=1).numpy()
            columns["truth_feasible"] = self.feasible.numpy()
        return columns

    def to_table(self) -> "pa.Table":
        """Return the result's table with the truth's columns first, one row per candidate.

        ``result.save(path, verification.columns())`` writes the same as a Parquet file.
        """
        return self.result.to_table(self.columns())


def verify(
    result: Result,
    truth: Truth,
    target: Any = None,
    surrogate: Callable[[Tensor], Any] | None = None,
    *,
    constraints: Mapping[str, TruthConstraint] | None = None,
    tolerance: float = 1e-6,
    chunk: int = CHUNK,
    workers: Workers | int | None = None,
) -> Verification:
    """Ask the truth about every candidate of a result.

    Args:
        result: what a search found.
        truth: what is asked, once per candidate; with a ``Simulator`` it may raise, hang or crash.
        target: what the outputs should be, as the truth's ``error`` takes it.
        surrogate: what the search followed, ``(n, *x_shape) -> (n, ...)``, for the gap.
        constraints: further conditions on the truth's outputs ``y``, by name: each a function ``(x,
            y) -> (n,)`` or ``(n, k)`` that must be 0 or less.
        tolerance: the violation up to which such a constraint holds, in its own unit.
        chunk: how many candidates are asked together.
        workers: where a ``Simulator`` is called, several times at once: a number of processes, or a
            cluster (``Dask``, ``Ray``); None for where it is called anyway.

    Raises:
        TypeError: no ``Result``, no ``Truth``, or something gives no numbers.
        ValueError: shapes or the target do not fit; or workers for a truth that is no simulator.

    Example:
        >>> import math
        >>> from xhat.judges import Simulator
        >>> from xhat.objectives import Match
        >>> from xhat.engine import Problem
        >>> from xhat.engine import solve
        >>> from xhat.spaces import Box
        >>> half = lambda x: x[:, 0] / 2  # a surrogate of the square root, good near 4
        >>> wanted = torch.tensor([2.0, -1.0])
        >>> result = solve(Problem(Match(half, wanted), Box(-9, 9)), torch.tensor([[3.0], [3.0]]))
        >>> root = Truth(Simulator(lambda x: math.sqrt(x[0])), tolerance=0.01, name="sqrt")
        >>> found = verify(result, root, wanted, half)
        >>> found.confirmed.tolist(), found.reasons[1]
        ([True, False], 'ValueError: math domain error')
    """
    if not isinstance(result, Result):
        raise TypeError(f"verify takes a Result, not {type(result).__name__}; for inputs use ask.")
    check_truth(truth, chunk)
    check_positive("tolerance", tolerance, zero=True)
    if workers is not None and not isinstance(truth.f, Simulator):
        raise ValueError(
            "workers call a simulator, but this truth is none; make it one: "
            "Truth(Simulator(f, batch=…))."
        )
    with truth.f.on(workers) if isinstance(truth.f, Simulator) else nullcontext():
        evidence = ask(truth, result.x, target, surrogate, chunk=chunk)
    structure = _structure(
        constraints, result.x.detach().cpu().to(truth.dtype), evidence.y, tolerance
    )
    return Verification(result, evidence, structure, reasons_of(truth, evidence))


def _structure(
    constraints: Mapping[str, TruthConstraint] | None, x: Tensor, y: Tensor, tolerance: float
) -> Certificate | None:
    if constraints is None:
        return None
    if not isinstance(constraints, Mapping) or not constraints:
        raise TypeError("constraints must be a mapping from names to functions of x and y.")
    fine = finite(y)
    violation = torch.full((len(y), len(constraints)), torch.nan, dtype=torch.float64)
    for column, (name, measure) in enumerate(constraints.items()):
        if not callable(measure):
            raise TypeError(f"the constraint {name!r} must be a function, not {measure!r}.")
        if bool(fine.any()):
            values = answer(
                f"the constraint {name!r}", lambda part, g=measure: g(part, y[fine]), x[fine]
            )
            worst = values.detach().to("cpu", torch.float64).reshape(len(values), -1).amax(dim=1)
            violation[fine, column] = worst
    precision = (str(x.dtype)[6:],) * len(constraints)
    return Certificate(tuple(constraints), violation, tolerance, precision)


def reasons_of(truth: Truth, evidence: TruthEvidence) -> tuple[str | None, ...]:
    """Return why the truth failed on each candidate that it was just asked of, else None."""
    known = getattr(truth.f, "records", ())[-len(evidence.y) :]  # as a Simulator keeps them
    reasons: list[str | None] = []
    for i, failed in enumerate(evidence.failed.tolist()):
        told = known[i].reason if known else None
        unsaid = "its error is NaN" if bool(finite(evidence.y[i : i + 1])) else "it gave NaN"
        reasons.append((told or unsaid) if failed else None)
    return tuple(reasons)
