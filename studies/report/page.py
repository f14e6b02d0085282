"""The page of a study: what was asked, what was fixed before the run, and what came of it.

One file without network or script. The answer stands beside the question, then the protocol, the
figure, the claims with their differences and intervals, the arms with all measurements, and the
facts of the run. The same content as Markdown goes into the documentation.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from studies.report.records import ANSWERS, ClaimRow, StudyPage
from studies.report.words import answer_line, claim_line, scale_of, size_line
from xhat.core import atomic_write
from xhat.report.pages import picture_of, render

__all__ = ["save_study_page", "study_markdown"]

_TEMPLATES = Path(__file__).parent / "templates"
_NO_RANGE = "no interval"
_ROOM = 0.08  # of a track, free at either end
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|])")
_LEADING = re.compile(r"^([-+]|\d+[.)])(?=\s|$)")  # what would begin a list


def save_study_page(path: str | Path, page: StudyPage) -> Path:
    """Save the page of a study: one HTML file with all pictures and styles inside.

    Args:
        path: where to; its folder is made if needed.
        page: the study.

    Returns:
        The path.

    Raises:
        TypeError: ``page`` is no ``StudyPage``.
        UnreadableFileError: a picture is missing, or is no PNG.
        PermissionError: the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> from studies.report.records import ArmRow
        >>> from xhat.report import Estimate
        >>> arm = ArmRow("plain", "no regularisation", {"genuine": Estimate.of_one(0.4)})
        >>> page = StudyPage("why", "Why?", (), (arm,), (), "undecided", {"genuine": "genuine, %"})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     "40.0" in save_study_page(f"{folder}/why.html", page).read_text("utf-8")
        True
    """
    _check(page)
    html = render(
        "study.html",
        _TEMPLATES,
        title=page.question,
        page=page,
        answer=ANSWERS[page.answer],
        answers=ANSWERS,
        line=answer_line(page),
        size=size_line(page),
        claims=[_claim(page, claim) for claim in page.claims],
        arms=_arms(page),
        pictures=[picture_of(file, caption) for file, caption in page.pictures],
        facts=dict(page.facts),
        sprites=[],
    )
    with atomic_write(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return Path(path)


def study_markdown(page: StudyPage, picture: str | None = None, *, level: int = 1) -> str:
    """Return a study as Markdown for the documentation, without HTML.

    Args:
        page: the study.
        picture: the address of the main figure as seen from the document, or None.
        level: of its headline, 1 to 5.

    Returns:
        The text, which ends with a line break.

    Raises:
        TypeError: ``page`` is no ``StudyPage``.
        ValueError: another level.

    Example:
        >>> from studies.report.records import ArmRow
        >>> from xhat.report import Estimate
        >>> arm = ArmRow("plain", "no regularisation", {"genuine": Estimate.of_one(0.4)})
        >>> page = StudyPage("why", "Why?", (), (arm,), (), "undecided", {"genuine": "genuine, %"})
        >>> print(study_markdown(page)[:36])
        # Why?
        <BLANKLINE>
        **Answer: undecided.** Study
    """
    _check(page)
    if not 1 <= level <= 5:
        raise ValueError(f"level must be from 1 to 5, but is {level}.")
    head, sub = "#" * level, "#" * (level + 1)
    line = f"{answer_line(page)} {size_line(page)}".strip()
    parts = [f"{head} {_plain(page.question)}", f"**Answer: {page.answer}.** {_plain(line)}"]
    if page.protocol:
        parts += [f"{sub} Protocol, fixed before the run", _bullets(page.protocol)]
    if picture is not None:
        alt = page.pictures[0][1] if page.pictures else page.question
        parts.append(f"![{_plain(alt)}]({quote(picture, safe='/:%')})")
    if page.claims:
        parts += [f"{sub} The claims", _claims_table(page), _meanings()]
    parts += [f"{sub} The arms", _arms_table(page), "In brackets the 95 % interval of the mean."]
    parts.append("\n".join(f"- **{_plain(a.name)}**: {_plain(a.caption)}" for a in page.arms))
    if page.remarks:
        parts += [f"{sub} Remarks", _bullets(page.remarks)]
    if page.facts:
        facts = "\n".join(f"- {_plain(k)}: {_plain(v)}" for k, v in page.facts.items())
        parts += [f"{sub} This run", facts]
    return "\n\n".join(parts) + "\n"


def _check(page: object) -> None:
    if not isinstance(page, StudyPage):
        raise TypeError(f"page must be a StudyPage record, not {type(page).__name__}.")


def _claim(page: StudyPage, claim: ClaimRow) -> dict[str, Any]:
    """Return what the page tells of a claim, with the places of its drawing in percent."""
    scale = scale_of(page, claim.metric)
    return {
        "says": claim.says,
        "line": claim_line(page, claim),
        "ahead": scale.gap(claim.difference.mean),
        "range": scale.range(claim.difference, signed=True) or _NO_RANGE,
        "margin": scale.margin(claim.margin),
        "answer": ANSWERS[claim.answer],
        "track": _track(claim),
    }


def _track(claim: ClaimRow) -> dict[str, float]:
    """Return where zero, the margin, the mean and its interval lie, from 0 to 100."""
    gap = claim.difference
    places = {"zero": 0.0, "margin": claim.margin, "mean": gap.mean}
    if gap.bounded:
        places |= {"low": gap.low, "high": gap.high}
    least, most = min(places.values()), max(places.values())
    wide = (most - least) or 1.0
    share = {name: (value - least) / wide for name, value in places.items()}
    return {name: 100 * (_ROOM + (1 - 2 * _ROOM) * value) for name, value in share.items()}


def _arms(page: StudyPage) -> list[dict[str, Any]]:
    """Return the rows of the table of arms, a cell for each measurement that is shown."""
    baselines = {claim.baseline for claim in page.claims}
    scales = {metric: scale_of(page, metric) for metric in page.shown}
    rows = []
    for arm in page.arms:
        found = [(arm.estimates.get(metric), scale) for metric, scale in scales.items()]
        cells = [
            {"mean": scale.number(one.mean), "range": scale.range(one)} if one else None
            for one, scale in found
        ]
        rows.append({"arm": arm, "baseline": arm.name in baselines, "cells": cells})
    return rows


def _claims_table(page: StudyPage) -> str:
    rows = []
    for claim in page.claims:
        told = _claim(page, claim)
        what = f"{_plain(claim.says)} ({_plain(told['line'])})"
        rows.append([what, told["ahead"], told["range"], told["margin"], f"**{claim.answer}**"])
    return _table(
        ["claim", "ahead by", "95 % interval", "margin", "answer"], rows, numbers=range(1, 4)
    )


def _arms_table(page: StudyPage) -> str:
    rows = []
    for row in _arms(page):
        cells = [
            "–" if cell is None else f"{cell['mean']} ({cell['range']})".removesuffix(" ()")
            for cell in row["cells"]
        ]
        rows.append([_plain(row["arm"].name), *cells])
    heads = ["arm", *(_plain(heading) for heading in page.shown.values())]
    return _table(heads, rows, numbers=range(1, len(heads)))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: range) -> str:
    """Return a table; the columns that ``numbers`` counts stand at the right."""
    rules = ["---:" if k in numbers else "---" for k in range(len(heads))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows))


def _meanings() -> str:
    meanings = " ".join(f"*{word}*: {answer.meaning}" for word, answer in ANSWERS.items())
    return f"{meanings} Differences are taken within each seed."


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {_plain(sentence)}" for sentence in sentences)


def _plain(words: str) -> str:
    """Return words from outside as Markdown that shows them as they are, in one line."""
    line = " ".join(words.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _SPECIAL.sub(r"\\\1", line)
    return _LEADING.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", line)
