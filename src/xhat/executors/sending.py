"""What is sent to workers, as bytes; and by the same bytes, whether two questions are the same."""

import hashlib
import io
import pickle
from typing import Any

import torch
from torch import Tensor

from xhat.core import extra

__all__ = ["fingerprint", "packed"]


def packed(thing: Any, what: str = "what workers are to run") -> bytes:
    """Return anything as bytes that another process can make it of.

    Raises:
        MissingExtraError: cloudpickle is not installed.
        TypeError: it cannot be sent.
    """
    with extra("scale", "workers need"):
        import cloudpickle
    try:
        return cloudpickle.dumps(thing, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise TypeError(
            f"{what} cannot be sent to worker processes ({error}): locks, open files and "
            f"connections are made inside the function, or leave out workers= and timeout=."
        ) from error


def fingerprint(thing: Any, what: str = "this question") -> str:
    """Return a hash of anything that can be sent: of code, settings, and the values of tensors.

    The same things, made by the same code in another process, have the same. Where a tensor lies,
    the order of sets and what a model has of gradients do not count.

    Raises:
        MissingExtraError: cloudpickle is not installed.
        TypeError: it cannot be sent.

    Example:
        >>> one, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
        >>> fingerprint(lambda x: one(x)) == fingerprint(lambda x: other(x))
        False
    """
    with extra("scale", "what is to be resumed needs"):
        import cloudpickle

    class Hasher(cloudpickle.Pickler):
        """Writes what is not in bytes the same each time by what it holds."""

        def persistent_id(self, thing: Any) -> Any:
            if isinstance(thing, Tensor):
                return _of_tensor(thing)
            if isinstance(thing, set | frozenset):
                return ("set", *sorted(fingerprint(each) for each in thing))
            if hasattr(type(thing), "identity"):  # it remembers what does not count
                return type(thing).__qualname__, fingerprint(thing.identity())
            return None

    stream = io.BytesIO()
    try:
        Hasher(stream, protocol=4).dump(thing)
    except Exception as error:
        raise TypeError(
            f"{what} cannot be kept to be resumed ({error}): locks, open files and connections are "
            f"made inside the function."
        ) from error
    return hashlib.sha256(stream.getvalue()).hexdigest()


def _of_tensor(tensor: Tensor) -> tuple[str, str, tuple[int, ...], str]:
    rows = tensor.detach().cpu().contiguous()
    content = rows.reshape(-1).view(torch.uint8).numpy().tobytes() if rows.numel() else b""
    return "tensor", str(rows.dtype), tuple(rows.shape), hashlib.sha256(content).hexdigest()
