import pytest

from tests.apps.label.collections import NOW, collection, items
from xhat.apps.label import (
    Database,
    digest_of,
    import_plain,
    person_rows,
    progress,
    read_votes,
    settings_of,
)
from xhat.core import UnreadableFileError


@pytest.fixture
def database(tmp_path):
    with collection(tmp_path / "a.sqlite") as made:
        yield made


@pytest.fixture
def take(database, tmp_path):
    def of(*lines, **options):
        path = tmp_path / "votes.csv"
        path.write_text("\n".join(lines) + "\n")
        return import_plain(database, path, NOW, **options)

    return of


def votes_in(database, **options):
    with database.read() as connection:
        return read_votes(connection, settings_of(connection), **options)


def test_labels(take, database):
    digest = digest_of(items()[1].pixels)
    took = take(
        "image,annotator,label",
        "toy:test:0,Ada,2",
        f"{digest},Ada,none",
        "",
        "toy:test:0,Bob,unsure",
        "toy:test:0,Ada,1",
    )
    assert (took.votes, took.annotators, took.simulated) == (4, 2, False)
    of = votes_in(database)
    assert of.image.tolist() == [0, 1, 0, 0]
    assert of.annotator.tolist() == [0, 0, 1, 0]
    assert of.repeat.tolist() == [False, False, False, True]
    assert of.shares.tolist() == [[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]]
    with database.read() as connection:
        assert progress(connection).votes == 3


def test_shares(take, database):
    take("image,annotator,p0,p1,p2,none", "toy:test:3,7,0.25,0.75,0,0", "toy:test:4,7,,,,")
    assert votes_in(database).shares.tolist() == [[0.25, 0.75, 0, 0], [0, 0, 0, 0]]


def test_shares_without_none(take, database):
    take("image,annotator,p0,p1,p2", "toy:test:3,7,0.25,0.75,0")
    assert votes_in(database).shares.tolist() == [[0.25, 0.75, 0, 0]]


def test_simulated_ones_are_marked_for_good(take, database):
    assert take("image,annotator,label", "toy:test:0,Ada,2", simulated=True).simulated
    assert len(votes_in(database)) == 0
    assert len(votes_in(database, simulated=True)) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("toy:test:99,Ada,1", "line 3: there is no image 'toy:test:99'"),
        ("toy:test:1,Ada,7", "line 3: the label must be one of 0, 1, 2, none or unsure"),
        ("toy:test:1,Ada", "line 3: it has 2 values instead of 3"),
        ("toy:test:1,,1", "line 3: an annotator must have a name"),
        ("toy:test:1," + "x" * 65 + ",1", "line 3: an annotator must have a name"),
        ("toy:test:1,\x07,1", "line 3: an annotator must have a name"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_taken(take, database, line, said):
    with pytest.raises(ValueError, match=said):
        take("image,annotator,label", "toy:test:0,Ada,2", line)
    with database.read() as connection:
        assert person_rows(connection, NOW) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("toy:test:1,Ada,0.5,0.6,0,0", r"line 2: shares must add up to 1, but add up to 1\.1"),
        ("toy:test:1,Ada,half,half,0,0", "line 2: shares must be numbers"),
        ("toy:test:1,Ada,nan,1,0,0", "line 2: shares must lie between 0 and 1"),
        ("toy:test:1,Ada,-1,2,0,0", "line 2: shares must lie between 0 and 1"),
        ("toy:test:1,Ada,1,,,", "line 2: shares must be numbers"),
    ],
)
def test_wrong_shares_are_named(take, line, said):
    with pytest.raises(ValueError, match=said):
        take("image,annotator,p0,p1,p2,none", line)


def test_a_third_answer_is_refused(take):
    line = "toy:test:0,Ada,2"
    with pytest.raises(ValueError, match="line 4: 'Ada' answers the image a third time"):
        take("image,annotator,label", line, line, line)


def test_only_the_first_of_many_wrong_lines_are_told(take):
    with pytest.raises(ValueError, match=r"8 of its lines are wrong: .*; and 3 more lines\.$"):
        take("image,annotator,label", *(f"nowhere:{k},Ada,1" for k in range(8)))


def test_the_same_file_is_not_taken_twice(take, database):
    take("image,annotator,label", "toy:test:0,Ada,2")
    with pytest.raises(ValueError, match="in the database already"):
        take("image,annotator,label", "toy:test:0,Ada,2")
    take("image,annotator,label", "toy:test:0,Ada,1")  # another file of another Ada
    assert len(votes_in(database)) == 2


@pytest.mark.parametrize("lines", [["picture,who,what"], [""], ["image,annotator,p0,p1"]])
def test_other_columns_are_refused(take, lines):
    with pytest.raises(UnreadableFileError, match="must begin with the columns"):
        take(*lines)


def test_a_file_without_votes_or_no_text(take, database, tmp_path):
    with pytest.raises(ValueError, match="holds no votes"):
        take("image,annotator,label")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("bytes.csv", "missing.csv"):
        with pytest.raises(UnreadableFileError, match="cannot be read as a CSV file"):
            import_plain(database, tmp_path / name, NOW)


def test_votes_need_images(tmp_path):
    (tmp_path / "votes.csv").write_text("image,annotator,label\na,b,1\n")
    with (
        Database(f"sqlite:///{tmp_path}/empty.sqlite", create=True) as empty,
        pytest.raises(ValueError, match="holds no images yet"),
    ):
        import_plain(empty, tmp_path / "votes.csv", NOW)
