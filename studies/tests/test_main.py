import json

import pytest

from studies import STUDIES
from studies.tests import toy


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setitem(STUDIES, "toy", toy.experiment())


def test_the_list_names_every_question(xhat):
    code, said, err = xhat("list")
    assert (code, err) == (0, "")
    assert all(name in said and study.question in said for name, study in STUDIES.items())


def test_a_study_answers_and_goes_on_with_more_seeds(xhat, known, tmp_path):
    words = ("toy", "--workers", "1", "--out", tmp_path / "out", "--cache", tmp_path / "kept")
    code, said, err = xhat(*words, "--seeds", "3")
    assert (code, err) == (0, "")
    assert "Supported: Does lifting raise the score?" in said
    assert said.endswith(f"Open {tmp_path / 'out' / 'report.html'}\n")
    xhat(*words, "--seeds", "4")
    assert len(toy.calls(tmp_path / "kept")) == 12
    numbers = json.loads((tmp_path / "out" / "results.json").read_text())
    assert numbers["facts"]["seeds"] == "0 to 3"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["magic"], "study must be one of soft-labels, noise-softness"),
        (["toy", "--seeds", "0"], "seeds must be"),
        (["toy", "--seeds", "-1", "--quick"], "seeds must"),
        (["toy", "--workers", "-2"], "workers must be"),
        (["toy", "--workers", "0"], "workers must"),
        (["toy", "--targets", "x.parquet"], "--targets is for the study soft-labels"),
        (["soft-labels", "--targets", "none.parquet"], "none.parquet"),
    ],
)
def test_bad_options(refused, known, tmp_path, words, said):
    assert said in refused(*words, "--out", tmp_path / "out", "--cache", tmp_path / "kept")


def test_another_configuration_is_refused(xhat, refused, known, tmp_path, monkeypatch):
    words = ("toy", "--workers", "1", "--out", tmp_path / "out", "--cache", tmp_path / "kept")
    xhat(*words)
    monkeypatch.setitem(STUDIES, "toy", toy.experiment(lift=0.5))
    assert "arms.lifted.lift is 0.2 there and 0.5 now" in refused(*words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["toy", "--out", "file"], "cannot be written to"),
        (["toy", "--cache", "file/a"], "cannot be written to"),
        (["tune", "chess"], "what must be one of"),
        (["tune", "latent", "--trials", "0"], "trials must"),
        (["tune", "latent", "--out", "file"], "cannot be written to"),
        (["tune", "latent", "--cache", "file"], "cannot be written to"),
    ],
)
def test_a_wrong_call_leaves_nothing(refused, known, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert said in refused(*words)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
