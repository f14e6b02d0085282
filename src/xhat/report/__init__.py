"""Pictures and pages: what a search or a judgement found, drawn so that it is seen at a glance.

A :class:`JudgedRecord` holds what judges said of any samples, and why; from it comes a page with a
gallery and the reasons of every sample (:func:`save_judged_page`).

An :class:`Estimate` is one measurement over seeds with its 95 % interval. Figures are drawn from
such or from plain numbers: :func:`save_tradeoff_png`, :func:`save_curves_png`. The page of a task's
demo is a :class:`TaskPage` (:func:`save_task_page`), that of a trained model a :class:`ModelPage`
(:func:`save_model_page`); :func:`save_matrices_png` draws shares by start and target as heat maps.

The colour of a border or a bar always is the colour of a verdict (:data:`COLOURS`), and colour is
never the only sign of it on a page. Nothing here judges or searches, and every file appears whole
or not at all.

Needs the extra ``report``: ``pip install 'xhat[report]'``.
"""

from xhat.core import extra

with extra("report", "pages and pictures need"):  # asked once, so that one sentence answers
    import jinja2 as _jinja2  # noqa: F401
    import matplotlib as _matplotlib  # noqa: F401
    from PIL import Image as _Image  # noqa: F401

from xhat.report.changes import as_pictures, save_changes_png
from xhat.report.curves import CurvePanel, save_curves_png, save_tradeoff_png
from xhat.report.estimates import Estimate
from xhat.report.judged import JudgedRecord
from xhat.report.judged_page import save_judged_page
from xhat.report.matrices import save_matrices_png
from xhat.report.model_page import ModelPage, save_gradients_png, save_model_page
from xhat.report.palette import COLOURS, LegendEntry, legend
from xhat.report.refinement import save_gaps_png
from xhat.report.self_test import write_self_test
from xhat.report.task_page import PageTable, TaskPage, save_task_page

__all__ = [
    "COLOURS",
    "CurvePanel",
    "Estimate",
    "JudgedRecord",
    "LegendEntry",
    "ModelPage",
    "PageTable",
    "TaskPage",
    "as_pictures",
    "legend",
    "save_changes_png",
    "save_curves_png",
    "save_gaps_png",
    "save_gradients_png",
    "save_judged_page",
    "save_matrices_png",
    "save_model_page",
    "save_task_page",
    "save_tradeoff_png",
    "write_self_test",
]
