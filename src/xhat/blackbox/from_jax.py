"""JAX functions as functions of tensors: JAX has the gradient, so nothing need be distilled."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xhat.core import extra

__all__ = ["from_jax"]


def from_jax(function: Callable[[Any], Any]) -> Callable[[Tensor], Tensor]:
    """Return a JAX function as a differentiable function of tensors.

    Arrays go from one library to the other by DLPack, without a copy where both are on one device;
    backward asks JAX for the vector-Jacobian product.

    Args:
        function: of one JAX array ``(n, *x_shape)`` to one array ``(n, ...)``.

    Raises:
        MissingExtraError: jax is not installed.
    """
    with extra("jax", "functions of JAX need"):
        import jax  # pyright: ignore[reportMissingImports]

    def there(x: Tensor) -> Any:
        return jax.dlpack.from_dlpack(x.detach().contiguous())

    def back(y: Any) -> Tensor:
        return torch.from_dlpack(y).clone()

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
            y, ctx.slope = jax.vjp(function, there(x))
            return back(y)

        @staticmethod
        def backward(ctx: Any, *above: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
            return back(ctx.slope(there(above[0]))[0])

    def asked(x: Tensor) -> Tensor:
        return Function.apply(x)  # pyright: ignore[reportReturnType]

    return asked
