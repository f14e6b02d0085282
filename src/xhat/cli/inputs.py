"""What users bring: their model, by name, and their arrays, by file."""

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from xhat.core import UnreadableFileError

if TYPE_CHECKING:
    pass

__all__ = ["load_model", "read_array", "read_targets"]

_BAD_ARRAY = (OSError, ValueError, TypeError, EOFError, OverflowError, MemoryError)


def load_model(name: str) -> Callable[[Tensor], Tensor]:
    """Return the model that ``package.module:attribute`` names, or that ``xhat train`` wrote.

    With ``()`` behind the name it is what the attribute returns when it is called. The module is
    looked for as Python would, and in the current folder. A name that ends in ``.safetensors`` is a
    file of weights that has its card beside it, one in ``.onnx`` a model for ONNX Runtime. What is
    no function but can be asked (an estimator of scikit-learn) is returned as it is.

    Raises:
        UnreadableFileError: there are no such weights, or they are not what their card says.
        ValueError: the name has no colon, there is no such module or attribute, or importing or
            calling it fails.
        TypeError: it is a class, not callable, or takes no batch.

    Example:
        >>> load_model("torch.nn.functional:relu")(torch.tensor([-1.0]))
        tensor([0.])
        >>> load_model("torch.nn:Identity()")(torch.tensor([-1.0]))
        tensor([-1.])
    """
    if name.endswith(".safetensors"):
        from xhat.learning import load_checkpoint

        return load_checkpoint(Path(name).parent, Path(name).stem)[0]
    if name.endswith(".onnx"):
        from xhat.blackbox import open_onnx

        return open_onnx(name)
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute.removesuffix("()")):
        raise ValueError(
            f"the model must be named package.module:attribute, or be a .safetensors file of xhat "
            f"train, but is {name!r}."
        )
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
        from xhat.blackbox import can_be_asked

        if can_be_asked(value):
            return value
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
