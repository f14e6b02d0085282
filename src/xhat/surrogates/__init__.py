"""Recipes that train what a search differentiates: classifiers, regressors, embeddings, denoisers.

A classifier is trained on samples and on labels or distributions. What makes a training more than
textbook is a list of *training terms*, each a small frozen record: smoother targets, damaged
samples with softer targets, samples that show no class, the worst inputs around each sample,
agreement under rotation. Any list of them composes. All run in ``xhat.learning.fit``.

A regressor is trained on a table of a simulator's answers (``train_regression``).

Around any model stand wrappers: averages over a group, which make it exactly invariant or
equivariant; ensembles; dropout.

Two searches through a decoder: the shortest ways between codes (``geodesic``), and the way back
from an input to its code where there is no encoder (``invert``).
"""

from xhat.surrogates.adversarial import Adversarial, Trades, worst_inputs
from xhat.surrogates.classifier import train_classifier
from xhat.surrogates.consistency import NoiseConsistency, RotationConsistency
from xhat.surrogates.corrupted import Corrupted, Softness, fit_softness, train_softness
from xhat.surrogates.diffusion import train_denoiser
from xhat.surrogates.ensembles import Dropout, Ensemble, MonteCarloDropout
from xhat.surrogates.geodesics import AlongCurve, CurveEnergy, Curves, geodesic
from xhat.surrogates.inversion import Inversion, invert
from xhat.surrogates.outliers import OutlierExposure, OutlierSource, astray, refuse_overlap
from xhat.surrogates.recipes import PARTS, Composed, Part, Setting, apart, compose
from xhat.surrogates.regression import RegressionEnsemble, train_regression
from xhat.surrogates.retrieval import ReferenceSamples
from xhat.surrogates.steerable import SteerableCNN, exported, steerable_cnn
from xhat.surrogates.symmetric import Equivariant, Invariant
from xhat.surrogates.training_terms import Batch, LabelSmoothing, TrainingTerm, as_distributions
from xhat.surrogates.unlike import Outliers, shuffle_tiles

__all__ = [
    "PARTS",
    "Adversarial",
    "AlongCurve",
    "Batch",
    "Composed",
    "Corrupted",
    "CurveEnergy",
    "Curves",
    "Dropout",
    "Ensemble",
    "Equivariant",
    "Invariant",
    "Inversion",
    "LabelSmoothing",
    "MonteCarloDropout",
    "NoiseConsistency",
    "OutlierExposure",
    "OutlierSource",
    "Outliers",
    "Part",
    "ReferenceSamples",
    "RegressionEnsemble",
    "RotationConsistency",
    "Setting",
    "Softness",
    "SteerableCNN",
    "Trades",
    "TrainingTerm",
    "apart",
    "as_distributions",
    "astray",
    "compose",
    "exported",
    "fit_softness",
    "geodesic",
    "invert",
    "refuse_overlap",
    "shuffle_tiles",
    "steerable_cnn",
    "train_classifier",
    "train_denoiser",
    "train_regression",
    "train_softness",
    "worst_inputs",
]
