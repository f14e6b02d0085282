"""A real PostgreSQL that can be stopped, started and frozen: a folder and a process of its own."""

import getpass
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

_numbers = itertools.count()


class Postgres:
    """A server whose folder is made with it, and that listens at a Unix socket there.

    Raises:
        LookupError: it cannot run here; says why.
    """

    def __init__(self) -> None:
        programs = shutil.which("initdb") or next(
            iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None
        )
        if programs is None:
            raise LookupError("PostgreSQL is not installed (Debian: apt install postgresql)")
        self.binaries = Path(programs).resolve().parent
        # the path of a Unix socket may have 107 bytes only, so not pytest's own folder
        self.folder = Path("/tmp") / f"xhat-pg-{os.getpid()}-{next(_numbers)}"  # noqa: S108
        owner, self.name = {}, getpass.getuser()
        if os.geteuid() == 0:  # PostgreSQL does not run as root
            self.name = "postgres"
            if all(entry.pw_name != self.name for entry in pwd.getpwall()):
                raise LookupError("PostgreSQL does not run as root, and there is no user postgres")
            owner = {"user": self.name, "group": self.name, "extra_groups": []}
        self.folder.mkdir(mode=0o700)
        if owner:
            shutil.chown(self.folder, self.name)
        self._how = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._how |= {"cwd": self.folder, **owner}
        command = [self.binaries / "initdb", "-D", self.folder / "data", "-A", "trust"]
        subprocess.run([*command, "-U", self.name, "--no-sync"], check=True, **self._how)  # noqa: S603
        self.process: subprocess.Popen | None = None

    def url(self, database: str = "postgres") -> str:
        """Return the address of one of its databases."""
        return f"postgresql://{self.name}@/{database}?host={self.folder}"

    def start(self, *, fsync: bool = False, seconds: float = 60.0) -> None:
        """Start it, and return once it answers."""
        import psycopg

        command = [self.binaries / "postgres", "-D", self.folder / "data", "-k", self.folder]
        command += ["-h", "", "-c", f"fsync={'on' if fsync else 'off'}"]
        self.process = subprocess.Popen(command, **self._how)  # noqa: S603
        until = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < until:
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError:  # not there yet, or still starting up
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("PostgreSQL did not start")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it; connections are cut (SIGINT), or the server falls as it stands (SIGQUIT)."""
        if self.process is not None:
            self.freeze(frozen=False)
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def freeze(self, *, frozen: bool = True) -> None:
        """Let it, and all who serve connections, stand still as if the machine hung; or go on."""
        if self.process is not None:
            how = signal.SIGSTOP if frozen else signal.SIGCONT
            parent = self.process.pid
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            for pid in (parent, *map(int, children)):
                os.kill(pid, how)

    def create(self) -> str:
        """Make a database, and return its address."""
        name = f"labels_{os.getpid()}_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def run(self, statement: str) -> list:
        """Run a statement as somebody else would, and return the rows."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def terminate(self, database: str) -> int:
        """Cut all connections to a database at this moment; return how many there were."""
        return len(
            self.run(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608
                f"WHERE datname = '{database}' AND pid <> pg_backend_pid()"
            )
        )

    def remove(self) -> None:
        """Stop it, and take its folder away."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
