"""The report of a trained surrogate of digits, and what an evaluator that is not ours found."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from xhat.learning import Card
from xhat.report import save_gradients_png
from xhat.surrogates.robustness import Robustness, autoattack_accuracy
from xhat.training import Appraisal, ModelReport, write_report
from xhat_zoo import digits
from xhat_zoo.digits.appraisal import Scope, appraise
from xhat_zoo.digits.judging import digits_judge

__all__ = ["Independent", "report_model", "write_report"]

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
    independent = _independent(model, autoattack, seed, tell)
    return ModelReport(
        card,
        found,
        scope.describe(),
        "rotated test digits",
        unit="images",
        real="digits",
        own=lambda folder: _gradients(found, folder),
        robust=tuple(_row(each) for each in independent.found),
        numbers={"autoattack": [_numbers(each) for each in independent.found]},
        remarks=_remarks(independent),
        note="From test digits to every other digit, by method; verdicts of judges that the "
        "search never saw.",
    )


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


def _row(found: Robustness) -> tuple[str, str]:
    return (
        f"{found.norm.capitalize()} {found.radius:g}, AutoAttack, {len(found.survived)} images",
        "{:.1f} % ({:.0f} to {:.0f})".format(
            100 * found.share, *(100 * end for end in found.interval)
        ),
    )


def _numbers(found: Robustness) -> dict[str, Any]:
    return {
        "norm": found.norm,
        "radius": found.radius,
        "images": len(found.survived),
        "share": found.share,
        "interval": found.interval,
        "evaluator": found.evaluator,
    }


def _gradients(found: Appraisal, folder: Path) -> tuple[tuple[str, Path, str], ...]:
    images, gradients = (x[:, 0].numpy() for x in (found.samples, found.gradients))
    return (
        (
            "What would make each digit likelier",
            save_gradients_png(folder / "gradients.png", images, gradients),
            "Test digits, and the input gradient: orange asks for more ink, blue for less.",
        ),
    )


def _remarks(independent: Independent) -> tuple[str, ...]:
    said = [independent.remark] if independent.remark else []
    for found in independent.found:
        said += found.remarks
    return (
        *said,
        "Judges flag at most 5 % of real digits; of genuine results a person would accept about "
        "nine in ten (docs/selftest.md).",
    )
