import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from xhat.domain.reading import read_data
from xhat.judges import Outcome
from xhat.methods import method
from xhat_zoo import digits
from xhat_zoo.digits import demo

METHODS = ("pgd", "nearest", "latent-robust")
FILES = {"grid.png", "morph.gif", "report.html", "results.parquet", "summary.json"}
COLUMNS = [
    "task", "method", "seed", "index", "start_label", "target", "status", "verdict", "loss",
    "confidence", "steps", "evaluations", "x0", "x",
]  # fmt: skip


@pytest.fixture(scope="module")
def stages():
    return []


@pytest.fixture(scope="module")
def found(stages):
    return demo.run(starts=1, methods=METHODS, seed=7, on_progress=stages.append)


@pytest.fixture(scope="module")
def out(found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "made"
    assert demo.write(found, folder) == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def table(out):
    return pd.read_parquet(out / "results.parquet")


@pytest.fixture(scope="module")
def summary(out):
    return json.loads((out / "summary.json").read_text(), parse_constant=pytest.fail)


def test_the_five_files_are_whole(out):
    assert {path.name for path in out.iterdir()} == FILES
    page = (out / "report.html").read_text()
    assert all(name in page for name in METHODS)
    assert page.rstrip().endswith("</html>")
    for name in ("grid.png", "morph.gif"):
        with Image.open(out / name) as image:
            image.load()
            assert min(image.size) > 200


def test_results_have_the_promised_columns_and_a_row_per_pair_and_method(table):
    assert set(COLUMNS) <= set(table.columns)
    assert len(table) == 3 * 100
    assert set(table["task"]) == {"digits"}
    assert set(table["seed"]) == {7}
    for name in METHODS:
        rows = table[table["method"] == name]
        assert sorted(zip(rows["start_label"], rows["target"], strict=True)) == [
            (i, j) for i in range(10) for j in range(10)
        ]
    assert set(table["verdict"]) <= {str(outcome) for outcome in Outcome}
    assert table["status"].str.len().min() > 5
    assert table["loss"].notna().all()


def test_rows_belong_to_their_images(table, found):
    test = digits.split("test")
    for row in table.iloc[::17].itertuples():
        assert np.allclose(row.x0, test.images[row.index].flatten())
        assert int(test.labels[row.index]) == row.start_label
    stacked = np.stack(table["x"]).astype(np.float32)
    both = torch.cat([of.result.x for of in found.found]).flatten(1)
    np.testing.assert_array_equal(stacked, both)


def test_shapes_stand_in_the_file_so_that_samples_can_be_judged(out, found):
    metadata = pq.read_schema(out / "results.parquet").metadata
    assert json.loads(metadata[b"shapes"]) == {"x0": [1, 28, 28], "x": [1, 28, 28]}
    samples = read_data(out / "results.parquet", "the samples").x
    assert torch.equal(torch.from_numpy(samples), torch.cat([of.result.x for of in found.found]))


def numbers(rows):
    counts = rows["verdict"].value_counts()
    moved = np.stack(rows["x"]) - np.stack(rows["x0"])
    return {
        "n": len(rows),
        "verdicts": {str(outcome): int(counts.get(outcome, 0)) for outcome in Outcome},
        "genuine": (rows["verdict"] == Outcome.GENUINE).mean(),
        "reached": rows["reached"].mean(),
        "surrogate_confidence": rows["confidence"].mean(),
        "judge_confidence": rows["judge_confidence"].mean(),
        "evaluations": rows["evaluations"].mean(),
        "moved": np.linalg.norm(moved, axis=1),
    }


def same(told, rows):
    expected = numbers(rows)
    lengths = np.sort(expected.pop("moved"))
    assert lengths[(len(lengths) - 1) // 2] == pytest.approx(told["moved"], rel=1e-4)
    assert sum(told["verdicts"].values()) == told["n"]
    for name, value in expected.items():
        if name == "verdicts":
            assert told[name] == value
        else:
            assert told[name] == pytest.approx(value, rel=1e-5), name


def test_the_summary_equals_the_table(summary, table):
    assert (summary["task"], summary["seed"], summary["pairs"]) == ("digits", 7, 100)
    assert list(summary["methods"]) == list(METHODS)
    for name, told in summary["methods"].items():
        rows = table[table["method"] == name]
        diagonal = rows["start_label"] == rows["target"]
        same(told, rows[~diagonal])
        same(told["diagonal"], rows[diagonal])
        assert (told["n"], told["diagonal"]["n"]) == (90, 10)
        assert told["seconds"] > 0 or name == "nearest"
        for target, part in told["per_target"].items():
            same(part, rows[~diagonal & (rows["target"] == int(target))])
        assert sum(part["n"] for part in told["per_target"].values()) == 90


def test_the_methods_end_as_they_should(summary):
    assert summary["methods"]["pgd"]["genuine"] < 0.1
    assert summary["methods"]["pgd"]["verdicts"]["adversarial"] > 45
    assert summary["methods"]["latent-robust"]["genuine"] > 0.5
    assert all(of["diagonal"]["genuine"] > 0.6 for of in summary["methods"].values())


def test_the_same_seed_gives_the_same_answers(found):
    again = demo.run(starts=1, methods=("pgd",), seed=7)
    assert torch.equal(again.found[0].result.x, found.found[0].result.x)
    assert again.found[0].verdicts.outcomes == found.found[0].verdicts.outcomes


def test_progress_counts_every_method(found, stages):
    for name in METHODS:
        done = [stage.done for stage in stages if stage.name == name]
        assert done == sorted(done)
        assert done[-1] == 100
    assert stages[0] == demo.Stage("judges", 0, 1)


def test_judges_and_searched_models_are_strangers(found):
    panel = demo.digits_judge()
    for name in digits.JUDGES:
        with pytest.raises(ValueError, match=f"{name} shares weights"):
            panel.judge(found.pairs.starts[:1], torch.tensor([0]), searched=(digits.judge(name),))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ("magic",)}, "method must be one of flow"),
        ({"methods": ()}, "choose at least one method of flow"),
        ({"confidence": 1.5}, "confidence must lie between 0 and 1"),
        ({"starts": 0}, "must lie between 1 and"),
        ({"starts": 10**6}, "must lie between 1 and"),
    ],
)
def test_bad_options_are_refused_before_the_work(monkeypatch, options, message):
    monkeypatch.setattr(demo, "digits_judge", lambda: pytest.fail("began to work"))
    with pytest.raises(ValueError, match=message):
        demo.run(**options)


def test_a_method_named_twice_runs_once(monkeypatch, found):
    ran = demo.run(starts=1, methods=("pgd", "pgd"), seed=7)
    assert [of.method.name for of in ran.found] == ["pgd"]


def test_every_frame_is_a_state_of_its_search(found):
    for of in found.found:
        grid, path = demo._grid(of, found.pairs), of.result.trajectory
        if of.method.name == "nearest":  # there is no way from the start
            assert grid.frames is path is None
            continue
        assert np.array_equal(grid.frames.reshape(len(path.steps), 100, 784), path.x.flatten(2))
        assert np.array_equal(grid.frames[-1], grid.images)
    assert demo._trace(method("retrieval")) == 0
    assert demo._trace(method("flow")) == 1  # all of its few levels


def test_nothing_moves_where_there_is_no_way(tmp_path):
    found = demo.run(starts=1, methods=("nearest",))
    page = demo.write(found, tmp_path).read_text()
    assert {path.name for path in tmp_path.iterdir()} == FILES - {"morph.gif"}
    assert "The way that" not in page
    assert "How the search gets there" not in page


def test_an_interrupted_search_writes_nothing(tmp_path):
    def interrupt(stage):
        if stage.name == "pgd" and stage.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo.run(starts=1, methods=("pgd",), on_progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("at", "left"),
    [
        ("pyarrow.parquet.write_table", set()),
        ("pathlib.Path.write_text", {"results.parquet"}),
        ("PIL.Image.Image.save", {"results.parquet", "summary.json"}),
    ],
)
def test_an_interrupt_while_writing_leaves_no_partial_file(found, tmp_path, monkeypatch, at, left):
    def interrupted(first, second, *_, **__):
        (second if at.startswith(("pyarrow", "PIL")) else first).write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(at, interrupted)
    with pytest.raises(KeyboardInterrupt):
        demo.write(found, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == left
    if left:
        assert len(pq.read_table(tmp_path / "results.parquet")) == 300


def test_a_folder_that_cannot_be_written_is_named(found, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError, match="file/below cannot be written to"):
        demo.write(found, tmp_path / "file" / "below")
