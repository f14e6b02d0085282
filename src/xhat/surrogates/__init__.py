"""Recipes that train what a search differentiates: classifiers, and the latent space of a VAE.

A classifier is trained on images in [0, 1] and on labels or distributions. What makes a training
more than textbook is a list of *signals*, each a small frozen record: smoother targets, damaged
images with softer targets, images that show no class, the worst inputs around each image,
agreement under rotation. Any list of them composes. All run in ``xhat.learning.fit``.
"""

from xhat.surrogates.adversarial import Adversarial, Trades, worst_inputs
from xhat.surrogates.annotators import machine_labels
from xhat.surrogates.classifier import train_classifier
from xhat.surrogates.consistency import RotationConsistency
from xhat.surrogates.corrupted import Corrupted, Softness, fit_softness, train_softness
from xhat.surrogates.outliers import TEST_KINDS, TRAINING_KINDS, OutlierExposure, refuse_overlap
from xhat.surrogates.signals import Batch, LabelSmoothing, Signal, as_distributions
from xhat.surrogates.vae import train_vae

__all__ = [
    "TEST_KINDS",
    "TRAINING_KINDS",
    "Adversarial",
    "Batch",
    "Corrupted",
    "LabelSmoothing",
    "OutlierExposure",
    "RotationConsistency",
    "Signal",
    "Softness",
    "Trades",
    "as_distributions",
    "fit_softness",
    "machine_labels",
    "refuse_overlap",
    "train_classifier",
    "train_softness",
    "train_vae",
    "worst_inputs",
]
