"""The report of a trained surrogate: everything that is measured, as a page with figures.

::

    OUT/NAME.report.html     the page, whole in one file
    OUT/NAME.report.json     every number of it
    OUT/NAME.report/*.png    the figures
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xhat.core import atomic_folder_check, atomic_write
from xhat.domain import Domain
from xhat.judges.verdict import MANIFOLD
from xhat.learning import Card
from xhat.report import CurvePanel, ModelPage, save_curves_png, save_matrices_png, save_model_page
from xhat.training.appraisal import Appraisal, Scope
from xhat.training.figures import Picture, changes_of, figures_of
from xhat.training.steering import NEAREST, TABLED

__all__ = ["ModelReport", "report_of", "write_report"]

Rows = tuple[tuple[str, str], ...]
_FOOLED = 0.1  # of real samples of another class, that a judge of use calls genuine at most
_MOST = 12  # classes of which tables by start and target are drawn
_BOUND = (
    "Robust accuracy by any attack is an upper bound: an attack that finds nothing proves nothing."
)


@dataclass(frozen=True)
class ModelReport:
    """What is known of a surrogate, and how it is put.

    Attributes:
        card: where it comes from.
        appraisal: what was measured here.
        scope: on how much, as JSON.
        subject: what it reads, such as ``"held-out samples"``.
        unit: a plural for what it was trained on, such as ``"images"``.
        classes: their names; empty for their numbers.
        headings: of the tables on foreign samples, and of AUROC: ``real samples``.
        real: what foreign samples are told from.
        own: writes the figures that this kind of data has, into a folder.
        robust: further rows on robust accuracy.
        tables: further tables.
        numbers: further numbers for the record.
        remarks: what a reader should know.
        note: from where to what was searched.
    """

    card: Card
    appraisal: Appraisal
    scope: Mapping[str, Any]
    subject: str
    unit: str = "samples"
    real: str = "real samples"
    classes: Sequence[str] = ()
    own: Callable[[Path], tuple[Picture, ...]] = lambda _: ()
    robust: Rows = ()
    tables: Mapping[str, Rows] = field(default_factory=dict)
    numbers: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    note: str = ""


def report_of(found: Appraisal, card: Card, domain: Domain, scope: Scope) -> ModelReport:
    """Return the report of a surrogate that was trained on a domain."""
    judge, any_found = domain.judge(), next(iter(found.steering.values()))
    measures = sum(axis.group == MANIFOLD for axis in any_found.verdicts.axes)
    return ModelReport(
        card,
        found,
        scope.describe(),
        "held-out samples",
        classes=domain.classes,
        own=lambda folder: figures_of(found, domain, folder),
        tables=changes_of(found, domain),
        remarks=(
            *_doubts(found.metrics),
            "Radii are in units of the domain: "
            + (
                "for each column a power of two near its range"
                if domain.kind == "table"
                else "1 is the range of all values"
            )
            + ".",
            f"The judge was fitted on {len(domain.halves[1])} samples that the surrogate was not "
            f"trained on: {measures} measures of how unusual a sample is"
            + (f", and {len(judge.jury.names)} classifiers" if judge.jury is not None else "")
            + f". It may call {100 * judge.alpha:.0f} % of real samples anything but genuine. "
            "Genuine means that it finds nothing amiss, not that a person would agree; the table "
            "on the judge says how far its word goes on these data.",
            f"The line {NEAREST!r} is no search: the nearest training sample of the target, "
            "untouched. A search is of use where it is as often genuine and moves less.",
        ),
        note=f"From samples that neither the surrogate nor the judge has seen, to other classes; "
        f"{NEAREST} is the nearest training sample of the target, untouched.",
    )


def _doubts(metrics: Mapping[str, float]) -> tuple[str, ...]:
    """Return a warning where the judge's word is worth little on these data."""
    fooled = metrics["judged genuine: real samples of another class"]
    if fooled <= _FOOLED:
        return ()
    return (
        f"Take care: asked for a class that they are not of, {100 * fooled:.0f} % of real samples "
        f"are called genuine by this judge. Here genuine says that a sample looks real, and little "
        f"of its class; look at the judges' mean confidence in the target as well.",
    )


def write_report(report: ModelReport, out: str | Path) -> Path:
    """Write figures, numbers and page into ``out``; return the page's path.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    out, name = atomic_folder_check(out), report.card.name
    pictures = _pictures(report, atomic_folder_check(out / f"{name}.report"))
    with atomic_write(out / f"{name}.report.json") as temporary:
        temporary.write_text(json.dumps(_numbers(report), indent=1) + "\n")
    counts = {
        method: found.numbers()["verdicts"] for method, found in report.appraisal.steering.items()
    }
    page = ModelPage(
        name=f"The surrogate {name}",
        lead=_lead(report),
        tables=_tables(report),
        steering=counts,
        pictures=pictures,
        facts=_facts(report),
        remarks=(*report.remarks, _BOUND),
        note=report.note,
    )
    return save_model_page(out / f"{name}.report.html", page)


def _tables(report: ModelReport) -> dict[str, Rows]:
    m, found = report.appraisal.metrics, report.appraisal

    def percent(name: str) -> str:
        return f"{100 * m[name]:.1f} %"

    def named(start: str, put: Callable[[float], str], lead: str = "") -> Rows:
        return tuple(
            (f"{lead}{name.removeprefix(start)}", put(value))
            for name, value in m.items()
            if name.startswith(start)
        )

    certainty = (
        ("accuracy", percent("accuracy")),
        ("negative log-likelihood", f"{m['nll']:.4f} nats"),
        ("the same at the best temperature", f"{m['nll tempered']:.4f} nats"),
        ("calibration error", f"{100 * m['calibration error']:.2f} %"),
        ("the same at the best temperature", f"{100 * m['calibration error tempered']:.2f} %"),
        ("best temperature", f"{m['temperature']:.2f}"),
    )
    damage = (
        *(
            (f"accuracy under {kind}, mean", percent(f"accuracy under {kind}"))
            for kind in found.damage
        ),
        ("calibration error under damage", percent("calibration error damaged")),
    )
    foreign = named("AUROC ", "{:.4f}".format, f"AUROC, {report.real} against ")
    steps = report.scope["attack_steps"]
    balls = tuple(
        (f"{_ball(name)}, own PGD, {steps} steps", f"{100 * value:.1f} %")
        for name, value in m.items()
        if name.startswith("robust ")
    )
    made = {
        "Accuracy and certainty": certainty,
        "Under damage": damage,
        "What is of no class": (*foreign, *named("entropy ", "{:.2f} nats".format, "entropy on ")),
        "Robust accuracy": (*balls, *report.robust),
        "Steering": _steering_rows(report),
        "What the judge calls genuine": named("judged genuine: ", lambda a: f"{100 * a:.1f} %"),
    }
    return {name: rows for name, rows in (made | dict(report.tables)).items() if rows}


def _ball(metric: str) -> str:
    _, norm, radius = metric.split()
    return f"{norm.capitalize()} {radius}"


def _steering_rows(report: ModelReport) -> Rows:
    rows: list[tuple[str, str]] = []
    for method, found in report.appraisal.steering.items():
        numbers = found.numbers()
        rows += [
            (f"genuine, {method}", f"{100 * numbers['genuine']:.1f} %"),
            (f"judges' mean confidence, {method}", f"{numbers['judge_confidence']:.2f}"),
            (f"moved (median L2), {method}", f"{numbers['moved']:.3g}"),
        ]
    return tuple(rows)


def _pictures(report: ModelReport, folder: Path) -> tuple[Picture, ...]:
    found, made = report.appraisal, list(report.own(folder))
    levels = len(next(iter(found.damage.values())))
    severities = [k / (levels - 1) for k in range(levels)]
    lines = {kind: (severities, curve) for kind, curve in found.damage.items()}
    panels = [CurvePanel("Under growing damage", "severity", "accuracy, %", lines)]
    if balls := _balls(found.metrics):
        panels.append(CurvePanel("In growing balls", "radius", "robust accuracy, %", balls))
    made.append(
        (
            "What it withstands",
            save_curves_png(folder / "curves.png", panels),
            "Accuracy under damage, and under the library's own attack.",
        )
    )
    count = next(iter(found.steering.values())).classes if found.steering else 0
    if 0 < count <= _MOST:
        tables = {
            f"{name}: {outcome.value.replace('_', ' ')}": each.table(outcome).numpy()
            for name, each in found.steering.items()
            for outcome in TABLED
        }
        made.append(
            (
                "From where to what",
                save_matrices_png(
                    folder / "steering.png", tables, labels=list(report.classes) or None
                ),
                "Share of results with each verdict, by start (row) and target (column).",
            )
        )
    return tuple(made)


def _balls(metrics: Mapping[str, float]) -> dict[str, tuple[list[float], list[float]]]:
    balls: dict[str, tuple[list[float], list[float]]] = {}
    for name, value in metrics.items():
        if name.startswith("robust "):
            _, norm, radius = name.split()
            radii, shares = balls.setdefault(norm.capitalize(), ([], []))
            radii.append(float(radius))
            shares.append(value)
    return balls


def _numbers(report: ModelReport) -> dict[str, Any]:
    return {
        "name": report.card.name,
        "command": _command(report.card),
        "metrics": report.appraisal.metrics,
        **report.appraisal.record(TABLED),
        **report.numbers,
        "scope": report.scope,
    }


def _command(card: Card) -> str:
    return card.command if "--report" in card.command else f"{card.command} --report"


def _lead(report: ModelReport) -> str:
    shares = {
        method: found.numbers()["genuine"]
        for method, found in report.appraisal.steering.items()
        if method != NEAREST
    }
    said = f"It reads {100 * report.appraisal.metrics['accuracy']:.1f} % of {report.subject}"
    if shares:
        best = max(shares, key=lambda method: shares[method])
        said += (
            f"; a search by its gradient ends in a genuine sample in at most "
            f"{100 * shares[best]:.0f} % ({best})"
        )
    return f"{said}."


def _facts(report: ModelReport) -> dict[str, str]:
    card = report.card
    told = card.hyperparameters
    terms = told.get("signals") or []
    return {
        "command": _command(card),
        "architecture": f"{card.architecture}, {card.parameters:,} parameters",
        "trained on": f"{card.split_size:,} {report.unit} of {card.split}, {told.get('epochs')} "
        f"epochs, {card.seconds:.0f} s",
        "training terms": "; ".join(_term(each) for each in terms) or "none",
        "hardware": f"{card.hardware.get('processor')}, {card.hardware.get('threads')} threads",
        "versions": ", ".join(f"{name} {version}" for name, version in card.versions.items()),
    }


def _term(told: dict[str, Any]) -> str:
    numbers = ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in told.items()
        if name not in ("signal", "softness", "kinds") and value is not None
    )
    return f"{told['signal']} ({numbers})"
