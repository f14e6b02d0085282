"""Conformal selection: how many of the selected designs are false, and how many are found.

    python benchmarks/selection.py --fly    # ask XFoil about the airfoils again, minutes
    python benchmarks/selection.py          # everything else, and the table

Designs of four tasks exploit a surrogate, each searched until the surrogate gives the goal, or a
little more of it. ``xhat.audit`` then asks the truth about a random part of 200 of them and selects
among the others; a repetition draws that part anew, and where there are more designs than 200,
these. Beside it stand whoever trusts the surrogate, and whoever believes only what was verified.
What the truth says of every design is computed once.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from record import RESULTS, provenance, table, write
from torch import Tensor, nn

import xhat
from xhat.core import generator
from xhat.objectives.goals import Goal
from xhat_zoo.airfoil import catalogue
from xhat_zoo.airfoil import surrogate as neuralfoil
from xhat_zoo.airfoil.design import Design, apart, design_box
from xhat_zoo.airfoil.xfoil import Condition, XFoil
from xhat_zoo.conjunction import avoid, describe, simulate, truth
from xhat_zoo.conjunction import surrogate as risk

SEED, REPETITIONS, AUDITED = 0, 300, 200
BUDGETS, RATES = (20, 100), (0.1, 0.2)
FLOWN = RESULTS / "selection" / "airfoil.json"
REYNOLDS, RATIO = 1e6, 170.0  # of the airfoils, and the lift over drag that is wanted
_JUDGED = 100  # samples that a judge needs
WANTED, SPARE = -5.0, (0.0, 0.0002, 0.0005, 0.001, 0.002, 0.005)  # of log10 Pc


@dataclass
class Task:
    """Designs of one task, with what surrogate and truth say of them.

    Attributes:
        name: for people.
        x: ``(n, d)`` designs.
        goal: what is wanted.
        said: ``(n,)``, what the surrogate says.
        true: ``(n,)``, what the truth says; NaN where it fails.
        domain: what real designs look like; None without one.
    """

    name: str
    x: Tensor
    goal: Goal
    said: Tensor
    true: Tensor
    domain: xhat.Domain | None = None

    def __post_init__(self) -> None:
        keys = [row.tobytes() for row in self.x.double().numpy()]
        self.places = {key: i for i, key in enumerate(keys)}

    def place(self, x: Tensor) -> Tensor:
        """Return which designs these are."""
        return torch.tensor([self.places[row.tobytes()] for row in x.detach().double().numpy()])

    def model(self, x: Tensor) -> Tensor:
        """Return what the surrogate says, from the table."""
        return self.said[self.place(x)] + 0 * x.sum(dim=1)  # a surrogate has a gradient

    @property
    def meets(self) -> Tensor:
        """Whether the truth gives the goal, ``(n,)``."""
        return self.goal.inside(self.true) >= 0


def branin(x: Tensor) -> Tensor:
    """Return the function of Branin on the unit square, ``(n,)``; least 0.398."""
    a, b = 15 * x[:, 0] - 5, 15 * x[:, 1]
    bow = b - 5.1 / (4 * math.pi**2) * a**2 + 5 / math.pi * a - 6
    return bow**2 + 10 * (1 - 1 / (8 * math.pi)) * a.cos() + 10


def hartmann(x: Tensor) -> Tensor:
    """Return the function of Hartmann in six dimensions on the unit cube, ``(n,)``; least -3.32."""
    heights = x.new_tensor([1.0, 1.2, 3.0, 3.2])
    rates = x.new_tensor(
        [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8],
         [17, 8, 0.05, 10, 0.1, 14]]
    )  # fmt: skip
    centres = 1e-4 * x.new_tensor(
        [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
         [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]
    )  # fmt: skip
    apart = (rates * (x[:, None] - centres) ** 2).sum(dim=2)
    return -(heights * (-apart).exp()).sum(dim=1)


def regressed(x: Tensor, y: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a small network that was trained on samples of a function."""
    mean, spread = y.mean(), y.std()
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        width = x.shape[1], 64, 64, 1
        net = nn.Sequential(
            nn.Linear(*width[:2]), nn.SiLU(), nn.Linear(*width[1:3]), nn.SiLU(),
            nn.Linear(*width[2:]),
        )  # fmt: skip
    step = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(800):
        step.zero_grad()
        (net(x)[:, 0] - (y - mean) / spread).square().mean().backward()
        step.step()
    net.requires_grad_(False)
    return lambda z: net(z)[:, 0] * spread + mean


def closed_form(
    name: str, f: Callable[[Tensor], Tensor], features: int, known: int, count: int = 600
) -> Task:
    """Return designs that a network trained on few samples takes for the best twentieth.

    Where the samples are enough for a judge, they are the domain of the audits.
    """
    draws = generator(SEED, name)
    x = torch.rand(known, features, generator=draws)
    model = regressed(x, f(x))
    most = float(f(x).quantile(0.05))
    spare = float(f(x).std()) / 5 * torch.rand(count, 1, generator=draws)
    starts = torch.rand(count, features, generator=draws)
    found = xhat.optimize(model, starts, xhat.AtMost(most - spare), limits=(0, 1), seed=SEED)
    designs = found.x.detach()
    near = xhat.Domain(x, limits=(0, 1), name=name) if known >= _JUDGED else None
    return Task(name, designs, xhat.AtMost(most), model(designs), f(designs), near)


def conjunctions() -> Task:
    """Return burns that the surrogate takes for safe, with little or nothing to spare."""
    burns, contexts, true = [], [], []
    for k, spare in enumerate(SPARE):
        some = simulate(80, seed=1000 + k)
        x = avoid(some, wanted=WANTED - spare, seed=SEED, refinements=0).searched
        burns.append(x)
        contexts.append(describe(some))
        true.append(truth(some, x))
    x, context = torch.cat(burns), torch.cat(contexts)
    said = risk().double()(x, context)
    fine = (said <= WANTED).nonzero()[:, 0]  # where the search found a burn at all
    joined = torch.cat((x, context), dim=1)[fine]
    return Task("conjunction", joined, xhat.AtMost(WANTED), said[fine], torch.cat(true)[fine])


def lift_over_drag(x: Tensor) -> Tensor:
    """Return what NeuralFoil says of designs ``(n, 19)``."""
    design = Design.of(x)
    seen = neuralfoil()(design.parameters, design.angles, torch.tensor([REYNOLDS]).to(x))
    return (seen.lift / seen.drag)[:, 0]


def airfoils(count: int) -> Tensor:
    """Return airfoils whose lift over drag is as wanted by NeuralFoil, at most ``count``."""
    draws, real = generator(SEED, "airfoils"), catalogue().parameters
    shapes = real[torch.randperm(len(real), generator=draws)[:count]]
    angles = 3 + 4 * torch.rand(count, 1, generator=draws, dtype=torch.float64)
    box = design_box(1)
    starts = box.project(Design(shapes, angles).joined())
    wanted = RATIO + 20 * torch.rand(count, 1, generator=draws, dtype=torch.float64)
    found = xhat.optimize(
        lift_over_drag, starts, xhat.AtLeast(wanted), limits=(box.low[0], box.high[0]), seed=SEED,
        compute=xhat.Compute(precision="float64"),
    )  # fmt: skip
    x = found.x.double()
    return x[apart(x).amax(dim=1) <= 0]  # the others are no airfoils, which needs no XFoil


def fly(count: int) -> None:
    """Ask XFoil about the airfoils, and keep what it says."""
    x = airfoils(count)
    xfoil, rows = XFoil(timeout=20.0, attempts=2), []
    parts = Design.of(x)
    for design, parameters, angles in zip(x, parts.parameters, parts.angles, strict=True):
        try:
            polar = xfoil(parameters, [Condition(REYNOLDS, float(angles[0]))])
            ratio = float(polar.lift[0] / polar.drag[0])
        except ValueError:  # surfaces that cross
            ratio = math.nan
        rows.append(
            {
                "design": [float(f"{v:.8g}") for v in design],
                "ratio": None if ratio != ratio else ratio,
            }
        )
    FLOWN.parent.mkdir(exist_ok=True)
    head = {"provenance": provenance(SEED, ("xhat", "torch")), "reynolds": REYNOLDS}
    lines = ",\n".join(json.dumps(row) for row in rows)
    FLOWN.write_text(json.dumps(head)[:-1] + f', "rows": [\n{lines}\n]}}\n')


def flown() -> Task:
    """Return the airfoils with what XFoil said of them."""
    rows = json.loads(FLOWN.read_text())["rows"]
    x = torch.tensor([row["design"] for row in rows], dtype=torch.float64)
    ratio = [math.nan if row["ratio"] is None else row["ratio"] for row in rows]
    with torch.no_grad():
        said = lift_over_drag(x)
    return Task("airfoil", x, xhat.AtLeast(RATIO), said, torch.tensor(ratio).double())


def repeated(task: Task, budget: int, fdr: float) -> dict[str, Any]:
    """Audit again and again; return means over repetitions, with standard errors."""
    rows: list[dict[str, float]] = []
    began = time.process_time()
    for seed in range(REPETITIONS):
        some = torch.randperm(len(task.x), generator=generator(seed, "drawn"))[:AUDITED]
        x, meets = task.x[some], task.meets[some]
        checked = xhat.audit(
            task.model, x, task.goal, domain=task.domain, budget=budget, fdr=fdr, seed=seed,
            truth=lambda row: task.true[task.places[row.tobytes()]],
        )  # fmt: skip
        selection = checked.selection
        assert selection is not None  # noqa: S101 - there is a budget
        good = int((meets & checked.reached).sum())
        gap = task.true[some] - task.said[some]
        asked = ~selection.verified & ~gap.isnan() & ~selection.low.isnan()
        within = (gap >= selection.low) & (gap <= selection.high)
        rows.append(
            {
                "false": _share(selection.selected, ~meets),
                "false among all trusted": _share(checked.trusted, ~meets),
                "selected": float(selection.selected.sum()),
                "found": int((checked.trusted & meets).sum()) / max(good, 1),
                "false, trusting the surrogate": _share(checked.reached, ~meets),
                "found, verified alone": int(selection.meets.sum()) / max(good, 1),
                "gap within": _share(asked, within),
                "bounded": float(selection.high[asked].isfinite().double().mean()),
            }
        )
    columns = {name: torch.tensor([row[name] for row in rows]).double() for name in rows[0]}
    return {
        "task": task.name,
        "budget": budget,
        "fdr": fdr,
        "seconds an audit": (time.process_time() - began) / REPETITIONS,
        **{name: float(values.mean()) for name, values in columns.items()},
        "standard error of false": float(columns["false"].std() / REPETITIONS**0.5),
    }


def _share(those: Tensor, which: Tensor) -> float:
    return float((those & which).sum() / those.sum().clamp_min(1))


def tables(rows: list[dict[str, Any]], tasks: list[Task]) -> str:
    """Return the Markdown."""
    head = ["task", "budget", "fdr", "false", "± ", "selected", "found", "verified alone",
            "false, trusting the surrogate", "gap within"]  # fmt: skip
    lines = [
        [r["task"], r["budget"], r["fdr"], f"{r['false']:.3f}",
         f"{r['standard error of false']:.3f}", f"{r['selected']:.0f}", f"{r['found']:.2f}",
         f"{r['found, verified alone']:.2f}", f"{r['false, trusting the surrogate']:.2f}",
         f"{r['gap within']:.2f}" if r["bounded"] else "not bounded"]
        for r in rows
    ]  # fmt: skip
    designs = "; ".join(
        f"{t.name}: {len(t.x)}, of which {100 * float(t.meets.double().mean()):.0f} % meet the goal"
        + (f" and the truth fails on {int(t.true.isnan().sum())}" if t.true.isnan().any() else "")
        for t in tasks
    )
    return (
        f"`xhat.audit` of up to {AUDITED} designs with a truth that is "
        f"asked about a random part, the budget; means over {REPETITIONS} repetitions. *False*: "
        "the share of designs that miss the goal among those that were selected without being "
        "verified, with its standard error; at most *fdr* is promised. *Found*: of all designs "
        "that meet the goal and reach it by the surrogate, the share that may be believed, "
        "verified ones included; *verified alone* is that share if nothing is selected, and "
        "trusting the surrogate finds all. *Gap within*: how often the gap of a design that was "
        "not verified lies in its interval; 1 - fdr is promised.\n\n"
        f"{table(head, lines)}\nDesigns: {designs}.\n"
    )


def main() -> None:
    """Measure, and write ``selection.json`` and ``selection.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fly", type=int, nargs="?", const=800, help="searches, by XFoil again")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.fly:
        fly(options.fly)
        return
    tasks = [
        closed_form("Branin", branin, 2, 30),
        closed_form("Hartmann", hartmann, 6, 400),
        conjunctions(),
        flown(),
    ]
    rows = [repeated(t, b, q) for t in tasks for b in BUDGETS for q in RATES]
    record = {"provenance": provenance(SEED, ("xhat", "torch", "numpy", "scipy")), "rows": rows}
    write("selection", record, tables(rows, tasks))


if __name__ == "__main__":
    main()
