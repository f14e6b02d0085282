"""Frames of pandas, polars or Arrow: read column by column, and made again.

Which library a frame is of does not matter here: narwhals reads all of them alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xhat.core import extra

__all__ = ["Given", "frame_of", "given_columns", "is_frame", "made_frame"]

STORED = ("float", "int", "bool", "word", "categorical")
"""What the entries of a column are in the user's own frame."""


@dataclass(frozen=True)
class Given:
    """One column as the user has it.

    Attributes:
        name: of the column.
        stored: of ``STORED``.
        values: ``(n,)`` float64 for numbers and booleans, else objects.
        categories: that a categorical column lists, in its order; empty for other columns.
        ordered: whether that order means something.
    """

    name: str
    stored: str
    values: np.ndarray
    categories: tuple[Any, ...] = ()
    ordered: bool = False

    @property
    def numeric(self) -> bool:
        """Whether its entries are numbers or booleans."""
        return self.stored in ("float", "int", "bool")

    @property
    def listed(self) -> list[Any]:
        """The entries as the user has them."""
        return _entries(self) if not self.numeric else _entries(self).tolist()


def is_frame(samples: Any) -> bool:
    """Return whether samples have columns with names."""
    return hasattr(samples, "columns") and not isinstance(samples, np.ndarray)


def frame_of(samples: Any) -> Any:
    """Return a frame as narwhals has it.

    Raises:
        MissingExtraError: narwhals is not installed.
        TypeError: it is no frame in memory, such as a lazy one.
    """
    with extra("tables", "frames (arrays do without) need"):
        import narwhals.stable.v2 as nw
    try:
        return nw.from_native(samples, eager_only=True)
    except TypeError as error:
        raise TypeError(
            f"samples must be numbers in an array, or a frame of pandas, polars or Arrow that is "
            f"in memory, not {type(samples).__name__}."
        ) from error


def given_columns(samples: Any, what: str) -> tuple[list[Given], str]:
    """Return the columns of a frame, and the library that it is of.

    Args:
        samples: the frame.
        what: messages call it, such as "the starts".

    Raises:
        TypeError: a column of what is neither numbers nor categories.
        ValueError: no columns, or missing values; the message says where.
    """
    frame = frame_of(samples)
    if not frame.columns:
        raise ValueError("the frame has no columns.")
    found = [_given(frame[name], str(name), what) for name in frame.columns]
    return found, str(frame.implementation.name).lower()


def _given(series: Any, name: str, what: str) -> Given:
    import narwhals.stable.v2 as nw

    dtype = series.dtype
    missing = series.is_null().to_numpy()
    if missing.any():
        raise ValueError(_missing(name, missing, what))
    if dtype.is_numeric():
        values = np.asarray(series.to_numpy()).astype(np.float64)
        if np.isnan(values).any():
            raise ValueError(_missing(name, np.isnan(values), what))
        return Given(name, "int" if dtype.is_integer() else "float", values)
    if dtype == nw.Boolean:
        return Given(name, "bool", np.asarray(series.to_numpy()).astype(np.float64))
    words = series.to_list()
    if dtype in (nw.Categorical, nw.Enum):
        categories, ordered = _listed(series)
        return Given(name, "categorical", _objects(words), categories, ordered)
    if all(isinstance(word, str) for word in words):
        return Given(name, "word", _objects(words))
    if all(isinstance(word, bool | np.bool_) for word in words):
        return Given(name, "bool", np.asarray(words, dtype=np.float64))
    raise TypeError(
        f"the column {name!r} holds {dtype}, which is neither numbers, yes or no, nor words; make "
        f"of it what matters, such as a number of days or a category, or leave it out."
    )


def _listed(series: Any) -> tuple[tuple[Any, ...], bool]:
    """Return the categories of a column in their order, and whether the order means something."""
    native = series.to_native()
    dtype = getattr(native, "dtype", getattr(native, "type", None))
    ordered = bool(getattr(dtype, "ordered", False))
    return tuple(series.cat.get_categories().to_list()), ordered


def _objects(words: Sequence[Any]) -> np.ndarray:
    found = np.empty(len(words), dtype=object)
    found[:] = words
    return found


def _missing(name: str, missing: np.ndarray, what: str) -> str:
    count, first = int(missing.sum()), int(missing.argmax())
    values = "a missing value" if count == 1 else f"{count} missing values"
    return (
        f"the column {name!r} of {what} has {values} (the first in row {first}); leave these rows "
        f"out, or say what they are: a typical number, or a category of their own, such as "
        f"'unknown'."
    )


def made_frame(columns: Mapping[str, Given], library: str) -> Any:
    """Return columns as a frame of a library, with the entries that the user's own had.

    Raises:
        MissingExtraError: neither pandas nor what the frame is to be of is installed.
    """
    if library == "pandas":
        return _pandas(columns)
    with extra("tables", "frames (decode of a table without names does without) need"):
        import narwhals.stable.v2 as nw
    kind: Any = library
    frame = nw.from_dict({name: _entries(each) for name, each in columns.items()}, backend=kind)
    listed = [
        nw.col(name).cast(nw.Enum(list(each.categories)))
        for name, each in columns.items()
        if each.stored == "categorical" and library == "polars"
    ]
    return (frame.with_columns(*listed) if listed else frame).to_native()


def _pandas(columns: Mapping[str, Given]) -> Any:
    with extra("tables", "frames need"):
        import pandas as pd
    return pd.DataFrame(
        {
            name: pd.Categorical(each.values, list(each.categories), ordered=each.ordered)
            if each.stored == "categorical"
            else _entries(each)
            for name, each in columns.items()
        }
    )


def _entries(column: Given) -> Any:
    if not column.numeric:
        return column.values.tolist()
    kinds = {"int": np.int64, "bool": np.bool_, "float": np.float64}
    return column.values.astype(kinds[column.stored])
