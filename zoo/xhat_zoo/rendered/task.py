"""The task ``rendered``: colour images of shapes, whose manifold and true verdicts are known."""

import functools
from pathlib import Path
from typing import Any

from xhat.domain import Domain
from xhat.learning import EpochRecord
from xhat.task import NOTHING, Options, Stage, Task, Tell, Trained
from xhat_zoo.rendered import demo
from xhat_zoo.rendered.judging import rendered_judge
from xhat_zoo.rendered.networks import train
from xhat_zoo.rendered.renderer import SHAPES
from xhat_zoo.rendered.samples import draw
from xhat_zoo.rendered.truth import shape_of

__all__ = ["Rendered", "rendered_domain"]

_IMAGES = 2_000  # for searches


@functools.cache
def rendered_domain(alpha: float = 0.05) -> Domain:
    """Return rendered shapes as a domain: 2,000 images for searches, and a judge of its own.

    Args:
        alpha: of the judge.

    Example:
        >>> rendered_domain()
        Domain(2000 samples, images of 3 × 32 × 32, 6 classes)
    """
    data = draw(_IMAGES, seed=0, stream="domain")
    return Domain(
        data.images,
        data.labels,
        classes=SHAPES,
        kind="image",
        limits=(0.0, 1.0),
        name="rendered shapes",
        judge=rendered_judge(alpha),
    )


class Rendered(Task):
    """Colour images of shapes: a renderer in closed form tells the true verdict of any image."""

    name = "rendered"
    caption = "shapes in colour whose manifold is known, so that every verdict can be checked"
    train_options = ("seed", "epochs", "limit")

    def run(self, seed: int, on_progress: Tell | None, options: Options) -> Any:
        """Search, attack, judge, and ask the truth."""
        return demo.run(rendered_domain(), seed=seed, on_progress=on_progress, **options)

    def write(self, found: Any, out: str | Path, command: str) -> Path:
        """Write the page and the files beside it."""
        return demo.write(found, out, command=command)

    def say(self, found: Any) -> str:
        """Return what a terminal shows."""
        return demo.said(found)

    def truth(self) -> Any:
        """Return what says which shape images ``(n, 3, 32, 32)`` are, by the nearest rendered."""
        return shape_of

    def domain(self, alpha: float = 0.05) -> Domain:
        """Return 2,000 shapes, and the judge of this task."""
        return rendered_domain(alpha)

    def train(
        self,
        out: str | Path,
        recipe: str | None = None,
        *,
        on_progress: Tell | None = None,
        options: Options = NOTHING,
    ) -> Trained:
        """Train the surrogate ``plain`` again, or one of the judges."""
        self._check("training", options, self.train_options)
        name, given = recipe or "plain", dict(options)
        given["images"] = given.pop("limit", None)
        tell = on_progress or (lambda _: None)

        def say(record: EpochRecord) -> None:
            tell(Stage(name, record.epoch, record.epochs))

        return Trained(train(name, out=out, progress=say, **given))
