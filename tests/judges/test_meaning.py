"""No more is said than was seen: samples asked for another class, copies, and what nobody asked."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

import xhat
from tests.domains import wine
from tests.judges.world import (
    NATURAL,
    NEITHER,
    OTHER,
    SEEN,
    place,
    readable,
    readable_judge,
    sample,
)
from xhat.core import generator
from xhat.judges import Judge, Neighbours, Outcome, Truth
from xhat.judges.meaning import asked_for_others, compare_with_others

ALPHA = BETA = 0.05
SEEDS = 10
TABLES = {"iris": load_iris, "wine": load_wine, "breast cancer": load_breast_cancer}


def split(name, seed):
    """Return 70 % of the rows for a judge and the others, all different."""
    x, y = TABLES[name](return_X_y=True)
    x, first = np.unique(x, axis=0, return_index=True)
    x, y = torch.as_tensor(x).float(), torch.as_tensor(y[first]).long()
    order = torch.randperm(len(x), generator=generator(seed, "order"))
    known, new = order[: round(0.7 * len(x))], order[round(0.7 * len(x)) :]
    return (x[known], y[known]), (x[new], y[new])


@pytest.fixture(scope="module", params=TABLES)
def rows(request):
    """Judges of several splits of one table, each with rows that it has not seen."""
    found = []
    for seed in range(SEEDS):
        known, new = split(request.param, seed)
        found.append((Judge.fit(*known, alpha=ALPHA, beta=BETA, seed=seed), *new))
    return found


def slack(level, rows):
    """Three standard deviations of a share over splits, of calibration and of new rows."""
    known, new = np.mean([[len(j.calibration.whole), len(x)] for j, x, _ in rows], axis=0)
    return 3 * np.sqrt(level * (1 - level) / len(rows) * (1 / known + 1 / new))


def p(found):
    assert found.meaning_test is not None
    return found.meaning_test.p


def share(outcomes, *wanted):
    return np.mean([outcome in wanted for outcome in outcomes])


def test_real_rows_asked_for_another_class_are_rarely_genuine(rows):
    outcomes = []
    for judge, x, labels in rows:
        classes = judge.jury.classes
        for turn in range(1, classes):
            outcomes += judge.judge(x, (labels + turn) % classes).outcomes
    assert share(outcomes, Outcome.GENUINE) <= BETA
    assert share(outcomes, Outcome.MISTAKEN, Outcome.UNDECIDED) > 0.8


def test_real_rows_of_their_class_are_genuine_or_undecided(rows):
    outcomes = [o for judge, x, labels in rows for o in judge.judge(x, labels).outcomes]
    usual = share(outcomes, Outcome.GENUINE, Outcome.UNDECIDED)
    assert usual >= 1 - ALPHA - slack(ALPHA, rows)
    assert share(outcomes, Outcome.GENUINE) > 0.8


def test_copies_of_the_reference_are_named_and_not_off_the_manifold(rows):
    outcomes = []
    for judge, _, _ in rows:
        found = judge.judge(judge.reference * (1 + 1e-7), judge.labels)
        assert found.copied.tolist() == list(range(len(judge.reference)))
        outcomes += found.outcomes
        assert "This is reference row 7 itself" in found[7].explain()
        assert not bool((found.near.index == torch.arange(len(found))[:, None]).any())
    assert share(outcomes, Outcome.OFF_MANIFOLD, Outcome.ADVERSARIAL) == 0
    assert share(outcomes, Outcome.GENUINE) > 0.8
    judge, x, labels = rows[0]
    moved = judge.reference + 0.01 * judge.reference.std(dim=0)
    assert bool((judge.judge(moved, judge.labels).copied == -1).all())
    assert "reference row" not in judge.judge(x, labels)[0].explain()


def test_a_judge_made_again_from_its_state_says_the_same(rows):
    judge, x, labels = rows[0]
    name = next(n for n in TABLES if split(n, 0)[1][0].shape == x.shape)
    known, _ = split(name, 0)
    again = Judge.fit(*known, alpha=ALPHA, seed=0, state=judge.state())
    anew = Judge.fit(*known, alpha=ALPHA, seed=0)
    first = judge.judge(x, (labels + 1) % judge.jury.classes)
    for other in (again, anew):
        found = other.judge(x, (labels + 1) % judge.jury.classes)
        assert found.outcomes == first.outcomes
        assert torch.equal(p(found), p(first))


def test_a_domain_in_a_file_keeps_what_its_judge_knows_of_other_classes(tmp_path):
    domain = wine()
    first = xhat.audit(None, domain.x, 1, domain=domain, alpha=0.1)
    domain.save(tmp_path / "wine.safetensors")
    again = xhat.Domain.load(tmp_path / "wine.safetensors")
    found = xhat.audit(None, domain.x, 1, domain=again, alpha=0.1)
    assert torch.equal(found.trusted, first.trusted)
    assert torch.equal(p(found.verdicts), p(first.verdicts))
    strict = xhat.audit(None, domain.x, 1, domain=again, alpha=0.1, beta=0.001)
    assert not strict.trusted.any()
    assert first.trusted.any()
    assert "undecided" in strict.summary()
    with pytest.raises(ValueError, match="beta must"):
        xhat.audit(None, domain.x, 1, domain=again, alpha=0.1, beta=2)


def weak(calibration=400, **options):
    """Return a judge whose jury sees nothing clearly in real samples of either class."""
    judge = readable_judge(calibration=calibration)
    x, labels = readable(calibration, 2)
    x[:, 1] = NEITHER + 0.5
    axes = (Neighbours("place", judge.reference, place, judge.labels),)
    known = judge.reference, judge.labels
    return Judge.assemble(judge.jury, axes, known, (x, labels), ALPHA, **options)


def test_a_jury_that_cannot_tell_is_not_believed():
    judge = weak()
    (verdict,) = judge.judge(sample(NATURAL, NEITHER), 0)
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.explain().startswith("undecided: nothing is unusual, but these judges ")
    assert "these judges confuse classes too often to tell" in verdict.rule
    assert judge.judge(sample(NATURAL, SEEN), 0).outcomes == (Outcome.GENUINE,)  # never so sure
    truth = Truth(lambda x: torch.zeros(len(x), dtype=torch.long))
    told = judge.judge(sample(NATURAL, NEITHER), 0, truth=truth)[0]
    assert told.outcome is Outcome.GENUINE
    assert told.meaning == "on the manifold, and the truth confirms the target"


def test_what_the_jury_rather_sees_is_told():
    judge = readable_judge(alpha=0.02)
    usual = replace(judge.usual, others=torch.ones(400, 2))
    (verdict,) = replace(judge, usual=usual).judge(sample(NATURAL, SEEN), 0)
    assert verdict.outcome is Outcome.UNDECIDED
    seen = replace(verdict.whole, seen=torch.tensor([[0.1, 0.85, 0.05]]))[0]
    assert "they rather see 1, which is not rare enough among real" in seen.rule
    genuine = replace(seen.whole, outcomes=(Outcome.GENUINE,))[0]
    assert genuine.meaning.startswith("on the manifold, and few real samples of other classes")


def test_too_few_samples_for_beta_leave_all_undecided_and_say_how_many_it_takes():
    judge = readable_judge()
    assert judge.judge(sample(NATURAL, SEEN), 0).outcomes == (Outcome.GENUINE,)
    (verdict,) = replace(judge, beta=0.001).judge(sample(NATURAL, SEEN), 0)
    assert verdict.outcome is Outcome.UNDECIDED
    assert "only 400 of them were held out, and it takes 999 to say" in verdict.rule
    strange = replace(judge, beta=0.001).judge(sample(NATURAL, OTHER), 0)
    assert strange.outcomes == (Outcome.MISTAKEN,)
    with pytest.raises(ValueError, match="beta must"):
        weak(beta=1.0)


def test_without_a_jury_it_is_said_that_no_class_was_asked_for():
    judge = readable_judge().without_jury()
    (verdict,) = judge.judge(sample(NATURAL, SEEN))
    assert verdict.outcome is Outcome.GENUINE
    assert verdict.meaning == "on the manifold; no class was asked for"
    assert verdict.rule.endswith("No class was asked for.")


def test_classes_are_compared_apart_where_there_are_enough():
    labels = torch.arange(60) % 3
    seen = torch.full((60, 4), 0.1)
    seen[labels == 1, 2] = 0.8  # the class 1 looks like 2
    others = asked_for_others(seen, labels)
    assert bool(others[torch.arange(60), labels].isnan().all())
    sure = torch.full((3,), 0.5)
    apart = compare_with_others(others, sure, torch.arange(3), 0.05)
    assert apart.known.tolist() == [40, 40, 40]
    torch.testing.assert_close(apart.p, torch.tensor([1.0, 1.0, 21.0]).double() / 41)
    whole = compare_with_others(others, sure, torch.arange(3), 0.02)
    assert whole.known.tolist() == [60, 60, 60]  # of 20 samples, one of two classes is as sure
    torch.testing.assert_close(whole.p, torch.full((3,), 11 / 61).double())


def test_other_classes_pass_as_rarely_as_promised():
    """Whatever the jury is: here its probabilities are noise that depends on the class."""
    passed = {0.05: [], 0.01: []}
    for seed in range(300):
        noise = torch.rand(160, 4, generator=generator(seed))
        labels = torch.arange(160) % 3
        noise = (noise * torch.tensor([1.0, 3.0, 2.0])[labels][:, None]).softmax(dim=1)
        others = asked_for_others(noise[:100], labels[:100])
        wrong = (labels[100:] + 1 + torch.arange(60) % 2) % 3
        sure = noise[100:].gather(1, wrong[:, None])[:, 0]
        for beta, shares in passed.items():
            shares.append(compare_with_others(others, sure, wrong, beta).seen.double().mean())
    for beta, shares in passed.items():
        noise = 3 * float(torch.stack(shares).std()) / len(shares) ** 0.5
        assert beta / 3 < float(torch.stack(shares).mean()) <= beta + noise


def test_a_copy_is_told_without_a_jury():
    judge = Judge.fit(torch.randn(300, 3, generator=generator(0)))
    told = judge.judge(judge.reference[:1])[0].explain()
    assert "A copy of a real sample is on the manifold" in told
