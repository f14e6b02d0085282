import json

import pandas as pd
import pytest
import torch
from torch import nn

from xhat._optimize import MODEL_METHODS, match, optimize, write_result
from xhat.core import generator
from xhat.result import Result

X0 = torch.rand(5, 2, 3, generator=generator(0))


def classifier(x):
    return 9 * x.flatten(1)[:, :4]


@pytest.mark.parametrize("method", MODEL_METHODS)
def test_every_model_method_reaches_a_target_in_any_shape(method):
    target = torch.tensor([0, 1, 2, 3, 0])
    found = optimize(classifier, 0.4 + 0.2 * X0, target, method=method, confidence=0.4)
    assert bool(found.reached.all())
    assert torch.equal(classifier(found.x).argmax(1), target)
    assert bool((found.confidence >= 0.4).all())
    assert found.x.shape == X0.shape
    assert 0 <= found.x.min() <= found.x.max() <= 1


def test_one_class_serves_all():
    found = optimize(classifier, X0, 1, confidence=0.4)
    assert torch.equal(found.x, optimize(classifier, X0, torch.tensor([1]), confidence=0.4).x)


def test_the_methods_for_a_users_model_need_no_task():
    assert MODEL_METHODS == ("plain", "pgd", "proximal")
    for name in ("robust", "latent", "latent-robust"):
        with pytest.raises(ValueError, match=f"'{name}' needs networks that only a task has.*pgd"):
            optimize(classifier, X0, torch.tensor([1]), method=name)
    with pytest.raises(ValueError, match="method must be one of plain, pgd, proximal"):
        optimize(classifier, X0, torch.tensor([1]), method="magic")


def test_bounds_hold_whatever_they_are():
    found = match(lambda x: x.sum((1, 2)), X0 - 2, -11.5, tolerance=0.1, bounds=(-2.0, 0.5))
    assert bool(found.reached.all())
    assert found.x.min() >= -2
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        match(lambda x: x.sum((1, 2)), X0 - 2, -11.5, tolerance=0.1)


def test_soft_targets_and_shared_targets_are_taken():
    soft = torch.tensor([[0.5, 0.5, 0.0, 0.0]])
    found = optimize(classifier, X0, soft, confidence=0.8, method="plain")
    assert bool(found.reached.all())
    assert len(optimize(classifier, X0, torch.tensor(2), max_steps=2)) == 5


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"inputs": X0[:0]}, ValueError, "the inputs is empty"),
        ({"inputs": (X0 * 255).byte()}, TypeError, "the inputs must be floating point.*uint8"),
        ({"inputs": X0 * torch.nan}, ValueError, "the inputs must be finite"),
        ({"inputs": X0 * 2}, ValueError, r"must lie in \[0, 1\]"),
        ({"inputs": X0[0, 0]}, ValueError, "one row per candidate"),
        ({"target": torch.tensor([4])}, ValueError, "class index from 0 to 3, but 4 came"),
        ({"target": torch.tensor([-1])}, ValueError, "class index from 0 to 3, but -1 came"),
        ({"target": torch.tensor([1, 2])}, ValueError, r"one row per candidate \(5\).* 2 rows"),
        ({"target": torch.tensor([[0.5, 0.4, 0.0, 0.0]])}, ValueError, "row 0 sums to 0.9"),
        ({"target": torch.full((1, 3), 1 / 3)}, ValueError, "each of the model's 4 classes"),
        ({"confidence": 1.0}, ValueError, "confidence"),
        ({"bounds": (1.0, 0.0)}, ValueError, "low must be below high"),
        ({"max_steps": 0}, ValueError, "the step budget must be"),
        ({"model": lambda x: x.sum()}, ValueError, r"logits of shape \(n, classes\)"),
        ({"model": nn.Linear(7, 3).eval()}, ValueError, r"cannot take a start of shape \(2, 3\)"),
        ({"model": lambda x: (x > 0.5).float().flatten(1)}, TypeError, "cannot be differentiated"),
        ({"model": lambda x: x.detach().numpy()}, ValueError, "returned ndarray"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(change, kind, message):
    good = {"model": classifier, "inputs": X0, "target": torch.tensor([1]), "max_steps": 2}
    assert len(optimize(**good)) == 5
    with pytest.raises(kind, match=message) as error:
        optimize(**(good | change))
    assert "\n" not in str(error.value)


def test_one_candidate_whose_model_gives_nan_does_not_stop_the_others():
    def root(x):
        return torch.cat([classifier(x)[:, :3], (x[:, :1, 0] - 0.1).sqrt()], dim=1)

    starts = X0.clamp(0.2, 1)
    starts[2, 0, 0] = 0.0
    found = optimize(root, starts, torch.tensor([1]), confidence=0.5)
    assert found.reached.tolist() == [True, True, False, True, True]
    assert "non-finite" in found.status[2]


def test_what_is_written_can_be_read_and_agrees(tmp_path):
    out = tmp_path / "new" / "folder"
    found = optimize(classifier, X0.flatten(1), torch.tensor([1]), confidence=0.5, seed=3)
    summary = write_result(found, out)
    assert {path.name for path in out.iterdir()} == {"results.parquet", "summary.json"}
    assert json.loads((out / "summary.json").read_text()) == summary
    table = pd.read_parquet(out / "results.parquet")
    assert summary["n"] == len(table) == 5
    assert summary["reached"] == int(table["reached"].sum())
    assert sum(summary["status"].values()) == 5
    assert summary["confidence"] == pytest.approx(table["confidence"].mean())
    assert summary["evaluations"] == pytest.approx(table["evaluations"].mean())
    assert summary["seed"] == 3
    assert torch.equal(Result.load(out / "results.parquet").x, found.x)


def test_images_leave_a_picture_of_their_changes_and_other_inputs_do_not(tmp_path):
    for name, starts in (("images", torch.rand(2, 1, 8, 8, generator=generator(1))), ("rows", X0)):
        found = optimize(classifier, starts, torch.tensor([1]), max_steps=2)
        write_result(found, tmp_path / name)
    assert (tmp_path / "images" / "changes.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "rows" / "changes.png").exists()


def test_a_summary_without_confidence_is_valid_json(tmp_path):
    found = match(lambda x: x.sum((1, 2)), X0, 3.0, tolerance=0.1, max_steps=3)
    write_result(found, tmp_path)
    text = (tmp_path / "summary.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["confidence"] is None


def test_a_summary_of_nothing_finite_is_valid_json(tmp_path):
    found = optimize(lambda x: classifier(x) * torch.nan, X0, torch.tensor([1]), max_steps=3)
    summary = write_result(found, tmp_path)
    text = (tmp_path / "summary.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == summary
    assert summary["loss"] is None


@pytest.mark.parametrize(
    ("at", "left"),
    [("pyarrow.parquet.write_table", []), ("pathlib.Path.write_text", ["results.parquet"])],
)
def test_an_interrupt_while_writing_leaves_no_partial_file(tmp_path, monkeypatch, at, left):
    def interrupted(first, second, **options):
        (first if at.startswith("pathlib") else second).write_bytes(b"half of it")
        raise KeyboardInterrupt

    found = optimize(classifier, X0.flatten(1), torch.tensor([1]), max_steps=2)
    monkeypatch.setattr(at, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_result(found, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == left
    assert all(len(Result.load(tmp_path / name)) == 5 for name in left)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    found = optimize(classifier, X0, torch.tensor([1]), max_steps=2)
    with pytest.raises(
        PermissionError, match=r"file/below cannot be written to \(Not a directory\)"
    ):
        write_result(found, tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("target", "column"),
    [
        (torch.tensor([2]), [2, 2]),
        (torch.tensor([2, 0]), [2, 0]),
        (torch.tensor([[0.5, 0.5, 0.0]]), [[0.5, 0.5, 0.0]] * 2),
        (1.5, [1.5, 1.5]),
    ],
)
def test_what_was_wanted_stands_beside_what_was_found(target, column, tmp_path):
    found = optimize(torch.nn.Linear(4, 3).eval(), torch.rand(2, 4), torch.tensor([1]), max_steps=1)
    write_result(found, tmp_path, target=target)
    kept = pd.read_parquet(tmp_path / "results.parquet")["target"]
    assert [getattr(row, "tolist", lambda row=row: row)() for row in kept] == column
    write_result(found, tmp_path / "without")
    assert "target" not in pd.read_parquet(tmp_path / "without" / "results.parquet")
