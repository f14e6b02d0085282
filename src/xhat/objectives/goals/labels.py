"""The goal of several labels at once."""

from typing import Any

import torch
from torch import Tensor

from xhat.objectives.base import Objective
from xhat.objectives.goals.base import Goal, Model, unasked, written
from xhat.objectives.labels import BinaryCrossEntropy, labels_of

__all__ = ["Labels"]


class Labels(Goal):
    """Several labels at once, each there or not: of models that return a logit for each.

    Met when every label that counts is on its side, that is, has a probability above one half; the
    confidence is the least of these probabilities. Of a single logit of two classes,
    ``Labels([1])`` is the one and ``Labels([0])`` the other.

    Args:
        labels: 1 for a label that is wanted, 0 for one that is not, NaN where any will do:
            ``(labels,)`` for all or ``(n, labels)``; booleans do as well.
        mask: booleans, true for the labels that count, in these shapes.
        weight: numbers of 0 or more, likewise: how much each label counts in the search.

    Raises:
        TypeError, ValueError: what is none of 0, 1 and NaN.

    Example:
        >>> goal = Labels([1, 0, torch.nan])
        >>> logits = torch.tensor([[2.0, -3.0, 9.0], [2.0, 0.5, -9.0]])
        >>> goal.objective(lambda x: x).measure(logits, logits).reached
        tensor([ True, False])
    """

    by_class = True

    def __init__(self, labels: Any, *, mask: Any = None, weight: Any = None) -> None:
        self._labels, self._where = labels_of(labels), {"mask": mask, "weight": weight}
        self._asked = BinaryCrossEntropy(unasked, self._labels, **self._where)

    @property
    def rows(self) -> int:
        """For how many candidates it is made; 1 for any number."""
        return self._asked.rows

    def objective(self, model: Model) -> Objective:
        """Return the binary cross-entropy with the labels."""
        return BinaryCrossEntropy(model, self._labels, **self._where)

    def off(self, y: Tensor) -> Tensor:
        """Return the share of labels that are on the wrong side, of 0 and 1 or probabilities.

        Raises:
            ValueError: numbers that are none, such as logits.
        """
        flat = y.double().reshape(len(y), -1)
        known = flat.nan_to_num(0.0)
        if bool(((known < 0) | (known > 1)).any()):
            raise ValueError(
                f"labels are 0 or 1, or their probabilities, but from {float(known.min()):g} to "
                f"{float(known.max()):g} came; of logits give the sigmoid."
            )
        found = self._asked.counted.wrong(self._asked.side.to(flat) * (flat - 0.5) > 0)
        return found.masked_fill(flat.isnan().any(dim=1), torch.nan)

    def inside(self, y: Tensor) -> Tensor:
        """Return how far the least of the logits is on its side."""
        flat = y.double().reshape(len(y), -1)
        return self._asked.counted.least(self._asked.side.to(flat) * flat)

    def __repr__(self) -> str:
        rows = self._labels if len(self._labels) > 1 else self._labels[0]
        many = rows.ndim > 1 or len(rows) > _SHOWN
        said = ["any" if each != each else int(each) for each in rows.tolist()] if not many else ()
        text = f"{' x '.join(map(str, rows.shape))} of them" if many else str(said).replace("'", "")
        return written("Labels", text, **self._where)


_SHOWN = 12  # labels that are written out
