"""Models as they come: any callable as a function from one tensor to one tensor.

    x (n, *x_shape) ─parts, type, copy→ model(…, given) ─which output→ y (n, …)

A search moves one tensor and looks at one tensor. What people bring takes several inputs, returns
tuples and records, has weights of half precision, works in place, or serves one sample at a time.
``Model`` stands in between. What a callable needs is found out when it is first asked: it is asked
plainly, and only where that fails, or what comes back is not of the expected kind, otherwise.
After the first look a search holds a callable that needs nothing itself, with nothing around it.
"""

import copy
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.core.apart import apart, checkpoints
from xhat.core.errors import is_raised_here
from xhat.core.layout import Layout
from xhat.core.models import modules_of
from xhat.core.outputs import Head, Key, Returns, as_logits, head_of, picked, which_output
from xhat.core.records import PerCandidate

__all__ = ["NO_GRADIENT", "Model"]

NO_GRADIENT = (
    "; a model without gradients is searched by xhat.optimize(model, x0, target, domain=domain), "
    "which distils a surrogate of it on the domain's samples"
)
"""What to do with a model that only answers: the end of a sentence."""

_SIZES = (2, 4, 8, 16, 32, 64, 128)  # of batches that a model may be made for
_LARGEST = 4096
_NUMBERS = re.compile(r"\d+")
_OTHER_TYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_NOT_OF_INPUTS = (TypeError, KeyError, AttributeError, NameError, OSError)
_SAMPLE = 0  # a batch size: one sample without the axis of the batch


@dataclass(frozen=True)
class _Way:
    """How a callable is asked; as it stands, plainly.

    Attributes:
        output: which of its outputs is meant; None for the only one.
        dtype: of its inputs; None for that of the search.
        batch: how many rows it takes at once; None for any number, ``_SAMPLE`` for one sample.
        copied: whether it gets copies, since it works in place.
        apart: whether its gradient is computed in a pass of its own.
        back: whether its outputs are cast to the type of the search.
        head: what its outputs are, if not logits.
    """

    output: Key | None = None
    dtype: torch.dtype | None = None
    batch: int | None = None
    copied: bool = False
    apart: bool = False
    back: bool = False
    head: Head = ""


class _Known:
    """What the first looks at a callable have shown, shared by all narrowed copies of a model."""

    def __init__(self, way: _Way) -> None:
        self.way, self.headed, self.told = way, False, False
        self.by_name: bool | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is said of it: in the notes of a result."""
        said = []
        if self.way.head:
            said.append(_HEADS[self.way.head])
        if self.way.batch in (_SAMPLE, 1):
            said.append("the model answers one sample at a time, and is asked so")
        elif self.way.batch is not None:
            said.append(
                f"the model takes batches of {self.way.batch} only; smaller ones are filled up"
            )
        return tuple(said)


_PLACED = (
    "the model takes {0} rows at once, and answers each in another way; what belongs to each "
    "candidate is given beside it, as in given={{'table': table}}, and passed by name"
)
_HEADS = {
    "probabilities": (
        "the model returns probabilities, not logits; their logarithms are used, which ask the "
        "same, but less exactly where they are near 0 and 1. Leave out its softmax"
    ),
    "probability": (
        "the model returns one probability, which is taken for that of class 1 against class 0; "
        "their logarithms are used. Leave out its sigmoid to be more exact"
    ),
    "logit": (
        "the model returns one number, which is taken for the logit of class 1 against class 0; "
        "for a quantity use Match or Maximize, or the goals Value, Within and Most"
    ),
}


class _Given(PerCandidate):
    """A condition, passed to a model by its name."""

    per_candidate: ClassVar[tuple[str, ...]] = ("value",)

    def __init__(self, name: str, value: Tensor) -> None:
        self.name, self.value = name, value


class Model(PerCandidate):
    """A callable as a function from one tensor ``(n, *x_shape)`` to one tensor ``(n, ...)``.

    Every objective makes one of the callable that it gets. To name an output, or to give further
    inputs, say it there (``CrossEntropy(f, 1, output="logits", given={"table": table})``), or make
    a ``Model`` where several parts ask the same one, or where a space or a constraint does.

    Found out by itself, when it is first asked: outputs in tuples, mappings and records; weights of
    another type, to which inputs are cast and from which outputs are cast back; layers that work in
    place, which get a copy; reentrant checkpoints; a fixed size of batches, which are filled up;
    models of one sample, which are asked one at a time.

    Args:
        function: differentiable; a module, a function, or what ``torch.jit`` or ``torch.export``
            made of one.
        output: the name or number of the output that is meant; None finds it: ``logits``, a sole
            tensor, or the only one of fitting shape.
        given: further inputs by name, passed as keywords: a tensor of ``n`` rows (one for each
            candidate) or of one row for all; anything else is passed as it is.

    Raises:
        TypeError: the function cannot be called, or ``given`` has no names.
        ValueError: when it is asked: ``output`` is not among its outputs, or it has several.

    Example:
        >>> def net(x, scale):
        ...     return {"logits": x * scale, "hidden": x}
        >>> model = Model(net, output="logits", given={"scale": torch.tensor([[1.0], [2.0]])})
        >>> model(torch.ones(2, 3)).tolist()
        [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]
        >>> model.select(torch.tensor([1]))(torch.ones(1, 3)).tolist()
        [[2.0, 2.0, 2.0]]
    """

    models: ClassVar[tuple[str, ...]] = ("function",)

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        output: Key | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.function = _callable(function)
        self.output = output
        self.returns: Returns = "values"
        self.layout: Layout | None = None
        self.conditions, self.options = _conditions(given)
        self._known = _Known(_Way(output))
        self._settled, self._found = False, None

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        returns: Returns = "values",
        *,
        output: Key | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> "Model":
        """Return a model of a callable, or of a ``Model`` with further settings.

        Args:
            function: either.
            returns: what is expected: logits ``(n, classes)``, values ``(n, ...)``, or one loss
                for each candidate.
            output: as of a ``Model``.
            given: likewise; added to what it has.
        """
        if not isinstance(function, Model):
            new = cls(function, output=output, given=given)
            new.returns = returns
            return new
        if output is None and not given and returns == function.returns:
            return function
        new = copy.copy(function)
        conditions, options = _conditions(given)
        new.returns, new.output = returns, function.output if output is None else output
        new.conditions, new.options = (
            (*new.conditions, *conditions),
            {**new.options, **options},
        )
        new._known, new._settled = _Known(_Way(new.output)), False
        return new

    def laid_out(self, layout: Layout) -> "Model":
        """Return the same for inputs of several parts, side by side in one flat tensor."""
        new = copy.copy(self)
        new.layout, new._known, new._settled = layout, _Known(_Way(self.output)), False
        return new

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be known of how it is asked; usually nothing."""
        return self._known.remarks

    @property
    def untold(self) -> bool:
        """Whether nobody has been warned of its outputs yet; asking says so only once."""
        untold = bool(self._known.way.head) and not self._known.told
        self._known.told = True
        return untold

    def settled(self) -> Any:
        """Return the callable itself where nothing is needed around it, else what asks it."""
        plain = self._known.way == _Way() and self.layout is None
        if plain and not self.conditions and not self.options:
            return self.function
        new = copy.copy(self)
        new._settled = True
        return new

    def identity(self) -> tuple[Any, ...]:
        """Return what its answers depend on, which what asking has shown of it does not change."""
        given = self.function, self.output, self.returns, self.layout
        return *given, self.conditions, self.options

    def __call__(self, x: Tensor, *more: Any) -> Any:
        """Return the output that is meant, ``(n, ...)``, for ``x``, ``(n, *x_shape)``."""
        if self._settled:
            return self._answer(x, self._known.way, more)
        return self._first_looks(x, more)

    # how it is asked

    def _answer(self, x: Tensor, way: _Way, more: tuple[Any, ...] = ()) -> Any:
        if way.apart:
            y = apart(lambda leaf: self._batches(leaf, way, more), x, self.function)
        else:
            y = self._batches(x, way, more)
        return as_logits(y, way.head)

    def _batches(self, x: Tensor, way: _Way, more: tuple[Any, ...]) -> Any:
        rows, size = len(x), way.batch
        if size is None:
            return self._one(x, slice(None), way, more)
        if size == _SAMPLE:
            return torch.stack([self._one(x[i], i, way, more) for i in range(rows)])
        parts = []
        for first in range(0, rows, size):
            index = torch.arange(first, first + size, device=x.device).clamp_max(rows - 1)
            y = self._one(x[index], index, way, more)
            y = y[None] if size == 1 and (y.ndim == 0 or len(y) != 1) else y
            if len(y) != size:
                raise _Unfit(y)
            parts.append(y[: rows - first])
        return torch.cat(parts)

    def _one(self, x: Tensor, index: Any, way: _Way, more: tuple[Any, ...]) -> Any:
        cast = x.dtype if way.dtype is None else way.dtype
        given = {each.name: self._condition(each, x, index) for each in self.conditions}
        if way.dtype is not None:
            given = {
                name: value.to(cast) if value.is_floating_point() else value
                for name, value in given.items()
            }
        if way.copied:
            given = {name: value.clone() for name, value in given.items()}
        entering = x.clone() if way.copied and cast == x.dtype else x.to(cast)
        y = self._call(entering, given | self.options, more)
        if way.output is not None:
            y = picked(y, way.output)
        elif not isinstance(y, Tensor):
            self._found = which_output(y, None if isinstance(index, int) else len(x), self.returns)
            y = y if self._found is None else picked(y, self._found)
        return y.to(_kind(y, x.dtype)) if way.back and isinstance(y, Tensor) else y

    def _condition(self, each: _Given, x: Tensor, index: Any) -> Tensor:
        value = each.value.to(x.device)
        if len(value) == 1:
            return value[0] if isinstance(index, int) else value.expand(len(x), *value.shape[1:])
        if isinstance(index, slice) and len(value) != len(x):
            raise ValueError(
                f"the model is given {each.name} for {len(value)} candidates, but asked about "
                f"{len(x)}; give one row for each, or a single row for all."
            )
        return value[index]

    def _call(self, x: Tensor, given: dict[str, Any], more: tuple[Any, ...]) -> Any:
        if self.layout is None:
            return self.function(x, *more, **given)
        parts = self.layout.unpack(x)
        if isinstance(parts, tuple):
            return self.function(*parts, *more, **given)
        if self._known.by_name is None:
            self._known.by_name = not more and _takes(self.function, parts | given)
        if self._known.by_name:
            return self.function(**parts, **given)
        return self.function(parts, *more, **given)

    # what it needs

    def _first_looks(self, x: Tensor, more: tuple[Any, ...]) -> Any:
        """Ask, and remember how."""
        known = self._known
        try:
            y, way = self._tried(x, replace(known.way, head=""), more)
        except _Unfit as unfit:
            y, way = unfit.y, replace(known.way, head="")
        except Exception as error:
            if is_raised_here(error) or isinstance(error, _NOT_OF_INPUTS):
                raise
            y, way = self._otherwise(x, more, error)
        if not isinstance(y, Tensor):
            return y
        way = replace(way, head=known.way.head)
        if self.returns == "logits" and not known.headed:
            plain = replace(way, head="")
            way = replace(way, head=head_of(y, x, lambda far: self._answer(far, plain, more)))
            known.headed = True
        known.way = way
        return as_logits(y, way.head)

    def _tried(self, x: Tensor, way: _Way, more: tuple[Any, ...]) -> tuple[Any, _Way]:
        """Return what comes back where a callable is asked in some way, and that way completed.

        Raises:
            _Unfit: what comes back is not one row for each candidate.
        """
        watched = _Watched(self, x)
        y = watched.answer(way, more)
        if watched.changed and not way.copied:
            way = replace(way, copied=True)
        if watched.model._found is not None:
            way = replace(way, output=watched.model._found)
        if not isinstance(y, Tensor):
            return y, way
        if not way.back and _coarser(y, x):
            way = replace(way, back=True)
            y = y.to(_kind(y, x.dtype))
        if not way.apart and (way.dtype == torch.float16 or checkpoints(y)):
            way = replace(way, apart=True)
            y = self._answer(x, way, more)
        if self.returns != "loss" and y.ndim > 0 and len(y) != len(x):
            found = self._by_rows(x, way, more)
            if found is None:
                raise _Unfit(y)
            return found
        return y, way

    def _by_rows(self, x: Tensor, way: _Way, more: tuple[Any, ...]) -> tuple[Tensor, _Way] | None:
        for size in (1, _SAMPLE):
            tried = replace(way, batch=size)
            try:
                y = self._answer(x, tried, more)
            except Exception:  # noqa: BLE001, S112 - whatever the code of others raises
                continue
            if len(y) == len(x):
                return y, tried
        return None

    def _otherwise(self, x: Tensor, more: tuple[Any, ...], error: Exception) -> tuple[Any, _Way]:
        """Return what another way gives, where there is one; raise the error where there is none.

        Whoever fails by chance gets a second try as it is.
        """
        others, placed = _others(self.function, _Way(self.output), x, error, whole=bool(more)), 0
        for way in (self._known.way, *others):
            try:
                y, way = self._tried(x, replace(way, head=""), more)
                if way.batch is None or way.batch < 2 or self._equal_rows(x, way):
                    return y, way
                placed = way.batch
            except Exception:  # noqa: BLE001, S112 - whatever the code of others raises
                continue
        if placed:
            raise ValueError(_PLACED.format(placed)) from error
        raise error

    def _equal_rows(self, x: Tensor, way: _Way) -> bool:
        """Return whether a full batch of one row gets one answer, wherever it stands in it."""
        with torch.no_grad():
            y = self._batches(x[:1].expand(way.batch or 1, *x.shape[1:]), way, ())
        return torch.allclose(y, y[:1].expand_as(y), rtol=1e-2, atol=1e-3, equal_nan=True)


class _Unfit(Exception):  # noqa: N818 - a question, no failure
    """What came back has another number of rows than what was asked about."""

    def __init__(self, y: Tensor) -> None:
        super().__init__("rows")
        self.y = y


class _Watched:
    """One call with copies, by which it shows whether a callable works in place."""

    def __init__(self, model: Model, x: Tensor) -> None:
        self.model = copy.copy(model)
        self.model.conditions = tuple(
            _Given(each.name, each.value.clone()) for each in model.conditions
        )
        self.x = x.clone()
        self.before = self._versions()

    def _versions(self) -> list[int]:
        tensors = [self.x, *(each.value for each in self.model.conditions)]
        return [0 if tensor.is_inference() else tensor._version for tensor in tensors]

    def answer(self, way: _Way, more: tuple[Any, ...]) -> Any:
        return self.model._answer(self.x, way, more)

    @property
    def changed(self) -> bool:
        return self._versions() != self.before


def _others(
    function: Any, way: _Way, x: Tensor, error: Exception, *, whole: bool
) -> Iterator[_Way]:
    """Yield the ways in which a callable may be asked that refuses the way it was asked.

    What it gets beside ``x``, if anything, is not narrowed with it.
    """
    own = [
        tensor.dtype
        for module in modules_of(function)
        for tensor in (*module.parameters(), *module.buffers())
        if tensor.is_floating_point()
    ]
    types = [each for each in dict.fromkeys((*own, *_OTHER_TYPES)) if each != x.dtype]
    named = [int(number) for number in _NUMBERS.findall(str(error)[:1000])]
    sizes = [size for size in dict.fromkeys((*named, *_SIZES)) if 1 < size <= _LARGEST]
    yield way
    for dtype in types:
        yield replace(way, dtype=dtype, back=True)
    for dtype in () if whole else (None, *(types[:1] if own else ())):
        for batch in (1, _SAMPLE, *sizes):
            yield replace(way, dtype=dtype, back=dtype is not None, batch=batch)


def _coarser(y: Tensor, x: Tensor) -> bool:
    """Whether outputs have fewer digits than the search works with."""
    if not (y.is_floating_point() or y.is_complex()) or not x.is_floating_point():
        return False
    return torch.finfo(y.dtype).eps > torch.finfo(x.dtype).eps


def _kind(y: Tensor, real: torch.dtype) -> torch.dtype:
    return (
        y.dtype
        if not (y.is_floating_point() or y.is_complex())
        else (torch.promote_types(real, torch.complex64) if y.is_complex() else real)
    )


def _takes(function: Any, named: Mapping[str, Any]) -> bool:
    """Return whether a callable has parameters of these names."""
    inner = getattr(function, "_orig_mod", function)  # of a compiled module
    forward = getattr(inner, "forward", inner)
    if hasattr(forward, "schema"):  # of a scripted module, which has no signature
        return set(named) <= {argument.name for argument in forward.schema.arguments}
    try:
        inspect.signature(forward).bind(**named)
    except (TypeError, ValueError):  # other parameters, or none that can be read
        return False
    return True


def _callable(function: Any) -> Any:
    if isinstance(function, type):
        raise TypeError(f"the model must be an instance, but {function.__name__} is a class.")
    if type(function).__module__.startswith("torch.export") and hasattr(function, "module"):
        return function.module()  # an exported program, which is not called itself
    if not callable(function):
        answers = hasattr(function, "predict") or hasattr(function, "run")
        raise TypeError(
            f"the model must be callable, not {type(function).__name__}"
            f"{NO_GRADIENT if answers else ''}."
        )
    return function


def _conditions(given: Mapping[str, Any] | None) -> tuple[tuple[_Given, ...], dict[str, Any]]:
    """Return the conditions that have rows, and what is passed as it is."""
    if given is None:
        return (), {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise TypeError(
            f"given must name further inputs of the model, as in given={{'table': table}}, but is "
            f"{type(given).__name__}."
        )
    rows, options = [], {}
    for name, value in given.items():
        if hasattr(value, "__array__") and not isinstance(value, Tensor):
            value = torch.as_tensor(value)
        if isinstance(value, Tensor) and value.ndim > 0:
            rows.append(_Given(name, value))
        else:
            options[name] = value
    return tuple(rows), options
