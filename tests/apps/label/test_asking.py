import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tests.apps.explorer.small import SHAPES, shapes
from tests.apps.label.collections import NOW
from tests.domains import small_classifier, small_digits, wine
from xhat.apps.label import Asking, Database, Settings, image_rows, settings_of
from xhat.apps.label.collection import picture_of
from xhat.apps.label.schema import images
from xhat.core import UnreadableFileError
from xhat.domain import Domain


@pytest.fixture(scope="module")
def asking():
    return Asking(small_digits(), small_classifier())


@pytest.fixture
def database(tmp_path):
    with Database(f"sqlite:///{tmp_path}/a.sqlite", create=True) as found:
        yield found


def write_results(path, n=6, **columns):
    """Write a results file of real images, as a demo writes one."""
    values = pa.array(small_digits().x[:n].reshape(-1).numpy())
    table = {"x": pa.FixedSizeListArray.from_arrays(values, 64)} | columns
    told = {"shapes": json.dumps({"x": [1, 8, 8]})}
    pq.write_table(pa.table(table).replace_schema_metadata(told), path)
    return path


class TestSources:
    def test_the_reference(self, asking):
        item = asking.read("reference")[17]
        assert (item.place, item.label) == (17, int(small_digits().labels[17]))
        assert np.abs(item.pixels / 255 - small_digits().x[17, 0].numpy()).max() <= 0.5 / 255 + 1e-6

    def test_a_results_file_keeps_what_is_known_of_each(self, asking, tmp_path):
        verdicts = ["genuine", "adversarial", "genuine", None, "unreached", "genuine"]
        path = write_results(
            tmp_path / "results.parquet", target=list(range(6)), verdict=verdicts, loss=[0.0] * 6
        )
        items = asking.read(str(path))
        assert items[1].details == {"target": 1, "verdict": "adversarial"}
        assert items[3].details == {"target": 3}
        assert items[2].label is None  # a target is no label
        assert items[2].source == f"{tmp_path.name}/results.parquet"

    @pytest.mark.parametrize("kind", ["floats", "bytes"])
    def test_an_array(self, asking, tmp_path, kind):
        x = small_digits().x[:3, 0].numpy()
        np.save(tmp_path / "x.npy", x if kind == "floats" else np.rint(255 * x).astype(np.uint8))
        pixels = [item.pixels for item in asking.read(str(tmp_path / "x.npy"))]
        assert np.array_equal(pixels, [item.pixels for item in asking.read("reference")[:3]])

    def test_labels_of_an_archive_are_classes_of_the_domain(self, asking, tmp_path):
        np.savez(tmp_path / "x.npz", x=np.zeros((2, 8, 8)), y=[3, 9])
        assert [item.label for item in asking.read(str(tmp_path / "x.npz"))] == [3, 9]
        np.savez(tmp_path / "x.npz", x=np.zeros((2, 8, 8)), y=[3, 10])
        with pytest.raises(ValueError, match="10 is none of the classes 0, 1"):
            asking.read(str(tmp_path / "x.npz"))

    def test_bad_sources_are_refused(self, asking, tmp_path):
        np.save(tmp_path / "wide.npy", np.zeros((2, 3, 8, 8), np.float32))
        np.save(tmp_path / "high.npy", np.full((2, 8, 8), 2.0, np.float32))
        with pytest.raises(ValueError, match="like the reference samples, but have shape"):
            asking.read(str(tmp_path / "wide.npy"))
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
            asking.read(str(tmp_path / "high.npy"))
        with pytest.raises(UnreadableFileError, match="cannot be read"):
            asking.read(str(tmp_path / "missing.npy"))

    @pytest.mark.parametrize("domain", [wine, lambda: Domain(small_digits().x)])
    def test_what_it_is_not_for_is_said(self, domain):
        with pytest.raises(ValueError, match="for images with classes"):
            Asking(domain())


class TestAsking:
    def test_the_most_ambiguous_come_first_and_none_is_gold_and_asked_about(self, asking, database):
        some = {"limit": 60, "random": 0.0, "golds": 10}
        new = asking.ask(database, ["reference"], Settings(), NOW, **some)
        with database.read() as connection:
            rows = image_rows(connection)
            told = settings_of(connection)
        assert (told.task, told.classes) == ("small digits", tuple("0123456789"))
        assert new == len(rows)
        asked, gold = [r for r in rows if not r.gold], [r for r in rows if r.gold]
        spread = [row.details["entropy"] for row in asked]
        assert spread == sorted(spread, reverse=True)
        assert spread[0] > 10 * max(spread[-1], 1e-4)
        assert len(asked) == 60
        shown = [row.label for row in gold]  # none where judges are unsure
        assert len(shown) == len(set(shown)) >= 8
        assert not {row.place for row in asked} & {row.place for row in gold}
        assert asking.ask(database, ["reference"], Settings(), NOW, **some) == 0

    def test_gold_images_are_beyond_doubt_also_to_the_model(self, asking):
        items = asking.golds(["reference"], 40)
        labels = torch.tensor([item.label for item in items])
        assert torch.equal(labels, small_digits().labels[[item.place for item in items]])
        x = torch.from_numpy(np.stack([item.pixels for item in items]))[:, None] / 255
        votes = asking.jury.probabilities(x)
        at = labels[:, None, None]
        alone = votes.gather(2, at.expand(-1, votes.shape[1], 1))
        together = asking.jury.together(votes).gather(1, labels[:, None])
        model = small_classifier()(x).softmax(1).gather(1, labels[:, None])
        assert float(together.min()) >= 0.99
        assert float(torch.stack((alone.amin(), model.min())).min()) >= 0.4

    def test_what_a_search_made_comes_first_in_random_order(self, asking, tmp_path):
        path = write_results(tmp_path / "results.parquet", target=[3] * 6, verdict=["genuine"] * 6)
        items = asking.ordered([asking.read("reference")[50:55], asking.read(str(path))])
        assert ["verdict" in item.details for item in items] == [True] * 6 + [False] * 5
        places = [item.place for item in items[:6]]
        assert sorted(places) == list(range(6)) != places

    def test_no_source(self, asking, database):
        with pytest.raises(ValueError, match="name the images to ask about"):
            asking.ask(database, [], Settings(), NOW)


class TestAnyImages:
    """Coloured, not square, classes with names, and first too few of them for a judge."""

    def test_without_judge_and_model_all_come_in_random_order(self, database):
        x, y = shapes(12)
        asking = Asking(Domain(x, y, classes=SHAPES, kind="image", name="shapes"))
        assert asking.jury is None
        assert asking.seen(asking.read("reference")) is None
        assert asking.ask(database, ["reference"], Settings(), NOW) == 12
        with database.read() as connection:
            rows = connection.execute(images.select().order_by(images.c.rank)).all()
            assert settings_of(connection).classes == SHAPES
        places = [row.place for row in rows]
        assert sorted(places) == list(range(12)) != places
        assert all(np.array_equal(picture_of(row), x[row.place]) for row in rows)

    def test_without_judges_a_model_says_what_is_ambiguous(self):
        x, y = shapes(12)
        domain = Domain(x, y, classes=SHAPES, kind="image")
        asking = Asking(domain, lambda x: 20 * x.mean(dim=(2, 3)).flip(1) / 255)
        seen = asking.seen(asking.read("reference"))
        assert seen.shape == (12, 4)
        assert np.allclose(seen.sum(1), 1)
        items = asking.ordered([asking.read("reference")], random=0.0)
        spread = [item.details["entropy"] for item in items]
        assert spread == sorted(spread, reverse=True)

    def test_a_model_of_other_classes_is_refused(self):
        x, y = shapes(12)
        domain = Domain(x, y, classes=SHAPES, kind="image")
        asking = Asking(domain, lambda x: x.flatten(1)[:, :5])
        with pytest.raises(ValueError, match=r"logits \(n, 3\)"):
            asking.ordered([asking.read("reference")])

    def test_a_collection_of_other_classes_is_not_mixed_with(self, asking, database):
        x, y = shapes(12)
        other = Asking(Domain(x, y, classes=SHAPES, kind="image"))
        asking.ask(database, ["reference"], Settings(), NOW, limit=3, golds=0)
        with pytest.raises(ValueError, match="but these images are of blue bar"):
            other.ask(database, ["reference"], Settings(), NOW)
