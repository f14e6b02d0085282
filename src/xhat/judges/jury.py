"""Meaning: what held-out classifiers see.

A jury is a few classifiers of different families, trained on other data, with other seeds and
augmentations than any model that the search used. Each gives a distribution over the classes and
"none of them"; the jury's is their mean.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xhat.core import evaluation_mode

__all__ = ["Jury"]


@dataclass(frozen=True)
class Jury:
    """Held-out classifiers over ``classes`` classes; a further output means "none of them".

    Args:
        members: ``(n, *x_shape) -> (n, classes + 1)`` logits each.
        names: of the members, for people.
        classes: the number of classes, "none" not counted.

    Raises:
        ValueError: no members, or not one name each.

    Example:
        >>> jury = Jury((nn.Linear(4, 3).eval(),), ("linear",), classes=2)
        >>> jury.probabilities(torch.zeros(5, 4)).shape
        torch.Size([5, 1, 3])
    """

    members: tuple[nn.Module, ...]
    names: tuple[str, ...]
    classes: int

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.members or len(self.members) != len(self.names):
            raise ValueError(
                f"a jury needs at least one member and a name for each, but has "
                f"{len(self.members)} members and {len(self.names)} names."
            )

    def probabilities(self, x: Tensor) -> Tensor:
        """Return each member's distribution, ``(n, members, classes + 1)``.

        Where a member gives NaN it sees nothing: its probabilities are 0.

        Raises:
            ValueError: a member gives another number of logits.
        """
        with torch.no_grad(), evaluation_mode(*self.members):
            return torch.cat([self._look(part) for part in x.split(500)])

    def check_independent(self, searched: Iterable[nn.Module]) -> None:
        """Raise ``ValueError`` if a member shares weights with a model that the search used."""
        searched = tuple(searched)
        for name, member in zip(self.names, self.members, strict=True):
            check_independent(f"the judge {name}", member, searched)

    def _look(self, x: Tensor) -> Tensor:
        seen = []
        for name, member in zip(self.names, self.members, strict=True):
            logits = member(x)
            if logits.shape != (len(x), self.classes + 1):
                raise ValueError(
                    f"the judge {name} must give {self.classes + 1} logits, the last for none of "
                    f"the {self.classes} classes, but gives shape {tuple(logits.shape[1:])}."
                )
            seen.append(logits.softmax(dim=1).nan_to_num(0.0))
        return torch.stack(seen, dim=1)


def check_independent(name: str, judge: nn.Module, searched: Iterable[nn.Module]) -> None:
    """Raise ``ValueError`` if ``judge`` shares weights with a model that the search used.

    Shared is what lies in the same memory, and every weight matrix with the same values: the same
    checkpoint loaded twice is one model.
    """
    for module in (searched := tuple(searched)):
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"searched must hold torch modules, not {type(module).__name__}; for a function "
                f"name the modules that it calls."
            )
    used = [weight for module in searched for weight in module.parameters() if weight.numel()]
    places = {_place(weight) for weight in used}
    for weight in judge.parameters():
        if not weight.numel():
            continue
        if _place(weight) in places or any(_same_values(weight, other) for other in used):
            raise ValueError(
                f"{name} shares weights with a model that was searched, so it cannot judge the "
                f"result; hold out another model."
            )


def _place(weight: Tensor) -> tuple[torch.device, int]:
    return weight.device, weight.untyped_storage().data_ptr()


def _same_values(a: Tensor, b: Tensor) -> bool:
    if a.ndim < 2 or a.shape != b.shape or a.device != b.device:
        return False
    return torch.equal(a, b) and bool(a.min() < a.max())  # constants are no one's own
