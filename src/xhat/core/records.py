"""Records that hold one row per candidate.

A space, an objective or a constraint may hold tensors with one row per candidate (targets,
starts, radii). When some candidates leave the batch, ``select`` narrows the record to the rest;
nothing else in the library needs to know which tensors those are.
"""

import copy
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from xhat.core.layout import Layout
from xhat.core.models import modules_of

__all__ = ["PerCandidate", "per_row"]


class PerCandidate:
    """Mixin of everything that may hold one row per candidate.

    A subclass names such tensor attributes in ``per_candidate`` and its callables in ``models``;
    attributes that are themselves ``PerCandidate`` (or tuples of them) are followed. A tensor of
    one row is shared by all; a callable may be None.
    """

    per_candidate: ClassVar[tuple[str, ...]] = ()
    models: ClassVar[tuple[str, ...]] = ()

    @property
    def rows(self) -> int:
        """The number of candidates this is made for; 1 means any number."""
        counts = [(getattr(self, name).shape[0], name) for name in self.per_candidate]
        counts += [(part.rows, type(part).__name__) for part in self._parts()]
        made_for = {count: name for count, name in counts if count != 1}
        if len(made_for) > 1:
            parts = " and ".join(f"{name} for {count}" for count, name in made_for.items())
            raise ValueError(
                f"{type(self).__name__} has parts made for different numbers of candidates: "
                f"{parts}; give one row per candidate, or a single row for all."
            )
        return next(iter(made_for), 1)

    def select(self, index: Tensor) -> Self:
        """Return the same record for the candidates at ``index``, ``(m,)`` integers."""

        def narrow(tensor: Tensor) -> Tensor:
            return tensor if tensor.shape[0] == 1 else tensor[index.to(tensor.device)]

        return self._map(narrow, lambda part: part.select(index))

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """Return the same record with its own tensors (not its models) moved and cast.

        Integer and boolean tensors keep their type. Tensors made in inference mode are copied,
        since autograd refuses them.
        """

        def move(tensor: Tensor) -> Tensor:
            moved = tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)
            return moved.clone() if moved.is_inference() else moved

        return self._map(move, lambda part: part.to(device, dtype))

    def measured_in(self, span: Tensor | None) -> Self:
        """Return the same record with distances whose unit is left open measured in ``span``.

        Args:
            span: the range of each feature, ``(1, *x_shape)`` or ``(1,)``; None for 1.
        """
        return self if span is None else self._map(_same, lambda part: part.measured_in(span))

    def modules(self) -> Iterator[nn.Module]:
        """Yield every ``nn.Module`` that a model of this record, or of a part of it, is or owns."""
        for model in self._callables():
            owner = getattr(model, "__self__", model)  # of a bound method, such as ``vae.decode``
            if isinstance(owner, nn.Module):
                yield owner
        for part in self._parts():
            yield from part.modules()

    def hidden_modules(self) -> Iterator[nn.Module]:
        """Yield the same, and every module that its callables use: in closures, partials, objects.

        They may include modules that are never called. Their state is saved and restored, no more.
        """
        for model in self._callables():
            yield from modules_of(model)
        for part in self._parts():
            yield from part.hidden_modules()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be known of how its models are asked; usually nothing."""
        return tuple(dict.fromkeys(said for part in self._parts() for said in part.remarks))

    @property
    def untold(self) -> bool:
        """Whether a remark is a warning that nobody has had yet; asking counts as telling."""
        return sum(part.untold for part in self._parts()) > 0  # all are asked

    def settled(self) -> Any:
        """Return the same record with every model as the first looks have shown that it needs."""
        return self._map(lambda tensor: tensor, lambda part: part.settled())

    def laid_out(self, layout: Layout) -> Any:
        """Return the same record for inputs of several parts, side by side in one tensor."""
        return self._map(lambda tensor: tensor, lambda part: part.laid_out(layout))

    def compiled(self, backend: str) -> Self:
        """Return the same record with every model wrapped by ``torch.compile``."""

        def wrap(value: Any) -> Any:
            return torch.compile(value, backend=backend)

        new = self._map(_same, lambda part: part.compiled(backend))
        for name in self.models:
            value = getattr(self, name)
            if value is not None and not isinstance(value, PerCandidate):
                object.__setattr__(new, name, wrap(value))
        return new

    def _callables(self) -> Iterator[Any]:
        return (
            value
            for name in self.models
            if not isinstance(value := getattr(self, name), PerCandidate)
        )

    def _parts(self) -> Iterator["PerCandidate"]:
        for value in vars(self).values():
            if isinstance(value, PerCandidate):
                yield value
            elif isinstance(value, tuple):
                yield from (part for part in value if isinstance(part, PerCandidate))

    def _map(self, on_tensor: Any, on_part: Any) -> Self:
        new = copy.copy(self)
        for name, value in vars(self).items():
            if name in self.per_candidate:
                changed = on_tensor(value)
            elif isinstance(value, PerCandidate):
                changed = on_part(value)
            elif isinstance(value, tuple):
                changed = tuple(on_part(v) if isinstance(v, PerCandidate) else v for v in value)
            else:
                continue
            object.__setattr__(new, name, changed)  # records may be frozen dataclasses
        return new


def _same(tensor: Tensor) -> Tensor:
    return tensor


def per_row(values: Tensor, like: Tensor) -> Tensor:
    """Return ``values``, ``(n,)``, shaped to broadcast over the rows of ``like``, ``(n, ...)``."""
    return values.reshape(-1, *(1 for _ in range(like.ndim - 1)))
