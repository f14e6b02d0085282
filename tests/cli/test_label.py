import sys

import pyarrow.parquet as pq
import pytest

from tests.apps.label.collections import NOW, collection, vote
from tests.apps.label.conftest import own_postgresql  # noqa: F401 - a fixture
from xhat.apps.label import Settings, simulate
from xhat.cli.labels import open_database

SETTINGS = Settings(classes=("0", "1", "2"), each=2, repeats=0.2, golds=0.2, quota=30)
SURE, OTHER = [1.0, 0, 0, 0], [0, 1.0, 0, 0]


@pytest.fixture
def db(tmp_path, monkeypatch):
    """A collection that two people and a simulated annotator have answered; the words for it."""
    monkeypatch.chdir(tmp_path)
    with collection(tmp_path / "labels.sqlite", settings=SETTINGS) as made:
        vote(made, SETTINGS, [SURE, OTHER, SURE], name="Ada [L]")
        vote(made, SETTINGS, [SURE, SURE, None], name="Bob")
        simulate(made, 1, NOW, each=3)
    return tmp_path


def test_progress(xhat, db):
    code, said, _ = xhat("label", "progress")
    assert code == 0
    assert "2 of 2 people have voted" in said
    assert "of 18 votes are there" in said
    assert "paused" not in said


def test_agreement_is_of_people_or_of_simulated_ones(xhat, db):
    said = xhat("label", "agreement")[1]
    assert "5 votes on 3 images" in said
    assert "Krippendorff's alpha" in said
    assert "simulated" not in said
    assert (
        "These are simulated annotators, not people."
        in xhat("label", "agreement", "--simulated")[1]
    )


def test_annotators_are_listed_with_their_marks(xhat, db):
    said = xhat("label", "annotators")[1]
    assert "Ada [L]" in said
    assert "0 of 0" in said
    assert "expired, simulated" in said or "active, simulated" in said
    assert "Too many gold errors" not in said


def test_careless_ones_are_pointed_out(xhat, db):
    always_gold = 0.25  # the draw between repeats and gold ones
    with collection(db / "gold.sqlite", settings=SETTINGS) as made:
        vote(made, SETTINGS, [[0, 0, 0, 1.0]] * 3, name="Hasty", draw=lambda: always_gold)
    said = xhat("label", "annotators", "--db", f"sqlite:///{db}/gold.sqlite")[1]
    assert "3 of 3" in said
    assert "Too many gold errors: two or more gold images were missed" in said


def test_pause_resume_and_revoke(xhat, refused, db):
    assert xhat("label", "pause")[0] == 0
    assert "The collection is paused" in xhat("label", "progress")[1]
    assert xhat("label", "resume")[0] == 0
    assert "paused" not in xhat("label", "progress")[1]
    assert xhat("label", "pause", "--name", "Bob")[0] == 0
    assert "Revoked Bob; the votes stay." in xhat("label", "revoke", "Bob")[1]
    assert "revoked" in xhat("label", "annotators")[1]
    assert "there is no annotator 'Eve'" in refused("label", "revoke", "Eve")


def test_there_and_back(xhat, refused, db):
    assert "6 votes by 2 people, on 3 of 12 images" in xhat("label", "export", "--out", "a")[1]
    assert "holds something already" in refused("label", "export", "--out", "a")
    other = ("--db", "sqlite:///other.sqlite")
    assert "Took 6 votes by 2 people; 12 images" in xhat("label", "import", "a", *other)[1]
    assert "in the database already" in refused("label", "import", "a", *other)
    assert xhat("label", "export", "--out", "b", *other)[0] == 0
    for name in ("votes.parquet", "labels.parquet"):
        assert pq.read_table(db / "a" / name).equals(pq.read_table(db / "b" / name))


def test_simulated_ones_leave_as_simulated_only(xhat, refused, db):
    assert (
        "simulated annotators, marked as such"
        in xhat("label", "export", "--simulated", "--format", "csv", "--out", "s")[1]
    )
    assert "No person gave these labels" in (db / "s" / "datasheet.md").read_text()
    other = ("--db", "sqlite:///other.sqlite")
    assert "by 1 simulated annotators" in xhat("label", "import", "s", *other)[1]
    assert "no votes of people" in refused("label", "export", "--out", "p", *other)
    assert "a folder says all" in refused("label", "import", "s", "--simulated", *other)


def test_plain_votes(xhat, refused, db):
    (db / "votes.csv").write_text("image,annotator,label\ntoy:test:1,ada,2\n")
    assert "Took 1 votes by 1 people" in xhat("label", "import", "votes.csv")[1]
    (db / "votes.csv").write_text("image,annotator,label\ntoy:test:1,ada,9\n")
    assert "line 2: the label must be one of" in refused("label", "import", "votes.csv")


@pytest.mark.parametrize("command", ["progress", "agreement", "annotators", "pause", "export"])
def test_without_a_collection(refused, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    assert "there is no database labels.sqlite" in refused("label", command)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "labels.sqlite").touch()
    assert "holds no collection" in refused("label", command)
    assert "must be SQLite" in refused("label", command, "--db", "mysql://nowhere")


def test_without_the_extra(refused, db, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("xhat.apps.label")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert "pip install 'xhat[web]'" in refused("label", "progress")


def test_a_database_that_is_away_keeps_nobody_from_leaving(xhat, own_postgresql):  # noqa: F811
    url = own_postgresql.create()

    def leave():
        with open_database(url, create=True):
            own_postgresql.stop()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    code, _, errors = xhat("label", "pause", "--db", url)
    assert code == 2
    assert "cannot be opened" in errors
    assert errors.count("\n") == 1
