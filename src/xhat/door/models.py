"""Models at the front door: as they are where they have a gradient, else as a ``BlackBox``."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xhat.blackbox import BlackBox, as_box, can_be_asked, lacks_gradient
from xhat.core import own_randomness
from xhat.domain import Domain
from xhat.judges.stability import DRAWS
from xhat.objectives.goals import Goal

__all__ = ["affordable", "model_of", "only_asked"]


def model_of(
    model: Any,
    x: Tensor,
    goal: Goal | None,
    domain: Domain | None,
    *,
    limited: bool = False,
) -> Any:
    """Return a model, or, where it has no gradient, a ``BlackBox`` of it.

    Args:
        model: a function, a torch module, an estimator of scikit-learn, an ONNX session.
        x: ``(n, *x_shape)``, inputs that it should take; it is tried on the first.
        goal: what is wanted of it; None where nobody says, so that classes are asked for if the
            domain has any.
        domain: names its columns and classes; None where there is none.
        limited: whether evaluations are limited, as they are of what is only asked: a model that
            answers at all then is asked, and one that does not is refused at once.

    Raises:
        TypeError: it answers in no form that is known.
        ValueError: its classes are not those of the domain.
    """
    if only_asked(model):
        return model
    if isinstance(model, type) or not (callable(model) or can_be_asked(model)):
        return model  # of which the objective says what is wrong
    names = None if domain is None or domain.kind != "table" else domain.names
    frames = None if domain is None or domain.schema is None else domain.decode
    with own_randomness(0, torch.device("cpu")):
        lacks = lacks_gradient(model, x, frames)
    if not lacks and not limited:
        return model
    classes = () if domain is None else domain.classes
    by_class = bool(classes) if goal is None else goal.by_class
    return as_box(model, x, by_class=by_class, classes=classes, names=names, frames=frames)


def only_asked(model: Callable[[Tensor], Any] | None) -> bool:
    """Return whether a model that came from ``model_of`` has no gradient."""
    return isinstance(model, BlackBox)


def affordable(model: Any, n: int) -> Any:
    """Return a model if a judge may ask it of ``n`` answers, each with noise; else None."""
    if not only_asked(model) or model.left is None or model.left >= DRAWS * n:
        return model
    return None
