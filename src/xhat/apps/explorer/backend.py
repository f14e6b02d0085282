"""What the explorer needs of a task: who searches, judges, and knows real samples."""

from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor

from xhat.task import Stage

__all__ = ["Backend"]


class Backend(Protocol):
    """Searches that somebody watches; ``Task.explorer`` makes one.

    Attributes:
        shape: of an image, ``(h, w)``.
        stage: how far setting up is; None before it.
        judge: None while it is not set up.
    """

    shape: tuple[int, int]
    stage: Stage | None

    @property
    def judge(self) -> Any:
        """The judge; None while it is not set up."""
        ...

    def reading(self, x: Tensor) -> tuple[float, ...]:
        """Return a classifier's probability of each class for one image."""
        ...

    def sample(self, label: int, number: int) -> tuple[int, Tensor]:
        """Return a real sample of a class, ``(1, 1, h, w)``, and its index."""
        ...

    def drawn(self, sheet: Tensor) -> Tensor:
        """Return the image that stands for a drawing of any size; ValueError if none does."""
        ...

    def methods(self) -> list[dict[str, Any]]:
        """Return how one may search, as JSON."""
        ...

    def ask(self, start: Tensor | int, target: int, **options: Any) -> Any:
        """Return a question with ``how.max_steps``; ValueError or TypeError if it makes none."""
        ...

    def code(self, question: Any) -> str:
        """Return a program that asks the same question."""
        ...

    def explore(
        self, question: Any, on_frame: Callable[[Any], None], cancelled: Callable[[], bool]
    ) -> Any:
        """Search, show every step, and judge; raise ``xhat.task.Cancelled`` when told so."""
        ...
