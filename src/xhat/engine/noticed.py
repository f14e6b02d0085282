"""What a search notices on its way, kept until it can be told: by candidate, and in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Noticed", "named"]

_NAMED = 3  # candidates, or features, that are named; the others are counted


@dataclass
class Noticed:
    """What was noticed of candidates by number; written by the loop, read when it has ended.

    Attributes:
        left_out: the first step at which features had no finite derivative, and all such features
            of the candidate, as indices into its ``z``.
        pulled: the constraint whose multiplier was largest when a candidate ended without its goal
            or without a feasible point, and that multiplier.
        further: other sentences.
    """

    left_out: dict[int, tuple[int, set[tuple[int, ...]]]] = field(default_factory=dict)
    pulled: dict[int, tuple[str, float]] = field(default_factory=dict)
    further: list[str] = field(default_factory=list)

    def leave_out(self, candidate: int, step: int, features: Sequence[Sequence[int]]) -> None:
        """Take down that features of a candidate had no finite derivative at a step."""
        begun, known = self.left_out.setdefault(candidate, (step, set()))
        known.update(map(tuple, features))
        self.left_out[candidate] = (min(begun, step), known)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for everything that was noticed."""
        return (*self.warnings, *self._pulled(), *self.further)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those among them that no status says."""
        return self._left_out()

    def _left_out(self) -> tuple[str, ...]:
        if not self.left_out:
            return ()
        said = [
            f"candidate {i}: {_features(sorted(which))}, from step {step} on"
            for i, (step, which) in sorted(self.left_out.items())
        ]
        return (
            f"features without a finite derivative were left out of the steps at which they had "
            f"none ({named(said, '; ')}); keep their values off the place where the model has none "
            f"(a bound of Box a little inside, or log(x + 1e-6) and sqrt(x + 1e-6) in the model)",
        )

    def _pulled(self) -> tuple[str, ...]:
        found: dict[str, list[tuple[int, float]]] = {}
        for i, (name, size) in sorted(self.pulled.items()):
            found.setdefault(name, []).append((i, size))
        return tuple(
            f"the constraint {name} pulls against the goal for candidate "
            f"{named([str(i) for i, _ in who], ', ')} (its multiplier grew to "
            f"{max(size for _, size in who):.2g}); relax it, or ask for less"
            for name, who in found.items()
        )


def named(items: Sequence[str], between: str) -> str:
    """Return the first few of some items, and how many more there are.

    Example:
        >>> named(["a", "b", "c", "d", "e"], ", ")
        'a, b, c and 2 more'
    """
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return between.join(items[:_NAMED]) + more


def _features(which: Sequence[tuple[int, ...]]) -> str:
    said = [str(one[0]) if len(one) == 1 else str(one) for one in which]
    return f"feature{'s' if len(said) > 1 else ''} {named(said, ', ')}"
