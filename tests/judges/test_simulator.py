import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from xhat.judges import Simulator, Truth, ask

BATCH = torch.arange(12.0, dtype=torch.float64)[:, None]


def squares(x):
    return np.array([x[0], x[0] ** 2])


_OTHERS = set()  # idle workers that tests of other files have left to this process


@pytest.fixture(scope="module", autouse=True)
def others():
    """Know whose workers are there before the first test of this file."""
    _OTHERS.update(workers())


def workers(parent=None):
    """Return the worker processes below a process, by what Linux tells of each."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes()
            above = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):  # it ended meanwhile
            continue
        if b"xhat-worker" in line and above == (parent or os.getpid()):
            found.append(int(path.name))
    return [pid for pid in found if pid not in _OTHERS]


def alive(pid):
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def soon(condition, seconds=120.0):
    """Whether it holds before long; how long a busy machine takes is no matter."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_one_candidate_or_many_arrays_or_tensors_give_the_same():
    expected = torch.cat([BATCH, BATCH.square()], dim=1)
    rows = []

    def several(x):
        rows.append(len(x))
        return np.concatenate([x, x**2], axis=1)

    several_at_once = Simulator(several, batch=5)
    for simulator in (
        Simulator(squares),
        several_at_once,
        Simulator(lambda x: torch.stack([x[0], x[0] ** 2]), tensors=True),
        Simulator(lambda x: torch.cat([x, x**2], dim=1).float(), batch=12, tensors=True),
        Simulator(lambda x: [x[0], x[0] ** 2], workers=2),
    ):
        torch.testing.assert_close(simulator(BATCH), expected, atol=1e-12, rtol=0)
        assert (simulator.calls, len(simulator.records)) == (12, 12)
        assert all(record.reason is None and record.tries == 1 for record in simulator.records)
    assert rows == [5, 5, 2]
    assert torch.equal(Simulator(lambda x: x[0])(BATCH.numpy()), BATCH[:, 0])  # a number each
    classes = Simulator(lambda x: int(x[0]) % 3)(BATCH)
    assert classes.dtype == torch.int64
    assert classes.tolist()[:4] == [0, 1, 2, 0]


def test_what_raises_gives_nan_and_says_why():
    def picky(x):
        if x[0] in (1, 2):
            raise RuntimeError("no convergence\nafter 500 iterations")
        if x[0] == 3:
            sys.exit("licence server is gone")
        return np.array([x[0], np.nan if x[0] == 4 else 1.0])

    simulator = Simulator(picky, retries=2)
    y = simulator(BATCH[:6])
    assert y.isnan().any(dim=1).tolist() == [False, True, True, True, True, False]
    assert y[4, 0] == 4
    told = [record.reason for record in simulator.records]
    assert told[1] == "RuntimeError: no convergence"
    assert told[3] == "SystemExit: licence server is gone"
    assert told[4] == "it gave a number that is not finite"
    assert told[0] is told[5] is None
    assert [record.tries for record in simulator.records] == [1, 3, 3, 3, 3, 1]
    assert simulator.calls == 14
    found = ask(Truth(Simulator(picky), tolerance=9.0), BATCH[:6], torch.zeros(1, 2))
    assert found.failed.tolist() == [False, True, True, True, True, False]


def test_a_second_try_can_succeed_and_one_bad_candidate_spoils_no_batch():
    tries = dict.fromkeys(range(12), 0)

    def flaky(x):
        tries[int(x[0])] += 1
        if tries[int(x[0])] < 3:
            raise OSError("no licence")
        return x[0]

    assert torch.equal(Simulator(flaky, retries=2)(BATCH), BATCH[:, 0])
    asked = []

    def together(x):
        asked.append(x[:, 0].tolist())
        if (x[:, 0] == 2).any():
            raise FloatingPointError("overflow")
        return x[:, 0]

    simulator = Simulator(together, batch=4)
    y = simulator(BATCH[:6])
    assert y.isnan().tolist() == [False, False, True, False, False, False]
    assert asked == [[0, 1, 2, 3], [4, 5], [0], [1], [2], [3]]
    assert [record.tries for record in simulator.records] == [2, 2, 2, 2, 1, 1]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and kills a process group")
def test_what_hangs_or_dies_is_killed_and_the_rest_is_answered():
    def dangerous(x):
        kind = int(x[0])
        if kind == 3:
            os._exit(3)
        if kind == 4:
            os.kill(os.getpid(), signal.SIGSEGV)
        if kind == 5:
            os.system("sleep 987654")  # noqa: S605, S607
        if kind == 6:
            time.sleep(1000)
        if kind == 7:
            max(iter(int, 1))  # never ends, in C, and lets no signal handler run
        return squares(x)

    simulator = Simulator(dangerous, workers=2, timeout=2.0)
    y = simulator(BATCH[:8])
    assert torch.equal(y[:3, 1], torch.tensor([0.0, 1.0, 4.0]).double())
    assert bool(y[3:].isnan().all())
    told = [record.reason for record in simulator.records]
    late = "timed out: it took longer than 2 s and was killed"
    died = ["its process ended with exit code 3", "its process ended by SIGSEGV"]
    assert told == [None, None, None, *died, late, late, late]
    assert all(record.seconds >= 2.0 for record in simulator.records[5:])
    assert soon(lambda: not workers())
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)  # noqa: S607
    assert "sleep 987654" not in running.stdout


INTERRUPTED = """
import signal
import time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job may ignore it
from xhat.judges import Simulator
import torch
def hang(x):
    if x[0] == 0:
        max(iter(int, 1))
    time.sleep(1000)
print("begins", flush=True)
try:
    Simulator(hang, workers=2)(torch.arange(2.0)[:, None])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_ends_everything_quickly(sent):
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True
    ) as caller:
        try:
            assert caller.stdout.readline() == "begins\n"
            assert soon(lambda: len(workers(caller.pid)) == 2)
            hanging = workers(caller.pid)
            time.sleep(1.0)  # until they hang
            started = time.monotonic()
            caller.send_signal(sent)
            if sent is signal.SIGINT:
                assert caller.stdout.readline() == "interrupted\n"
                assert time.monotonic() - started < 120  # they hang for 1000
            assert soon(lambda: not any(map(alive, hanging)))
        finally:
            caller.kill()


def test_what_was_answered_before_an_interrupt_is_kept():
    asked = []

    def interrupted(x):
        asked.append(x[0])
        if x[0] == 3 and len(asked) == 4:
            raise KeyboardInterrupt
        return x[0]

    simulator = Simulator(interrupted, cache=True)
    with pytest.raises(KeyboardInterrupt):
        simulator(BATCH)
    assert (simulator.calls, len(simulator.records)) == (3, 3)
    assert torch.equal(simulator(BATCH), BATCH[:, 0])
    assert asked == [0, 1, 2, 3, *range(3, 12)]


def test_the_same_candidate_is_asked_once():
    twice = BATCH[[0, 1, 0, 2, 1]]
    simulator = Simulator(squares, cache=True)
    assert torch.equal(simulator(twice), torch.cat([twice, twice**2], dim=1))
    assert simulator.calls == 3
    assert [record.tries for record in simulator.records] == [1, 1, 0, 1, 0]
    simulator(BATCH[:4])
    assert simulator.calls == 4
    always = Simulator(squares)
    always(twice)
    assert always.calls == 5


def test_results_come_in_the_order_of_the_candidates():
    simulator = Simulator(lambda x: time.sleep(1.0 - 0.5 * x[0]) or x[0], workers=3)
    assert simulator(BATCH[:3]).tolist() == [0, 1, 2]
    assert simulator.records[0].seconds > simulator.records[2].seconds


@pytest.mark.parametrize(
    ("f", "options", "error", "words"),
    [
        (lambda x: np.zeros(int(x[0]) + 1), {}, ValueError, r"\(1,\) before and \(2,\) for cand"),
        (lambda x: "42", {}, TypeError, "real numbers, but gave str"),
        (lambda x: None, {}, TypeError, "gave NoneType; raise or give NaN"),
        (lambda x: x * 1j, {}, TypeError, "ndarray of complex128"),
        (lambda x: [[1.0], [1.0, 2.0]], {}, TypeError, "rows of different lengths"),
        (lambda x: x[:0], {}, TypeError, "without any"),
        (lambda x: x[0], {"batch": 4}, ValueError, "4 rows, but gave shape"),
        (lambda x: np.zeros(int(x[0]) + 1), {"workers": 2}, ValueError, "one shape for all"),
        (lambda x: None, {"timeout": 20.0}, TypeError, "gave NoneType; raise or give NaN"),
    ],
)
def test_wrong_shapes_and_types_are_refused(f, options, error, words):
    with pytest.raises(error, match=words):
        Simulator(f, **options)(BATCH[:4])
    assert soon(lambda: not workers())


def test_what_cannot_be_sent_is_refused_and_closures_can():
    lock, offset = threading.Lock(), 3.0
    with pytest.raises(TypeError, match="cannot be sent to worker processes"):
        Simulator(lambda x: x[0] if lock else 0.0, workers=2)(BATCH)
    assert Simulator(lambda x: x[0] + offset, timeout=20)(BATCH[:2]).tolist() == [3, 4]
    assert Simulator(lambda x: x[0] if lock else 0.0)(BATCH[:2]).tolist() == [0, 1]


def test_bad_arguments_are_refused():
    for error, words, arguments in (
        (TypeError, "must be a function", {"f": 3}),
        (TypeError, "must be a function", {"f": dict}),
        (ValueError, "retries must be", {"retries": -1}),
        (ValueError, "batch must be", {"batch": 0}),
        (ValueError, "workers must be", {"workers": 0}),
        (ValueError, "timeout must be", {"timeout": 0.0}),
    ):
        with pytest.raises(error, match=words):
            Simulator(**({"f": squares} | arguments))
    with pytest.raises(ValueError, match=re.escape("(n, *x_shape), but () came")):
        Simulator(squares)(torch.tensor(1.0))
    assert Simulator(squares, workers=-1).workers.count >= 1


def test_where_all_fail_the_truth_says_so_even_in_parts():
    def late(x):
        if x[0] < 6:
            raise ArithmeticError
        return squares(x)

    def twice(x):
        return torch.cat([x, x], dim=1)

    some = ask(Truth(Simulator(late), tolerance=1.0), BATCH, torch.zeros(1, 2), twice, chunk=3)
    assert some.failed.tolist() == [True] * 6 + [False] * 6
    assert some.y.shape == (12, 2)
    none = ask(Truth(Simulator(late)), BATCH[:5], torch.zeros(5, 2), twice)
    assert bool(none.failed.all())
    assert bool(none.error.isnan().all())
    assert bool(none.gap.isnan().all())
    assert not bool(none.holds.any())
