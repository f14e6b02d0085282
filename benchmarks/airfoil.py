"""Airfoils by a surrogate that nobody here trained: are designs what it says, and are they good?

    python benchmarks/airfoil.py [--specifications 50] [--seed 0] [--jobs 2]

Random specifications, each an aircraft at three speeds, are searched in one batch; each search
begins at the best of 1,908 real airfoils. XFoil then holds every lift and says what drag and moment
are: of the designs, of the four best real airfoils for each specification by the surrogate, and of
a descent that takes the surrogate at its word (lift of the middle condition and thickness, nothing
else). The gap is the difference of surrogate and XFoil in the mean over conditions of ln CD.

The same problems are given to SciPy's SLSQP, one at a time, from the same starts.
"""

import argparse
import time
from typing import Any

import numpy as np
import torch
from record import provenance, table, write
from scipy.optimize import minimize

from xhat_zoo.airfoil import (
    WITNESS,
    Drag,
    Flight,
    Rivals,
    Searched,
    Specification,
    Verified,
    XFoil,
    design_box,
    requirements,
    rivals,
    search,
    surrogate,
    verify,
)
from xhat_zoo.airfoil import specifications as drawn

_TOLERANCE = 1e-4


def main() -> None:
    """Measure, and write ``airfoil.json`` and ``airfoil.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--specifications", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=120.0)
    parser.add_argument("--no-slsqp", action="store_true")
    arguments = parser.parse_args()
    asked = drawn(arguments.specifications, arguments.seed)
    clock = Clock()
    known = [rivals(one, 4) for one in asked]
    clock("real airfoils looked through")
    found = {"xhat": search(asked, known)}
    clock("xhat")
    found["at its word"] = search(asked, known, trusting=True)
    clock("at its word")
    xfoil, rows, every = XFoil(timeout=arguments.timeout), [], {}
    for name, searched in found.items():
        seen = verify(searched, known if name == "xhat" else [], xfoil, jobs=arguments.jobs)
        clock(f"{name}, by XFoil")
        rows.append(row(name, seen))
        every[name] = records(seen)
        print(rows[-1], flush=True)
    best = None if arguments.no_slsqp else slsqp(found["xhat"], known)
    clock("SLSQP")
    text = tables(rows, found["xhat"], best)
    write(
        "airfoil",
        {
            "provenance": provenance(arguments.seed, ("torch", "numpy", "scipy", "joblib")),
            "rows": rows,
            "seconds": clock.seconds,
            "slsqp": best,
            "specifications": [vars(one) for one in asked],
            "every": every,
        },
        text,
    )


class Clock:
    """Seconds between calls, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def __call__(self, name: str) -> None:
        """Note what has been done since the last call."""
        now = time.perf_counter()
        self.seconds[name] = round(now - self.last, 1)
        self.last = now
        print(f"{name}: {self.seconds[name]} s", flush=True)


def row(name: str, seen: Verified) -> dict[str, Any]:
    """Return the numbers of one way of searching."""
    known = seen.gap.isfinite()
    each = seen.gaps[seen.gaps.isfinite()]
    numbers = {
        "way": name,
        "n": len(seen.gap),
        "feasible by the surrogate": int(seen.searched.result.feasible.sum()),
        "converged": int(known.sum()),
        "gap, median": float(seen.gap[known].median()),
        "gap, 90 %": float(seen.gap[known].quantile(0.9)),
        "gap, largest": float(seen.gap[known].max()),
        "gap of a condition, median": float(each.median()),
        "gap of a condition, 90 %": float(each.quantile(0.9)),
        "holds by XFoil": int(seen.flights.holds.sum()),
        "least confidence": float(seen.searched.seen.confidence.min()),
    }
    if any(seen.rival_names):
        rivalled = seen.rival_merit.isfinite()
        saved = (seen.flights.merit - seen.rival_merit)[rivalled & known]
        numbers |= {
            "with a rival": int(rivalled.sum()),
            "below the rival": int((seen.better & rivalled).sum()),
            "drag saved, median": float(1 - saved.median().exp()),
        }
    return numbers


def records(seen: Verified) -> list[dict[str, Any]]:
    """Return every design with what surrogate and XFoil say of it."""
    x, own = seen.searched.result.x, seen.flights
    return [
        {
            "design": [round(value, 8) for value in x[i].tolist()],
            "status": seen.searched.result.status[i],
            "violation": float(seen.searched.result.violation[i]),
            "drag by the surrogate": seen.searched.seen.drag[i].tolist(),
            "drag by XFoil": own.drag[i].tolist(),
            "moment by XFoil": own.moment[i].tolist(),
            "confidence": seen.searched.seen.confidence[i].tolist(),
            "why": own.why(i),
            "rival": seen.rival_names[i],
            "rival, mean ln CD by XFoil": float(seen.rival_merit[i]),
        }
        for i in range(len(x))
    ]


def slsqp(found: Searched, known: list[Rivals]) -> dict[str, Any]:
    """Solve the same problems one at a time by SciPy, and compare the drag by the surrogate."""
    began, differences, feasible = time.perf_counter(), [], 0
    for one, start, own in zip(
        found.specifications, known, found.result.loss.tolist(), strict=True
    ):
        drag, violation = by_slsqp(one, start.nearest)
        feasible += violation <= _TOLERANCE
        differences.append(own - drag)
    return {
        "n": len(differences),
        "feasible": feasible,
        "ln CD above SLSQP, median": float(np.median(differences)),
        "ln CD above SLSQP, all": differences,
        "seconds": round(time.perf_counter() - began, 1),
    }


def by_slsqp(asked: Specification, start: torch.Tensor) -> tuple[float, float]:
    """Return the drag that SLSQP finds by the surrogate, and its violation."""
    flight, rows, box = Flight(), asked.row()[None], design_box(asked.conditions)
    drag, kept = Drag(rows, flight), requirements(rows, flight, witness=surrogate(WITNESS))
    memory: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def all_of(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if v.tobytes() not in memory:
            x = torch.tensor(v[None], requires_grad=True)
            y = torch.cat([drag(x), *(c.values(x)[0] for c in kept)])
            eye = torch.eye(len(y), dtype=y.dtype)
            (slopes,) = torch.autograd.grad(y, x, eye, is_grads_batched=True)
            memory.clear()
            memory[v.tobytes()] = y.detach().numpy(), slopes[:, 0].numpy()
        return memory[v.tobytes()]

    k = 1 + asked.conditions
    limits = [
        {"type": "eq", "fun": lambda v: all_of(v)[0][1:k], "jac": lambda v: all_of(v)[1][1:k]},
        {"type": "ineq", "fun": lambda v: -all_of(v)[0][k:], "jac": lambda v: -all_of(v)[1][k:]},
    ]
    done = minimize(
        lambda v: all_of(v)[0][0],
        box.project(start)[0].numpy(),
        jac=lambda v: all_of(v)[1][0],
        bounds=list(zip(box.low[0].tolist(), box.high[0].tolist(), strict=True)),
        constraints=limits,
        method="SLSQP",
        options={"maxiter": 150, "ftol": 1e-7},
    )
    x = torch.tensor(done.x[None])
    return float(done.fun), max(float(c.violation(x)) for c in kept)


def tables(rows: list[dict[str, Any]], found: Searched, best: dict[str, Any] | None) -> str:
    """Return the tables of the documentation."""
    xhat, word = rows
    n, rivalled = xhat["n"], xhat["with a rival"]
    least = 100 * xhat["below the rival"] / max(1, rivalled)
    lines = [
        ("median gap, ln CD", "≤ 0.02", f"{xhat['gap, median']:.4f}"),
        ("90th percentile of the gap", "≤ 0.05", f"{xhat['gap, 90 %']:.4f}"),
        ("XFoil converges and holds every lift", "all", f"{xhat['converged']} of {n}"),
        ("and its moments are within the limits", "all", f"{xhat['holds by XFoil']} of {n}"),
        (
            "shape, confidence and lift hold by the surrogate, in float64",
            "all",
            f"{xhat['feasible by the surrogate']} of {n}",
        ),
        (
            "drag below the best real airfoil, both by XFoil",
            "≥ 90 %",
            f"{least:.0f} % ({xhat['below the rival']} of {rivalled})",
        ),
        ("drag saved, median", "", f"{100 * xhat['drag saved, median']:.1f} %"),
    ]
    text = table(("figure", "asked", "measured"), lines) + "\n"
    text += table(
        ("way", "gap, median", "90 %", "largest", "of one condition, median", "90 %", "converged"),
        [
            (
                each["way"],
                *(f"{each[name]:.3f}" for name in ("gap, median", "gap, 90 %", "gap, largest")),
                f"{each['gap of a condition, median']:.3f}",
                f"{each['gap of a condition, 90 %']:.3f}",
                f"{each['converged']} of {each['n']}",
            )
            for each in (xhat, word)
        ],
    )
    if best is not None:
        text += (
            f"\nThe search in batch took {found.result.seconds:.0f} s; SLSQP, one at a time, took "
            f"{best['seconds']:.0f} s. ln CD of the batch is above that of SLSQP by "
            f"{best['ln CD above SLSQP, median']:.4f} in the median.\n"
        )
    return text


if __name__ == "__main__":
    main()
