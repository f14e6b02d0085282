from dataclasses import replace

import pytest

from studies.report.records import ArmRow
from studies.report.words import Scale, answer_line, claim_line, scale_of, size_line
from studies.tests.studies import estimate, make_arms, make_claims, make_page


@pytest.mark.parametrize(
    ("mean", "heading", "words"),
    [
        (0.987, "a, %", "98.7"),
        (0.05, "a, %", "5.0"),
        (0.0004, "a, %", "0.0400"),
        (0.0, "a, %", "0.0"),
        (0.05, "a", "0.0500"),
        (0.5, "a", "0.500"),
        (5.0, "a", "5.00"),
        (1234.5, "a", "1,234"),
        (-12.34, "a", "−12.3"),
    ],
)
def test_numbers_have_three_figures_and_percentages_one_digit(mean, heading, words):
    arm = ArmRow("plain", "", {"a": estimate(mean, 0.0)})
    page = make_page(arms=(arm,), claims=(), shown={"a": heading})
    assert scale_of(page, "a").number(mean) == words


def test_signs_units_and_intervals():
    scale = Scale(percent=True, digits=1)
    assert scale.gap(0.05) == "+5.0 points"
    assert scale.gap(-0.0001) == "0.0 points"
    assert (scale.margin(0.05), scale.margin(0.01)) == ("5 points", "1 point")
    assert scale.range(estimate(0.5, 0.01)) == "48.0 to 52.0"
    assert scale.range(estimate(0.0, 0.01), signed=True) == "−2.0 to +2.0"
    assert scale.range(estimate(0.5, seeds=1)) == ""
    plain = Scale(percent=False, digits=2)
    assert (plain.margin(0.02), plain.margin(1000)) == ("0.02", "1,000")


@pytest.mark.parametrize(
    ("kept", "line"),
    [
        ((), ""),
        ((0,), "The one claim is supported."),
        ((0, 0), "All of the 2 claims are supported."),
        ((0, 1, 2), "1 of 3 claims is supported, 1 is not supported, 1 is undecided."),
        ((0, 0, 1), "2 of 3 claims are supported, 1 is not supported."),
        ((1, 2, 2), "None of the 3 claims are supported: 1 is not supported, 2 are undecided."),
    ],
)
def test_the_answer_in_one_line(kept, line):
    claims = tuple(make_claims()[k] for k in kept)
    assert answer_line(make_page(claims=claims)) == line


def test_claims_and_size_in_one_line():
    page = make_page()
    assert claim_line(page, page.claims[0]) == "robust against plain: genuine among reached, %"
    alone = replace(page.claims[0], baseline=None)
    assert claim_line(page, alone) == "robust above 0: genuine among reached, %"
    assert claim_line(page, page.claims[2]).endswith(": distance to real samples, less is better")
    assert size_line(page) == "Study “steering”: 3 arms, 3 seeds each."
    assert size_line(make_page(arms=make_arms()[:1], claims=())).endswith(": 1 arm, 3 seeds.")


def test_a_metric_of_claims_alone_is_printed_by_its_difference():
    page = make_page(shown={"genuine": "genuine, %"})
    assert scale_of(page, "distance") == Scale(percent=False, digits=0)
    arms = [ArmRow(a.name, "", {"genuine": a.estimates["genuine"]}) for a in page.arms]
    page = make_page(arms=tuple(arms), shown={"genuine": "genuine, %"})
    assert scale_of(page, "distance") == Scale(percent=False, digits=0)
