from dataclasses import replace

import pytest
import torch

from tests.judges.world import NONE, OTHER, SEEN, readable_panel, sample
from xhat.judges import Outcome

CASES = {  # for the target 0
    Outcome.GENUINE: sample(0.0, SEEN),
    Outcome.MISTAKEN: sample(0.0, OTHER),
    Outcome.OFF_MANIFOLD: sample(4.5, SEEN),
    Outcome.ADVERSARIAL: sample(4.5, NONE),
}


@pytest.fixture(scope="module")
def verdicts():
    return readable_panel().judge(torch.cat(list(CASES.values())), torch.tensor([0]))


def test_verdicts_are_a_sequence(verdicts):
    assert len(verdicts) == 4
    assert [verdict.outcome for verdict in verdicts] == list(CASES) == list(verdicts.outcomes)
    assert verdicts[-1].outcome is Outcome.ADVERSARIAL
    assert verdicts[-1].index == 3
    for index in (4, -5):
        with pytest.raises(IndexError):
            verdicts[index]


def test_counts_name_every_outcome_and_add_up(verdicts):
    counts = verdicts.counts()
    assert list(counts) == list(Outcome)
    assert counts == {outcome: int(outcome in CASES) for outcome in Outcome}
    some = verdicts.counts(torch.tensor([True, False, True, False]))
    assert sum(some.values()) == 2
    assert some[Outcome.GENUINE] == some[Outcome.OFF_MANIFOLD] == 1
    assert sum(verdicts.counts(torch.zeros(4).bool()).values()) == 0


def test_confidence_is_the_mean_over_the_judges(verdicts):
    torch.testing.assert_close(verdicts.confidence, verdicts.jury.mean(dim=1)[:, 0])
    assert verdicts.jury.shape == (4, 1, 3)
    torch.testing.assert_close(verdicts.jury.sum(dim=2), torch.ones(4, 1))


def test_an_explanation_names_the_evidence_of_its_rule(verdicts):
    genuine, mistaken, off, adversarial = (verdict.explain() for verdict in verdicts)
    for text, outcome in zip((genuine, mistaken, off, adversarial), CASES, strict=True):
        words = outcome.replace("_", " ")
        assert text.startswith(f"{words}: {outcome.meaning}.\n")
        assert "asked for 0" in text
        assert "by place:" in text
        assert "by twice the place:" in text
        assert "by likelihood:" in text
    assert "see 0 99 % (the target must come first, with at least 99 %)" in genuine
    assert genuine.count("within the limit") == 3
    assert "see 1 99 %" in mistaken or "see 1 100 %" in mistaken
    assert "beyond the limit" not in mistaken
    assert off.count("beyond the limit") == 2
    assert "see 0" in off
    assert "see no class" in adversarial
    assert adversarial.count("beyond the limit") == 2


def test_within_and_beyond_agree_with_the_outcome():
    panel = readable_panel()
    x = torch.cat([sample(where, SEEN) for where in torch.linspace(0, 5, 400)])
    verdicts = panel.judge(x, torch.tensor([0]))
    for verdict in verdicts:
        beyond = "beyond the limit" in verdict.explain()
        assert beyond == (verdict.outcome is not Outcome.GENUINE)
    assert len(set(verdicts.outcomes)) >= 2


def test_every_outcome_has_a_meaning_and_its_own_word():
    assert len({outcome.meaning for outcome in Outcome}) == len(Outcome) == 8
    assert [str(outcome) for outcome in Outcome] == [outcome.name.lower() for outcome in Outcome]
    with pytest.raises(ValueError, match="not a valid Outcome"):
        Outcome("good")


def test_a_distance_that_is_no_number_is_beyond_in_words_as_in_the_outcome(verdicts):
    axis = replace(verdicts.manifold[0], value=torch.full((4,), torch.nan))
    told = replace(verdicts, manifold=(axis,))[0].explain()
    assert "nan, beyond the limit" in told
