"""Commands killed, stopped and without room: `python benchmarks/faults.py [--only NAME ...]`.

Every command runs undisturbed first, then once for every fault, each time in a folder of its own,
and after every fault once more, undisturbed, into the same folder:

- SIGKILL before and after every rename (``os.replace``) of the command;
- SIGINT at every rename, and at moments spread over its duration; SIGTERM in the middle;
- files that cannot grow beyond a size (``RLIMIT_FSIZE``), as on a full disk;
- a home folder that cannot be made.

Counted as right are: the exit code of that fault; one sentence on standard error, no traceback;
every file under a final name whole; and the next run ends as an undisturbed one, with the same
files and nothing left half-written. Last, a study is killed 20 times at random moments and ends
with the table of one that was not.

Commands run in processes forked off this one, which has loaded all rooms, so that faults hit their
work and not the loading of torch; only those without a home are started as a user starts them.
"""

import argparse
import contextlib
import hashlib
import json
import mmap
import os
import random
import resource
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from record import RESULTS, provenance, table, write
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from studies import STUDIES, Arm, Cell, Claim, Experiment
from studies.__main__ import main as main_of_studies
from xhat.cli import main as main_of_library
from xhat_zoo.digits.judging import digits_judge

SEED = 0
NETS = """
import torch

torch.manual_seed(0)
eyes = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).eval()
"""
FIELDS = ("code", "one sentence", "files whole", "next run right")
DB = "sqlite:///labels.sqlite"


def cell(seed: int, context: Any, *, lift: float) -> Cell:
    """Return what the arithmetic study measures."""
    return Cell({"score": lift + 0.01 * seed}, {"curve": [lift, seed]})


ARITHMETIC = Experiment(
    name="arithmetic",
    question="Does lifting raise the score?",
    protocol=("Add a number.",),
    arms=tuple(
        Arm(name, name, lambda seed, context, lift=lift: cell(seed, context, lift=lift), {})
        for name, lift in (("none", 0.0), ("lifted", 0.2))
    ),
    claims=(Claim("lifting raises the score", "lifted", "none", "score"),),
    shown={"score": "score %"},
)


@dataclass(frozen=True)
class Command:
    """What is run, and what makes the folder that it is run in."""

    name: str
    words: str
    before: tuple[str, ...] = ()  # commands that are run first
    again: tuple[int, ...] = (0,)  # exit codes of a run after one that may have finished
    moments: int = 4


LABELLED = (f"label simulate --db {DB} --images images.npy --people 2 --each 6",)
COMMANDS = (
    Command("info", "info --out out"),
    Command(
        "optimize", "optimize --model nets:eyes --inputs x.npy --target 1 --max-steps 40 --out out"
    ),
    Command("judge", "judge --samples x.npy --reference real.npy --out out"),
    Command("train digits", "train digits --epochs 1 --limit 60 --out out"),
    Command(
        "train digits --embedding",
        "train digits --embedding autoencoder --epochs 1 --limit 60 --out out",
    ),
    Command("train shapes", "train shapes --epochs 1 --limit 500 --out out"),
    Command("study", "study arithmetic --seeds 2 --workers 1 --out out --cache kept"),
    Command("label simulate", LABELLED[0], again=(0, 2)),
    Command("label export", f"label export --db {DB} --simulated --out out", LABELLED, (0, 2)),
    Command(
        "label import",
        "label import given --db sqlite:///new.sqlite",
        (*LABELLED, f"label export --db {DB} --simulated --out given"),
        (0, 2),
    ),
    Command("demo", "demo --starts 1 --method plain --out out", moments=3),
)


@dataclass
class Ended:
    """How a command ended."""

    code: int
    said: str
    renames: int
    seconds: float


@dataclass
class Fault:
    """One thing that goes wrong, in a child process."""

    kind: str
    at_rename: int = 0
    after: bool = False
    number: int = 0
    moment: float = 0.0
    room: int = 0
    codes: tuple[int, ...] = field(default=())


def prepare(folder: Path) -> None:
    """Write what commands read."""
    draws = np.random.default_rng(SEED)
    (folder / "nets.py").write_text(NETS)
    np.save(folder / "x.npy", draws.random((4, 1, 8, 8), np.float32))
    np.save(folder / "real.npy", draws.random((200, 1, 8, 8), np.float32))
    np.save(folder / "images.npy", draws.random((12, 1, 28, 28), np.float32))


def run(words: str, folder: Path, fault: Fault | None = None) -> Ended:
    """Run a command in a forked process, with a fault."""
    shared = mmap.mmap(-1, 8)
    reading, writing = os.pipe()
    began = time.monotonic()
    if (child := os.fork()) == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(writing, 2)
        os.close(writing)
        _child(words, folder, fault or Fault("none"), shared)
    os.close(writing)
    timers = []
    if fault is not None and fault.moment:
        timers.append(threading.Timer(fault.moment, _send, (child, fault.number)))
    timers.append(threading.Timer(300, _send, (child, signal.SIGKILL)))
    for timer in timers:
        timer.start()
    with os.fdopen(reading) as stream:
        said = stream.read()
    status = os.waitpid(child, 0)[1]
    for timer in timers:
        timer.cancel()
        timer.join()
    code = os.waitstatus_to_exitcode(status)
    return Ended(code, said, struct.unpack("q", shared[:8])[0], time.monotonic() - began)


def call() -> None:
    """Run ``sys.argv``; what begins with ``study`` goes to the studies."""
    if sys.argv[1:2] != ["study"]:
        return main_of_library()
    del sys.argv[1]
    return main_of_studies()


def _send(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _child(words: str, folder: Path, fault: Fault, shared: mmap.mmap) -> None:
    os.chdir(folder)
    sys.argv = ["xhat", *words.split(" ")]
    replace, done = os.replace, 0

    def counted(*given: Any, **more: Any) -> None:
        nonlocal done
        done += 1
        shared[:8] = struct.pack("q", done)
        here = done == fault.at_rename
        if here and not fault.after:
            signal.raise_signal(fault.number)
        replace(*given, **more)
        if here and fault.after:
            signal.raise_signal(fault.number)

    os.replace = counted
    if fault.room:
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.room, fault.room))
    code = 1
    try:
        call()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BaseException as error:  # noqa: BLE001 - told as Python would
        sys.excepthook(type(error), error, error.__traceback__)
    sys.stderr.flush()
    os._exit(code)


def broken(folder: Path) -> list[str]:
    """Return the files under a final name that are not whole."""
    bad = []
    for path in folder.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.parts):
            try:
                _read(path)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is not whole
                bad.append(f"{path.relative_to(folder)}: {error!r}")
    return bad


def _read(path: Path) -> None:
    if path.suffix == ".parquet":
        pq.read_table(path)
    elif path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix in (".png", ".gif"):
        with Image.open(path) as picture:
            picture.load()
    elif path.suffix == ".safetensors":
        load_file(path)
    elif path.suffix == ".npy":
        np.load(path)
    elif path.suffix == ".html" and not path.read_text().rstrip().endswith("</html>"):
        raise ValueError("no end")
    elif path.suffix == ".sqlite":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            if connection.execute("pragma integrity_check").fetchone() != ("ok",):
                raise ValueError("no whole database")
    elif path.name == "SHA256SUMS":
        for line in path.read_text().splitlines():
            digest, name = line.split("  ")
            if hashlib.sha256((path.parent / name).read_bytes()).hexdigest() != digest:
                raise ValueError(f"{name} is not what was summed")


def names(folder: Path) -> set[str]:
    """Return the files below a folder, but for those that Python and SQLite keep beside theirs."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {name for name in found if "pycache" not in name and not name.endswith(("-wal", "-shm"))}


@contextlib.contextmanager
def fresh(command: Command) -> Iterator[Path]:
    """Yield a new folder in which a command can be run."""
    with tempfile.TemporaryDirectory(prefix="faults-") as made:
        folder = Path(made)
        prepare(folder)
        for words in command.before:
            if (ended := run(words, folder)).code:
                raise RuntimeError(f"{words}: {ended.said}")
        yield folder


def faults(command: Command, plain: Ended) -> Iterator[Fault]:
    """Yield what is to go wrong with a command."""
    stopped = {signal.SIGINT: (130,), signal.SIGTERM: (143,)}
    for k in range(1, plain.renames + 1):
        for after in (False, True):
            yield Fault("kill -9", k, after, signal.SIGKILL, codes=(-9,))
        yield Fault("Ctrl-C", k, number=signal.SIGINT, codes=stopped[signal.SIGINT])
    for k in range(command.moments):
        moment = plain.seconds * (k + 0.5) / command.moments
        yield Fault("Ctrl-C", number=signal.SIGINT, moment=moment, codes=(130, 0))
    yield Fault("SIGTERM", number=signal.SIGTERM, moment=plain.seconds / 2, codes=(143, 0))
    for room in (50, 3_000, 30_000):
        yield Fault("disk full", room=room, codes=(0, 2))


def tried(command: Command, fault: Fault, wanted: set[str]) -> dict[str, Any]:
    """Return what was right of one fault."""
    with fresh(command) as folder:
        ended = run(command.words, folder, fault)
        return {
            "fault": fault.kind,
            "at": fault.at_rename or round(fault.moment, 2) or fault.room,
            **judged(command, ended, folder, wanted, fault.codes),
        }


def judged(
    command: Command, ended: Ended, folder: Path, wanted: set[str], codes: tuple[int, ...]
) -> dict[str, Any]:
    """Return what was right of a run that met a fault; runs it again."""
    silent = ended.code in (-9, 0)
    bad = broken(folder)
    if ended.code != -9:
        bad += [name for name in names(folder) if ".xhat-" in name]
    again = run(command.words, folder)
    lines = ended.said.count("\n")
    return {
        "code": ended.code,
        "code right": ended.code in codes,
        "one sentence": lines == 0 if silent else lines == 1 and "Traceback" not in ended.said,
        "files whole": not bad,
        "next run right": again.code in command.again
        and names(folder) == wanted
        and not broken(folder),
        "said": (ended.said + again.said * (again.code not in command.again))[:600],
        "bad": bad + sorted(names(folder) ^ wanted),
    }


def homeless(command: Command, wanted: set[str]) -> dict[str, Any]:
    """Return what was right of a run by a user whose home folder cannot be made."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG", "XHAT", "MPL"))}
    with fresh(command) as folder:
        known = command.name != "study"
        start = ["-m", "xhat"] if known else ["-c", STARTED]
        call = [sys.executable, *start, *command.words.split(" ")]
        environment = kept | {"HOME": "/dev/null/home", "PYTHONPATH": _path()}
        found = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True)
        right = found.returncode == 0 and names(folder) == wanted and not broken(folder)
        return {
            "fault": "no home",
            "at": 0,
            "code": found.returncode,
            "code right": found.returncode == 0,
            "one sentence": found.stderr.count("\n") <= 1,
            "files whole": not broken(folder),
            "next run right": right,
            "said": found.stderr[:600],
            "bad": sorted(names(folder) ^ wanted),
        }


STARTED = """
import logging, sys
logging.getLogger("matplotlib").setLevel(logging.ERROR)  # as the command does
import faults
sys.argv = ["xhat", *sys.argv[1:]]
faults.STUDIES[faults.ARITHMETIC.name] = faults.ARITHMETIC
faults.call()
"""


def _path() -> str:
    here = Path(__file__).parent
    return os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])


def every(command: Command, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return what was right of all faults of a command."""
    with fresh(command) as folder:
        plain = run(command.words, folder)
        wanted = names(folder)
        if plain.code:
            raise RuntimeError(f"{command.words}: {plain.said}")
    say(f"{command.name}: {plain.renames} renames, {plain.seconds:.1f} s")
    found = [tried(command, fault, wanted) for fault in faults(command, plain)]
    found.append(homeless(command, wanted))
    for row in found:
        if not all(row[name] for name in ("code right", *FIELDS[1:])):
            say(f"  {row}")
    return found


def killed_study(words: str, kills: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Kill a study at random moments until it was killed often enough; compare its table."""
    draws = random.Random(SEED)  # noqa: S311 - no secret
    done, finished, same, folders = 0, 0, 0, []
    with tempfile.TemporaryDirectory(prefix="faults-") as made:
        root = Path(made)
        whole = run(f"{words} --out whole --cache kept", root)
        if whole.code:
            raise RuntimeError(whole.said)
        wanted = _table(root / "whole")
        while done < kills:
            folders.append(f"killed-{len(folders)}")
            call = f"{words} --out {folders[-1]} --cache kept"
            while True:
                over = done >= kills
                moment = draws.uniform(0.02, 0.35) * whole.seconds
                ended = run(
                    call, root, None if over else Fault("", number=signal.SIGKILL, moment=moment)
                )
                if ended.code == 0:
                    break
                done += 1
            finished += 1
            same += _table(root / folders[-1]) == wanted
            say(f"killed {done} times, {finished} finished, {same} with the same table")
    return {
        "command": words.replace("study ", "python -m studies ", 1),
        "kills": done,
        "finished": finished,
        "same": same,
    }


def _table(folder: Path) -> Any:
    found = json.loads((folder / "results.json").read_text())
    return found["table"], found["claims"], found["answer"], (folder / "intervals.png").read_bytes()


def summary(record: dict[str, Any]) -> str:
    """Return the tables of what was found."""
    rows = []
    for command, trials in record["commands"].items():
        for kind in dict.fromkeys(trial["fault"] for trial in trials):
            of = [trial for trial in trials if trial["fault"] == kind]
            codes = ", ".join(map(str, sorted({trial["code"] for trial in of})))
            right = [sum(trial[name] for trial in of) for name in ("code right", *FIELDS[1:])]
            rows.append((f"`{command}`", kind, len(of), codes, *right))
    head = ("command", "fault", "times", "exit codes", *(f"{name} right" for name in FIELDS[:1]))
    text = table((*head, *FIELDS[1:]), rows)
    study = record["study"]
    return text + (
        ""
        if study is None
        else f"\n`{study['command']}` killed {study['kills']} times: {study['finished']} studies "
        f"finished, {study['same']} with table, claims and figure of an undisturbed one.\n"
    )


def measure() -> None:
    """Run everything, or what is asked for; the result is written after every command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="Commands, or killed-study; others stay.")
    parser.add_argument("--study", default="study interpolation --quick --seeds 1 --workers 1")
    parser.add_argument("--kills", type=int, default=20)
    chosen = parser.parse_args()
    STUDIES[ARITHMETIC.name] = ARITHMETIC
    torch.set_num_threads(1)
    digits_judge()
    record = _begun()
    for command in COMMANDS:
        if chosen.only is None or command.name in chosen.only:
            record["commands"][command.name] = every(command, print)
            write("faults", record, summary(record))
    if chosen.only is None or "killed-study" in chosen.only:
        record["study"] = killed_study(chosen.study, chosen.kills, print)
        write("faults", record, summary(record))


def _begun() -> dict[str, Any]:
    """Return the record that is there, if it is of this commit, or a new one."""
    now = provenance(SEED, ("torch", "numpy", "pyarrow"))
    path = RESULTS / "faults.json"
    if path.exists():
        there = json.loads(path.read_text())
        if there["provenance"]["commit"] == now["commit"]:
            return there
    return {"provenance": now, "study": None, "commands": {}}


if __name__ == "__main__":
    measure()
