"""The task ``conjunction``: satellites that avoid a collision by the smallest burn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from xhat.task import Options, Task, Tell
from xhat_zoo.conjunction import demo
from xhat_zoo.conjunction.approaching import truth
from xhat_zoo.conjunction.encounters import Encounters

__all__ = ["Conjunction"]


class Conjunction(Task):
    """Satellites that avoid a collision by the smallest burn."""

    name = "conjunction"
    caption = "the smallest burn that avoids a collision, certified by propagation and quadrature"

    def run(self, seed: int, on_progress: Tell | None, options: Options) -> Any:
        """Search and verify."""
        return demo.run(seed=seed, on_progress=on_progress, **options)

    def write(self, found: Any, out: str | Path, command: str) -> Path:
        """Write the page and the files beside it."""
        return demo.write(found, out, command=command)

    def say(self, found: Any) -> str:
        """Return what a terminal shows."""
        return demo.said(found)

    def truth(self) -> Callable[[Encounters, Tensor], Tensor]:
        """Return what propagates and integrates: encounters, burns ``(n, 4)`` → ``log10 Pc``."""
        return truth
