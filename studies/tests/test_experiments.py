import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studies import STUDIES, Claim, Experiment, run_study, write_study
from studies.runner.paired import answer, interval, together
from studies.tests import toy
from xhat.core import UnreadableFileError, files

ROOT = Path(__file__).parents[2]


def run(tmp_path, experiment=None, **options):
    options = {"seeds": 3, "cache": tmp_path / "cache"} | options
    return run_study(experiment or toy.experiment(), tmp_path / "out", **options)


class TestRunning:
    def test_every_arm_meets_every_seed(self, tmp_path):
        seen = []
        found = run(tmp_path, on_progress=lambda *said: seen.append(said))
        assert list(found.table) == ["none", "lifted", "much"]
        assert all(list(cells) == [0, 1, 2] for cells in found.table.values())
        assert found.table["lifted"][2]["score"] == pytest.approx(0.22)
        assert found.details["lifted"][1]["curve"] == [0.2, 1]
        assert [said[1:] for said in seen] == [(k, 9) for k in range(10)]

    def test_processes_find_the_same(self, tmp_path):
        alone = run(tmp_path / "a").table
        found = run(tmp_path / "b", workers=2)
        assert found.table == alone
        lines = (tmp_path / "b" / "cache" / "calls.txt").read_text().split("\n")
        assert str(os.getpid()) not in {line.split()[-1] for line in lines if line}

    def test_finished_cells_are_never_computed_again(self, tmp_path):
        run(tmp_path, seeds=2)
        run(tmp_path, seeds=4)
        done = toy.calls(tmp_path / "cache")
        assert len(done) == len({tuple(cell) for cell in done}) == 12

    def test_a_cell_that_fails_loses_no_other(self, tmp_path):
        good = toy.experiment()
        bad = dataclasses.replace(
            good, arms=(*good.arms, toy.Arm("broken", "fails", toy.failing, {})), claims=()
        )
        with pytest.raises(ArithmeticError, match="loss became nan"):
            run(tmp_path, bad, seeds=1)
        assert len(list((tmp_path / "out" / "cells").iterdir())) == 3
        (tmp_path / "cache" / "mended").write_text("")
        assert run(tmp_path, bad, seeds=1).table["broken"][0]["score"] == 1.0
        assert len(toy.calls(tmp_path / "cache")) == 3

    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_cell_whose_search_was_cut_short_is_not_finished(self, tmp_path, workers):
        good = toy.experiment()
        cut = dataclasses.replace(
            good, arms=(*good.arms, toy.Arm("cut", "cut short", toy.cut_short, {})), claims=()
        )
        with pytest.raises(KeyboardInterrupt):
            run_study(cut, tmp_path / "out", seeds=1, workers=workers, cache=tmp_path / "cache")
        assert not (tmp_path / "out" / "cells" / "cut-0.json").exists()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


PROGRAM = """
import sys
from pathlib import Path
from studies.tests import toy
from studies import run_study, write_study
out = Path(sys.argv[1])
found = run_study(toy.experiment(pause=0.25), out / "out", seeds=4, cache=out / "cache")
write_study(found, command="toy")
"""


def start(folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    return subprocess.Popen(command, env=environment, cwd=ROOT)  # noqa: S603 - our own words


def test_a_killed_study_goes_on_and_ends_with_the_same_table(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    cells = killed / "out" / "cells"
    first = start(killed)
    while not (cells.is_dir() and len(list(cells.glob("[!.]*.json"))) >= 3):
        assert first.poll() is None
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = len(list(cells.glob("[!.]*.json")))
    assert 3 <= done < 12
    left = files._prefix().replace(str(os.getpid()), str(first.pid))
    (cells / f"{left}x.json").write_text("{")  # as a kill while writing leaves it
    assert start(killed).wait() == 0
    assert start(whole).wait() == 0
    tables = [
        json.loads((folder / "out" / "results.json").read_text())["table"]
        for folder in (whole, killed)
    ]
    assert tables[0] == tables[1]
    assert len(list(cells.iterdir())) == 12
    assert len(toy.calls(killed / "cache")) <= 13  # only the cell at the moment of the kill twice


FULL = """
import resource, sys
from pathlib import Path
from studies.tests import toy
from studies import run_study
out = Path(sys.argv[1])
run_study(toy.experiment(), out / "out", seeds=1, cache=out / "cache")
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    run_study(toy.experiment(), out / "out", seeds=2, cache=out / "cache")
except PermissionError as error:
    print(error)
"""


def test_a_full_disk_loses_nothing_that_was_finished(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    said = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", FULL, str(tmp_path)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "cannot be written" in said
    assert "All finished cells are kept" in said
    cells = sorted(path.name for path in (tmp_path / "out" / "cells").iterdir())
    assert cells == ["lifted-0.json", "much-0.json", "none-0.json"]
    assert run(tmp_path, seeds=2).table["much"][1]["score"] == pytest.approx(0.41)


class TestResumingWithOtherSettings:
    def test_says_what_differs(self, tmp_path):
        run(tmp_path)
        with pytest.raises(ValueError, match=r"arms\.lifted\.lift is 0\.2 there and 0\.3 now"):
            run(tmp_path, toy.experiment(lift=0.3))

    def test_further_arms_leave_finished_cells_as_they_are(self, tmp_path):
        less = toy.experiment()
        less = dataclasses.replace(less, arms=less.arms[:2], claims=())
        before = run(tmp_path, less)
        kept = {path.name: path.read_bytes() for path in before.cells.folder.glob("cells/*")}
        found = run(tmp_path)
        assert len(toy.calls(tmp_path / "cache")) == len(found.table) * found.seeds
        assert set(found.table) - set(before.table) == {"much"}
        for name, text in kept.items():
            assert (found.cells.folder / "cells" / name).read_bytes() == text

    def test_says_what_is_less(self, tmp_path):
        run(tmp_path)
        less = toy.experiment()
        less = dataclasses.replace(less, arms=less.arms[:2], claims=())
        with pytest.raises(ValueError, match=r"arms\.much is there, but not asked for now"):
            run(tmp_path, less)

    def test_a_quick_run_is_not_the_beginning_of_a_full_one(self, tmp_path):
        run(tmp_path, quick=True)
        with pytest.raises(ValueError, match="quick is True there and False now"):
            run(tmp_path)

    def test_a_damaged_cell_is_named(self, tmp_path):
        run(tmp_path)
        (tmp_path / "out" / "cells" / "none-1.json").write_text("{")
        with pytest.raises(UnreadableFileError, match=r"none-1\.json cannot be read; remove it"):
            run(tmp_path)


class TestAnswers:
    def test_the_interval_is_students(self):
        found = interval([1.0, 2.0, 4.0])
        assert found.mean == pytest.approx(7 / 3)
        half = 4.302653 * 1.5275252 / 3**0.5
        assert (found.low, found.high) == pytest.approx((7 / 3 - half, 7 / 3 + half))

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ([0.10, 0.11, 0.12], "supported"),
            ([0.004, 0.005, 0.006], "not supported"),  # above 0, but too little to matter
            ([-0.1, -0.11, -0.12], "not supported"),
            ([0.0, 0.0, 0.0], "not supported"),
            ([0.2, -0.1, 0.1], "undecided"),
            ([0.3], "undecided"),
        ],
    )
    def test_a_difference_is_held_against_its_margin(self, values, said):
        assert answer(interval(values), 0.02) == said

    def test_claims_must_all_hold(self):
        assert together(["supported", "supported"]) == "supported"
        assert together(["supported", "undecided"]) == "undecided"
        assert together(["undecided", "not supported"]) == "not supported"

    def test_differences_are_paired_within_seeds(self, tmp_path):
        found = run(tmp_path)
        (_, gap, said), _ = found.claims()
        assert gap.values == pytest.approx((0.2, 0.2, 0.2))
        assert said == found.answer == "supported"

    @pytest.mark.parametrize("values", [[], [0.1, float("nan")]])
    def test_rejects_what_has_no_mean(self, values):
        with pytest.raises(ValueError, match="finite values, at least one"):
            interval(values)


def test_what_a_study_leaves_is_whole(tmp_path):
    found = run(tmp_path)
    page = write_study(found, command="xhat study toy")
    out = tmp_path / "out"
    assert page == out / "report.html"
    text = page.read_text()
    assert "Does lifting raise the score?" in text
    assert "xhat study toy" in text
    numbers = json.loads((out / "results.json").read_text())
    assert numbers["answer"] == "supported"
    assert numbers["table"]["much"]["2"]["score"] == pytest.approx(0.42)
    assert "| lifted" in (out / "report.md").read_text()
    assert (out / "intervals.png").stat().st_size > 5000


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
class TestEveryStudy:
    def test_says_what_it_asks_and_fixes_its_protocol(self, study):
        assert study.question.endswith("?")
        assert any("Fixed before the run" in line for line in study.protocol)
        assert len(study.claims) >= 3
        assert len(study.arms) >= 3

    def test_its_settings_are_json_and_differ_between_arms(self, study):
        told = [json.dumps(arm.settings, sort_keys=True) for arm in study.arms]
        assert len(set(told)) == len(told)

    def test_its_claims_are_of_its_arms(self, study):
        with pytest.raises(ValueError, match=r"the claim .* is of 'nobody'"):
            Experiment(
                **{each.name: getattr(study, each.name) for each in dataclasses.fields(study)}
                | {"claims": (Claim("x", "nobody", None, "accuracy"),)}
            )
