"""Votes under load, and under ``kill -9``: `python benchmarks/voting.py [--quick]`.

Starts the server as a user does (``xhat label serve``), as a process of its own, and lets people
vote who are HTTP/1.1 connections of this process, all on the same two cores.

1. 200 annotators at once, each of whom thinks for an exponential time between two votes.
2. 50 times: 20 annotators vote as fast as they may, the server is killed with SIGKILL at a random
   moment and started again. A vote whose acknowledgement was read must be in the database, once;
   what was not acknowledged is sent again after the restart, and must not be counted twice.
3. What a first visit transfers, and how long it takes until the page is loaded.

Only SQLite (in WAL mode, ``synchronous=FULL``) is measured.
"""

import argparse
import asyncio
import json
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from record import provenance, table, write

SEED = 0
XHAT = str(Path(sys.executable).with_name("xhat"))
SURE = [[float(k == j) for j in range(11)] for k in range(11)]


class Server:
    """``xhat label serve`` as a process, and the addresses that it prints."""

    def __init__(
        self, folder: Path, images: int, people: int, *, url: str = "", each: int = 3
    ) -> None:
        self.path = folder / "labels.sqlite"
        self.url = url or f"sqlite:///{self.path}"
        pictures = np.random.default_rng(SEED).random((images, 1, 28, 28), dtype=np.float32)
        np.save(folder / "images.npy", pictures)
        self.first = ["--images", str(folder / "images.npy"), "--invite", str(people)]
        self.first += ["--quota", "1000000", "--each", str(each), "--golds", "0", "--repeats", "0"]
        self.port, self.process = 0, None
        self.tokens: list[str] = []

    def start(self) -> float:
        """Start, and return the seconds until it answers."""
        begun = time.perf_counter()
        more = [] if self.tokens else self.first
        command = [XHAT, "label", "serve", "--db", self.url, *more]
        command += ["--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        said = self.process.stdout
        for line in said or ():
            found = re.search(r"http://[\d.]+:(\d+)/label#(\S+)", line)
            if found:
                self.tokens.append(found[2])
            base = re.search(r"http://[\d.]+:(\d+)/", line)
            if base:
                self.port = int(base[1])
            if "Ctrl-C" in line:
                break
        while not answers(self.port):
            time.sleep(0.02)
        return time.perf_counter() - begun

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def rows(self) -> list[tuple[int, int]]:
        """Return ticket and revision of every vote that is on the disk."""
        with closing(sqlite3.connect(self.path)) as connection:
            (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
            if sound != "ok":
                sys.exit(f"the database is damaged: {sound}")
            return connection.execute("SELECT ticket, revision FROM votes").fetchall()


def answers(port: int) -> bool:
    """Whether somebody accepts connections there."""
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Annotator:
    """One person in one browser: a connection that stays open, a cookie, the images at hand."""

    port: int
    token: str
    state: dict[str, Any] = field(default_factory=dict)
    cookie: str = ""
    waiting: dict[str, Any] | None = None  # a vote that was sent and never acknowledged
    seconds: list[float] = field(default_factory=list)
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    streams: Any = None

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send one request as a page does, and return status and answer."""
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} /api/label/{path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"X-Xhat: 1\r\nX-CSRF-Token: {self.state.get('csrf', '')}\r\nCookie: {self.cookie}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        answer = await self._exchange(head.encode() + content)
        status = int(answer.split(" ", 2)[1])
        length = int(re.search(r"content-length: (\d+)", answer, re.IGNORECASE)[1])
        told = json.loads(await self.streams[0].readexactly(length))
        cookie = re.search(r"set-cookie: ([^;]+)", answer, re.IGNORECASE)
        if cookie:
            self.cookie = cookie[1]
        if status == 200:
            self.state = told
        return status, told

    async def _exchange(self, request: bytes) -> str:
        """Send a request and read the head of the answer.

        As browsers do, over a new connection where the server has closed one that was idle.
        """
        reused = self.streams is not None
        if not reused:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        try:
            writer.write(request)
            return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hang_up()
            if not reused:
                raise
        return await self._exchange(request)

    async def enter(self) -> None:
        """Open the invitation, or go on with the session."""
        if self.cookie:
            status, told = await self.call("GET", "state")
        else:
            status, told = await self.call("POST", "session", {"token": self.token})
        if status != 200:
            self.errors.append(f"{status}: {told}")

    async def vote(self) -> None:
        """Answer the next image, or first what was never acknowledged."""
        body = self.waiting
        if body is None:
            if not self.state.get("tickets"):
                self.errors.append("no images left")
                return
            ticket = self.state["tickets"][0]
            body = {"ticket": ticket["ticket"], "revision": ticket["revision"], "seconds": 1.0}
            body["shares"] = SURE[ticket["ticket"] % 11]
        self.waiting = body
        begun = time.perf_counter()
        status, told = await self.call("POST", "votes", body)
        self.seconds.append(time.perf_counter() - begun)
        if status == 200 and told["outcome"] in ("recorded", "already recorded"):
            self.acknowledged.append((body["ticket"], body["revision"]))
            self.waiting = None
        else:
            self.errors.append(f"{status}: {told.get('error') or told.get('outcome')}")

    def hang_up(self) -> None:
        """Forget the connection."""
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None


async def thinking(
    people: list[Annotator], mean: float, seconds: float, draw: random.Random
) -> None:
    """Let everybody vote for a while, thinking ``mean`` seconds in the mean between two votes."""
    until = time.perf_counter() + seconds

    async def live(each: Annotator) -> None:
        await asyncio.sleep(draw.random() * mean)
        while time.perf_counter() < until:
            await each.vote()
            await asyncio.sleep(draw.expovariate(1 / mean))

    await asyncio.gather(*map(live, people))


def load(server: Server, means: list[float], seconds: float) -> list[dict[str, Any]]:
    """Measure the seconds of a vote at several paces."""
    people = [Annotator(server.port, token) for token in server.tokens]
    draw, found = random.Random(SEED), []  # noqa: S311

    async def all_of_it() -> None:
        await asyncio.gather(*(each.enter() for each in people))
        for mean in means:
            for each in people:
                each.seconds.clear()
            await thinking(people, mean, seconds, draw)
            taken = np.array([second for each in people for second in each.seconds])
            low, middle, high = np.quantile(taken, [0.5, 0.95, 0.99])
            row = {"think_s": mean, "votes": len(taken), "per_second": len(taken) / seconds}
            row |= {"p50_s": low, "p95_s": middle, "p99_s": high, "worst_s": taken.max()}
            found.append(row | {"errors": sum(len(each.errors) for each in people)})
            print(json.dumps({k: round(float(v), 4) for k, v in found[-1].items()}), flush=True)

    asyncio.run(all_of_it())
    told = [error for each in people for error in each.errors]
    if told:
        print("first errors:", told[:3])
    return found


async def until_killed(server: Server, people: list[Annotator], after: float) -> int:
    """Let everybody vote as fast as they may; kill the server; return how many votes were open."""

    async def live(each: Annotator) -> None:
        try:
            await each.enter()
            while True:
                await each.vote()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the server is gone

    tasks = [asyncio.create_task(live(each)) for each in people]
    await asyncio.sleep(after)
    server.kill()
    await asyncio.gather(*tasks)
    for each in people:
        each.hang_up()
    return sum(each.waiting is not None for each in people)


def killing(server: Server, times: int, people: int) -> dict[str, Any]:
    """Kill the server under load, again and again, and look for what was acknowledged."""
    annotators = [Annotator(server.port, token) for token in server.tokens[:people]]
    draw, starts, in_flight = random.Random(SEED + 1), [], 0  # noqa: S311
    lost = twice = 0
    for k in range(times):
        in_flight += asyncio.run(until_killed(server, annotators, 0.3 + draw.random()))
        rows = server.rows()
        acknowledged = {pair for each in annotators for pair in each.acknowledged}
        lost, twice = len(acknowledged - set(rows)), len(rows) - len(set(rows))
        starts.append(server.start())
        print(f"kill {k + 1}: {len(acknowledged)} acknowledged, {lost} lost", flush=True)
    refused = [error for each in annotators for error in each.errors]
    return {
        "kills": times,
        "acknowledged": len(acknowledged),
        "on_disk": len(rows),
        "in_flight_when_killed": in_flight,
        "lost": lost,
        "twice": twice,
        "refused": len(refused),
        "first_refused": refused[:3],
        "start_s": float(np.median(starts)),
    }


def first_visit(server: Server) -> dict[str, Any]:
    """Measure what a first visit transfers, in a browser with an empty cache."""
    import shutil

    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        return {}
    seconds, sizes = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for token in server.tokens[-5:]:
            page = browser.new_context().new_page()
            heard = page.context.new_cdp_session(page)
            heard.send("Network.enable")
            got: list[float] = []
            heard.on(
                "Network.loadingFinished", lambda e, got=got: got.append(e["encodedDataLength"])
            )
            begun = time.perf_counter()
            page.goto(f"http://127.0.0.1:{server.port}/label#{token}")
            page.wait_for_selector("#begin:visible")
            seconds.append(time.perf_counter() - begun)
            page.wait_for_timeout(200)
            sizes.append(sum(got))
        browser.close()
    return {"kB": max(sizes) / 1000, "s_median": float(np.median(seconds)), "s_worst": max(seconds)}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="little of each, into a folder apart")
    quick = parser.parse_args().quick
    record: dict[str, Any] = {
        "provenance": provenance(SEED, ["fastapi", "uvicorn", "sqlalchemy", "starlette"])
    }
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), 500 if quick else 10_000, 20 if quick else 200)
        try:
            record["first_start_s"] = server.start()
            record["first_visit"] = first_visit(server)
            record["load"] = load(server, [1.0] if quick else [3.0, 1.0, 0.5], 5 if quick else 30)
            record["kill"] = killing(server, 2 if quick else 50, 5 if quick else 20)
        finally:
            server.kill()
    head = ["a person thinks for", "votes/s", "median", "95 %", "99 %", "worst", "errors"]
    rows = [
        [
            f"{row['think_s']:g} s",
            f"{row['per_second']:.0f}",
            *(f"{1000 * row[key]:.0f} ms" for key in ("p50_s", "p95_s", "p99_s", "worst_s")),
            row["errors"],
        ]
        for row in record["load"]
    ]
    kill, visit = record["kill"], record["first_visit"]
    text = table(head, rows) + "\n"
    text += table(
        ["kill -9", "acknowledged", "lost", "counted twice", "open when killed", "restart"],
        [
            [
                kill["kills"],
                kill["acknowledged"],
                kill["lost"],
                kill["twice"],
                kill["in_flight_when_killed"],
                f"{kill['start_s']:.1f} s",
            ]
        ],
    )
    if visit:
        text += (
            f"\nFirst visit: {visit['kB']:.0f} kB, {visit['s_median']:.2f} s until the page can be "
            f"used (worst of 5: {visit['s_worst']:.2f} s).\n"
        )
    write("voting", record, text, *([Path("runs/benchmarks")] if quick else []))


if __name__ == "__main__":
    main()
