"""The cache: results that took long to compute and would come out the same again.

A file is named by a hash of all that it was made from: data, weights, and the code of the rooms
    that took part. A change of any of them changes the name, so that no outdated file is ever read.
    The file holds a digest of its name and of the names, shapes and values of its tensors; a
    damaged or foreign file is noticed and made again. Small files that are always needed may be
    shipped with a package. The user's folder is ``$XHAT_CACHE``, else ``xhat``
in ``$XDG_CACHE_HOME`` or ``~/.cache``; it may be deleted at any time, and ``XHAT_CACHE=`` (empty)
keeps nothing. Without a folder that can be written to everything works, only slower.
"""

import functools
import hashlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from xhat.core.files import atomic_folder_check, atomic_write, sha256_of
from xhat.core.locks import locked

__all__ = ["cached", "fingerprint", "kept", "unfinished"]

_DIGEST = "digest"


def cached(
    name: str,
    made_from: str,
    make: Callable[[], dict[str, Tensor]],
    *,
    shipped: Path | None = None,
) -> dict[str, Tensor]:
    """Return what ``make`` returns; read it from a package or the user's cache if it is there.

    Warns once in a process if the cache cannot be written to.

    Args:
        name: a readable part of the file's name.
        made_from: the ``fingerprint`` of everything that the result depends on.
        make: computes tensors by name.
        shipped: a folder of a package, where the file is looked for first.
    """
    file = f"{name}-{made_from[:32]}.safetensors"
    if shipped is not None and (known := _read(shipped / file)) is not None:
        return known
    folder = _folder()
    if folder is None:
        return make()
    path = folder / file
    if (known := _read(path)) is not None:
        return known
    found = make()
    try:
        _write(path, found)
    except OSError as error:  # a full disk or a folder of somebody else's costs time, no result
        why = error.strerror or getattr(error.__cause__, "strerror", None) or error
        _say_once(f"the cache {folder} cannot be written to ({why})")
    return found


def kept(path: Path, make: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return what ``make`` returns; read it from ``path`` if it is there. Other processes wait.

    Args:
        path: the file; its name must change with everything that the result depends on.
        make: computes tensors by name.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    atomic_folder_check(path.parent)
    with locked(path.with_suffix(".lock"), wait=True):
        if (known := _read(path)) is not None:
            return known
        found = dict(make())
        _write(path, found)
    return found


def unfinished(name: str, made_from: str) -> Path | None:
    """Return a file for work that was interrupted; None where nothing can be kept.

    Args:
        name: a readable part of the file's name.
        made_from: a hash of everything that the work depends on.
    """
    folder = _folder()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder / f"{name}-{made_from[:32]}.unfinished" if os.access(folder, os.W_OK) else None


def _read(path: Path) -> dict[str, Tensor] | None:
    """Return the tensors of a file; None if it is not there, or not what was written there."""
    try:
        with safe_open(path, "pt") as file:
            told = (file.metadata() or {}).get(_DIGEST)
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except (OSError, SafetensorError):
        return None
    return found if told == _digest(path, found) else None


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    whole = {name: value.contiguous() for name, value in tensors.items()}
    with atomic_write(path) as temporary:
        temporary.write_bytes(save(whole, {_DIGEST: _digest(path, whole)}))


def _digest(path: Path, tensors: dict[str, Tensor]) -> str:
    return hashlib.sha256(path.name.encode() + save(tensors)).hexdigest()


def fingerprint(files: Iterable[Path], modules: Iterable[str]) -> str:
    """Return a hash of files and of the code of modules.

    Versions of torch differ by rounding only, so they share what is cached.

    Args:
        files: data and weights.
        modules: of whatever package, such as ``"xhat.judges"``; a package counts with all in it.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    code = (path for module in modules for path in _sources(module))
    told = [sha256_of(path) for path in (*files, *code)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _sources(module: str) -> list[Path]:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"there is no module {module!r} with code.", name=module)
    place = Path(spec.origin)
    return sorted(place.parent.rglob("*.py")) if place.name == "__init__.py" else [place]


def _folder() -> Path | None:
    told = os.environ.get("XHAT_CACHE")
    if told is not None:
        return Path(told) if told else None
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return Path(caches) / "xhat"
    try:
        return Path.home() / ".cache" / "xhat"
    except RuntimeError:
        _say_once("this user has no home folder to keep a cache in")
        return None


@functools.cache
def _say_once(what: str) -> None:
    warnings.warn(
        f"{what}; what it is for is computed each time: set XHAT_CACHE to a folder that can be "
        f"written to, or to nothing.",
        RuntimeWarning,
        stacklevel=3,
    )
