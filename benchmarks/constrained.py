"""General constraints: how often and how closely known optima are reached, and what that takes.

    python benchmarks/constrained.py [--method xhat --starts 64]

The programs of ``tests/engine/hock_schittkowski.py``, in float64, from the book's start (moved into
the bounds) and from starts scattered around it. A method is judged by where it ends: feasible when
no constraint or bound is violated by more than 1e-6, right when feasible and within 1e-3 of the
optimum (relative, absolute where it is 0). An evaluation is of all functions with their gradients
at one point; time is of the processor. A call replaces the rows of the methods it names and keeps
the others. Every second program, beginning with the first, was looked at while the quadratic
programs of this library were written; the others were not. The table tells both apart.
"""

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from record import RESULTS, provenance, table, write
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.engine.hock_schittkowski import PROBLEMS
from tests.engine.peers import Counted, Found, slsqp, trust_constr
from tests.engine.program import Program

SEED, TOLERANCE, CLOSE, NEARER = 0, 1e-6, 1e-3, 1e-4
STEPS = 200  # of each of SciPy's searches
COOPER_STEPS, COOPER_ROUND = 3000, 100
Solved = tuple[Tensor, Tensor]  # x (n, d), evaluations (n,)


def starts(program: Program, n: int) -> Tensor:
    """Return the book's start and ``n - 1`` points around it, within the bounds, ``(n, d)``."""
    generator = torch.Generator().manual_seed(SEED + int(program.number))
    start = torch.tensor(program.start, dtype=torch.float64)
    noise = torch.randn(n, len(start), generator=generator, dtype=torch.float64)
    noise[0] = 0
    low, high = program.bounds()
    reach = torch.minimum(start.abs().clamp(min=1), high - low) / 2
    return torch.clamp(start + reach * noise, low, high)


def multipliers(program: Program, x0: Tensor) -> Solved:
    """Search by this library's augmented Lagrangian, all starts in one batch."""
    from xhat.engine import AugmentedLagrangian

    return xhat(program, x0, AugmentedLagrangian())


def xhat(program: Program, x0: Tensor, stepper: Any = None) -> Solved:
    """Search by this library, all starts in one batch; by what it chooses, if nothing is asked."""
    from xhat.constraints import Equality, Inequality
    from xhat.engine import Compute, Problem, solve
    from xhat.spaces import Box

    constraints = []
    if program.positive is not None:
        constraints.append(Inequality(program.inequalities))
    if program.zero is not None:
        constraints.append(Equality(program.equalities))
    problem = Problem(program.objective, Box(*program.bounds()), tuple(constraints), TOLERANCE)
    result = solve(problem, x0, stepper=stepper, compute=Compute(precision="float64"))
    return result.x, result.evaluations


def one_by_one(by: Callable[..., Found], **settings: Any) -> Callable[[Program, Tensor], Solved]:
    """Return a search that runs ``by`` from one start after the other."""

    def search(program: Program, x0: Tensor) -> Solved:
        found = []
        for row in x0:
            try:
                found.append(by(program, row, **settings))
            except (ValueError, ArithmeticError) as error:  # of a start where a value is NaN
                found.append(Found(row, 1, str(error)))
        return torch.stack([f.x for f in found]), torch.tensor([f.evaluations for f in found])

    return search


def cooper(program: Program, x0: Tensor) -> Solved:
    """Search by cooper's augmented Lagrangian, all starts in one batch, Adam below, SGD above.

    Variables and functions are scaled as they are for SciPy's scaled runs; bounds are clipped to.
    """
    import cooper as peer

    of = Counted(program, x0[0].numpy(), scaled=True)
    unit, scale = torch.from_numpy(of.unit), torch.from_numpy(of.scale)
    u = torch.nn.Parameter(x0 / unit)
    low, high = (bound / unit for bound in program.bounds())

    k = program.inequalities(x0).shape[1]
    kinds = {"inequalities": scale[1 : 1 + k], "equalities": scale[1 + k :]}

    class Scaled(peer.ConstrainedMinimizationProblem):
        def __init__(self) -> None:
            super().__init__()
            for kind, by in kinds.items():
                size = len(x0) * len(by)
                if size == 0:
                    continue
                sort = peer.ConstraintType.EQUALITY
                if kind == "inequalities":
                    sort = peer.ConstraintType.INEQUALITY
                held = peer.Constraint(
                    sort,
                    peer.formulations.AugmentedLagrangian,
                    peer.multipliers.DenseMultiplier(size, dtype=torch.float64),
                    peer.penalty_coefficients.DensePenaltyCoefficient(
                        torch.ones(size, dtype=torch.float64)
                    ),
                )
                setattr(self, kind, held)

        def compute_cmp_state(self) -> peer.CMPState:
            x = u * unit
            loss = (program.objective(x) / scale[0]).sum()
            states = {
                getattr(self, kind): peer.ConstraintState(
                    (getattr(program, kind)(x) / by).flatten()
                )
                for kind, by in kinds.items()
                if len(by)
            }
            return peer.CMPState(loss=loss, observed_constraints=states)

    _climb(peer, Scaled(), u, low, high)
    return (u * unit).detach(), torch.full((len(x0),), 2 * COOPER_STEPS)


def _climb(peer: Any, problem: Any, u: torch.nn.Parameter, low: Tensor, high: Tensor) -> None:
    primal = torch.optim.Adam([u], lr=0.02)
    primal.register_step_post_hook(lambda *_: u.data.clamp_(low, high))
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(primal, COOPER_STEPS, eta_min=1e-6)
    dual = torch.optim.SGD(problem.dual_parameters(), lr=1.0, maximize=True)
    alternate = peer.optim.AlternatingPrimalDualOptimizer(problem, primal, dual)
    growing = peer.penalty_coefficients.MultiplicativePenaltyCoefficientUpdater(
        growth_factor=1.5, violation_tolerance=TOLERANCE, has_restart=False
    )
    for step in range(1, COOPER_STEPS + 1):
        state = alternate.roll().cmp_state
        slower.step()
        if step % COOPER_ROUND == 0:
            growing.step(state.observed_constraints)


METHODS: dict[str, Callable[[Program, Tensor], Solved]] = {
    "xhat": xhat,
    "xhat, multipliers": multipliers,
    "SLSQP": one_by_one(slsqp, scaled=False, steps=STEPS),
    "SLSQP, scaled": one_by_one(slsqp, steps=STEPS),
    "trust-constr, scaled": one_by_one(trust_constr, steps=STEPS),
    "cooper": cooper,
}


def judged(name: str, program: Program, n: int) -> dict[str, Any]:
    """Search one program by one method from ``n`` starts, and say where that ended."""
    x0, began = starts(program, n), time.process_time()
    x, evaluations = METHODS[name](program, x0)
    seconds = time.process_time() - began
    violation, gap = program.violation(x), program.gap(x)
    # NaN is neither feasible nor near
    feasible = violation <= TOLERANCE
    return {
        "number": program.number,
        "feasible": feasible.tolist(),
        "right": (feasible & (gap <= CLOSE)).tolist(),
        "below": (feasible & (gap < -CLOSE)).any().item(),
        "violation": violation.tolist(),
        "gap": gap.tolist(),
        "evaluations": evaluations.tolist(),
        "seconds": seconds,
    }


def row(name: str, n: int) -> dict[str, Any]:
    """Search every program by one method from ``n`` starts each."""
    each = []
    for program in PROBLEMS:
        each.append(judged(name, program, n))
        last = each[-1]
        share = statistics.mean(last["right"])
        print(f"{name} {n} {program.number} {share:.2f} {last['seconds']:.2f} s", flush=True)
    return {"method": name, "starts": n, "programs": each}


def summary(found: dict[str, Any]) -> tuple[str, ...]:
    """Return the table's line of one row."""
    each = found["programs"]

    def every(key: str) -> list[Any]:
        return [value for program in each for value in program[key]]

    gaps = [
        abs(gap) for gap, feasible in zip(every("gap"), every("feasible"), strict=True) if feasible
    ]
    searches = len(every("right"))
    pairs = zip(every("gap"), every("feasible"), strict=True)
    close = sum(feasible and abs(gap) <= NEARER for gap, feasible in pairs)
    return (
        found["method"],
        f"{found['starts']}",
        f"{100 * statistics.mean(every('feasible')):.1f} %",
        f"{100 * statistics.mean(every('right')):.1f} %",
        f"{sum(any(program['right']) for program in each)} of {len(each)}",
        f"{sum(any(program['right']) for program in each[1::2])} of {len(each[1::2])}",
        f"{close / searches:.1%}".replace("%", " %"),
        f"{statistics.median(gaps):.1e}" if gaps else "–",
        f"{statistics.median(every('evaluations')):.0f}",
        f"{1e3 * sum(program['seconds'] for program in each) / searches:.0f}",
    )


def main() -> None:
    """Measure, and write ``constrained.json`` and ``constrained.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=64, help="of each program, the book's first")
    parser.add_argument("--method", action="append", choices=tuple(METHODS))
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="scipy")
    for name in arguments.method or METHODS:
        for n in sorted({1, arguments.starts}):
            keep(row(name, n))


def keep(found: dict[str, Any]) -> None:
    """Put one row among those that were measured before, and write them all."""
    kept = RESULTS / "constrained.json"
    rows = json.loads(kept.read_text())["rows"] if kept.exists() else []
    rows = [each for each in rows if place(each) != place(found)] + [found]
    rows.sort(key=place)
    text = table(
        (
            "method", "starts of each program", "feasible to 1e-6", "within 1e-3 of the optimum",
            "programs solved from some start", "of those never looked at",
            "within 1e-4 of the optimum", "median gap (absolute) where feasible",
            "evaluations, median", "CPU ms a start",
        ),
        [summary(each) for each in rows],
    )  # fmt: skip
    packages = ("torch", "numpy", "scipy")
    write("constrained", {"provenance": provenance(SEED, packages), "rows": rows}, text)


def place(found: dict[str, Any]) -> tuple[bool, int]:
    """Return where a row stands: the book's starts first, then by method."""
    return found["starts"] > 1, list(METHODS).index(found["method"])


if __name__ == "__main__":
    main()
