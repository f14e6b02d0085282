"""Paired comparison: is one arm better than another, over seeds that both were run with?

The difference is taken within each seed, so that what a seed does to both cancels; its mean has
the 95 % interval of Student's t. A claim names, before the run, the least difference that would
matter, its *margin*:

=============== ==================================================================
supported       the whole interval lies above 0, and its middle at or above the margin
not supported   the whole interval lies below the margin
undecided       neither: more seeds are needed
=============== ==================================================================

Source: Student (W. S. Gosset), "The Probable Error of a Mean", Biometrika 1908; on deciding against
a margin: Schuirmann, "A Comparison of the Two One-Sided Tests Procedure and the Power Approach",
Journal of Pharmacokinetics and Biopharmaceutics 1987.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

from xhat.report import Estimate

__all__ = ["answer", "interval", "together"]


def interval(values: Sequence[float], level: float = 0.95) -> Estimate:
    """Return the mean of values, one per seed, with its interval; one value alone has none.

    Example:
        >>> found = interval([0.1, 0.2, 0.3])
        >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
        (0.2, -0.048, 0.448)
    """
    x = np.asarray(values, dtype=float)
    if not len(x) or not np.isfinite(x).all():
        raise ValueError(f"an interval needs finite values, at least one, but got {list(values)}.")
    mean = float(x.mean())
    if len(x) == 1:
        return Estimate(mean, -float("inf"), float("inf"), (mean,))
    half = float(student.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return Estimate(mean, mean - half, mean + half, tuple(x.tolist()))


def answer(difference: Estimate, margin: float) -> str:
    """Return what a difference says of the claim that it is above 0.

    Example:
        >>> answer(interval([0.1, 0.12, 0.11]), margin=0.02)
        'supported'
        >>> answer(interval([0.0, 0.001, -0.001]), margin=0.02)
        'not supported'
        >>> answer(interval([0.3, -0.2, 0.1]), margin=0.02)
        'undecided'
    """
    if difference.low > 0 and difference.mean >= margin:
        return "supported"
    return "not supported" if difference.high < margin else "undecided"


def together(answers: Sequence[str]) -> str:
    """Return the answer to claims that must all hold."""
    if all(said == "supported" for said in answers):
        return "supported"
    return "not supported" if "not supported" in answers else "undecided"
