"""What users bring: their model, by name, and their arrays, by file."""

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from xhat.core import UnreadableFileError

__all__ = ["load_model", "read_array", "read_samples", "read_starts", "read_targets"]

_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def load_model(name: str) -> Callable[[Tensor], Tensor]:
    """Return the model that ``package.module:attribute`` names.

    The module is looked for as Python would, and in the current folder.

    Raises:
        ValueError: the name has no colon, there is no such module or attribute, or importing it
            fails.
        TypeError: it is a class, or not callable.

    Example:
        >>> load_model("torch.nn.functional:relu")(torch.tensor([-1.0]))
        tensor([0.])
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise ValueError(f"the model must be named package.module:attribute, but is {name!r}.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        value: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"there is no module {error.name!r} (looked for in the current folder and on the "
            f"Python path); is the name {name!r} right?"
        ) from error
    except _FAILURES as error:
        raise ValueError(
            f"the module {module_name} cannot be imported: {type(error).__name__}: {error}."
        ) from error
    for part in attribute.split("."):
        if not hasattr(value, part):
            raise ValueError(f"the module {module_name} has no attribute {attribute!r}.")
        value = getattr(value, part)
    if isinstance(value, type):
        raise TypeError(
            f"{name} is a class; name an instance of it, with its trained weights loaded."
        )
    if not callable(value):
        raise TypeError(f"{name} must be a torch module or a function, not {type(value).__name__}.")
    return cast("Callable[[Tensor], Tensor]", value)


def read_array(path: str | Path, name: str) -> Tensor:
    """Return the array of a ``.npy`` file; floating point becomes float32.

    Args:
        path: of the file.
        name: what messages call it.

    Raises:
        UnreadableFileError: no such file, truncated, or not a plain array of numbers.
    """
    try:
        with Path(path).open("rb") as stream:
            array = np.lib.format.read_array(stream, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableFileError(
            f"{name} cannot be read from {path}: it must be a whole .npy file of numbers "
            f"(numpy.save)."
        ) from error
    if array.dtype.kind not in "fiub":
        raise UnreadableFileError(f"{name} in {path} must be numbers, but is {array.dtype}.")
    tensor = torch.from_numpy(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))
    return tensor.float() if tensor.is_floating_point() else tensor


def read_targets(text: str) -> Tensor:
    """Return targets from the command line: a class, classes ``3,1,4``, or a ``.npy`` file.

    Raises:
        ValueError: none of these.

    Example:
        >>> read_targets("3,1")
        tensor([3, 1])
    """
    if text.endswith(".npy"):
        return read_array(text, "the target")
    try:
        return torch.tensor([int(part) for part in text.split(",")])
    except ValueError as error:
        raise ValueError(
            f"the target must be a class (8), classes (8,3,1) or a .npy file, but is {text!r}."
        ) from error


def read_samples(path: str | Path) -> Tensor:
    """Return samples ``(n, *x_shape)`` from a ``.npy`` file, ``results.parquet``, or PNG pictures.

    Args:
        path: a ``.npy`` file, the ``x`` of a Parquet file of results, or a folder of PNG pictures
            of one size, read as grey in [0, 1] in the order of their names: ``(n, 1, h, w)``.

    Raises:
        UnreadableFileError: no such file, or none of these.
    """
    path = Path(path)
    if path.is_dir():
        return _read_pictures(path)
    if path.suffix != ".parquet":
        return read_array(path, "the samples")
    samples = _read_column(path, "x")
    if samples is None:
        raise UnreadableFileError(f"{path} is not a results file: it has no x with a shape.")
    return samples


def read_starts(path: str | Path) -> Tensor | None:
    """Return where the searches of a ``results.parquet`` began; None for other files."""
    return _read_column(Path(path), "x0") if Path(path).suffix == ".parquet" else None


def _read_column(path: Path, name: str) -> Tensor | None:
    try:
        schema = pq.read_schema(path)
        shapes = _shapes(schema.metadata or {})
        if name not in schema.names or name not in shapes:
            return None
        table = pq.read_table(path, columns=[name])
    except (OSError, pa.ArrowInvalid) as error:
        raise UnreadableFileError(
            f"the samples cannot be read from {path}: it is missing, truncated or not Parquet."
        ) from error
    flat = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return torch.from_numpy(flat.reshape(table.num_rows, *shapes[name]).copy())


def _read_pictures(folder: Path) -> Tensor:
    pictures = []
    for path in sorted(folder.glob("*.png")):
        try:
            with Image.open(path) as picture:
                pictures.append(np.asarray(picture.convert("L"), dtype=np.float32) / 255)
        except OSError as error:
            raise UnreadableFileError(f"{path} cannot be read as a picture ({error}).") from error
        if pictures[-1].shape != pictures[0].shape:
            raise UnreadableFileError(
                f"the pictures in {folder} must have one size, but {path.name} has "
                f"{pictures[-1].shape} and the first {pictures[0].shape}."
            )
    if not pictures:
        raise UnreadableFileError(f"the folder {folder} holds no .png pictures.")
    return torch.from_numpy(np.stack(pictures))[:, None]


def _shapes(metadata: Mapping[bytes, bytes]) -> dict[str, list[int]]:
    if b"shapes" in metadata:  # a table of the demo, of several results
        return json.loads(metadata[b"shapes"])
    return json.loads(metadata.get(b"xhat", b"{}")).get("shapes", {})
