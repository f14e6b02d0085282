"""What a search must leave as it was: models, and everything global."""

import random
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class State:
    """What is global."""

    torch_generator: bytes
    numpy_generator: bytes
    python_generator: int
    gradients: bool
    inference: bool
    type: torch.dtype
    threads: int
    deterministic: bool

    NAMES: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def now(cls) -> "State":
        """How things are."""
        return cls(
            torch.get_rng_state().numpy().tobytes(),
            np.random.get_state()[1].tobytes(),
            hash(random.getstate()),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
        )

    def differs(self, other: "State") -> list[str]:
        """What is not as it is in ``other``."""
        return [f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)]


State.NAMES = tuple(f.name for f in fields(State))


def portraits(names: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All that could be spoilt of every module that a script defines."""
    return {name: portrait(m) for name, m in names.items() if isinstance(m, nn.Module)}


def portrait(module: nn.Module) -> dict[str, Any]:
    """Modes, values, gradients, and what is asked for."""
    found: dict[str, Any] = {f"mode {name}": m.training for name, m in module.named_modules()}
    for name, tensor in module.state_dict(keep_vars=True).items():
        gradient = None if tensor.grad is None else tensor.grad.tolist()
        found[name] = (tensor.tolist(), tensor.requires_grad, gradient, tensor.dtype)
    return found
