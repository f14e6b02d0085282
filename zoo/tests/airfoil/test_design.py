import pytest
import torch

from xhat_zoo.airfoil import (
    Design,
    Drag,
    Flight,
    Specification,
    catalogue,
    check_specifications,
    design_box,
    max_thickness,
    requirements,
    specifications,
    surrogate,
    trim,
    wiggle,
)

ASKED = Specification(lift=(0.3, 0.5), reynolds=(1.2e6, 9e5), thickness=0.11)
ROW = ASKED.row()[None]
SHAPE = catalogue().of("naca2412")


@pytest.fixture(scope="module")
def flight():
    return Flight(surrogate("xlarge"))


@pytest.fixture(scope="module")
def naca(flight):
    return Design(SHAPE, trim(SHAPE, ROW, flight.model)).joined()


def test_trimmed_airfoils_have_the_lift(flight):
    some = catalogue().parameters[::150]
    angles = trim(some, ROW, flight.model)
    lift = flight.model(some, angles, torch.tensor([1.2e6, 9e5])).lift
    assert (lift - torch.tensor([0.3, 0.5])).abs().max() < 1e-4


def test_limits_are_those_of_the_specification(flight, naca):
    seen = flight(naca, ROW)
    lift, limits, surfaces = requirements(ROW, flight)
    assert lift.equality
    assert lift.violation(naca)[0] < 1e-4
    moment = ASKED.moment + 0.004 - seen.moment[0]
    expected = [
        *moment.tolist(),
        *(0.975 - seen.confidence[0]).tolist(),
        0.11 - float(max_thickness(SHAPE)),
    ]
    assert limits.values(naca)[0, :5].tolist() == pytest.approx(expected)
    assert float(limits.values(naca)[0, 6]) == pytest.approx((float(wiggle(SHAPE)) - 2.0) / 10)
    assert surfaces.violation(naca)[0] < 0
    (_, untrusted, _) = requirements(ROW, flight, trust=False)
    assert untrusted.values(naca).tolist()[0] == pytest.approx([0.11 - float(max_thickness(SHAPE))])


def test_a_witness_must_be_as_sure(flight, naca):
    other = surrogate("xxlarge")
    (_, alone, _) = requirements(ROW, flight)
    (_, limits, _) = requirements(ROW, flight, witness=other)
    design = Design.of(naca)
    also = other(design.parameters, design.angles, torch.tensor([ASKED.reynolds])).confidence
    assert limits.values(naca)[:, :-2].tolist() == alone.values(naca).tolist()
    assert limits.values(naca)[0, -2:].tolist() == pytest.approx((0.975 - also[0]).tolist())
    (_, untrusted, _) = requirements(ROW, flight, trust=False, witness=other)
    assert untrusted.values(naca).shape == (1, 1)


def test_each_broken_limit_is_seen(flight, naca):
    for change, name in (
        ({"thickness": 0.15}, "limits"),
        ({"moment": -0.001}, "limits"),
        ({"thickness": 0.119, "radius": 0.0168}, "limits"),
        ({"wiggle": 1e-6}, "limits"),
        ({"confidence": 0.9999}, "limits"),
        ({"lift": (0.3, 0.7), "confidence": 0.9}, "lift"),
    ):
        row = Specification(**{**vars(ASKED), **change}).row()[None]
        broken = {c.name for c in requirements(row, flight) if c.violation(naca)[0] > 1e-4}
        assert broken == {name}, change
    crossed = naca.clone()
    crossed[:, 10:14] = 0.5
    *_, surfaces = requirements(ROW, flight)
    assert surfaces.violation(crossed)[0] > 0.1


def test_drag_is_the_mean_of_ln_cd_and_each_row_has_its_own_conditions(flight, naca):
    slow = Specification(lift=(0.3, 0.5), reynolds=(2e5, 2e5)).row()[None]
    both = Drag(torch.cat([ROW, slow]), flight)
    found = both(naca.expand(2, -1).clone())
    assert float(found[0]) == pytest.approx(float(flight(naca, ROW).drag.log().mean()))
    assert found[1] > found[0] + 0.2  # friction
    assert float(both.select(torch.tensor([1]))(naca)) == pytest.approx(float(found[1]))


def test_the_network_is_passed_once_and_never_answers_for_another_design(naca):
    calls = []

    class Counted(torch.nn.Module):
        def forward(self, *of):
            calls.append(1)
            return surrogate("xlarge")(*of)

    flight = Flight(Counted())
    drag, (lift, limits, _) = Drag(ROW, flight), requirements(ROW, flight)
    for part in (drag, lift.values, limits.values):
        part(naca)  # the first looks ask more often
    drag, lift, limits = drag.settled(), lift.settled(), limits.settled()
    calls.clear()
    x = naca.clone().requires_grad_()
    total = drag(x).sum() + lift.values(x).sum() + limits.values(x).sum()
    assert len(calls) == 1
    torch.autograd.grad(total, x)
    assert drag(x).requires_grad  # the old graph is gone, so it is passed again
    assert len(calls) == 2
    other = (x.detach() + 0.01).requires_grad_()
    assert drag(other).item() != drag(x).item()
    with torch.no_grad():
        x += 0.01
    torch.testing.assert_close(drag(x), drag(other))


def test_gradients_of_all_of_it(flight, naca):
    x = naca.clone().requires_grad_()
    lift, limits, surfaces = requirements(ROW, flight)
    for what in (Drag(ROW, flight), lift.values, limits.values, surfaces.values):
        assert torch.autograd.gradcheck(what, x, eps=1e-6, atol=1e-5)


def test_the_box_holds_most_real_airfoils():
    real = catalogue().parameters
    x = Design(real, torch.zeros(len(real), 1, dtype=torch.float64)).joined()

    def share(box):
        return float(((x >= box.low) & (x <= box.high)).all(1).double().mean())

    assert 0.7 < share(design_box(1)) < share(design_box(1, wide=True)) <= 1


def test_a_design_is_put_together_and_taken_apart():
    shapes = catalogue().parameters[:3]
    angles = torch.tensor([[1.0, 2.0]] * 3, dtype=torch.float64)
    x = Design(shapes, angles).joined()
    torch.testing.assert_close(x[:, 18:], angles / 10)
    torch.testing.assert_close(x[:, 17], shapes[:, 17] / 0.02)
    torch.testing.assert_close(Design.of(x).parameters, shapes)
    torch.testing.assert_close(Design.of(x).angles, angles)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lift": (0.5,)}, "as many Reynolds numbers as lifts"),
        ({"thickness": 0.4}, "at most 0.3 chords"),
        ({"thickness": -0.1}, "thickness must be above 0"),
        ({"lift": (0.5, 2.5)}, r"lift coefficient must lie in \[-1.6, 1.6\]"),
        ({"radius": 0.05}, "contradict each other: no airfoil this thin"),
        ({"moment": 0.3}, "contradict each other: no known airfoil"),
        ({"confidence": 1.0}, "confidence must lie between 0 and 1"),
        ({"reynolds": (1e6, 0.0)}, "Reynolds number must be above 0"),
    ],
)
def test_contradictory_specifications_are_found_before_the_search(change, said):
    with pytest.raises(ValueError, match=said):
        Specification(**{**vars(ASKED), **change})


def test_specifications_are_seeded_and_of_one_kind():
    made = specifications(20, seed=3)
    assert made[:5] == specifications(5, seed=3)
    assert made[0] != specifications(1, seed=4)[0]
    for one in made:
        levels = [lift * re**2 for lift, re in zip(one.lift, one.reynolds, strict=True)]
        assert levels == pytest.approx([levels[0]] * 3, rel=1e-4)  # level flight
    with pytest.raises(ValueError, match="same number of conditions"):
        check_specifications([made[0], ASKED])
    with pytest.raises(ValueError, match="none"):
        check_specifications([])
    with pytest.raises(TypeError, match="must be a Specification"):
        check_specifications([3])


def test_wrong_numbers_of_features_are_told(flight, naca):
    with pytest.raises(ValueError, match="18 parameters and one angle or more"):
        Design.of(naca[:, :18])
    with pytest.raises(ValueError, match="need rows of 7 numbers, but these have 9"):
        flight(naca[:, :19], ROW)
