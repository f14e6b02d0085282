"""Judges: is what the search found genuine?

A judge looks at ``x`` and the target, never at the search. Several axes are measured separately
and shown; the outcome follows from them by fixed rules with thresholds from real data (``Panel``):

- *meaning*: what held-out classifiers see (``Jury``);
- *manifold*: how far real samples are in several representations (``Neighbours``), and how likely
  the sample is among them (``Likelihood``).
"""

from xhat.judges.axes import Likelihood, ManifoldAxis
from xhat.judges.jury import Jury
from xhat.judges.neighbours import Neighbours, Penultimate, pixels
from xhat.judges.outcomes import Outcome
from xhat.judges.panel import Panel
from xhat.judges.verdict import Axis, Verdict, Verdicts

__all__ = [
    "Axis",
    "Jury",
    "Likelihood",
    "ManifoldAxis",
    "Neighbours",
    "Outcome",
    "Panel",
    "Penultimate",
    "Verdict",
    "Verdicts",
    "pixels",
]
