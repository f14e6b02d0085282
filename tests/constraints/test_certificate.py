from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from xhat.constraints import Constraint, L1Ball, L2Ball, LinfBall, certify
from xhat.core import generator


@dataclass
class Below(Constraint):
    """``model(x) <= 0``, with whatever shape the model gives."""

    models: ClassVar[tuple[str, ...]] = ("model",)
    model: Any

    def values(self, x):
        return self.model(x)[:, None]

    def violation(self, x):
        return self.model(x)


def test_violations_are_those_of_the_formulas_in_float64():
    center = torch.rand(7, 3, 2, generator=generator(0))
    radius = torch.rand(7, generator=generator(1)) + 0.1
    x = torch.rand(7, 3, 2, generator=generator(2))
    found = certify([LinfBall(center, radius), L2Ball(center, radius), L1Ball(center, radius)], x)
    delta = (x.double() - center.double()).flatten(1)
    norms = [delta.abs().amax(1), delta.square().sum(1).sqrt(), delta.abs().sum(1)]
    expected = torch.stack([norm - radius.double() for norm in norms], dim=1)
    assert found.names == ("LinfBall", "L2Ball", "L1Ball")
    assert found.violation.dtype == torch.float64
    torch.testing.assert_close(found.violation, expected, rtol=1e-14, atol=1e-14)
    assert torch.equal(found.feasible, (expected <= 1e-6).all(dim=1))


def test_the_worst_of_a_candidate_is_its_largest_violation_and_0_of_nothing():
    x = torch.tensor([[0.5, 0.0], [0.0, 4.0]])
    found = certify([LinfBall(torch.zeros(1, 2), 1.0), L1Ball(torch.zeros(1, 2), 2.5)], x)
    assert found.violation.tolist() == [[-0.5, -2.0], [3.0, 1.5]]
    assert found.worst.tolist() == [-0.5, 3.0]
    nothing = certify([], x)
    assert nothing.worst.tolist() == [0.0, 0.0]
    assert nothing.feasible.all()


def test_more_candidates_than_are_looked_at_together_keep_their_own_radii():
    center, radius = torch.zeros(2500, 2), torch.arange(1.0, 2501)
    x = torch.full((2500, 2), 700.0)
    found = certify(LinfBall(center, radius), x)
    assert torch.equal(found.violation[:, 0], 700 - radius.double())
    assert torch.equal(found.feasible, radius >= 700)


@pytest.mark.parametrize("kind", [LinfBall, L2Ball, L1Ball])
def test_what_a_projection_gives_is_certified(kind):
    x = torch.randn(50, 8, generator=generator(0))
    ball = kind(torch.zeros(1, 8), 0.3)
    assert bool(certify(ball, ball.project(x)).feasible.all())
    assert not bool(certify(ball, x).feasible.any())


def test_float64_sees_what_float32_cannot():
    x = torch.full((1, 100_000), 0.1)  # its sum is off by more than 1e-3 in a float32 sum
    sharp = Below(lambda x: x.double().sum(dim=1) - 100_000 * float(torch.tensor(0.1)))
    assert bool(certify(sharp, x, tolerance=1e-9).feasible)
    assert bool(certify(L1Ball(torch.zeros(1, 2), 0.5), torch.tensor([[0.25, 0.25]])).feasible)


def test_the_worst_of_several_violations_counts():
    found = certify(Below(lambda x: x), torch.tensor([[-1.0, 0.5], [-2.0, -3.0]]))
    assert found.violation.tolist() == [[0.5], [-2.0]]
    assert found.feasible.tolist() == [False, True]


def test_nan_is_infeasible_and_touches_no_other():
    x = torch.tensor([[0.1, 0.1], [float("nan"), 0.1], [0.2, 0.2]])
    found = certify([L2Ball(torch.zeros(1, 2), 1.0), Below(lambda x: x)], x)
    assert certify(L2Ball(torch.zeros(1, 2), 1.0), x).feasible.tolist() == [True, False, True]
    assert found.violation[1].isnan().all()
    assert not found.violation[[0, 2]].isnan().any()
    assert "NaN" in found.explain(1)
    assert certify(Below(lambda x: x[:, 1] - 1), x).feasible.all()  # looks at what is a number


def test_tolerance_decides():
    ball, x = LinfBall(torch.zeros(1, 2), 0.5), torch.tensor([[0.51, 0.0]])
    assert not bool(certify(ball, x).feasible)
    assert bool(certify(ball, x, tolerance=0.02).feasible)


def test_explained_in_sentences():
    balls = [LinfBall(torch.zeros(1, 2), 1.0), L2Ball(torch.zeros(1, 2), 1.0)]
    found = certify(balls, torch.tensor([[0.0, 0.5], [0.75, 0.75]]))
    assert found.explain(0) == (
        "LinfBall holds to 1e-6 (violation 0, in float64). "
        "L2Ball holds to 1e-6 (violation 0, in float64)."
    )
    assert found.explain(1).endswith("L2Ball is violated by 0.0607 (tolerance 1e-6).")
    twice = certify([balls[0], balls[0]], torch.zeros(1, 2))
    assert twice.names == ("LinfBall 1", "LinfBall 2")


def test_no_constraint_is_feasible():
    found = certify([], torch.zeros(3, 2))
    assert found.violation.shape == (3, 0)
    assert found.feasible.tolist() == [True] * 3
    assert found.explain(0) == "No constraint was declared."


def test_a_network_in_a_constraint_is_asked_in_float64_and_left_as_it_was():
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x = torch.rand(6, 3, generator=generator(0))
    ball = L2Ball(torch.zeros(1, 3), 1.0)
    found = certify([Below(net), ball], x)
    assert net.training
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(weight.grad is None and weight.requires_grad for weight in net.parameters())
    assert ball.center.dtype == torch.float32
    net.double().eval()
    with torch.no_grad():
        expected = net(x.double()).amax(dim=1)
    torch.testing.assert_close(found.violation[:, 0], expected, rtol=1e-13, atol=1e-13)


def test_rejects_what_is_no_constraint_or_no_candidate():
    ball = L2Ball(torch.zeros(1, 2), 1.0)
    with pytest.raises(TypeError, match="constraints must be Constraints, not function"):
        certify([ball, lambda x: x], torch.zeros(1, 2))
    with pytest.raises(TypeError, match="floating-point tensor, not int64"):
        certify(ball, torch.zeros(1, 2, dtype=torch.int64))
    with pytest.raises(TypeError, match="floating-point tensor, not list"):
        certify(ball, [[0.0, 0.0]])
    with pytest.raises(ValueError, match=r"shape \(n, \*x_shape\)"):
        certify(ball, torch.zeros(2))
    with pytest.raises(ValueError, match="tolerance must be 0 or more"):
        certify(ball, torch.zeros(1, 2), tolerance=-1.0)


def test_rejects_rows_and_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="made for 3 candidates, but 4 came"):
        certify(L2Ball(torch.zeros(3, 2), 1.0), torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"inputs of shape \(2,\), but the candidates"):
        certify(L2Ball(torch.zeros(1, 2), 1.0), torch.zeros(4, 1))
    with pytest.raises(ValueError, match=r"must have shape \(n,\) or \(n, k\) with n = 4"):
        certify(Below(lambda x: x.sum()), torch.zeros(4, 2))
    with pytest.raises(ValueError, match="but is float"):
        certify(Below(lambda x: 0.0), torch.zeros(4, 2))
    with pytest.raises(ValueError, match="cannot take inputs of shape"):
        certify(Below(nn.Linear(3, 1)), torch.zeros(4, 2))
    with pytest.raises(ValueError, match="has no values"):
        certify(Below(lambda x: x[:, :0]), torch.zeros(4, 2))
