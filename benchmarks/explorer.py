"""How quickly the explorer moves: for one user, for twenty at once, and beyond the cap.

The real server in a process of its own, its clients in this one; the page in a real browser.
Frames are counted as they arrive: the first shows the start, the second the first step.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
from record import provenance, table, write

ALONE, USERS, BEYOND = 12, 20, 30
METHODS = ("flow", "plain", "latent-robust")  # first the one that the page begins with
PAIRS = [(start, (start + shift) % 10) for shift in (5, 3) for start in range(10)]
HEADERS = {"X-Xhat": "1"}
SERVER = "from xhat.cli import main; main()"
LIMIT = 300.0  # seconds


async def search(web: httpx2.AsyncClient, place: int, target: int, method: str) -> dict[str, Any]:
    """Search once; return when what arrived, in seconds since it was asked for."""
    asked = {"index": place, "target": target, "method": method}
    began, frames, steps, verdict = time.perf_counter(), [], [], None
    async with web.stream("POST", "/api/explore/search", json=asked) as answer:
        if answer.status_code != 200:
            said = json.loads(await answer.aread())["error"]
            return {"status": answer.status_code, "error": said}
        name = ""
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: ") and name == "frame":
                frames.append(time.perf_counter() - began)
                steps.append(json.loads(line[6:])["step"])
            elif line.startswith("data: ") and name == "found":
                verdict = json.loads(line[6:])["verdict"]
    return {
        "status": 200,
        "frames": frames,
        "steps": steps,
        "verdict": verdict,
        "seconds": time.perf_counter() - began,
    }


async def places(web: httpx2.AsyncClient) -> list[int]:
    """Return a test digit of every class."""
    found = []
    for label in range(10):
        answer = await web.get(f"/api/explore/sample?label={label}&number=7")
        found.append(answer.json()["index"])
    return found


async def measure(address: str, server: subprocess.Popen[str]) -> dict[str, Any]:
    """Return all that was measured."""
    async with httpx2.AsyncClient(base_url=address, headers=HEADERS, timeout=LIMIT) as web:
        starts = await places(web)
        pairs = [(starts[start], target) for start, target in PAIRS]
        record: dict[str, Any] = {"alone": {}, "processor": {}}
        for method in METHODS:
            some, used = pairs[:ALONE], processor(server)
            record["alone"][method] = [await search(web, *pair, method) for pair in some]
            frames = sum(len(run["frames"]) for run in record["alone"][method])
            record["processor"][method] = (processor(server) - used) / frames
        together = [search(web, *pair, METHODS[0]) for pair in pairs[:USERS]]
        record["together"] = await asyncio.gather(*together)
        many = [search(web, *pairs[k % len(pairs)], METHODS[0]) for k in range(BEYOND)]
        record["beyond"] = await asyncio.gather(*many)
    return record


def until_ready(address: str, began: float) -> float:
    """Wait until everything is set up; return how long that took."""
    with httpx2.Client(base_url=address, timeout=LIMIT) as web:
        while True:
            stage = web.get("/api/explore/about").json()["stage"]
            if stage is not None and stage["done"] == stage["total"]:
                return time.perf_counter() - began
            time.sleep(0.5)


def processor(server: subprocess.Popen[str]) -> float:
    """Return the seconds of the processor that the server has used."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def page_load(address: str) -> dict[str, float] | None:
    """Return bytes and seconds of the first load of the page in a fresh browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        browser.new_context().new_page().goto(address + "/api/explore/about")  # it has started
        seconds, sizes = [], []
        for _ in range(5):
            page, sent = browser.new_context().new_page(), []
            page.on("requestfinished", lambda r, s=sent: s.append(r.sizes()["responseBodySize"]))
            began = time.perf_counter()
            page.goto(address + "/explore")
            page.wait_for_selector("html[data-ready=yes]")
            seconds.append(time.perf_counter() - began)
            sizes.append(sum(sent))
        browser.close()
    return {"bytes": max(sizes), "seconds": statistics.median(seconds)}


def rate(found: dict[str, Any]) -> float:
    """Return frames a second, from the first on."""
    frames = found["frames"]
    return (len(frames) - 1) / (frames[-1] - frames[0])


def gap(found: dict[str, Any]) -> float:
    """Return the longest time between two frames."""
    return max(b - a for a, b in zip(found["frames"], found["frames"][1:], strict=False))


def rows(record: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the table: what, measured, asked."""
    told = []
    for method, runs in record["alone"].items():
        default = method == METHODS[0]
        first = statistics.median(run["frames"][0] for run in runs)
        second = statistics.median(run["frames"][1] for run in runs)
        speed = statistics.median(map(rate, runs))
        slowest = min(map(rate, runs))
        told += [
            (f"`{method}`, first frame, median", f"{1e3 * first:.0f} ms", "200 ms" * default),
            (f"`{method}`, first step", f"{1e3 * second:.0f} ms", ""),
            (
                f"`{method}`, frames a second, median (slowest of {len(runs)})",
                f"{speed:.0f} ({slowest:.0f})",
                "15" * default,
            ),
            (
                f"`{method}`, processor time a frame, verdict included",
                f"{1e3 * record['processor'][method]:.0f} ms",
                "",
            ),
            (
                f"`{method}`, until the verdict, median",
                f"{statistics.median(run['seconds'] for run in runs):.1f} s",
                "",
            ),
        ]
    many = record["together"]
    done = sum(run.get("verdict") is not None for run in many)
    told += [
        (f"{len(many)} users at once, with a verdict", f"{done}", f"{len(many)}"),
        ("of them, first frame, largest", f"{max(r['frames'][0] for r in many):.2f} s", ""),
        (
            "of them, frames a second, median (slowest)",
            f"{statistics.median(map(rate, many)):.1f} ({min(map(rate, many)):.1f})",
            "still move",
        ),
        ("of them, longest wait for a frame", f"{max(map(gap, many)):.1f} s", ""),
    ]
    refused = [run for run in record["beyond"] if run["status"] == 503]
    said = refused[0]["error"] if refused else "none refused"
    told.append(
        (
            f"{len(record['beyond'])} users at once, refused",
            f"{len(refused)}: “{said}”",
            "a message",
        )
    )
    if record["page"] is not None:
        told += [
            ("first page load, everything", f"{record['page']['bytes'] / 1e3:.0f} kB", "300 kB"),
            ("first page load, until it can be used", f"{record['page']['seconds']:.2f} s", "1 s"),
        ]
    return told


def main() -> None:
    """Measure and write ``explorer.json`` and ``explorer.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--note", default="", help="said below the table, such as what else ran")
    note = parser.parse_args().note
    began = time.perf_counter()
    command = [sys.executable, "-c", SERVER, "explore", "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        address = re.match(r"(http://[^/]+)/", server.stdout.readline() or "")[1]
        there = time.perf_counter() - began
        try:
            ready = until_ready(address, began)
            record = asyncio.run(measure(address, server))
            record["page"] = page_load(address)
        finally:
            server.terminate()
            server.wait(20)
    record = {"provenance": provenance(0, ("torch", "fastapi", "uvicorn"))} | record
    record |= {"there_s": there, "ready_s": ready, "note": note}
    told = [
        *rows(record),
        ("from the command to the page", f"{there:.0f} s", ""),
        ("until judges are set up as well, once", f"{ready:.0f} s", ""),
    ]
    write(
        "explorer",
        record,
        table(("what", "measured", "asked"), told) + (f"\n{note}\n" * bool(note)),
    )


if __name__ == "__main__":
    main()
