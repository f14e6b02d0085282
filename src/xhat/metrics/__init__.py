"""Measures: what a *set* of results is like, beside what real samples are like.

Judges look at single candidates; measures compare sets, and say what no verdict can: whether the
results have the variety of real samples, and how rare natural inputs are at all. Samples are
compared by features (``Features``, with the fingerprint of their weights):

- *distance* between the distributions (``frechet_distance``, ``kernel_distance``);
- *coverage*: which share of each lies within the other (``coverage``);
- *spread*: variety within a target (``mean_distance``, ``vendi_score``), and how far candidates
  came (``travel``);
- ``measure`` takes all of these with 95 % intervals, each beside its *floor*: what as many real
  samples score in place of the results.

Of the region that was searched:

- ``intrinsic_dimension``: how many dimensions the real samples fill, as a range;
- ``density`` and ``rare_density``: ``D = |M| / |X|``, the share of a ``Region`` that a judge
  accepts.

Of the way between two samples:

- ``straight``, ``spherical``, ``resample_path`` lay a path of frames; ``path_shape`` says how long
  it is and how much it wanders.

Of a classifier's logits or a detector's scores, with the right answers beside them:

- ``nll``, ``brier``, ``expected_calibration_error``: whether its probabilities can be taken at
  their word;
- ``auroc``, ``fpr_at_tpr``: whether its scores tell two sets apart.

This room imports only the ground floor, and never sees a search.
"""

from xhat.metrics.calibration import (
    auroc,
    brier,
    expected_calibration_error,
    fpr_at_tpr,
    nll,
)
from xhat.metrics.coverage import Coverage, NeighbourManifold, coverage
from xhat.metrics.density import Density, DensityRatio, density, ratio
from xhat.metrics.dimension import Dimension, intrinsic_dimension
from xhat.metrics.distances import GaussianFit, KernelMean, frechet_distance, kernel_distance
from xhat.metrics.features import Features
from xhat.metrics.measuring import measure
from xhat.metrics.paths import PathShape, path_shape, resample_path, spherical, straight
from xhat.metrics.rare import rare_density
from xhat.metrics.regions import Region
from xhat.metrics.spread import Travel, mean_distance, travel, vendi_score
from xhat.metrics.table import MEASURES, Measure, Row, Table

__all__ = [
    "MEASURES",
    "Coverage",
    "Density",
    "DensityRatio",
    "Dimension",
    "Features",
    "GaussianFit",
    "KernelMean",
    "Measure",
    "NeighbourManifold",
    "PathShape",
    "Region",
    "Row",
    "Table",
    "Travel",
    "auroc",
    "brier",
    "coverage",
    "density",
    "expected_calibration_error",
    "fpr_at_tpr",
    "frechet_distance",
    "intrinsic_dimension",
    "kernel_distance",
    "mean_distance",
    "measure",
    "nll",
    "path_shape",
    "rare_density",
    "ratio",
    "resample_path",
    "spherical",
    "straight",
    "travel",
    "vendi_score",
]
