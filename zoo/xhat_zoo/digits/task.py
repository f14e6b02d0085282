"""The tasks of digits: from one to another, and digits with two readings or with a structure."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xhat.task import NOTHING, Options, Shown, Task, Tell, Trained

if TYPE_CHECKING:
    from rich.console import RenderableType

    from xhat.apps.explorer import Explorer
    from xhat.domain import Domain

__all__ = ["AmbigramTask", "Digits"]


class Digits(Task):
    """Handwritten digits that become other digits, judged by networks that no search saw."""

    name = "digits"
    caption = "every digit turned into every other by seven methods, and judged"
    demo_options = ("starts", "methods", "confidence")
    train_options = (
        *("seed", "epochs", "limit", "embedding", "latent", "beta"),
        *("targets", "report", "autoattack", "device", "precision"),
    )

    def run(self, seed: int, on_progress: Tell | None, options: Options) -> Any:
        """Search and judge."""
        from xhat_zoo.digits import demo

        return demo.run(seed=seed, on_progress=on_progress, **options)

    def write(self, found: Any, out: str | Path, command: str) -> Path:
        """Write the page and the files beside it."""
        from xhat_zoo.digits import demo

        return demo.write(found, out, command=command)

    def say(self, found: Any) -> "RenderableType":
        """Return a table of the methods."""
        from xhat_zoo.digits import demo

        return demo.said(found)

    def command(self, seed: int, options: Options = NOTHING) -> str:
        """Return the command that shows the same again."""
        methods = "".join(f" --method {name}" for name in options.get("methods", ()))
        return (
            f"xhat demo --starts {options.get('starts', 3)} "
            f"--confidence {options.get('confidence', 0.95):g} --seed {seed}{methods}"
        )

    def train(
        self,
        out: str | Path,
        recipe: str | None = None,
        *,
        on_progress: Tell | None = None,
        options: Options = NOTHING,
    ) -> Trained:
        """Train a surrogate by a recipe, an embedding, or a shipped model again."""
        from xhat_zoo.digits.task_training import train_any

        self._check("training", options, self.train_options)
        return train_any(out, recipe, dict(options), on_progress)

    def domain(self, alpha: float = 0.05) -> "Domain":
        """Return rotated digits, with shipped networks and a judge better than the default one."""
        from xhat_zoo.digits.domain import digits_domain

        return digits_domain(alpha)

    def self_test(
        self,
        out: str | Path,
        *,
        on_progress: Tell | None = None,
        options: Options = NOTHING,
    ) -> Shown:
        """Judge 37 kinds of controls; options are ``alpha, beta, n, half, weights, seed``."""
        from xhat_zoo.digits import selftest

        return selftest.show(out, on_progress=on_progress, **options)

    def explorer(self) -> "Explorer":
        """Return what searches behind the explorer."""
        from xhat_zoo.digits.exploring import digits_explorer

        return digits_explorer()

    def labelling(self) -> Any:
        """Return what chooses digits that people are asked about."""
        from xhat_zoo.digits.labelling import DigitsAsking

        return DigitsAsking()


class AmbigramTask(Task):
    """Digits that are another digit upside down, and digits of which something must hold."""

    name = "ambigrams"
    caption = "digits with two readings, and digits of which something must hold exactly"

    def run(self, seed: int, on_progress: Tell | None, options: Options) -> Any:
        """Search and judge."""
        from xhat_zoo.digits import ambigrams

        return ambigrams.run(seed=seed, on_progress=on_progress, **options)

    def write(self, found: Any, out: str | Path, command: str) -> Path:
        """Write the page and the files beside it."""
        from xhat_zoo.digits import ambigrams

        return ambigrams.write(found, out, command=command)

    def say(self, found: Any) -> str:
        """Return how many can be read both ways."""
        from xhat_zoo.digits import ambigrams

        return ambigrams.said(found)

    def domain(self, alpha: float = 0.05) -> "Domain":
        """Return that of digits."""
        return Digits().domain(alpha)
