"""What took long to compute and would come out the same: shipped, or kept in a cache folder.

A file is named by a hash of all that it was made from: data, weights, and the code of the rooms
that took part. What changes any of them makes another name, so nothing out of date is ever read;
what is damaged or cannot be written is computed again. What is small and always needed is shipped
under the same name (``make remembered`` makes it anew). The user's folder is ``$XHAT_CACHE``, else
``xhat`` in ``$XDG_CACHE_HOME`` or ``~/.cache``; it may be deleted at any time, and ``XHAT_CACHE=``
(empty) keeps nothing.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import safetensors.torch as safetensors
from safetensors import SafetensorError
from torch import Tensor

import xhat
from xhat.core import atomic_write, sha256_of

__all__ = ["SHIPPED", "fingerprint", "remembered"]

_PACKAGE = Path(xhat.__file__).parent
SHIPPED = Path(__file__).parent / "remembered"  # small, and always needed


def remembered(
    name: str, made_from: str, make: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Return what ``make`` returns, as shipped or from the cache where it is known.

    Args:
        name: of the file, for people.
        made_from: the ``fingerprint`` of everything that it depends on.
        make: computes tensors by name.
    """
    folder, file = _folder(), f"{name}-{made_from[:32]}.safetensors"
    for place in (SHIPPED, folder):
        if place is not None:
            with suppress(OSError, SafetensorError):
                return safetensors.load_file(place / file)
    found = make()
    if folder is None:
        return found
    path = folder / file
    try:
        with atomic_write(path) as temporary:
            safetensors.save_file({k: v.contiguous() for k, v in found.items()}, temporary)
    except OSError:
        pass  # a full disk or a folder of somebody else's costs time, not the result
    return found


def fingerprint(files: Iterable[Path], rooms: Iterable[str]) -> str:
    """Return a hash of files and of the code of rooms.

    Versions of torch differ by rounding only, so they share what is remembered.

    Args:
        files: data and weights.
        rooms: of the package, such as ``"judges"`` or ``"tasks/digits.py"``.
    """
    code = (path for room in rooms for path in _sources(_PACKAGE / room))
    told = [sha256_of(path) for path in (*files, *code)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _sources(room: Path) -> list[Path]:
    return sorted(room.rglob("*.py")) if room.is_dir() else [room]


def _folder() -> Path | None:
    told = os.environ.get("XHAT_CACHE")
    if told is not None:
        return Path(told) if told else None
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xhat"
