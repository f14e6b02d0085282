"""Priors: where the samples of a domain lie, seen from a start and towards what is wanted.

A prior is the geometry that a search moves in. It says of any point what real sample it was before
noise, given what is wanted and a start from which it should not be far. Few samples get one in
closed form (``KernelPrior``), many a network (``LearnedPrior``); ``fit_prior`` chooses. A denoiser
that is there already serves as it is (``DenoiserPrior``).
"""

from xhat.priors.base import Prior, Wanted
from xhat.priors.brought import DenoiserPrior
from xhat.priors.coordinates import Coordinates, Quantiles, Standard, coordinates_of
from xhat.priors.fitting import FEWEST, at_once, fit_prior, untrained
from xhat.priors.kernel import KernelPrior
from xhat.priors.learned import LearnedPrior, PairLoss
from xhat.priors.network import GridNetwork
from xhat.priors.pairs import groups_of, pairs, typical

__all__ = [
    "FEWEST",
    "Coordinates",
    "DenoiserPrior",
    "GridNetwork",
    "KernelPrior",
    "LearnedPrior",
    "PairLoss",
    "Prior",
    "Quantiles",
    "Standard",
    "Wanted",
    "at_once",
    "coordinates_of",
    "fit_prior",
    "groups_of",
    "pairs",
    "typical",
    "untrained",
]
