"""One question over many candidates, that other processes can make as well."""

import os
import signal
from pathlib import Path

import torch

from xhat.core import generator
from xhat.engine import Compute, Problem, Restarts, TargetReached, Watch, solve_to
from xhat.objectives import Match
from xhat.spaces import Box

N = 53


def starts():
    return torch.rand(N, 3, generator=generator(1, "starts"))


def problem(n=N):
    draws = generator(0, "net")
    first, last = torch.randn(16, 3, generator=draws), torch.randn(1, 16, generator=draws)
    wanted = 0.3 * torch.randn(n, 1, generator=draws)
    return Problem(Match(lambda x: (x @ first.T).tanh() @ last.T / 4, wanted, 0.02), Box(0, 1))


HOW = {"stop": TargetReached(), "max_steps": 30, "restarts": Restarts(2, 0.3)}


class Deadly:
    """An output whose first evaluation kills the process that asks for it."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, x):
        if len(x) > 1 and not (mark := Path(self.folder) / "died").exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return x.sum(dim=1, keepdim=True)


def dies(folder):
    """Be a driver that dies when three shards are finished."""

    def told(progress):
        if progress.done >= 30:
            os.kill(os.getpid(), signal.SIGKILL)

    solve_to(problem(), starts(), folder, compute=Compute(shard=10), watch=Watch(0, told), **HOW)
