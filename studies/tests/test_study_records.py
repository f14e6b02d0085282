from math import inf, nan
from typing import Any, cast

import pytest

from studies.report.records import ANSWERS, ArmRow, ClaimRow
from studies.tests.studies import estimate, make_arms, make_claims, make_page
from xhat.report import Estimate
from xhat.report.palette import luminance


@pytest.mark.parametrize("answer", ANSWERS.values())
def test_answers_stand_out_on_light_and_dark_and_carry_white_words(answer):
    own = luminance(answer.colour) + 0.05
    assert 1.05 / own >= 4.5
    assert own / (luminance("#111418") + 0.05) >= 3


def test_answers_differ_in_mark_and_colour():
    assert set(ANSWERS) == {"supported", "not supported", "undecided"}
    assert len({a.mark for a in ANSWERS.values()} | {a.colour for a in ANSWERS.values()}) == 6


def test_an_estimate_of_one_seed_has_no_interval():
    assert Estimate.of_one(0.3) == Estimate(0.3, -inf, inf, (0.3,))
    assert not Estimate.of_one(0.3).bounded
    assert Estimate(0.2, 0.0, 0.4, [0.1, 0.3]).values == (0.1, 0.3)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ((0.2, 0.1, 0.3, ()), "values must be finite, at least one"),
        ((0.2, 0.1, 0.3, (0.2, nan)), "values must be finite"),
        ((0.2, 0.1, 0.3, (0.2, 0.4)), r"mean must be that of the values, 0\.3"),
        ((nan, 0.1, 0.3, (0.2,)), "mean must be that of the values"),
        ((0.2, 0.25, 0.3, (0.2,)), "around the mean 0.2"),
        ((0.2, 0.1, 0.15, (0.2,)), "around the mean 0.2"),
        ((0.2, nan, nan, (0.2,)), "around the mean 0.2"),
        ((0.2, -inf, 0.3, (0.2,)), "both ends finite or none"),
    ],
)
def test_an_estimate_that_contradicts_itself_is_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        Estimate(*fields)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"says": " "}, "what a claim says is empty"),
        ({"baseline": "robust"}, "with itself"),
        ({"margin": -0.1}, "must be 0 or more"),
        ({"margin": nan}, "must be 0 or more"),
        ({"answer": "yes"}, "one of supported, not supported, undecided, but is 'yes'"),
    ],
)
def test_a_claim_that_makes_no_sense_is_refused(changed, sentence):
    fields: dict[str, Any] = {
        "says": "It helps.", "arm": "robust", "baseline": "plain", "metric": "genuine",
        "margin": 0.05, "difference": estimate(0.1), "answer": "supported",
    }  # fmt: skip
    assert ClaimRow(**fields).lower is False
    with pytest.raises(ValueError, match=sentence):
        ClaimRow(**(fields | changed))
    with pytest.raises(TypeError, match="must be an Estimate, not float"):
        ClaimRow(**(fields | {"difference": cast("Any", 0.1)}))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": ""}, "the name of a study is empty"),
        ({"question": ""}, "the question of 'steering' is empty"),
        ({"answer": "no"}, "the answer to 'steering' must be one of"),
        ({"arms": ()}, "different names, at least one"),
        ({"arms": make_arms()[:1] * 2}, "different names"),
        ({"arms": make_arms()[1:]}, "is of 'plain', but the arms of 'steering' are robust"),
        ({"shown": {}}, "shown of 'steering' is empty"),
        ({"shown": {"speed": "speed"}}, "shows 'speed', but no arm has it"),
    ],
)
def test_a_page_that_does_not_fit_together_is_refused(changed, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        make_page(**changed)
    assert str(caught.value).endswith(".")


def test_only_records_are_taken():
    with pytest.raises(TypeError, match="arms of 'steering' must be ArmRow records, not str"):
        make_page(arms=("plain",))
    with pytest.raises(TypeError, match="claims of 'steering' must be ClaimRow records"):
        make_page(claims=("It helps.",))
    with pytest.raises(TypeError, match="protocol of 'steering' must be a tuple of sentences"):
        make_page(protocol="Train three networks.")
    with pytest.raises(TypeError, match="genuine of 'plain' must be an Estimate"):
        ArmRow("plain", "", {"genuine": 0.3})  # pyright: ignore[reportArgumentType]


def test_a_page_knows_its_baselines_percentages_and_seeds():
    page = make_page()
    assert [page.is_percent(m) for m in ("genuine", "distance", "unknown")] == [True, False, False]
    assert page.heading("unknown") == "unknown"
    assert page.baseline("unknown") == "plain"
    assert make_page(claims=()).baseline("genuine") is None
    first = ClaimRow("D.", "plain", "robust", "distance", 0, estimate(1.0, 1.0), "undecided")
    assert make_page(claims=(*make_claims()[:1], first)).baseline("distance") == "robust"
    alone = ClaimRow("D.", "plain", None, "distance", 0, estimate(1.0, 1.0), "undecided")
    assert make_page(claims=(alone,)).baseline("distance") is None
    assert make_page(claims=(alone, first)).baseline("distance") == "robust"
    assert (page.seeds, make_page(1).seeds) == ("3 seeds", "1 seed")
    assert make_page(arms=(*make_arms()[:2], make_arms(5)[2])).seeds == "3–5 seeds"
