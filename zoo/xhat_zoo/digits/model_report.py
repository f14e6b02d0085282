"""The report of a trained surrogate: everything that is measured, as a page with figures.

::

    OUT/NAME.report.html     the page, whole in one file
    OUT/NAME.report.json     every number of it
    OUT/NAME.report/*.png    the figures
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from xhat.core import atomic_folder_check, atomic_write
from xhat.learning import Card
from xhat.report import CurvePanel, save_curves_png
from xhat.surrogates.robustness import Robustness, autoattack_accuracy
from xhat_zoo import digits
from xhat_zoo.digits.appraisal import TABLED, Appraisal, Scope, appraise, record
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.report import ModelPage, save_gradients_png, save_matrices_png, save_model_page

__all__ = ["Independent", "ModelReport", "report_model", "write_report"]

Progress = Callable[[str, int, int], None]
Norm = Literal["linf", "l2"]
_BALLS: dict[Norm, float] = {"l2": 1.0, "linf": 0.1}
_MISSING = (
    "AutoAttack was not run: the package pyautoattack is not installed; "
    "pip install 'xhat[robustness]'."
)


@dataclass(frozen=True)
class Independent:
    """What an evaluator that is not ours found, or why it did not run."""

    found: tuple[Robustness, ...]
    remark: str = ""


@dataclass(frozen=True)
class ModelReport:
    """What is known of a surrogate.

    Attributes:
        card: where it comes from.
        appraisal: what was measured here.
        scope: on how much.
        independent: robust accuracy by AutoAttack.
    """

    card: Card
    appraisal: Appraisal
    scope: Scope
    independent: Independent


def report_model(
    model: nn.Module,
    card: Card,
    *,
    scope: Scope | None = None,
    autoattack: int = 100,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> ModelReport:
    """Measure a surrogate of digits by everything there is.

    Args:
        model: images → logits, in evaluation mode.
        card: of its checkpoint.
        scope: how much is measured.
        autoattack: how many test images AutoAttack is run on, in each ball; 0 for none.
        seed: of damage, foreign images, attacks and searches.
        on_progress: called with a stage's name, how far it is, and of how far.
    """
    scope, tell = scope or Scope(), on_progress or (lambda *_: None)
    tell("judges", 0, 1)
    judge = digits_judge()
    tell("judges", 1, 1)
    found = appraise(model, judge, scope, seed=seed, on_progress=tell)
    return ModelReport(card, found, scope, _independent(model, autoattack, seed, tell))


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
        remarks=_remarks(report),
    )
    return save_model_page(out / f"{name}.report.html", page)


def _independent(model: nn.Module, n: int, seed: int, tell: Progress) -> Independent:
    if not n:
        return Independent((), "AutoAttack was not asked for.")
    test, found = digits.split("test"), []
    x, labels = test.images[:n], test.labels[:n]
    for done, (norm, radius) in enumerate(_BALLS.items()):
        tell("AutoAttack", done, len(_BALLS))
        try:
            found.append(autoattack_accuracy(model, x, labels, radius, norm, seed=seed))
        except ImportError:
            return Independent((), _MISSING)
    tell("AutoAttack", len(_BALLS), len(_BALLS))
    return Independent(tuple(found))


def _tables(report: ModelReport) -> dict[str, tuple[tuple[str, str], ...]]:
    m = report.appraisal.metrics

    def percent(name: str) -> str:
        return f"{100 * m[name]:.1f} %"

    certainty = (
        ("accuracy", percent("accuracy")),
        ("negative log-likelihood", f"{m['nll']:.4f} nats"),
        ("the same at the best temperature", f"{m['nll tempered']:.4f} nats"),
        ("calibration error", f"{100 * m['calibration error']:.2f} %"),
        ("the same at the best temperature", f"{100 * m['calibration error tempered']:.2f} %"),
        ("best temperature", f"{m['temperature']:.2f}"),
    )
    damage = (
        *((f"accuracy under {k}, mean", percent(f"accuracy under {k}")) for k in _damages(report)),
        ("calibration error under damage", percent("calibration error damaged")),
    )
    foreign = tuple(
        (f"AUROC, digits against {name.removeprefix('AUROC ')}", f"{value:.4f}")
        for name, value in m.items()
        if name.startswith("AUROC")
    )
    return {
        "Accuracy and certainty": certainty,
        "Under damage": damage,
        "Images that show no digit": foreign,
        "Robust accuracy": _robust_rows(report),
        "Steering": _steering_rows(report),
    }


def _damages(report: ModelReport) -> list[str]:
    return list(report.appraisal.damage)


def _robust_rows(report: ModelReport) -> tuple[tuple[str, str], ...]:
    own = [
        (f"{_ball(name)}, own PGD, {report.scope.attack_steps} steps", f"{100 * value:.1f} %")
        for name, value in report.appraisal.metrics.items()
        if name.startswith("robust ")
    ]
    others = [
        (
            f"{found.norm.capitalize()} {found.radius:g}, AutoAttack, {len(found.survived)} images",
            "{:.1f} % ({:.0f} to {:.0f})".format(
                100 * found.share, *(100 * end for end in found.interval)
            ),
        )
        for found in report.independent.found
    ]
    return (*own, *others)


def _ball(metric: str) -> str:
    _, norm, radius = metric.split()
    return f"{norm.capitalize()} {radius}"


def _steering_rows(report: ModelReport) -> tuple[tuple[str, str], ...]:
    rows = []
    for method, found in report.appraisal.steering.items():
        numbers = found.numbers()
        rows += [
            (f"genuine, {method}", f"{100 * numbers['genuine']:.1f} %"),
            (f"judges' mean confidence, {method}", f"{numbers['judge_confidence']:.2f}"),
            (f"moved (median L2), {method}", f"{numbers['moved']:.1f}"),
        ]
    return tuple(rows)


def _pictures(report: ModelReport, folder: Path) -> tuple[tuple[str, Path, str], ...]:
    found = report.appraisal
    levels = len(next(iter(found.damage.values())))
    severities = [k / (levels - 1) for k in range(levels)]
    lines = {kind: (severities, curve) for kind, curve in found.damage.items()}
    balls = {
        norm.capitalize(): (radii, [found.metrics[f"robust {norm} {r:g}"] for r in radii])
        for norm, radii in report.scope.radii.items()
    }
    panels = [
        CurvePanel("Under growing damage", "severity", "accuracy, %", lines),
        CurvePanel("In growing balls", "radius", "robust accuracy, %", balls),
    ]
    made = [
        (
            "What would make each digit likelier",
            save_gradients_png(
                folder / "gradients.png", found.images.numpy(), found.gradients.numpy()
            ),
            "Test digits, and the input gradient: orange asks for more ink, blue for less.",
        ),
        (
            "What it withstands",
            save_curves_png(folder / "curves.png", panels),
            "Accuracy under damage, and under the library's own attack.",
        ),
    ]
    if found.steering:
        tables = {
            f"{name}: {outcome.value.replace('_', ' ')}": each.table(outcome).numpy()
            for name, each in found.steering.items()
            for outcome in TABLED
        }
        made.append(
            (
                "From where to what",
                save_matrices_png(folder / "steering.png", tables),
                "Share of results with each verdict, by start (row) and target (column).",
            )
        )
    return tuple(made)


def _numbers(report: ModelReport) -> dict[str, Any]:
    return {
        "name": report.card.name,
        "command": f"{report.card.command} --report",
        "metrics": report.appraisal.metrics,
        **record(report.appraisal),
        "autoattack": [
            {
                "norm": found.norm,
                "radius": found.radius,
                "images": len(found.survived),
                "share": found.share,
                "interval": found.interval,
                "evaluator": found.evaluator,
            }
            for found in report.independent.found
        ],
        "scope": report.scope.describe(),
    }


def _lead(report: ModelReport) -> str:
    shares = {
        method: found.numbers()["genuine"] for method, found in report.appraisal.steering.items()
    }
    said = f"It reads {100 * report.appraisal.metrics['accuracy']:.1f} % of rotated test digits"
    if shares:
        best = max(shares, key=lambda method: shares[method])
        said += (
            f"; a search by its gradient ends in a genuine digit in at most "
            f"{100 * shares[best]:.0f} % ({best})"
        )
    return f"{said}."


def _facts(report: ModelReport) -> dict[str, str]:
    card = report.card
    told = card.hyperparameters
    signals = told.get("signals") or []
    return {
        "command": f"{card.command} --report",
        "architecture": f"{card.architecture}, {card.parameters:,} parameters",
        "trained on": f"{card.split_size:,} images of {card.split}, {told.get('epochs')} epochs, "
        f"{card.seconds:.0f} s",
        "signals": "; ".join(_signal(each) for each in signals) or "none",
        "hardware": f"{card.hardware.get('processor')}, {card.hardware.get('threads')} threads",
        "versions": ", ".join(f"{name} {version}" for name, version in card.versions.items()),
    }


def _signal(told: dict[str, Any]) -> str:
    numbers = ", ".join(
        f"{name} {value}"
        for name, value in told.items()
        if name not in ("signal", "softness", "kinds") and value is not None
    )
    return f"{told['signal']} ({numbers})"


def _remarks(report: ModelReport) -> tuple[str, ...]:
    said = [report.independent.remark] if report.independent.remark else []
    for found in report.independent.found:
        said += found.remarks
    return (
        *said,
        "Robust accuracy by any attack is an upper bound: an attack that finds nothing proves "
        "nothing.",
        "Judges flag at most 5 % of real digits; of genuine results a person would accept about "
        "nine in ten (docs/selftest.md).",
    )
