"""The task ``shapes``: signed distances of solids, whose truth is a closed form."""

from pathlib import Path
from typing import Any

from xhat.learning import EpochRecord
from xhat.task import NOTHING, Options, Stage, Task, Tell, Trained
from xhat_zoo.shapes import demo
from xhat_zoo.shapes.base import Shape
from xhat_zoo.shapes.catalogue import room
from xhat_zoo.shapes.training import train_shape

__all__ = ["Shapes"]


class Shapes(Task):
    """Signed distances of solids, whose truth is a closed form."""

    name = "shapes"
    caption = (
        "surface points, balls that fit and poses that keep clear, by the gradient of a distance"
    )
    train_options = ("seed", "epochs", "limit")

    def run(self, seed: int, on_progress: Tell | None, options: Options) -> Any:
        """Search and verify."""
        return demo.run(seed=seed, on_progress=on_progress, **options)

    def write(self, found: Any, out: str | Path, command: str) -> Path:
        """Write the page and the files beside it."""
        return demo.write(found, out, command=command)

    def say(self, found: Any) -> str:
        """Return what a terminal shows."""
        return demo.said(found)

    def truth(self) -> Shape:
        """Return the room of all shapes: points ``(n, 3)`` → their distances to it."""
        return room()

    def train(
        self,
        out: str | Path,
        recipe: str | None = None,
        *,
        on_progress: Tell | None = None,
        options: Options = NOTHING,
    ) -> Trained:
        """Train the surrogate of one shape again; the recipes have the names of the shapes."""
        self._check("training", options, self.train_options)
        name, given = recipe or "torus", dict(options)
        given["points"] = given.pop("limit", None)
        tell = on_progress or (lambda _: None)

        def say(record: EpochRecord) -> None:
            tell(Stage(name, record.epoch, record.epochs))

        return Trained(train_shape(name, out=out, progress=say, **given))
