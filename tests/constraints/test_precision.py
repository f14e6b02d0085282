"""What is said as a Python number holds to all digits of float64, not to those of float32."""

import math

import pytest
import torch

from xhat.constraints import Bounds, Halfspace, L1Ball, L2Ball, LinfBall, Sphere, SumWithin
from xhat.spaces import Box

FAR = torch.tensor([[2.0, 3.0, -7.0]], dtype=torch.float64)
CENTRE = torch.zeros(1, 3, dtype=torch.float64)


@pytest.mark.parametrize("number", [0.1, 0.3, 0.7, 1 / 3])
def test_numbers_keep_their_digits(number):
    def beyond(constraint):
        return constraint.project(FAR)[0].tolist()

    assert math.hypot(*beyond(L2Ball(CENTRE, number))) - number <= 1e-15
    assert math.hypot(*beyond(Sphere(CENTRE, number))) - number <= 1e-15
    assert math.fsum(map(abs, beyond(L1Ball(CENTRE, number)))) - number <= 1e-15
    assert max(map(abs, beyond(LinfBall(CENTRE, number)))) <= number
    assert max(beyond(Bounds(high=number))) <= number
    assert beyond(Halfspace(torch.tensor([[1.0, 0.0, 0.0]]), number))[0] - number <= 1e-15
    assert math.fsum(beyond(SumWithin(0.0, 1.0, number))) - number <= 1e-15
    assert float(Box(-number, number).project(FAR).abs().max()) <= number


def test_float32_stays_float32():
    far, centre = FAR.float(), CENTRE.float()
    for constraint in (L2Ball(centre, 0.3), Bounds(high=0.3), SumWithin(0.0, 1.0, 0.3)):
        assert constraint.project(far).dtype == torch.float32
    assert Box(-0.3, 0.3).project(far).dtype == torch.float32
    assert Box(torch.full((3,), -0.3), 0.3).project(far).dtype == torch.float32
