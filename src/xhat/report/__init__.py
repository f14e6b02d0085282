"""Pictures and pages: what a study or a judgement found, drawn so that it is seen at a glance.

A :class:`MethodGrid` holds what one method made of every pair of a start (row) and a target
(column), with the verdict and the evidence of every cell; a :class:`Summary` holds the numbers.
From a few of them, side by side, come a still picture (:func:`save_grid_png`), a moving one
(:func:`save_morph_gif`) and one self-contained page (:func:`save_page`). Shares are taken over
pairs whose start is not already of the target's class; the diagonal is kept apart.

:class:`JudgedSamples` holds what judges said of any samples, and why; from it comes a page with a
gallery and the reasons of every sample (:func:`save_judged_page`). A :class:`SelfTestRow` holds
what they said of one kind of samples of which the truth is known; from many comes the figure of a
self-test (:func:`save_selftest_png`).

A :class:`StudyPage` holds a question, what was fixed before the run, and the arms and claims with
their 95 % intervals over seeds; from it come a figure (:func:`save_intervals_png`), a page
(:func:`save_study_page`) and a document (:func:`study_markdown`). Further figures are drawn from
plain numbers: :func:`save_tradeoff_png`, :func:`save_curves_png`, :func:`save_matrices_png`,
:func:`save_planes_png`, :func:`save_frontier_png`. A :class:`LatentMap` holds a latent space of two
dimensions (:func:`save_latent_maps_png`), a :class:`ModelPage` what was measured of one trained
model (:func:`save_model_page`).

A :class:`FieldSlice` is a plane through a signed distance (:func:`save_slices_png`), a
:class:`Scene` solids in space (:func:`save_scenes_png`). The page of a task's demo is a
:class:`TaskPage` (:func:`save_task_page`).
An :class:`AirfoilPanel` holds airfoils with their polars by surrogate and by simulator
(:func:`save_airfoils_png`). The page of a task's demo is a :class:`TaskPage`
(:func:`save_task_page`).

A :class:`Film` holds one kind of path from starts to ends, frame by frame; several kinds are drawn
as strips (:func:`save_films_png`) or moving (:func:`save_films_gif`).

A :class:`SeenSample` is a sample with its verdict and what people saw in it; many stand side by
side (:func:`save_seen_png`).

An :class:`EncounterPlane` is one satellite encounter before and after a burn
(:func:`save_encounters_png`). The page of a task's demo is a
:class:`TaskPage` (:func:`save_task_page`).

The colour of a border or a bar always is the colour of a verdict (:data:`COLOURS`), and colour is
never the only sign of it on a page; answers have colours of their own (:data:`ANSWERS`). Nothing
here judges or searches, and every file appears whole or not at all.
"""

from xhat.report.airfoils import AirfoilCurve, AirfoilPanel, save_airfoils_png
from xhat.report.card_page import ModelPage, save_gradients_png, save_model_page
from xhat.report.changes import as_pictures, save_changes_png
from xhat.report.confusion import save_selftest_png
from xhat.report.curves import CurvePanel, save_curves_png, save_tradeoff_png
from xhat.report.encounters import EncounterPlane, save_encounters_png
from xhat.report.fields import Arrows, FieldSlice, save_slices_png
from xhat.report.films import Film, save_films_gif, save_films_png
from xhat.report.frontier import FrontierDot, save_frontier_png
from xhat.report.grids import save_grid_png
from xhat.report.intervals import save_intervals_png
from xhat.report.judged import JudgedSamples
from xhat.report.judged_page import save_judged_page
from xhat.report.latent_maps import LatentMap, save_latent_maps_png
from xhat.report.matrices import save_matrices_png
from xhat.report.morph import save_morph_gif
from xhat.report.page import save_page
from xhat.report.palette import COLOURS, LegendEntry, legend
from xhat.report.planes import save_planes_png
from xhat.report.readings import StructureRow, save_readings_png, save_structures_png
from xhat.report.records import MethodGrid, Summary, SummaryRow, typical_pair
from xhat.report.refinement import save_gaps_png
from xhat.report.renders import Scene, Solid, View, render_scene, save_scenes_png
from xhat.report.seen import SeenSample, save_seen_png
from xhat.report.selftest import SelfTestRow
from xhat.report.study_page import save_study_page, study_markdown
from xhat.report.study_records import ANSWERS, Answer, ArmRow, ClaimRow, Estimate, StudyPage
from xhat.report.task_page import PageTable, TaskPage, save_task_page

__all__ = [
    "ANSWERS",
    "COLOURS",
    "AirfoilCurve",
    "AirfoilPanel",
    "Answer",
    "ArmRow",
    "Arrows",
    "ClaimRow",
    "CurvePanel",
    "EncounterPlane",
    "Estimate",
    "FieldSlice",
    "Film",
    "FrontierDot",
    "JudgedSamples",
    "LatentMap",
    "LegendEntry",
    "MethodGrid",
    "ModelPage",
    "PageTable",
    "Scene",
    "SeenSample",
    "SelfTestRow",
    "Solid",
    "StructureRow",
    "StudyPage",
    "Summary",
    "SummaryRow",
    "TaskPage",
    "View",
    "as_pictures",
    "legend",
    "render_scene",
    "save_airfoils_png",
    "save_changes_png",
    "save_curves_png",
    "save_encounters_png",
    "save_films_gif",
    "save_films_png",
    "save_frontier_png",
    "save_gaps_png",
    "save_gradients_png",
    "save_grid_png",
    "save_intervals_png",
    "save_judged_page",
    "save_latent_maps_png",
    "save_matrices_png",
    "save_model_page",
    "save_morph_gif",
    "save_page",
    "save_planes_png",
    "save_readings_png",
    "save_scenes_png",
    "save_seen_png",
    "save_selftest_png",
    "save_slices_png",
    "save_structures_png",
    "save_study_page",
    "save_task_page",
    "save_tradeoff_png",
    "study_markdown",
    "typical_pair",
]
