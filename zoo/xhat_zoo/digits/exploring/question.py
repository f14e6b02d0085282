"""The frozen question of one exploration: from where, to what, how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from xhat.constraints import Projected
from xhat.core import check_choice, check_range, check_tensor
from xhat.spaces import Held, Space
from xhat_zoo import digits
from xhat_zoo.digits.exploring.settings import STRUCTURES, settings, structures, turned
from xhat_zoo.digits.methods import METHODS, Method

__all__ = ["Question"]

FREE = "free"
"""The name of no structure at all."""

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Question:
    """Turn this digit into that, by this method.

    Attributes:
        start: ``(1, 1, 28, 28)`` in [0, 1].
        target: the digit that it should become, 0 to 9.
        method: a name in ``xhat_zoo.digits.methods.METHODS``.
        weights: name → value, of ``settings(method)``; what is missing has the method's own value.
        structure: ``"free"``, or a name in ``STRUCTURES``.
        index: of the start among the test digits; None where it was drawn.

    Raises:
        TypeError: a value of the wrong kind.
        ValueError: a value out of range, unknown, or one that does not go with the method.

    Example:
        >>> question = Question.of_test_digit(0, target=2, method="proximal", weights={"steps": 60})
        >>> question.how.max_steps, question.label
        (60, 7)
    """

    start: Tensor = field(repr=False)
    target: int
    method: str = "xhat"
    weights: Mapping[str, float] = field(default_factory=dict)
    structure: str = FREE
    index: int | None = None

    def __post_init__(self) -> None:
        start = check_tensor("the start", self.start)
        if start.shape != (1, 1, 28, 28):
            raise ValueError(
                f"the start must be one image, (1, 1, 28, 28), but has shape {tuple(start.shape)}."
            )
        check_range("the start", start, 0.0, 1.0)
        _check_class("the target", self.target)
        check_choice("method", self.method, METHODS)
        own = {setting.name: setting for setting in settings(self.method)}
        for name, value in self.weights.items():
            if name not in own:
                raise ValueError(
                    f"the method {self.method} has no {name!r}; it has {', '.join(own)}."
                )
            own[name].check(value)
        self._check_structure()

    def _check_structure(self) -> None:
        check_choice("structure", self.structure, (FREE, *STRUCTURES))
        if self.structure == FREE:
            return
        if not structures(self.method):
            raise ValueError(
                f"the method {self.method} bends real digits and cannot keep a structure; choose "
                f"a method that searches pixels or a latent space."
            )
        if "radius" in self.weights:
            raise ValueError("a radius and a structure exclude each other; leave one out.")

    @classmethod
    def of_test_digit(cls, index: int, target: int, **options: Any) -> "Question":
        """Return the question that begins at a test digit.

        Raises:
            ValueError: there is no such digit.
        """
        test = digits.split("test")
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(test):
            raise ValueError(f"index must lie from 0 to {len(test) - 1}, but is {index!r}.")
        return cls(test.images[[index]], target, index=index, **options)

    @property
    def label(self) -> int | None:
        """The class of the start; None where it was drawn."""
        return None if self.index is None else int(digits.split("test").labels[self.index])

    @property
    def confidence(self) -> float:
        """At which the search ends."""
        return float(self.weights.get("confidence", _CONFIDENCE))

    @property
    def how(self) -> Method:
        """The method, with its weights."""
        return turned(self.method, dict(self.weights), structured=self.structure != FREE)

    @property
    def constraint(self) -> Projected | None:
        """What must hold exactly; None for nothing but what the method itself asks."""
        if self.structure == FREE:
            return None
        return STRUCTURES[self.structure].make(self.start)

    def held(self, space: Space) -> Space:
        """Return the space in which the structure holds."""
        constraint = self.constraint
        return space if constraint is None else Held(space, constraint)


def _check_class(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < digits.CLASSES:
        raise ValueError(f"{name} must be a digit from 0 to 9, but is {value!r}.")
