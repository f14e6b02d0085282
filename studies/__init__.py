"""Studies: a question, a protocol that is fixed before the run, cells, and an answer.

A study compares *arms* over seeds. One arm with one seed is a *cell*; every finished cell is
written at once and never computed again, so that a study that was stopped, in whatever way, goes on
where it was. The differences between arms are paired within seeds.
"""

from studies.registry import STUDIES, with_labels
from studies.runner.experiment import Arm, Cell, Claim, Context, Experiment
from studies.runner.running import Finished, run_study
from studies.runner.writing import write_study

__all__ = [
    "STUDIES",
    "Arm",
    "Cell",
    "Claim",
    "Context",
    "Experiment",
    "Finished",
    "run_study",
    "with_labels",
    "write_study",
]
