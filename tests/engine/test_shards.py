import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.engine import asked
from xhat.core import InputWarning, SearchFailedError, UnreadableFileError
from xhat.engine import (
    Compute,
    Problem,
    Progress,
    Result,
    Status,
    StoredResult,
    Watch,
    load,
    solve,
    solve_to,
)  # fmt: skip
from xhat.engine.joining import joined, rows_of
from xhat.engine.starts import count_of, pieces
from xhat.executors import Reply, Workers
from xhat.objectives import Match
from xhat.spaces import Box

pytest.importorskip("pyarrow")
ROOT = Path(__file__).parents[2]


class Scripted(Workers):
    """This process, on several shards at once; some of them fail, or the driver is interrupted."""

    def __init__(self, failures=None, until=None):
        self.failures, self.until, self.searched = dict(failures or {}), until, []

    @property
    def count(self):
        return 3

    def replies(self, run, take, *, timeout=None):
        while tasks := [task for _ in range(3) if (task := take()) is not None]:
            for key, question in reversed(tasks):  # not in order
                if len(self.searched) == self.until:
                    raise KeyboardInterrupt
                if self.failures.get(key, 0) > 0:
                    self.failures[key] -= 1
                    yield key, Reply("failed", None, "its process ended by SIGKILL", 0.0)
                    continue
                self.searched.append(key)
                yield key, Reply(*run(question))


@pytest.fixture(scope="module")
def whole():
    return solve(asked.problem(), asked.starts(), **asked.HOW)


def same(found, whole):
    torch.testing.assert_close(found.x, whole.x, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.loss, whole.loss, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.certificate.violation, whole.certificate.violation)
    assert found.sentences == whole.sentences
    assert torch.equal(found.steps, whole.steps)
    assert torch.equal(found.x0, whole.x0)
    return True


@pytest.mark.parametrize("shard", [asked.N, 27, 20])
def test_shards_give_what_the_whole_gives(whole, shard):
    told = []
    found = solve(
        asked.problem(), asked.starts(), **asked.HOW,
        compute=Compute(workers=Scripted(), shard=shard), watch=Watch(0, told.append),
    )  # fmt: skip
    assert same(found, whole)
    assert [each.done for each in told][-1] == asked.N
    assert all(isinstance(each, Progress) and each.total == asked.N for each in told)


def test_trajectories_and_parts_of_a_candidate_stay_together():
    starts = {"a": torch.rand(5, 2), "b": torch.rand(5, 3)}
    far = torch.linspace(0, 1, 5)
    bowl = Problem(lambda x: (x - far[: len(x), None]).square().sum(dim=1), (Box(0, 1), Box(0, 1)))
    bowl = Problem(lambda a, b: a.sum(dim=1) + b.sum(dim=1), {"a": Box(0, 1), "b": Box(0, 1)})
    how = {"max_steps": 7, "watch": Watch(trace=3)}
    alone = solve(bowl, starts, **how)
    found = solve(bowl, starts, **how, compute=Compute(workers=Scripted(), shard=2))
    assert found.trajectory.steps == alone.trajectory.steps
    torch.testing.assert_close(found.trajectory.x, alone.trajectory.x)
    torch.testing.assert_close(found.parts["b"], alone.parts["b"])


def test_a_killed_worker_changes_nothing(tmp_path):
    problem = Problem(Match(asked.Deadly(str(tmp_path)), torch.ones(8, 1), 0.01), Box(0, 1))
    starts = asked.starts()[:8]
    found = solve(problem, starts, max_steps=5, compute=Compute(workers=2, shard=4))
    assert (tmp_path / "died").exists()  # or else the test would kill itself
    torch.testing.assert_close(found.x, solve(problem, starts, max_steps=5).x, atol=1e-6, rtol=0)


def test_a_killed_driver_goes_on_where_it_was(tmp_path, whole):
    folder = tmp_path / "found"
    program = f"from tests.engine import asked; asked.dies({str(folder)!r})"
    command = [sys.executable, "-c", program]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    died = subprocess.run(command, env=environment, cwd=ROOT, check=False)  # noqa: S603
    assert died.returncode == -signal.SIGKILL
    done = {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.parquet")}
    assert len(done) == 3
    assert len(StoredResult(folder)) == 30
    workers = Scripted()
    found = solve_to(
        asked.problem(), asked.starts(), folder, compute=Compute(workers=workers, shard=7),
        **asked.HOW,
    )  # fmt: skip
    assert sorted(workers.searched) == [3, 4, 5]  # in shards of the size that they had
    assert all((folder / name).stat().st_mtime_ns == time for name, time in done.items())
    assert same(found.load(), whole)


def test_a_shard_that_fails_three_times_is_named_and_tried_again_when_resumed(tmp_path, whole):
    how = asked.HOW | {"compute": Compute(workers=Scripted({1: 2, 2: 9}), shard=10)}
    found = solve_to(asked.problem(), asked.starts(), tmp_path / "found", **how).load()
    lost = [i for i, status in enumerate(found.status) if status is Status.SHARD_FAILED]
    assert lost == list(range(20, 30))
    assert found.sentences[20] == (
        "its shard failed three times: shard 2, candidates 20 to 29: its process ended by SIGKILL"
    )
    assert not bool(found.feasible[20:30].any())
    rest = torch.tensor([i for i in range(asked.N) if i not in lost])
    assert same(rows_of(found, rest), rows_of(whole, rest))
    with pytest.raises(SearchFailedError, match=r"3 of 3 .* its shard failed three times: shard 2"):
        rows_of(found, torch.tensor([20, 25, 29])).raise_if_failed()
    workers = Scripted()
    again = asked.HOW | {"compute": Compute(workers=workers)}
    assert same(
        solve_to(asked.problem(), asked.starts(), tmp_path / "found", **again).load(), whole
    )
    assert workers.searched == [2]
    assert len(list((tmp_path / "found").glob("*.parquet"))) == 6


def test_an_interrupt_keeps_what_is_finished(tmp_path, whole):
    compute = Compute(workers=Scripted(until=2), shard=10, parts=tmp_path / "found")
    found = solve(asked.problem(), asked.starts(), compute=compute, **asked.HOW)
    assert found.status.count(Status.INTERRUPTED) == asked.N - 20
    assert torch.equal(found.x[:10], asked.starts()[:10])
    how = asked.HOW | {"compute": Compute(workers=Scripted(until=1))}
    with pytest.raises(KeyboardInterrupt):
        solve_to(asked.problem(), asked.starts(), tmp_path / "found", **how)
    workers = Scripted()
    compute = Compute(workers=workers, parts=tmp_path / "found")
    assert same(solve(asked.problem(), asked.starts(), compute=compute, **asked.HOW), whole)
    assert len(workers.searched) == 3


def test_another_question_is_refused(tmp_path):
    folder, compute = tmp_path / "found", Compute(shard=30)
    first = {"problem": asked.problem(), "starts": asked.starts(), "max_steps": 2}
    solve_to(path=folder, compute=compute, **first)
    other = Problem(lambda x: x.sum(dim=1), Box(0, 1))
    for words, changed in (
        ("problem differ", {"problem": other}),
        ("settings differ", {"max_steps": 3}),
        ("settings differ", {"compute": Compute(seed=1)}),
        ("number of starts differ", {"problem": asked.problem(50), "starts": asked.starts()[:50]}),
        ("starts of part-000000", {"starts": asked.starts() + 1e-6}),
    ):
        with pytest.raises(ValueError, match=rf"to another question.*{words}.*delete it"):
            solve_to(path=folder, **({"compute": compute} | first | changed))
    assert len(solve_to(path=folder, compute=compute, **first)) == asked.N


def test_a_place_that_cannot_be_written_is_told_before_the_search(tmp_path):
    (tmp_path / "file").touch()
    workers = Scripted()
    for path, error, words in (
        (tmp_path / "file", PermissionError, "cannot be written to"),
        ("nowhere://bucket/found", ValueError, "nowhere"),
    ):
        with pytest.raises(error, match=words):
            solve_to(asked.problem(), asked.starts(), path, compute=Compute(workers=workers))
    assert workers.searched == []
    for path in (tmp_path / "none", "memory://nothing"):
        with pytest.raises(UnreadableFileError, match=r"has no _manifest\.json"):
            load(path)


def test_bad_input_is_refused_as_without_shards():
    with pytest.raises(ValueError, match="shard must be"):
        Compute(shard=0)
    with pytest.raises(TypeError, match="workers must be"):
        Compute(workers="many")
    with pytest.raises(ValueError, match="made for 53 candidates"):
        solve(asked.problem(), asked.starts()[:9], compute=Compute(workers=Scripted()))
    outside = asked.starts() * 3
    with pytest.raises(ValueError, match=r"\[0, 1\]|between|from 0 to 1") as alone:
        solve(asked.problem(), outside)
    with pytest.raises(ValueError) as sharded:  # noqa: PT011 - the same words
        solve(asked.problem(), outside, compute=Compute(workers=Scripted(), shard=asked.N))
    assert str(alone.value) == str(sharded.value)


def test_warnings_of_shards_are_given_once():
    net = torch.nn.Sequential(torch.nn.Linear(3, 1))  # in training mode
    problem = Problem(lambda x: net(x)[:, 0], Box(0, 1))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        solve(problem, asked.starts(), max_steps=1, compute=Compute(workers=Scripted(), shard=10))
    assert [each.category for each in said] == [InputWarning]
    assert net.training


def test_starts_come_lazily(tmp_path, whole):
    import pyarrow as pa
    import pyarrow.parquet as pq

    x = asked.starts().numpy()
    np.save(tmp_path / "x.npy", x)
    pq.write_table(pa.table({f"f{i}": x[:, i] for i in range(3)}), tmp_path / "x.parquet")
    flat = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), 3)
    pq.write_table(pa.table({"other": ["a"] * asked.N, "x": flat}), tmp_path / "list.parquet")
    ways = (
        (tmp_path / "x.npy", asked.N),
        (np.load(tmp_path / "x.npy", mmap_mode="r"), asked.N),
        (tmp_path / "x.parquet", asked.N),
        (str(tmp_path / "list.parquet"), asked.N),
        ([x[:5], x[5:6], torch.from_numpy(x[6:])], None),
    )
    for starts, count in ways:
        assert count_of(starts) == count
        assert [len(piece) for piece in pieces(starts, 20)] == [20, 20, 13]
        torch.testing.assert_close(torch.cat(list(pieces(starts, 20))), asked.starts())
    told = []
    stored = solve_to(
        asked.problem(), iter(ways[-1][0]), "memory://found", compute=Compute(shard=20),
        watch=Watch(0, told.append), **asked.HOW,
    )  # fmt: skip
    assert same(stored.load(), whole)
    assert told[-1].total == asked.N
    for missing in ("none.npy", "none.parquet"):
        with pytest.raises(UnreadableFileError, match="cannot be read"):
            list(pieces(tmp_path / missing, 3))


def test_parts_are_read_lazily(tmp_path, whole):
    import pyarrow.dataset as ds

    stored = solve_to(
        asked.problem(), asked.starts(), tmp_path, compute=Compute(shard=10), **asked.HOW
    )
    opened, whole = load(tmp_path), stored.load()
    assert isinstance(opened, StoredResult)
    assert repr(opened) == repr(stored)
    assert len(opened) == asked.N
    for rows in (
        slice(None),
        slice(8, 31, 3),
        slice(40, 8, -5),
        slice(None, None, -1),
        slice(3, 3),
    ):
        assert torch.equal(opened[rows].x, torch.from_numpy(whole.x.numpy()[rows].copy()))
    assert torch.equal(opened[-1].x, whole.x[-1:])
    with pytest.raises(IndexError):
        opened[asked.N]
    low = opened.where(ds.field("loss") < 0.001)
    assert torch.equal(low.x, whole.x[whole.loss < 0.001])
    with pytest.raises(LookupError, match="none meets"):
        opened.where(ds.field("loss") < -1)
    assert sum(opened.counts().values()) == asked.N
    table = opened.to_table(["loss", "status"], ds.field("reached"))
    assert len(table) == int(whole.reached.sum())
    assert [len(part) for part in opened] == [10, 10, 10, 10, 10, 3]
    assert json.loads((tmp_path / "_manifest.json").read_text())["rows"] == asked.N
    one = tmp_path / "one.parquet"
    whole.save(one)
    assert type(load(one)) is Result
    assert same(
        joined([rows_of(whole, torch.arange(20)), rows_of(whole, torch.arange(20, 53))]), whole
    )
