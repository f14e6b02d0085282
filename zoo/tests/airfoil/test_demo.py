import functools
import json

import pandas as pd
import pytest
from PIL import Image

from xhat.task import task
from xhat_zoo.airfoil import Specification, XFoil, search
from xhat_zoo.airfoil import demo as airfoil
from xhat_zoo.airfoil import demo_run as airfoil_run
from zoo.tests.airfoil.airfoil_program import stand_in

ASKED = Specification(lift=(0.6,), reynolds=(1e6,), thickness=0.12, moment=-0.08)
FILES = {"airfoils.png", "report.html", "results.parquet", "summary.json"}


@pytest.fixture
def quick(monkeypatch):
    """One condition and few steps: a real search, but a short one."""
    monkeypatch.setattr(airfoil_run, "COUNT", 1)
    monkeypatch.setattr(airfoil_run, "specifications", lambda count, seed: (ASKED,) * count)
    monkeypatch.setattr(airfoil_run, "search", functools.partial(search, max_steps=1))


@pytest.fixture
def without(quick, monkeypatch):
    monkeypatch.setattr(airfoil_run, "installed", lambda: False)


@pytest.fixture
def with_program(quick, monkeypatch, tmp_path):
    monkeypatch.setattr(airfoil_run, "installed", lambda: True)
    made = functools.partial(XFoil, stand_in(tmp_path, drag=0.007))
    monkeypatch.setattr(airfoil_run, "XFoil", made)


def written(found, folder):
    page = airfoil.write(found, folder, command="xhat demo --task airfoil --seed 0")
    assert {path.name for path in folder.iterdir()} == FILES
    with Image.open(folder / "airfoils.png") as image:
        assert min(image.size) > 400
    assert len(pd.read_parquet(folder / "results.parquet")) == 1
    return page.read_text(), json.loads((folder / "summary.json").read_text())


def test_without_xfoil_it_runs_and_says_that_nothing_was_verified(without, tmp_path):
    found = task("airfoil").run(0, None, {})
    page, summary = written(found, tmp_path / "out")
    assert "Nothing was verified" in page
    assert "apt install xfoil" in page
    assert summary["verified"] is False
    assert summary["specifications"][0]["gap"] is None
    assert "apt install xfoil" in task("airfoil").say(found)


def test_with_xfoil_the_numbers_on_the_page_are_its_own(with_program, tmp_path):
    stages = []
    found = airfoil_run.run(seed=0, on_progress=stages.append)
    page, summary = written(found, tmp_path / "out")
    assert summary["verified"] is True
    assert ">70.0<" in page  # counts of drag
    assert summary["specifications"][0]["gap"] == pytest.approx(float(found.verified.gap[0]))
    assert {stage.name for stage in stages} >= {"real airfoils", "search", "XFoil", "polars"}
    assert "XFoil differs by" in task("airfoil").say(found)


def test_a_design_that_is_worse_than_the_real_airfoil_is_told_so():
    assert airfoil._less(0.11, "below", "above") == "11 % below"
    assert airfoil._less(-0.03, "less", "more") == "3 % more"
