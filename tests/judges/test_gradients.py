import math

import numpy as np
import pytest
import torch

from tests.judges.functions import NAN, mlp, normal, sphere, state, unchanged
from xhat.judges import Truth, audit_gradient


def test_an_exact_surrogate_has_the_truth_s_gradient():
    x = normal(6, 2, 4)
    audit = audit_gradient(sphere, Truth(sphere), x, step=1e-5)
    assert audit.full
    assert audit.used.tolist() == [8] * 6
    unit = x.flatten(1) / x.flatten(1).norm(dim=1, keepdim=True)
    torch.testing.assert_close(audit.truth / 1e-5, unit, atol=1e-8, rtol=0)
    torch.testing.assert_close(audit.surrogate / 1e-5, unit, atol=1e-12, rtol=0)
    assert (1 - audit.cosine < 1e-12).all()
    assert (audit.relative_error < 1e-8).all()
    assert audit.same_sign.tolist() == [1] * 6


def test_a_known_error_gives_the_known_angle():
    x, tilt = normal(6, 3), torch.tensor([0.0, 2.0, 0.0], dtype=torch.float64)
    audit = audit_gradient(lambda x: sphere(x) + x @ tilt, Truth(sphere), x, step=1e-5)
    true = x / x.norm(dim=1, keepdim=True)
    expected = torch.cosine_similarity(true + tilt, true, dim=1)
    torch.testing.assert_close(audit.cosine, expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(
        audit.relative_error, torch.full((6,), 2.0).double(), atol=1e-8, rtol=0
    )
    same = ((true + tilt).sign() == true.sign()).double().mean(dim=1)
    torch.testing.assert_close(audit.same_sign, same)


def test_a_network_is_compared_in_its_own_precision():
    net, x = mlp(3).eval(), normal(5, 3)
    exact = mlp(3).eval().double()
    audit = audit_gradient(net, Truth(exact), x, step=1e-4)
    assert (audit.cosine > 1 - 1e-6).all()
    opposed = audit_gradient(net, Truth(lambda x: -exact(x)), x, step=1e-4)
    assert (opposed.cosine < -1 + 1e-6).all()
    assert opposed.explain(0).endswith("Following it leads the truth the wrong way.")
    assert "over 3 of 3 coordinates; 100 %" in audit.explain(0)


def test_random_directions_estimate_the_cosine():
    x = normal(8, 100)
    tilt = normal(100, seed=5) / 10
    surrogate = lambda x: sphere(x) + x @ tilt  # noqa: E731
    audit = audit_gradient(surrogate, Truth(sphere), x, step=1e-5)
    assert not audit.full
    assert audit.truth.shape == (8, 32)
    many = audit_gradient(surrogate, Truth(sphere), x, step=1e-5, directions=3000)
    true = x / x.norm(dim=1, keepdim=True)
    expected = torch.cosine_similarity(true + tilt, true, dim=1)
    torch.testing.assert_close(many.cosine, expected, atol=0.06, rtol=0)
    assert "over 32 of 32 random directions" in audit.explain(0)


def test_random_directions_follow_the_seed_and_no_batch():
    x = normal(8, 100)
    first = audit_gradient(sphere, Truth(sphere), x, step=1e-5, seed=3, chunk=100)
    again = audit_gradient(sphere, Truth(sphere), x[2:3], step=1e-5, seed=3)
    other = audit_gradient(sphere, Truth(sphere), x, step=1e-5, seed=4)
    torch.testing.assert_close(first.truth[2:3], again.truth, rtol=1e-6, atol=1e-14)
    assert not torch.allclose(first.truth, other.truth)
    few = audit_gradient(sphere, Truth(sphere), x[:, :3], step=1e-5, directions=5)
    assert not few.full
    assert few.truth.shape == (8, 5)


def test_coordinates_of_different_units_have_steps_of_their_own():
    scale = torch.tensor([1.0, 1e6], dtype=torch.float64)  # such as degrees and pascals

    def f(x):
        return sphere(x / scale)

    def blind(x):  # knows nothing of the second
        return f(torch.stack([x[:, 0], x[:, 1].detach()], dim=1))

    x = torch.tensor([[0.6, 0.8e6]], dtype=torch.float64)
    audit = audit_gradient(blind, Truth(f), x, step=1e-5 * scale)
    assert float(audit.cosine) == pytest.approx(0.6, abs=1e-6)
    unscaled = audit_gradient(blind, Truth(f), x, step=1e-3)
    assert float(unscaled.cosine) == pytest.approx(1, abs=1e-6)


def test_slopes_that_are_not_known_are_left_out():
    def f(x):  # the simulator fails where the first coordinate is above 1
        return torch.where(x[:, 0] > 1, torch.nan, x.square().sum(dim=1))

    x = torch.tensor([[1.0, 0.5], [0.5, 0.5], [3.0, 3.0]])
    audit = audit_gradient(lambda x: x.square().sum(dim=1), Truth(f), x, step=1e-4)
    assert audit.used.tolist() == [1, 2, 0]
    np.testing.assert_allclose(audit.cosine, [1, 1, NAN], atol=1e-6)
    np.testing.assert_allclose(audit.same_sign, [1, 1, NAN])
    assert bool(audit.relative_error[2].isnan())
    assert "over 1 of 2 coordinates" in audit.explain(0)
    assert audit.explain(2) == (
        "The gradient cannot be audited: no slope is known in any of 2 coordinates."
    )


def test_a_flat_truth_or_surrogate_has_no_direction():
    stairs = Truth(lambda x: np.floor(x.numpy()).sum(axis=1))  # non-differentiable, in numpy
    x = torch.full((1, 2), 0.5)
    audit = audit_gradient(lambda x: x.sum(dim=1), stairs, x, step=1e-3)
    assert bool(audit.cosine.isnan())
    assert math.isinf(float(audit.relative_error))
    assert audit.explain(0) == (
        "The gradients cannot be compared: the truth is flat in 2 of 2 coordinates."
    )
    wide = audit_gradient(lambda x: x.sum(dim=1), stairs, x, step=1.0)  # sees the stairs' trend
    assert float(wide.cosine) == pytest.approx(1)
    flat = audit_gradient(lambda x: 0 * x.sum(dim=1), Truth(sphere), x, step=1e-3)
    assert "the surrogate is flat" in flat.explain(0)
    assert float(flat.relative_error) == pytest.approx(1)
    both = audit_gradient(lambda x: 0 * x.sum(dim=1), stairs, x, step=1e-3)
    assert float(both.relative_error) == 0


def test_rounding_has_no_sign():
    x = torch.tensor([[0.3, 0.7]])
    audit = audit_gradient(
        lambda x: x[:, 0] + 1e-9 * x[:, 1], Truth(lambda x: x[:, 0] - 1e-9 * x[:, 1]), x, step=1e-3
    )
    assert float(audit.same_sign) == 1


def test_a_scalar_is_made_of_both_outputs():
    x = normal(4, 3)
    square = Truth(lambda x: x**2)
    audit = audit_gradient(lambda x: x**2, square, x, step=1e-5, scalar=lambda y: y[:, 1])
    torch.testing.assert_close(audit.truth[:, 1] / 1e-5, 2 * x[:, 1], atol=1e-6, rtol=0)
    assert (audit.truth[:, [0, 2]].abs() < 1e-12).all()
    assert (1 - audit.cosine < 1e-9).all()
    with pytest.raises(ValueError, match="pass scalar="):
        audit_gradient(lambda x: x**2, square, x, step=1e-5)
    with pytest.raises(ValueError, match=r"tensor of shape \(4,\), but gave \(4, 3\)"):
        audit_gradient(lambda x: x**2, square, x, step=1e-5, scalar=lambda y: y)
    with pytest.raises(ValueError, match=r"tensor of shape \(4,\), but gave float"):
        audit_gradient(lambda x: x**2, square, x, step=1e-5, scalar=lambda y: 1.0)


def test_the_audit_works_where_gradients_are_switched_off():
    x = normal(2, 3)
    with torch.no_grad():
        assert (audit_gradient(sphere, Truth(sphere), x, step=1e-5).cosine > 0.99).all()
    with torch.inference_mode():
        made_here = torch.full((2, 3), 0.5)
        found = audit_gradient(sphere, Truth(sphere), made_here, step=1e-5)
        assert (found.cosine > 0.99).all()


def test_audit_rejects_what_cannot_be_differentiated_and_bad_steps():
    truth, x = Truth(sphere), normal(2, 3)
    with pytest.raises(TypeError, match="cannot be differentiated"):
        audit_gradient(lambda x: sphere(x.detach()), truth, x, step=1e-5)
    weight = torch.ones(1, requires_grad=True)
    with pytest.raises(TypeError, match="cannot be differentiated"):
        audit_gradient(lambda x: weight.expand(len(x)), truth, x, step=1e-5)
    with pytest.raises(ValueError, match="step must be above 0"):
        audit_gradient(sphere, truth, x, step=0.0)
    with pytest.raises(TypeError, match="step must be a number"):
        audit_gradient(sphere, truth, x, step="small")
    for step in (torch.ones(2), torch.tensor([1.0, 0.0, 1.0])):
        with pytest.raises(ValueError, match=r"one per coordinate, \(3,\)"):
            audit_gradient(sphere, truth, x, step=step)
    with pytest.raises(ValueError, match="directions must be a whole number"):
        audit_gradient(sphere, truth, x, step=1e-5, directions=0)
    with pytest.raises(TypeError, match="must be a Truth"):
        audit_gradient(sphere, sphere, x, step=1e-5)
    with pytest.raises(TypeError, match="must be floating point"):
        audit_gradient(sphere, truth, torch.ones(2, 3, dtype=torch.int64), step=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.filterwarnings("ignore::xhat.core.InputWarning")
def test_models_are_left_as_they_were(training):
    net = mlp(3).train(training)
    before, x = state(net), normal(8, 3)
    audit_gradient(net, Truth(sphere), x, step=1e-4)
    audit_gradient(net.forward, Truth(sphere), x, step=1e-4)
    unchanged(net, before, training)
