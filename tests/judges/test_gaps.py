import math

import numpy as np
import pytest
import torch

from tests.judges.functions import NAN, mlp, normal, sphere, state, unchanged
from xhat.judges import Truth, ask, competence_limit, gap_along


def inside(x):
    """Exact within a distance of 2 of the origin, and too low beyond it."""
    return sphere(x) - (x.norm(dim=1) - 2).clamp_min(0)


def line(*distances):
    return torch.tensor(distances, dtype=torch.float64)[:, None, None] * torch.tensor([0.6, 0.8])


def test_the_frame_at_which_a_search_leaves():
    path = torch.cat(
        [
            line(0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0),  # leaves at frame 5
            line(0.1, 2.5, 1.0, 1.5, 1.5, 1.5, 1.5),  # comes back
            line(3.0, 3.0, 3.5, 4.0, 4.0, 4.0, 4.0),  # outside from the start
            line(0.1, 3.0, 1.0, 1.0, 3.0, 3.0, 4.0),  # leaves for good at frame 4
        ],
        dim=1,
    )
    found = gap_along(Truth(sphere), inside, path, 0.1)
    assert found.left.tolist() == [5, -1, 0, 4]
    expected = (path.norm(dim=2) - 2).clamp_min(0)
    torch.testing.assert_close(found.gap, expected, atol=1e-6, rtol=0)
    assert found.explain(0) == (
        "The search left the surrogate's competence at step 5 of 6: the gap ends at 1 (limit 0.1)."
    )
    assert found.explain(1).startswith("The search ends where the surrogate is competent: the gap")
    assert "from its start" in found.explain(2)
    numbered = gap_along(Truth(sphere), inside, path, 0.1, steps=range(0, 70, 10))
    assert "at step 50 of 60" in numbered.explain(0)
    assert gap_along(Truth(sphere), sphere, path.double(), 0.0).left.tolist() == [-1] * 4


def test_where_the_truth_fails_nothing_vouches_for_the_surrogate():
    def f(x):
        return torch.where(x.norm(dim=1) > 2.2, torch.nan, sphere(x))

    found = gap_along(Truth(f), sphere, line(1.0, 2.0, 3.0), 0.1)
    assert found.left.tolist() == [2]
    assert found.explain(0).endswith("the truth fails at its end (limit 0.1).")


def test_inputs_that_are_not_finite_or_did_not_move_are_not_asked():
    asked = []

    def f(x):
        asked.extend(x[:, 0].tolist())
        return sphere(x)

    path = line(1.0, 2.0, 2.0, NAN, 2.0).expand(-1, 2, -1).clone()
    path[1:, 1] = path[0, 1]
    found = gap_along(Truth(f), sphere, path, 0.1, chunk=2)
    np.testing.assert_allclose(asked, [0.6, 0.6, 1.2, 1.2])
    assert found.gap.isnan().tolist() == [[i == 3, False] for i in range(5)]
    nothing = gap_along(Truth(f), sphere, torch.full((2, 3, 2), NAN), 0.1)
    assert nothing.left.tolist() == [0, 0, 0]


@pytest.mark.parametrize(("m", "alpha"), [(19, 0.05), (99, 0.05), (100, 0.1), (1000, 1 / 3)])
def test_the_limit_is_the_conformal_quantile(m, alpha):
    gaps = normal(m).abs()
    truth = Truth(lambda x: torch.zeros(len(x)))
    limit = competence_limit(truth, lambda x: x, gaps, alpha=alpha)
    rank = math.ceil((1 - alpha) * (m + 1) - 1e-9)
    assert limit == float(gaps.sort().values[rank - 1])


def test_real_samples_are_beyond_the_limit_no_more_often_than_promised():
    truth, surrogate = Truth(sphere), lambda x: sphere(x) + 0.1 * torch.sin(9 * x[:, 0])
    beyond = []
    for seed in range(200):
        limit = competence_limit(truth, surrogate, normal(49, 3, seed=seed), alpha=0.1)
        fresh = ask(truth, normal(50, 3, seed=1000 + seed), 0.0, surrogate)
        beyond.append(float((fresh.gap > limit).double().mean()))
    assert 0.07 < np.mean(beyond) < 0.12


def test_a_limit_needs_enough_samples_that_work():
    truth, flaky = Truth(sphere), Truth(lambda x: torch.where(x[:, 0] < 0, torch.nan, sphere(x)))
    with pytest.raises(ValueError, match="needs at least 19 real samples, but 18 came"):
        competence_limit(truth, sphere, normal(18, 2))
    with pytest.raises(ValueError, match=r"more than alpha = 0\.05 allows"):
        competence_limit(flaky, sphere, normal(40, 2))
    assert competence_limit(flaky, sphere, normal(40, 2), alpha=0.8) == 0
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
        competence_limit(truth, sphere, normal(18, 2), alpha=1.0)


def test_gap_along_rejects_bad_paths():
    truth = Truth(sphere)
    with pytest.raises(TypeError, match="floating-point tensor, such as a trajectory's x"):
        gap_along(truth, sphere, [[0.0]], 0.1)
    with pytest.raises(ValueError, match=r"shape \(frames, n, \*x_shape\)"):
        gap_along(truth, sphere, torch.zeros(3), 0.1)
    with pytest.raises(ValueError, match="number each of the 3 frames, but 2 came"):
        gap_along(truth, sphere, line(1, 2, 3), 0.1, steps=(0, 1))
    with pytest.raises(ValueError, match="limit must be 0 or more"):
        gap_along(truth, sphere, line(1, 2, 3), -0.1)
    with pytest.raises(TypeError, match="must be a Truth"):
        gap_along(sphere, sphere, line(1, 2, 3), 0.1)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.filterwarnings("ignore::xhat.core.InputWarning")
def test_models_are_left_as_they_were(training):
    net = mlp(2).train(training)
    before, x = state(net), normal(8, 2)
    truth = Truth(sphere)
    limit = competence_limit(truth, net, x, alpha=0.2)
    gap_along(truth, net, torch.stack([x, x + 1]), limit)
    unchanged(net, before, training)
