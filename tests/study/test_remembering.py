import pytest
import torch

from xhat.study import judging, remembering
from xhat.study.judging import digits_judge
from xhat.study.methods import known
from xhat.study.methods.known import digits_known
from xhat.study.remembering import SHIPPED, fingerprint, remembered
from xhat.tasks import digits


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


def test_what_is_shipped_is_read_first_and_needs_no_cache(folder, tmp_path, monkeypatch):
    shipped, make = tmp_path / "shipped", Made()
    monkeypatch.setattr(remembering, "SHIPPED", folder)
    remembered("thing", "abc", make)
    folder.rename(shipped)
    monkeypatch.setattr(remembering, "SHIPPED", shipped)
    for kept in (str(tmp_path / "other"), ""):
        monkeypatch.setenv("XHAT_CACHE", kept)
        assert int(remembered("thing", "abc", make)["b"]) == 7
    assert make.times == 1
    assert not (tmp_path / "other").exists()
    remembered("thing", "made from something else", make)
    assert make.times == 2


def test_what_is_shipped_is_of_these_data_weights_and_rooms():
    """If not, ``make remembered`` makes it anew."""
    wanted = {f"judge-usual-{judging._made_from(digits.WEIGHTS)[:32]}.safetensors"}
    wanted |= {f"exemplars-0.8-0.5-{known._made_from()[:32]}.safetensors"}
    assert {path.name for path in SHIPPED.iterdir()} == wanted


def test_a_first_judge_computes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XHAT_CACHE", str(tmp_path))
    for place in (judging, known):
        monkeypatch.setattr(place, "remembered", _only_shipped)
    judging._digits_judge.__wrapped__(0.05, digits.WEIGHTS)
    digits_known.__wrapped__()
    assert not list(tmp_path.iterdir())


def _only_shipped(name, made_from, make):
    def forbidden():
        raise AssertionError(f"{name} was computed")

    return remembered(name, made_from, forbidden)


def test_what_is_shipped_is_what_the_judge_would_learn():
    judge, real = digits_judge(), digits.split("calibration")
    seen = judge.look(real.images[:60], real.labels[:60])
    assert torch.allclose(seen.scores, judge.usual.scores[:60], rtol=5e-3, atol=1e-4)
    others = judge.look(real.images[:60], real.labels[:60].roll(1))
    assert not torch.allclose(others.scores, judge.usual.scores[:60], rtol=5e-3, atol=1e-4)
