"""A model as one node of the graph, with a way of its own to go back through it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from xhat.core.models import modules_of

__all__ = ["apart", "checkpoints"]

_LOOKED_AT = 100_000  # nodes of a graph


def apart(ask: Callable[[Tensor], Tensor], x: Tensor, function: Any) -> Tensor:
    """Return ``ask(x)``, differentiated in a pass of its own.

    Two kinds of models need that. Gradients of half precision vanish below 6e-8: they go back
    divided by each candidate's largest one, and are multiplied by it at the end. Reentrant
    checkpoints refuse a pass for the gradient of the input alone, since parameters would collect
    theirs; here no parameter asks for one meanwhile.

    Args:
        ask: the model, differentiable, ``(n, ...) -> (n, ...)``.
        x: ``(n, ...)``.
        function: where the parameters that it uses are looked for.
    """
    parameters = [p for module in modules_of(function) for p in module.parameters()]
    return _Apart.apply(x, ask, [p for p in parameters if p.requires_grad])  # pyright: ignore[reportReturnType]


class _Apart(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, ask: Any, parameters: list[nn.Parameter]) -> Tensor:
        with torch.enable_grad(), _at_rest(parameters):
            leaf = x.detach().requires_grad_(True)
            y = ask(leaf)
        ctx.leaf, ctx.y, ctx.at_rest = leaf, y, parameters
        return y.detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, None, None]:
        if not ctx.y.requires_grad:
            return None, None, None
        rows = gradient.reshape(len(gradient), -1).abs().amax(dim=1)
        rows = torch.where((rows > 0) & rows.isfinite(), rows, torch.ones_like(rows))

        def shaped(like: Tensor) -> Tensor:
            return rows.to(like.dtype).reshape(-1, *(1 for _ in range(like.ndim - 1)))

        with _at_rest(ctx.at_rest), _checkpoints_allowed():
            (found,) = torch.autograd.grad(
                ctx.y, ctx.leaf, gradient / shaped(gradient), retain_graph=True, allow_unused=True
            )
        return (None if found is None else found * shaped(found)), None, None


@contextmanager
def _at_rest(parameters: list[nn.Parameter]) -> Iterator[None]:
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def _checkpoints_allowed() -> Any:
    """Let reentrant checkpoints go back although the gradients of parameters are not wanted."""
    return mock.patch.object(torch.autograd, "_is_checkpoint_valid", return_value=True)


def checkpoints(y: Tensor) -> bool:
    """Return whether the graph of ``y`` has a reentrant checkpoint."""
    todo, seen = [y.grad_fn], set[Any]()
    while todo and len(seen) < _LOOKED_AT:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() == "CheckpointFunctionBackward":
            return True
        todo += [following for following, _ in node.next_functions]
    return False
