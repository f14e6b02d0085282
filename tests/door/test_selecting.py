"""``xhat.audit`` with a budget of a truth, and what is trusted by verdicts alone."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

import xhat
from tests.domains import cultivar, small_classifier, small_digits, wine
from xhat.core import generator
from xhat.judges.conformal import samples_needed

GOAL = xhat.AtLeast(1.4)


def designs(n=200, seed=0):
    return torch.rand(n, 3, generator=generator(seed, "designs"))


def surrogate(x):
    return x.sum(dim=1)


def truth(x):
    """The surrogate is right but where the first feature is large."""
    return float(x.sum()) - 0.5 * (x[0] > 0.85)


def audited(x=None, **more):
    asked = {"truth": truth, "budget": 40} | more
    return xhat.audit(surrogate, designs() if x is None else x, GOAL, **asked)


def test_a_part_is_verified_and_some_of_the_others_are_selected():
    asked = []

    def watched(x):
        asked.append(x)
        return truth(x)

    checked = audited(truth=watched)
    selection = checked.selection
    assert len(asked) == int(selection.verified.sum()) == 40
    truly = torch.tensor([truth(row) >= 1.4 for row in checked.x.double().numpy()])
    assert torch.equal(selection.meets, selection.verified & truly)
    assert torch.equal(checked.trusted, selection.selected | selection.meets)
    assert int(selection.selected.sum()) > 10
    assert not bool((checked.trusted & ~checked.reached).any())
    assert float((~truly)[selection.selected].float().mean()) < 0.3
    assert not bool((selection.verified | checked.trusted)[checked.next].any())
    few = audited(budget=20)  # too few to learn where the surrogate errs
    assert bool((surrogate(few.x[few.next]).diff() <= 0).all())  # the most promising first
    assert len(few.next) + int((few.trusted | few.selection.verified).sum()) == int(
        few.reached.sum()
    )


def test_the_truth_overrules_where_it_was_asked_and_nobody_speaks_elsewhere():
    checked = audited()
    outcomes = [str(each) for each in checked.verdicts.outcomes]
    for i, verdict in enumerate(checked.verdicts):
        verified, meets = bool(checked.selection.verified[i]), bool(checked.selection.meets[i])
        expected = "unreached" if not checked.reached[i] else "undecided"
        expected = ("genuine" if meets else "mistaken") if verified else expected
        assert outcomes[i] == str(verdict.outcome) == expected
        assert ("not asked" in verdict.explain()) == (expected == "undecided")


def test_a_larger_budget_verifies_the_same_and_more():
    small, large = audited(budget=20, seed=5), audited(budget=50, seed=5)
    assert bool((large.selection.verified | ~small.selection.verified).all())
    assert not torch.equal(small.selection.verified, audited(budget=20, seed=6).selection.verified)
    again = audited(budget=20, seed=5)
    assert torch.equal(again.trusted, small.trusted)
    assert torch.equal(again.next, small.next)


def test_samples_do_not_depend_on_each_other_for_what_is_false():
    """Realised false discoveries over many choices of what is verified, through the front door."""
    x = designs()
    truly = torch.tensor([truth(row) >= 1.4 for row in x.numpy()])
    false = []
    for seed in range(60):
        chosen = audited(x, budget=25, seed=seed, fdr=0.2).selection.selected
        false.append(float((chosen & ~truly).sum() / chosen.sum().clamp_min(1)))
    assert np.mean(false) <= 0.2 + 2 * np.std(false) / math.sqrt(60)
    assert float((~truly)[surrogate(x) >= 1.4].float().mean()) > 0.15  # if all were trusted


def test_enough_verified_teach_where_the_surrogate_errs(monkeypatch):
    x = designs(400, seed=2)
    truly = torch.tensor([truth(row) >= 1.4 for row in x.numpy()])

    def repeated():
        false, found = [], []
        for seed in range(25):
            selection = audited(x, budget=60, seed=seed).selection
            chosen, rest = selection.selected, truly & ~selection.p.isnan()
            false.append(float((chosen & ~truly).sum() / chosen.sum().clamp_min(1)))
            found.append(float((chosen & rest).sum() / rest.sum()))
        assert np.mean(false) <= 0.1 + 2 * np.std(false) / 5
        return np.mean(found)

    taught = repeated()
    monkeypatch.setattr("xhat.door.selecting._FEWEST", 10**6)
    assert taught > repeated() + 0.05


def test_gaps_are_known_where_verified_and_bounded_elsewhere():
    selection = audited().selection
    x = designs()
    gap = torch.tensor([truth(row) for row in x.numpy()]) - surrogate(x)
    known = selection.verified
    assert torch.allclose(selection.low[known], gap[known].double(), atol=1e-6)
    assert torch.equal(selection.low[known], selection.high[known])
    others = ~known & ~selection.p.isnan()
    inside = (gap >= selection.low - 1e-6) & (gap <= selection.high + 1e-6)
    assert float(inside[others].float().mean()) > 0.8
    assert selection.low[~known & ~others].isnan().all()


def test_a_model_of_several_outputs_has_gaps_without_a_sign():
    checked = xhat.audit(
        lambda x: x[:, :2],
        designs(),
        xhat.Within([[0.2, 0.2]], [[0.9, 0.9]]),
        truth=lambda x: x[:2] + 0.1,
        budget=40,
    )
    assert not checked.selection.signed
    assert torch.allclose(checked.selection.high.nan_to_num(0.1), torch.tensor(0.1).double())
    assert "The gap of the surrogate lies between 0 and 0.1" in " ".join(
        checked.selection.explain(i) for i in range(200)
    )


def test_every_candidate_has_a_goal_of_its_own():
    x, wanted = designs(), torch.linspace(0.5, 2, 200)[:, None]
    own = xhat.audit(surrogate, x, xhat.AtLeast(wanted), truth=surrogate_of_one, budget=40)
    assert torch.equal(own.selection.meets, own.selection.verified)  # the surrogate is right
    assert torch.equal(own.trusted, surrogate(x) >= wanted[:, 0])


def surrogate_of_one(x):
    return float(np.float32(x).sum()) + 1e-6


def test_a_truth_that_fails_does_not_confirm_and_is_named():
    def fails(x):
        if x[1] > 0.8:
            raise RuntimeError("no convergence")
        return truth(x)

    checked = audited(truth=fails)
    verified = checked.selection.verified
    failed = verified & (checked.x[:, 1] > 0.8)
    assert bool(failed.any())
    assert not bool(checked.selection.meets[failed].any())
    (note,) = [note for note in checked.notes if "failed" in note]
    assert "which count as not meeting the goal" in note
    assert str(int(failed.nonzero()[0])) in note
    assert note.endswith("(the first: RuntimeError: no convergence)")
    everywhere = xhat.audit(surrogate, designs(), GOAL, truth=fails)
    assert any("failed on" in note for note in everywhere.notes)
    assert not bool(everywhere.trusted[designs()[:, 1] > 0.8].any())
    nothing = audited(truth=lambda x: math.nan)
    assert not nothing.trusted.any()


def test_too_few_verified_say_how_many_it_takes():
    checked = audited(budget=5)
    assert f"it takes at least {samples_needed(0.1)}" in checked.notes[-1]
    assert not checked.selection.selected.any()
    unlucky = audited(budget=40, truth=lambda x: float(x.sum()) - (x[0] > 0.3))
    assert "holds at least" in unlucky.notes[-1]
    everything = audited(designs(12) + 1, budget=12)
    assert everything.selection.verified.all()
    assert everything.notes == ()
    assert not len(everything.next)


def test_without_a_model_no_sample_is_more_promising():
    checked = xhat.audit(None, designs() + 0.5, GOAL, truth=truth, budget=30)
    p = checked.selection.p
    assert len(p[~p.isnan()].unique()) == 1
    assert checked.selection.low.isnan().all()
    good = xhat.audit(None, designs() + 1, GOAL, truth=truth, budget=30)
    assert good.trusted.all()


def test_what_breaks_a_constraint_is_not_asked_about():
    limits = [xhat.Bounds(high=torch.tensor(0.9))]
    checked = audited(constraints=limits)
    broken = (designs() > 0.9).any(dim=1)
    assert not bool((checked.selection.verified | checked.trusted)[broken].any())
    assert "break a constraint" in checked.notes[0]
    nowhere = audited(constraints=[xhat.Bounds(high=torch.tensor(-1.0))])
    assert not nowhere.trusted.any()
    assert not nowhere.selection.verified.any()
    assert not len(nowhere.next)


def test_a_domain_judges_all_and_the_truth_overrules_it():
    domain = small_digits()
    mine = domain.halves[0][:60]
    checked = xhat.audit(
        small_classifier(), domain.x[mine], domain.labels[mine], domain=domain, budget=25,
        truth=lambda x: 7 if x[0, 3, 3] > 0.7 else -1,
    )  # fmt: skip
    assert len(checked.verdicts.axes) > 3
    asked = checked.selection.verified
    assert int(asked.sum()) == 25
    for i in asked.nonzero()[:, 0].tolist():
        told = checked.verdicts[i].explain()
        assert ("genuine" in told) <= bool(checked.selection.meets[i])
        assert bool(checked.selection.meets[i]) or "The truth does not give the target" in told
    genuine = [str(each) == "genuine" for each in checked.verdicts.outcomes]
    assert any(genuine[i] for i in (~asked).nonzero()[:, 0].tolist())  # by the jury alone
    assert not checked.selection.selected.any()


def test_far_designs_are_less_promising_beside_a_domain():
    domain = xhat.Domain(designs(400, seed=1))
    x = torch.cat((designs(100), designs(100) + 3))
    checked = xhat.audit(
        lambda x: x[:, 0] * 0 + 2 + 0.01 * x[:, 1], x, GOAL, domain=domain, truth=truth, budget=20
    )
    first = checked.selection.p[:100], checked.selection.p[100:]
    assert first[0].nanmean() < first[1].nanmean()


def test_files_tables_and_pages_keep_the_selection(tmp_path):
    checked = audited()
    assert "selected at a false discovery rate of 10 %" in repr(checked)
    for name in ("a.parquet", "a.npz"):
        checked.save(tmp_path / name)
        again = xhat.Judged.load(tmp_path / name)
        assert torch.equal(again.trusted, checked.trusted)
        assert torch.equal(again.next, checked.next)
        assert repr(again) == repr(checked)
        assert again.selection.explain(3) == checked.selection.explain(3)
        again.save(tmp_path / name)
    table = checked.to_pandas()
    assert table["trusted"].tolist() == checked.trusted.tolist()
    assert {"verified", "meets", "selection_p", "gap_low", "gap_high", "next"} <= set(table.columns)
    assert table["next"].argmax() == int(checked.next[-1])
    page = checked.report(tmp_path / "r")  # there is no domain
    text = page.read_text("utf-8")
    assert page.name == "report.html"
    assert "Which to believe, and which to simulate next" in text
    assert "of which at most 10 % are expected to be false" in text
    assert "undecided" in map(str, checked.verdicts.outcomes)
    assert "no domain was given, so nobody judges it; a larger budget would help" in text


def test_verdicts_alone_trust_fewer_where_most_are_of_another_class(tmp_path):
    domain = wine()
    mine = domain.halves[0]  # the judge knows the other half
    x, labels = domain.x[mine], domain.labels[mine]
    fine = xhat.audit(None, x, labels, domain=domain)
    genuine = [str(each) == "genuine" for each in fine.verdicts.outcomes]
    assert float(fine.trusted.float().mean()) > 0.8
    assert not any(t and not g for t, g in zip(fine.trusted.tolist(), genuine, strict=True))
    wrong = xhat.audit(None, x, (labels + 1) % 3, domain=domain, fdr=0.05)
    passing = [str(each) == "genuine" for each in wrong.verdicts.outcomes]
    assert int(wrong.trusted.sum()) <= sum(passing)
    assert not wrong.trusted.any()
    assert "trusted at a false discovery rate of 5 %" in wrong.summary()
    assert not bool(wrong.trusted[wrong.next].any())
    fine.save(tmp_path / "f.parquet")
    assert torch.equal(xhat.Judged.load(tmp_path / "f.parquet").trusted, fine.trusted)
    assert "verified" not in pd.read_parquet(tmp_path / "f.parquet").columns
    strict = xhat.audit(None, x, labels, domain=domain, fdr=1e-4)
    assert "simulate next" not in strict.selection.explain(int(strict.next[0]))
    text = strict.report(tmp_path / "r").read_text("utf-8")
    assert "Which to believe" in text
    assert "imulate next" not in text  # there is no truth that could be asked
    plain = xhat.audit(None, x * 3, domain=domain)  # no class was asked for
    assert plain.selection is None
    assert len(plain.next) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"budget": 201}, "the budget is 201 evaluations of the truth, but there are only 200"),
        ({"budget": 0}, "the budget must be a whole number from 1, but is 0"),
        ({"budget": 2.5}, "the budget must be a whole number from 1"),
        ({"truth": None, "domain": wine()}, "give truth=, a simulator"),
        ({"fdr": 0.0}, "fdr must"),
        ({"fdr": 1.5}, "fdr must"),
        ({"goal": xhat.Least()}, "Least() is never met"),
        ({"goal": None}, "no goal came"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(given, said):
    asked = {"model": surrogate, "samples": designs(), "goal": GOAL, "truth": truth, "budget": 20}
    asked |= given
    if "domain" in given:
        asked |= {"model": cultivar, "samples": wine().x, "goal": 0}
    with pytest.raises(ValueError, match=r"\.$") as told:
        xhat.audit(**asked)
    assert said in str(told.value)
