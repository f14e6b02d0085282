"""Feature extractors with a name and a fingerprint: a distance means nothing without either."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_tensor, evaluation_mode, modules_of

__all__ = ["Features", "weights_hash"]

_PART = 500


@dataclass(frozen=True)
class Features:
    """What samples are compared by.

    Args:
        name: for people, such as ``"penultimate layer of the judge wide"``.
        extract: ``(n, *x_shape) -> (n, ...)``, a module or any function.

    Example:
        >>> pixels = Features("pixels", lambda x: x)
        >>> pixels(torch.zeros(3, 1, 2, 2)).shape, pixels.sha256
        (torch.Size([3, 4]), None)
        >>> len(Features("linear", torch.nn.Linear(3, 2)).sha256)
        64
    """

    name: str
    extract: Callable[[Tensor], Tensor]

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of the weights in hexadecimal; None for a function that has none.

        Weights are found where ``extract`` is a module, a method of one, or an object that holds
        modules as attributes.
        """
        return weights_hash(self.extract)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the features of ``x``, ``(n, d)`` float64 on the CPU.

        Raises:
            ValueError: not one row for each sample, or values not finite.
        """
        with torch.no_grad(), evaluation_mode(*modules_of(self.extract)):
            parts = [self._part(part) for part in x.split(_PART)]
        return check_tensor(f"the features {self.name!r}", torch.cat(parts))

    def _part(self, x: Tensor) -> Tensor:
        made = self.extract(x)
        if not isinstance(made, Tensor) or made.ndim == 0 or len(made) != len(x):
            came = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise ValueError(
                f"the features {self.name!r} must have one row for each of {len(x)} samples, but "
                f"are {came}."
            )
        return made.reshape(len(made), -1).detach().to("cpu", torch.float64)


def weights_hash(function: Any) -> str | None:
    """Return the SHA-256 over the state of the callable's modules, in order; None without any.

    Over every tensor's name, type, shape and bytes.
    """
    modules = modules_of(function)
    if not modules:
        return None
    hashed = hashlib.sha256()
    for module in modules:
        for name, value in module.state_dict().items():
            hashed.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            flat = value.detach().cpu().contiguous().reshape(-1)
            hashed.update(flat.view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()
