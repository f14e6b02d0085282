"""Who misses images whose answer is known: a sign of carelessness, or of a misunderstanding.

Nobody is called careless for one slip. The rule: two or more gold images were missed, and the
lower end of the Wilson interval of the share of missed ones, at 90 %, lies above a limit, by
default 10 %.
Who misses 2 of 5 or 5 of 20 is called careless by that; who misses one image in fifty on the mean
is, after any number of gold images, in fewer than one case in a hundred.

Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of
the American Statistical Association 1927.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from xhat.apps.label.queries import PersonRow
from xhat.core import check_fraction

__all__ = ["LIMIT", "RULE", "GoldCheck", "check_golds", "wilson"]

LIMIT, _LEVEL, _SLIPS = 0.10, 0.90, 2

RULE = (
    "two or more gold images were missed, and the lower end of the Wilson interval of the share "
    "of missed ones, at 90 %, lies above the limit"
)


@dataclass(frozen=True)
class GoldCheck:
    """A person's gold images.

    Attributes:
        person: who, and how many of how many were missed.
        share: that were missed; None without any.
        low, high: its Wilson interval at 90 %.
        careless: by the rule above.
    """

    person: PersonRow
    share: float | None
    low: float
    high: float
    careless: bool


def wilson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson interval of a share; all of [0, 1] without a case.

    Args:
        hits: how many of ``n``.
        n: cases.
        level: of the interval.

    Example:
        >>> [round(end, 3) for end in wilson(1, 10)]
        [0.018, 0.404]
    """
    check_fraction("level", level)
    if not 0 <= hits <= n:
        raise ValueError(f"hits must lie from 0 to the number of cases, {n}, but are {hits}.")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = hits / n
    middle = share + z * z / (2 * n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return max(0.0, low) if hits else 0.0, min(1.0, high) if hits < n else 1.0


def check_golds(people: Sequence[PersonRow], *, limit: float = LIMIT) -> list[GoldCheck]:
    """Return each person's gold images, and who is careless by the rule above.

    Args:
        people: as ``person_rows`` gives them.
        limit: the share of missed ones that is still nobody's fault.

    Example:
        >>> made = {"id": 1, "name": "Ada", "simulated": False, "paused": False}
        >>> counts = {"state": "active", "votes": 40, "golds": 5, "seconds": 2.0, "last": None}
        >>> [check_golds([PersonRow(**made, **counts, errors=k)])[0].careless for k in (1, 3)]
        [False, True]
    """
    check_fraction("limit", limit)
    found = []
    for person in people:
        low, high = wilson(person.errors, person.golds, _LEVEL)
        share = person.errors / person.golds if person.golds else None
        found.append(GoldCheck(person, share, low, high, person.errors >= _SLIPS and low > limit))
    return found
