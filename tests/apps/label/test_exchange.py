import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from tests.apps.label.collections import NOW, collection, items, vote
from xhat.apps.label import (
    Database,
    Settings,
    export,
    import_folder,
    person_rows,
    progress,
    read_votes,
    settings_of,
    simulate,
)
from xhat.apps.label.collection import picture_of
from xhat.apps.label.schema import images
from xhat.core import UnreadableFileError, sha256_of

SURE = [1.0, 0, 0, 0]


@pytest.fixture
def database(tmp_path):
    with collection(tmp_path / "a.sqlite") as made:
        settings = settings_in(made)
        third = [1 / 3, 1 / 3, 1 / 3, 0]
        vote(made, settings, [SURE, [0.1, 0.2, 0.7, 0], None, [0, 0, 0, 1.0], third])
        vote(made, settings, [SURE, [0, 0, 1.0, 0], SURE, [0, 0.4, 0, 0.6]], name="Blaise Pascal")
        yield made


def settings_in(database):
    with database.read() as connection:
        return settings_of(connection)


def seal(folder):
    """Write the checksums anew, as whoever changes a file on purpose would."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    (folder / "SHA256SUMS").write_text("".join(f"{sha256_of(p)}  {p.name}\n" for p in files))


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_coloured_images_go_there_and_back(tmp_path, form):
    coloured = items(shape=(4, 5, 3))
    with collection(tmp_path / "a.sqlite", images=coloured) as made:
        vote(made, settings_in(made), [SURE, None])
        export(made, tmp_path / "a", NOW, format=form)
    with Database(f"sqlite:///{tmp_path}/b.sqlite", create=True) as other:
        assert import_folder(other, tmp_path / "a", NOW).images == len(coloured)
        with other.read() as connection:
            rows = connection.execute(images.select().order_by(images.c.rank)).all()
        export(other, tmp_path / "b", NOW, format=form)
    for row, item in zip(rows, coloured, strict=True):
        assert np.array_equal(picture_of(row), item.pixels)
    votes = [(tmp_path / name / f"votes.{form}").read_bytes() for name in ("a", "b")]
    assert form == "parquet" or votes[0] == votes[1]


class TestExport:
    def test_says_of_each_image_what_people_say(self, database, tmp_path):
        export(database, tmp_path / "out", NOW + 500)
        rows = pq.read_table(tmp_path / "out" / "labels.parquet").to_pylist()
        assert len(rows) == 12
        first, second, third, fourth, fifth, *rest = rows
        assert (first["mean"], first["entropy"], first["agreement"]) == ([1, 0, 0], 0, 1)
        assert second["mean"] == pytest.approx([0.05, 0.1, 0.85])
        assert second["agreement"] == pytest.approx(1 - 0.5 * (0.01 + 0.04 + 0.09))
        assert (third["votes"], third["unsure"], third["agreement"]) == (1, 1, None)
        assert (fourth["none_votes"], fourth["none"]) == (2, 0.8)
        assert fourth["mean"] == pytest.approx([0, 1, 0])  # given that it is a digit
        assert (fifth["votes"], fifth["entropy"]) == (1, pytest.approx(np.log(3)))
        assert all(row["mean"] is row["dawid_skene"] is row["entropy"] is None for row in rest)
        assert second["dawid_skene"][2] > 0.9  # too much smoothing makes it a 0, as most are
        assert {row["annotators"] for row in rows} == {"human"}
        assert (
            np.frombuffer(first["pixels"], np.uint8).tolist() == items()[0].pixels.ravel().tolist()
        )
        assert json.loads(second["details"]) == items()[1].details

    def test_says_of_each_vote_what_was_said_but_not_by_whom(self, database, tmp_path):
        export(database, tmp_path / "out", NOW + 500)
        rows = pq.read_table(tmp_path / "out" / "votes.parquet").to_pylist()
        assert len(rows) == 9
        assert {row["annotator"] for row in rows} == {1, 2}
        assert [row["unsure"] for row in rows].count(True) == 1
        assert rows[2]["shares"] is None
        assert (rows[0]["seconds"], rows[0]["cast"]) == (2.25, NOW + 2.5)
        for path in (tmp_path / "out").iterdir():
            for name in (b"Ada", b"Lovelace", b"Blaise", b"Pascal"):
                assert name not in path.read_bytes()

    def test_people_are_numbered_without_regard_to_who_was_invited_first(self, tmp_path):
        first = []
        for k in range(12):
            with collection(tmp_path / f"{k}.sqlite") as made:
                vote(made, settings_in(made), [SURE], name="first")
                vote(made, settings_in(made), [SURE, SURE], name="second")
                found = export(made, tmp_path / f"out{k}", NOW)
                first.append(found.votes["annotator"][0].as_py())
        assert set(first) == {1, 2}  # a false alarm has a probability of 1 in 2048

    def test_the_checksums_are_those_of_the_files(self, database, tmp_path):
        export(database, tmp_path / "out", NOW)
        lines = (tmp_path / "out" / "SHA256SUMS").read_text().splitlines()
        sums = dict(reversed(line.split("  ")) for line in lines)
        assert set(sums) == {"labels.parquet", "votes.parquet", "datasheet.md"}
        assert all(sha256_of(tmp_path / "out" / name) == sums[name] for name in sums)

    def test_the_datasheet_answers_the_questions(self, database, tmp_path):
        export(database, tmp_path / "out", NOW + 500)
        said = (tmp_path / "out" / "datasheet.md").read_text()
        for words in (
            "These labels were given by people",
            "12 images, 3 of them gold",
            "9 votes by 2 people",
            "which of 0, 1, 2 is this, or none of them?",
            "Votes from 2026-09-21",
            "Krippendorff's alpha",
            "Self-consistency cannot be told",
            "No gold image was answered",
            "must not be used for",
            "Not to find out who the annotators were",
        ):
            assert words in said

    def test_only_a_new_folder_is_written(self, database, tmp_path):
        export(database, tmp_path / "out", NOW)
        before = sorted((path.name, path.read_bytes()) for path in (tmp_path / "out").iterdir())
        with pytest.raises(ValueError, match="holds something already"):
            export(database, tmp_path / "out", NOW + 1)
        assert before == sorted((p.name, p.read_bytes()) for p in (tmp_path / "out").iterdir())
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]

    def test_an_error_on_the_way_leaves_nothing(self, database, tmp_path, monkeypatch):
        monkeypatch.setattr("xhat.apps.label.exporting.datasheet", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export(database, tmp_path / "out", NOW)
        assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []

    def test_nothing_to_export(self, tmp_path):
        with (
            Database(f"sqlite:///{tmp_path}/empty.sqlite", create=True) as empty,
            pytest.raises(ValueError, match="no collection yet"),
        ):
            export(empty, tmp_path / "out", NOW)
        with collection(tmp_path / "b.sqlite") as unvoted:
            with pytest.raises(ValueError, match="no votes of people"):
                export(unvoted, tmp_path / "out", NOW)
            with pytest.raises(ValueError, match="format must be one of parquet, csv"):
                export(unvoted, tmp_path / "out", NOW, format="pickle")


@pytest.mark.parametrize("form", ["parquet", "csv"])
class TestThereAndBack:
    def test_nothing_changes_to_the_last_bit(self, database, tmp_path, form):
        one = export(database, tmp_path / "one", NOW + 500, format=form)
        with Database(f"sqlite:///{tmp_path}/b.sqlite", create=True) as other:
            took = import_folder(other, tmp_path / "one", NOW + 900)
            two = export(other, tmp_path / "two", NOW + 500, format=form)
            assert settings_in(other) == settings_in(database)
            with other.read() as b, database.read() as a:
                assert progress(a) == progress(b)
                assert np.array_equal(
                    read_votes(a, settings_in(database)).shares,
                    read_votes(b, settings_in(other)).shares,
                )
        assert (took.images, took.votes, took.annotators, took.simulated) == (12, 9, 2, False)
        assert one.labels.equals(two.labels, check_metadata=True)
        assert one.votes.equals(two.votes, check_metadata=True)
        for name in (f"labels.{form}", f"votes.{form}", "datasheet.md", "SHA256SUMS"):
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()

    def test_into_a_collection_that_has_some_of_the_images(self, database, tmp_path, form):
        export(database, tmp_path / "one", NOW, format=form)
        with collection(tmp_path / "b.sqlite", images=items(8, golds=3)[:5]) as other:
            vote(other, settings_in(other), [SURE], name="Ada Lovelace")
            took = import_folder(other, tmp_path / "one", NOW)
            assert (took.images, took.votes) == (7, 9)
            with other.read() as connection:
                assert progress(connection).votes == 10
                assert len(person_rows(connection, NOW)) == 3
            with pytest.raises(ValueError, match="in the database already"):
                import_folder(other, tmp_path / "one", NOW)
            with other.read() as connection:
                assert progress(connection).votes == 10

    def test_nobody_from_a_file_can_be_entered(self, database, tmp_path, form):
        export(database, tmp_path / "one", NOW, format=form)
        with Database(f"sqlite:///{tmp_path}/b.sqlite", create=True) as other:
            import_folder(other, tmp_path / "one", NOW)
            with other.read() as connection:
                assert {row.state for row in person_rows(connection, NOW)} == {"expired"}

    def test_what_was_damaged_is_refused(self, database, tmp_path, form):
        export(database, tmp_path / "one", NOW, format=form)
        path = tmp_path / "one" / f"votes.{form}"
        path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
        with Database(f"sqlite:///{tmp_path}/b.sqlite", create=True) as other:
            with pytest.raises(UnreadableFileError, match=f"votes.{form} is not what SHA256SUMS"):
                import_folder(other, tmp_path / "one", NOW)
            path.unlink()
            with pytest.raises(UnreadableFileError, match="cannot be read"):
                import_folder(other, tmp_path / "one", NOW)
            (tmp_path / "one" / "SHA256SUMS").unlink()
            with pytest.raises(UnreadableFileError, match="give the folder"):
                import_folder(other, tmp_path / "one", NOW)
            assert settings_in(other) is None


class TestImport:
    def test_of_other_classes_is_refused(self, database, tmp_path):
        export(database, tmp_path / "one", NOW)
        with collection(tmp_path / "b.sqlite", settings=Settings()) as other:
            with pytest.raises(ValueError, match="asks about 0, 1, 2, 3"):
                import_folder(other, tmp_path / "one", NOW)
            with other.read() as connection:
                assert person_rows(connection, NOW) == []

    @pytest.mark.parametrize(
        ("column", "value", "said"),
        [
            ("digest", "0" * 64, "pixels are not its digest's"),
            ("pixels", b"123", "pixels are not its digest's"),
            ("mean", [0.5, 0.5], "a table in .* was changed"),
        ],
    )
    def test_of_changed_images_is_refused(self, database, tmp_path, column, value, said):
        export(database, tmp_path / "one", NOW)
        change(tmp_path / "one" / "labels.parquet", column, value)
        seal(tmp_path / "one")
        with (
            Database(f"sqlite:///{tmp_path}/b.sqlite", create=True) as other,
            pytest.raises(UnreadableFileError, match=said),
        ):
            import_folder(other, tmp_path / "one", NOW)

    @pytest.mark.parametrize(
        ("column", "value", "said"),
        [
            ("shares", [0.5, 0.6, 0, 0], "add up to"),
            ("shares", [-1.0, 2.0, 0, 0], "between 0 and 1"),
            ("digest", "0" * 64, "not in it"),
        ],
    )
    def test_of_impossible_votes_is_refused_whole(self, database, tmp_path, column, value, said):
        export(database, tmp_path / "one", NOW)
        change(tmp_path / "one" / "votes.parquet", column, value)
        seal(tmp_path / "one")
        with Database(f"sqlite:///{tmp_path}/b.sqlite", create=True) as other:
            with pytest.raises(ValueError, match=said):
                import_folder(other, tmp_path / "one", NOW)
            assert settings_in(other) is None

    def test_of_other_columns_is_refused(self, database, tmp_path):
        export(database, tmp_path / "one", NOW)
        path = tmp_path / "one" / "votes.parquet"
        pq.write_table(pq.read_table(path).drop_columns(["seconds"]), path)
        seal(tmp_path / "one")
        with (
            Database(f"sqlite:///{tmp_path}/b.sqlite", create=True) as other,
            pytest.raises(UnreadableFileError, match="has other columns than an export has"),
        ):
            import_folder(other, tmp_path / "one", NOW)

    def test_a_csv_file_names_the_wrong_line(self, database, tmp_path):
        export(database, tmp_path / "one", NOW, format="csv")
        path = tmp_path / "one" / "votes.csv"
        lines = path.read_text().splitlines()
        lines[4] = lines[4].replace("false", "perhaps", 1)
        path.write_text("\n".join(lines) + "\n")
        seal(tmp_path / "one")
        with (
            Database(f"sqlite:///{tmp_path}/b.sqlite", create=True) as other,
            pytest.raises(UnreadableFileError, match=r"line 5 of votes\.csv"),
        ):
            import_folder(other, tmp_path / "one", NOW)


def change(path, column, value, row=0):
    """Change one value of a Parquet file, and nothing else."""
    table = pq.read_table(path)
    place = table.schema.get_field_index(column)
    values = table[column].to_pylist()
    values[row] = value
    field = table.schema.field(place)
    pq.write_table(table.set_column(place, field, pa.array(values, field.type)), path)


class TestSimulatedAnnotatorsNeverBecomePeople:
    @pytest.fixture
    def mixed(self, database):
        simulate(database, 2, NOW, each=6, seed=1)
        return database

    def test_are_not_among_what_is_exported(self, mixed, tmp_path):
        alone = export(mixed, tmp_path / "people", NOW)
        assert len(alone.votes) == 9
        assert set(alone.votes["annotators"].to_pylist()) == {"human"}

    def test_are_exported_on_their_own_and_marked_everywhere(self, mixed, tmp_path):
        found = export(mixed, tmp_path / "sim", NOW, simulated=True)
        assert len(found.votes) > 6
        for name in ("labels", "votes"):
            table = pq.read_table(tmp_path / "sim" / f"{name}.parquet")
            assert set(table["annotators"].to_pylist()) == {"simulated"}
            assert json.loads(table.schema.metadata[b"xhat"])["annotators"] == "simulated"
        said = (tmp_path / "sim" / "datasheet.md").read_text()
        assert "No person gave these labels" in said
        assert "given by people" not in said

    def test_a_collection_of_them_alone_has_nothing_to_export(self, tmp_path):
        with collection(tmp_path / "s.sqlite") as made:
            simulate(made, 2, NOW, each=6)
            with pytest.raises(ValueError, match="no votes of people; those of simulated"):
                export(made, tmp_path / "out", NOW)
            assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("form", ["parquet", "csv"])
    def test_stay_marked_through_files(self, mixed, tmp_path, form):
        export(mixed, tmp_path / "sim", NOW, simulated=True, format=form)
        with Database(f"sqlite:///{tmp_path}/b.sqlite", create=True) as other:
            assert import_folder(other, tmp_path / "sim", NOW).simulated
            with other.read() as connection:
                assert person_rows(connection, NOW) == []
                assert len(person_rows(connection, NOW, simulated=True)) == 2
            with pytest.raises(ValueError, match="no votes of people"):
                export(other, tmp_path / "people", NOW)

    @pytest.mark.parametrize("where", ["column of votes", "column of labels", "metadata"])
    def test_a_mark_that_was_changed_in_one_place_is_noticed(self, mixed, tmp_path, where):
        folder = tmp_path / "sim"
        export(mixed, folder, NOW, simulated=True)
        if where == "metadata":
            for name in ("labels", "votes"):
                table = pq.read_table(folder / f"{name}.parquet")
                told = json.loads(table.schema.metadata[b"xhat"]) | {"annotators": "human"}
                told = {"xhat": json.dumps(told)}
                pq.write_table(table.replace_schema_metadata(told), folder / f"{name}.parquet")
        else:
            name = where.removeprefix("column of ")
            change(folder / f"{name}.parquet", "annotators", "human", row=2)
        with Database(f"sqlite:///{tmp_path}/b.sqlite", create=True) as other:
            with pytest.raises(UnreadableFileError, match="is not what SHA256SUMS"):
                import_folder(other, folder, NOW)
            seal(folder)
            with pytest.raises(UnreadableFileError, match="contradict each other"):
                import_folder(other, folder, NOW)

    def test_tables_of_two_exports_are_not_mixed(self, mixed, tmp_path):
        export(mixed, tmp_path / "people", NOW)
        export(mixed, tmp_path / "sim", NOW, simulated=True)
        shutil.copy(tmp_path / "sim" / "votes.parquet", tmp_path / "people" / "votes.parquet")
        seal(tmp_path / "people")
        with (
            Database(f"sqlite:///{tmp_path}/b.sqlite", create=True) as other,
            pytest.raises(UnreadableFileError, match="not of one export"),
        ):
            import_folder(other, tmp_path / "people", NOW)

    def test_the_votes_file_of_an_export_is_no_plain_file(self, mixed, tmp_path):
        from xhat.apps.label import import_plain

        export(mixed, tmp_path / "sim", NOW, simulated=True, format="csv")
        with pytest.raises(UnreadableFileError, match="give the whole folder"):
            import_plain(mixed, tmp_path / "sim" / "votes.csv", NOW)

    def test_nothing_in_the_room_writes_the_mark_but_the_invitation(self, mixed):
        # whatever is called, the mark in the database stays what it was made with
        with mixed.read() as connection:
            rows = connection.execute(text("select name, simulated from annotators")).all()
        assert {row.name for row in rows if row.simulated} == {"simulated 3", "simulated 4"}
