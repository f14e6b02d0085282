"""Models of others: which modules a callable uses, and leaving them as they were found."""

import functools
import types
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from xhat.core.errors import InputWarning

__all__ = ["evaluation_mode", "modules_of", "restored_buffers"]

_DEPTH = 8  # how far from a callable its modules are looked for
_NEAR = 4  # how far from a module those are looked for that it does not own
_OF_TORCH = frozenset(vars(nn.Module()))
_MANY = 1000  # a container that holds more is data
_ENOUGH = 20_000  # things looked at
_NOT_LOOKED_INTO = ("torch", "numpy", "scipy", "builtins", "functools", "jax", "jaxlib")


def modules_of(function: Any) -> tuple[nn.Module, ...]:
    """Return the modules that a callable is, belongs to, or uses.

    They are looked for behind bound methods, partials, closures, default arguments, the globals
    that its code names, the attributes and containers of objects, and the hooks of modules.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> modules_of(net.forward) == modules_of(net) == modules_of(lambda x: net(x)) == (net,)
        True
        >>> modules_of(torch.round)
        ()
    """
    return tuple(_found(function, set(), _DEPTH))


def _found(thing: Any, seen: set[int], depth: int) -> Iterator[nn.Module]:
    if depth == 0 or id(thing) in seen or len(seen) > _ENOUGH:
        return
    seen.add(id(thing))
    if isinstance(thing, nn.Module):
        yield thing
        parts = tuple(thing.modules())
        seen.update(map(id, parts))
        for part in parts:
            for beside in _beside(part):
                yield from _found(beside, seen, min(depth - 1, _NEAR))
        return
    for part in _parts(thing):
        yield from _found(part, seen, depth - 1)


def _beside(module: nn.Module) -> Iterable[Any]:
    """Return what a module may use that is none of its own modules: in hooks, lists, globals."""
    hooks = (*module._forward_pre_hooks.values(), *module._forward_hooks.values())
    if _foreign(type(module)):
        return hooks
    own = (value for name, value in vars(module).items() if name not in _OF_TORCH)
    return (*hooks, *own, type(module).forward)


def _parts(thing: Any) -> Iterable[Any]:
    """Return what a thing may use: nothing for data, types, and what is not the user's."""
    if isinstance(thing, type | types.ModuleType | Tensor | str | bytes | int | float):
        return ()
    if isinstance(thing, types.MethodType):
        return (thing.__self__, thing.__func__)
    if isinstance(thing, functools.partial):
        return (thing.func, *thing.args, *thing.keywords.values())
    if isinstance(thing, types.FunctionType):
        return _used_by(thing)
    if isinstance(thing, Mapping):
        return tuple(thing.values()) if len(thing) <= _MANY else ()
    if isinstance(thing, tuple | list | set | frozenset):
        return tuple(thing) if len(thing) <= _MANY else ()
    if _foreign(type(thing)):
        return ()
    call = getattr(type(thing), "__call__", None)  # noqa: B004 - its code is what is wanted
    return (*getattr(thing, "__dict__", {}).values(), *_slots(thing), call)


def _used_by(function: types.FunctionType) -> Iterable[Any]:
    wrapped = getattr(function, "__wrapped__", None)
    if _foreign(function) and wrapped is None:
        return ()
    held = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    given = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    named = [function.__globals__.get(name) for name in _names(function.__code__)]
    return (*held, *given, *named, wrapped)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _slots(thing: Any) -> Iterator[Any]:
    for kind in type(thing).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            yield getattr(thing, name, None)


def _is_filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:  # a name that is not bound yet
        return False
    return True


def _foreign(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).split(".")[0] in _NOT_LOOKED_INTO


def _with_modes(modules: Iterable[nn.Module]) -> tuple[nn.Module, ...]:
    """Return all modules that can be in training mode, as frozen and exported ones cannot."""
    every = {id(m): m for top in modules for m in top.modules()}
    exported = [m for m in every.values() if "train" in vars(m)]  # which says that it has no modes
    fixed = {id(part) for m in exported for part in m.modules()}
    return tuple(m for m in every.values() if id(m) not in fixed and hasattr(m, "training"))


@contextmanager
def evaluation_mode(*modules: nn.Module, warn: bool = True) -> Iterator[None]:
    """Put modules into evaluation mode, with one warning if needed, and restore them after.

    Only the ``training`` flags are touched, submodule by submodule.
    """
    training = [module for module in _with_modes(modules) if module.training]
    if training and warn:
        whole = [module for module in training if module in modules] or training
        names = ", ".join(sorted({type(module).__name__ for module in whole}))
        warnings.warn(
            f"{names} is in training mode, where one candidate can change another "
            f"(batch normalisation, dropout); evaluation mode is used meanwhile and training "
            f"mode is restored after. Call model.eval() to silence this.",
            InputWarning,
            stacklevel=3,
        )
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def restored_buffers(modules: Collection[nn.Module]) -> Iterator[None]:
    """Restore the modules' buffers (running statistics, counters) and modes after the block."""
    modes = [(module, module.training) for module in _with_modes(modules)]
    buffers = {id(b): b for top in modules for b in top.buffers() if not b.is_inference()}
    before = [(buffer, buffer.detach().clone()) for buffer in buffers.values()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, value in before:
                if not torch.equal(buffer, value):
                    buffer.copy_(value)
