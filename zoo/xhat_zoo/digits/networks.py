"""The shipped networks of digits: what searches differentiate, and what judges look with.

They were trained by ``xhat train digits``; ``card(name)`` says how.
"""

from pathlib import Path

from torch import nn

from xhat.core import check_choice
from xhat.learning import VAE, Card, Denoiser, load_checkpoint
from xhat.priors import LearnedPrior

__all__ = [
    "AUTOENCODER",
    "GUARDS",
    "JUDGES",
    "NONE_OF_THE_DIGITS",
    "PRECOMPUTED",
    "SURROGATES",
    "WEIGHTS",
    "card",
    "denoiser",
    "guard",
    "judge",
    "prior",
    "surrogate",
    "vae",
]

SURROGATES = ("plain", "robust")
# further surrogates that must be sure as well
GUARDS = ("robust+outliers", "quick+outliers+noise-soft")
JUDGES = ("judge-residual", "judge-cnn", "judge-mlp", "judge-turns", "judge-kernel")
AUTOENCODER = "judge-autoencoder"
NONE_OF_THE_DIGITS = 10  # the judges' 11th output
WEIGHTS = Path(__file__).parent / "weights"
PRECOMPUTED = Path(__file__).parent / "precomputed"  # by ``make remembered``


def surrogate(name: str) -> nn.Module:
    """Return a shipped surrogate (``SURROGATES``): images → logits ``(n, 10)``, frozen.

    Raises:
        UnreadableFileError: its files are missing or damaged.
    """
    return load_checkpoint(WEIGHTS, check_choice("surrogate", name, SURROGATES))[0]


def guard(name: str) -> nn.Module:
    """Return a further shipped surrogate (``GUARDS``): images → logits ``(n, 10)``, frozen.

    Where an image is no real one, each classifier goes wrong in its own way; what several are sure
    of fools others less often.

    Raises:
        UnreadableFileError: its files are missing or damaged.
    """
    return load_checkpoint(WEIGHTS, check_choice("guard", name, GUARDS))[0]


def judge(name: str) -> nn.Module:
    """Return a shipped judge (``JUDGES``): images → logits ``(n, 11)``, frozen.

    The 11th output (``NONE_OF_THE_DIGITS``) says that the image shows no digit.

    Raises:
        UnreadableFileError: its files are missing or damaged.
    """
    return load_checkpoint(WEIGHTS, check_choice("judge", name, JUDGES))[0]


def prior() -> LearnedPrior:
    """Return the shipped prior of digits, which sees a start and the wanted digit, frozen.

    Raises:
        UnreadableFileError: its files are missing or damaged.
    """
    model = load_checkpoint(WEIGHTS, "prior")[0]
    if not isinstance(model, LearnedPrior):
        raise TypeError(f"the checkpoint prior holds a {type(model).__name__}.")
    return model


def vae() -> VAE:
    """Return the shipped variational autoencoder, frozen.

    Raises:
        UnreadableFileError: its files are missing or damaged.
    """
    model = load_checkpoint(WEIGHTS, "vae")[0]
    if not isinstance(model, VAE):
        raise TypeError(f"the checkpoint vae holds a {type(model).__name__}.")
    return model


def denoiser() -> Denoiser:
    """Return the shipped denoiser of each digit and of all, frozen.

    Raises:
        UnreadableFileError: its files are missing or damaged.
    """
    model = load_checkpoint(WEIGHTS, "denoiser")[0]
    if not isinstance(model, Denoiser):
        raise TypeError(f"the checkpoint denoiser holds a {type(model).__name__}.")
    return model


def card(name: str) -> Card:
    """Return the card of a shipped model, after checking that it is true of the file.

    Args:
        name: one of ``SURROGATES``, ``GUARDS``, ``JUDGES``, ``AUTOENCODER``, ``"vae"`` or
            ``"denoiser"``, ``"prior"``.
    """
    known = (*SURROGATES, *GUARDS, "vae", "denoiser", "prior", *JUDGES, AUTOENCODER)
    return load_checkpoint(WEIGHTS, check_choice("name", name, known))[1]
