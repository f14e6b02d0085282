"""What images are, and how reliable people are, told from each other.

Every person has a *confusion matrix*: how likely they give each answer to an image of each true
class. Were the classes known, the matrices would follow by counting; were the matrices known, the
classes would follow by Bayes' rule. Expectation maximisation does both in turns, from the shares
of the votes on, until nothing changes. So who is often alone, or mixes up 4 and 9, counts less.

Ballots hand out shares. A ballot of shares counts as that much of each answer: half of a ballot for
4 and half for 9 is half an answer each. With sure ballots alone this is the method of the source;
two answers of one person to one image are two answers, as there.

It takes an image to have *one* true class, and what it gives is how sure we are of it, which grows
with the number of votes; the mean of the ballots is how people see the image, which does not. For
an image that is truly between a 4 and a 9, the mean is the one to learn from.

Source: Dawid, Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
Algorithm", Applied Statistics 1979.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from xhat.apps.label.votes import Votes
from xhat.core import check_count, check_positive

__all__ = ["DawidSkene", "dawid_skene"]

_NEVER = 1e-300  # stands for a probability of 0, whose logarithm is finite


@dataclass(frozen=True, eq=False)
class DawidSkene:
    """What was told from the votes.

    Attributes:
        posterior: ``(images, outcomes)``, how sure we are of each image's class; NaN without votes.
        prior: ``(outcomes,)``, how frequent classes are.
        confusion: ``(annotators, outcomes, outcomes)``: true class, then answer; rows add up to 1,
            and are NaN where a person never met the class.
        log_likelihood: of the votes, in nats.
        steps: of expectation maximisation.
        converged: whether no posterior changed by more than the tolerance in the last step.
    """

    posterior: NDArray[np.float64]
    prior: NDArray[np.float64]
    confusion: NDArray[np.float64]
    log_likelihood: float
    steps: int
    converged: bool


def dawid_skene(
    votes: Votes,
    *,
    smoothing: float = 0.0,
    tolerance: float = 1e-6,
    max_steps: int = 1_000,
    repeats: bool = False,
) -> DawidSkene | None:
    """Return what images are and how reliable people are.

    Args:
        votes: of which first sights count that say something.
        smoothing: answers that are added to every cell of every confusion matrix, as if they had
            been counted; 0 is the method of the source, with which few votes make a matrix surer
            than they are worth.
        tolerance: the change of a posterior that ends it.
        max_steps: at most so many.
        repeats: whether second sights count as well.

    Returns:
        None if there is no vote.

    Example:
        >>> from xhat.apps.label.agreement import _example
        >>> found = dawid_skene(_example())
        >>> found.posterior[[0, 2]].round(2).tolist(), found.converged
        ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], True)
    """
    check_positive("smoothing", smoothing, zero=True)
    check_positive("tolerance", tolerance)
    check_count("max_steps", max_steps)
    counted = votes.where(~votes.unsure) if repeats else votes.first()
    if not len(counted):
        return None
    tables = _Tables(counted)
    posterior = tables.shares()
    told, steps, change = posterior, 0, np.inf
    prior, confusion, likelihood = _none(), _none(), 0.0
    while steps < max_steps and change > tolerance:
        prior, confusion = told.mean(0), tables.confusion(told, smoothing)
        posterior, likelihood = tables.posterior(prior, confusion)
        change, told, steps = float(np.abs(posterior - told).max()), posterior, steps + 1
    whole = np.full((votes.images, votes.outcomes), np.nan)
    whole[tables.known] = posterior
    confusion = np.where(confusion.sum(2, keepdims=True) > 0, confusion, np.nan)
    return DawidSkene(whole, prior, confusion, likelihood, steps, change <= tolerance)


class _Tables:
    """Votes by person, with images that have votes numbered from 0."""

    def __init__(self, votes: Votes) -> None:
        self.known, image = np.unique(votes.image, return_inverse=True)
        order = np.argsort(votes.annotator, kind="stable")
        ends = np.cumsum(np.bincount(votes.annotator, minlength=votes.annotators))[:-1]
        self.images = np.split(image[order], ends)
        self.ballots = np.split(votes.shares[order], ends)
        self.outcomes = votes.outcomes

    def shares(self) -> NDArray[np.float64]:
        """Return what all votes together say of every image, to begin with."""
        total = np.zeros((len(self.known), self.outcomes))
        for image, ballots in zip(self.images, self.ballots, strict=True):
            np.add.at(total, image, ballots)
        return total / total.sum(1, keepdims=True)

    def confusion(self, told: NDArray[np.float64], smoothing: float) -> NDArray[np.float64]:
        """Return everybody's confusion matrix, were ``told`` the classes (their 2.3).

        A row without a single answer stays 0: what nobody has said of any of a person's images
        must not come back through a matrix that knows nothing of it.
        """
        counts = np.stack(
            [
                told[image].T @ ballots
                for image, ballots in zip(self.images, self.ballots, strict=True)
            ]
        )
        counts += smoothing
        total = counts.sum(2, keepdims=True)
        return counts / np.where(total > 0, total, 1.0)

    def posterior(
        self, prior: NDArray[np.float64], confusion: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float]:
        """Return the classes, were these the matrices (their 2.5), and the log-likelihood."""
        logs = np.tile(np.log(np.maximum(prior, _NEVER)), (len(self.known), 1))
        for image, ballots, matrix in zip(self.images, self.ballots, confusion, strict=True):
            np.add.at(logs, image, ballots @ np.log(np.maximum(matrix, _NEVER)).T)
        total = logsumexp(logs, axis=1, keepdims=True)
        return np.exp(logs - total), float(total.sum())


def _none() -> NDArray[np.float64]:
    return np.empty(0)
