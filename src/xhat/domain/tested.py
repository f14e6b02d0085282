"""What a self-test found: how far the verdicts of one domain's judge can be trusted.

Of every control it is known which outcomes are right; ``SelfTest`` counts what the judge did say,
and says in one line what that is worth. It promises two things of samples that are not what they
should be: real ones that are asked for a wrong class, and attacks. Where a promise is not kept, or
too few samples were there to see whether it is, ``genuine`` is *unproven* on these data.
"""

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from xhat.judges import Outcome
from xhat.metrics.density import binomial_interval

__all__ = ["NOT_TESTED", "Controlled", "SelfTest", "Share"]

NOT_TESTED = "not self-tested on these data: run domain.self_test()"
"""What is said of a domain without a self-test."""

REAL, WRONG, WRONG_VALUE = "real", "wrong class", "wrong value"
ATTACK, MISREAD = "attack", "misread"
MIXED, SPOILT, NEARLY, FOREIGN = "mixture", "spoilt", "nearly real", "foreign"
GROUPS = {
    REAL: "real samples",
    WRONG: "wrong-class samples",
    WRONG_VALUE: "wrong-value samples",
    ATTACK: "attacks",
    MISREAD: "misread samples",
    MIXED: "mixtures",
    SPOILT: "spoilt samples",
    NEARLY: "nearly real samples",
    FOREIGN: "foreign samples",
}
"""Kinds of controls, and what a line calls their samples."""

_TOLD = (WRONG, WRONG_VALUE, ATTACK, FOREIGN, REAL)  # in the line, where there are classes
_TOLD_WITHOUT = (WRONG_VALUE, SPOILT, FOREIGN, REAL)
_BEYOND = 1.6  # times beta: .08 for .05
_MOST_ATTACKS = 0.05


@dataclass(frozen=True)
class Share:
    """``k`` of ``n`` samples, with the exact 95 % interval (Clopper and Pearson, 1934).

    Example:
        >>> few = Share(3, 200)
        >>> few.value, round(few.low, 3), round(few.high, 3)
        (0.015, 0.003, 0.043)
        >>> Share(0, 0).high
        1.0
    """

    k: int
    n: int

    @property
    def value(self) -> float:
        """The share; 0 of no samples."""
        return self.k / max(1, self.n)

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return binomial_interval(self.k, self.n, 0.95)[1] if self.n else 0.0

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return binomial_interval(self.k, self.n, 0.95)[2] if self.n else 1.0


@dataclass(frozen=True)
class Controlled:
    """What the judge said of one control.

    Attributes:
        name: what the samples are.
        group: of ``GROUPS``.
        right: the outcomes that are right for them.
        counts: how many have each outcome; those that did not occur are left out.
    """

    name: str
    group: str
    right: tuple[Outcome, ...]
    counts: Mapping[Outcome, int]

    @property
    def n(self) -> int:
        """How many samples were judged."""
        return sum(self.counts.values())

    @property
    def genuine(self) -> Share:
        """Those called genuine."""
        return Share(self.counts.get(Outcome.GENUINE, 0), self.n)

    @property
    def named(self) -> Share:
        """Those with an outcome that is right."""
        return Share(sum(self.counts.get(outcome, 0) for outcome in self.right), self.n)

    @property
    def mostly(self) -> str:
        """The commonest outcome and its share, in words; empty without samples."""
        if not self.n:
            return ""
        outcome, count = max(self.counts.items(), key=lambda item: item[1])
        return f"{_percent(count / self.n)} {_word(outcome)}"

    @property
    def said(self) -> str:
        """The outcomes in words, the commonest first."""
        ordered = sorted(self.counts.items(), key=lambda item: -item[1])
        return ", ".join(f"{count} {_word(outcome)}" for outcome, count in ordered)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "name": self.name,
            "group": self.group,
            "right": [str(outcome) for outcome in self.right],
            "counts": {str(outcome): count for outcome, count in self.counts.items()},
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "Controlled":
        """Return what ``to_dict`` was made of."""
        right = tuple(Outcome(word) for word in told["right"])
        counts = {Outcome(word): int(count) for word, count in told["counts"].items()}
        return cls(told["name"], told["group"], right, counts)


@dataclass(frozen=True, repr=False)
class SelfTest:
    """What a judge says of samples whose right verdict is known.

    Attributes:
        rows: one for each control.
        alpha, beta: of the judge.
        n: samples that were asked for, of each control.
        held: real samples that nothing was fitted to.
        seed: of every random choice.
        remarks: what a reader should know, sentences.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from xhat.domain import Domain
        >>> iris = load_iris()
        >>> found = Domain(iris.data, iris.target).self_test(n=50)
        >>> found.line[:15], found.share("real").n
        ('on these data, ', 45)
        >>> SelfTest.from_dict(found.to_dict()) == found
        True
    """

    rows: tuple[Controlled, ...]
    alpha: float
    beta: float
    n: int
    held: int
    seed: int
    remarks: tuple[str, ...] = ()

    def share(self, group: str) -> Share:
        """Return how many samples of all controls of a group were called genuine."""
        mine = [row.genuine for row in self.rows if row.group == group]
        return Share(sum(each.k for each in mine), sum(each.n for each in mine))

    @property
    def line(self) -> str:
        """What the verdicts are worth, in one line."""
        told = _TOLD if self.share(WRONG).n else _TOLD_WITHOUT
        shares = [(GROUPS[group], share) for group in told if (share := self.share(group)).n]
        first, *rest = (f"of {share.n} {name} {share.k}" for name, share in shares)
        return "; ".join((f"on these data, {first} were called genuine", *rest))

    @property
    def doubt(self) -> str:
        """Why ``genuine`` is unproven on these data, a sentence; empty where it is not."""
        told = {WRONG: "class", WRONG_VALUE: "value"}
        doubts = (self._wrong(group, what) for group, what in told.items())
        pushed = (ATTACK, "the attacks that fooled a model")
        group, what = pushed if self.share(WRONG).n else (SPOILT, "spoilt samples")
        return next((doubt for doubt in doubts if doubt), self._most(group, what))

    def _wrong(self, group: str, what: str) -> str:
        wrong = self.share(group)
        if not wrong.n or wrong.high <= _BEYOND * self.beta:
            return ""
        return (
            f"Genuine is unproven here: by {wrong.n} samples, up to {_percent(wrong.high)} of "
            f"real samples of another {what} are called so (95 % confidence), and "
            f"{_percent(_BEYOND * self.beta)} may be."
        )

    def _most(self, group: str, what: str) -> str:
        called = self.share(group)
        if called.value <= _MOST_ATTACKS:
            return ""
        return (
            f"Genuine is unproven here: {_percent(called.value)} of {what} were called so, and "
            f"{_percent(_MOST_ATTACKS)} may be."
        )

    @property
    def proven(self) -> bool:
        """Whether the judge has the power that it promises.

        It has where, at 95 % confidence, at most 1.6 times ``beta`` (.08 for .05) of real samples
        of another class, or another value, are called genuine, and at most .05 of the attacks;
        without classes, at most .05 of the spoilt samples.
        """
        return not self.doubt

    def word(self, outcome: Outcome) -> str:
        """Return an outcome in words: without proof, genuine is called unproven.

        Example:
            >>> SelfTest((), 0.05, 0.05, 200, 0, 0).word(Outcome.OFF_MANIFOLD)
            'off manifold'
        """
        doubted = outcome is Outcome.GENUINE and not self.proven
        return f"{_word(outcome)}, unproven" if doubted else _word(outcome)

    @property
    def columns(self) -> tuple[str, ...]:
        """The headings of ``table``."""
        return ("control", "n", "genuine", "95 %", "right", "mostly")

    def table(self) -> list[tuple[str, ...]]:
        """Return a row of words for each control, under ``columns``."""
        return [
            (
                row.name,
                str(row.n),
                _percent(row.genuine.value),
                f"{100 * row.genuine.low:.0f}–{100 * row.genuine.high:.0f} %",
                _percent(row.named.value),
                row.mostly,
            )
            for row in self.rows
        ]

    def __repr__(self) -> str:
        return f"SelfTest({self.line})"

    def __str__(self) -> str:
        """Return the line, the table and the remarks as text."""
        words = [self.columns, *self.table()]
        wide = [max(len(row[k]) for row in words) for k in range(len(self.columns))]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(row, wide, strict=True)).rstrip()
            for row in words
        ]
        return "\n".join((f"{self.line}.", *filter(None, (self.doubt,)), *lines, *self.remarks))

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        said = "".join(f"<p>{html.escape(text)}</p>" for text in self._sentences())
        return f"{said}<table>{_cells('th', self.columns)}{_rows(self.table())}</table>"

    def _sentences(self) -> Iterable[str]:
        return filter(None, (f"{self.line}.", self.doubt, *self.remarks))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        plain = ("alpha", "beta", "n", "held", "seed")
        return {name: getattr(self, name) for name in plain} | {
            "rows": [row.to_dict() for row in self.rows],
            "remarks": list(self.remarks),
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "SelfTest":
        """Return what ``to_dict`` was made of.

        Raises:
            KeyError, ValueError: it is something else.
        """
        plain = {name: told[name] for name in ("alpha", "beta", "n", "held", "seed")}
        rows = tuple(map(Controlled.from_dict, told["rows"]))
        return cls(rows=rows, remarks=tuple(told["remarks"]), **plain)


def _word(outcome: Outcome) -> str:
    return str(outcome).replace("_", " ")


def _percent(share: float) -> str:
    told = f"{100 * share:.1f}".removesuffix(".0") if share < 0.1 else f"{100 * share:.0f}"
    return f"{told} %"


def _cells(kind: str, words: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{kind}>{html.escape(word)}</{kind}>' for word in words)}</tr>"


def _rows(table: Iterable[Iterable[str]]) -> str:
    return "".join(_cells("td", row) for row in table)
