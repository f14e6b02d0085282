"""How far people agree: with each other, with themselves, and with what is known.

*Krippendorff's alpha* compares how much ballots on one image differ with how much ballots differ
that were drawn from all images: 1 is full agreement, 0 is what chance gives. Ballots are
distributions, and the squared distance of two is ``½ |p - q|²``: 0 for the same, 1 for two sure
ones that contradict each other. For sure ballots alone that is his nominal alpha. Sums over pairs
follow from sums over ballots (``Σ_ij ½|p_i - p_j|² = m Σ|p_i|² - |Σ p_i|²``), so that the cost
grows with the number of votes, not of pairs.

Source: Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011; intervals by a bootstrap
of the images: Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 1979.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from xhat.apps.label.votes import Votes
from xhat.core import check_count, check_fraction, numpy_generator

__all__ = [
    "Agreement",
    "Alpha",
    "Consistency",
    "agreement",
    "alpha",
    "entropy",
    "mean_shares",
    "pairwise",
    "self_consistency",
]

_AT_ONCE = 2_000_000  # counts of the bootstrap in memory
_EQUAL = 1e-9  # shares that are no further apart are equal


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha, and where it would lie had other images been asked about.

    Attributes:
        value: 1 is full agreement, 0 what chance gives, below 0 less than that.
        low, high: its interval.
        images: with two votes or more.
        votes: on those.
    """

    value: float
    low: float
    high: float
    images: int
    votes: int


@dataclass(frozen=True)
class Consistency:
    """What people said of images that they saw a second time.

    Attributes:
        pairs: how many were seen twice with an answer both times.
        same: the share of pairs with the same class on top; of several on top, one in common.
        distance: mean total variation distance of the two answers, in [0, 1].
    """

    pairs: int
    same: float
    distance: float


@dataclass(frozen=True)
class Agreement:
    """What a collection says as a whole; None where there is too little to say it.

    Attributes:
        votes: first sights that say something.
        images: with such a vote.
        unsure: first sights that were answered with "cannot tell".
        alpha: agreement between people.
        entropy: of an image's mean distribution, in nats, on the mean.
        consistency: agreement of people with themselves.
        seconds: median time of an answer.
    """

    votes: int
    images: int
    unsure: int
    alpha: Alpha | None
    entropy: float | None
    consistency: Consistency | None
    seconds: float | None


def agreement(votes: Votes, *, seed: int = 0) -> Agreement:
    """Return what a collection says as a whole.

    Args:
        votes: without those on gold images, which everybody is to agree on.
        seed: of the bootstrap.

    Example:
        >>> found = agreement(_example())
        >>> found.votes, found.images, round(found.alpha.value, 3)
        (6, 3, 0.444)
    """
    counted = votes.first()
    spread = entropy(mean_shares(votes))
    seconds = votes.seconds[np.isfinite(votes.seconds)]
    return Agreement(
        votes=len(counted),
        images=int(np.isfinite(spread).sum()),
        unsure=int((votes.unsure & ~votes.repeat).sum()),
        alpha=alpha(votes, seed=seed),
        entropy=float(np.nanmean(spread)) if len(counted) else None,
        consistency=self_consistency(votes),
        seconds=float(np.median(seconds)) if len(seconds) else None,
    )


def mean_shares(votes: Votes) -> NDArray[np.float64]:
    """Return each image's mean distribution, ``(images, classes + 1)``; NaN without a vote.

    First sights count that say something; the last column is "none of them".

    Example:
        >>> mean_shares(_example())[1].tolist()
        [0.5, 0.5, 0.0]
    """
    counted = votes.first()
    sums = _sums(counted)
    counts = np.bincount(counted.image, minlength=votes.images)[:, None]
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy of each row in nats, ``(n,)``; NaN for rows of NaN.

    Example:
        >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).round(3).tolist()
        [0.0, 0.693]
    """
    return entr(shares).sum(1)


def alpha(votes: Votes, *, seed: int = 0, level: float = 0.95, draws: int = 1_000) -> Alpha | None:
    """Return Krippendorff's alpha with its interval over images.

    Args:
        votes: of which first sights count that say something, on images with two or more.
        seed: of the bootstrap.
        level: of the interval, from percentiles.
        draws: of the bootstrap.

    Returns:
        None if fewer than two images have two votes, or if all say the same of everything: then
        chance would agree as well, and nothing can be told.
    """
    check_fraction("level", level)
    check_count("draws", draws)
    counted = votes.first()
    count = np.bincount(counted.image, minlength=votes.images)
    paired = count >= 2
    if paired.sum() < 2:
        return None
    squares = _squares(counted)[paired]
    sums, count = _sums(counted)[paired], count[paired].astype(np.float64)
    within = _differences(count, squares, sums) / (count - 1)
    found = float(_alpha(np.ones((1, len(count))), count, squares, sums, within)[0])
    if np.isnan(found):
        return None
    spread = _bootstrap(seed, draws, count, squares, sums, within)
    tail = 100 * (1 - level) / 2
    low, high = np.nanpercentile(spread, [tail, 100 - tail])
    return Alpha(found, float(low), float(high), len(count), int(count.sum()))


def pairwise(votes: Votes) -> NDArray[np.float64]:
    """Return how far the votes on each image agree, ``(images,)`` in [0, 1]; NaN with fewer than 2.

    It is 1 less the mean squared distance of two of them: for sure votes, the share of pairs that
    say the same.

    Example:
        >>> pairwise(_example()).tolist()
        [1.0, 0.0, 1.0]
    """
    counted = votes.first()
    count = np.bincount(counted.image, minlength=votes.images).astype(np.float64)
    apart = _differences(count, _squares(counted), _sums(counted))
    pairs = count * (count - 1)
    return np.where(pairs > 0, 1 - apart / np.maximum(pairs, 1), np.nan)


def self_consistency(votes: Votes) -> Consistency | None:
    """Return how far people agree with themselves; None if nobody saw an image twice.

    Pairs with "cannot tell" on either sight are left out.
    """
    said = votes.where(~votes.unsure)
    first = {
        key: k
        for k, key in enumerate(zip(said.annotator.tolist(), said.image.tolist(), strict=True))
        if not said.repeat[k]
    }
    again = [
        (first[key], k)
        for k, key in enumerate(zip(said.annotator.tolist(), said.image.tolist(), strict=True))
        if said.repeat[k] and key in first
    ]
    if not again:
        return None
    before, after = (said.shares[list(rows)] for rows in zip(*again, strict=True))
    return Consistency(
        pairs=len(again),
        same=float((_on_top(before) & _on_top(after)).any(1).mean()),
        distance=float(0.5 * np.abs(before - after).sum(1).mean()),
    )


def _on_top(shares: NDArray[np.float64]) -> NDArray[np.bool_]:
    return shares >= shares.max(1, keepdims=True) - _EQUAL


def _sums(votes: Votes) -> NDArray[np.float64]:
    sums = np.zeros((votes.images, votes.outcomes))
    np.add.at(sums, votes.image, votes.shares)
    return sums


def _squares(votes: Votes) -> NDArray[np.float64]:
    squares = np.zeros(votes.images)
    np.add.at(squares, votes.image, (votes.shares**2).sum(1))
    return squares


def _differences(
    count: NDArray[np.float64], squares: NDArray[np.float64], sums: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sum of squared distances over all ordered pairs of each row's ballots."""
    return np.maximum(count * squares - (sums**2).sum(-1), 0.0)


def _alpha(
    weight: NDArray[np.float64],
    count: NDArray[np.float64],
    squares: NDArray[np.float64],
    sums: NDArray[np.float64],
    within: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return alpha for each row of ``weight``, ``(draws, images)``: how often an image counts."""
    n = weight @ count
    expected = _differences(n, weight @ squares, weight @ sums) / (n - 1)
    # rounding must not turn a chance of 0 into one of 1e-16, nor agreement into any number
    told = expected > 1e-12 * n
    return np.where(told, 1 - (weight @ within) / np.where(told, expected, 1.0), np.nan)


def _bootstrap(
    seed: int, draws: int, count: NDArray[np.float64], *units: NDArray[np.float64]
) -> NDArray[np.float64]:
    random, size = numpy_generator(seed, "alpha"), len(count)
    part = max(1, _AT_ONCE // size)
    return np.concatenate(
        [
            _alpha(
                random.multinomial(size, np.full(size, 1 / size), min(part, draws - k)).astype(
                    np.float64
                ),
                count,
                *units,
            )
            for k in range(0, draws, part)
        ]
    )


def _example() -> Votes:
    """Return six sure votes on three images: two agree, two contradict each other, two agree."""
    return Votes(
        image=np.array([0, 0, 1, 1, 2, 2]),
        annotator=np.array([0, 1, 0, 1, 0, 1]),
        shares=np.eye(3)[[0, 0, 0, 1, 1, 1]],
        repeat=np.zeros(6, dtype=bool),
        seconds=np.full(6, 2.0),
        images=3,
        annotators=2,
    )
