"""Whether people and judges agree: what people see in candidates, beside their verdicts.

The judges say of a candidate that it is genuine, or what is wrong with it. People say what it
is. They *see the target* where their mean ballot gives it more than half. So there are two
yes-or-no answers to every candidate, and a table of two by two, with Cohen's kappa: agreement
beyond what chance gives, 1 at most.

The two questions are not the same: a candidate off the manifold may well show the target, and a
person was not asked whether the image is natural. So the table by verdict says more than kappa
does: judges are right to call a candidate genuine if people see the target in it, right to call
it adversarial if they do not.

Source: Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and Psychological
Measurement 1960.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xhat.apps.label import Database, mean_shares, read_votes, settings_of, wilson
from xhat.apps.label.collection import picture_of
from xhat.apps.label.schema import images
from xhat.apps.label.seen import SeenSample, save_seen_png
from xhat.core import atomic_folder_check, check_count
from xhat.judges import Outcome
from xhat.report import PageTable, TaskPage, save_task_page

__all__ = ["People", "VerdictRow", "people_and_verdicts", "write_people"]

_SHOWN = 60  # candidates in the picture


@dataclass(frozen=True)
class VerdictRow:
    """What people see in candidates of one verdict.

    Attributes:
        verdict: which.
        n: how many candidates.
        seen: in how many people see the target.
        none: in how many people's mean ballot gives "none of them" more than half.
        low, high: 95 % Wilson interval of the share that is seen.
    """

    verdict: str
    n: int
    seen: int
    none: int
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class People:
    """People's answers beside verdicts.

    Attributes:
        rows: one for each verdict that occurs, in the order of ``Outcome``.
        table: ``(2, 2)`` counts: verdict genuine or not, then people see the target or not.
        kappa: Cohen's; None where one of the two always says the same.
        pixels: ``(n, h, w)`` uint8, or ``(n, h, w, 3)``, the candidates.
        verdict, target: of each candidate.
        mean: ``(n, classes + 1)``, people's mean ballot; the last is "none of them".
        votes: ``(n,)``, how many votes each has.
        classes: what they are called.
        simulated: whether the votes are those of models of people.
    """

    rows: tuple[VerdictRow, ...]
    table: NDArray[np.int64]
    kappa: float | None
    pixels: NDArray[np.uint8]
    verdict: tuple[str, ...]
    target: tuple[int, ...]
    mean: NDArray[np.float64]
    votes: NDArray[np.int64]
    classes: tuple[str, ...]
    simulated: bool

    def __len__(self) -> int:
        return len(self.verdict)

    @property
    def agreeing(self) -> int:
        """How many candidates people and verdicts agree on."""
        return int(self.table.trace())

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the share that they agree on."""
        return wilson(self.agreeing, len(self))

    @property
    def seen(self) -> NDArray[np.bool_]:
        """``(n,)``, where people see the target."""
        return _seen(self.mean, self.target)

    @property
    def agrees(self) -> NDArray[np.bool_]:
        """``(n,)``, where people and verdict agree."""
        genuine = np.array([verdict == Outcome.GENUINE for verdict in self.verdict])
        return genuine == self.seen


def people_and_verdicts(database: Database, *, least: int = 1, simulated: bool = False) -> People:
    """Compare what people see in candidates with their verdicts.

    Args:
        database: of a collection that was made from a results file with targets and verdicts.
        least: candidates with fewer votes are left out.
        simulated: take votes of simulated annotators instead; never both.

    Raises:
        ValueError: no collection, or no candidate with a verdict, a target and enough votes.
    """
    check_count("least", least)
    with database.read() as connection:
        settings = settings_of(connection)
        if settings is None:
            raise ValueError("this database holds no collection yet.")
        votes = read_votes(connection, settings, simulated=simulated)
        rows = connection.execute(images.select().order_by(images.c.rank)).all()
    counts, mean = np.bincount(votes.first().image, minlength=len(rows)), mean_shares(votes)
    kept = [k for k, row in enumerate(rows) if _has_both(row.details) and counts[k] >= least]
    if not kept:
        raise ValueError(
            f"no candidate has a verdict, a target and {least} or more votes; ask about a results "
            f"file that has verdicts, such as that of xhat demo."
        )
    pictures = [picture_of(rows[k]) for k in kept]
    if len({each.shape for each in pictures}) > 1:
        raise ValueError("candidates must have one size to be shown together.")
    return _compared(
        pixels=np.stack(pictures),
        verdict=tuple(rows[k].details["verdict"] for k in kept),
        target=tuple(int(rows[k].details["target"]) for k in kept),
        mean=mean[kept],
        votes=counts[kept],
        classes=settings.classes,
        simulated=simulated,
    )


def write_people(found: People, out: str | Path, *, command: str) -> Path:
    """Write ``people.png`` and ``people.html``, disagreements first; return the page's path.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    out = atomic_folder_check(out)
    order = np.argsort(found.agrees, kind="stable")[:_SHOWN]
    picture = save_seen_png(out / "people.png", [_shown(found, k) for k in order.tolist()])
    return save_task_page(out / "people.html", _page(found, picture, command))


def _has_both(details: dict[str, Any]) -> bool:
    return "target" in details and details.get("verdict") in [str(each) for each in Outcome]


def _seen(mean: NDArray[np.float64], target: Sequence[int]) -> NDArray[np.bool_]:
    return mean[np.arange(len(mean)), np.array(target)] > 0.5


def _compared(**facts: Any) -> People:
    seen = _seen(facts["mean"], facts["target"])
    none = facts["mean"][:, -1] > 0.5
    verdict = np.array(facts["verdict"])
    genuine = verdict == Outcome.GENUINE
    table = np.array(
        [[int((g & s).sum()) for s in (seen, ~seen)] for g in (genuine, ~genuine)], dtype=np.int64
    )
    rows = []
    for outcome in Outcome:
        mine = verdict == str(outcome)
        if n := int(mine.sum()):
            hits = int(seen[mine].sum())
            rows.append(VerdictRow(str(outcome), n, hits, int(none[mine].sum()), *wilson(hits, n)))
    return People(rows=tuple(rows), table=table, kappa=_kappa(table), **facts)


def _kappa(table: NDArray[np.int64]) -> float | None:
    shares = table / table.sum()
    chance = float(shares.sum(0) @ shares.sum(1))
    return None if chance >= 1 else float((shares.trace() - chance) / (1 - chance))


def _shown(found: People, k: int) -> SeenSample:
    names = (*found.classes, "none")
    top = np.argsort(-found.mean[k], kind="stable")[:2]
    said = ", ".join(f"{names[j]} {100 * found.mean[k, j]:.0f} %" for j in top if found.mean[k, j])
    return SeenSample(
        picture=found.pixels[k],
        outcome=found.verdict[k],
        above=f"for {names[found.target[k]]}",
        below=(found.verdict[k].replace("_", " "), said),
        marked=not found.agrees[k],
    )


def _page(found: People, picture: Path, command: str) -> TaskPage:
    who = "simulated annotators" if found.simulated else "people"
    low, high = found.interval
    kappa = "" if found.kappa is None else f" Cohen's kappa is {found.kappa:.2f}."
    lead = (
        f"On {found.agreeing} of {len(found)} candidates {who} and verdicts agree "
        f"({100 * low:.0f} to {100 * high:.0f} %).{kappa}"
    )
    by_verdict = PageTable(
        f"In how many {who} see the target",
        ("verdict", "candidates", "target seen", "share", "95 % interval", "none of them"),
        [
            (
                row.verdict.replace("_", " "),
                str(row.n),
                str(row.seen),
                f"{100 * row.seen / row.n:.0f} %",
                f"{100 * row.low:.0f} to {100 * row.high:.0f} %",
                str(row.none),
            )
            for row in found.rows
        ],
        note="The target is seen where the mean ballot gives it more than half.",
    )
    both = PageTable(
        "Both answers",
        ("", "target seen", "not seen"),
        [
            (name, *(str(int(count)) for count in counts))
            for name, counts in zip(("genuine", "not genuine"), found.table, strict=True)
        ],
    )
    remarks = [
        "A candidate off the manifold may well show the target: the judges were asked whether it "
        "is natural as well, and people only what it is.",
        f"{int(found.votes.sum())} votes, {int(found.votes.min())} to {int(found.votes.max())} a "
        "candidate.",
    ]
    if found.simulated:
        remarks.insert(
            0,
            "No person gave these answers: they come from simulated annotators, who begin from "
            "what the judges see. So this agreement says nothing of the judges.",
        )
    caption = (
        "Candidates on which the two disagree come first, marked by a dot. Above: the target; "
        "below: the verdict, in its colour, and what was seen."
    )
    return TaskPage(
        title="People and verdicts",
        lead=lead,
        pictures=[("What was seen", picture, caption)],
        tables=[by_verdict, both],
        facts={"command": command, "votes of": who},
        remarks=remarks,
    )
