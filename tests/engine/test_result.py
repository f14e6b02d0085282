import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tests.laws.registry import ConvNet, autoencoder, starts, targets
from xhat.constraints import Certificate, L2Ball, LinfBall
from xhat.core import SearchFailedError, UnreadableFileError
from xhat.engine import Compute, Problem, Result, TargetReached, Watch, solve
from xhat.objectives import CrossEntropy, Match
from xhat.spaces import Box, Latent

N = 3


def found(precision="float32", **options) -> Result:
    net = ConvNet().double() if precision == "float64" else ConvNet()
    problem = Problem(CrossEntropy(net, targets(N)), Box(), LinfBall(starts(N), 0.7))
    compute = Compute(precision=precision, seed=7)
    options = {"stop": TargetReached(), "max_steps": 4} | options
    return solve(problem, starts(N), compute=compute, **options)


def assert_equal(one: Result, other: Result) -> None:
    for field in dataclasses.fields(Result):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, torch.Tensor):
            assert mine.dtype == theirs.dtype, field.name
            assert torch.equal(mine.nan_to_num(-1), theirs.nan_to_num(-1)), field.name
        elif isinstance(mine, Certificate):
            assert torch.equal(mine.violation, theirs.violation)
            assert (mine.names, mine.tolerance) == (theirs.names, theirs.tolerance)
            assert mine.precision == theirs.precision
        elif field.name != "trajectory":
            assert mine == theirs, field.name


@pytest.mark.parametrize("kind", ["parquet", "npz"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_what_was_saved_is_loaded(tmp_path, precision, kind):
    result = found(precision, watch=Watch(trace=1))
    path = tmp_path / "new" / f"r.{kind}"
    further = {"method": ["pgd"] * N, "target": targets(N).numpy(), "why": [None, "far", None]}
    result.save(path, columns=further)
    again = Result.load(path)
    assert_equal(result, again)
    assert torch.equal(again.trajectory.x, result.trajectory.x)
    assert torch.equal(again.trajectory.loss, result.trajectory.loss.float())
    assert again.trajectory.steps == result.trajectory.steps
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_numpy_reads_an_archive_as_it_is(tmp_path):
    result = found()
    result.save(tmp_path / "r.npz", columns={"method": ["pgd"] * N})
    with np.load(tmp_path / "r.npz") as file:
        assert np.array_equal(file["x"], result.x.numpy())
        assert file["status"].tolist() == list(result.status)
        assert file["method"].tolist() == ["pgd"] * N
    whole = (tmp_path / "r.npz").read_bytes()
    for content in (whole[:-20], whole[: len(whole) // 2], b"", b"text"):
        (tmp_path / "r.npz").write_bytes(content)
        with pytest.raises(UnreadableFileError, match="missing, truncated or another format"):
            Result.load(tmp_path / "r.npz")
    np.savez(tmp_path / "r.npz", x=np.zeros(3))
    with pytest.raises(UnreadableFileError, match="not a results file"):
        Result.load(tmp_path / "r.npz")


def test_a_result_without_a_target_in_a_latent_space_is_loaded_as_well(tmp_path):
    problem = Problem(lambda x: x.flatten(1).sum(dim=1), Latent(*autoencoder()))
    result = solve(problem, starts(N), max_steps=2)
    result.save(tmp_path / "r.parquet")
    loaded = Result.load(tmp_path / "r.parquet")
    assert_equal(result, loaded)
    assert loaded.z.shape == (N, 5)
    assert loaded.confidence.isnan().all()


def test_starts_in_half_precision_are_kept(tmp_path):
    problem = Problem(lambda x: x.flatten(1).sum(dim=1), Box())
    for dtype in (torch.float16, torch.bfloat16):
        result = solve(problem, starts(N).to(dtype), max_steps=1)
        result.save(tmp_path / "r.parquet")
        assert torch.equal(Result.load(tmp_path / "r.parquet").x0.float(), result.x0.float())


def test_pandas_reads_one_row_a_candidate(tmp_path):
    result = found()
    result.save(tmp_path / "r.parquet", columns={"method": ["pgd"] * N})
    frame = pd.read_parquet(tmp_path / "r.parquet")
    assert len(frame) == N
    assert list(frame["method"]) == ["pgd"] * N
    assert list(frame["status"]) == list(result.status)
    for name in ("loss", "confidence", "violation", "reached", "feasible", "steps", "evaluations"):
        assert np.array_equal(frame[name], getattr(result, name).numpy()), name
    for name in ("x0", "x", "z"):
        assert np.array_equal(np.stack(frame[name]), getattr(result, name).flatten(1).numpy())


def test_lists_have_a_fixed_size_and_the_metadata_their_shape(tmp_path):
    result = found()
    result.save(tmp_path / "r.parquet")
    schema = pq.read_schema(tmp_path / "r.parquet")
    assert schema.field("x").type == pa.list_(pa.float32(), 36)
    assert b'"x0": [1, 6, 6]' in schema.metadata[b"xhat"]


def test_files_that_are_not_results_are_refused(tmp_path):
    path = tmp_path / "r.parquet"
    with pytest.raises(UnreadableFileError, match="missing, truncated or another format"):
        Result.load(path)
    found().save(path)
    whole = path.read_bytes()
    for content in (whole[:-20], whole[: len(whole) // 2], b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(UnreadableFileError, match="missing, truncated or another format"):
            Result.load(path)
    pq.write_table(pa.table({"x": [1.0]}), path)
    with pytest.raises(UnreadableFileError, match="not a results file"):
        Result.load(path)
    pq.write_table(found().to_table().replace_schema_metadata({"xhat": "{"}), path)
    with pytest.raises(UnreadableFileError, match="not a results file"):
        Result.load(path)
    pq.write_table(found().to_table().drop_columns(["loss"]), path)
    with pytest.raises(UnreadableFileError, match="not a results file"):
        Result.load(path)


def test_an_interrupt_while_saving_keeps_the_file_of_before(tmp_path, monkeypatch):
    path = tmp_path / "r.parquet"
    found().save(path)
    before = path.read_bytes()

    def interrupted(table, where):
        where.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        found().save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_raise_if_failed_is_for_whoever_wants_an_exception():
    fine = found(max_steps=100)
    assert fine.reached.all()
    assert fine.raise_if_failed() is fine
    short = found(max_steps=1)
    with pytest.raises(SearchFailedError, match=r"[123] of 3 candidates.*step budget spent"):
        short.raise_if_failed()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"feasible": torch.tensor([True, False, True])}, "1 of 3.*candidate 1"),
        ({"loss": torch.tensor([0.0, 0.0, torch.nan])}, "1 of 3.*candidate 2"),
        ({"reached": torch.tensor([False, False, True])}, "2 of 3.*candidate 0"),
    ],
)
def test_every_kind_of_failure_is_told(change, said):
    with pytest.raises(SearchFailedError, match=said):
        dataclasses.replace(found(max_steps=100), **change).raise_if_failed()


def test_a_missed_value_is_a_failure_and_no_target_is_none():
    far = Match(ConvNet(), torch.full((1, 4), 50.0), tolerance=0.1)
    with pytest.raises(SearchFailedError, match="3 of 3"):
        solve(Problem(far, Box()), starts(N), max_steps=2).raise_if_failed()
    solve(
        Problem(Match(ConvNet(), 50.0, column=1), Box()), starts(N), max_steps=2
    ).raise_if_failed()


def test_a_column_of_ones_own_has_a_row_per_candidate_and_a_name_of_its_own(tmp_path):
    for columns, said in (
        ({"name": ["a"]}, r"one value per candidate \(3\), but has 1"),
        ({"x": [0] * N}, "a column 'x' of its own"),
    ):
        with pytest.raises(ValueError, match=said):
            found().save(tmp_path / "r.parquet", columns)
    assert not list(tmp_path.iterdir())


def test_a_failure_says_what_failed_and_not_only_why_the_search_ended():
    problem = Problem(CrossEntropy(lambda x: x, 0), Box(), L2Ball(torch.full((1, 2), 3.0), 0.5))
    apart = solve(problem, torch.tensor([[0.6, 0.4]]), stop=TargetReached(), max_steps=2)
    with pytest.raises(SearchFailedError, match=r"and L2Ball is violated by 2\.33\."):
        apart.raise_if_failed()
    problem = Problem(CrossEntropy(lambda x: x, 0), Box())
    short = solve(problem, torch.tensor([[0.0, 1.0]]), stop=TargetReached(), max_steps=1)
    with pytest.raises(
        SearchFailedError, match=r"step budget spent, and the target is not reached\."
    ):
        short.raise_if_failed()
