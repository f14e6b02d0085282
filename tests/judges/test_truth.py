import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.judges.functions import NAN, mlp, normal, sphere, state, unchanged
from xhat.core import InputWarning
from xhat.judges import Truth, ask, disagreement, mean_absolute


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
def test_mean_absolute_is_the_formula_for_every_shape_of_target(shape):
    y, target = normal(5, *shape), normal(5, *shape, seed=1)
    flat = (y - target).reshape(5, -1)
    torch.testing.assert_close(mean_absolute(y, target), flat.abs().mean(dim=1))
    torch.testing.assert_close(
        mean_absolute(y, target[:1]), (y - target[:1]).reshape(5, -1).abs().mean(dim=1)
    )
    torch.testing.assert_close(mean_absolute(y, 0.5), (y - 0.5).reshape(5, -1).abs().mean(dim=1))


def test_mean_absolute_does_not_broadcast_by_accident():
    assert mean_absolute(torch.zeros(3), torch.ones(3, 1)).tolist() == [1.0] * 3
    with pytest.raises(ValueError, match="must be a number or have shape"):
        mean_absolute(torch.zeros(3, 2), torch.ones(3))
    with pytest.raises(ValueError, match="must be a number or have shape"):
        mean_absolute(torch.zeros(3, 2), torch.ones(2, 2))


def test_disagreement_of_classes_and_scores():
    assert disagreement(torch.tensor([1, 2, 1]), 1).tolist() == [0, 1, 0]
    assert disagreement(torch.tensor([[1.0], [2.0]]), torch.tensor([1, 1])).tolist() == [0, 1]
    scores = torch.tensor([[0.1, 0.9], [0.8, 0.2], [NAN, 0.0]])
    found = disagreement(scores, torch.tensor([1, 1, 0]))
    assert found[:2].tolist() == [0, 1]
    assert bool(found[2].isnan())
    with pytest.raises(ValueError, match="class from 0 to 1, but goes from 2 to 2"):
        disagreement(scores, 2)
    with pytest.raises(ValueError, match="the target has 2 values"):
        disagreement(scores, torch.tensor([1, 0]))
    with pytest.raises(ValueError, match="classes are compared"):
        disagreement(torch.zeros(2, 3, 3), 1)


def test_the_truth_overrules():
    x = torch.tensor([[1.0, 0.0], [0.6, 0.8], [3.0, 4.0]])
    found = ask(Truth(sphere, tolerance=1e-3), x, 0.0)
    np.testing.assert_allclose(found.error, [0, 0, 4], atol=1e-7)
    assert found.holds.tolist() == [True, True, False]
    assert found.failed.tolist() == [False] * 3
    assert found.gap is None
    assert found.explain(2) == "The truth does not give the target: error 4 (tolerance 0.001)."


def test_a_target_per_candidate_and_an_error_of_ones_own():
    x = normal(6, 2)
    own = Truth(sphere, lambda y, target: (y - target).square(), 0.25, "ball")
    target = normal(6, seed=3)
    found = ask(own, x, target)
    torch.testing.assert_close(found.error, (sphere(x) - target).square())
    assert torch.equal(found.holds, found.error <= 0.25)
    assert found.explain(0).startswith("The truth (ball) ")
    untargeted = ask(Truth(sphere, lambda y, target: y.clamp_min(0)), x, None)
    assert torch.equal(untargeted.holds, sphere(x) <= 0)
    with pytest.raises(ValueError, match="needs a target"):
        ask(Truth(sphere), x, None)


def test_integer_targets_are_classes():
    def quadrant(x):
        return (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long()

    x = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]])
    scores = nn.functional.one_hot(torch.tensor([3, 1, 1]), 4).float()
    found = ask(Truth(quadrant), x, torch.tensor([3, 3, 1]), lambda x: scores)
    assert found.error.tolist() == [0, 1, 0]
    assert found.holds.tolist() == [True, False, True]
    assert found.gap is not None
    assert found.gap.tolist() == [0, 1, 0]  # the surrogate takes the second for a 1
    by_scores = ask(Truth(lambda x: scores), x, 3)
    assert by_scores.holds.tolist() == [True, False, False]
    of_two = ask(Truth(lambda x: torch.stack([x[:, 0], x[:, 1]], dim=1)), x, 1)
    assert of_two.holds.tolist() == [False, True, False]


def test_a_truth_of_classes_that_fails():
    x = torch.tensor([[1.0], [-1.0], [2.0]])
    truth = Truth(lambda x: torch.where(x[:, 0] < 0, torch.nan, x[:, 0].ceil()), disagreement)
    found = ask(truth, x, torch.tensor([1, 1, 1]), lambda x: torch.eye(3)[[1, 1, 1]])
    assert found.holds.tolist() == [True, False, False]
    assert found.failed.tolist() == [False, True, False]
    np.testing.assert_array_equal(found.gap, [0, NAN, 1])


def test_an_integer_target_of_a_quantity_is_a_number():
    found = ask(Truth(sphere, tolerance=0.5), torch.tensor([[3.4, 0.0]]), 2)
    assert float(found.error) == pytest.approx(0.4, abs=1e-6)


@pytest.mark.parametrize("bad", [NAN, math.inf])
def test_failures_stay_with_their_candidate(bad):
    def simulator(x):
        y = np.stack([x[:, 0], x[:, 0] * 2], axis=1)
        y[x[:, 0] < 0, 1] = bad
        return y

    x = torch.tensor([[1.0], [-1.0], [0.0]])
    truth = Truth(lambda x: simulator(x.numpy()), tolerance=10.0)
    found = ask(truth, x, 0.0, lambda x: torch.cat([x, 2 * x], dim=1))
    assert found.failed.tolist() == [False, True, False]
    assert found.holds.tolist() == [True, False, True]
    np.testing.assert_array_equal(found.error, [1.5, NAN, 0])
    np.testing.assert_array_equal(found.gap, [0, NAN, 0])
    assert found.explain(1) == (
        "The truth failed on this candidate, so it does not confirm the target."
    )
    odd = ask(Truth(sphere, lambda y, target: y * NAN), x, 0.0)
    assert odd.failed.all()
    assert not odd.holds.any()


def test_numpy_truths_may_be_odd_arrays():
    def reversed_view(x):
        return np.ascontiguousarray(x.numpy()[::-1].astype(np.float64))[::-1]  # negative strides

    x = normal(4, 2)
    found = ask(Truth(reversed_view), x, x)
    assert found.error.tolist() == [0] * 4
    constant = ask(Truth(lambda x: np.broadcast_to(2.0, len(x))), x, 2.0)  # read-only
    assert constant.holds.all()
    assert ask(Truth(lambda x: [2.0] * len(x)), x, 2.0).holds.all()


def test_gap_is_the_root_mean_square_over_outputs():
    x = normal(9, 3)
    exact, wrong = Truth(lambda x: x @ torch.ones(3, 4, dtype=x.dtype)), normal(9, 4, seed=1)
    same = ask(exact, x, 0.0, exact.f)
    assert same.gap is not None
    assert same.gap.tolist() == [0] * 9
    off = ask(exact, x, 0.0, lambda x: exact.f(x) + wrong)
    torch.testing.assert_close(off.gap, wrong.square().mean(dim=1).sqrt())
    assert "Surrogate and truth are" in off.explain(0)
    nowhere = ask(exact, x, 0.0, lambda x: exact.f(x) * NAN)
    assert nowhere.gap is not None
    assert nowhere.gap.isnan().all()
    assert not nowhere.failed.any()
    assert nowhere.explain(0).endswith("The surrogate gives no finite output there.")


def test_chunks_do_not_change_the_evidence():
    x, seen = normal(25, 3), []

    def f(x):
        seen.append(len(x))
        return sphere(x)

    whole = ask(Truth(f), x, 0.0, lambda x: x.sum(dim=1))
    parts = ask(Truth(f), x, 0.0, lambda x: x.sum(dim=1), chunk=7)
    assert seen == [25, 7, 7, 7, 4]
    assert torch.equal(whole.error, parts.error)
    torch.testing.assert_close(whole.gap, parts.gap)


def test_the_truth_is_asked_in_its_own_precision_and_cannot_change_the_candidates():
    types = []

    def f(x):
        types.append(x.dtype)
        y = x[:, 0].clone()
        x.zero_()
        return y

    x = torch.ones(2, 1)
    ask(Truth(f), x, 0.0, f)
    ask(Truth(f, dtype=torch.float32), x.double(), 0.0)
    assert types == [torch.float64, torch.float32, torch.float32]
    assert x.tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.filterwarnings("ignore::xhat.core.InputWarning")
def test_models_are_left_as_they_were(training):
    net = mlp(3).train(training)
    before, x = state(net), normal(8, 3)
    truth = Truth(sphere)
    found = ask(truth, x, 0.0, net)
    ask(Truth(net, dtype=torch.float32), x, 0.0)
    unchanged(net, before, training)
    alone = ask(truth, x[:1], 0.0, net)  # batch normalisation would make them differ
    assert found.gap is not None
    torch.testing.assert_close(alone.gap, found.gap[:1])


def test_training_mode_is_warned_of():
    with pytest.warns(InputWarning, match="training mode"):
        ask(Truth(sphere), normal(2, 3), 0.0, mlp(3))


def test_ask_rejects_wrong_shapes():
    x = normal(4, 2)
    for wrong in (lambda x: x.sum(), lambda x: x[:2], lambda x: x[:, :0]):
        with pytest.raises(ValueError, match="the truth must give one row per input"):
            ask(Truth(wrong), x, 0.0)
        with pytest.raises(ValueError, match="the surrogate must give one row per input"):
            ask(Truth(sphere), x, 0.0, wrong)
    with pytest.raises(ValueError, match=r"gave \[\(1,\), \(2,\)\]"):
        ask(Truth(lambda x: x[:, : len(x)]), x[:3], 0.0, chunk=2)
    with pytest.raises(ValueError, match=r"the truth \(Lin\) cannot take inputs of shape \(2,\)"):
        ask(Truth(nn.Linear(3, 1).eval(), name="Lin"), x, 0.0)
    with pytest.raises(ValueError, match="outputs of one shape"):
        ask(Truth(sphere), x, 0.0, lambda x: x)
    with pytest.raises(ValueError, match=r"error must have shape \(4,\)"):
        ask(Truth(sphere, lambda y, target: y[:, None]), x, 0.0)
    with pytest.raises(ValueError, match="the target must be a number or have shape"):
        ask(Truth(sphere), x, torch.zeros(3))
    with pytest.raises(ValueError, match="must be finite"):
        ask(Truth(sphere), torch.tensor([[NAN, 0.0]]), 0.0)


def test_ask_rejects_wrong_kinds():
    x = normal(4, 2)
    with pytest.raises(TypeError, match="must be a Truth, not function"):
        ask(sphere, x, 0.0)
    with pytest.raises(TypeError, match="what the truth gives must be a tensor or array"):
        ask(Truth(lambda x: "nothing"), x, 0.0)
    with pytest.raises(TypeError, match="must be real numbers"):
        ask(Truth(lambda x: x * 1j), x, 0.0)
    with pytest.raises(TypeError, match="the surrogate must be a function, not int"):
        ask(Truth(sphere), x, 0.0, 3)
    with pytest.raises(ValueError, match="chunk must be a whole number"):
        ask(Truth(sphere), x, 0.0, chunk=0)
    with pytest.raises(TypeError, match="truth's f must be a function"):
        Truth(nn.Linear)
    with pytest.raises(TypeError, match=r"truth's error must be a function, not 0\.1"):
        Truth(sphere, 0.1)
    with pytest.raises(ValueError, match="tolerance must be 0 or more"):
        Truth(sphere, tolerance=-1.0)
    with pytest.raises(ValueError, match="name must be some text"):
        Truth(sphere, name="")
    with pytest.raises(TypeError, match="dtype must be floating point"):
        Truth(sphere, dtype=torch.int64)
