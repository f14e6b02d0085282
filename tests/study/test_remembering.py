import pytest
import torch

from xhat.study.remembering import fingerprint, remembered


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XHAT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Made:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self):
        self.times += 1
        return {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor(7)}


def test_what_was_made_once_is_read(folder):
    make = Made()
    first, again = (remembered("thing", "abc", make) for _ in range(2))
    assert make.times == 1
    assert torch.equal(first["a"], again["a"])
    assert int(again["b"]) == 7
    assert [path.name for path in folder.iterdir()] == ["thing-abc.safetensors"]


def test_what_is_made_from_something_else_is_something_else(folder):
    make = Made()
    for made_from in ("abc", "abd", "abc"):
        remembered("thing", made_from, make)
    assert make.times == 2


def test_a_damaged_file_is_made_again(folder):
    make = Made()
    remembered("thing", "abc", make)
    (folder / "thing-abc.safetensors").write_bytes(b"half of it")
    assert torch.equal(remembered("thing", "abc", make)["a"], make()["a"])
    make.times = 0
    remembered("thing", "abc", make)
    assert make.times == 0


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XHAT_CACHE", str(tmp_path / "file" / "cache"))
    assert int(remembered("thing", "abc", Made())["b"]) == 7


def test_an_empty_name_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XHAT_CACHE", "")
    monkeypatch.chdir(tmp_path)
    make = Made()
    for _ in range(2):
        remembered("thing", "abc", make)
    assert make.times == 2
    assert not list(tmp_path.iterdir())


def test_the_usual_place_is_that_of_caches(tmp_path, monkeypatch):
    monkeypatch.delenv("XHAT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    remembered("thing", "abc", Made())
    assert (tmp_path / "xhat" / "thing-abc.safetensors").exists()


def test_data_and_code_are_part_of_a_fingerprint(tmp_path):
    data = tmp_path / "data"
    data.write_text("one")
    one = fingerprint([data], ["judges"])
    assert one == fingerprint([data], ["judges"])
    assert one != fingerprint([data], ["measures"])
    data.write_text("two")
    assert one != fingerprint([data], ["judges"])
