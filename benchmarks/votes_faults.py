"""Votes under 50 faults of the database: `python benchmarks/votes_faults.py [--quick]`.

Starts the server as a user does (``xhat label serve``), once on SQLite and once on a PostgreSQL of
its own, and lets 20 people vote through HTTP/1.1 connections, about ten times a second each. Under
that load come, mixed at random:

- SQLite: another process holds its lock for longer than the server waits; the disk is full (a small
  ``tmpfs`` where this user may mount one, else a limit on the size of the server's files); the
  labelling server is killed with SIGKILL and started again;
- PostgreSQL: all connections are cut; it is stopped for a while; it restarts at once, in good order
  (SIGINT) or not (SIGQUIT); it stands still (SIGSTOP) for longer than a request may wait; the
  labelling server is killed.

After each fault everybody must get a vote through again. Then every vote whose acknowledgement was
read must be in the database, once. A request *hangs* if within 8 seconds, the patience of the page,
it was neither answered nor cut; the server promises an answer within 6.
"""

import argparse
import asyncio
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from record import RESULTS, provenance, table, write
from voting import Annotator, Server

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.apps.label.locks import locked
from tests.apps.label.postgres import Postgres

SEED = 0
PEOPLE, IMAGES = 20, 3_000
PATIENCE = 8.0  # seconds, of the page
LONGER = 8.0  # seconds, than a lock and a request are waited for
RECOVERY = 120.0  # seconds that only bound the wait for everybody to vote again
THINKING = 0.1  # seconds between two votes


@dataclass
class Crowd:
    """People who vote until they are told to stop, and what became of their requests."""

    people: list[Annotator]
    told: Counter = field(default_factory=Counter)
    waited: list[float] = field(default_factory=list)
    over: bool = False

    async def live(self, each: Annotator) -> None:
        """Vote on and on; what was not acknowledged is sent again."""
        while not self.over:
            begun, errors, done = time.perf_counter(), len(each.errors), len(each.acknowledged)
            try:
                async with asyncio.timeout(PATIENCE):
                    await (each.vote() if each.state else each.enter())
            except TimeoutError:
                self.told["hung"] += 1
                each.hang_up()
            except (OSError, asyncio.IncompleteReadError):
                self.told["cut"] += 1
                each.hang_up()
            else:
                self.waited.append(time.perf_counter() - begun)
                refused = each.errors[errors:]
                self.told.update(error.split(":")[0] for error in refused)
                self.told["acknowledged"] += len(each.acknowledged) - done
            self.told["requests"] += 1
            await asyncio.sleep(THINKING)

    async def all_vote(self) -> bool:
        """Wait until everybody has got a vote through; whether that came in time."""
        before = [len(each.acknowledged) for each in self.people]
        until = time.perf_counter() + RECOVERY
        while time.perf_counter() < until:
            now = [len(each.acknowledged) for each in self.people]
            if all(a > b for a, b in zip(now, before, strict=True)):
                return True
            await asyncio.sleep(0.02)
        return False

    def acknowledged(self) -> list[tuple[int, int]]:
        """Return ticket and revision of every vote that was acknowledged."""
        return [pair for each in self.people for pair in each.acknowledged]


Fault = Callable[[], Awaitable[None]]


async def killed(server: Server) -> None:
    """Kill the labelling server, and start it again."""
    server.kill()
    await asyncio.to_thread(server.start)


def sqlite_faults(server: Server, disk: Path | None) -> dict[str, Fault]:
    """Return what can happen to a database in a file."""

    async def lock() -> None:
        with locked(server.path):
            await asyncio.sleep(LONGER)

    async def full() -> None:
        with full_disk(server, disk):
            await asyncio.sleep(3)

    return {
        "SQLite: locked by another process": lock,
        "SQLite: disk full": full,
        "SQLite: `kill -9` of the labelling server": lambda: killed(server),
    }


@contextmanager
def full_disk(server: Server, disk: Path | None) -> Iterator[None]:
    """Let nothing more be written, for a while."""
    if disk is not None:
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue
        try:
            yield
        finally:
            filler.unlink()
    else:
        pid = server.process.pid
        most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, most[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, most)


def postgresql_faults(server: Server, postgres: Postgres, name: str) -> dict[str, Fault]:
    """Return what can happen to a database that is a server."""
    ways = [signal.SIGINT, signal.SIGQUIT]

    async def cut() -> None:
        for _ in range(5):
            await asyncio.to_thread(postgres.terminate, name)
            await asyncio.sleep(0.1)

    async def restart(seconds: float = 0.0) -> None:
        ways.append(ways.pop(0))
        await asyncio.to_thread(postgres.stop, ways[0])
        await asyncio.sleep(seconds)
        await asyncio.to_thread(postgres.start, fsync=True)

    async def stand_still() -> None:
        postgres.freeze()
        await asyncio.sleep(LONGER)
        postgres.freeze(frozen=False)

    return {
        "PostgreSQL: connections cut": cut,
        "PostgreSQL: stopped, started after 4 s": lambda: restart(4.0),
        "PostgreSQL: restarted at once": restart,
        "PostgreSQL: stands still for 8 s": stand_still,
        "PostgreSQL: `kill -9` of the labelling server": lambda: killed(server),
    }


async def suffer(
    server: Server, faults: list[tuple[str, Fault]], rows: Callable[[], list[Any]]
) -> list[dict[str, Any]]:
    """Let everybody vote through all faults; return what became of it, fault by fault."""
    crowd = Crowd([Annotator(server.port, token) for token in server.tokens])
    living = [asyncio.create_task(crowd.live(each)) for each in crowd.people]
    draw, found = random.Random(SEED), []  # noqa: S311
    if not await crowd.all_vote():
        sys.exit("not everybody could vote before the first fault")
    for name, fault in faults:
        crowd.told.clear()
        crowd.waited.clear()
        await asyncio.sleep(0.5 + draw.random())
        await fault()
        begun = time.perf_counter()
        back = await crowd.all_vote()
        recovery = time.perf_counter() - begun
        acknowledged = crowd.acknowledged()
        kept = await asyncio.to_thread(rows)
        row = {"fault": name, "back": back, "recovery_s": recovery, **crowd.told}
        row["lost"] = len(set(acknowledged) - set(kept))
        row["twice"] = len(kept) - len(set(kept))
        row["longest_s"] = max(crowd.waited, default=0.0)
        found.append(row)
        print(row, flush=True)
    crowd.over = True
    await asyncio.gather(*living)
    for each in crowd.people:
        each.hang_up()
    return found


def drawn(faults: dict[str, Fault], counts: list[int]) -> list[tuple[str, Fault]]:
    """Return so many of each, in random order."""
    listed = [pair for pair, n in zip(faults.items(), counts, strict=True) for pair in [pair] * n]
    random.Random(SEED).shuffle(listed)  # noqa: S311
    return listed


def on_sqlite(folder: Path, counts: list[int]) -> list[dict[str, Any]]:
    """Run the faults of SQLite."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    server = Server(disk, IMAGES, PEOPLE, each=PEOPLE)
    try:
        server.start()
        faults = drawn(sqlite_faults(server, disk if mounted else None), counts)
        return asyncio.run(suffer(server, faults, server.rows))
    finally:
        server.kill()
        if mounted:
            subprocess.run(["umount", str(disk)], check=False)


def on_postgresql(folder: Path, counts: list[int]) -> list[dict[str, Any]]:
    """Run the faults of PostgreSQL."""
    import psycopg

    postgres = Postgres()
    try:
        postgres.start(fsync=True)
        url = postgres.create()
        name = url.split("/")[3].split("?")[0]
        server = Server(folder, IMAGES, PEOPLE, url=url, each=PEOPLE)

        def rows() -> list[Any]:
            with psycopg.connect(url) as connection:
                return connection.execute("SELECT ticket, revision FROM votes").fetchall()

        try:
            server.start()
            faults = drawn(postgresql_faults(server, postgres, name), counts)
            return asyncio.run(suffer(server, faults, rows))
        finally:
            server.kill()
    finally:
        postgres.remove()


def tabulate(found: list[dict[str, Any]]) -> str:
    """Return the table, a row for each kind of fault."""
    head = ["fault", "times", "requests", "acknowledged", "lost", "twice", "hung", "503", "cut"]
    head += ["longest wait", "all vote again after"]
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        kinds.setdefault(row["fault"], []).append(row)
    lines = []
    for name, rows in [*sorted(kinds.items()), ("all", found)]:
        line = [name, len(rows), *(sum(r.get(k, 0) for r in rows) for k in head[2:4])]
        line += [max(r["lost"] for r in rows), max(r["twice"] for r in rows)]
        line += [sum(r.get(k, 0) for r in rows) for k in head[6:9]]
        line += [f"{max(r['longest_s'] for r in rows):.1f} s"]
        lines.append([*line, f"{np.median([r['recovery_s'] for r in rows]):.1f} s"])
    return table(head, lines)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one of each, into a folder apart")
    quick = parser.parse_args().quick
    packages = ["fastapi", "uvicorn", "sqlalchemy", "starlette", "psycopg"]
    record: dict[str, Any] = {"provenance": provenance(SEED, packages)}
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        found = on_sqlite(Path(folder), [1] * 3 if quick else [8] * 3)
        found += on_postgresql(Path(folder), [1] * 5 if quick else [8, 5, 5, 4, 4])
    record["faults"] = found
    record["lost"] = max(row["lost"] for row in found)
    record["hung"] = sum(row.get("hung", 0) for row in found)
    record["never_back"] = sum(not row["back"] for row in found)
    folder = Path("runs/benchmarks") if quick else RESULTS
    write("votes-faults", record, tabulate(found), folder)


if __name__ == "__main__":
    main()
