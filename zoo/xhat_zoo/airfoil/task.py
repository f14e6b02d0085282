"""The task ``airfoil``: airfoils of least drag at a given lift, with XFoil as the truth."""

from pathlib import Path
from typing import Any

from torch import Tensor

from xhat.task import Options, Task, Tell
from xhat_zoo.airfoil import demo
from xhat_zoo.airfoil.catalogue import catalogue
from xhat_zoo.airfoil.xfoil import XFoil

__all__ = ["Airfoil"]


class Airfoil(Task):
    """Airfoils of least drag at a given lift, with XFoil as the truth."""

    name = "airfoil"
    caption = "airfoils of least drag, by NeuralFoil and verified by XFoil"

    def run(self, seed: int, on_progress: Tell | None, options: Options) -> Any:
        """Search and verify."""
        return demo.run(seed=seed, on_progress=on_progress, **options)

    def write(self, found: Any, out: str | Path, command: str) -> Path:
        """Write the page and the files beside it."""
        return demo.write(found, out, command=command)

    def say(self, found: Any) -> str:
        """Return what a terminal shows."""
        return demo.said(found)

    def truth(self) -> XFoil:
        """Return XFoil, which must be installed to be asked."""
        return XFoil()

    def reference(self) -> tuple[Tensor, None]:
        """Return the parameters of 1,908 real airfoils, ``(n, 18)``."""
        return catalogue().parameters, None
