"""What a model returns: which of its tensors is meant, and logits of what are none."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from xhat.core.seeding import generator

__all__ = ["Head", "Key", "Returns", "as_logits", "head_of", "picked", "which_output"]

Key = str | int
Returns = Literal["logits", "values", "loss"]
Head = Literal["", "probabilities", "probability", "logit"]

_FAR = (0.3, 30.0, 3000.0)  # how far inputs are moved, in units of 1 and of themselves
_ROUNDING = 8  # by how many roundings probabilities may miss a sum of 1


def _tensors(output: Any) -> dict[Key, Tensor]:
    """Return the tensors of an output that can be differentiated, by name or number."""
    if isinstance(output, Mapping):
        named = dict(output)
    elif isinstance(output, tuple | list):
        named = dict(zip(getattr(output, "_fields", range(len(output))), output, strict=True))
    else:
        named = getattr(output, "__dict__", {})
    return {
        name: value
        for name, value in named.items()
        if isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())
    }


def picked(output: Any, key: Key) -> Any:
    """Return the part of an output that ``key`` names: a key, an attribute or a number.

    Raises:
        ValueError: it has no such part.
    """
    try:
        if isinstance(output, Mapping | tuple | list) and not (
            isinstance(key, str) and hasattr(output, key)
        ):
            return output[key]  # pyright: ignore[reportArgumentType, reportCallIssue]
        if isinstance(key, str) and not isinstance(output, Tensor):
            return getattr(output, key)
    except (KeyError, IndexError, TypeError, AttributeError):
        pass
    raise ValueError(
        f"output={key!r} names nothing that the model returns, which is {_described(output)}."
    )


def which_output(output: Any, rows: int | None, returns: Returns) -> Key | None:
    """Return by what name or number the tensor that is meant is found in an output.

    It is ``logits``, or the only tensor, or the only one of fitting shape; None without tensors.
    ``rows`` is None where one sample was asked about, without the axis of the batch.

    Raises:
        ValueError: there are several.
    """
    found = _tensors(output)
    if not found:
        return None
    if "logits" in found and returns == "logits":
        return "logits"
    fitting = [key for key, value in found.items() if _fits(value, rows, returns)]
    if len(found) > 1 and len(fitting) != 1:
        raise ValueError(
            f"the model returns {_described(output)}; say which is meant, as in "
            f"output={next(iter(found))!r}."
        )
    return fitting[0] if fitting else next(iter(found))


def _fits(value: Tensor, rows: int | None, returns: Returns) -> bool:
    if rows is None:
        value, rows = value[None], 1
    if value.ndim == 0 or len(value) != rows:
        return False
    if returns == "loss":
        return value.numel() == rows
    return returns == "values" or (value.ndim > 1 and value.shape[1] > 1)


def _described(output: Any) -> str:
    found, kind = _tensors(output), type(output).__name__
    if isinstance(output, Tensor):
        return "one tensor"
    if not found:
        return f"{kind} without tensors of floating point"
    named = ", ".join(f"{key!r} of shape {tuple(value.shape)}" for key, value in found.items())
    return f"{kind} with {named}"


def head_of(y: Tensor, x: Tensor, ask: Callable[[Tensor], Tensor]) -> Head:
    """Return what outputs that should be logits ``(n, classes)`` are instead, if anything.

    Numbers may lie between 0 and 1 by chance; so the model is asked far from the inputs, too.

    Args:
        y: the model's outputs for ``x``.
        x: ``(n, *x_shape)``.
        ask: the model.
    """
    single = y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)
    if not y.is_floating_point() or y.shape[:1] != x.shape[:1]:
        return ""
    if not _like(y, single) or not all(_like(far, single) for far in _elsewhere(x, ask)):
        return "logit" if single else ""
    return "probability" if single else "probabilities"


def _elsewhere(x: Tensor, ask: Callable[[Tensor], Tensor]) -> list[Tensor]:
    noise, found = torch.randn(x.shape, generator=generator(0, "far")).to(x), []
    for far in _FAR:
        try:
            with torch.no_grad():
                y = ask(x.detach() + far * noise * (1 + x.detach().abs()))
        except Exception:  # noqa: BLE001, S112 - a model need not take what is far away
            continue
        if bool(y.isfinite().all()):
            found.append(y)
    return found


def _like(y: Tensor, single: bool) -> bool:
    y = y.detach()
    slack = max(_ROUNDING * torch.finfo(y.dtype).eps, 1e-5)
    inside = bool((y >= -slack).all()) and bool((y <= 1 + slack).all())
    return inside and (single or bool(((y.sum(dim=1) - 1).abs() <= slack).all()))


def as_logits(y: Tensor, head: Head) -> Tensor:
    """Return the logits ``(n, classes)`` that outputs stand for."""
    if not head:
        return y
    if head == "probabilities":
        return _log(y)
    y = y.reshape(len(y), 1)
    first = torch.zeros_like(y) if head == "logit" else _log(1 - y)
    return torch.cat([first, y if head == "logit" else _log(y)], dim=1)


def _log(p: Tensor) -> Tensor:
    return p.clamp_min(torch.finfo(p.dtype).tiny).log()
