"""Two inequalities on a small network, and circles in a square: this library against SLSQP.

    python benchmarks/constrained_network.py

The network is 8-64-64-1 with tanh, its weights drawn at random; its output is minimised in the unit
box where the sum of the inputs is at most 4 and their squared distance from the middle at most
0.25, from n starts drawn at random. SciPy's SLSQP runs from one start after the other, in float64
(in float32 rounding stops its line search), with gradients by torch and its usual accuracy; this
library from all of them at once, as ``solve`` does it without further arguments. The circles: the
largest radius of five equal ones in the unit square, with 30 conditions on 11 variables; known
(Graham, 1963) to be 0.207107. Times are of the processor, one thread, medians over rounds in which
the methods take turns.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from record import provenance, table, write
from scipy.optimize import minimize
from torch import Tensor, nn

from xhat.constraints import Inequality
from xhat.engine import AugmentedLagrangian, Compute, Problem, solve
from xhat.spaces import Box

SEED, ROUNDS, SIZES = 0, 15, (1, 100, 2000)
CIRCLES, STARTS, RADIUS = 5, 64, 0.20710678
Searched = tuple[Tensor, Tensor]  # x (n, d), evaluations (n,)


def network(dtype: torch.dtype) -> nn.Module:
    """Return the network, always with the same weights."""
    torch.manual_seed(SEED)
    layers = (nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    return nn.Sequential(*layers).eval().to(dtype)


def light(x: Tensor) -> Tensor:
    """Return by how much the sum is too large."""
    return x.sum(dim=1) - 4


def near(x: Tensor) -> Tensor:
    """Return by how much the distance from the middle is too large."""
    return (x - 0.5).square().sum(dim=1) - 0.25


def apart(x: Tensor) -> Tensor:
    """Return by how much circles overlap each other or the square's sides, ``(n, 30)``."""
    places, radius = x[:, :-1].reshape(len(x), CIRCLES, 2), x[:, -1:]
    one, other = torch.triu_indices(CIRCLES, CIRCLES, 1)
    distance = (places[:, one] - places[:, other]).square().sum(dim=2)
    flat = places.flatten(1)
    return torch.cat([4 * radius.square() - distance, radius - flat, flat + radius - 1], dim=1)


def slsqp(
    cost: Callable[[Tensor], Tensor], held: list[Callable[[Tensor], Tensor]], x0: Tensor
) -> Searched:
    """Search by SciPy from one start after the other, in the unit box."""
    count = 0

    def slopes(of: Callable[[Tensor], Tensor], u: Any) -> Any:
        x = torch.from_numpy(u)[None]
        k = of(x).reshape(-1).numel()
        x = x.repeat(k, 1).requires_grad_()  # one row a value, for a single pass back
        (rows,) = torch.autograd.grad(of(x).reshape(k, -1).diagonal(dim1=0, dim2=1).sum(), x)
        return rows.numpy()

    def value(u: Any) -> tuple[float, Any]:
        nonlocal count
        count += 1
        x = torch.from_numpy(u)[None].requires_grad_()
        loss = cost(x)
        (slope,) = torch.autograd.grad(loss.sum(), x)
        return loss.item(), slope[0].numpy()

    def plain(of: Callable[[Tensor], Tensor], u: Any) -> Any:
        with torch.no_grad():
            return -of(torch.from_numpy(u)[None])[0].numpy()

    def slope(of: Callable[[Tensor], Tensor], u: Any) -> Any:
        x = torch.from_numpy(u)[None].requires_grad_()
        (row,) = torch.autograd.grad(of(x).sum(), x)
        return -row[0].numpy()

    several = held[0](x0[:1].double()).ndim > 1
    conditions = [
        {
            "type": "ineq",
            "fun": lambda u, of=of: plain(of, u),
            "jac": (lambda u, of=of: -slopes(of, u))
            if several
            else (lambda u, of=of: slope(of, u)),
        }
        for of in held
    ]
    found, evaluations = [], []
    for row in x0.double().numpy():
        count = 0
        options = {"jac": True, "bounds": [(0, 1)] * len(row), "constraints": conditions}
        found.append(minimize(value, row, method="SLSQP", **options).x)
        evaluations.append(count)
    return torch.from_numpy(np.stack(found)), torch.tensor(evaluations)


def xhat(cost: Any, held: Any, x0: Tensor, stepper: Any = None, **options: Any) -> Searched:
    """Search by this library, from all starts at once."""
    problem = Problem(cost, Box(0, 1), tuple(Inequality(of) for of in held))
    found = solve(problem, x0, stepper=stepper, **options)
    return found.x, found.evaluations


def timed(search: Callable[[], Searched]) -> tuple[float, Searched]:
    """Return the processor's seconds, and what was found."""
    began = time.process_time()
    found = search()
    return time.process_time() - began, found


def on_network(n: int) -> list[dict[str, Any]]:
    """Compare the methods from ``n`` starts, in turns."""
    generator = torch.Generator().manual_seed(SEED + 1)
    exact, single = network(torch.float64), network(torch.float32)
    rounds = ROUNDS if n == 1 else 3 if n < 1000 else 1
    methods = {
        "SLSQP": lambda x0: slsqp(lambda x: exact(x)[:, 0], [light, near], x0),
        "xhat": lambda x0: xhat(lambda x: single(x)[:, 0], [light, near], x0),
        "xhat, multipliers": lambda x0: xhat(
            lambda x: single(x)[:, 0], [light, near], x0, AugmentedLagrangian()
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    losses: dict[str, list[float]] = {name: [] for name in methods}
    worst: dict[str, list[float]] = {name: [] for name in methods}
    counts: dict[str, list[float]] = {name: [] for name in methods}
    for name, search in methods.items():
        search(torch.full((1, 8), 0.4))  # so that nobody pays for what is loaded
        del name
    for _ in range(rounds):
        x0 = 0.2 + 0.6 * torch.rand(n, 8, generator=generator)
        for name, search in methods.items():
            if n > 1000 and name == "xhat, multipliers":
                continue
            spent, (x, evaluations) = timed(lambda search=search, x0=x0: search(x0))
            seconds[name].append(spent)
            x = x.double()
            losses[name] += exact(x)[:, 0].tolist()
            worst[name] += torch.maximum(light(x), near(x)).tolist()
            counts[name] += evaluations.tolist()
    return [
        {
            "what": f"network, n = {n}",
            "method": name,
            "ms": 1e3 * statistics.median(seconds[name]),
            "ratio": statistics.median(
                a / b for a, b in zip(seconds[name], seconds["SLSQP"], strict=True)
            ),
            "evaluations": statistics.median(counts[name]),
            "loss above SLSQP, largest": max(
                a - b for a, b in zip(losses[name], losses["SLSQP"], strict=True)
            ),
            "violation, largest": max(worst[name]),
        }
        for name in methods
        if seconds[name]
    ]


def on_circles() -> list[dict[str, Any]]:
    """Compare the methods from many starts."""
    generator = torch.Generator().manual_seed(SEED + 2)
    x0 = torch.rand(STARTS, 2 * CIRCLES + 1, generator=generator).double()
    x0[:, -1] = 0.05
    exact = {"compute": Compute(precision="float64")}

    def cost(x: Tensor) -> Tensor:
        return -x[:, -1]

    methods = {
        "SLSQP": lambda: slsqp(cost, [apart], x0),
        "xhat": lambda: xhat(cost, [apart], x0, **exact),
        "xhat, multipliers": lambda: xhat(cost, [apart], x0, AugmentedLagrangian(), **exact),
    }
    found = []
    for name, search in methods.items():
        spent, (x, evaluations) = timed(search)
        feasible = apart(x).amax(dim=1) <= 1e-5
        found.append(
            {
                "what": f"{CIRCLES} circles, n = {STARTS}",
                "method": name,
                "ms": 1e3 * spent,
                "ratio": spent * 1e3 / (found[0]["ms"] if found else spent * 1e3),
                "evaluations": statistics.median(evaluations.tolist()),
                "feasible": feasible.double().mean().item(),
                "best": (feasible & (x[:, -1] >= RADIUS - 1e-4)).double().mean().item(),
            }
        )
    return found


def line(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the table's line of a row."""
    if "best" in row:
        said = f"{row['feasible']:.0%} feasible, {row['best']:.0%} within 1e-4 of the best radius"
    else:
        more, off = row["loss above SLSQP, largest"], row["violation, largest"]
        said = f"loss above SLSQP's {max(more, 0.0):.0e} at most, violation {max(off, 0.0):.0e}"
    return (
        row["what"],
        row["method"],
        f"{row['ms']:,.0f}",
        f"{row['ratio']:.3g}",
        f"{row['evaluations']:.0f}",
        said.replace("%", " %"),
    )


def main() -> None:
    """Measure, and write ``constrained_network.json`` and ``constrained_network.md``."""
    torch.set_num_threads(1)
    rows = [row for n in SIZES for row in on_network(n)] + on_circles()
    text = table(
        ("problem", "method", "CPU ms", "times SLSQP's", "evaluations, median", "what was found"),
        [line(row) for row in rows],
    )
    packages = ("torch", "numpy", "scipy")
    write("constrained_network", {"provenance": provenance(SEED, packages), "rows": rows}, text)


if __name__ == "__main__":
    main()
