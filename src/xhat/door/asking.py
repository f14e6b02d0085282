"""The model that somebody brings, as a function from one tensor to one tensor."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from xhat.core import InputWarning, Key, Layout, Model
from xhat.domain import Domain
from xhat.door.judging import at_rest
from xhat.door.models import model_of, only_asked
from xhat.objectives.goals import Goal

__all__ = ["alone_with_its_conditions", "parts_of", "ready", "remarks_on"]

_FEW = 4  # samples of a first look


def parts_of(x: Any, domain: Domain | None, name: str) -> Layout | None:
    """Return how the parts of inputs lie side by side; None where they are one tensor.

    Args:
        x: the inputs.
        domain: what real ones look like.
        name: messages call them so.

    Raises:
        ValueError: the samples of the domain have no such parts.
    """
    if not Layout.meant(x):
        return None if domain is None else domain.layout
    if domain is None:
        return Layout.of(x)
    if domain.layout is None:
        raise ValueError(
            f"{name} are several parts, but the samples of the domain are one tensor; give it the "
            f"same parts: xhat.Domain({{'name': samples, …}}, labels)."
        )
    return domain.layout


def ready(
    model: Callable[..., Any],
    x: Tensor,
    goal: Goal | None,
    *,
    output: Key | None = None,
    given: Mapping[str, Any] | None = None,
    layout: Layout | None = None,
    domain: Domain | None = None,
    limited: bool = False,
) -> Callable[[Tensor], Tensor]:
    """Return a model that takes ``x`` and gives what a goal is about: itself, where it does.

    Args:
        model: as it comes.
        x: ``(n, *x_shape)``, what it will be asked about.
        goal: whether classes are wanted of it, whose logits it should give, or values.
        output: which of its outputs is meant.
        given: further inputs by name.
        layout: of the parts of ``x``, if it has parts.
        domain: as of ``model_of``, and likewise ``limited``, for what may have no gradient.
        limited: likewise.

    Raises:
        TypeError: no model, or conditions without names.
        ValueError: conditions for another number of candidates.
    """
    if layout is None and output is None and not given and not isinstance(model, Model):
        model = model_of(model, x, goal, domain, limited=limited)
        if only_asked(model):
            return model
    by_class = goal is not None and goal.by_class
    asked = Model.of(model, "logits" if by_class else "values", output=output, given=given)
    if layout is not None:
        asked = asked.laid_out(layout)
    if asked.rows not in (1, len(x)):
        raise ValueError(
            f"the model is given conditions for {asked.rows} candidates, but {len(x)} came; give "
            f"one row for each, or a single row for all."
        )
    some = torch.arange(min(_FEW, len(x)))
    first = x[some].detach().float().requires_grad_(True)
    try:
        with at_rest(asked, warn=False), torch.enable_grad():
            for count in (1, len(some)):
                asked.select(some[:count])(first[:count])
    except Exception:  # noqa: BLE001 - the search says better what is wrong with a model
        return asked
    if asked.untold:
        for remark in asked.remarks:
            warnings.warn(f"{remark}.", InputWarning, stacklevel=3)
    return asked.settled()


def remarks_on(model: Any) -> tuple[str, ...]:
    """Return what is to be known of how a model is asked."""
    return model.remarks if isinstance(model, Model) else ()


def alone_with_its_conditions(model: Any) -> bool:
    """Return whether a model can be asked about its own candidates only: each has a condition."""
    return isinstance(model, Model) and model.rows > 1
