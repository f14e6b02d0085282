"""Independence as a fact: a judge that took part in the search is refused."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["check_independent"]


def check_independent(name: str, judge: nn.Module, searched: Iterable[nn.Module]) -> None:
    """Raise ``ValueError`` if ``judge`` shares weights with a model that the search used.

    Shared is what lies in the same memory, and every weight matrix with the same values: the same
    checkpoint loaded twice is one model.

    Raises:
        TypeError: ``searched`` holds something else than torch modules.
        ValueError: weights are shared.
    """
    for module in (searched := tuple(searched)):
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"searched must hold torch modules, not {type(module).__name__}; for a function "
                f"name the modules that it calls."
            )
    used = [weight for module in searched for weight in module.parameters() if weight.numel()]
    places = {_place(weight) for weight in used}
    for weight in judge.parameters():
        if not weight.numel():
            continue
        if _place(weight) in places or any(_same_values(weight, other) for other in used):
            raise ValueError(
                f"{name} shares weights with a model that was searched, so it cannot judge the "
                f"result; hold out another model."
            )


def _place(weight: Tensor) -> tuple[torch.device, int]:
    return weight.device, weight.untyped_storage().data_ptr()


def _same_values(a: Tensor, b: Tensor) -> bool:
    if a.ndim < 2 or a.shape != b.shape or a.device != b.device:
        return False
    return torch.equal(a, b) and bool(a.min() < a.max())  # constants are no one's own
