import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from studies import STUDIES, Context, with_labels
from studies.surrogates import Plan, surrogate
from xhat.apps.label import (
    Ballot,
    Database,
    Settings,
    add_images,
    cast,
    create,
    export,
    import_folder,
    invite,
    upcoming,
)
from xhat.core import UnreadableFileError, sha256_of
from xhat.learning import load_checkpoint
from xhat_zoo import digits
from xhat_zoo.digits.labelled import read_labelled
from xhat_zoo.digits.labelling import DigitsAsking
from xhat_zoo.digits.training import train

NOW = 1_790_000_000.0
HALF = tuple(0.5 if k in (4, 9) else 0.0 for k in range(11))
NONE = (0.0,) * 10 + (1.0,)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """``exported(source, simulated)``: labels of three images, half and half, none, unsure."""
    folder, made = tmp_path_factory.mktemp("labels"), {}

    def of(source="digits:surrogate_train", *, simulated=False):
        key = f"{source}-{simulated}".replace(":", "-")
        if key not in made:
            made[key] = folder / key
            with Database(f"sqlite:///{folder}/{key}.sqlite", create=True) as database:
                database.write(
                    lambda c: fill(c, DigitsAsking().read(source)[5:8], simulated=simulated)
                )
                export(database, made[key], NOW, simulated=simulated)
        return made[key] / "labels.parquet"

    return of


def fill(connection, items, *, simulated):
    settings = Settings(repeats=0, golds=0)
    create(connection, settings, NOW)
    add_images(connection, items, settings.each)
    person = invite(connection, 1, NOW, simulated=simulated)[0].id
    for k, shares in enumerate((HALF, NONE, ())):
        given = upcoming(connection, person, settings, NOW + k, ahead=1, draw=lambda: 0.5)[0]
        cast(connection, person, given.id, 0, Ballot(shares), NOW + k)


class TestReading:
    @pytest.mark.parametrize("source", ["digits:surrogate_train", "digits:surrogate_train:upright"])
    def test_images_with_votes_get_their_mean_and_others_keep_their_label(self, exported, source):
        found = read_labelled(exported(source), "surrogate_train")
        assert found.p[5].tolist() == list(HALF[:10])
        labels = digits.split("surrogate_train").labels
        rest = torch.arange(len(labels)) != 5
        assert torch.equal(found.p[rest].argmax(1), labels[rest])
        assert bool((found.p[rest].max(1).values == 1).all())
        assert found.voted.nonzero()[:, 0].tolist() == [5]  # none and unsure name no class
        assert found.counts() == {"human": 1, "of the data": 29_999}

    def test_simulated_labels_are_told_as_such(self, exported):
        found = read_labelled(exported(simulated=True), "surrogate_train")
        assert found.counts(10) == {"simulated": 1, "of the data": 9}

    def test_another_split_is_refused(self, exported):
        with pytest.raises(
            ValueError, match="labels of digits:test, but the training is on digits"
        ):
            read_labelled(exported("digits:test"), "surrogate_train")

    def test_other_pixels_under_the_same_place_are_refused(self, exported, tmp_path):
        table = pq.read_table(exported())
        at = table.schema.get_field_index("place")
        moved = table.set_column(at, table.schema.field(at), pa.array([6, 6, 7], pa.int32()))
        pq.write_table(moved, tmp_path / "labels.parquet")
        with pytest.raises(ValueError, match="image 6 of digits:surrogate_train, but its pixels"):
            read_labelled(tmp_path / "labels.parquet", "surrogate_train")

    def test_a_mark_that_was_changed_is_noticed(self, exported, tmp_path):
        table = pq.read_table(exported(simulated=True))
        told = json.loads(table.schema.metadata[b"xhat"]) | {"annotators": "human"}
        table = table.replace_schema_metadata({"xhat": json.dumps(told)})
        pq.write_table(table, tmp_path / "labels.parquet")
        with pytest.raises(UnreadableFileError, match="contradicts itself about who gave"):
            read_labelled(tmp_path / "labels.parquet", "surrogate_train")

    @pytest.mark.parametrize("where", ["settings", "a row"])
    def test_labels_of_other_classes_are_refused(self, exported, tmp_path, where):
        table = pq.read_table(exported())
        if where == "settings":
            told = json.loads(table.schema.metadata[b"xhat"])
            told["settings"]["classes"] = ["a", "b"]
            table = table.replace_schema_metadata({"xhat": json.dumps(told)})
        else:
            at = table.schema.get_field_index("mean")
            field = table.schema.field(at)
            means = [[0.5, 0.5], *table["mean"].to_pylist()[1:]]
            table = table.set_column(at, field, pa.array(means, field.type))
        pq.write_table(table, tmp_path / "labels.parquet")
        with pytest.raises(UnreadableFileError, match="classes, not of digits"):
            read_labelled(tmp_path / "labels.parquet", "surrogate_train")

    def test_what_is_no_file_of_labels_is_refused(self, exported, tmp_path):
        (tmp_path / "a.parquet").write_text("no Parquet")
        pq.write_table(pq.read_table(exported(), columns=["place"]), tmp_path / "b.parquet")
        for name in ("a", "b", "missing"):
            with pytest.raises(UnreadableFileError, match=r"not the labels\.parquet of"):
                read_labelled(tmp_path / f"{name}.parquet", "surrogate_train")


class TestTraining:
    def test_the_card_says_how_many_labels_were_whose(self, exported, tmp_path):
        path = exported(simulated=True)
        card = train("digits", "plain", out=tmp_path, epochs=1, limit=60, targets=path)
        told = dict(card.hyperparameters["labels"])
        assert told.pop("sha256") == read_labelled(path, "surrogate_train").checksum
        assert told == {"simulated": 1, "of the data": 59}
        assert load_checkpoint(tmp_path, "plain")[1] == card

    def test_the_labels_are_what_is_learnt(self, exported, tmp_path):
        cards = [
            train("digits", "plain", out=tmp_path / str(k), epochs=1, limit=60, targets=targets)
            for k, targets in enumerate((None, exported()))
        ]
        assert cards[0].sha256 != cards[1].sha256

    def test_are_for_surrogates_only(self, exported, tmp_path):
        with pytest.raises(ValueError, match="targets are for surrogates, but vae"):
            train("digits", "vae", out=tmp_path, epochs=1, limit=60, targets=exported())


def test_an_import_gives_the_same_labels(exported, tmp_path):
    with Database(f"sqlite:///{tmp_path}/b.sqlite", create=True) as other:
        import_folder(other, exported().parent, NOW)
        export(other, tmp_path / "again", NOW)
    one = read_labelled(exported(), "surrogate_train")
    two = read_labelled(tmp_path / "again" / "labels.parquet", "surrogate_train")
    assert torch.equal(one.p, two.p)


class TestTheStudyOfSoftLabels:
    def test_gets_an_arm_and_leaves_the_others_as_they_are(self, exported):
        study = with_labels(exported())
        assert study.arms[:-1] == STUDIES["soft-labels"].arms
        assert study.arms[-1].name == "people"
        assert "1 of 30,000 images" in study.arms[-1].caption
        assert study.arms[-1].settings["labels"] == sha256_of(exported())
        assert with_labels(exported(simulated=True)).arms[-1].name == "simulated people"
        assert len(STUDIES["soft-labels"].arms) == 4

    def test_its_surrogates_learn_the_labels_and_are_kept_under_a_name_of_their_own(
        self, exported, tmp_path
    ):
        context, plan = Context(quick=True, cache=tmp_path), Plan(turned=False)
        path = exported()
        surrogate(plan, 0, context)
        surrogate(plan, 0, context, (str(path), sha256_of(path)))
        assert len(list(tmp_path.glob("*.safetensors"))) == 2
        with pytest.raises(ValueError, match="changed since the study began"):
            surrogate(plan, 1, context, (str(path), "0" * 64))

    def test_other_images_are_refused(self, exported):
        with pytest.raises(ValueError, match="labels of digits:test"):
            with_labels(exported("digits:test"))
