from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from xhat.core import cache as caching
from xhat.core.cache import cached, fingerprint, kept


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
    first, again = (cached("thing", "abc", make) for _ in range(2))
    assert make.times == 1
    assert torch.equal(first["a"], again["a"])
    assert int(again["b"]) == 7
    assert [path.name for path in folder.iterdir()] == ["thing-abc.safetensors"]


def test_what_is_made_from_something_else_is_something_else(folder):
    make = Made()
    for made_from in ("abc", "abd", "abc"):
        cached("thing", made_from, make)
    assert make.times == 2


def changed(whole, name, how):
    """Return bytes that may lie under a name, but are not what was written there."""
    tensors = {"a": torch.arange(6.0).reshape(2, 3).T.contiguous(), "b": torch.tensor(7)}
    if how == "half":
        return whole[: len(whole) // 2]
    if how == "one bit":
        return whole[:-1] + bytes([whole[-1] ^ 1])
    if how == "another shape":
        tensors["a"] = tensors["a"].reshape(6)
    if how == "another key":
        tensors["c"] = tensors.pop("b")
    if how == "more":
        tensors["c"] = torch.zeros(2)
    return b"nothing" if how == "text" else save(tensors, metadata_of(name))


def metadata_of(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


HARMS = ("text", "half", "one bit", "another shape", "another key", "more")


@pytest.mark.parametrize("how", HARMS)
@pytest.mark.parametrize("cache", ["the user's", "a study's"])
def test_what_is_not_what_was_written_is_made_again(folder, how, cache):
    make = Made()
    path = folder / "thing-abc.safetensors"

    def ask():
        return cached("thing", "abc", make) if cache == "the user's" else kept(path, make)

    ask()
    path.write_bytes(changed(path.read_bytes(), path, how))
    for _ in range(2):
        found = ask()
        assert found.keys() == {"a", "b"}
        assert torch.equal(found["a"], make()["a"])
    assert make.times == 2 + 2


def test_a_whole_file_of_another_name_is_no_answer(folder):
    make = Made()
    cached("thing", "abc", make)
    (folder / "thing-abc.safetensors").rename(folder / "thing-abd.safetensors")
    cached("thing", "abd", make)
    assert make.times == 2


def test_a_file_without_a_digest_is_no_answer(folder):
    folder.mkdir()
    (folder / "thing-abc.safetensors").write_bytes(save({"a": torch.zeros(3, 2)}))
    assert int(cached("thing", "abc", Made())["b"]) == 7


@pytest.fixture
def warned():
    caching._say_once.cache_clear()
    yield
    caching._say_once.cache_clear()


def test_a_folder_that_cannot_be_written_costs_time_only_and_is_told_once(
    tmp_path, monkeypatch, warned
):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XHAT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(
        RuntimeWarning,
        match=r"file/cache cannot be written to \(Not a directory\); .*set XHAT_CACHE",
    ):
        assert int(cached("thing", "abc", Made())["b"]) == 7
    assert int(cached("thing", "abc", Made())["b"]) == 7  # a warning would be an error


def test_without_a_home_nothing_is_kept(tmp_path, monkeypatch, warned):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("XHAT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.warns(RuntimeWarning, match="this user has no home folder to keep a cache in; "):
        assert int(cached("thing", "abc", Made())["b"]) == 7
    assert int(cached("thing", "abc", Made())["b"]) == 7


def test_a_study_needs_its_folder(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(PermissionError, match="cannot be written to"):
        kept(tmp_path / "file" / "a.safetensors", pytest.fail)


def test_an_empty_name_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XHAT_CACHE", "")
    monkeypatch.chdir(tmp_path)
    make = Made()
    for _ in range(2):
        cached("thing", "abc", make)
    assert make.times == 2
    assert not list(tmp_path.iterdir())


def test_the_usual_place_is_that_of_caches(tmp_path, monkeypatch):
    monkeypatch.delenv("XHAT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cached("thing", "abc", Made())
    assert (tmp_path / "xhat" / "thing-abc.safetensors").exists()


def test_data_and_code_are_part_of_a_fingerprint(tmp_path):
    data = tmp_path / "data"
    data.write_text("one")
    one = fingerprint([data], ["xhat.judges"])
    assert one == fingerprint([data], ["xhat.judges"])
    assert one != fingerprint([data], ["xhat.metrics"])
    data.write_text("two")
    assert one != fingerprint([data], ["xhat.judges"])


def test_what_is_shipped_is_read_first_and_needs_no_cache(folder, tmp_path, monkeypatch):
    shipped, make = tmp_path / "shipped", Made()
    cached("thing", "abc", make)
    folder.rename(shipped)
    for cache in (str(tmp_path / "other"), ""):
        monkeypatch.setenv("XHAT_CACHE", cache)
        assert int(cached("thing", "abc", make, shipped=shipped)["b"]) == 7
    assert make.times == 1
    assert not (tmp_path / "other").exists()
    cached("thing", "made from something else", make, shipped=shipped)
    assert make.times == 2
