"""Locks between processes: on an open file, so that they end with the process that holds them."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["locked"]

_PAUSE = 0.05  # seconds between two tries


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the lock on a file, which is made if needed and left there.

    The system takes a lock back from a process that ends, however it ends. On a file system
    without locks everybody is let in.

    Args:
        path: of the file.
        wait: until nobody else holds it.

    Yields:
        Whether it is held; without ``wait`` false while another process holds it.

    Raises:
        OSError: the file cannot be made.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     lock = Path(folder) / "lock"
        ...     with locked(lock, wait=True) as mine, locked(lock, wait=False) as again:
        ...         print(mine, again)
        True False
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            held = _take(handle)
            if held and not _still(path, handle):
                continue  # whoever held it has removed the file, and a new one counts
            if held or not wait:
                yield held
                return
        finally:
            os.close(handle)  # which gives the lock back
        time.sleep(_PAUSE)


def _still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _take(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True
