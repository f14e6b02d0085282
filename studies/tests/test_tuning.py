"""Tuning by trials: what is maximised, that the best is found, and that a stop changes nothing."""

import builtins
import json

import pytest

from studies import tuning
from studies.latent_size import SIZES
from studies.runner.trials import Trial, as_good, write_trials
from studies.tuning import BETAS, score, tune_latent


@pytest.fixture
def tried(monkeypatch):
    """Score by a formula whose best is known, instead of by trainings; note what was asked for."""
    asked = []

    def own_vae(plan, seed, context):
        asked.append((plan.latent, plan.beta, seed, context.quick))
        return plan

    def searched(plan, box, judge, extent, seed):
        best = -abs(SIZES.index(plan.latent) - 4) / 10 - abs(BETAS.index(plan.beta) - 1) / 20
        return {"genuine": 0.8 + best, "ratio": 1.0}, None

    monkeypatch.setattr(tuning, "own_vae", own_vae)
    monkeypatch.setattr(tuning, "declared_box", lambda vae: None)
    monkeypatch.setattr(tuning, "searched", searched)
    return asked


def test_the_score_is_genuine_share_less_a_tenth_of_the_way():
    assert score(0.5, 0.0) == 0.5
    assert score(0.5, 2.0) == pytest.approx(0.3)


def test_it_comes_near_the_best_of_all_and_never_tries_the_same_twice(tried, tmp_path):
    found = tune_latent(tmp_path / "out", None, trials=20, cache=tmp_path)
    assert len(found) == 20
    assert all(isinstance(each, Trial) for each in found)
    assert max(each.score for each in found) >= 0.6
    assert len(tried) == len(set(tried)) == len({(each.latent, each.beta) for each in found})


def test_a_run_that_was_stopped_goes_on_with_the_same_trials(tried, tmp_path):
    whole = tune_latent(tmp_path / "whole", None, trials=9, cache=tmp_path)
    part = tune_latent(tmp_path / "part", None, trials=4, cache=tmp_path)
    assert part == whole[:4]
    told = []
    again = tune_latent(
        tmp_path / "part", None, trials=9, cache=tmp_path, on_progress=lambda *s: told.append(s)
    )
    assert again == whole
    assert told[0] == ("trials", 4, 9)
    assert told[-1] == ("trials", 9, 9)
    other = tune_latent(tmp_path / "other", None, trials=9, seed=5, cache=tmp_path)
    assert other != whole


def test_what_cannot_be_done_is_told(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="trials must be"):
        tune_latent(tmp_path, None, trials=0, cache=tmp_path)

    def missing(name, *rest, **options):
        if name.startswith("optuna"):
            raise ImportError(name)
        return real(name, *rest, **options)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"tuning needs optuna.*pip install 'xhat\[tune\]'"):
        tune_latent(tmp_path, None, cache=tmp_path)


class TestWhatIsLeft:
    TRIALS = (
        Trial(2, 0.1, -0.05, 0.05, 1.0, 180),
        Trial(12, 0.3, 0.30, 0.40, 1.0, 180),
        Trial(16, 1.0, 0.25, 0.35, 1.0, 180),
    )

    def test_what_is_less_than_two_standard_errors_behind_is_as_good(self):
        # by hand: errors of 0.40 and 0.35 are 0.0365 and 0.0356, of their difference 0.0510
        assert [each.error for each in self.TRIALS[1:]] == pytest.approx([0.0365, 0.0356], abs=1e-4)
        assert as_good(self.TRIALS) == (False, True, True)
        behind = Trial(16, 1.0, 0.19, 0.29, 1.0, 180)
        assert as_good((self.TRIALS[1], behind)) == (True, False)
        assert as_good((Trial(1, 1.0, -0.1, 0.0, 1.0, 180),)) == (True,)

    def test_numbers_and_document_say_the_same(self, tmp_path):
        page = write_trials(self.TRIALS, tmp_path, command="xhat tune latent --trials 3")
        numbers, text = json.loads((tmp_path / "trials.json").read_text()), page.read_text()
        assert [row["latent"] for row in numbers["trials"]] == [2, 12, 16]
        assert numbers["best"]["latent"] == 12
        assert [row["as good"] for row in numbers["trials"]] == [False, True, True]
        assert "Best of 3 trials: latent 12, beta 0.3" in text
        assert "| 1 | 12 | 0.3 | 40.0 (± 3.7) | 1.00 | +0.300 | **the best** |" in text
        assert "2 are as good as that" in text
        assert "`xhat tune latent --trials 3`" in text
        assert numbers["command"] == "xhat tune latent --trials 3"
        assert "torch" in numbers["versions"]

    def test_no_trials_are_told(self, tmp_path):
        with pytest.raises(ValueError, match="no trials yet"):
            write_trials((), tmp_path, command="")
        assert list(tmp_path.iterdir()) == []
