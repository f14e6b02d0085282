"""Have the samples of one call, taken together, moved away from the calibration samples?

A verdict holds for samples that come from where the judge's real samples came from. Each of a
hundred photographs of a new camera may look usual, and all together they do not. So the samples are
compared as a set: on every axis of the judge with the scores of the calibration samples
(Kolmogorov-Smirnov), and as they are with the reference samples (energy distance, of which the
p-value comes from permutations). Both look at real samples of the classes that were asked for, and
at those of the classes that the jury sees; a set has moved where it is like neither. The smallest
p-value is corrected for the number of tests (Bonferroni); so real samples, of the classes
they are asked for, are called shifted with probability at most ``level``.

Samples that a search has found are not drawn like real ones, and often are shifted: what a judge
promises of real samples, it does not promise of them.

Sources: Rabanser, Gunnemann, Lipton, "Failing Loudly: An Empirical Study of Methods for Detecting
Dataset Shift", NeurIPS 2019; Szekely, Rizzo, "Energy statistics", Journal of Statistical Planning
and Inference 2013.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from scipy import stats
from torch import Tensor

from xhat.core import generator

__all__ = ["LEVEL", "Shift", "axes_shift", "energy_p_value", "rows_alike", "shift_of"]

LEVEL = 0.05
_DRAWS = 499
_MOST = 500  # samples on either side of the energy distance
_LEAST = 10  # samples below which a set is not tested


@dataclass(frozen=True)
class Shift:
    """Whether a set of samples has shifted, and on which axes.

    Attributes:
        p: the corrected p-value of the set; 1 where there were too few samples to test.
        axes: the names of the axes on which it has moved, the most first.
        level: the probability with which a set of real samples may be called shifted.
        n: how many samples were tested.
    """

    p: float
    axes: tuple[str, ...]
    level: float
    n: int

    @property
    def found(self) -> bool:
        """Whether the set has shifted."""
        return self.p <= self.level

    @property
    def line(self) -> str:
        """What is to be said of it, in one sentence; empty where nothing is."""
        if not self.found:
            return ""
        where = ", ".join(self.axes[:3]) + (", ..." if len(self.axes) > 3 else "")
        return (
            f"Taken together, these {self.n} samples are not like the real ones that the judge was "
            f"calibrated on (p = {self.p:.2g}; moved: {where}): what is promised for samples like "
            f"those is not promised for these."
        )


def axes_shift(
    scores: Tensor, calibration: Tensor, names: Sequence[str]
) -> list[tuple[float, str]]:
    """Return the p-value of every axis, with its name, the smallest first.

    Args:
        scores: ``(n, axes)`` of the samples.
        calibration: ``(b, axes)`` of real samples.
        names: of the axes.
    """
    found: list[tuple[float, str]] = []
    for mine, known, name in zip(scores.T, calibration.T, names, strict=True):
        compared: Any = stats.ks_2samp(mine.numpy(), known.numpy(), method="asymp")
        found.append((float(compared.pvalue), name))
    return sorted(found)


def energy_p_value(
    x: Tensor, reference: Tensor, rows: Tensor | None = None, seed: int = 0
) -> float:
    """Return the share of permutations at which two sets lie as far apart as they do.

    Args:
        x: ``(n, d)``; of more than 500, 500 are drawn.
        reference: ``(m, d)``, likewise.
        rows: ``(k,)``, of the reference, from which are drawn; None for all.
        seed: of what is drawn.

    Example:
        >>> draws = generator(0)
        >>> real = torch.randn(200, 3, generator=draws)
        >>> energy_p_value(torch.randn(100, 3, generator=draws) + 1, real)
        0.002
    """
    draws = generator(seed, "judge", "shift")
    rows = torch.arange(len(reference)) if rows is None else rows
    x = x[torch.randperm(len(x), generator=draws)[:_MOST]]
    drawn = rows[torch.randperm(len(rows), generator=draws)[:_MOST]]
    both = torch.cat((x, reference[drawn]))
    apart = torch.cdist(both, both)
    total, n = len(apart), len(x)
    mine = torch.zeros(_DRAWS + 1, total)
    mine[0, :n] = 1
    for row in mine[1:]:
        row[torch.randperm(total, generator=draws)[:n]] = 1
    signed = mine / n - (1 - mine) / (total - n)  # the energy distance is -s' D s
    distance = -((signed @ apart) * signed).sum(dim=1)
    return float((distance >= distance[0] - 1e-9).double().mean())


def rows_alike(labels: Tensor, target: Tensor) -> Tensor:
    """Return rows of which the classes are as frequent as in the target, in their order.

    Args:
        labels: ``(m,)`` classes.
        target: ``(n,)`` classes; those that ``labels`` lacks are left out of account.

    Example:
        >>> rows_alike(torch.tensor([0, 1, 0, 1, 0, 1]), torch.tensor([0, 0, 1])).tolist()
        [0, 1, 2, 4]
    """
    count = int(max(labels.max(), target.max())) + 1
    have, wanted = labels.bincount(minlength=count), target.bincount(minlength=count)
    there = (have > 0) & (wanted > 0)
    if not bool(there.any()):
        return torch.arange(len(labels))
    most = float((have[there] / wanted[there]).min())
    take = (wanted * most + 1e-6).long().where(there, 0)
    chosen = [(labels == k).nonzero()[: int(take[k]), 0] for k in range(count)]
    return torch.cat(chosen).sort().values


def shift_of(
    scores: tuple[Tensor, Tensor],
    names: Sequence[str],
    places: tuple[Tensor, Tensor],
    rows: Tensor | None = None,
    *,
    trusted: bool,
) -> Shift:
    """Return whether a set of samples has shifted.

    Args:
        scores: of the samples and of calibration samples, ``(n, axes)`` and ``(b, axes)``.
        names: of the axes.
        places: of the samples and of reference samples, ``(n, d)`` and ``(m, d)``.
        rows: ``(k,)``, of the reference, that are compared; None for all.
        trusted: whether the calibration samples were scored by what the samples are scored by; else
            the axes only tell what has moved.
    """
    n = len(places[0])
    known = len(places[1]) if rows is None else len(rows)
    if n < _LEAST or min(len(scores[1]), known) < _LEAST:
        return Shift(1.0, (), LEVEL, n)
    energy = energy_p_value(*places, rows)
    along = axes_shift(*scores, names)
    p = energy
    if trusted:
        p = min(1.0, 2 * energy, 2 * len(along) * along[0][0])
    moved = tuple(name for each, name in along if each <= LEVEL / (2 * len(along)))
    return Shift(p, moved or ("the samples as they are",), LEVEL, n)
