"""A tape: the tensor operations of one step, written down once and played again and again.

The Python of a model, of autograd and of this library takes longer than the arithmetic of a small
network. What torch is asked to do below all of it is the same in every step of a batch that keeps
its shape: a list of operations on inputs, on what earlier ones made, and on what stays the same.
The tape is that list, as one Python function. Writing it down costs about three steps
(``torch.fx``'s ``make_fx`` does the same with a graph to transform, in 0.1 s).

What a list cannot hold has no tape: numbers that are read by the host, draws from a generator,
buffers that are written to, shapes that depend on values. Whether the rest is right is for the
caller to try: see ``same``.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from math import isfinite
from types import BuiltinFunctionType, MethodDescriptorType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Tape", "same"]

_READ = (torch.Tag.data_dependent_output, torch.Tag.nondeterministic_seeded)
_NAMES = ("detach", "alias")  # other names of the same tensor, without autograd
_OF_SHAPES = ("ones_like", "zeros_like", "full_like", "empty_like", "new_zeros", "new_ones")
_REFUSED = ("set_", "resize_", "_local_scalar_dense", "equal", "is_nonzero", "nonzero", "item")


class Tape:
    """A function from tensors to tensors, played without autograd.

    It is faster by what Python costs, and wrong where the function is another one the next time.

    Args:
        function: of a sequence of tensors, which are not written to; returns a sequence of them.
        inputs: to write it down with.

    Attributes:
        outputs: what the function returned for these inputs.
        play: the list of operations; None where the function has no tape.
    """

    def __init__(
        self, function: Callable[[Sequence[Tensor]], Sequence[Tensor]], inputs: Sequence[Tensor]
    ) -> None:
        with _Recorder() as recorder:
            self.outputs = list(function(inputs))
        self.play: Callable[..., tuple[Tensor, ...]] | None = None
        if not recorder.refused:
            self.play = _Writer(recorder, inputs).written(self.outputs)

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return what the operations make of other inputs of the same shapes, under ``no_grad``."""
        if self.play is None:
            raise RuntimeError("this function has no tape.")
        return self.play(*inputs)


def same(ones: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """Return whether two runs agree to float tolerance, NaN where the other has NaN."""
    pairs = [(one, other) for one, other in zip(ones, others, strict=True) if one is not other]
    agree = [
        torch.isclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True).all()
        if one.is_floating_point()
        else (one == other).all()
        for one, other in pairs
    ]
    return not agree or bool(torch.stack(agree).all())


class _Recorder(TorchDispatchMode):
    """Writes down every operation below autograd, and keeps what they made alive."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []
        self.made, self.written = set[int](), set[int]()
        self.refused = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        self.calls.append((func, args, kwargs, found))
        given = {_place(tensor) for tensor in _tensors((args, kwargs))}
        self.made |= {_place(tensor) for tensor in _tensors(found)} - given
        name, schema = func.overloadpacket.__name__, func._schema
        self.refused |= name in _REFUSED or any(tag in func.tags for tag in _READ)
        if torch.Tag.dynamic_output_shape in func.tags:  # of ``index``: by booleans only
            self.refused |= name != "index" or any(t.dtype == torch.bool for t in _tensors(args[1]))
        if schema.is_mutable:
            given = zip(schema.arguments, args, strict=False)
            for argument, value in (*given, *_named(schema, kwargs)):
                if argument.alias_info is not None and argument.alias_info.is_write:
                    places = {_place(tensor) for tensor in _tensors(value)}
                    self.written |= places
                    self.refused |= not places <= self.made
        return found


class _Writer:
    """Makes one Python function of the operations, without those that nobody needs."""

    def __init__(self, recorder: _Recorder, inputs: Sequence[Tensor]) -> None:
        self.recorder = recorder
        self.names = {id(tensor): f"i{number}" for number, tensor in enumerate(inputs)}
        self.head = ", ".join(self.names[id(tensor)] for tensor in inputs)
        self.own = recorder.made | {_place(tensor) for tensor in inputs}
        self.scope: dict[str, Any] = {}  # keeps what is bound alive, so that no id comes twice
        self.bound: dict[int, str] = {}
        self.lines: list[tuple[str, list[str], set[str], bool]] = []
        self.known, self.count = dict[str, list[str]](), count()
        self.right, self.used = True, set[str]()

    def written(self, outputs: Sequence[Tensor]) -> Callable[..., tuple[Tensor, ...]] | None:
        """Return the function; None where something in it has come from nowhere."""
        for call in self.recorder.calls:
            self._add(*call)
        given = "".join(f"{self._name(tensor)}, " for tensor in outputs)
        if not self.right:
            return None
        kept, needed = list[str](), {name.strip() for name in given.split(",")}
        for text, makes, takes, writes in reversed(self.lines):
            if not (writes or needed.intersection(makes)):
                continue
            last = sorted({*takes, *makes} - needed)
            kept += [f"    del {', '.join(last)}"] if last else []
            kept.append(f"    {text}")
            needed |= takes
        body = "\n".join((f"def play({self.head}):", *reversed(kept), f"    return ({given})"))
        exec(body, self.scope)  # noqa: S102 - names of ours and of torch's operations alone
        return self.scope["play"]

    def _add(self, func: Any, args: Any, kwargs: Any, found: Any) -> None:
        name, made = func.overloadpacket.__name__, list(_tensors(found))
        if name in _NAMES:
            self.names[id(found)] = self._name(args[0])
            return
        writes = func._schema.is_mutable
        fixed = name in _OF_SHAPES or all(self._is_fixed(t) for t in _tensors((args, kwargs)))
        if fixed and not writes and not any(_place(t) in self.recorder.written for t in made):
            for tensor in made:
                self._fix(tensor)
            return
        self.used = set[str]()
        given = [self._text(value) for value in args]
        given += [f"{key}={self._text(value)}" for key, value in kwargs.items()]
        takes = {used for used in self.used if used[0] == "v"}
        call = f"{self._bound(_fast(func))}({', '.join(given)})"
        pure = not writes and self.recorder.written.isdisjoint(
            map(_place, (*made, *_tensors(args)))
        )
        if pure and call in self.known:  # asked before
            self.names |= zip(map(id, made), self.known[call], strict=True)
            return
        makes = list[str]()
        for tensor in made:
            known = self.names.get(id(tensor)) if writes else None
            makes.append(known or f"v{next(self.count)}")
            self.names[id(tensor)] = makes[-1]
        if pure:
            self.known[call] = list(makes)
        self.lines.append((f"{self._target(found)} = {call}", makes, takes, writes))

    def _target(self, found: Any) -> str:
        """Return the names of all that an operation makes, in their lists."""
        if isinstance(found, list | tuple):
            return f"[{', '.join(map(self._target, found))}]"
        return self.names[id(found)] if isinstance(found, Tensor) else "_"

    def _is_fixed(self, tensor: Tensor) -> bool:
        name = self.names.get(id(tensor))
        return _place(tensor) not in self.own if name is None else name[0] == "k"

    def _fix(self, tensor: Tensor) -> str:
        name = self._bound(tensor.detach())
        self.names[id(tensor)] = name
        return name

    def _name(self, tensor: Tensor) -> str:
        name = self.names.get(id(tensor))
        if name is None:
            self.right &= _place(tensor) not in self.own or tensor.numel() == 0
            name = self._fix(tensor)
        self.used.add(name)
        return name

    def _text(self, value: Any) -> str:
        if isinstance(value, Tensor):
            return self._name(value)
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self._text, value))}]"
        if value is None or isinstance(value, bool | int):
            return repr(value)
        if isinstance(value, float) and isfinite(value):
            return repr(value)
        return self._bound(value)

    def _bound(self, value: Any) -> str:
        name = self.bound.setdefault(id(value), f"k{len(self.scope)}")
        self.scope[name] = value
        return name


def _fast(func: Any) -> Any:
    """Return torch's own function for an operation, where there is one: half the time to call."""
    if func.namespace != "aten":
        return func
    name = func.overloadpacket.__name__
    own = getattr(torch, name, None)
    if isinstance(own, BuiltinFunctionType):
        return own
    own = getattr(Tensor, name, None)
    return own if isinstance(own, MethodDescriptorType) else func


def _named(schema: Any, kwargs: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    yield from ((one, kwargs[one.name]) for one in schema.arguments if one.name in kwargs)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors(one)


def _place(tensor: Tensor) -> int:
    """Return where a tensor's numbers lie."""
    return tensor.untyped_storage().data_ptr()
