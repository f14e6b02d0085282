"""Judges: is what the search found genuine?

A judge looks at ``x`` and the target, never at the search. Several axes are measured separately
and shown, never blended into a score; the outcome follows from them by fixed rules, with p-values
against real data (``Judge``):

- *meaning*: what held-out classifiers see (``Jury``);
- *manifold*: how far real samples are in several representations and what dimension they have
  there (``Neighbours``), how likely the sample is among them (``Likelihood``), what a model of
  the data cannot rebuild (``Reconstruction``);
- *structure*: which declared constraints hold, in float64 (``xhat.constraints.certify``);
- *truth*, where there is one: what it says, and where the surrogate parts from it (``ask``,
  ``gap_along``, ``audit_gradient``); ``Simulator`` makes any function a truth.

Which of many samples may be believed together is another question: ``Selection``.
"""

from xhat.judges.axes import (
    Likelihood,
    ManifoldAxis,
    Penultimate,
    Reconstruction,
    pixels,
    represented,
)
from xhat.judges.conformal import Calibration
from xhat.judges.gaps import GapAlong, competence_limit, gap_along
from xhat.judges.gradients import GradientAudit, audit_gradient
from xhat.judges.judge import Judge
from xhat.judges.jury import Jury, pooled
from xhat.judges.neighbours import Neighbours
from xhat.judges.outcomes import Outcome
from xhat.judges.selection import Selection
from xhat.judges.simulator import CallRecord, Simulator
from xhat.judges.statistics import CalibrationStatistics
from xhat.judges.truth import Truth, TruthEvidence, ask, disagreement, mean_absolute
from xhat.judges.verdict import Axis, Verdict, Verdicts

__all__ = [
    "Axis",
    "Calibration",
    "CalibrationStatistics",
    "CallRecord",
    "GapAlong",
    "GradientAudit",
    "Judge",
    "Jury",
    "Likelihood",
    "ManifoldAxis",
    "Neighbours",
    "Outcome",
    "Penultimate",
    "Reconstruction",
    "Selection",
    "Simulator",
    "Truth",
    "TruthEvidence",
    "Verdict",
    "Verdicts",
    "ask",
    "audit_gradient",
    "competence_limit",
    "disagreement",
    "gap_along",
    "mean_absolute",
    "pixels",
    "pooled",
    "represented",
]
