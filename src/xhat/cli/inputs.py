"""What users bring: their model, by name, and their arrays, by file."""

import importlib
import inspect
import json
import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from xhat.core import UnreadableFileError, extra

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "check_task",
    "load_model",
    "read_array",
    "read_samples",
    "read_starts",
    "read_targets",
]

_BAD_ARRAY = (OSError, ValueError, TypeError, EOFError, OverflowError, MemoryError)
_BAD_PICTURE = (OSError, ValueError, SyntaxError, EOFError, MemoryError, struct.error)


def load_model(name: str) -> Callable[[Tensor], Tensor]:
    """Return the model that ``package.module:attribute`` names.

    With ``()`` behind the name it is what the attribute returns when it is called. The module is
    looked for as Python would, and in the current folder.

    Raises:
        ValueError: the name has no colon, there is no such module or attribute, or importing or
            calling it fails.
        TypeError: it is a class, not callable, or takes no batch.

    Example:
        >>> load_model("torch.nn.functional:relu")(torch.tensor([-1.0]))
        tensor([0.])
        >>> load_model("torch.nn:Identity()")(torch.tensor([-1.0]))
        tensor([-1.])
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute.removesuffix("()")):
        raise ValueError(f"the model must be named package.module:attribute, but is {name!r}.")
    value = _module(module_name, name)
    for part in attribute.removesuffix("()").split("."):
        if not hasattr(value, part):
            raise ValueError(f"the module {module_name} has no attribute {attribute!r}.")
        value = getattr(value, part)
    if attribute.endswith("()"):
        value = _made(value, name)
    elif isinstance(value, type):
        raise TypeError(
            f"{name} is a class; name an instance of it, with its trained weights loaded, or "
            f"{name}() if it loads them itself."
        )
    if not callable(value):
        raise TypeError(f"{name} must be a torch module or a function, not {type(value).__name__}.")
    if not _takes(value, 1):
        offered = f"; if it makes the model, say {name}()" * _takes(value, 0)
        raise TypeError(f"{name} must be a callable of one batch of inputs{offered}.")
    return cast("Callable[[Tensor], Tensor]", value)


def _module(module_name: str, name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"there is no module {error.name!r} (looked for in the current folder and on the "
            f"Python path); is the name {name!r} right?"
        ) from error
    except SystemExit as error:
        raise ValueError(
            f"the module {module_name} ends the process when it is imported (sys.exit); put that "
            f"under `if __name__ == '__main__':`."
        ) from error
    except Exception as error:
        raise ValueError(
            f"the module {module_name} cannot be imported: {type(error).__name__}: {error}."
        ) from error


def _made(factory: Any, name: str) -> Any:
    if not callable(factory):
        raise TypeError(f"{name.removesuffix('()')} is no function; leave out the ().")
    if not _takes(factory, 0):
        raise TypeError(
            f"{name} needs arguments; write a function without, which makes the model, and name it."
        )
    try:
        return factory()
    except (Exception, SystemExit) as error:
        raise ValueError(f"{name} fails: {type(error).__name__}: {error}.") from error


def _takes(value: Any, n: int) -> bool:
    """Return whether a callable can be called with ``n`` arguments, as far as one can know."""
    try:
        inspect.signature(value).bind(*(None,) * n)
    except TypeError:
        return False
    except ValueError:  # many a function written in C says nothing
        return True
    return True


def read_array(path: str | Path, name: str) -> Tensor:
    """Return the array of a ``.npy`` file; floating point becomes float32.

    Args:
        path: of the file.
        name: what messages call it.

    Raises:
        UnreadableFileError: no such file, truncated, or not a plain array of numbers.
    """
    try:  # mapped, since a header may promise more than the file, or the machine, holds
        array = np.lib.format.open_memmap(Path(path), mode="r")
        array = np.array(array, array.dtype.newbyteorder("="), order="C")
    except _BAD_ARRAY as error:
        raise UnreadableFileError(
            f"{name} cannot be read from {path}: it must be a whole .npy file of numbers "
            f"(numpy.save)."
        ) from error
    if array.dtype.kind not in "fiub":
        raise UnreadableFileError(f"{name} in {path} must be numbers, but is {array.dtype}.")
    tensor = torch.from_numpy(array)
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


def check_task(path: str | Path, task: str) -> None:
    """Raise unless a file of samples is about ``task``, as far as it says what it is about.

    A ``results.parquet`` of ``xhat optimize`` names the model that was searched.

    Raises:
        UnreadableFileError: there is no such file of results.
        ValueError: it is about something else.
    """
    if Path(path).suffix != ".parquet":
        return
    about = _read_schema(Path(path)).metadata or {}
    if (model := about.get(b"model", b"").decode()) not in ("", task):
        raise ValueError(
            f"{path} holds results of the model {model}, and these judges know {task} only; give "
            f"real samples of your domain as --reference, or --reference {task} if it is about "
            f"{task}."
        )


def _read_schema(path: Path) -> "pa.Schema":
    with extra("tables", "Parquet files (.npy does without) need"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UnreadableFileError(
            f"the samples cannot be read from {path}: it is missing, truncated or not Parquet."
        ) from error


def _read_column(path: Path, name: str) -> Tensor | None:
    schema = _read_schema(path)
    shapes = _shapes(schema.metadata or {})
    if name not in schema.names or name not in shapes:
        return None
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=[name])
        flat = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return torch.from_numpy(flat.reshape(table.num_rows, *shapes[name]).copy())
    except (
        OSError,
        NotImplementedError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise UnreadableFileError(
            f"the samples cannot be read from {path}: it is truncated, or its {name} is not what "
            f"its metadata say."
        ) from error


def _read_pictures(folder: Path) -> Tensor:
    with extra("report", "pictures (.npy does without) need"):
        from PIL import Image
    pictures = []
    for path in sorted(folder.glob("*.png")):
        try:
            with Image.open(path) as picture:
                pictures.append(np.asarray(picture.convert("L"), dtype=np.float32) / 255)
        except (*_BAD_PICTURE, Image.DecompressionBombError) as error:
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
    try:
        if b"shapes" in metadata:  # a table of the demo, of several results
            return dict(json.loads(metadata[b"shapes"]))
        return dict(json.loads(metadata.get(b"xhat", b"{}")).get("shapes", {}))
    except (AttributeError, TypeError, ValueError):
        return {}  # somebody else's metadata
