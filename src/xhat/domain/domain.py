"""The noun: reference samples of a field, and everything that follows from them."""

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from xhat.constraints import Bounds, Constraint, Inequality
from xhat.core import Layout, check_mask, check_tensor
from xhat.domain.columns import Column
from xhat.domain.data import as_labels, as_samples, as_values, kind_of, shaped
from xhat.domain.fitted import Fitted
from xhat.domain.frames import is_frame
from xhat.domain.limits import limits_of, units_of
from xhat.domain.references import References
from xhat.domain.rows import directed, rows_of
from xhat.domain.schema import Schema
from xhat.judges import Judge
from xhat.spaces import Box, Masked, Space

__all__ = ["Domain"]

Structure = Callable[[Space, Tensor], Space]


class Domain(Fitted):
    """What real inputs of one field look like.

    Args:
        samples: ``(m, *x_shape)`` real samples: an array, a tensor, or a frame (pandas, polars,
            Arrow) of numbers, yes or no, and categories. Images ``(m, h, w)`` and
            ``(m, h, w, 1 or 3)`` are understood. Of a model with several inputs, the parts: a dict
            by the names of its parameters, or a tuple; side by side they are a table.
        labels: ``(m,)`` classes, numbers or words; None if there are none.
        classes: their names, in the order of the model's outputs; None for the numbers themselves,
            or for words in the order of the alphabet.
        values: ``(m,)`` or ``(m, *y_shape)``, a quantity for each sample instead of a class; None
            if there are none.
        kind: ``"image"``, ``"field"``, ``"signal"`` or ``"table"``; None to see it from the data.
        names: of the columns of a table, or of the channels; a frame has its own.
        units: the units of the columns or channels, for pages.
        limits: ``(low, high)`` that searches must keep, numbers or one for each feature. None takes
            0 to 1, or 0 to 255, for images that lie within (0 to their largest value where that is
            above 1 but below 128: no bytes), and otherwise the range of the samples and the starts.
        fixed: names of columns, or a boolean mask in the shape of one sample, that must not change.
        columns: what is known of columns of a table, by name: kind, categories, limits, and how
            they may change (``Column``); what is not said is seen from the data.
        name: of the domain, for pages and files.
        judge: your own judge; None to fit one to the half of the samples that is kept for judging.
        networks: trained networks by name (``PARTS``), instead of those that would be trained.
        references: real samples from which methods such as ``retrieval`` begin, or a function that
            makes them when they are needed; None to choose them from the half for searches.
        seed: decides the two halves and all training.

    Raises:
        TypeError: samples, labels or values that are no numbers or classes.
        ValueError: shapes that do not fit together, a kind that does not fit, unknown names.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> iris = load_iris(as_frame=True)
        >>> flowers = Domain(iris.data, iris.target, classes=iris.target_names)
        >>> flowers
        Domain(150 samples, table of 4 columns, 3 classes)
        >>> flowers.class_of("virginica"), flowers.names[0]
        (2, 'sepal length (cm)')
    """

    knows_samples: ClassVar[bool] = True
    note: ClassVar[str | None] = None

    def __init__(
        self,
        samples: Any,
        labels: Any = None,
        *,
        classes: Sequence[Any] | None = None,
        values: Any = None,
        kind: str | None = None,
        names: Sequence[str] | None = None,
        units: Sequence[str] | None = None,
        limits: tuple[Any, Any] | None = None,
        fixed: Sequence[str] | Tensor = (),
        columns: Mapping[str, Column] | None = None,
        name: str = "domain",
        judge: Judge | None = None,
        networks: Mapping[str, nn.Module] | None = None,
        references: References | Callable[[], References] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(name, seed, judge, networks, references)
        several = isinstance(samples, Mapping | tuple) and Layout.meant(samples)
        self.layout = Layout.of(samples) if several else None
        if self.layout is not None:
            samples = self.layout.pack(samples)
        self.x, schema = _table(samples, kind, names, columns or {})
        self.kind = kind_of(self.x, kind)
        known = None if labels is None else as_labels(labels, len(self.x), classes)
        self.labels = None if known is None else known.index
        self.classes = () if known is None else known.names
        self.values = None if values is None else as_values(values, len(self.x))
        if schema is None:
            self.names = _worded("names", names, self.x)
            self.units = _worded("units", units, self.x)
            self.free = ~_mask(fixed, self.names, self.x)
        else:
            schema = schema.described(fixed, units)
            self.names, self.free = schema.names, ~schema.marked("fixed")
            self.units = schema.units if any(schema.units) else None
        if not bool(self.free.any()):
            raise ValueError("fixed lets nothing change; leave something free.")
        self.schema = schema
        self.low, self.high, self.declared = limits_of(self.x, self.kind, limits, schema)
        self._structure: Structure | None = None

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.shape))
        wide = self.shape[0] if self.schema is None else len(self.schema.columns)
        what = f"table of {wide} columns" if self.kind == "table" else f"{self.kind}s of {shape}"
        also = f", {len(self.classes)} classes" if self.classes else ""
        also += ", values" if self.values is not None else ""
        return f"Domain({len(self)} samples, {what}{also})"

    def class_of(self, label: Any) -> int:
        """Return the number of a class that is given by its name or number.

        Raises:
            ValueError: there is no such class; the message lists them.
        """
        if not self.classes:
            raise ValueError("this domain has no classes; give labels= when it is made.")
        if (
            isinstance(label, int)
            and not isinstance(label, bool)
            and 0 <= label < len(self.classes)
        ):
            return label
        if str(label) in self.classes:
            return self.classes.index(str(label))
        raise ValueError(f"{label!r} is none of the classes {', '.join(self.classes)}.")

    def check_inputs(self, name: str, x: Any, *, valid: bool = True) -> Tensor:
        """Return inputs as floating point ``(n, *x_shape)``, if they are like the samples.

        A frame must have the columns of the domain; their order does not matter.

        Args:
            name: messages call them so.
            x: a tensor, an array or a frame.
            valid: whether each must be a row that the table can have, as far as the columns say.

        Raises:
            TypeError, ValueError: they are not; the message says in what.
        """
        if self.schema is not None and is_frame(x):
            return self.schema.encode(x, name, valid=valid)
        if self.layout is not None and Layout.meant(x):
            self.layout.check(x, name)
            x = self.layout.pack(x)
        x = check_tensor(name, x, floating=False)
        x = x.float()  # as the samples are, and all that is made of them
        if tuple(x.shape[1:]) != self.shape:
            x = shaped(x, self.kind)
        if tuple(x.shape[1:]) == self.shape:
            if self.schema is not None and valid:
                self.schema.check(x, name)
            return x
        one = "; for one input use x[None]" if tuple(x.shape) == self.shape else ""
        mixed = self.schema is not None and self.schema.mixed
        told = "; a frame is encoded by domain.encode(frame)" if mixed else ""
        raise ValueError(
            f"{name} must be (n, {', '.join(map(str, self.shape))}), like the reference samples, "
            f"but have shape {tuple(x.shape)}{one or told}."
        )

    def encode(self, frame: Any) -> Tensor:
        """Return rows of a frame, or an array, as the model is given them: ``(n, *x_shape)``.

        Numbers stay as they are, yes is 1 and no is 0, an ordered category is its place in the
        list, and any other category is one number for each word, of which one is 1.

        Raises:
            TypeError, ValueError: rows that are not like the samples.
        """
        return self.check_inputs("the rows", frame)

    def decode(self, x: Tensor) -> Any:
        """Return inputs ``(n, *x_shape)`` as the user has them: a frame with columns and words.

        Where there are no names of columns, an array.

        Example:
            >>> import pandas as pd
            >>> frame = pd.DataFrame({"age": [30, 41], "job": ["cook", "clerk"]})
            >>> domain = Domain(frame, [0, 1])
            >>> domain.decode(domain.encode(frame)).equals(frame)
            True
        """
        x = check_tensor("the inputs", x)
        return x.detach().cpu().numpy() if self.schema is None else self.schema.decode(x)

    @property
    def scale(self) -> Tensor:
        """The unit in which steps and distances are measured: about the range of the samples.

        ``(1,)`` for images, fields and signals; ``(1, columns)`` for a table.
        """
        return units_of(self.x, self.kind, (self.low, self.high), self.schema)

    def space(self, x0: Tensor) -> Space:
        """Return the space for starts ``(n, *x_shape)``: within the limits, in units of ``scale``.

        Limits that were inferred from the samples are widened to include the starts. Rows of a
        table are what its columns say: whole numbers are whole, of the numbers of a category one is
        1, and what may only rise, or fall, does.

        Raises:
            ValueError: a start lies outside of limits that were declared.
        """
        return self.hold(self._within(x0), x0)

    def relaxed(self, x0: Tensor) -> Space | None:
        """Return the same space, in which whole numbers and categories may be anything between.

        A search that takes many small steps goes through it; it ends in ``space``. None where that
        is the same.
        """
        if self.schema is None or not self.schema.discrete:
            return None
        return self._held(self._within(x0), x0, directed)

    def _within(self, x0: Tensor) -> Space:
        low, high, declared = self.low.to(x0), self.high.to(x0), self.declared.to(x0.device)
        like = x0.amin(dim=0, keepdim=True), x0.amax(dim=0, keepdim=True)
        if low.numel() == 1:
            like = like[0].amin().reshape(1), like[1].amax().reshape(1)
        low = torch.where(declared, low, torch.minimum(low, like[0]))
        high = torch.where(declared, high, torch.maximum(high, like[1]))
        unit = self.scale[0] if self.scale.numel() > 1 else float(self.scale)
        return Box(*_ends(low, high), unit=unit)

    def hold(self, space: Space, x0: Tensor) -> Space:
        """Return a space in which what must not change stays as in the starts.

        Args:
            space: of inputs like the samples, such as that of a decoder.
            x0: ``(n, *x_shape)``, the starts.
        """
        return self._held(space, x0, rows_of)

    def _held(
        self, space: Space, x0: Tensor, rows: Callable[[Space, Schema, Tensor], Space]
    ) -> Space:
        if not bool(self.free.all()):
            space = Masked(space, self.free, x0)
        if self.schema is not None:
            space = rows(space, self.schema, x0)
        return space if self._structure is None else self._structure(space, x0)

    @property
    def structured(self) -> bool:
        """Whether more must hold of what is searched for than the limits."""
        directed = self.schema is not None and self.schema.directed
        return self._structure is not None or directed or not bool(self.free.all())

    def within(self, structure: Structure) -> "Domain":
        """Return this domain, of which searches keep to inputs of one structure.

        Everything else (samples, judge, networks) is shared with this one.

        Args:
            structure: ``(space, x0) -> Space``, a space inside the one that it is given.

        Example:
            >>> from xhat.spaces import Symmetric
            >>> from xhat.symmetry import Mirror
            >>> images = Domain(torch.rand(9, 1, 4, 4), kind="image")
            >>> mirrored = images.within(lambda space, x0: Symmetric(space, Mirror(-1)))
            >>> x = mirrored.space(images.x).decode(mirrored.space(images.x).encode(images.x))
            >>> bool(torch.allclose(x, x.flip(-1)))
            True
        """
        found = copy.copy(self)
        found._structure = structure
        return found

    @property
    def bounds(self) -> tuple[Constraint, ...]:
        """The constraints that declared limits and columns state; empty where nothing was."""
        found: tuple[Constraint, ...] = ()
        if bool(self.declared.any()):
            low = torch.where(self.declared, self.low, -torch.inf)
            high = torch.where(self.declared, self.high, torch.inf)
            found = (Bounds(low, high),)
        if self.schema is not None and self.schema.strict:
            found = (*found, Inequality(self.schema.misses, name="rows of the table"))
        return found

    def save(self, path: str | Path) -> None:
        """Write samples, judge and trained networks into one safetensors file, whole or not at all.

        Raises:
            ValueError: a judge or a network was given, which the file could not make again.
            PermissionError: the folder cannot be written to.
        """
        from xhat.domain.files import save

        save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> "Domain":
        """Read what ``save`` wrote; nothing is fitted or trained again.

        Raises:
            UnreadableFileError: no such file, damaged, or of another version.
        """
        from xhat.domain.files import load

        return load(path)


def _worded(what: str, words: Sequence[str] | None, x: Tensor) -> tuple[str, ...] | None:
    if words is None:
        return None
    found = tuple(map(str, words))
    if len(found) != x.shape[1] or (len(set(found)) < len(found) and what == "names"):
        raise ValueError(
            f"{what} must be {x.shape[1]} different words, one for each column or channel, but are "
            f"{', '.join(found)}."
        )
    return found


def _mask(fixed: Sequence[str] | Tensor, names: tuple[str, ...] | None, x: Tensor) -> Tensor:
    """Return what must not change, in the shape of one sample."""
    if isinstance(fixed, Tensor):
        mask = check_mask(fixed, "must not change")
        if mask.shape != x.shape[1:]:
            raise ValueError(
                f"fixed must have the shape of one sample, {tuple(x.shape[1:])}, but has "
                f"{tuple(mask.shape)}."
            )
        return mask
    mask = torch.zeros(x.shape[1:], dtype=torch.bool)
    fixed = (fixed,) if isinstance(fixed, str) else fixed
    for name in fixed:
        if names is None or name not in names:
            known = "there are no names" if names is None else f"they are {', '.join(names)}"
            raise ValueError(f"fixed names {name!r}, which is no column ({known}).")
        mask[names.index(name)] = True
    return mask


def _ends(low: Tensor, high: Tensor) -> tuple[Any, Any]:
    first, second = (float(end) if end.numel() == 1 else end[0] for end in (low, high))
    return first, second


def _table(
    samples: Any, kind: str | None, names: Sequence[str] | None, columns: Mapping[str, Column]
) -> tuple[Tensor, Schema | None]:
    """Return samples as a tensor, and the schema of a table whose columns have names."""
    if is_frame(samples):
        if kind not in (None, "table"):
            raise ValueError(
                f"a frame is a table; for samples of the kind {kind} give its values alone, such "
                f"as frame.to_numpy()."
            )
        schema, x = Schema.read(samples, columns, names)
        return as_samples(x), schema
    x = shaped(as_samples(samples), kind)
    if kind_of(x, kind) == "table" and names is not None:
        schema, x = Schema.of_numbers(x, _worded("names", names, x) or (), columns)
        return x, schema
    if columns:
        raise ValueError(
            "columns= says of the columns of a table what they hold; give a frame, or names= "
            "for the columns of an array."
        )
    return x, None
