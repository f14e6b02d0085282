"""One colour, one mark and one name for every outcome, the same in every picture.

The colours keep a contrast of at least 3:1 to a white and to a near-black page (WCAG 2.2,
1.4.11), so that one set serves both, and stay apart under simulated protanopia and deuteranopia
(G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, "A Physiologically-based Model for Simulation
of Color Vision Deficiency", 2009). Green is the good end and red the bad one; the two also differ
in lightness.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xhat.judges.outcomes import Outcome

__all__ = [
    "COLOURS",
    "FAINT",
    "INK",
    "MARKS",
    "MUTED",
    "ORDER",
    "PAPER",
    "LegendEntry",
    "ink_on",
    "label",
    "legend",
    "rgb",
]

PAPER, INK, MUTED, FAINT = "#ffffff", "#16181c", "#5c6067", "#c9ccd1"
"""Of what is drawn and says nothing about an outcome."""

COLOURS: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.GENUINE: "#00a368",
        Outcome.UNDECIDED: "#a424b2",
        Outcome.AMBIGUOUS: "#2b8bb0",
        Outcome.MISTAKEN: "#245fdc",
        Outcome.OFF_MANIFOLD: "#bd8500",
        Outcome.ADVERSARIAL: "#cb2413",
        Outcome.OUT_OF_DISTRIBUTION: "#9c7df8",
        Outcome.UNREACHED: "#696c70",
        Outcome.INFEASIBLE: "#df42aa",
    }
)
"""The colour of every outcome, as ``#rrggbb``."""

MARKS: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.GENUINE: "✓",
        Outcome.UNDECIDED: "…",
        Outcome.AMBIGUOUS: "?",
        Outcome.MISTAKEN: "≠",
        Outcome.OFF_MANIFOLD: "~",
        Outcome.ADVERSARIAL: "✗",
        Outcome.OUT_OF_DISTRIBUTION: "∅",
        Outcome.UNREACHED: "–",
        Outcome.INFEASIBLE: "!",
    }
)
"""A sign for every outcome, for those who do not see its colour."""

ORDER: tuple[Outcome, ...] = tuple(COLOURS)
"""The order of legends and stacked bars: the best outcome first."""


@dataclass(frozen=True)
class LegendEntry:
    """One line of a legend: an outcome as it is drawn, named and explained."""

    outcome: Outcome
    label: str
    colour: str
    mark: str
    meaning: str


def legend(outcomes: Iterable[str] | None = None) -> tuple[LegendEntry, ...]:
    """Return the legend of the outcomes that occur, the best first; of all if none are given.

    Raises:
        ValueError: a word that is no outcome.

    Example:
        >>> [entry.label for entry in legend(["off_manifold", "genuine", "off_manifold"])]
        ['genuine', 'off manifold']
    """
    present = set(ORDER) if outcomes is None else {Outcome(outcome) for outcome in outcomes}
    return tuple(
        LegendEntry(o, label(o), COLOURS[o], MARKS[o], o.meaning) for o in ORDER if o in present
    )


def label(outcome: str) -> str:
    """Return the name of an outcome as people read it, without underscores."""
    return Outcome(outcome).value.replace("_", " ")


def rgb(colour: str) -> tuple[int, int, int]:
    """Return ``#rrggbb`` as three integers in 0..255.

    Example:
        >>> rgb("#00a368")
        (0, 163, 104)
    """
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def ink_on(colour: str) -> str:
    """Return black or white, whichever is easier to read on ``colour`` (at least 4.5:1).

    Example:
        >>> ink_on(COLOURS[Outcome.GENUINE]), ink_on(COLOURS[Outcome.ADVERSARIAL])
        ('#000000', '#ffffff')
    """
    on_black, on_white = (luminance(colour) + 0.05) / 0.05, 1.05 / (luminance(colour) + 0.05)
    return "#000000" if on_black >= on_white else "#ffffff"


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb`` in [0, 1] (WCAG 2.2)."""
    linear = [
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
        for v in (channel / 255 for channel in rgb(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
