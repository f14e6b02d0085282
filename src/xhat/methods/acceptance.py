"""When a search along the data is content, by all that searches know; no judge is asked.

Three things are wanted of a result: the searched model gives what is wanted; a second classifier,
the guard, is as sure of its class as of most real samples; and, where a share is given, it is no
average. Along the data it is easy to end in the middle of a class, at what all of its samples have
in common and none of them is. How far a sample lies from the middle is its Mahalanobis distance
among its class, along the principal directions.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from xhat.core import generator
from xhat.domain.references import label_loss
from xhat.objectives import CrossEntropy, Objective
from xhat.priors import Coordinates
from xhat.surrogates import ReferenceSamples

__all__ = ["Acceptance", "Known", "known_of"]

_DIRECTIONS = 40
_MISSED = 1e6  # lacks more than what is reached, whatever that lacks
_ROWS = 5  # real samples for each direction, at least
_LEARNT_FROM = 2_000
_GUARDED = 200  # real samples of each class of which the guard is asked
_REMEMBERED: "WeakKeyDictionary[Any, dict[Any, Known]]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Acceptance:
    """Whether results are what is wanted, for one question.

    Attributes:
        objective: of the searched model; it says what is reached.
        confidence: that it must have; None for its own rule.
        labels: ``(n,)`` wanted classes; None where classes are not what is wanted.
        known: what real samples of these classes are like; None likewise.
    """

    objective: Objective
    confidence: float | None = None
    labels: Tensor | None = None
    known: "Known | None" = None

    @property
    def guard(self) -> Objective | None:
        """The second classifier's loss at the wanted classes; None where there is none."""
        if self.known is None or self.labels is None:
            return None
        return CrossEntropy(self.known.guard, self.labels)

    @torch.no_grad()
    def __call__(self, x: Tensor, rows: Tensor, average: bool = False) -> tuple[Tensor, Tensor]:
        """Return whether results of some rows are accepted, ``(n,)``, and how much they lack.

        Args:
            x: ``(n, *x_shape)``.
            rows: ``(n,)``, which of the questions they answer.
            average: whether they may be average, as real samples may.
        """
        measured = self.objective.select(rows).measure(x, x)
        lacking = torch.nan_to_num(measured.loss.float(), torch.inf, torch.inf, torch.inf)
        if measured.reached is None:
            return torch.zeros(len(x), dtype=torch.bool), lacking
        reached = measured.reached
        if self.confidence is not None and measured.confidence is not None:
            reached = reached & (measured.confidence >= self.confidence)
        if self.known is None or self.labels is None:
            return reached, lacking
        lacking = lacking + torch.where(reached, 0.0, _MISSED)
        labels = self.labels[rows]
        doubt = label_loss(self.known.guard, x, labels) - self.known.doubt[labels]
        central = torch.zeros_like(doubt)
        if not average:
            central = (self.known.centre[labels] / self.known.middle(x, labels)).log()
        fine = reached & (doubt <= 0) & (central <= 0)
        return fine, lacking + doubt.clamp_min(0) + central.clamp_min(0)


@dataclass(frozen=True)
class Known:
    """What the real samples of every class are like, that searches may use.

    Attributes:
        guard: the second classifier.
        doubt: ``(classes,)``, its loss at the most doubtful of them that count.
        middle: how far samples lie from the middle of a class.
        centre: ``(classes,)``, the same of the most average of them that count.
    """

    guard: Any
    doubt: Tensor
    middle: "Middle"
    centre: Tensor


def known_of(domain: Any, coordinates: Coordinates, share: float, middle: float) -> Known:
    """Return what real samples of a domain are like; computed once for every domain.

    Args:
        domain: with classes.
        coordinates: in which directions are sought.
        share: of real samples of which the guard is as sure, in (0, 1).
        middle: share of real samples that lie nearer to the middle, in [0, 1).
    """
    guard = domain.network("robust")
    kept = _REMEMBERED.setdefault(domain, {})
    key = id(guard), share, middle
    if key not in kept:
        mine = domain.halves[0]
        x, labels = domain.x[mine], domain.labels[mine]
        some = ReferenceSamples(x, labels).first(_GUARDED)
        doubt = some.quantile(some.values(partial(label_loss, guard)), share)
        place = Middle(coordinates, x, labels, len(domain.classes))
        centre = doubt.new_zeros(len(doubt))
        if middle:
            every = ReferenceSamples(x, labels)
            centre = every.quantile(place(x, labels), middle)
        kept[key] = Known(guard, doubt, place, centre)
    return kept[key]


class Middle:
    """How far samples lie from the middle of their class: squared Mahalanobis distances.

    Source: Mahalanobis, "On the Generalised Distance in Statistics", 1936.

    Args:
        coordinates: in which the directions are sought.
        x: ``(m, *x_shape)`` real samples.
        labels: ``(m,)``.
        classes: how many there are.
    """

    def __init__(self, coordinates: Coordinates, x: Tensor, labels: Tensor, classes: int) -> None:
        some = torch.randperm(len(x), generator=generator(0, "middle"))[:_LEARNT_FROM]
        u, own = coordinates.into(x[some]).flatten(1), labels[some]
        count = max(1, min(_DIRECTIONS, u.shape[1], len(u) // _ROWS))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            _, _, ways = torch.pca_lowrank(u, q=count)
        placed = u @ ways
        there = torch.nn.functional.one_hot(own, classes).to(placed)
        means = there.T @ placed / there.sum(dim=0).clamp_min(1)[:, None]
        away = placed - means[own]
        spread = away.T @ away / len(away)
        ridge = 1e-4 * spread.diagonal().mean().clamp_min(1e-12) * torch.eye(count)
        factor = torch.linalg.cholesky(spread + ridge)
        self.coordinates, self.means = coordinates, means
        # rows of coordinates -> rows of independent numbers of variance 1
        self.whiten = torch.linalg.solve_triangular(factor, ways.T, upper=False).T
        self.centres = torch.linalg.solve_triangular(factor, means.T, upper=False).T

    def __call__(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return the distances of samples ``(n, *x_shape)`` from the middle of classes ``(n,)``."""
        placed = self.coordinates.into(x).flatten(1) @ self.whiten
        return (placed - self.centres[labels]).square().sum(dim=1).clamp_min(1e-12)
