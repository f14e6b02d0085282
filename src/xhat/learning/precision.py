"""Training in bfloat16: the forward passes of a network, and nothing else.

A loss is more than a network. It damages images, searches, measures distances, draws noise; and
many operations that do so refuse tensors of two types, or lose too much in a short one. So
only the network's own passes are short: each takes float32, computes in bfloat16, and answers in
float32. What calls it never meets another type, whatever it is.

Source: Micikevicius et al., "Mixed Precision Training", ICLR 2018; Kalamkar et al., "A Study of
BFLOAT16 for Deep Learning Training", 2019.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["has_fast_bfloat16", "short_passes", "usable_device"]


def has_fast_bfloat16(device: torch.device | str = "cpu") -> bool:
    """Return whether a device multiplies bfloat16 matrices faster than float32.

    Processors have it as AMX or AVX-512 BF16; elsewhere bfloat16 is emulated, many times slower.
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(probe() for name in probes if (probe := getattr(torch.cpu, name, None)) is not None)


def usable_device(name: str) -> torch.device:
    """Return a device by name.

    Raises:
        ValueError: there is none, or it cannot be used.
    """
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"the device {name!r} cannot be used ({str(error).splitlines()[0]}); try cpu."
        ) from error
    return torch.device(name)


@contextmanager
def short_passes(model: nn.Module, device: torch.device | str = "cpu") -> Iterator[None]:
    """Let a model, and each of its parts when called alone, compute in bfloat16 within the block.

    Weights stay float32, and so do their gradients. Afterwards the model is as it was.

    Args:
        model: of float32 weights.
        device: where it computes.

    Example:
        >>> model = nn.Linear(1, 1, bias=False).requires_grad_(False)
        >>> _ = nn.init.constant_(model.weight, 1.001)
        >>> with short_passes(model):  # bfloat16 has eight bits
        ...     model(torch.ones(1, 1)).item()
        1.0
        >>> model(torch.ones(1, 1)).item() > 1
        True
    """
    own = {module: module.__dict__.get("forward") for module in model.modules()}
    for module in own:
        module.forward = partial(_short, module.forward, torch.device(device).type)
    try:
        yield
    finally:
        for module, forward in own.items():
            if forward is None:
                del module.forward
            else:
                module.forward = forward


def _short(forward: Callable[..., Any], device: str, *args: Any, **options: Any) -> Any:
    if torch.is_autocast_enabled(device):  # a part of a model that computes in bfloat16 already
        return forward(*args, **options)
    with torch.autocast(device, torch.bfloat16):
        return _in_float32(forward(*args, **options))


def _in_float32(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output.float() if output.dtype == torch.bfloat16 else output
    if type(output) in (tuple, list):
        return type(output)(_in_float32(part) for part in output)
    return output
