"""Which method for which data: every method that serves a field, on the fields of verdicts.py.

    python benchmarks/methods.py [--only NAME ...] [--methods NAME ...] [--seeds 1] [--starts 200]
                                 [--fits FOLDER]

Of every field a ``Domain`` is made as a user would, and a small network is trained on its half for
searches. Every method searches from real samples that were held out to random other classes. The
domain's judge, which saw neither, says what is genuine; real samples of the wanted classes, also
held out, are the control on the same sheet. Distances are over that to the nearest real sample of
the target which searches know, coverage and Fréchet distance over what as many real samples score.
The middle frames of a path are looked at along the manifold alone, beside straight blends between
the same ends. Every row names the commit at which it was measured.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from record import RESULTS, provenance, table, write
from torch import Tensor, nn
from verdict_data import DATA, Data
from verdicts import _domain, _first

from xhat.core import generator
from xhat.domain import Domain
from xhat.domain.opponents import stand_in
from xhat.methods import Options, method
from xhat.metrics import coverage, frechet_distance
from xhat.objectives.goals import Class
from xhat.priors import coordinates_of

NAME = "methods"
FIELDS = (
    "rotated MNIST", "Fashion-MNIST", "8x8 digits", "rendered shapes", "GunPoint",
    "ItalyPowerDemand", "JapaneseVowels", "mnist1d", "wine", "breast cancer",
)  # fmt: skip
IMAGES = (
    "nearest", "flow", "label-free", "edited", "retrieval", "latent", "latent-robust", "plain",
)  # fmt: skip
OTHERS = ("nearest", "flow", "label-free", "edited", "proximal", "plain")
DECODED = {"retrieval", "latent", "latent-robust"}  # which need an autoencoder
PARTS = ("robust", "prior", "autoencoder")
PATHS = ("flow", "label-free", "edited")
FEATURES = 40  # principal directions in which sets are compared


def measured(name: str, given: argparse.Namespace, seed: int, commit: str) -> dict[str, Any]:
    """Return what methods do on one field."""
    data = DATA[name]()
    order = torch.randperm(len(data.x), generator=generator(seed, "methods", name))
    order = order[_first(data.x[order])]
    known, held = order[: data.known], order[data.known :]
    domain = _domain(name, data, known, seed)
    judge = domain.judge()
    model = _model(domain, seed)
    starts = given.starts
    x0, labels = data.x[held][:starts], data.labels[held][:starts]
    classes = int(data.labels.max()) + 1
    draws = generator(seed, "methods", "targets", name)
    target = (labels + torch.randint(1, classes, labels.shape, generator=draws)) % classes
    asked = [each for each in _served(x0) if each in given.methods]
    parts = PARTS[: 2 if DECODED.isdisjoint(asked) else 3]
    seconds = _fitted(domain, parts, given.fits, f"{name} {seed}")
    of = _Measures(domain, judge, data, held, target)
    rows = [of.real(), *(_one(each, model, target, x0, domain, of) for each in asked)]
    rows = [row | {"commit": commit} for row in rows]
    return {"field": name, "seed": seed, "n": len(x0), "fit": seconds, "rows": rows}


def _fitted(
    domain: Domain, parts: tuple[str, ...], folder: Path | None, name: str
) -> dict[str, float]:
    """Fit parts of a domain, or take them from a folder; return the seconds each has taken."""
    seconds = {}
    for part in parts:
        place = None if folder is None else folder / f"{name} {part}.pt".replace(" ", "-")
        if place is not None and place.exists():
            kept, seconds[part] = torch.load(place, weights_only=False)  # our own file
            domain.keep(part, kept)
            continue
        began = time.process_time()
        kept = domain.network(part)
        seconds[part] = time.process_time() - began
        if place is not None:
            torch.save((kept, seconds[part]), place)
    return seconds


def _served(x0: Tensor) -> tuple[str, ...]:
    return IMAGES if x0.ndim == 4 else OTHERS


def _one(
    name: str, model: nn.Module, target: Tensor, x0: Tensor, domain: Domain, of: "_Measures"
) -> dict[str, Any]:
    how = method(name)
    how.prepare(domain)
    began = time.process_time()
    found = how.search(model, Class(target), x0, domain, options=Options())
    seconds = time.process_time() - began
    if name in PATHS:  # the same search, with its states kept
        found = how.search(model, Class(target), x0, domain, options=Options(trace=1))
    row = of.of(name, x0, found.x) | {"ms": 1e3 * seconds / len(x0)}
    row["reached"] = float(found.reached.float().mean())
    if found.trajectory is not None:
        middle = found.trajectory.x[1:-1]
        share = torch.linspace(0, 1, len(middle) + 2)[1:-1].reshape(-1, *(1,) * x0.ndim)
        row["frames"] = of.on_manifold(middle)
        row["blends"] = of.on_manifold(x0 + share * (found.x - x0))
    return row


class _Measures:
    """What is said of any set of results for the same starts and targets."""

    def __init__(
        self, domain: Domain, judge: Any, data: Data, held: Tensor, target: Tensor
    ) -> None:
        self.judge, self.target, self.unit = judge, target, domain.scale
        mine = domain.halves[0]
        self.known = domain.x[mine], domain.labels[mine]
        said = judge.judge(*self.known).outcomes
        self.fine = torch.tensor([str(each) == "genuine" for each in said])
        coordinates = coordinates_of(domain.x[mine])
        flat = coordinates.into(domain.x[mine]).flatten(1)
        _, _, ways = torch.pca_lowrank(flat, q=min(FEATURES, *flat.shape))
        self.features = lambda x: (coordinates.into(x).flatten(1) @ ways).double()
        draws = generator(0, "methods", "real")
        x, labels = data.x[held], data.labels[held]
        self.sample = torch.stack(
            [x[_any(labels == k, draws)] for k in target.tolist()]
        )  # real ones of the wanted classes
        rest = [x[_any(labels == k, draws)] for k in target.tolist()]
        self.reference = self.features(torch.stack(rest))

    def real(self) -> dict[str, Any]:
        return self.of("real samples", None, self.sample)

    def of(self, name: str, x0: Tensor | None, x: Tensor) -> dict[str, Any]:
        verdicts = self.judge.judge(x, self.target)
        row = {
            "method": name,
            "genuine": _share(verdicts),
            "outcomes": {str(k): v for k, v in verdicts.counts().items() if v},
            "coverage": coverage(self.features(x), self.reference).coverage,
            "frechet": frechet_distance(self.features(x), self.reference),
        }
        if x0 is not None:
            moved, (least, genuine) = self._far(x0, x), self._least(x0)
            row["ratio"] = float((moved / least).median())
            row["nearer"] = float((moved < least).float().mean())
            row["nearer_genuine"] = float((moved < genuine).float().mean())
        return row

    def on_manifold(self, frames: Tensor) -> float:
        alone = self.judge.without_jury()
        return sum(_share(alone.judge(each)) for each in frames) / len(frames)

    def _far(self, x0: Tensor, x: Tensor) -> Tensor:
        return ((x - x0) / self.unit).flatten(1).norm(dim=1)

    def _least(self, x0: Tensor) -> tuple[Tensor, Tensor]:
        """Return distances to the nearest known sample of the target, and to a genuine one."""
        x, labels = self.known
        far = torch.cdist((x0 / self.unit).flatten(1), (x / self.unit).flatten(1))
        far[self.target[:, None] != labels[None]] = torch.inf
        return far.amin(dim=1), far.masked_fill(~self.fine, torch.inf).amin(dim=1)


def _any(which: Tensor, draws: torch.Generator) -> int:
    rows = which.nonzero()[:, 0]
    return int(rows[torch.randint(len(rows), (1,), generator=draws)])


def _share(verdicts: Any) -> float:
    return sum(str(each) == "genuine" for each in verdicts.outcomes) / len(verdicts.outcomes)


def _model(domain: Domain, seed: int) -> nn.Module:
    mine = domain.halves[0]
    classes = len(domain.classes)
    return stand_in(domain.x[mine], domain.labels[mine], classes, seed, lambda *_: None)


def _text(records: list[dict[str, Any]]) -> str:
    parts = [
        "Shares of held-out starts. `moved`: distance over that to the nearest real sample of the "
        "target, median; `nearer`: share of results that are nearer, and than the nearest that the "
        "judge calls genuine; coverage and Fréchet distance "
        "over those of real samples at the same n; `frames`: share of the states on the way that "
        "are on the manifold, and of straight blends between the same ends; processor time, one "
        "thread.\n"
    ]
    head = (
        "method", "genuine", "over real", "reached", "moved", "nearer", "than genuine", "coverage",
        "Fréchet", "frames", "blends", "ms", "commit",
    )  # fmt: skip
    for record in records:
        fits = ", ".join(f"{part} {s:.0f} s" for part, s in record["fit"].items())
        real = record["rows"][0]
        lines = [_line(row, real) for row in record["rows"]]
        title = f"{record['n']} starts, seed {record['seed']}; {fits}\n\n"
        parts.append(f"\n### {record['field']}\n\n{title}{table(head, lines)}")
    return "".join(parts)


def _line(row: dict[str, Any], real: dict[str, Any]) -> list[str]:
    def over(key: str) -> str:
        return _said(row[key] / max(real[key], 1e-9))

    keys = ("reached", "ratio", "nearer", "nearer_genuine", "frames", "blends")
    said = {key: _said(row.get(key)) for key in keys}
    return [
        f"`{row['method']}`", _said(row["genuine"], 3), over("genuine"), said["reached"],
        said["ratio"], said["nearer"], said["nearer_genuine"], over("coverage"), over("frechet"),
        said["frames"], said["blends"], _said(row.get("ms"), 1),
        row.get("commit", "")[:7],
    ]  # fmt: skip


def _said(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def main() -> None:
    """Measure what is asked for, keep what was measured before, and write both at once."""
    every = tuple(dict.fromkeys((*IMAGES, *OTHERS)))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=FIELDS, choices=FIELDS)
    parser.add_argument("--methods", nargs="*", default=every, choices=every)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--starts", type=int, default=200)
    parser.add_argument("--fits", type=Path, help="folder that keeps networks, to use them again")
    given = parser.parse_args()
    torch.set_num_threads(1)
    place, known = RESULTS / f"{NAME}.json", {}
    if place.exists():
        rows = json.loads(place.read_text())["fields"]
        known = {(row["field"], row["seed"]): row for row in rows}
    for name in given.only:
        for seed in range(given.seeds):
            where = provenance(seed, ("torch", "scikit-learn", "xhat"))
            found = measured(name, given, seed, where["commit"])
            known[name, seed] = _joined(known.get((name, seed)), found)
            fields = sorted(
                known.values(), key=lambda row: (FIELDS.index(row["field"]), row["seed"])
            )
            write(NAME, {"provenance": where, "fields": fields}, _text(fields))


def _joined(before: dict[str, Any] | None, found: dict[str, Any]) -> dict[str, Any]:
    """Return what was found, with rows of other methods as they were measured before."""
    if before is None or before["n"] != found["n"]:
        return found
    rows: Any = {row["method"]: row for row in (*before["rows"], *found["rows"])}
    order = ["real samples", *dict.fromkeys((*IMAGES, *OTHERS))]
    rows = sorted(rows.values(), key=lambda row: order.index(row["method"]))
    return found | {"fit": before["fit"] | found["fit"], "rows": rows}


if __name__ == "__main__":
    main()
