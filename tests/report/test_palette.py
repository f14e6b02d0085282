import itertools

import numpy as np
import pytest

from xhat.judges.outcomes import Outcome
from xhat.report import COLOURS, legend
from xhat.report.palette import MARKS, ink_on, luminance, rgb

# Machado, Oliveira, Fernandes (2009), severity 1.0, on linear RGB
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def oklab(colour: str, sight: np.ndarray) -> np.ndarray:
    """Björn Ottosson, "A perceptual color space for image processing" (2020)."""
    channels = np.array(rgb(colour)) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return lab @ np.cbrt(cones @ (sight @ linear).clip(0, 1))


def contrast(a: float, b: float) -> float:
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


def test_every_outcome_has_a_colour_and_a_mark_of_its_own():
    for table in (COLOURS, MARKS):
        assert set(table) == set(Outcome)
        assert len(set(table.values())) == len(Outcome)


@pytest.mark.parametrize("outcome", Outcome)
def test_colours_stand_out_on_light_and_dark_and_carry_readable_ink(outcome):
    own = luminance(COLOURS[outcome])
    assert contrast(own, 1) >= 3
    assert contrast(own, luminance("#111418")) >= 3
    assert contrast(own, luminance(ink_on(COLOURS[outcome]))) >= 4.5


@pytest.mark.parametrize("sight", SIGHTS)
def test_colours_stay_apart_for_colour_blind_eyes(sight):
    seen = {o: oklab(c, SIGHTS[sight]) for o, c in COLOURS.items()}
    for a, b in itertools.combinations(Outcome, 2):
        assert np.linalg.norm(seen[a] - seen[b]) > 0.06, (a, b)
    good, bad = seen[Outcome.GENUINE], seen[Outcome.ADVERSARIAL]
    assert np.linalg.norm(good - bad) > 0.1


def test_a_legend_explains_what_occurs_with_the_best_first():
    assert legend()[0].outcome is Outcome.GENUINE
    assert len(legend()) == len(Outcome)
    (entry,) = legend(["off_manifold", "off_manifold"])
    assert (entry.label, entry.meaning) == ("off manifold", Outcome.OFF_MANIFOLD.meaning)
    with pytest.raises(ValueError, match="nonsense"):
        legend(["nonsense"])
