"""Goals for classifiers: a class, any other class, a distribution; of an input or at positions."""

import copy
from typing import Any, Self

import torch
from torch import Tensor

from xhat.core import check_tensor
from xhat.objectives.base import Objective
from xhat.objectives.classes import CrossEntropy, Untargeted
from xhat.objectives.goals.base import Goal, Model, unasked, written

__all__ = ["Avoid", "Class", "Distribution"]

_ROUNDING = 1e-9  # of a share of positions


class _Classes(Goal):
    """A class for each input, or a map of classes for its positions."""

    by_class = True

    def __init__(
        self,
        label: Any,
        *,
        mask: Any = None,
        weight: Any = None,
        ignore: int | None = None,
        share: float = 1.0,
    ) -> None:
        self._where = {"mask": mask, "weight": weight, "ignore": ignore, "share": share}
        self._asked = CrossEntropy(unasked, label, **self._where)
        self._label, wanted = torch.as_tensor(label), self._asked.target
        if wanted.is_floating_point():
            raise TypeError("classes must be integers; for probabilities use Distribution.")
        if int(wanted.min()) < 0:
            least = int(wanted.min())
            more = f"; what does not count: ignore={least}" if wanted.ndim > 1 else ""
            raise ValueError(f"classes are numbered from 0, but {least} came{more}.")
        self.single = wanted.ndim == 1 and self._asked.counted.shape is None

    @property
    def rows(self) -> int:
        """For how many candidates it is made; 1 for any number."""
        return self._asked.rows

    @property
    def tolerance(self) -> float:
        """The share of positions that need not be right."""
        return 0.0 if self._asked.share == 1 else 1 - self._asked.share + _ROUNDING

    def _right(self, y: Tensor) -> Tensor:
        """Return where the class is the wanted one, ``(n, *positions)``."""
        wanted = self._asked.target.to(y.device)
        seen = _seen(y, wanted)
        return seen == wanted.reshape(*wanted.shape, *(1,) * (seen.ndim - wanted.ndim))

    def _lead(self, y: Tensor) -> Tensor:
        """Return by how much the logit of the class leads the best other, ``(n, *positions)``."""
        logits, wanted = y.double(), self._asked.target.to(y.device)
        wanted = wanted.reshape(*wanted.shape, *(1,) * (y.ndim - 1 - wanted.ndim))
        wanted = wanted.expand(len(y), *y.shape[2:])[:, None]
        others = logits.scatter(1, wanted, -torch.inf).amax(dim=1)
        return logits.gather(1, wanted)[:, 0] - others

    def at_positions(self) -> Self:
        """Return the same, asked of a model that answers at positions: no class of the whole."""
        found = copy.copy(self)
        found.single, found.labels = False, None
        return found

    def misfit(self, n: int) -> str:
        """Return the sentence that says that it is made for another number of candidates."""
        if self._asked.target.ndim > 1 or not self.single:
            return super().misfit(n)
        return (
            f"the goal names {self.rows} classes, but there are {n} inputs; give one class for "
            f"all, or one for each."
        )

    def __repr__(self) -> str:
        told = {name: value for name, value in self._where.items() if name != "share" or value != 1}
        return written(type(self).__name__, self._label, **told)


class Class(_Classes):
    """The model's most probable class; of a model that answers at positions, that of each of them.

    Args:
        label: an integer, or ``(n,)`` integers, from 0: a class for each input, which a model that
            answers at positions is to give at all of them; or ``(n, *positions)`` or
            ``(1, *positions)``, a map of classes.
        mask: booleans, true for the positions that count, in their shape or with a row for each
            candidate.
        weight: numbers of 0 or more, likewise: how much each position counts in the search.
        ignore: a class that stands, in a map, for a position that does not count; None for none.
        share: of the positions that count, in (0, 1], at which the class must be right.

    Raises:
        TypeError, ValueError: labels that are no integers, or negative.

    Example:
        >>> goal = Class(1)
        >>> round(float(goal.objective(lambda x: x)(torch.tensor([[0.0, 2.0]]))), 3)
        0.127
        >>> pixels = torch.tensor([[[0.0, 0.0, 4.0], [2.0, 2.0, 0.0]]])  # 2 classes at 3 pixels
        >>> Class([[1, 1, 255]], ignore=255).inside(pixels)
        tensor([2.], dtype=torch.float64)
    """

    def __init__(
        self,
        label: Any,
        *,
        mask: Any = None,
        weight: Any = None,
        ignore: int | None = None,
        share: float = 1.0,
    ) -> None:
        super().__init__(label, mask=mask, weight=weight, ignore=ignore, share=share)
        self.labels = self._asked.target if self.single else None

    def objective(self, model: Model) -> Objective:
        """Return the cross-entropy with the class."""
        return CrossEntropy(model, self._label, **self._where)

    def off(self, y: Tensor) -> Tensor:
        """Return the share of positions where the class is another; of one answer 0 or 1."""
        return _unknown(y, self._asked.counted.wrong(self._right(y)))

    def inside(self, y: Tensor) -> Tensor:
        """Return by how much the class leads the best other one, at the share of positions."""
        return self._asked.counted.least(self._lead(y), self._asked.share)


class Avoid(_Classes):
    """Any class but this one: what an untargeted attack wants.

    Args:
        label: as of ``Class``, and likewise ``mask``, ``weight``, ``ignore`` and ``share``.
    """

    def objective(self, model: Model) -> Objective:
        """Return the log-probability of the class."""
        return Untargeted(model, self._label, **self._where)

    def off(self, y: Tensor) -> Tensor:
        """Return the share of positions where the class is still this one; of one answer 0 or 1."""
        return _unknown(y, self._asked.counted.wrong(~self._right(y)))

    def inside(self, y: Tensor) -> Tensor:
        """Return by how much the best other class leads this one, at the share of positions."""
        return self._asked.counted.least(-self._lead(y), self._asked.share)


class Distribution(Goal):
    """A distribution over the classes, such as even odds between two.

    Args:
        p: ``(classes,)`` for all, ``(n, classes)``, or ``(n, classes, *positions)``; each sums to 1
            over the classes.
        mask: booleans, true for the positions that count, in their shape or with a row for each
            candidate.
        weight: numbers of 0 or more, likewise: how much each position counts in the search.

    Raises:
        TypeError, ValueError: rows that are no distributions.
    """

    by_class = True

    def __init__(self, p: Any, *, mask: Any = None, weight: Any = None) -> None:
        self._where = {"mask": mask, "weight": weight}
        self._asked = CrossEntropy(unasked, check_tensor("the distribution", p), **self._where)
        self.p = self._asked.target
        self.single = self.p.ndim == 2 and self._asked.counted.shape is None
        sure = self.p.amax(dim=1) > 0.5
        self.labels = self.p.argmax(dim=1) if self.single and bool(sure.all()) else None

    @property
    def rows(self) -> int:
        """For how many candidates it is made; 1 for any number."""
        return self._asked.rows

    def at_positions(self) -> Self:
        """Return the same, asked of a model that answers at positions: no class of the whole."""
        found = copy.copy(self)
        found.single, found.labels = False, None
        return found

    def objective(self, model: Model) -> Objective:
        """Return the cross-entropy with the distribution."""
        return CrossEntropy(model, self.p, **self._where)

    def off(self, y: Tensor) -> Tensor:
        """Return the total variation distance of probabilities ``(n, classes, ...)``: the mean."""
        p = self.p.reshape(*self.p.shape, *(1,) * (y.ndim - self.p.ndim)).to(y.device)
        return self._asked.counted.mean((y.double() - p).abs().sum(dim=1) / 2)

    def inside(self, y: Tensor) -> Tensor:
        """Return minus the distance of the probabilities that the logits mean."""
        return -self.off(y.double().softmax(dim=1))

    def __repr__(self) -> str:
        return written("Distribution", self.p, **self._where)


def _seen(y: Tensor, wanted: Tensor) -> Tensor:
    """Return the classes that outputs mean: they are classes themselves, or scores of them."""
    if wanted.ndim > 1:  # a map of classes, or scores with an axis more
        return y if y.ndim == wanted.ndim else y.argmax(dim=1)
    if y.ndim < 3:
        outputs = y.reshape(len(y), -1)
        return outputs.argmax(dim=1) if outputs.shape[1] > 1 else outputs[:, 0]
    return y.argmax(dim=1)


def _unknown(y: Tensor, off: Tensor) -> Tensor:
    return off.masked_fill(y.double().reshape(len(y), -1).isnan().any(dim=1), torch.nan)
