"""Which methods there are: those of this room, and those of others by entry point."""

from functools import cache
from importlib.metadata import entry_points

from xhat.core import check_choice
from xhat.methods.annealed import Annealed
from xhat.methods.base import Around, Method
from xhat.methods.diffused import Diffused
from xhat.methods.distilled import Distilled
from xhat.methods.editing import Edited
from xhat.methods.features import Guarded, InBall, NearStart, Pixels
from xhat.methods.flow import Flow, LabelFree
from xhat.methods.latent import Guided, InLatentSpace
from xhat.methods.retrieval import Nearest, Retrieval
from xhat.objectives.goals import Goal

__all__ = ["GROUP", "default_method", "known_methods", "method"]

GROUP = "xhat.methods"
"""The group of entry points by which another package's methods are found."""
_OURS = (
    Flow, LabelFree, Edited, Nearest, Retrieval, Pixels, InBall, NearStart, Guarded,
    InLatentSpace, Guided, Annealed, Diffused, Distilled,
)  # fmt: skip


@cache
def known_methods() -> dict[str, type[Method]]:
    """Return every method by name, those of installed packages last.

    Raises:
        TypeError: an entry point names something else than a ``Method``.
        ValueError: it has the name of another.
    """
    found: dict[str, type[Method]] = {each.name: each for each in _OURS}
    for entry in entry_points(group=GROUP):
        made = entry.load()
        if not (isinstance(made, type) and issubclass(made, Method)):
            raise TypeError(f"the entry point {entry.value} is no class of the kind Method.")
        if made.name in found:
            raise ValueError(
                f"{entry.value} is a method named {made.name!r}, but there is one already; give "
                f"it another name."
            )
        found[made.name] = made
    return found


def method(name: str) -> Method:
    """Return a method by name, with its default settings.

    Raises:
        ValueError: there is no such method; the message lists those there are, or says how it is
            called now.

    Example:
        >>> method("proximal").max_steps
        150
    """
    if name == "xhat":
        raise ValueError(f"the method 'xhat' is called {Retrieval.name!r} now.")
    return known_methods()[check_choice("method", name, known_methods())]()


def default_method(domain: Around, goal: Goal) -> Method:
    """Return the best of these methods for a domain and a goal.

    Where a prior can be had, ``flow``; for classes of a thousand images and more ``retrieval``,
    whose networks are trained sooner than a prior. Where samples are too few for a prior,
    ``nearest``. Without any, features near the start for classes, and the features themselves for
    values, for which there is nothing to trade them.
    """
    flow, retrieval = Flow(), Retrieval()
    if flow.missing(domain, goal) is None and flow.knows(domain, goal):
        if retrieval.missing(domain, goal) is not None or flow.quick(domain):
            return flow
        return retrieval
    if domain.knows_samples and flow.too_few(domain) and Nearest().missing(domain, goal) is None:
        return Nearest()
    return NearStart() if goal.by_class else Pixels()
