"""Files that are either whole or absent: written beside their final name, then moved."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xhat.core.errors import UnreadableFileError

__all__ = ["atomic_folder_check", "atomic_write", "sha256_of"]


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there if the block ends without an error.

    An interrupt or error leaves what was under ``path`` before, and no temporary file.

    Raises:
        IsADirectoryError: there is a folder of that name.
        PermissionError: the folder cannot be made or written to.

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
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_folder_check(folder: str | Path) -> Path:
    """Make ``folder`` if needed and return it; raise ``PermissionError`` if nothing can be written.

    Commands call this before they start working, so that an hour's work is not lost at its end.
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
    return folder


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
