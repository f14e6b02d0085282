import json

import pytest
import torch

from xhat.judges import Outcome
from xhat_zoo.digits.controls import kinds, material
from xhat_zoo.digits.controls.kinds import ELSEWHERE, GENUINE, NOT_GENUINE, Kind
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.selftest import self_test, write

FAST = ("real", "between digits", "not digits", "damaged digits")


@pytest.fixture(scope="module")
def judge():
    return digits_judge()


@pytest.fixture(scope="module")
def of(judge):
    return material(judge.jury, "development", 40, seed=1)


def test_halves_share_no_image_and_repeat_with_their_seed(judge, of):
    other = material(judge.jury, "reported", 40, seed=1)
    assert not any(torch.equal(a, b) for a in of.x for b in other.x)
    again = material(judge.jury, "development", 40, seed=1)
    assert torch.equal(of.x, again.x)
    assert (of.target != of.labels).all()
    taken = {
        image.numpy().tobytes(): int(label) for image, label in zip(of.x, of.labels, strict=True)
    }
    assert [taken[image.numpy().tobytes()] for image in of.other] == of.target.tolist()


def test_every_kind_is_planted_in_range_and_named_once(judge, of):
    known = kinds(judge)
    assert len({kind.name for kind in known}) == len(known)
    for kind in known:
        if kind.group in FAST:
            planted = kind.make(of)
            assert len(planted) == len(planted.target) > 10, kind.name
            assert 0 <= planted.x.min() <= planted.x.max() <= 1
            assert torch.equal(planted.x, kind.make(of).x)


def test_attacks_reach_their_target(judge, of):
    few = of.first(12)
    for kind in kinds(judge):
        if kind.group == "attacks on the surrogate" and kind.name != "decision boundary":
            planted = kind.make(few)
            assert len(planted) > 2
            assert torch.equal(few.read(planted.x), planted.target)


def test_what_is_right_of_a_kind():
    def right(wanted, outcome):
        return Kind("", "real", lambda of: of, wanted).right(outcome)

    assert right(GENUINE, Outcome.GENUINE)
    assert not right(GENUINE, Outcome.AMBIGUOUS)
    assert right(NOT_GENUINE, Outcome.AMBIGUOUS)
    assert not right(NOT_GENUINE, Outcome.GENUINE)
    assert right(ELSEWHERE, Outcome.OUT_OF_DISTRIBUTION)
    assert not right(ELSEWHERE, Outcome.ADVERSARIAL)
    assert right(None, Outcome.GENUINE)


@pytest.mark.parametrize(("half", "n"), [("third", 40), ("reported", 5), ("reported", 6000)])
def test_rejects_other_halves_and_sizes(judge, half, n):
    with pytest.raises(ValueError, match=r"half must be one of|must number from"):
        material(judge.jury, half, n)


def test_a_self_test_leaves_a_table_and_a_figure(judge, tmp_path, monkeypatch):
    fast = [kind for kind in kinds(judge) if kind.group in FAST]
    monkeypatch.setattr("xhat_zoo.digits.selftest.kinds", lambda _: tuple(fast))
    monkeypatch.setattr("xhat_zoo.digits.selftest._MOST", 1200)  # real digits
    found = self_test(judge, half="development", n=40)
    picture = write(found, tmp_path)
    assert picture.exists()
    record = json.loads((tmp_path / "selftest.json").read_text())
    rows = {row["kind"]: row for row in record["rows"]}
    assert set(rows) == {kind.name for kind in fast}
    for row in rows.values():
        assert sum(row["counts"].values()) == row["n"]
        assert row["interval"][0] <= row["share"] <= row["interval"][1]
    assert rows["real digits"]["share"] > 0.94
    assert rows["noise"]["share"] == 1
    assert abs(record["real_digits_flagged_at"]["0.2"] - 0.2) < 0.03
    assert record["digits_against_clothes"]["auroc"] > 0.99
