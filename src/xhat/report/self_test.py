"""The page of a self-test: what a judge says of samples whose right verdict is known."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xhat.core import atomic_folder_check, atomic_write
from xhat.report.pages import render, segments
from xhat.report.palette import ORDER, label

__all__ = ["write_self_test"]


def write_self_test(
    found: Any, folder: str | Path, *, about: str, facts: Mapping[str, str] | None = None
) -> Path:
    """Write ``selftest.json`` and ``selftest.html`` into a folder; return the page's path.

    Args:
        found: a ``xhat.domain.SelfTest``; what draws does not import what it draws.
        folder: made if needed.
        about: what was tested, for the lead.
        facts: of the run.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    folder = atomic_folder_check(folder)
    with atomic_write(folder / "selftest.json") as temporary:
        told = found.to_dict() | {"line": found.line, "doubt": found.doubt}
        temporary.write_text(json.dumps(told, indent=1) + "\n")
    rows = [
        {
            **dict(zip(("name", "n", "genuine", "interval", "named"), words, strict=False)),
            "right": ", ".join(map(label, row.right)),
            "said": row.said,
            "segments": segments({o: row.counts[o] for o in ORDER if o in row.counts}),
        }
        for words, row in zip(found.table(), found.rows, strict=True)
    ]
    plain = {"alpha": f"{found.alpha:g}", "beta": f"{found.beta:g}", "seed": str(found.seed)}
    html = render(
        "self_test.html",
        title="How far these verdicts can be trusted",
        lead=f"{about}: {found.line}.",
        found=found,
        rows=rows,
        facts=plain | {"held-out real samples": str(found.held)} | dict(facts or {}),
        sprites=[],
    )
    page = folder / "selftest.html"
    with atomic_write(page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return page
