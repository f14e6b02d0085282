"""Meaning: what held-out classifiers see.

A jury is a few classifiers of different families, trained on other data, with other seeds and
augmentations than any model that the search used. Each gives a distribution over the classes and
"none of them"; the jury's is their mean.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

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
        >>> jury = Jury((nn.Linear(4, 3),), ("linear",), classes=2)
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
        """Return each member's distribution, ``(n, members, classes + 1)``."""
        with torch.no_grad():
            parts = [
                torch.stack([member(part).softmax(dim=1) for member in self.members], dim=1)
                for part in x.split(500)
            ]
        return torch.cat(parts)

    def check_independent(self, searched: Iterable[nn.Module]) -> None:
        """Raise ``ValueError`` if a member shares a parameter with a model the search used."""
        used = {p.data_ptr() for module in searched for p in module.parameters() if p.numel()}
        for name, member in zip(self.names, self.members, strict=True):
            if any(p.data_ptr() in used for p in member.parameters() if p.numel()):
                raise ValueError(
                    f"the judge {name} shares weights with the model that was searched, so it "
                    f"cannot judge the result; hold out another model."
                )
