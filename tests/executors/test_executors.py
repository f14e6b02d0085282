import os
import signal
import threading
import time

import numpy as np
import pytest
import torch

from xhat.core import MissingExtraError
from xhat.executors import Here, Processes, Workers, as_workers, each, fingerprint, hosting, told
from xhat.executors.addresses import listens
from xhat.executors.children import device_of, share_of
from xhat.judges import Simulator

BATCH = torch.arange(8.0, dtype=torch.float64)[:, None]


def dangerous(x):
    if x[0] == 3:
        os._exit(3)
    if x[0] == 4:
        time.sleep(1000)
    if x[0] == 5:
        raise RuntimeError("no convergence")
    return np.array([x[0] ** 2, os.getpid()])


def check(simulator):
    y = simulator(BATCH)
    assert y[[0, 1, 2, 6, 7], 0].tolist() == [0, 1, 4, 36, 49]
    assert os.getpid() not in y[:, 1].tolist()
    assert [record.reason for record in simulator.records][3:6] == [
        "its process ended with exit code 3",
        "timed out: it took longer than 1 s and was killed",
        "RuntimeError: no convergence",
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
class TestDask:
    def test_calls_are_isolated_and_killed(self):
        distributed = pytest.importorskip("distributed")
        from xhat.executors import Dask

        with (
            distributed.LocalCluster(
                n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            workers = Dask(client)
            assert workers.count == 2
            check(Simulator(dangerous, workers=workers, timeout=1.0))
            assert not any(hosting._IDLE.values())
            assert Dask(client, n=1).count == 1
            with pytest.raises(ValueError, match="cannot be made in a worker process"):
                Simulator(Unreadable(), workers=workers)(BATCH)

    def test_another_version_is_refused(self, monkeypatch):
        distributed = pytest.importorskip("distributed")
        from xhat.executors import Dask, on_dask

        monkeypatch.setattr(on_dask, "facts", lambda: hosting.facts() | {"xhat": "0.0.1"})
        options = {"n_workers": 1, "processes": False, "dashboard_address": None}
        with (
            distributed.LocalCluster(**options) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
            pytest.raises(ConnectionError, match=r"has xhat 0\.0\.1 and not .*; install the same"),
        ):
            Simulator(dangerous, workers=Dask(client))(BATCH)

    def test_what_cannot_be_reached_is_told_at_once(self):
        pytest.importorskip("distributed")
        from xhat.executors import Dask

        for address in ("tcp://127.0.0.1:1", "nonsense"):
            with pytest.raises(ConnectionError, match="no Dask scheduler answers at"):
                Simulator(dangerous, workers=Dask(address))(BATCH)
        with pytest.raises(ValueError, match="workers must be"):
            Dask(n=0)


class TestRay:
    def test_calls_are_isolated_and_killed(self):
        pytest.importorskip("ray")
        from xhat.executors import Ray

        assert Ray(n=2).count == 2
        check(Simulator(dangerous, workers=Ray(n=2), timeout=1.0))

    def test_what_cannot_be_reached_is_told_at_once(self):
        pytest.importorskip("ray")
        from xhat.executors import Ray

        for address in ("auto", "127.0.0.1:1"):
            with pytest.raises(ConnectionError, match="no Ray cluster answers at"):
                Simulator(dangerous, workers=Ray(address))(BATCH)


class Unreadable:
    def __reduce__(self):
        return (os.fsencode, (3,))

    def __call__(self, x):
        return x


def test_what_is_missing_is_named(monkeypatch):
    import sys

    from xhat.executors import Dask, Ray

    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    for make, name in ((Dask, "dask"), (Ray, "ray"), (lambda: Processes(2), "scale")):
        with pytest.raises(MissingExtraError, match=rf"pip install 'xhat\[{name}\]'"):
            make()


def test_workers_are_numbers_or_clusters():
    assert as_workers(None) == as_workers(1) == Here()
    assert as_workers(3) == Processes(3)
    assert as_workers(-1).count >= 1
    for wrong, error in (
        (0, ValueError),
        (-2, ValueError),
        ("dask", TypeError),
        (True, ValueError),
    ):
        with pytest.raises(error, match="workers must be"):
            as_workers(wrong)
    assert isinstance(as_workers(Here()), Workers)


@pytest.mark.parametrize("workers", [Here(), Processes(2)])
def test_errors_name_their_task(workers):
    def odd(n):
        if n == 2:
            raise ArithmeticError("the loss became nan")
        return n

    assert dict(each(workers, odd, [("one", 1), ("three", 3)])) == {"one": 1, "three": 3}
    with pytest.raises(ArithmeticError, match="became nan") as caught:
        list(each(workers, odd, [("the member two", 2)]))
    assert caught.value.__notes__ == ["This was the member two."]


def test_a_dead_process_and_an_odd_answer_name_their_task():
    with pytest.raises(
        RuntimeError, match="the task was not finished: its process ended by SIGKILL"
    ):
        list(each(Processes(1), lambda n: os.kill(os.getpid(), n), [("the task", signal.SIGKILL)]))
    with pytest.raises(RuntimeError, match="cannot be sent back"):
        list(each(Processes(1), lambda n: threading.Lock(), [("the task", 1)]))


def test_a_function_that_is_asked_never_raises():
    kind, value, reason, _ = told(lambda n: 1 / n)(0)
    assert (kind, type(value), reason) == (
        "failed", ZeroDivisionError, "ZeroDivisionError: division by zero",
    )  # fmt: skip


def test_gpus_and_threads_are_dealt_out(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 7")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert [device_of(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(3)] == ["4", "7", "4"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    assert device_of(1) == {}
    assert share_of(8, 3)["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert share_of(8, 3)["MKL_NUM_THREADS"] == share_of(8, 3)["OMP_NUM_THREADS"] == "5"
    names = ["OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    seen = each(
        Processes(2), lambda n: (time.sleep(1.0), [os.environ[name] for name in names])[1],
        [("a", 1), ("b", 2)],
    )  # fmt: skip
    assert sorted(told for _, told in seen) == [["1", "2"], ["1", "5"]]


def test_a_fingerprint_is_that_of_the_content():
    x = torch.arange(6.0)
    net, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    other.load_state_dict(net.state_dict())
    assert fingerprint(x[::2]) == fingerprint(torch.tensor([0.0, 2.0, 4.0])) != fingerprint(x[1::2])
    assert fingerprint(net) == fingerprint(other)
    assert fingerprint({"b", "a"}) == fingerprint({"a", "b"})
    other.bias.data += 1e-6
    assert fingerprint(net) != fingerprint(other)
    with pytest.raises(TypeError, match="cannot be kept to be resumed"):
        fingerprint(threading.Lock())


def test_addresses():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listens(f"tcp://127.0.0.1:{port}")
        assert listens(f"127.0.0.1:{port}")
    assert not listens(f"ray://127.0.0.1:{port}")
