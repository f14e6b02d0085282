"""One search as the harness sees it: what it did, what it said, and what it changed."""

import re
import warnings
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.problems import CALL, Case, build
from tests.fuzz.state import State, portraits
from xhat.engine import Result


@dataclass(frozen=True)
class Broken:
    """A promise that was not kept: its number, the check that saw it, and what it saw."""

    promise: int
    check: str
    what: str

    @property
    def kind(self) -> str:
        """What failures have in common that are counted as one: all but the numbers."""
        told = self.check in ("an answer", "bad input", "structure", "warnings")
        said = re.sub(r"-?\d[\d.e-]*", "#", self.what)[:60] if told else ""
        return f"{self.promise} {self.check} {said}"

    def __str__(self) -> str:
        return f"promise {self.promise}, {self.check}: {self.what}"


@dataclass
class Outcome:
    """What became of a case.

    Attributes:
        case: that was tried.
        broken: what was not kept.
        refused: the sentence with which it was refused, or "".
        seconds: of processor time.
    """

    case: Case
    broken: list[Broken] = field(default_factory=list)
    refused: str = ""
    seconds: float = 0.0


@dataclass
class Search:
    """A search as the harness saw it."""

    case: Case
    names: dict[str, Any] = field(default_factory=dict)
    result: Result | None = None
    error: BaseException | None = None
    told: list[warnings.WarningMessage] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


def searched(case: Case, rows: str = "slice(None)") -> Search:
    """Build and search, whatever happens."""
    search, state = Search(case), None
    with warnings.catch_warnings(record=True) as search.told:
        warnings.simplefilter("always")
        try:
            search.names = build(case, rows)
            before, state = portraits(search.names), State.now()
            try:
                exec(compile(CALL, "<search>", "exec"), search.names)  # noqa: S102
                search.result = search.names["result"]
            finally:
                search.changed = [
                    n for n, is_ in portraits(search.names).items() if before[n] != is_
                ]
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - they are what is looked for
            search.error = error
    search.changed += State.now().differs(state) if state else []
    return search
