"""Tasks: example domains, each complete, that are found by name.

A :class:`Task` is one domain with everything that is its own: data, networks, searches, truth,
figures. It shows itself by one command (:meth:`Task.demo`); what else it offers is there to be
asked for, and what it does not offer is refused in one sentence. This library has none itself:
tasks are registered by the entry points ``xhat.tasks`` of whatever is installed, such as xhat-zoo.
In the ``pyproject.toml`` of a package with a task of your own::

    [project.entry-points."xhat.tasks"]
    kettle = "mypackage.kettle:Kettle"  # a subclass of Task that is made without arguments
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from rich.console import RenderableType
    from torch import nn

    from xhat.domain import Domain
    from xhat.learning import Card

__all__ = [
    "NOTHING",
    "Cancelled",
    "Options",
    "Shown",
    "Stage",
    "Task",
    "Tell",
    "Trained",
    "task",
    "tasks",
]

GROUP = "xhat.tasks"
Options = Mapping[str, Any]
NOTHING: Options = MappingProxyType({})


@dataclass(frozen=True)
class Stage:
    """Progress of one stage: ``done`` of ``total``."""

    name: str
    done: int
    total: int


Tell = Callable[[Stage], None]


class Cancelled(Exception):  # noqa: N818 - nothing went wrong
    """The user has cancelled the search."""


@dataclass(frozen=True)
class Shown:
    """The outcome of a demo: the page or picture to open, and a text for the terminal."""

    page: Path
    said: "RenderableType"


@dataclass(frozen=True)
class Trained:
    """A network that was trained: its card, its page if asked for, and itself if at hand."""

    card: "Card"
    page: Path | None = None
    model: "nn.Module | None" = None


class Task(ABC):
    """One example domain.

    A subclass says what it is, searches (``run``), draws (``write``) and puts it into words
    (``say``). Modules that take long to import are imported where they are used.

    Attributes:
        name: as on the command line, and of its entry point.
        caption: what it shows, in one line without a full stop.
        demo_options, train_options: names that ``demo`` and ``train`` take as ``options``.
    """

    name: ClassVar[str]
    caption: ClassVar[str]
    demo_options: ClassVar[tuple[str, ...]] = ()
    train_options: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def run(self, seed: int, on_progress: Tell | None, options: Options) -> Any:
        """Search and verify; return the results, which ``write`` and ``say`` are given."""

    @abstractmethod
    def write(self, found: Any, out: str | Path, command: str) -> Path:
        """Write the page and the files beside it, each whole or not at all; return the page."""

    @abstractmethod
    def say(self, found: Any) -> "RenderableType":
        """Return what a terminal shows of what was found, in a few lines."""

    def command(self, seed: int, options: Options = NOTHING) -> str:
        """Return the command that shows the same again."""
        said = "".join(f" --{name} {value}" for name, value in options.items())
        return f"xhat demo --task {self.name} --seed {seed}{said}"

    def demo(
        self,
        out: str | Path,
        *,
        seed: int = 0,
        on_progress: Tell | None = None,
        options: Options = NOTHING,
    ) -> Shown:
        """Show what this task is about in the folder ``out``: search, verify, draw.

        Raises:
            ValueError: an option that it does not have.
            PermissionError: the folder cannot be written to.
        """
        self._check("demo", options, self.demo_options)
        tell = on_progress or (lambda _: None)
        found = self.run(seed, on_progress, options)
        tell(Stage("pictures", 0, 1))
        page = self.write(found, out, self.command(seed, options))
        tell(Stage("pictures", 1, 1))
        return Shown(page, self.say(found))

    def train(
        self,
        out: str | Path,
        recipe: str | None = None,
        *,
        on_progress: Tell | None = None,
        options: Options = NOTHING,
    ) -> Trained:
        """Train one of its networks by a recipe, and write it into the folder ``out``."""
        del out, recipe, on_progress, options
        raise self._lacks("networks that can be trained")

    def truth(self) -> Any:
        """Return the ground truth: something that is called with inputs, and may be slow."""
        raise self._lacks("ground truth")

    def domain(self, alpha: float = 0.05) -> "Domain":
        """Return what real inputs look like, with a judge for ``alpha``."""
        del alpha
        raise self._lacks("domain of real samples")

    def self_test(
        self, out: str | Path, *, on_progress: Tell | None = None, options: Options = NOTHING
    ) -> Shown:
        """Judge controls, whose right verdicts are known, to measure how good verdicts are."""
        del out, on_progress, options
        raise self._lacks("controls")

    def explorer(self) -> Any:
        """Return what searches behind the explorer (``xhat.apps.explorer.Explorer``)."""
        raise self._lacks("explorer")

    def labelling(self) -> Any:
        """Return what chooses images that people are asked about (``xhat.apps.label.Asking``)."""
        raise self._lacks("images to be labelled")

    def _check(self, what: str, options: Options, known: tuple[str, ...]) -> None:
        for name in options:
            if name not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise ValueError(f"the {what} of {self.name} has no option {name!r}; {has}.")

    def _lacks(self, what: str) -> ValueError:
        return ValueError(f"the task {self.name} has no {what}.")


def tasks() -> tuple[str, ...]:
    """Return the names of all tasks that are installed, in alphabetical order."""
    return tuple(sorted(_registered()))


def task(name: str) -> Task:
    """Return a task by name.

    Raises:
        ValueError: there is none of that name, or it cannot be loaded.
        TypeError: what is registered under the name is no ``Task``.
    """
    known = _registered()
    if not known:
        raise ValueError("no tasks are installed; the examples come with: pip install xhat-zoo")
    if name not in known:
        raise ValueError(f"task must be one of {', '.join(sorted(known))}, but is {name!r}.")
    try:
        made = known[name].load()()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the task {name} cannot be loaded: {error}.") from error
    if not isinstance(made, Task):
        raise TypeError(f"{known[name].value} is registered as the task {name}, but is no Task.")
    return made


def _registered() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in reversed(tuple(entry_points(group=GROUP)))}
