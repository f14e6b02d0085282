"""A campaign: many random problems, checked by workers, which import it by its name."""

import faulthandler
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from tests.fuzz.problems import drawn
from tests.fuzz.promises import checked
from tests.fuzz.searching import Broken, Outcome

_HANGS = 600.0  # seconds for one problem, after which its worker says where it is, and ends


@dataclass(frozen=True)
class Record:
    """What a worker sends back of one problem."""

    number: int
    refused: str
    broken: tuple[Broken, ...]
    seconds: float


def one(job: tuple[int, int]) -> Record:
    """Check problem ``number`` of a campaign."""
    campaign, number = job
    faulthandler.dump_traceback_later(_HANGS, exit=True)
    case = drawn(campaign, number)
    try:
        outcome = checked(case)
    except Exception as error:  # noqa: BLE001 - one fault of the harness must not end a campaign
        said = f"{type(error).__name__}: {str(error)[:150]}"
        outcome = Outcome(case, [Broken(4, "the harness itself", said)])
    faulthandler.cancel_dump_traceback_later()
    return Record(number, outcome.refused, tuple(outcome.broken), outcome.seconds)


def campaign(seed: int, n: int, first: int, workers: int) -> Iterator[Record]:
    """Check ``n`` problems, in any order."""
    jobs = ((seed, number) for number in range(first, first + n))
    if workers == 1:
        yield from map(one, jobs)
        return
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(workers, torch.set_num_threads, (1,)) as pool:
        yield from pool.imap_unordered(one, jobs, chunksize=20)
