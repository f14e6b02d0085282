"""Recipes that train what a search differentiates: classifiers, robust twins, latent spaces.

A recipe takes images in [0, 1] and labels as tensors, and returns a trained network in
evaluation mode. All run in ``xhat.learning.fit``; they differ in their loss.
"""

from xhat.surrogates.adversarial import train_adversarial
from xhat.surrogates.classifier import train_classifier
from xhat.surrogates.vae import train_vae

__all__ = ["train_adversarial", "train_classifier", "train_vae"]
