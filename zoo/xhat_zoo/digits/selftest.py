"""The self-test of a judge: what it says of samples whose right verdict is known.

``self_test`` plants every kind of control, judges them, and counts; ``write`` leaves
``selftest.json`` and ``selftest.png``. What is printed is read from the half of each kind that
nothing was chosen on.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Group
from rich.table import Table
from torch import Tensor

import xhat
from xhat.core import atomic_folder_check, atomic_write, check_fraction
from xhat.judges import Judge, Verdicts
from xhat.learning.checkpoints import hardware, versions
from xhat.metrics import auroc, fpr_at_tpr
from xhat.metrics.density import binomial_interval
from xhat.task import Shown, Stage, Tell
from xhat_zoo.digits.controls import Control, Kind, kinds, material
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.report import SelfTestRow, save_selftest_png

__all__ = ["Row", "SelfTest", "self_test", "show", "write"]

ALPHAS = (0.01, 0.05, 0.1, 0.2)
_SHOWN = 5  # pictures of a kind in the figure
_MOST = 5000  # real digits in a half
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Row:
    """What the judge said of one kind.

    Attributes:
        kind: its name.
        group: what it belongs to.
        n: how many samples were judged.
        counts: how many got each outcome.
        wanted: the outcome that is right, ``"not genuine"``, or None where a person may disagree.
        asked: the least share that should be right, or None.
        share: the share that is right (where nothing is wanted: genuine).
        interval: its exact 95 % interval.
    """

    kind: str
    group: str
    n: int
    counts: dict[str, int]
    wanted: str | None
    asked: float | None
    share: float
    interval: tuple[float, float]

    @property
    def met(self) -> bool:
        """Whether the share is as large as asked; true where nothing is."""
        return self.asked is None or self.share >= self.asked


@dataclass(frozen=True)
class SelfTest:
    """The confusion table of a judge, and what else is promised of it.

    Attributes:
        rows: one per kind.
        flagged: for each of some ``alpha`` the share of real digits that are flagged.
        separation: ``auroc`` of digits against clothes, and ``fpr_at_95_tpr``: the share of
            clothes that look as usual as 95 % of digits do (digits are the positive class).
        alpha, half, n, seed: as asked for.
        pictures: a few samples of each kind.
    """

    rows: tuple[Row, ...]
    flagged: dict[float, float]
    separation: dict[str, float]
    alpha: float
    half: str
    n: int
    seed: int
    pictures: dict[str, Tensor]


def self_test(
    judge: Judge,
    *,
    half: str = "reported",
    n: int = 300,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> SelfTest:
    """Plant controls and judge them.

    Args:
        judge: with a jury, of digits.
        half: ``"reported"``, or ``"development"`` while a judge is being built.
        n: samples a kind, before attacks that failed are left out; of real digits all there are.
        seed: of every random choice.
        on_progress: called with a stage's name, and how far it is.

    Raises:
        ValueError: another half, a number that does not fit, or a judge without a jury.
    """
    tell = on_progress or (lambda *_: None)
    if judge.jury is None:
        raise ValueError("the self-test is of a judge with a jury.")
    of, everyone = (material(judge.jury, half, size, seed) for size in (n, _MOST))
    rows, pictures, known = [], {}, kinds(judge)
    spread: dict[str, Tensor] = {}
    flagged: dict[float, float] = {}
    for done, kind in enumerate(known):
        tell("planted kinds", done, len(known))
        planted = kind.make(everyone if kind.group == "real" else of)
        verdicts = judge.judge(planted.x, planted.target, searched=planted.searched)
        rows.append(_row(kind, verdicts))
        pictures[kind.name] = planted.x[:_SHOWN, 0]
        if kind.name in ("real digits", "clothes"):
            spread[kind.name] = _strangeness(judge, planted)
        if kind.group == "real":
            flagged = {alpha: float((verdicts.p <= alpha).float().mean()) for alpha in ALPHAS}
    tell("planted kinds", len(known), len(known))
    apart = _separation(spread["real digits"], spread["clothes"])
    return SelfTest(tuple(rows), flagged, apart, judge.alpha, half, n, seed, pictures)


def write(found: SelfTest, out: str | Path, *, command: str = "xhat self-test") -> Path:
    """Write ``selftest.json`` and ``selftest.png`` into ``out`` and return the picture's path.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    out = atomic_folder_check(out)
    record = {
        "command": command,
        "alpha": found.alpha,
        "half": found.half,
        "n": found.n,
        "seed": found.seed,
        "real_digits_flagged_at": found.flagged,
        "digits_against_clothes": found.separation,
        "versions": {"xhat": xhat.__version__, **versions()},
        "hardware": hardware(),
        "rows": [asdict(row) for row in found.rows],
    }
    with atomic_write(out / "selftest.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")
    return save_selftest_png(
        out / "selftest.png",
        [_drawn(row, found.pictures[row.kind]) for row in found.rows],
        title="What the judge says of samples whose right verdict is known",
        subtitle=f"Rotated MNIST, alpha = {found.alpha:g}, the half of each kind that nothing "
        f"was chosen on"
        if found.half == "reported"
        else f"Rotated MNIST, alpha = {found.alpha:g}, the development half",
    )


def show(
    out: str | Path,
    *,
    alpha: float = 0.05,
    beta: float = 0.05,
    n: int = 300,
    half: str = "reported",
    weights: str | Path | None = None,
    seed: int = 0,
    on_progress: Tell | None = None,
) -> Shown:
    """Run the self-test of the judge of digits, write it, and put it into words."""
    tell = on_progress or (lambda _: None)
    tell(Stage("judges", 0, 1))
    tested = replace(digits_judge(alpha, weights), beta=check_fraction("beta", beta))
    tell(Stage("judges", 1, 1))
    found = self_test(
        tested,
        half=half,
        n=n,
        seed=seed,
        on_progress=lambda name, done, total: tell(Stage(name, done, total)),
    )
    command = (
        f"xhat self-test --half {half} --n {n} --alpha {alpha:g} --beta {beta:g} --seed {seed}"
    )
    return Shown(write(found, out, command=command), _said(found))


def _said(found: SelfTest) -> Group:
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for heading in ("kind", "n", "wanted", "share", "interval", "asked"):
        table.add_column(heading, no_wrap=True, justify="left" if heading == "kind" else "right")
    for row in found.rows:
        low, high = row.interval
        asked = "" if row.asked is None else f"{row.asked:g} {'✓' if row.met else '✗'}"
        wanted = _WANTED.get(row.wanted or "", "(genuine)")
        table.add_row(
            row.kind, str(row.n), wanted, f"{row.share:.3f}", f"{low:.2f}–{high:.2f}", asked
        )
    return Group(
        table,
        f"Digits against clothes: AUROC {found.separation['auroc']:.4f}; "
        f"{100 * found.separation['fpr_at_95_tpr']:.1f} % of clothes look as usual as 95 % of "
        f"digits do.",
    )


_WANTED = {"genuine": "genuine", "not genuine": "not gen.", "out of distribution": "out of d."}


def _row(kind: Kind, verdicts: Verdicts) -> Row:
    right = sum(kind.right(outcome) for outcome in verdicts.outcomes)
    share, low, high = binomial_interval(right, len(verdicts), 0.95)
    counts = {str(outcome): count for outcome, count in verdicts.counts().items() if count}
    return Row(
        kind.name,
        kind.group,
        len(verdicts),
        counts,
        kind.wanted,
        kind.asked,
        share,
        (low, high),
    )


def _drawn(row: Row, pictures: Tensor) -> SelfTestRow:
    return SelfTestRow(
        row.kind,
        row.group,
        row.n,
        row.counts,
        row.wanted or "nothing is; the share that is genuine",
        row.asked,
        row.share,
        row.interval,
        pictures.clamp(0, 1).numpy(),
    )


def _strangeness(judge: Judge, planted: Control) -> Tensor:
    """Return how unusual samples are as whatever digit the jury would rather call them."""
    if judge.jury is None:
        raise ValueError("there is no jury to ask.")
    votes = judge.jury.probabilities(planted.x)
    digit = judge.jury.together(votes)[:, :-1].argmax(dim=1)
    return judge.judge(planted.x, digit).surprise


def _separation(digits: Tensor, clothes: Tensor) -> dict[str, float]:
    usual, other = -digits, -clothes
    return {"auroc": auroc(usual, other), "fpr_at_95_tpr": fpr_at_tpr(usual, other, 0.95)}
