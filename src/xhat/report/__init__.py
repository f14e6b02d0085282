"""Pictures and pages: what a study found, drawn so that it can be seen at a glance.

A :class:`MethodGrid` holds what one method made of every pair of a start (row) and a target
(column), with the verdict and the evidence of every cell; a :class:`Summary` holds the numbers.
From a few of them, side by side, come a still picture (:func:`save_grid_png`), a moving one
(:func:`save_morph_gif`) and one self-contained page (:func:`save_page`). The colour of a border
always is the colour of a verdict (:data:`COLOURS`), and colour is never the only sign of it on
the page. Shares are taken over pairs whose start is not already of the target's class; the
diagonal is kept apart.

Nothing here judges or searches, and every file appears whole or not at all.
"""

from xhat.report.changes import as_pictures, save_changes_png
from xhat.report.grids import save_grid_png
from xhat.report.morph import save_morph_gif
from xhat.report.page import save_page
from xhat.report.palette import COLOURS, LegendEntry, legend
from xhat.report.records import MethodGrid, Summary, SummaryRow, typical_pair

__all__ = [
    "COLOURS",
    "LegendEntry",
    "MethodGrid",
    "Summary",
    "SummaryRow",
    "as_pictures",
    "legend",
    "save_changes_png",
    "save_grid_png",
    "save_morph_gif",
    "save_page",
    "typical_pair",
]
