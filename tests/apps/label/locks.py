"""A process that keeps a database of SQLite's to itself, as a backup or another program may."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCRIPT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
"""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of whoever writes to ``path``, from another process."""
    command = [sys.executable, "-c", _SCRIPT, str(path)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:  # noqa: S603
        assert process.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            process.communicate("\n", timeout=60)
