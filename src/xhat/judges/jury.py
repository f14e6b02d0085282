"""Meaning: what held-out classifiers see.

A jury is a few classifiers of different families, trained on other data, with other seeds and
augmentations than any model that the search used. Each gives a distribution over the classes and
"none of them". Their distributions are pooled by a weighted sum of logarithms, so that a member who
sees something else is not simply outvoted. The weights are fitted to held-out real samples by
maximum likelihood, which calibrates the pooled probabilities.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import evaluation_mode
from xhat.judges.independence import check_independent
from xhat.judges.passes import ROWS, once

__all__ = ["Jury", "pooled"]

_DRAWN = 5.0  # samples' worth of pull towards equal weights
_LEAST = 1e-6  # a probability below it is as good as it; no single member can veto alone


@dataclass(frozen=True)
class Jury:
    """Held-out classifiers over ``classes`` classes; a further output means "none of them".

    Args:
        members: ``(n, *x_shape) -> (n, classes + 1)`` logits each.
        names: of the members, for people.
        classes: the number of classes, "none" not counted.
        weights: of the members in the pooled distribution; by default equal, with a sum of 1.
        note: what is to be known about them, such as that one is missing.

    Raises:
        ValueError: no members, or not one name and one weight each.

    Example:
        >>> jury = Jury((nn.Linear(4, 3).eval(),), ("linear",), classes=2)
        >>> jury.probabilities(torch.zeros(5, 4)).shape
        torch.Size([5, 1, 3])
    """

    members: tuple[nn.Module, ...]
    names: tuple[str, ...]
    classes: int
    weights: tuple[float, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.members or len(self.members) != len(self.names):
            raise ValueError(
                f"a jury needs at least one member and a name for each, but has "
                f"{len(self.members)} members and {len(self.names)} names."
            )
        equal = (1 / len(self.members),) * len(self.members)
        object.__setattr__(self, "weights", tuple(self.weights) or equal)  # the record is frozen
        if len(self.weights) != len(self.members):
            raise ValueError(
                f"a jury needs a weight for each of {len(self.members)} members, but has "
                f"{len(self.weights)}."
            )

    def probabilities(self, x: Tensor) -> Tensor:
        """Return each member's distribution, ``(n, members, classes + 1)``.

        Where a member gives NaN it sees nothing: its probabilities are 0.

        Raises:
            ValueError: a member gives another number of logits.
        """
        with torch.no_grad(), evaluation_mode(*self.members):
            return torch.cat([self._look(part) for part in x.split(ROWS)])

    def together(self, votes: Tensor) -> Tensor:
        """Return the pooled distribution, ``(n, classes + 1)``, of the members' distributions."""
        return pooled(votes, torch.tensor(self.weights))

    def pressed(self, votes: Tensor) -> Tensor:
        """Return the pooled distribution of members who must name a class, that of none 0.

        Args:
            votes: ``(n, members, classes + 1)``.
        """
        classes = votes[:, :, :-1].clamp_min(_LEAST)
        seen = pooled(classes / classes.sum(dim=2, keepdim=True), torch.tensor(self.weights))
        return torch.cat((seen, torch.zeros_like(seen[:, :1])), dim=1)

    def weighed(self, votes: Tensor, labels: Tensor) -> "Jury":
        """Return the jury with the weights at which ``labels`` are likeliest.

        Args:
            votes: ``(n, members, classes + 1)`` on real samples that trained no member.
            labels: ``(n,)``, what they are.
        """
        return replace(self, weights=_best_weights(votes, labels))

    def without(self, name: str) -> "Jury":
        """Return the jury without one member, the rest with equal weights."""
        kept = [i for i, other in enumerate(self.names) if other != name]
        return Jury(
            tuple(self.members[i] for i in kept), tuple(self.names[i] for i in kept), self.classes
        )

    def check_independent(self, searched: Iterable[nn.Module]) -> None:
        """Raise ``ValueError`` if a member shares weights with a model that the search used."""
        searched = tuple(searched)
        for name, member in zip(self.names, self.members, strict=True):
            check_independent(f"the judge {name}", member, searched)

    def _look(self, x: Tensor) -> Tensor:
        seen = []
        for name, member in zip(self.names, self.members, strict=True):
            logits = once(member, x)
            if logits.shape != (len(x), self.classes + 1):
                raise ValueError(
                    f"the judge {name} must give {self.classes + 1} logits, the last for none of "
                    f"the {self.classes} classes, but gives shape {tuple(logits.shape[1:])}."
                )
            seen.append(logits.softmax(dim=1).nan_to_num(0.0))
        return torch.stack(seen, dim=1)


def pooled(votes: Tensor, weights: Tensor) -> Tensor:
    """Return the distribution of a jury, ``(n, classes + 1)``, from its members'.

    It is proportional to the product of ``votes``, ``(n, members, classes + 1)``, each to the power
    of its weight.

    Source: Genest, Zidek, "Combining Probability Distributions: A Critique and an Annotated
    Bibliography", Statistical Science 1986 (the logarithmic pool).

    Example:
        >>> votes = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]])
        >>> pooled(votes, torch.tensor([0.5, 0.5])).round(decimals=2).tolist()
        [[0.75, 0.25]]
    """
    return _weighted(votes.clamp_min(_LEAST).log(), weights).softmax(dim=1)


def _weighted(log_votes: Tensor, weights: Tensor) -> Tensor:
    return (log_votes * weights[:, None]).sum(dim=1)


def _best_weights(votes: Tensor, labels: Tensor) -> tuple[float, ...]:
    """Minimise the cross-entropy, drawn towards equal weights as if by a few samples."""
    log_votes, equal = votes.clamp_min(_LEAST).log(), 1 / votes.shape[1]
    log_weights = torch.full((votes.shape[1],), equal).log().requires_grad_(True)
    optimizer = torch.optim.LBFGS([log_weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        weights = log_weights.exp()
        drawn = (_DRAWN / len(labels)) * (weights - equal).square().sum()
        loss = F.cross_entropy(_weighted(log_votes, weights), labels) + drawn
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return tuple(log_weights.detach().exp().tolist())
