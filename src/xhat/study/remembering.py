"""What took long to compute and would come out the same: kept in the user's cache folder.

A file is named by a hash of all that it was made from: data, weights, and the code of the rooms
that took part. What changes any of them makes another name, so nothing out of date is ever read;
what is damaged or cannot be written is computed again. The folder is ``$XHAT_CACHE``, else ``xhat``
in ``$XDG_CACHE_HOME`` or ``~/.cache``; it may be deleted at any time, and ``XHAT_CACHE=`` (empty)
keeps nothing.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import safetensors.torch as safetensors
import torch
from safetensors import SafetensorError
from torch import Tensor

import xhat
from xhat.core import atomic_write, sha256_of

__all__ = ["fingerprint", "remembered"]

_PACKAGE = Path(xhat.__file__).parent


def remembered(
    name: str, made_from: str, make: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Return what ``make`` returns, from the cache where it is known.

    Args:
        name: of the file, for people.
        made_from: the ``fingerprint`` of everything that it depends on.
        make: computes tensors by name.
    """
    folder = _folder()
    if folder is None:
        return make()
    path = folder / f"{name}-{made_from[:32]}.safetensors"
    try:
        return safetensors.load_file(path)
    except (OSError, SafetensorError):
        found = make()
    try:
        with atomic_write(path) as temporary:
            safetensors.save_file({k: v.contiguous() for k, v in found.items()}, temporary)
    except OSError:
        pass  # a full disk or a folder of somebody else's costs time, not the result
    return found


def fingerprint(files: Iterable[Path], rooms: Iterable[str]) -> str:
    """Return a hash of files, of the code of rooms, and of torch's version.

    Args:
        files: data and weights.
        rooms: of the package, such as ``"judges"`` or ``"tasks/digits.py"``.
    """
    code = (path for room in rooms for path in _sources(_PACKAGE / room))
    told = [torch.__version__, *(sha256_of(path) for path in (*files, *code))]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _sources(room: Path) -> list[Path]:
    return sorted(room.rglob("*.py")) if room.is_dir() else [room]


def _folder() -> Path | None:
    told = os.environ.get("XHAT_CACHE")
    if told is not None:
        return Path(told) if told else None
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xhat"
