"""Beyond one process: speed-up by two workers, deaths of workers and drivers, a million candidates.

    python benchmarks/scale.py [--only speed kills million] [--seconds 65] [--n 1000000]

``speed``   one worker process against two workers of Dask and of Ray, for ``solve`` and
            ``verify``: the same work, of so many seconds by one worker, once each
``kills``   a search on two workers of a Dask cluster: one is killed, then the driver, and the
            search is begun again; what was finished must be as it was, and the result that of a
            search in one process without deaths
``million`` peak memory and time per candidate of ten thousand and of a million, from a file of
            starts to a folder of parts, each in a process of its own

This parent imports no torch: a child's recorded peak starts from its parent's.
"""

import argparse
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from record import RESULTS, provenance, table, write

FEW, SHARDS, KILLED_SHARDS = 10_000, 40, 24
STEPS = 20  # of a candidate of a million


def problem(n: int, seed: int) -> tuple[Any, Any]:
    """Return a question with a target for each of ``n`` candidates, and their starts."""
    import torch

    from xhat.core import generator
    from xhat.engine import Problem
    from xhat.objectives import Match
    from xhat.spaces import Box

    draws = generator(seed, "scale")
    sizes = (8, 64, 64, 1)
    weights = [torch.randn(b, a, generator=draws) / a**0.5 for a, b in pairwise(sizes)]

    def model(x: torch.Tensor) -> torch.Tensor:
        for weight in weights[:-1]:
            x = (x @ weight.T).tanh()
        return x @ weights[-1].T

    wanted = 0.5 * torch.randn(n, 1, generator=draws)
    return Problem(Match(model, wanted, 1e-3), Box(-2, 2)), torch.rand(n, 8, generator=draws)


def simulator(work: int) -> Any:
    """Return a simulator of one candidate, in NumPy, that takes ``work`` rounds."""

    def simulate(x: Any) -> float:
        import numpy as np

        matrix = np.eye(120) + 1e-3 * np.outer(np.arange(120), np.resize(x, 120))
        for _ in range(work):
            matrix = np.linalg.inv(matrix + np.eye(120) * 1e-6)
        return float(matrix[0, 0])

    return simulate


def speed(seconds: float, seed: int) -> list[dict[str, Any]]:
    """Return the time of the same work by one worker, and by two of each backend."""
    from xhat.door.verifying import verify
    from xhat.engine import Compute, solve
    from xhat.executors import Dask, Processes, Ray
    from xhat.judges import Simulator, Truth

    steps, n = 200, 256 * SHARDS
    question, starts = problem(n, seed)
    few = question.select(range_of(256))
    began = time.perf_counter()
    solve(few, starts[:256], max_steps=steps)
    steps = max(5, round(steps * seconds / (SHARDS * (time.perf_counter() - began))))
    calls, work = 4 * SHARDS, 50
    began = time.perf_counter()
    simulator(work)(starts[0].numpy())
    work = max(1, round(work * seconds / (calls * (time.perf_counter() - began))))
    found = solve(question.select(range_of(calls)), starts[:calls], max_steps=1)

    def solved(workers: Any) -> Any:
        how = Compute(workers=workers, shard=n // SHARDS)
        return solve(question, starts, max_steps=steps, compute=how).x

    def verified(workers: Any) -> Any:
        truth = Truth(Simulator(simulator(work)), tolerance=1.0)
        return verify(found, truth, 0.0, workers=workers).evidence.y

    two = {"dask": lambda: Dask(n=2), "ray": lambda: Ray(n=2)}
    rows = []
    for what, run in (("solve", solved), ("verify", verified)):
        ways = {"one process": lambda: Processes(1)}
        ways |= {f"2 workers, {name}": make for name, make in two.items() if find_spec(name)}
        answers = {}
        for name, make in ways.items():
            began = time.perf_counter()
            answers[name] = run(make())
            rows.append({"what": what, "who": name, "seconds": time.perf_counter() - began})
            rows[-1]["same"] = bool((answers[name] == answers["one process"]).all())
            print(rows[-1], flush=True)
    return rows


def range_of(n: int) -> Any:
    """Return the numbers of the first ``n`` candidates."""
    import torch

    return torch.arange(n)


def million(n: int, seed: int, folder: str) -> dict[str, float]:
    """Search ``n`` candidates in this process; return its peak and the time of a candidate."""
    import numpy as np
    import torch

    from xhat.core import generator
    from xhat.engine import solve_to

    starts = np.lib.format.open_memmap(f"{folder}/x.npy", "w+", np.float32, (n, 8))
    for first in range(0, n, FEW):
        rows = torch.rand(min(FEW, n - first), 8, generator=generator(seed, "starts", first))
        starts[first : first + len(rows)] = rows.numpy()
    starts.flush()
    del starts
    question, _ = problem(1, seed)
    began = time.perf_counter()
    found = solve_to(question, f"{folder}/x.npy", f"{folder}/parts", max_steps=STEPS)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    files = Path(folder, "parts").glob("*.parquet")
    mib = sum(path.stat().st_size for path in files) / 2**20
    return {"n": len(found), "peak": peak, "microseconds": 1e6 * seconds / n, "mib": mib}


def drive(address: str, folder: str, seed: int) -> None:
    """Be a driver that may be killed at any moment."""
    from xhat.engine import Compute, solve_to
    from xhat.executors import Dask

    question, starts = problem(32 * KILLED_SHARDS, seed)
    how = Compute(workers=Dask(address), shard=32)
    solve_to(question, starts, folder, max_steps=300, compute=how)


def kills(times: int, seed: int) -> list[dict[str, Any]]:
    """Return what was finished at each death, and whether the end was the same."""
    import torch

    from xhat.engine import load, solve

    question, starts = problem(32 * KILLED_SHARDS, seed)
    whole = solve(question, starts, max_steps=300)
    rows = []
    with cluster() as (address, workers), TemporaryDirectory() as place:
        for number in range(times):
            folder = Path(place, str(number))
            driver = child("--drive", address, str(folder), "--seed", str(seed))
            first = until(folder, 2 + number % 4, driver)
            os.kill(workers[number % 2].pid, signal.SIGKILL)
            workers[number % 2].wait()
            workers[number % 2] = worker(address)
            second = until(folder, first + 4, driver)
            driver.send_signal(signal.SIGKILL)
            driver.wait()
            kept = {path: path.stat().st_mtime_ns for path in parts(folder)}
            child("--drive", address, str(folder), "--seed", str(seed)).wait()
            found = load(folder).load()
            rows.append(
                {
                    "at worker's death": first,
                    "at driver's death": second,
                    "lost": sum(path.stat().st_mtime_ns != told for path, told in kept.items()),
                    "parts": len(parts(folder)),
                    "same": torch.allclose(found.x, whole.x, atol=1e-6)
                    and found.status == whole.status,
                }
            )
            print(rows[-1], flush=True)
    return rows


def parts(folder: Path) -> list[Path]:
    """Return the parts that are finished."""
    return sorted(folder.glob("part-*.parquet")) if folder.is_dir() else []


def until(folder: Path, count: int, driver: subprocess.Popen[bytes]) -> int:
    """Wait until so many parts are finished, and return how many are."""
    while len(parts(folder)) < min(count, KILLED_SHARDS - 2):
        if driver.poll() is not None:
            raise RuntimeError("the driver ended before it was killed")
        time.sleep(0.01)
    return len(parts(folder))


def child(*words: str) -> subprocess.Popen[bytes]:
    """Begin this script in a process of its own."""
    return subprocess.Popen([sys.executable, __file__, *words])


def worker(address: str) -> subprocess.Popen[bytes]:
    """Begin a worker of Dask, without a nanny that would begin another."""
    words = ["worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard"]
    return subprocess.Popen([sys.executable, "-m", "dask", *words], stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def cluster() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Begin a scheduler and two workers, each a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    words = ["scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
    call = [sys.executable, "-m", "dask", *words]
    scheduler = subprocess.Popen(call, stderr=subprocess.DEVNULL)
    address = f"tcp://127.0.0.1:{port}"
    workers: list[subprocess.Popen[bytes]] = []
    try:
        from xhat.executors import Dask
        from xhat.executors.addresses import listens

        while not listens(address):
            time.sleep(0.1)
        workers += [worker(address), worker(address)]
        while Dask(address).count < 2:
            time.sleep(0.5)
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def told_speed(rows: list[dict[str, Any]]) -> str:
    """Return the table of speed-ups."""
    lines = []
    for row in rows:
        one = next(each for each in rows if each["what"] == row["what"])["seconds"]
        ratio = f"{one / row['seconds']:.2f}"
        same = "yes" if row["same"] else "NO"
        lines.append((row["what"], row["who"], f"{row['seconds']:.1f}", ratio, same))
    return table(("", "by", "seconds", "times one", "same answers"), lines)


def main() -> None:
    """Measure, and write ``scale.json`` and ``scale.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=["speed", "kills", "million"])
    parser.add_argument("--seconds", type=float, default=65.0)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--drive", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        drive(*options.drive, options.seed)
        return
    if options.child:
        with TemporaryDirectory() as folder:
            print(json.dumps(million(int(options.child), options.seed, folder)))
        return
    known = options.out / "scale.json"
    record: dict[str, Any] = json.loads(known.read_text()) if known.exists() else {}
    packages = ["torch", "numpy", "pyarrow"] + [n for n in ("dask", "ray") if find_spec(n)]
    for what in options.only:  # memory first, while this process is small
        record[what] = {
            "speed": lambda: speed(options.seconds, options.seed),
            "kills": lambda: kills(options.times, options.seed),
            "million": lambda: [counted(n, options.seed) for n in (FEW, options.n)],
        }[what]()
    record["provenance"] = provenance(options.seed, packages)
    write("scale", record, told(record), options.out)


def counted(n: int, seed: int) -> dict[str, float]:
    """Run ``million`` in a fresh process."""
    call = [sys.executable, __file__, "--child", str(n), "--seed", str(seed)]
    return json.loads(subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True).stdout)


def told(record: dict[str, Any]) -> str:
    """Return all tables."""
    text = "# Beyond one process\n"
    if "speed" in record:
        text += f"\n{told_speed(record['speed'])}"
        missing = [name for name in ("dask", "ray") if not find_spec(name)]
        text += f"\nNot installed, so not measured: {', '.join(missing)}.\n" if missing else ""
    if "kills" in record:
        rows = [(k + 1, *row.values()) for k, row in enumerate(record["kills"])]
        text += "\n" + table(("death", *record["kills"][0]), rows)
    if "million" in record:
        few, many = record["million"]
        rows = [
            (f"{each['n']:,}", f"{each['microseconds']:.0f}", f"{each['peak']:.0f}",
             f"{each['mib']:.0f}")
            for each in (few, many)
        ]  # fmt: skip
        rows.append(("ratio", f"{many['microseconds'] / few['microseconds']:.2f}",
                     f"{many['peak'] / few['peak']:.2f}", ""))  # fmt: skip
        head = ("candidates", "µs each", "peak MiB", "MiB of parts")
        text += f"\n{STEPS} steps of an 8-64-64-1 network.\n\n" + table(head, rows)
    return text


if __name__ == "__main__":
    main()
