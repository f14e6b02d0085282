"""Networks, judge, agreement with the truth, and the demo with few images."""

import json
import re

import pytest
import torch
from PIL import Image

from xhat.judges import Outcome
from xhat.task import task
from xhat_zoo.rendered import SHAPES, card, demo, draw, networks, surrogate
from xhat_zoo.rendered.agreement import agree, confusion
from xhat_zoo.rendered.controls import CONTROLS, material
from xhat_zoo.rendered.networks import RECIPES, load, train
from xhat_zoo.rendered.task import rendered_domain

KINDS = ("real", "real, asked for another kind", "natural misreadings", "only noise")


@pytest.fixture(scope="module")
def rows():
    return agree(
        rendered_domain(), material(surrogate(), 10, seed=4), kinds=KINDS, methods=("proximal",)
    )


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_networks_read_new_images_as_their_cards_say(name):
    some = draw(1_000, seed=70, stream="tests")
    right = (load(name)(some.images).argmax(dim=1) == some.labels).float().mean()
    assert float(right) == pytest.approx(card(name).metrics["accuracy"], abs=0.02)
    assert card(name).command == f"xhat train rendered --recipe {name} --seed {card(name).seed}"


def test_training_is_repeated_by_its_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "_TESTED", 100)
    first, same = (
        train("judge-contrast", out=tmp_path / str(i), images=90, epochs=1).sha256 for i in (1, 2)
    )
    assert first == same
    told = task("rendered").train(tmp_path, "plain", options={"limit": 80, "epochs": 1, "seed": 5})
    assert told.card.command.endswith("--recipe plain --seed 5 --epochs 1 --limit 80")
    with pytest.raises(ValueError, match="recipe must be one of plain"):
        train("fancy", out=tmp_path)


def test_a_judge_that_sees_contrast_sees_no_colours():
    some, judge = draw(20, seed=8).images, load("judge-contrast")
    assert torch.allclose(judge(some), judge(some.flip(1) * 0.9 + 0.05), atol=0.2)


class TestAgreement:
    def test_every_kind_is_judged_and_asked_about(self, rows):
        assert [row.name for row in rows] == [*KINDS, "search: proximal"]
        assert all(len(row) == len(row.said) == len(row.images) > 0 for row in rows)
        assert int(confusion(rows).sum()) == sum(map(len, rows))
        assert int(confusion(rows).diagonal().sum()) == sum(row.right for row in rows)

    def test_the_judge_is_right_about_what_is_easy(self, rows):
        by_name = {row.name: row for row in rows}
        assert by_name["real"].right >= 8
        assert by_name["real, asked for another kind"].right >= 8
        assert by_name["only noise"].right >= 8

    def test_overclaiming_is_genuine_where_the_truth_says_otherwise(self, rows):
        row = rows[1]
        said = (Outcome.GENUINE,) * len(row)
        assert type(row)(row.name, row.true, said, row.images, row.nearest).overclaimed == len(row)
        assert rows[0].overclaimed == 0

    def test_an_unknown_kind_or_method_is_refused(self):
        of = material(surrogate(), 2, seed=4)
        with pytest.raises(KeyError):
            agree(rendered_domain(), of, kinds=("sculptures",))
        assert len(CONTROLS) > 15


def test_the_demo_ends_in_a_page(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "agree", lambda *_, **__: rows)
    stages = []
    shown = task("rendered").demo(tmp_path / "made", seed=4, on_progress=stages.append)
    assert {path.name for path in shown.page.parent.iterdir()} == {
        "report.html", "summary.json", "verdicts.png"
    }  # fmt: skip
    page = shown.page.read_text()
    assert page.rstrip().endswith("</html>")
    assert "xhat demo --task rendered --seed 4" in page
    assert all(row.name in page for row in rows)
    summary = json.loads((tmp_path / "made" / "summary.json").read_text())
    assert summary["n"] == sum(map(len, rows))
    assert re.search(rf"real +{rows[0].right} of +10 as the truth", shown.said)
    with Image.open(tmp_path / "made" / "verdicts.png") as image:
        image.load()
        assert min(image.size) > 300


def test_the_domain_names_its_classes():
    assert rendered_domain().classes == SHAPES
    assert rendered_domain().class_of("star") == SHAPES.index("star")
