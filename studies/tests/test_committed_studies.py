"""The studies in the repository are whole, true of their cells, and can be gone on with."""

import json
from pathlib import Path

import pytest

from studies import STUDIES
from studies.runner.cells import Cells
from studies.runner.running import Finished

ROOT = Path(__file__).parents[2]
FEWER = {"latent-size": 3, "ablation": 3, "diffusion": 3, "flow": 3}  # seeds, of many cells
FOLDERS = sorted(path.parent for path in (ROOT / "studies" / "results").glob("*/results.json"))


def test_there_are_some():
    assert FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
class TestEveryStudy:
    def test_has_its_seeds_of_every_arm_and_the_settings_of_today(self, folder):
        study, seeds = STUDIES[folder.name], FEWER.get(folder.name, 5)
        cells = Cells(folder, study, quick=False)  # refuses other settings
        assert all(cells.has(arm.name, seed) for arm in study.arms for seed in range(seeds))

    def test_says_what_its_cells_say(self, folder):
        study, found = STUDIES[folder.name], json.loads((folder / "results.json").read_text())
        cells = Cells(folder, study, quick=False)
        seeds = len(next(iter(found["table"].values())))
        table, details = cells.table(seeds)
        again = Finished(study, seeds, False, table, details, 0.0, cells)
        assert found["answer"] == again.answer
        assert [claim["answer"] for claim in found["claims"]] == [s for _, _, s in again.claims()]
        told = {arm: {int(k): v for k, v in row.items()} for arm, row in found["table"].items()}
        assert told == table

    def test_names_commit_hardware_and_versions(self, folder):
        for path in (folder / "cells").glob("*.json"):
            cell = json.loads(path.read_text())
            assert cell["commit"] != "unknown"
            assert "dirty" not in cell["commit"]
            assert cell["versions"]["torch"]
            assert cell["hardware"]["processor"]

    def test_its_page_and_the_picture_in_the_documentation_are_of_this_run(self, folder):
        answer = json.loads((folder / "results.json").read_text())["answer"]
        assert f"**Answer: {answer}.**" in (folder / "report.md").read_text()
        assert answer in (folder / "report.html").read_text()
        drawn = ROOT / "docs" / "images" / f"study-{folder.name}.png"
        assert drawn.read_bytes() in [path.read_bytes() for path in folder.glob("*.png")]
        told = (ROOT / "docs" / "studies.md").read_text()
        assert f"studies/results/{folder.name}/report.md" in told
