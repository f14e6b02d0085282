"""Handwritten digits: from one to another, by networks, and judged by others.

``splits`` has the data (rotated MNIST) and the pairs of a start and a target, ``networks`` what
was trained on them, ``domain`` both as a ``Domain`` that any method of the library can search in.
``steering`` compares methods; ``judging`` and ``controls`` say how far to trust a result;
``recipes`` and ``training`` make networks anew. ``ambigrams`` and ``structures`` are digits with a
structure; ``exploring`` and ``labelling`` are behind the pages of the explorer and of labelling.
"""

from xhat_zoo.digits.networks import (
    AUTOENCODER,
    GUARDS,
    JUDGES,
    NONE_OF_THE_DIGITS,
    SURROGATES,
    WEIGHTS,
    card,
    denoiser,
    guard,
    judge,
    prior,
    surrogate,
    vae,
)
from xhat_zoo.digits.splits import (
    CLASSES,
    LIMIT,
    SEED,
    SPLITS,
    Pairs,
    Split,
    fashion,
    pairs,
    split,
)

__all__ = [
    "AUTOENCODER",
    "CLASSES",
    "GUARDS",
    "JUDGES",
    "LIMIT",
    "NONE_OF_THE_DIGITS",
    "SEED",
    "SPLITS",
    "SURROGATES",
    "WEIGHTS",
    "Pairs",
    "Split",
    "card",
    "denoiser",
    "fashion",
    "guard",
    "judge",
    "pairs",
    "prior",
    "split",
    "surrogate",
    "vae",
]
