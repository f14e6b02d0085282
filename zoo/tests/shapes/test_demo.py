"""The demo of shapes, with few points and small pictures."""

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from PIL import Image

from xhat.engine import Result
from xhat.task import task
from xhat_zoo.shapes import demo as shapes
from xhat_zoo.shapes import demo_pictures as shape_pictures

PICTURES = {"slices.png", "normals.png", "trajectories.png", "balls.png", "poses.png", "ball.png"}


@pytest.fixture(scope="module")
def small():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "POSES": 2,
            "HOPELESS": 1,
            "STARTS": 6,
            "POINTS": 200,
            "TRIES": 1,
        }.items():
            patch.setattr(shapes, name, value)
        patch.setattr(shape_pictures, "_VIEW", replace(shape_pictures._VIEW, size=(60, 45)))
        patch.setattr(shape_pictures, "_ACROSS", 40)
        patch.setattr(shape_pictures, "_DOWN", 30)
        yield


@pytest.fixture(scope="module")
def stages():
    return []


@pytest.fixture(scope="module")
def found(small, stages):
    return task("shapes").run(3, stages.append, {})


@pytest.fixture(scope="module")
def out(found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "made"
    page = task("shapes").write(found, folder, command="xhat demo --task shapes --seed 3")
    assert page == folder / "report.html"
    return folder


def test_all_files_are_whole(out):
    assert {path.name for path in out.iterdir()} == PICTURES | {
        "report.html", "poses.parquet", "summary.json"
    }  # fmt: skip
    page = (out / "report.html").read_text()
    assert page.rstrip().endswith("</html>")
    assert "xhat demo --task shapes --seed 3" in page
    for name in PICTURES:
        with Image.open(out / name) as image:
            image.load()
            assert min(image.size) > 200


def test_the_poses_are_certified_and_the_impossible_is_infeasible(found, out):
    summary = json.loads((out / "summary.json").read_text(), parse_constant=pytest.fail)
    assert summary["poses"]["certified"] == summary["poses"]["found"] == 2
    assert summary["impossible"]["found"] == 0
    assert found.hopeless.certificate.status[0].startswith("infeasible")
    table = pq.read_table(out / "poses.parquet")
    assert min(table["clearance_by_truth"].to_pylist()) >= 0.05
    assert len(Result.load(out / "poses.parquet")) == 2


def test_balls_are_as_large_as_geometry_says(found):
    for name, known in shapes.KNOWN.items():
        ball = found.summary()["balls"][name]
        assert 0.9 * known < ball["certified"] <= known + 1e-9


def test_the_terminal_and_progress_tell_of_it(found, stages):
    said = task("shapes").say(found)
    assert "2 of 2 poses found, 2 certified by the truth" in said
    assert said.count("normals") == 4
    assert {stage.name for stage in stages} >= {"shapes", "ball in the room"}
    assert all(0 <= stage.done <= stage.total for stage in stages)
