"""The demo of collision avoidance, small: what it writes, and that its numbers are the truth's."""

import json

import pytest

from xhat.task import task
from xhat_zoo.conjunction import demo, truth

FILES = {"encounters.png", "burns.png", "report.html", "results.json"}


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "COUNT", 3)
        return demo.run(seed=2)


def test_writes_its_files_and_names_every_encounter(found, tmp_path):
    page = demo.write(found, tmp_path, command="xhat demo --task conjunction --seed 2")
    assert {path.name for path in tmp_path.iterdir()} == FILES
    html = page.read_text("utf-8")
    for word in ("xhat demo --task conjunction --seed 2", "certified", "Before and after"):
        assert word in html
    assert json.loads((tmp_path / "results.json").read_text())["encounters"] == 3


def test_its_numbers_are_the_truths(found):
    of = found.avoidance
    again = truth(of.encounters, of.x)
    assert float((again - of.log10_pc).abs().max()) < 1e-5
    assert bool((again[of.certified] <= -5 + 1e-6).all())
    assert "certified by the truth" in demo.said(found)


def test_is_among_the_demos(monkeypatch):
    monkeypatch.setattr(demo, "run", lambda **asked: asked)
    assert task("conjunction").run(3, None, {}) == {"seed": 3, "on_progress": None}
