import math
from dataclasses import replace

import pytest
import torch

from xhat_zoo.airfoil import (
    WITNESS,
    Design,
    Drag,
    Specification,
    XFoil,
    XFoilMissingError,
    catalogue,
    fly,
    fly_polar,
    requirements,
    rivals,
    search,
    surrogate,
    verify,
)
from zoo.tests.airfoil.airfoil_program import stand_in

ASKED = Specification(lift=(0.6,), reynolds=(1e6,), thickness=0.12, moment=-0.08)


@pytest.fixture(scope="module")
def real():
    return rivals(ASKED, count=3)


@pytest.fixture(scope="module")
def found(real):
    return search([ASKED], [real], max_steps=10)


def test_rivals_meet_the_specification_and_are_the_best(real):
    rows = replace(ASKED, confidence=0.95).row()[None]  # of real airfoils no more is asked
    for constraint in requirements(rows):
        assert (constraint.violation(real.designs) <= 1e-4).all()
    assert real.drag.tolist() == sorted(real.drag.tolist())
    torch.testing.assert_close(Drag(rows)(real.designs), real.drag)
    assert set(real.names) <= set(catalogue().names)
    torch.testing.assert_close(real.nearest, real.designs[:1])


def test_where_no_real_airfoil_fits_the_nearest_is_still_a_start():
    odd = Specification(lift=(1.4,), reynolds=(1e5,), thickness=0.3, moment=0.05)
    none = rivals(odd, count=3)
    assert none.names == ()
    assert none.nearest.shape == (1, 19)


def test_a_search_holds_what_was_asked_and_has_less_drag(found, real):
    assert found.result.feasible.all()
    x = found.result.x.double()
    for constraint in requirements(ASKED.row()[None], witness=surrogate(WITNESS)):
        assert constraint.violation(x)[0] <= 1e-4
    assert float(found.seen.drag[0, 0]) < float(real.drag[0].exp())
    assert found.names == (real.names[0],)


def test_starts_and_specifications_go_together(real):
    with pytest.raises(ValueError, match="2 specifications need as many starts, not 1"):
        search([ASKED, ASKED], [real])


def test_verified_numbers_are_those_of_the_program(found, real, tmp_path):
    seen = verify(found, [real], XFoil(stand_in(tmp_path, drag=0.01, moment=-0.02)))
    assert seen.flights.drag.tolist() == [[0.01]]
    assert bool(seen.flights.holds[0])
    gap = abs(math.log(float(found.seen.drag[0, 0]) / 0.01))
    assert float(seen.gap[0]) == pytest.approx(gap)
    assert seen.rival_names[0] in real.names
    assert not bool(seen.better[0])  # the rival has the same drag


def test_a_moment_beyond_its_limit_is_seen(found, real, tmp_path):
    seen = verify(found, [real], XFoil(stand_in(tmp_path, moment=-0.2)))
    assert not bool(seen.flights.holds[0])
    assert seen.rival_names == (None,)  # nor does any rival hold it
    assert bool(seen.better[0])


def test_what_the_program_does_not_say_is_nan_and_told(found, tmp_path):
    dead = tmp_path / "xfoil"
    dead.write_text("#!/bin/sh\nexit 9\n")
    dead.chmod(0o755)
    seen = verify(found, [], XFoil(str(dead)))
    assert seen.gap.isnan().all()
    assert not seen.better.any()
    assert seen.flights.why(0) == "XFoil crashed (exit code 9)"


def test_polars_at_many_angles(real, tmp_path):
    shapes = Design.of(real.designs).parameters
    angles = torch.tensor([0.0, 2.5])
    polars = fly_polar(shapes, 1e6, angles, XFoil(stand_in(tmp_path)))
    assert len(polars) == 3
    assert polars[0].angle.tolist() == [0.0, 2.5]


def test_without_the_program_it_is_told_how_to_install(found):
    with pytest.raises(XFoilMissingError, match="apt install xfoil"):
        fly([ASKED], found.result.x, XFoil("no-such-program"))
