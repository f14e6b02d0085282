"""What a finished study leaves: figures, a page, the same as Markdown, and the numbers.

::

    OUT/results.json    every number of the table, every claim, and where it was measured
    OUT/report.html     the page, whole in one file
    OUT/report.md       the same for documentation
    OUT/*.png           the figures
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studies.report.intervals import save_intervals_png
from studies.report.page import save_study_page, study_markdown
from studies.report.records import ArmRow, ClaimRow, StudyPage
from studies.runner.experiment import Pictures
from studies.runner.running import Finished
from xhat.core import atomic_write

__all__ = ["write_study"]


def write_study(found: Finished, *, command: str) -> Path:
    """Write figures, page and numbers beside the cells; return the page's path.

    Args:
        found: all cells of a study.
        command: what makes it again.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    out = found.cells.folder
    page = _page(found, command, ())
    intervals = save_intervals_png(out / "intervals.png", page)
    own: Pictures = ()
    if found.experiment.draw is not None:
        own = found.experiment.draw(found.table, found.details, out)
    pictures = (*own, (intervals, "Every measurement of every arm: mean, 95 % interval, seeds."))
    page = _page(found, command, pictures)
    with atomic_write(out / "results.json") as temporary:
        temporary.write_text(json.dumps(_numbers(found, page), indent=1) + "\n")
    with atomic_write(out / "report.md") as temporary:
        temporary.write_text(study_markdown(page, level=2))
    return save_study_page(out / "report.html", page)


def _page(found: Finished, command: str, pictures: Pictures) -> StudyPage:
    experiment, table = found.experiment, found.table
    arms = tuple(
        ArmRow(arm.name, arm.caption, {m: found.of(arm.name, m) for m in experiment.shown})
        for arm in experiment.arms
    )
    claims = tuple(
        ClaimRow(c.says, c.arm, c.baseline, c.metric, c.margin, gap, said, c.lower)
        for c, gap, said in found.claims()
    )
    remarks = experiment.remark(table) if experiment.remark is not None else ()
    if found.quick:
        remarks = (
            "This was a quick run, to see that everything works; it means nothing.",
            *remarks,
        )
    return StudyPage(
        experiment.name,
        experiment.question,
        experiment.protocol,
        arms,
        claims,
        found.answer,
        experiment.shown,
        remarks,
        _facts(found, command),
        pictures,
    )


def _facts(found: Finished, command: str) -> dict[str, str]:
    records = _records(found)
    versions = records[0]["versions"]
    return {
        "command": command,
        "seeds": f"0 to {found.seeds - 1}",
        "commit": ", ".join(sorted({r["commit"] for r in records})),
        "computed in": f"{found.seconds / 60:.0f} minutes of one core, surrogates that other "
        f"studies had trained not counted",
        "hardware": f"{', '.join(sorted({r['hardware']['processor'] for r in records}))}, "
        f"{os.cpu_count()} cores",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def _records(found: Finished) -> list[dict[str, Any]]:
    arms: Iterable[str] = (arm.name for arm in found.experiment.arms)
    return [found.cells.read(arm, seed) for arm in arms for seed in range(found.seeds)]


def _numbers(found: Finished, page: StudyPage) -> dict[str, Any]:
    return {
        "study": page.name,
        "question": page.question,
        "answer": page.answer,
        "quick": found.quick,
        "facts": dict(page.facts),
        "claims": [asdict(claim) for claim in page.claims],
        "remarks": list(page.remarks),
        "table": {arm: {str(s): m for s, m in cells.items()} for arm, cells in found.table.items()},
    }
