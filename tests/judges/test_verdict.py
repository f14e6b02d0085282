from dataclasses import replace

import pytest
import torch

from tests.judges.world import (
    ELSEWHERE,
    NATURAL,
    NEITHER,
    OFF,
    OTHER,
    SEEN,
    Centres,
    gaussians,
    place,
    readable,
    readable_judge,
    sample,
)
from xhat.constraints import LinfBall
from xhat.core import generator
from xhat.judges import Judge, Jury, Likelihood, Neighbours, Outcome, Truth, Verdict

CASES = {  # for the target 0
    Outcome.GENUINE: sample(NATURAL, SEEN),
    Outcome.MISTAKEN: sample(NATURAL, OTHER),
    Outcome.AMBIGUOUS: sample(NATURAL, NEITHER),
    Outcome.OFF_MANIFOLD: sample(OFF, SEEN),
    Outcome.ADVERSARIAL: sample(OFF, OTHER),
    Outcome.OUT_OF_DISTRIBUTION: sample(ELSEWHERE, NEITHER),
}
X = torch.cat(list(CASES.values()))
MANIFOLD = ("place", "twice the place", "likelihood")


@pytest.fixture(scope="module")
def judge():
    return readable_judge()


@pytest.fixture(scope="module")
def verdicts(judge):
    return judge.judge(X, 0)


def test_verdicts_are_a_sequence(verdicts):
    assert len(verdicts) == len(CASES)
    assert [verdict.outcome for verdict in verdicts] == list(CASES) == list(verdicts.outcomes)
    assert verdicts[-1].outcome is Outcome.OUT_OF_DISTRIBUTION
    assert verdicts[-1].index == len(CASES) - 1
    assert isinstance(verdicts[0], Verdict)
    for index in (len(CASES), -len(CASES) - 1):
        with pytest.raises(IndexError):
            verdicts[index]


def test_counts_name_every_outcome_and_add_up(verdicts):
    counts = verdicts.counts()
    assert list(counts) == list(Outcome)
    assert counts == {outcome: int(outcome in CASES) for outcome in Outcome}
    some = verdicts.counts(torch.tensor([True, False, False, True, False, False]))
    assert sum(some.values()) == 2
    assert some[Outcome.GENUINE] == some[Outcome.OFF_MANIFOLD] == 1
    assert sum(verdicts.counts(torch.zeros(len(CASES)).bool()).values()) == 0


def test_the_evidence_has_a_row_for_each_candidate(verdicts):
    n = len(CASES)
    torch.testing.assert_close(verdicts.confidence, verdicts.seen[:, 0])
    assert verdicts.votes.shape == (n, 1, 3)
    torch.testing.assert_close(verdicts.votes.sum(dim=2), torch.ones(n, 1))
    torch.testing.assert_close(verdicts.seen.sum(dim=1), torch.ones(n))
    names = [axis.name for axis in verdicts.axes]
    assert names == ["the jury together", "reader", *MANIFOLD]
    assert [axis.name for axis in verdicts.group("manifold")] == list(MANIFOLD)
    assert [axis.name for axis in verdicts.group("members")] == ["reader"]
    for axis in verdicts.axes:
        assert axis.value.shape == axis.p.shape == axis.adjusted.shape == (n,)
        assert bool(((axis.p > 0) & (axis.p <= 1)).all())
    torch.testing.assert_close(verdicts.axes[0].value, verdicts.confidence)
    torch.testing.assert_close(verdicts.axes[1].value, verdicts.votes[:, 0, 0])
    smallest = torch.stack([axis.adjusted for axis in verdicts.axes]).amin(dim=0)
    assert torch.equal(verdicts.p, smallest)


def test_without_a_jury_there_is_no_confidence():
    x, _ = readable(300, 1)
    axes = (Neighbours("place", x, place), Likelihood("likelihood", x, place))
    judge = Judge.assemble(None, axes, (x, None), (readable(400, 2)[0], None))
    found = judge.judge(X)
    assert bool(found.confidence.isnan().all())
    for verdict in found:
        text = verdict.explain()
        assert text.startswith(str(verdict.outcome).replace("_", " "))
        assert "udges" not in text.split("\n", 1)[1]
        assert "Nearest real samples: " in text
        assert "(at " in text  # no class is named


def test_an_explanation_says_outcome_rule_and_evidence(verdicts):
    for verdict in verdicts:
        lines = verdict.explain().split("\n")
        words = verdict.outcome.replace("_", " ")
        assert lines[0] == f"{words}: {verdict.meaning}."
        assert lines[1] == verdict.rule
        assert lines[2].startswith("Held-out judges, asked for 0, see ")
        assert lines[3].startswith("Their probabilities of 0: reader ")
        for name, line in zip(MANIFOLD, lines[4:7], strict=True):
            assert line.lower().startswith(f"{name}: ")
            assert line.endswith("of real samples are as far out.")
        assert lines[7].startswith("Nearest real samples: ")
        assert lines[7].count("(a 0, at ") + lines[7].count("(a 1, at ") == 3


@pytest.mark.parametrize(
    ("outcome", "decided"),
    [
        (Outcome.GENUINE, ("Nothing is unusual",)),
        (Outcome.MISTAKEN, ("Decided by the jury together", "Decided by reader")),
        (Outcome.AMBIGUOUS, ("Decided by the jury together", "Decided by reader")),
        (Outcome.OFF_MANIFOLD, tuple(f"Decided by {name}" for name in MANIFOLD)),
        (Outcome.ADVERSARIAL, tuple(f"Decided by {name}" for name in MANIFOLD)),
        (Outcome.OUT_OF_DISTRIBUTION, ("Decided by ",)),
    ],
)
def test_the_rule_names_what_the_outcome_rests_on(verdicts, outcome, decided):
    verdict = verdicts[list(CASES).index(outcome)]
    assert verdict.rule.startswith(decided)
    unusual = verdict.explain().count(", unusual;")
    on_manifold = outcome in (Outcome.GENUINE, Outcome.MISTAKEN, Outcome.AMBIGUOUS)
    assert (unusual == 0) is on_manifold


@pytest.mark.parametrize("alpha", [0.05, 0.1, 1 / 3])
@pytest.mark.parametrize("calibration", [38, 400])  # of 20 p-values, one is 1 / 20
def test_usual_and_unusual_agree_with_the_outcome(alpha, calibration):
    judge = readable_judge(calibration=calibration)
    places = torch.cat([torch.linspace(-6, 6, 400), 3 + torch.linspace(0, 1, 100)])
    verdicts = judge.judge(torch.stack([places, torch.full_like(places, 0.5)], 1), 0, alpha=alpha)
    assert len(set(verdicts.outcomes)) >= 2
    for verdict in verdicts:
        unusual = ", unusual;" in verdict.explain()
        assert unusual == (verdict.outcome is not Outcome.GENUINE)
        assert ("Nothing is unusual" in verdict.rule) == (verdict.outcome is Outcome.GENUINE)


def test_what_the_rule_names_is_flagged():
    x, labels = gaussians(300, 0)
    first, second = (Centres(8 * torch.eye(3, 6) + part).eval() for part in (0.0, 1.0))
    jury = Jury((first, second), ("first", "second"), 3)
    axes = (Neighbours("pixels", x, labels=labels), Likelihood("likelihood", x))
    judge = Judge.assemble(jury, axes, (x, labels), gaussians(400, 1))
    x, labels = gaussians(1000, 2)
    x = x + torch.randn(x.shape, generator=generator(3))
    x[:500, :3] += 3 * torch.rand(500, 3, generator=generator(4))
    found = judge.judge(x, labels)
    named = set()
    for verdict in found:
        decided = [axis for axis in found.axes if f"Decided by {axis.name}:" in verdict.rule]
        assert len(decided) == (verdict.outcome is not Outcome.GENUINE)
        assert all(float(axis.adjusted[verdict.index]) <= found.alpha for axis in decided)
        named |= {axis.name for axis in decided}
    assert {"the jury together", "pixels", "likelihood"} <= named


def test_the_other_evidence_is_told_where_there_is_some(judge):
    wide, narrow = LinfBall(torch.zeros(1, 2), 100.0), LinfBall(torch.zeros(1, 2), 1.0)
    reached = torch.tensor([True, False, True, True, True, True])
    truth = Truth(lambda x: (x[:, 0] > 1).long(), name="XFoil")
    found = judge.judge(X, 0, reached=reached, constraints=[wide], truth=truth)
    genuine, unreached, doubted, off = (found[i] for i in range(4))
    assert "LinfBall holds to 1e-6" in genuine.explain()
    assert "The truth (XFoil) gives the target" in genuine.explain()
    assert unreached.rule == "Decided by the surrogate, which does not give the target."
    assert doubted.outcome is Outcome.GENUINE  # the jury is split, but the truth says yes
    assert doubted.rule.startswith("Nothing is unusual")
    assert off.outcome is Outcome.ADVERSARIAL
    assert off.rule.startswith("Decided by the truth: The truth (XFoil) does not give the target")
    broken = judge.judge(X, 0, constraints=[wide, narrow], truth=truth)[3]
    assert broken.outcome is Outcome.INFEASIBLE
    assert broken.rule.startswith("Decided by a constraint: ")
    assert "LinfBall 2 is violated by 3.5" in broken.rule
    assert broken.explain().count("LinfBall 2") == 1


def test_nearest_samples_are_named_with_place_class_and_distance(judge, verdicts):
    verdict = verdicts[0]
    names = verdict.nearest_names()
    near = verdicts.near
    assert names[0] == (
        f"{int(near.index[0, 0])} (a {int(judge.labels[near.index[0, 0]])}, at "
        f"{float(near.distance[0, 0]):.2f})"
    )
    assert len(names) == 3
    assert replace(verdicts, near=None)[0].nearest_names() == []
    assert "Nearest" not in replace(verdicts, near=None)[0].explain()


def test_small_shares_keep_their_digits(verdicts):
    axis = replace(verdicts.axes[2], p=torch.tensor([0.0004] * len(CASES)))
    told = replace(verdicts, axes=(*verdicts.axes[:2], axis))[0].explain()
    assert "0.04 % of real samples" in told


def test_every_outcome_has_a_meaning_and_its_own_word():
    assert len({outcome.meaning for outcome in Outcome}) == len(Outcome) == 9
    assert [str(outcome) for outcome in Outcome] == [outcome.name.lower() for outcome in Outcome]
    with pytest.raises(ValueError, match="not a valid Outcome"):
        Outcome("good")


def test_the_classes_that_the_jury_sees_are_named_the_last_of_them_as_none(verdicts):
    """The most probable first, and none of less than half a per cent."""
    seen = verdicts.seen.clone()
    seen[0], seen[1] = torch.tensor([0.002, 0.3, 0.698]), torch.tensor([0.9, 0.1, 0.0])
    told = replace(verdicts, seen=seen)
    assert "asked for 0, see no class 70 %, 1 30 %." in told[0].explain()
    assert "asked for 0, see 0 90 %, 1 10 %." in told[1].explain()
