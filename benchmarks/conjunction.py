"""Collision avoidance beside an optimizer that runs on the truth itself.

    python benchmarks/conjunction.py --train     # the shipped surrogate, again
    python benchmarks/conjunction.py --slsqp 40  # scipy's SLSQP on the plain truth, minutes
    python benchmarks/conjunction.py             # everything else, and the table

Times are of the processor, one thread. Those that are compared are taken in one run, medians: of
the search of all encounters in batch, three times, and between them of SLSQP on 12 encounters.

SLSQP minimises ‖Δv‖ under the same limits, on the truth of one encounter as an engineer writes it
(``Plain``: adaptive integrator, root finder, adaptive quadrature), by finite differences. It starts
from half of the thrust limit along the track, forwards and backwards, in the middle of the window,
and once more from what the search had found.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from record import RESULTS, provenance, table, write
from scipy.optimize import minimize

from xhat.engine import Compute, Problem, solve
from xhat.objectives import Measurement, Objective
from xhat_zoo.conjunction import (
    CERTIFIED,
    HELD_OUT,
    Avoidance,
    Burns,
    Encounters,
    Plain,
    Surrogate,
    approach,
    avoid,
    conditions,
    describe,
    errors,
    rows,
    simulate,
    surrogate,
    train_shipped,
)
from xhat_zoo.conjunction.cases import published

SEED, COUNT, WANTED = 123, 500, -5.0
FOLDER = RESULTS / "conjunction"
STARTS = ((0, 0.5, 0, 0.5), (0, -0.5, 0, 0.5))  # in shares of the limits
TAIL = 1e-3  # of log10 Pc, by which an optimizer may miss what is wanted and still count


class OnTruth:
    """One encounter's problem for SLSQP, in shares of the limits; what was computed is kept."""

    def __init__(self, encounters: Encounters, i: int) -> None:
        self.plain, limits = Plain.of(encounters, i), encounters.limits
        self.thrust, self.band = float(limits.thrust[i]), float(limits.band[i])
        self.latest, self.earliest = float(limits.latest[i]), float(limits.earliest[i])
        self.calls, self.known = 0, {}

    def manoeuvre(self, y: np.ndarray) -> np.ndarray:
        """Return Δv and time from shares of the limits."""
        return np.append(self.thrust * y[:3], self.latest + (self.earliest - self.latest) * y[3])

    def shares(self, x: np.ndarray) -> np.ndarray:
        """Return the inverse."""
        return np.append(x[:3] / self.thrust, (x[3] - self.latest) / (self.earliest - self.latest))

    def conditions(self, y: np.ndarray) -> np.ndarray:
        """Return risk, thrust and band, 0 or more where they hold."""
        key = y.tobytes()
        if key not in self.known:
            self.calls += 1
            risk, change = self.plain.consequences(self.manoeuvre(y))
            self.known[key] = np.array(
                [
                    np.sqrt(1 - min(risk, 0.5)) - np.sqrt(1 - WANTED),
                    1 - y[:3] @ y[:3],
                    1 - change / self.band,
                    1 + change / self.band,
                ]
            )
        return self.known[key]

    def solve(self, start: np.ndarray) -> dict[str, Any]:
        """Run SLSQP from a start, and say what came out."""
        began, self.calls, self.known = time.process_time(), 0, {}
        found = minimize(
            lambda y: float(np.sqrt(y[:3] @ y[:3] + 1e-12)),
            start,
            method="SLSQP",
            bounds=[(-1, 1)] * 3 + [(0, 1)],
            constraints={"type": "ineq", "fun": self.conditions},
            options={"maxiter": 60, "ftol": 1e-7, "eps": 1e-4},
        )
        risk, change = self.plain.consequences(self.manoeuvre(found.x))
        length = self.thrust * float(np.linalg.norm(found.x[:3]))
        fits = length <= self.thrust * (1 + 1e-6) and abs(change) <= self.band * (1 + 1e-6)
        return {
            "length": length,
            "log10 Pc": risk,
            "holds": bool(fits and risk <= WANTED + TAIL),
            "calls": self.calls,
            "seconds": time.process_time() - began,
            "x": self.manoeuvre(found.x).tolist(),
        }


def run_slsqp(encounters: Encounters, count: int) -> None:
    """Run SLSQP from both starts along the track, and keep what is known after each encounter."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        path = FOLDER / f"slsqp-{i:03d}.json"
        if path.exists():
            continue
        problem = OnTruth(encounters, i)
        runs = [problem.solve(np.array(start)) for start in STARTS]
        path.write_text(json.dumps(runs) + "\n")
        print(i, [(round(r["length"], 5), r["holds"], r["calls"]) for r in runs], flush=True)


def polish(found: Avoidance, count: int) -> None:
    """Run SLSQP from what the search found."""
    for i in range(count):
        path = FOLDER / f"polished-{i:03d}.json"
        if not path.exists():
            problem = OnTruth(found.encounters, i)
            run = problem.solve(problem.shares(found.x[i].numpy()))
            path.write_text(json.dumps(run) + "\n")
            print(i, run["length"] / float(found.length[i]), run["holds"], flush=True)


def per_call(function: Callable[[], Any], candidates: int, repeats: int) -> float:
    """Return processor seconds a candidate, the median of some repeats."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        function()
        taken.append((time.process_time() - began) / candidates)
    return float(np.median(taken))


def speeds(encounters: Encounters) -> dict[str, float]:
    """Return microseconds an evaluation of the surrogate and of both truths."""
    many = encounters.select(torch.arange(20_000) % len(encounters))
    draws = torch.Generator().manual_seed(SEED)
    x = 0.03 * torch.randn(len(many), 4, generator=draws, dtype=torch.float64)
    x[:, 3] = many.limits.latest + (many.limits.earliest - many.limits.latest) * torch.rand(
        len(many), generator=draws, dtype=torch.float64
    )
    model, context = surrogate(), describe(many)
    single = x.float(), context.float()

    def gradient() -> None:
        leaf = single[0].clone().requires_grad_(True)
        torch.autograd.grad(model(leaf, single[1]).sum(), leaf)

    few, plain = many.select(torch.arange(4000)), [Plain.of(many, i) for i in range(20)]
    with torch.no_grad():
        learned = per_call(lambda: model(*single), len(many), 7)
    return {
        "surrogate": 1e6 * learned,
        "surrogate with gradient": 1e6 * per_call(gradient, len(many), 7),
        "describing an encounter": 1e6 * per_call(lambda: describe(many), len(many), 3),
        "truth, batched": 1e6 * per_call(lambda: approach(few, x[:4000]), 4000, 1),
        "truth, plain": 1e6
        * per_call(lambda: [p(y.numpy()) for p, y in zip(plain, x, strict=False)], 20, 3),
    }


def timed(encounters: Encounters) -> dict[str, Any]:
    """Return seconds a solution of the search and of a run of SLSQP, taken in turns."""
    ours, slsqp = [], []
    for turn in range(3):
        spent = avoid(encounters, seed=SEED).seconds
        ours.append({name: value / len(encounters) for name, value in spent.items()})
        for i in range(4 * turn, 4 * turn + 4):
            problem = OnTruth(encounters, i)
            slsqp += [problem.solve(np.array(start))["seconds"] for start in STARTS]
    middle = sorted(ours, key=lambda one: sum(one.values()))[1]
    return {"search": middle, "SLSQP, a run": float(np.median(slsqp)), "SLSQP, runs": slsqp}


def gaps(encounters: Encounters) -> dict[str, Any]:
    """Return the comparison with SLSQP over the encounters it was run on."""
    found = avoid(encounters, seed=SEED)
    baseline = [json.loads(p.read_text()) for p in sorted(FOLDER.glob("slsqp-*.json"))]
    polished = [json.loads(p.read_text()) for p in sorted(FOLDER.glob("polished-*.json"))]
    runs = [run for pair in baseline for run in pair]
    best = []
    for i, pair in enumerate(baseline):
        known = [*pair, *polished[i : i + 1]]
        best.append(min((r["length"] for r in known if r["holds"]), default=np.nan))
    ratio = found.length[: len(best)].numpy() / np.array(best)
    return {
        "found": found,
        "slsqp": {
            "encounters": len(baseline),
            "polished": len(polished),
            "runs that hold": float(np.mean([run["holds"] for run in runs])),
            "calls a run": float(np.mean([run["calls"] for run in runs])),
            "seconds a run": float(np.mean([run["seconds"] for run in runs])),
            "ratio": ratio.tolist(),
        },
    }


def least_risk(found: Avoidance) -> list[float]:
    """Return the least ``log10 Pc`` within all limits, for each encounter without a burn.

    The risk itself is minimised on the surrogate from random starts; of the results the truth is
    asked.
    """
    ids = (~found.certified).nonzero()[:, 0].repeat(24)
    if not len(ids):
        return []
    some, draws = found.encounters.select(ids), torch.Generator().manual_seed(SEED)
    context, limits, model = describe(some), some.limits, surrogate().double()
    start = torch.randn(len(ids), 4, generator=draws, dtype=torch.float64)
    start[:, :3] *= 0.3 * limits.thrust[:, None]
    share = torch.rand(len(ids), generator=draws, dtype=torch.float64)
    start[:, 3] = limits.latest + (limits.earliest - limits.latest) * share
    unit = limits.thrust[:, None]
    never = torch.zeros(len(ids), dtype=torch.float64)
    problem = Problem(
        Known(model, context),
        Burns(unit, limits.latest[:, None], limits.earliest[:, None]),
        conditions(model, context, never, limits.thrust, limits.band),
    )
    result = solve(
        problem, start, max_steps=60, compute=Compute(precision="float64", chunk=2048, seed=SEED)
    )
    least = torch.where(result.feasible, approach(some, result.x).log10_pc, 0.0)
    return least.reshape(24, -1).amin(0).tolist()


class Known(Objective):
    """The surrogate's ``log10 Pc``, to be minimised."""

    per_candidate = ("context",)
    models = ("model",)

    def __init__(self, model: Surrogate, context: torch.Tensor) -> None:
        self.model, self.context = model, context

    def measure(self, x: torch.Tensor, z: torch.Tensor) -> Measurement:
        """Return it."""
        return Measurement(self.model(x, self.context))


def summary(encounters: Encounters) -> dict[str, Any]:
    """Return everything that is measured but SLSQP, which is read from its files."""
    cases = published()
    compared = gaps(encounters)
    found: Avoidance = compared["found"]
    off = errors(surrogate(), rows(500, 10, seed=HELD_OUT + 1)).abs()
    ratio = np.array(compared["slsqp"]["ratio"])
    known = ratio[np.isfinite(ratio)]
    taken = timed(encounters)
    seconds = taken["search"]
    shift = found.length / found.searched[:, :3].norm(dim=1)
    return {
        "published cases": len(cases),
        "largest relative error": max(abs(f / w - 1) for w, f in cases.values()),
        "encounters": len(found),
        "certified": int(found.certified.sum()),
        "not certified": [s for s in found.status if s != CERTIFIED],
        "least log10 Pc within their limits": least_risk(found),
        "truth calls an encounter": found.truth_calls,
        "log10 Pc": [float(found.log10_pc.min()), float(found.log10_pc.max())],
        "seconds a solution": seconds,
        "surrogate alone, held (by the truth, to 1e-3)": float(
            (approach(encounters, found.searched).log10_pc <= WANTED + TAIL).double().mean()
        ),
        "surrogate alone, length, off by (median, p99)": [
            float((shift - 1).abs().quantile(q)) for q in (0.5, 0.99)
        ],
        "slsqp": compared["slsqp"],
        "length over best SLSQP (median, p90, p99, max)": [
            float(np.quantile(known, q)) for q in (0.5, 0.9, 0.99, 1.0)
        ],
        "within 1 % of best SLSQP": float((known <= 1.01).mean()),
        "timed": taken,
        "speed-up a solution": taken["SLSQP, a run"] / sum(seconds.values()),
        "microseconds": speeds(encounters),
        "surrogate |error| in log10 Pc (median, p90, p99, p99.9)": [
            float(off.quantile(q)) for q in (0.5, 0.9, 0.99, 0.999)
        ],
        "held-out manoeuvres": len(off),
    }


def tables(of: dict[str, Any]) -> str:
    """Return what was asked for against what was measured, as Markdown."""
    slsqp, micro, run = of["slsqp"], of["microseconds"], of["timed"]["SLSQP, a run"]
    ratio = of["length over best SLSQP (median, p90, p99, max)"]
    error = of["surrogate |error| in log10 Pc (median, p90, p99, p99.9)"]
    lines = [
        (
            f"truth against {of['published cases']} published cases: largest error",
            "0.3 %",
            f"{100 * of['largest relative error']:.3f} %",
        ),
        (
            "encounters certified at Pc ≤ 1e-5 by the truth",
            "100 %",
            f"{of['certified']} of {of['encounters']}",
        ),
        (
            "the rest: least log10 Pc that 24 searches for it found within their limits",
            "",
            "; ".join(f"{v:.2f}" for v in of["least log10 Pc within their limits"]) or "–",
        ),
        (
            "the surrogate alone, without the truth: burns that hold to 1e-3 in log10 Pc",
            "",
            f"{of['surrogate alone, held (by the truth, to 1e-3)']:.0%}",
        ),
        (
            f"Δv over the best of SLSQP on the truth ({len(slsqp['ratio'])} encounters): "
            f"median; 90th percentile; worst",
            "1.01",
            f"{ratio[0]:.4f}; {ratio[1]:.4f}; {ratio[3]:.4f}",
        ),
        ("the same: within 1 %", "100 %", f"{100 * of['within 1 % of best SLSQP']:.0f} %"),
        (
            f"processor time a solution ({1e3 * sum(of['seconds a solution'].values()):.1f} ms, "
            f"calls of the truth included), against SLSQP from two starts ({2 * run:.2f} s)",
            "100 ×",
            f"{2 * of['speed-up a solution']:.0f} ×",
        ),
        (
            f"the same, against a single run of SLSQP ({run:.2f} s, "
            f"{slsqp['calls a run']:.0f} calls of the truth)",
            "100 ×",
            f"{of['speed-up a solution']:.0f} ×",
        ),
        (
            f"surrogate ({micro['surrogate']:.2f} µs) against the plain truth "
            f"({micro['truth, plain'] / 1e3:.1f} ms), an evaluation",
            "1,000 ×",
            f"{micro['truth, plain'] / micro['surrogate']:,.0f} ×",
        ),
        (
            f"surrogate against the batched truth ({micro['truth, batched'] / 1e3:.2f} ms)",
            "",
            f"{micro['truth, batched'] / micro['surrogate']:,.0f} ×",
        ),
        (
            f"surrogate's error in log10 Pc, {of['held-out manoeuvres']:,} held-out manoeuvres "
            f"with log10 Pc in −7…−3: median; 90; 99; 99.9 %",
            "",
            "; ".join(f"{value:.4f}" for value in error),
        ),
    ]
    return table(("what", "asked", "measured"), lines)


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--slsqp", type=int, default=0)
    parser.add_argument("--polish", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    encounters = simulate(COUNT, seed=SEED)
    if asked.train:
        print(train_shipped())
    elif asked.slsqp:
        run_slsqp(encounters, asked.slsqp)
    elif asked.polish:
        polish(avoid(encounters.select(torch.arange(asked.polish)), seed=SEED), asked.polish)
    else:
        of = summary(encounters)
        record = {"provenance": provenance(SEED, ("torch", "numpy", "scipy")), **of}
        write("conjunction", record, tables(of))


if __name__ == "__main__":
    main()
