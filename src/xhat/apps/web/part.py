"""The noun: one family of pages."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import APIRouter

from xhat.apps.web.security import Rate

__all__ = ["Part"]


def _nothing() -> None:
    """Do nothing."""


async def _well() -> None:
    """Find nothing wrong."""


@dataclass(frozen=True)
class Part:
    """One family of pages, for ``build``.

    Attributes:
        name: one word, lower case; its static files lie under ``/static/NAME/``.
        title: what links to it are called.
        router: its routes, with their full paths; those of data begin with ``/api/NAME/``.
        static: the folder with its pages, styles and scripts; None for none.
        pages: path → name of an HTML file in that folder, ``{"/explore": "explore.html"}``. The
            first is where links to the part lead. In a page, ``{{nav}}`` stands for the links to
            all parts that are ``listed``.
        listed: whether other parts' pages link to it.
        sizes: prefix of a path → the most bytes that a request to it may carry.
        rates: what of it may be asked how often, besides what holds for everything.
        check: raises an ``HTTPException`` where the part cannot do what it is for.
        close: called once, when the server stops: ends what still runs.

    Example:
        >>> Part("hello", "Hello", APIRouter()).pages
        {}
    """

    name: str
    title: str
    router: APIRouter
    static: Path | None = None
    pages: Mapping[str, str] = field(default_factory=dict)
    listed: bool = True
    sizes: Mapping[str, int] = field(default_factory=dict)
    rates: tuple[Rate, ...] = ()
    check: Callable[[], Awaitable[None]] = _well
    close: Callable[[], None] = _nothing

    def __post_init__(self) -> None:
        if not (self.name.isalpha() and self.name.islower()):
            raise ValueError(f"a part's name must be one lower-case word, but is {self.name!r}.")
        if self.pages and self.static is None:
            raise ValueError(f"the part {self.name} has pages, but no folder where they lie.")

    @property
    def home(self) -> str | None:
        """The path of its first page; None where it has none."""
        return next(iter(self.pages), None)
