import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from xhat.apps.label import (
    Ballot,
    Database,
    Item,
    Settings,
    add_images,
    cast,
    create,
    image_rows,
    invite,
    settings_of,
    upcoming,
    verdicts,
)
from xhat.apps.label.verdicts import people_and_verdicts, write_people
from xhat.core import UnreadableFileError
from xhat.judges import Jury
from xhat_zoo import digits
from xhat_zoo.digits.labelling import ask, asking, gold_items, read_source

NOW = 1_790_000_000.0


@pytest.fixture
def one_judge(monkeypatch):
    """A jury of one judge, which needs no weighing."""
    jury = Jury((digits.judge("judge-mlp"),), ("judge-mlp",), digits.CLASSES)
    monkeypatch.setattr(asking, "digits_jury", lambda: jury)
    asking._certain.cache_clear()
    yield jury
    asking._certain.cache_clear()


def write_results(path, n=6, **columns):
    """Write a results file of test images, as the demo writes one."""
    x = digits.split("test").images[:n]
    values = pa.array(x.reshape(-1).numpy())
    table = {"x": pa.FixedSizeListArray.from_arrays(values, 784)} | columns
    told = {"shapes": json.dumps({"x": [1, 28, 28]})}
    pq.write_table(pa.table(table).replace_schema_metadata(told), path)
    return path


class TestSources:
    def test_a_split_rotated_or_upright(self):
        data = digits.split("calibration")
        for source, images in (
            ("digits:calibration", data.images),
            ("digits:calibration:upright", data.upright),
        ):
            item = read_source(source)[17]
            assert (item.place, item.source, item.label) == (17, source, int(data.labels[17]))
            assert np.abs(item.pixels / 255 - images[17, 0].numpy()).max() <= 0.5 / 255 + 1e-6

    def test_a_results_file_keeps_what_is_known_of_each(self, tmp_path):
        verdicts = ["genuine", "adversarial", "genuine", None, "unreached", "genuine"]
        path = write_results(
            tmp_path / "results.parquet", target=list(range(6)), verdict=verdicts, loss=[0.0] * 6
        )
        items = read_source(str(path))
        assert items[1].details == {"target": 1, "verdict": "adversarial"}
        assert items[3].details == {"target": 3}
        assert items[2].label is None  # a target is no label
        assert items[2].source == f"{tmp_path.name}/results.parquet"

    @pytest.mark.parametrize("kind", ["floats", "bytes"])
    def test_an_array(self, tmp_path, kind):
        x = digits.split("test").images[:3, 0].numpy()
        np.save(tmp_path / "x.npy", x if kind == "floats" else np.rint(255 * x).astype(np.uint8))
        pixels = [item.pixels for item in read_source(str(tmp_path / "x.npy"))]
        assert np.array_equal(pixels, [item.pixels for item in read_source("digits:test")[:3]])

    def test_bad_sources_are_refused(self, tmp_path):
        np.save(tmp_path / "wide.npy", np.zeros((2, 3, 28, 28), np.float32))
        np.save(tmp_path / "high.npy", np.full((2, 28, 28), 2.0, np.float32))
        for source, said in {
            "digits:train": "the split of the digits must be one of surrogate_train",
            "digits:test:mirrored": "only :upright, but is 'mirrored'",
            str(tmp_path / "wide.npy"): "must have shape",
            str(tmp_path / "high.npy"): r"must lie in \[0, 1\]",
        }.items():
            with pytest.raises(ValueError, match=said):
                read_source(source)
        with pytest.raises(UnreadableFileError, match="cannot be read"):
            read_source(str(tmp_path / "missing.npy"))


class TestAsking:
    def test_the_most_ambiguous_come_first_and_gold_ones_are_of_another_split(
        self, one_judge, tmp_path
    ):
        with Database(f"sqlite:///{tmp_path}/a.sqlite", create=True) as database:
            new = ask(database, ["digits:test"], Settings(), NOW, limit=40, random=0.0, golds=10)
            with database.read() as connection:
                rows = image_rows(connection)
                assert settings_of(connection) == Settings()
            assert new == len(rows) == 50
            asked, gold = [r for r in rows if not r.gold], [r for r in rows if r.gold]
            spread = [row.details["entropy"] for row in asked]
            assert spread == sorted(spread, reverse=True)
            assert spread[0] > 10 * max(spread[-1], 1e-4)
            assert {row.source for row in asked} == {"digits:test"}
            assert {row.source for row in gold} == {"digits:calibration"}
            assert sorted(row.label for row in gold) == list(range(10))
            assert ask(database, ["digits:test"], Settings(), NOW, limit=40, golds=10) == 0

    def test_what_a_search_made_comes_first_in_random_order(self, one_judge, tmp_path):
        path = write_results(tmp_path / "results.parquet", target=[3] * 6, verdict=["genuine"] * 6)
        items = asking.ordered([read_source("digits:calibration")[:5], read_source(str(path))])
        assert ["verdict" in item.details for item in items] == [True] * 6 + [False] * 5
        places = [item.place for item in items[:6]]
        assert sorted(places) == list(range(6)) != places

    def test_gold_images_are_certain_and_not_of_what_is_asked_about(self, one_judge):
        items = gold_items(["digits:calibration"], 20)
        assert {item.source for item in items} == {"digits:test"}
        data = digits.split("test")
        x = data.images[[item.place for item in items]]
        sure = one_judge.probabilities(x)[:, 0]
        labels = data.labels[[item.place for item in items]]
        assert float(sure.gather(1, labels[:, None]).min()) >= 0.99
        assert [item.label for item in items] == labels.tolist()
        assert all(item.place % 2 for item in items)
        assert float(data.angles[[item.place for item in items]].abs().max()) <= 15
        with pytest.raises(ValueError, match="both are asked about"):
            gold_items(["digits:calibration", "digits:test"], 20)

    def test_no_source(self, tmp_path):
        database = Database(f"sqlite:///{tmp_path}/a.sqlite", create=True)
        with database, pytest.raises(ValueError, match="name the images to ask about"):
            ask(database, [], Settings(), NOW)


VERDICTS = ("genuine", "genuine", "adversarial", "adversarial", "off_manifold", "genuine")
SEEN = (3, 3, 7, 3, 3, None)  # what two people see in candidates for a 3; None is no digit


@pytest.fixture
def judged(tmp_path):
    """Six candidates for a 3 with verdicts, one without, and what two people see in them."""
    with Database(f"sqlite:///{tmp_path}/a.sqlite", create=True) as database:
        settings = Settings(purpose="results", each=2, repeats=0, golds=0)

        def fill(connection):
            create(connection, settings, NOW)
            pixels = [item.pixels for item in read_source("digits:test")[:7]]
            details = [{"verdict": v, "target": 3} for v in VERDICTS] + [{"target": 3}]
            items = [
                Item(p, "r", k, details=d)
                for k, (p, d) in enumerate(zip(pixels, details, strict=True))
            ]
            add_images(connection, items, 2)
            for simulated in (False, False, True):
                person = invite(connection, 1, NOW, simulated=simulated)[0].id
                for seen in (*SEEN, 3):
                    given = upcoming(connection, person, settings, NOW, ahead=1, draw=lambda: 0.9)
                    if given:
                        place = 10 if seen is None else seen
                        shares = tuple(float(k == place) for k in range(11))
                        cast(connection, person, given[0].id, 0, Ballot(shares), NOW)

        database.write(fill)
        yield database


class TestPeopleAndVerdicts:
    def test_counts_both_answers(self, judged):
        found = people_and_verdicts(judged)
        assert len(found) == 6  # the seventh has no verdict
        assert found.table.tolist() == [[2, 1], [2, 1]]
        assert found.agreeing == 3
        assert found.kappa == pytest.approx(0)
        assert found.agrees.tolist() == [True, True, True, False, False, False]
        told = {row.verdict: (row.n, row.seen, row.none) for row in found.rows}
        assert told == {"genuine": (3, 2, 1), "adversarial": (2, 1, 0), "off_manifold": (1, 1, 0)}

    def test_kappa_of_a_textbook(self):
        assert verdicts._kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)
        assert verdicts._kappa(np.array([[7, 0], [0, 0]])) is None
        assert verdicts._kappa(np.array([[7, 0], [0, 3]])) == 1

    def test_the_page_shows_disagreements_first(self, judged, tmp_path):
        page = write_people(people_and_verdicts(judged), tmp_path / "out", command="xhat label")
        said = page.read_text()
        assert "On 3 of 6 candidates people and verdicts agree" in said
        assert "No person gave" not in said
        assert (tmp_path / "out" / "people.png").stat().st_size > 1_000

    def test_simulated_ones_are_kept_apart_and_named(self, judged, tmp_path):
        with pytest.raises(ValueError, match="no candidate has a verdict, a target and 1 or more"):
            people_and_verdicts(judged, simulated=True)  # two people were enough for each image

    def test_few_votes_are_left_out(self, judged):
        with pytest.raises(ValueError, match="and 3 or more votes"):
            people_and_verdicts(judged, least=3)


def test_bytes_round(tmp_path):
    from xhat_zoo.digits.labelling.sources import as_bytes

    assert as_bytes(torch.tensor([[[[0.0, 0.5, 1.0]]]])).tolist() == [[[0, 128, 255]]]
