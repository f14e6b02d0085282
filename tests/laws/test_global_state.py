"""Promise 6: nothing global is set, by import or by search; every chance has a seed."""

import json
import logging
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from tests.laws.problems import N, make_problem
from tests.laws.registry import OBJECTIVES, SPACES, STEPPERS, ConvNet, starts
from xhat.engine import Compute, Problem, Restarts, solve
from xhat.objectives import CrossEntropy, Proximity
from xhat.spaces import Box

LOOK = """
import importlib, json, logging, pkgutil, random, sys, warnings
import numpy as np, torch
import matplotlib, pyarrow, scipy.ndimage, scipy.stats  # these are not ours: scipy sets filters,
import rich.console  # and rich draws a random number
def look():
    return {
        "torch": torch.get_rng_state().tolist(), "python": repr(random.getstate()),
        "numpy": repr(np.random.get_state()[1].tolist()), "dtype": str(torch.get_default_dtype()),
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "grad": torch.is_grad_enabled(), "handlers": [repr(h) for h in logging.root.handlers],
        "level": logging.root.level, "strict": torch.are_deterministic_algorithms_enabled(),
        "filters": repr(warnings.filters),
    }
before = look()
import xhat
names = [m.name for m in pkgutil.walk_packages(xhat.__path__, "xhat.") if "__main__" not in m.name]
for name in names:
    importlib.import_module(name)
after = look()
print(json.dumps([len(names), [k for k in before if before[k] != after[k]]]))
"""


def look() -> list[object]:
    """The global state that a library could change."""
    return [
        torch.get_rng_state().tolist(),
        random.getstate(),
        repr(np.random.get_state()),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_autocast_enabled("cpu"),
        list(logging.root.handlers),
        list(warnings.filters),
    ]


def test_importing_every_module_changes_nothing_global():
    call = [sys.executable, "-c", LOOK]
    run = subprocess.run(call, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    count, changed = json.loads(run.stdout)
    assert count > 30
    assert changed == []


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("stepper", STEPPERS, ids=str)
def test_searching_changes_nothing_global(stepper, precision):
    problem = make_problem(SPACES[0], OBJECTIVES[0])
    before = look()
    options = {"restarts": Restarts(2, 0.1), "compute": Compute(precision=precision)}
    solve(problem, starts(N), stepper=stepper.make(N), max_steps=3, **options)
    assert look() == before
    torch.rand(1)
    assert look() != before  # the check would notice


def test_chance_comes_from_the_seed_and_from_nowhere_else():
    problem = make_problem(SPACES[0], OBJECTIVES[0])
    tries = Restarts(1, 0.2, from_start=False)

    def search(seed: int, elsewhere: int):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(elsewhere)
            return solve(
                problem, starts(N), restarts=tries, compute=Compute(seed=seed), max_steps=3
            )

    first, again, other = search(1, 1), search(1, 2), search(2, 1)
    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.x, other.x)
    assert (first.seed, other.seed) == (1, 2)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_callers_grad_mode_does_not_matter(mode):
    problem = Problem(CrossEntropy(ConvNet(), 1) + 0.1 * Proximity(starts(2)), Box())
    plain = solve(problem, starts(2), max_steps=5)
    with mode():
        before = torch.is_grad_enabled()
        result = solve(problem, starts(2), max_steps=5)
        assert torch.is_grad_enabled() == before
    assert torch.equal(result.x, plain.x)
    assert not result.x.is_inference()
