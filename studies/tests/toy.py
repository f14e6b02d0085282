"""A study whose cells are arithmetic, so that running and resuming can be tested in a moment."""

import contextlib
import os
import signal
import time
from functools import partial
from pathlib import Path

from studies import Arm, Cell, Claim, Experiment


def cell(seed, context, *, lift, pause):
    time.sleep(pause)
    with (context.cache / "calls.txt").open("a") as calls:
        calls.write(f"{lift} {seed} {os.getpid()}\n")
    return Cell({"score": lift + 0.01 * seed, "cost": 1.0}, {"curve": [lift, seed]})


def failing(seed, context):
    if not (context.cache / "mended").exists():
        raise ArithmeticError("the loss became nan")
    return Cell({"score": 1.0, "cost": 1.0})


def cut_short(seed, context):
    """Like a search, which returns what it has when it is interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    return Cell({"score": 1.0, "cost": 1.0})


def arm(name, lift, pause=0.0):
    run = partial(cell, lift=lift, pause=pause)
    return Arm(name, f"lifted by {lift:g}", run, {"lift": lift, "inner": {"kind": "toy"}})


def experiment(pause=0.0, lift=0.2):
    return Experiment(
        name="toy",
        question="Does lifting raise the score?",
        protocol=("Add a number.",),
        arms=(arm("none", 0.0, pause), arm("lifted", lift, pause), arm("much", 2 * lift, pause)),
        claims=(
            Claim("lifting raises the score", "lifted", "none", "score"),
            Claim("more raises it more", "much", "lifted", "score"),
        ),
        shown={"score": "score %", "cost": "cost"},
    )


def calls(cache: Path):
    path = cache / "calls.txt"
    return [line.split()[:2] for line in path.read_text().splitlines()] if path.exists() else []
