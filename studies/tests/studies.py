"""A study for the tests of its page and figures."""

from math import inf
from typing import Any

from studies.report.records import ArmRow, ClaimRow, StudyPage
from xhat.report import Estimate

NAMES = ("plain", "robust", "ensemble of five")
SHOWN = {"genuine": "genuine among reached, %", "distance": "distance to real samples"}


def estimate(middle: float, spread: float = 0.02, seeds: int = 3) -> Estimate:
    """An estimate whose interval is twice as wide as its values; open for one seed."""
    if seeds == 1:
        return Estimate(middle, -inf, inf, (middle,))
    steps = [2 * k / (seeds - 1) - 1 for k in range(seeds)]
    values = tuple(middle + spread * step for step in steps)
    return Estimate(middle, middle - 2 * spread, middle + 2 * spread, values)


def make_arms(seeds: int = 3) -> tuple[ArmRow, ...]:
    """Three arms; of the last one the distance was not measured."""
    shares, distances = (0.1, 0.5, 0.987), (1234.5, 970.0, None)
    return tuple(
        ArmRow(
            name,
            f"what {name} is",
            {"genuine": estimate(share, 0.005, seeds)}
            | ({"distance": estimate(far, 9.0, seeds)} if far else {}),
        )
        for name, share, far in zip(NAMES, shares, distances, strict=True)
    )


def make_claims(seeds: int = 3) -> tuple[ClaimRow, ...]:
    """One claim of each answer."""
    return (
        ClaimRow("A helps.", "robust", "plain", "genuine", 0.05, estimate(0.4, 0.1), "supported"),
        ClaimRow(
            "B helps.", NAMES[2], "plain", "genuine", 0.05, estimate(-0.02), "not supported"
        ),
        ClaimRow(
            "C brings near.", "robust", "plain", "distance", 20.0,
            estimate(264.5, 90.0, seeds), "undecided", lower=True,
        ),
    )  # fmt: skip


def make_page(seeds: int = 3, **changed: Any) -> StudyPage:
    """A study of three arms, two measurements and three claims, with overrides."""
    fields: dict[str, Any] = {
        "name": "steering",
        "question": "Does robust training steer the search?",
        "protocol": ("Train three networks.", "Search from 200 starts."),
        "arms": make_arms(seeds),
        "claims": make_claims(seeds),
        "answer": "not supported",
        "shown": SHOWN,
        "remarks": ("Two of five collapse.",),
        "facts": {"commit": "a1b2c3d", "hours": "5.3"},
    }
    return StudyPage(**(fields | changed))
