"""Goals: what is wanted of a model's output, said before any model is named.

A goal makes the objective that a search minimises, and says what a judge should look for::

    Class(3)                 the most probable class is 3
    Distribution(p)          softmax f(x) is p
    Avoid(3)                 any class but 3: an untargeted attack
    Value(70.0, 0.5)         f(x) is 70, to 0.5
    Within(65.0, 75.0)       f(x) lies in between
    AtLeast(65.0), AtMost(75.0)
    Least(), Most()          f(x) as low, or as high, as can be

Classes may be given by one number for all candidates or by one for each, values likewise.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_numbers, check_positive, check_tensor
from xhat.objectives import CrossEntropy, Custom, Interval, Match, Maximize, Objective, Untargeted

__all__ = [
    "AtLeast",
    "AtMost",
    "Avoid",
    "Class",
    "Distribution",
    "Goal",
    "Least",
    "Most",
    "Value",
    "Within",
    "as_goal",
]

Model = Callable[[Tensor], Tensor]
_SHOWN = 12  # numbers that are written out


class Goal(ABC):
    """What is wanted of a model's output.

    Attributes:
        labels: ``(n,)`` or ``(1,)`` wanted classes, for judges; None where no class is wanted.
        targeted: whether a candidate can be said to have reached it.
        by_class: whether the model must return logits ``(n, classes)``.
    """

    labels: Tensor | None = None
    targeted: bool = True
    by_class: bool = False

    @abstractmethod
    def objective(self, model: Model) -> Objective:
        """Return what a search minimises to get there.

        Args:
            model: differentiable, ``(n, *x_shape)`` to logits ``(n, classes)`` or to values
                ``(n,)`` or ``(n, *y_shape)``.
        """

    @abstractmethod
    def off(self, y: Tensor) -> Tensor:
        """Return how far outputs ``(n, ...)`` miss the goal: ``(n,)``, 0 or more; NaN stays NaN.

        For classes 0 or 1, otherwise a distance in the output's unit. A truth is judged by it.
        """

    @property
    def tolerance(self) -> float:
        """The largest miss at which the goal still counts as met."""
        return 0.0

    @property
    def shared(self) -> bool:
        """Whether it is one and the same for every candidate."""
        return self.labels is None or len(self.labels) == 1

    @property
    def outputs(self) -> int:
        """How many outputs it names; 1 where it wants the same of all."""
        return 1

    def inside(self, y: Tensor) -> Tensor:
        """Return how far inside the goal outputs ``(n, ...)`` are: ``(n,)``, below 0 where outside.

        In the output's unit, for classes in logits: what is farther inside is the surer to be met.
        """
        return self.tolerance - self.off(y)

    def aim(self, y: Tensor) -> Tensor | None:
        """Return the outputs that meet the goal and are nearest to ``(n, outputs)``, or None.

        None where that is no question: for classes, and where more is always better.
        """
        del y
        return None

    @abstractmethod
    def __repr__(self) -> str:
        """Return how it is written."""

    def labels_for(self, n: int) -> Tensor | None:
        """Return the wanted class of each of ``n`` candidates, ``(n,)``, or None.

        Raises:
            ValueError: it is made for another number of candidates.
        """
        if self.labels is None:
            return None
        if len(self.labels) not in (1, n):
            raise ValueError(
                f"the goal names {len(self.labels)} classes, but there are {n} inputs; give one "
                f"class for all, or one for each."
            )
        return self.labels.expand(n)


class Class(Goal):
    """The model's most probable class.

    Args:
        label: an integer, or ``(n,)`` integers, from 0.

    Raises:
        TypeError, ValueError: labels that are no integers, or negative.

    Example:
        >>> goal = Class(1)
        >>> round(float(goal.objective(lambda x: x)(torch.tensor([[0.0, 2.0]]))), 3)
        0.127
    """

    by_class = True

    def __init__(self, label: Any) -> None:
        self.labels = _labels(label)

    def objective(self, model: Model) -> Objective:
        """Return the cross-entropy with the class."""
        return CrossEntropy(model, self.labels)

    def off(self, y: Tensor) -> Tensor:
        """Return 1 where the class is another."""
        return _differs(y, self.labels_for(len(y)))

    def inside(self, y: Tensor) -> Tensor:
        """Return by how much the class leads the best other one."""
        return _lead(y, self.labels_for(len(y)))

    def __repr__(self) -> str:
        return f"Class({_shown(self.labels)})"


class Avoid(Goal):
    """Any class but this one: what an untargeted attack wants.

    Args:
        label: an integer, or ``(n,)`` integers, from 0.
    """

    by_class = True

    def __init__(self, label: Any) -> None:
        self.left = _labels(label)

    def objective(self, model: Model) -> Objective:
        """Return the log-probability of the class."""
        return Untargeted(model, self.left)

    def off(self, y: Tensor) -> Tensor:
        """Return 1 where the class is still this one."""
        return 1 - _differs(y, self.left.expand(len(y)))

    def inside(self, y: Tensor) -> Tensor:
        """Return by how much the best other class leads this one."""
        return -_lead(y, self.left.expand(len(y)))

    def __repr__(self) -> str:
        return f"Avoid({_shown(self.left)})"


class Distribution(Goal):
    """A distribution over the classes, such as even odds between two.

    Args:
        p: ``(classes,)`` for all, or ``(n, classes)``; each row sums to 1.

    Raises:
        TypeError, ValueError: rows that are no distributions.
    """

    by_class = True

    def __init__(self, p: Any) -> None:
        asked = CrossEntropy(_unasked, check_tensor("the distribution", p))
        self.p = asked.target
        sure = self.p.amax(dim=1) > 0.5
        self.labels = self.p.argmax(dim=1) if bool(sure.all()) else None

    def objective(self, model: Model) -> Objective:
        """Return the cross-entropy with the distribution."""
        return CrossEntropy(model, self.p)

    def off(self, y: Tensor) -> Tensor:
        """Return the total variation distance of the probabilities ``(n, classes)``."""
        return (y.double() - self.p).abs().sum(dim=1) / 2

    def inside(self, y: Tensor) -> Tensor:
        """Return minus the distance of the probabilities that the logits mean."""
        return -self.off(y.double().softmax(dim=1))

    def __repr__(self) -> str:
        return f"Distribution({_shown(self.p)})"


class Value(Goal):
    """A value, met when every output is within a tolerance of it.

    Args:
        value: a number, ``(1, *y_shape)`` for all, or ``(n, *y_shape)``.
        tolerance: in the unit of the output, above 0.

    Example:
        >>> found = Value(2.0, 0.1).objective(lambda x: x.sum(dim=1)).measure(*[torch.ones(1, 2)]*2)
        >>> float(found.loss), bool(found.reached)
        (0.0, True)
    """

    def __init__(self, value: Any, tolerance: float) -> None:
        self.value, self._tolerance = value, check_positive("tolerance", tolerance)
        Match(_unasked, value, tolerance)  # says what is wrong with them

    def objective(self, model: Model) -> Objective:
        """Return the squared error."""
        return Match(model, self.value, self._tolerance)

    def off(self, y: Tensor) -> Tensor:
        """Return the largest difference of an output."""
        wanted = Match(_unasked, self.value).value
        return (y.double().reshape(len(y), -1) - wanted).abs().amax(dim=1)

    def aim(self, y: Tensor) -> Tensor:
        """Return the value."""
        return Match(_unasked, self.value).value.to(y).expand(len(y), y.shape[1])

    @property
    def tolerance(self) -> float:
        """The tolerance of the value."""
        return self._tolerance

    @property
    def shared(self) -> bool:
        """Whether one value is wanted of all."""
        return len(Match(_unasked, self.value).value) == 1

    @property
    def outputs(self) -> int:
        """How many outputs have a value of their own."""
        return Match(_unasked, self.value).value.shape[1]

    def __repr__(self) -> str:
        return f"Value({_shown(self.value)}, {self._tolerance:g})"


class Within(Goal):
    """Every output between two ends.

    Args:
        low: a number, or ``(1, *y_shape)`` or ``(n, *y_shape)``; ``-inf`` for no end.
        high: likewise, above ``low``.

    Example:
        >>> goal = Within(1.0, 2.0)
        >>> goal.objective(lambda x: x.sum(dim=1))(torch.tensor([[1.5], [4.0]]))
        tensor([0., 4.])
    """

    def __init__(self, low: Any, high: Any) -> None:
        self.low, self.high = low, high
        Interval(_unasked, low, high)

    def objective(self, model: Model) -> Objective:
        """Return the squared distance beyond the ends, in units of the interval's width."""
        return Interval(model, self.low, self.high)

    def off(self, y: Tensor) -> Tensor:
        """Return how far the farthest output lies beyond the ends."""
        return (0 - self.inside(y)).clamp_min(0)

    def inside(self, y: Tensor) -> Tensor:
        """Return how far the output that is nearest to an end is from it."""
        ends, y = Interval(_unasked, self.low, self.high), y.double().reshape(len(y), -1)
        return torch.minimum(y - ends.low, ends.high - y).amin(dim=1)

    def aim(self, y: Tensor) -> Tensor:
        """Return what is inside by a tenth of the interval, where that has two ends."""
        ends = Interval(_unasked, self.low, self.high)
        low, high = ends.low.to(y), ends.high.to(y)
        margin = torch.where((high - low).isfinite(), 0.1 * (high - low), torch.zeros(()).to(y))
        return torch.minimum(torch.maximum(y, low + margin), high - margin)

    @property
    def shared(self) -> bool:
        """Whether one interval is wanted of all."""
        ends = Interval(_unasked, self.low, self.high)
        return len(ends.low) == len(ends.high) == 1

    @property
    def outputs(self) -> int:
        """How many outputs have an interval of their own."""
        ends = Interval(_unasked, self.low, self.high)
        return max(ends.low.shape[1], ends.high.shape[1])

    def __repr__(self) -> str:
        return f"Within({_shown(self.low)}, {_shown(self.high)})"


class AtLeast(Within):
    """Every output at or above a value.

    Args:
        value: a number, or ``(1, *y_shape)`` or ``(n, *y_shape)``.
    """

    def __init__(self, value: Any) -> None:
        super().__init__(value, torch.inf)

    def __repr__(self) -> str:
        return f"AtLeast({_shown(self.low)})"


class AtMost(Within):
    """Every output at or below a value.

    Args:
        value: a number, or ``(1, *y_shape)`` or ``(n, *y_shape)``.
    """

    def __init__(self, value: Any) -> None:
        super().__init__(-torch.inf, value)

    def __repr__(self) -> str:
        return f"AtMost({_shown(self.high)})"


class Least(Goal):
    """As low an output as possible, for models of one output. It is never called reached.

    Example:
        >>> Least().objective(lambda x: x.sum(dim=1))(torch.ones(1, 2))
        tensor([2.])
    """

    targeted = False

    def objective(self, model: Model) -> Objective:
        """Return the output itself."""
        return Custom(lambda x: _one(model(x)))

    def off(self, y: Tensor) -> Tensor:
        """Return 0: such a goal has no value that could be missed."""
        return torch.where(y.reshape(len(y), -1).isnan().any(dim=1), torch.nan, 0.0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Most(Least):
    """As high an output as possible, for models of one output. It is never called reached."""

    def objective(self, model: Model) -> Objective:
        """Return the negative output."""
        return Maximize(model)


def as_goal(target: Any) -> Goal:
    """Return a goal as it is, and classes or distributions as the goal that they mean.

    Args:
        target: a ``Goal``; an integer or ``(n,)`` integers, classes; or ``(classes,)`` or
            ``(n, classes)`` probabilities.

    Raises:
        TypeError: a number that is no class; the message names the goals for values.

    Example:
        >>> as_goal(3), as_goal([[0.5, 0.5]])
        (Class(3), Distribution([0.5, 0.5]))
    """
    if isinstance(target, Goal):
        return target
    if isinstance(target, float):
        raise TypeError(
            f"the target {target:g} is no class; for a value say Value({target:g}, tolerance=…), "
            f"for more or less of it Within, AtLeast, AtMost, Least or Most."
        )
    wanted = check_tensor("the target", target, floating=False)
    if wanted.is_floating_point() and wanted.numel() == 1:
        return as_goal(float(wanted))
    return Distribution(wanted) if wanted.is_floating_point() else Class(wanted)


def _labels(label: Any) -> Tensor:
    labels = CrossEntropy(_unasked, label).target
    if labels.is_floating_point():
        raise TypeError("classes must be integers; for probabilities use Distribution.")
    if int(labels.min()) < 0:
        raise ValueError(f"classes are numbered from 0, but {int(labels.min())} came.")
    return labels


def _differs(y: Tensor, labels: Tensor | None) -> Tensor:
    outputs = y.double().reshape(len(y), -1)
    seen = outputs.argmax(dim=1) if outputs.shape[1] > 1 else outputs[:, 0]
    differ = (seen != labels).double()
    return torch.where(outputs.isnan().any(dim=1), torch.nan, differ)


def _lead(y: Tensor, labels: Any) -> Tensor:
    logits, labels = y.double(), labels[:, None].to(y.device)
    others = logits.scatter(1, labels, -torch.inf).amax(dim=1)
    return logits.gather(1, labels)[:, 0] - others


def _unasked(x: Tensor) -> Tensor:
    return x


def _one(output: Tensor) -> Tensor:
    return output[:, 0] if output.ndim == 2 and output.shape[1] == 1 else output


def _shown(value: Any) -> str:
    numbers = check_numbers("the value", value) if not isinstance(value, float) else value
    if isinstance(numbers, float) or numbers.numel() == 1:
        return f"{float(numbers):g}"
    rows = numbers if len(numbers) > 1 else numbers[0]
    if rows.ndim > 1 or len(rows) > _SHOWN:
        return f"{len(rows)} of them"
    return str([round(v, 4) for v in rows.tolist()])
