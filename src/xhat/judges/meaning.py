"""Whether judges can be believed when they see the target: a second conformal test.

That nothing about a sample is unusual does not say that it is what it should be: a jury that hardly
tells the classes apart finds no real sample unusual, whatever class it is asked for. So the judges
must besides see the target more surely than in real samples of *other* classes. Held-out real
samples are asked for every class that is not theirs; the p-value of a candidate is the share of
them in which the jury sees the class as surely. A real sample of another class exceeds them with
probability at most ``beta``.

The samples asked for one class are compared where there are enough of them to reach ``beta``; else
those of all classes together, each sample with the mean over the classes that are not its own.

Source: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005 (p-values by
category).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.judges.conformal import p_value, samples_needed

__all__ = ["MeaningTest", "asked_for_others", "compare_with_others"]


@dataclass(frozen=True)
class MeaningTest:
    """What the second test says of ``n`` samples.

    Attributes:
        p: ``(n,)``, the share of real samples of other classes in which the jury sees the target as
            surely.
        known: ``(n,)``, how many of those each share rests on.
        beta: the target counts as seen where ``p`` is at most this.
    """

    p: Tensor
    known: Tensor
    beta: float

    @property
    def seen(self) -> Tensor:
        """Where the target may be said to be seen, ``(n,)``."""
        return self.p <= self.beta

    @property
    def needed(self) -> int:
        """How many real samples of other classes a share as small as ``beta`` takes."""
        return samples_needed(self.beta)


def asked_for_others(seen: Tensor, labels: Tensor) -> Tensor:
    """Return how surely a jury sees in real samples the classes that they are not.

    Args:
        seen: ``(b, classes + 1)``, the pooled distribution of the jury.
        labels: ``(b,)``, what the samples are.

    Returns:
        ``(b, classes)`` probabilities, NaN at a sample's own class.
    """
    return seen[:, :-1].scatter(1, labels[:, None], torch.nan)


def compare_with_others(
    others: Tensor, confidence: Tensor, target: Tensor, beta: float
) -> MeaningTest:
    """Compare how surely a target is seen with real samples of other classes.

    Args:
        others: ``(b, classes)``, what ``asked_for_others`` has returned.
        confidence: ``(n,)``, the jury's probability of the target.
        target: ``(n,)`` classes.
        beta: the share of other real samples that may be taken for the target, in (0, 1).

    Example:
        >>> labels = torch.arange(40) % 2
        >>> seen = torch.nn.functional.one_hot(labels, 3) * 0.8 + 0.1  # the last: none of both
        >>> others = asked_for_others(seen, labels)
        >>> sure, target = torch.tensor([0.9, 0.1]), torch.tensor([0, 0])
        >>> compare_with_others(others, sure, target, 0.05).seen.tolist()
        [True, False]
    """
    p, known = torch.ones(len(target), dtype=torch.double), torch.zeros_like(target)
    wrong = ~others.isnan()
    for label in target.unique().tolist():
        mine, own = target == label, wrong[:, label]
        if int(own.sum()) >= samples_needed(beta):
            p[mine] = p_value(others[own, label].sort().values, confidence[mine])
            known[mine] = int(own.sum())
        else:
            p[mine] = _p_value_of_all(others, confidence[mine])
            known[mine] = len(others)
    return MeaningTest(p, known, beta)


def _p_value_of_all(others: Tensor, found: Tensor) -> Tensor:
    wrong = ~others.isnan()
    share = (wrong / wrong.sum(dim=1, keepdim=True)).double()[wrong]
    known, order = others[wrong].sort()
    at_least = share[order].flip(0).cumsum(0).flip(0)
    at_least = torch.cat((at_least, at_least.new_zeros(1)))
    return (1 + at_least[torch.searchsorted(known, found.contiguous())]) / (1 + len(others))
