"""The names that help texts list, so that help needs none of the rooms that they come from.

A test compares them with what those rooms know.
"""

__all__ = ["DEFAULT_TASK", "EMBEDDINGS", "HALVES", "KNOWN_METHODS", "METHODS", "PARTS", "RECIPES"]

METHODS = (
    *("flow", "nearest", "retrieval"),
    *("plain", "pgd", "proximal", "robust", "latent", "latent-robust"),
)
KNOWN_METHODS = (*METHODS, "label-free", "edited", "annealed", "diffused", "distilled")
DEFAULT_TASK = "digits"
HALVES = ("development", "reported")
EMBEDDINGS = ("autoencoder", "beta-vae", "metric", "line", "flow")
PARTS = (
    *("plain", "quick", "wide", "robust", "robust-linf", "trades", "noise", "noise-soft"),
    *("outliers", "astray", "smooth", "consistent"),
)
RECIPES = (
    *PARTS,
    *("vae", "denoiser", "judge-residual"),
    *("judge-mlp", "judge-cnn", "judge-turns", "judge-kernel", "judge-autoencoder"),
)
