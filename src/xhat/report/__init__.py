"""Pictures and pages: what a search or a judgement found, drawn so that it is seen at a glance.

A :class:`MethodGrid` holds what one method made of every pair of a start (row) and a target
(column), with the verdict and the evidence of every cell; a :class:`Summary` holds the numbers.
From a few of them, side by side, come a still picture (:func:`save_grid_png`), a moving one
(:func:`save_morph_gif`) and one self-contained page (:func:`save_page`). Shares are taken over
pairs whose start is not already of the target's class; the diagonal is kept apart.

:class:`JudgedSamples` holds what judges said of any samples, and why; from it comes a page with a
gallery and the reasons of every sample (:func:`save_judged_page`). A :class:`SelfTestRow` holds
what they said of one kind of samples of which the truth is known; from many comes the figure of a
self-test (:func:`save_selftest_png`).

An :class:`Estimate` is one measurement over seeds with its 95 % interval. Figures are drawn from
such or from plain numbers: :func:`save_tradeoff_png`, :func:`save_curves_png`,
:func:`save_matrices_png`. A :class:`ModelPage` holds what was measured of one trained model
(:func:`save_model_page`); the page of a task's demo is a :class:`TaskPage`
(:func:`save_task_page`).

A :class:`SeenSample` is a sample with its verdict and what people saw in it; many stand side by
side (:func:`save_seen_png`).

The colour of a border or a bar always is the colour of a verdict (:data:`COLOURS`), and colour is
never the only sign of it on a page. Nothing here judges or searches, and every file appears whole
or not at all.
"""

from xhat.report.card_page import ModelPage, save_gradients_png, save_model_page
from xhat.report.changes import as_pictures, save_changes_png
from xhat.report.confusion import save_selftest_png
from xhat.report.curves import CurvePanel, save_curves_png, save_tradeoff_png
from xhat.report.estimates import Estimate
from xhat.report.grids import save_grid_png
from xhat.report.judged import JudgedSamples
from xhat.report.judged_page import save_judged_page
from xhat.report.matrices import save_matrices_png
from xhat.report.morph import save_morph_gif
from xhat.report.page import save_page
from xhat.report.palette import COLOURS, LegendEntry, legend
from xhat.report.records import MethodGrid, Summary, SummaryRow, typical_pair
from xhat.report.refinement import save_gaps_png
from xhat.report.seen import SeenSample, save_seen_png
from xhat.report.selftest import SelfTestRow
from xhat.report.task_page import PageTable, TaskPage, save_task_page

__all__ = [
    "COLOURS",
    "CurvePanel",
    "Estimate",
    "JudgedSamples",
    "LegendEntry",
    "MethodGrid",
    "ModelPage",
    "PageTable",
    "SeenSample",
    "SelfTestRow",
    "Summary",
    "SummaryRow",
    "TaskPage",
    "as_pictures",
    "legend",
    "save_changes_png",
    "save_curves_png",
    "save_gaps_png",
    "save_gradients_png",
    "save_grid_png",
    "save_judged_page",
    "save_matrices_png",
    "save_model_page",
    "save_morph_gif",
    "save_page",
    "save_seen_png",
    "save_selftest_png",
    "save_task_page",
    "save_tradeoff_png",
    "typical_pair",
]
