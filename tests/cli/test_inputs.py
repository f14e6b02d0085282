import numpy as np
import pytest
import torch
from torch import nn

from xhat.attacks import pgd
from xhat.cli.inputs import load_model, read_array, read_targets
from xhat.core import UnreadableFileError
from xhat.domain.reading import read_data


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder, from which modules are imported afresh."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    return tmp_path


def test_a_model_is_found_by_name_in_the_current_folder(here):
    (here / "own_nets.py").write_text(
        "import torch\nclassifier = torch.nn.Linear(4, 3)\n"
        "class Box:\n    lift = staticmethod(lambda x: x.sum(1))\nbox = Box()\n"
    )
    assert isinstance(load_model("own_nets:classifier"), nn.Linear)
    assert load_model("own_nets:box.lift")(torch.ones(2, 3)).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("torch.nn", ValueError, "a .safetensors file of xhat train, but is 'torch.nn'"),
        (":x", ValueError, "must be named"),
        ("torch:", ValueError, "must be named"),
        ("no_such_module:x", ValueError, "no module 'no_such_module'.*is the name"),
        ("torch.no_such_part:x", ValueError, "no module 'torch.no_such_part'"),
        ("torch.nn:no_such_net", ValueError, "has no attribute 'no_such_net'"),
        ("torch.nn:functional.nope", ValueError, "has no attribute 'functional.nope'"),
        ("torch.nn:Linear", TypeError, "is a class; name an instance"),
        ("math:pi", TypeError, "must be a torch module or a function, not float"),
    ],
)
def test_a_name_that_is_no_model_is_refused(name, kind, message):
    with pytest.raises(kind, match=message) as error:
        load_model(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = (", "own_bad cannot be imported: SyntaxError"),
        ("x = y", "own_bad cannot be imported: NameError: name 'y' is not defined"),
        ("raise OSError('no weights')", "own_bad cannot be imported: OSError: no weights"),
        ("import no_such_thing", "no module 'no_such_thing'"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_in_one_sentence(here, text, message):
    (here / "own_bad.py").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_model("own_bad:x")


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", ">f4"])
def test_floating_point_becomes_float32(tmp_path, kind):
    np.save(tmp_path / "x.npy", np.arange(6).reshape(2, 3).astype(kind)[:, ::-1])
    found = read_array(tmp_path / "x.npy", "the inputs")
    assert found.dtype == torch.float32
    assert found.tolist() == [[2, 1, 0], [5, 4, 3]]


@pytest.mark.parametrize("kind", ["uint8", "int64", "bool", "uint16", ">i4"])
def test_integers_stay_what_they_are(tmp_path, kind):
    np.save(tmp_path / "x.npy", np.array([0, 1]).astype(kind))
    found = read_array(tmp_path / "x.npy", "the inputs")
    assert not found.is_floating_point()
    assert found.tolist() == [0, 1]


class _Loud:
    """Unpickling it shows: it must never happen."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


def write_bad_file(path, how):
    whole = path.with_name("whole.npy")
    np.save(whole, np.zeros((4, 4)))
    if how == "truncated":
        path.write_bytes(whole.read_bytes()[:-7])
    elif how == "cut in its header":
        path.write_bytes(whole.read_bytes()[:40])
    elif how == "empty":
        path.touch()
    elif how == "text":
        path.write_text("1 2 3")
    elif how == "pickled":
        np.save(path, np.array([_Loud()], dtype=object), allow_pickle=True)
    elif how == "words":
        np.save(path, np.array(["a", "b"]))
    elif how == "complex":
        np.save(path, np.array([1j]))
    elif how == "archive":
        with path.open("wb") as stream:
            np.savez(stream, a=np.zeros(2))
    elif how == "folder":
        path.mkdir()


BAD_FILES = [
    "missing", "truncated", "cut in its header", "empty", "text", "pickled", "words", "complex",
    "archive", "folder",
]  # fmt: skip


@pytest.mark.parametrize("how", BAD_FILES)
def test_a_bad_array_file_is_refused_in_one_sentence(tmp_path, how):
    write_bad_file(tmp_path / "x.npy", how)
    with pytest.raises(UnreadableFileError, match=r"the inputs .*x\.npy") as error:
        read_array(tmp_path / "x.npy", "the inputs")
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("text", "expected"), [("8", [8]), ("8,3,1", [8, 3, 1]), (" 8, 3 ", [8, 3]), ("-1", [-1])]
)
def test_targets_are_read_from_the_command_line(text, expected):
    assert read_targets(text).tolist() == expected


@pytest.mark.parametrize("text", ["", "eight", "8,", "8;3", "0.5", "t.txt"])
def test_targets_that_are_no_classes_are_refused(text):
    with pytest.raises(ValueError, match=r"a class \(8\), classes \(8,3,1\) or a .npy file"):
        read_targets(text)


def test_targets_come_from_a_file_too(tmp_path):
    np.save(tmp_path / "t.npy", np.array([3, 1]))
    assert read_targets(str(tmp_path / "t.npy")).tolist() == [3, 1]
    with pytest.raises(UnreadableFileError, match="the target cannot be read"):
        read_targets(str(tmp_path / "none.npy"))


def test_samples_are_read_from_results_with_their_shape(tmp_path):
    starts = torch.tensor([[[0.6, 0.5]], [[0.2, 0.7]]])
    result = pgd(lambda x: 4 * x.flatten(1), starts, target=1, radius=0.1)
    result.save(tmp_path / "results.parquet")
    found = read_data(tmp_path / "results.parquet", "the samples")
    assert np.array_equal(found.x, result.x.numpy())
    assert np.array_equal(found.starts, starts.numpy())


@pytest.mark.parametrize("how", ["missing", "truncated", "text", "folder", "foreign"])
def test_bad_results_files_are_refused_in_one_sentence(tmp_path, how):
    path = tmp_path / "results.parquet"
    whole = tmp_path / "whole.parquet"
    pgd(lambda x: 4 * x, torch.tensor([[0.6, 0.5]]), target=1, radius=0.1).save(whole)
    if how == "truncated":
        path.write_bytes(whole.read_bytes()[:-50])
    elif how == "text":
        path.write_text("x,y")
    elif how == "folder":
        path.mkdir()
    elif how == "foreign":
        pd = pytest.importorskip("pandas")
        pd.DataFrame({"y": [1.0]}).to_parquet(path)
    with pytest.raises(UnreadableFileError, match=r"results\.parquet") as error:
        read_data(path, "the samples")
    assert "\n" not in str(error.value)
