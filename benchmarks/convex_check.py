"""Whether projections and constrained optima agree with `cvxpy`.

    python benchmarks/convex_check.py

Random convex sets, alone and three at once, in 3 to 24 dimensions, around a point that all of
them hold for. Two questions of each, on several starts:

- *nearest*: the nearest feasible point, by `project`, against the solution of the quadratic
  program;
- *optimum*: the minimum of a random convex quadratic, by `solve` with projected steps, against
  the same.

What is compared: the violation as `cvxpy` evaluates it, and the objective. The interior-point
solver is Clarabel at tolerances of 1e-12, or of 1e-10 where it does not get there; where its own
solution is infeasible by more than ours, that is seen in its column.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import torch
from record import provenance, table, write
from torch import Tensor

from xhat.constraints import (
    AffineEquality,
    Bounds,
    Halfspace,
    Intersection,
    L1Ball,
    L2Ball,
    LinfBall,
    Monotone,
    Projected,
    SecondOrderCone,
    SumWithin,
)
from xhat.engine import Compute, GradientDescent, Plateau, Problem, solve
from xhat.spaces import Box

SEED, TIMES, STARTS = 0, 12, 8
TOLERANCES = ("tol_gap_abs", "tol_gap_rel", "tol_feas")


@dataclass(frozen=True)
class Set:
    """One convex set, in our words and in theirs."""

    ours: Projected
    theirs: Callable[[cp.Variable], list[Any]]


def sets(inside: np.ndarray, draw: np.random.Generator) -> dict[str, Set]:
    """Return sets that all hold at ``inside``, ``(d,)``, ascending."""
    d = len(inside)
    row = torch.tensor(inside)[None]
    centre = inside + 0.3 * draw.standard_normal(d)
    c = torch.tensor(centre)[None]
    far = {k: float(np.linalg.norm(inside - centre, k)) * 1.05 for k in (1, 2, np.inf)}
    normal, matrix = draw.standard_normal(d), draw.standard_normal((2, d))
    offset, values = float(normal @ inside) + 0.05, matrix @ inside
    low, high, weights = inside - 0.4, inside + 0.2, draw.uniform(0.5, 2.0, d)
    total = float(weights @ inside)
    cone = np.linalg.norm(inside[:-1])
    found = {
        "Bounds": Set(
            Bounds(torch.tensor(low)[None], torch.tensor(high)[None]),
            lambda x: [x >= low, x <= high],
        ),
        "L2Ball": Set(L2Ball(c, far[2]), lambda x: [cp.norm(x - centre, 2) <= far[2]]),
        "LinfBall": Set(
            LinfBall(c, far[np.inf]), lambda x: [cp.norm(x - centre, "inf") <= far[np.inf]]
        ),
        "L1Ball": Set(L1Ball(c, far[1]), lambda x: [cp.norm(x - centre, 1) <= far[1]]),
        "Halfspace": Set(
            Halfspace(torch.tensor(normal)[None], offset), lambda x: [normal @ x <= offset]
        ),
        "AffineEquality": Set(
            AffineEquality(torch.tensor(matrix), torch.tensor(values)),
            lambda x: [matrix @ x == values],
        ),
        "SumWithin": Set(
            SumWithin(
                torch.tensor(low)[None],
                torch.tensor(high)[None],
                torch.tensor(total, dtype=torch.double),
                torch.tensor(weights)[None],
            ),
            lambda x: [x >= low, x <= high, weights @ x == total],
        ),
        "Monotone": Set(Monotone(), lambda x: [cp.diff(x) >= 0]),
    }
    if inside[-1] >= cone:
        found["SecondOrderCone"] = Set(SecondOrderCone(), lambda x: [cp.SOC(x[-1], x[:-1])])
    for each in found.values():
        if float(each.ours.violation(row)) > 1e-9:
            raise RuntimeError(f"{each.ours.name} does not hold where it should.")
    return found


def their_answer(
    conditions: Callable[[cp.Variable], list[Any]], matrix: np.ndarray, middle: np.ndarray
) -> tuple[float, float]:
    """Return the objective and the violation of Clarabel's solution."""
    x = cp.Variable(len(middle))
    held = conditions(x)
    root = np.linalg.cholesky(matrix).T
    problem = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(root @ (x - middle))), held)
    try:
        problem.solve(solver=cp.CLARABEL, **dict.fromkeys(TOLERANCES, 1e-12))
    except cp.SolverError:
        problem.solve(solver=cp.CLARABEL, **dict.fromkeys(TOLERANCES, 1e-10))
    return float(problem.value), worst(held)


def worst(held: list[Any]) -> float:
    """Return the largest violation at the present value of the variables."""
    return max(float(np.max(each.violation())) for each in held)


def at(conditions: Callable[[cp.Variable], list[Any]], point: np.ndarray) -> float:
    """Return how much a point violates the conditions, as cvxpy says."""
    x = cp.Variable(len(point))
    x.value = point
    return worst(conditions(x))


def compare(ours: Projected, conditions: Any, d: int, draw: np.random.Generator) -> dict[str, Any]:
    """Return gaps and violations of both questions for one set."""
    starts = torch.tensor(1.5 * draw.standard_normal((STARTS, d)))
    root = draw.standard_normal((d, d)) / np.sqrt(d)
    matrix, middle = root @ root.T + 0.2 * np.eye(d), 2 * draw.standard_normal(d)
    found = ours.project(starts).numpy()
    row: dict[str, Any] = {"violation": 0.0, "theirs": 0.0, "nearest": 0.0, "optimum": 0.0}
    for start, point in zip(starts.numpy(), found, strict=True):
        best, broken = their_answer(conditions, np.eye(d), start)
        gap = 0.5 * float(((point - start) ** 2).sum()) - best
        row["nearest"] = max(row["nearest"], gap / max(1.0, abs(best)))
        row["violation"] = max(row["violation"], at(conditions, point))
        row["theirs"] = max(row["theirs"], broken)
    quadratic, wanted = torch.tensor(matrix), torch.tensor(middle)

    def objective(x: Tensor) -> Tensor:
        return 0.5 * (((x - wanted) @ quadratic) * (x - wanted)).sum(dim=1)

    result = solve(
        Problem(objective, Box(-1e6, 1e6), (ours,)),
        starts,
        stepper=GradientDescent(1 / float(np.linalg.eigvalsh(matrix)[-1])),
        stop=Plateau(patience=30, tolerance=1e-13),
        max_steps=3000,
        compute=Compute(precision="float64"),
    )
    best, _ = their_answer(conditions, matrix, middle)
    gaps = (result.loss.double() - best) / max(1.0, abs(best))
    row["optimum"] = max(0.0, float(gaps.max()))
    row["violation"] = max(row["violation"], *(at(conditions, x) for x in result.x.numpy()))
    return row


def main() -> None:
    """Compare, print and write."""
    draw = np.random.default_rng(SEED)
    rows: dict[str, list[dict[str, Any]]] = {}
    for k in range(TIMES):
        d = int(draw.integers(3, 25))
        inside = np.sort(draw.standard_normal(d))
        inside[-1] = 1.02 * np.linalg.norm(inside[:-1]) + inside[-1].clip(0)  # and so in the cone
        known = sets(inside, draw)
        for name, each in known.items():
            rows.setdefault(name, []).append(compare(each.ours, each.theirs, d, draw))
        chosen = [known[name] for name in draw.choice(list(known), 3, replace=False)]
        together = Intersection([each.ours for each in chosen])

        def conditions(x: cp.Variable, chosen: list[Set] = chosen) -> list[Any]:
            return [held for each in chosen for held in each.theirs(x)]

        rows.setdefault("three at once", []).append(compare(together, conditions, d, draw))
        print(f"{k + 1} of {TIMES}", flush=True)
    keys = ("nearest", "optimum", "violation", "theirs")
    worsts = {n: {k: max(row[k] for row in r) for k in keys} for n, r in rows.items()}
    record = {"provenance": provenance(SEED, ["torch", "cvxpy", "clarabel"]), "worst": worsts}
    head = ["set", "problems", "nearest", "optimum", "violation", "Clarabel's violation"]
    text = table(
        head,
        [[n, len(rows[n]) * STARTS, *(f"{worsts[n][k]:.1e}" for k in keys)] for n in rows],
    )
    text += (
        f"\nWorst of all, in float64. *nearest* and *optimum*: by how much the objective is "
        f"above Clarabel's, relative where that is above 1; {STARTS} starts each.\n"
    )
    write("convex", record, text)


if __name__ == "__main__":
    main()
