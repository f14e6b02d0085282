"""Files that are either whole or absent: written beside their final name, then moved.

What is written is forced to the disk before it gets its final name, and so is the name. A process
that is killed while it writes leaves a temporary file; whoever next writes into that folder
removes it.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xhat.core.errors import UnreadableFileError
from xhat.core.locks import locked

__all__ = ["atomic_folder", "atomic_folder_check", "atomic_write", "claimed_folder", "sha256_of"]

_LOCK = ".xhat.lock"
_TEMPORARY = re.compile(r"\.xhat-(?P<host>[0-9a-f]{8})-(?P<process>\d+)-")
_ABANDONED = 24 * 3600  # seconds after which a temporary file of another machine is removed too
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOTEMPTY, errno.EEXIST)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there if the block ends without an error.

    An interrupt or error leaves what was under ``path`` before, and no temporary file. What is
    found under ``path`` afterwards is on the disk, and outlives a loss of power.

    Raises:
        IsADirectoryError: there is a folder of that name.
        PermissionError: the folder cannot be made or written to, or there is no room left.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with atomic_write(Path(folder) / "a.txt") as temporary:
        ...         _ = temporary.write_text("whole")
        ...     print((Path(folder) / "a.txt").read_text())
        whole
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it.")
    atomic_folder_check(path.parent)
    with _room_for(path):
        handle, name = tempfile.mkstemp(path.suffix, _prefix(), path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            _to_disk(temporary)
            temporary.replace(path)
            _to_disk(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder, which becomes ``path`` if the block ends without an error.

    Args:
        path: of a folder that does not exist, or is empty.

    Raises:
        PermissionError: it cannot be made, there is no room left, or it is no longer empty.
    """
    path = Path(path)
    atomic_folder_check(path.parent)
    with _room_for(path):
        temporary = Path(tempfile.mkdtemp(prefix=_prefix(), dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o755)
            for each in (*temporary.rglob("*"), temporary):
                _to_disk(each)
            temporary.replace(path)
            _to_disk(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def atomic_folder_check(folder: str | Path) -> Path:
    """Make ``folder`` if needed and return it; raise ``PermissionError`` if nothing can be written.

    What processes that were killed left half-written in it is removed. Commands call this before
    they start working, so that an hour's work is not lost at its end.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PermissionError(
            f"the folder {folder} cannot be written to ({error.strerror}); choose another."
        ) from error
    for path in folder.glob(".xhat-*"):
        if _is_abandoned(path):
            _remove(path)
    return folder


@contextmanager
def claimed_folder(folder: str | Path, *, alone: bool = True) -> Iterator[Path]:
    """Make ``folder`` if needed, and keep others who claim it out while the block runs.

    If the folder is empty in the end, it is removed, with the parent folders that were made for it.

    Args:
        folder: where the block writes.
        alone: whether other processes are kept out; False if several may write at once.

    Raises:
        PermissionError: nothing can be written there, or another process has claimed it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with claimed_folder(Path(folder) / "new") as new:
        ...         print(new.is_dir())
        ...     print(new.exists())
        True
        False
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        atomic_folder_check(folder)
        with _lock(folder) if alone else contextlib.nullcontext():
            yield folder
    finally:
        with contextlib.suppress(OSError):  # what holds something stays
            for path in made:
                path.rmdir()


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Raises:
        UnreadableFileError: there is no such file.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read ({error.strerror}).") from error


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with locked(folder / _LOCK, wait=False) as mine:
        if not mine:
            raise PermissionError(
                f"another process is writing to the folder {folder}; wait until it has ended, or "
                f"choose another."
            )
        try:
            yield
        finally:
            _remove(folder / _LOCK)  # while nobody else can hold it


@contextmanager
def _room_for(path: Path) -> Iterator[None]:
    """Say in one sentence that there is no room for ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise PermissionError(
            f"{path} cannot be written ({os.strerror(error.errno)}); what was there before is "
            f"as it was: make room, or choose another folder."
        ) from error


def _to_disk(path: Path) -> None:
    folder = path.is_dir()
    with contextlib.suppress(*(OSError,) * folder):  # not every system can do it for a folder
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # somebody else's, or removed by another process
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _prefix() -> str:
    return f".xhat-{_host()}-{os.getpid()}-"


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _is_abandoned(path: Path) -> bool:
    """Return whether the process that began to write a temporary file has ended."""
    named = _TEMPORARY.match(path.name)
    if named is None:
        return False
    if named["host"] == _host() and os.name == "posix":
        try:
            os.kill(int(named["process"]), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it is alive, and somebody else's
        return False
    try:
        return time.time() - path.stat().st_mtime > _ABANDONED
    except OSError:
        return False  # its writer has just finished
