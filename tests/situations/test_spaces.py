"""What people search among: pixels of 8 bits, counts, categories, rows of tables, tokens."""

import itertools

import pytest
import torch
from sklearn.datasets import load_wine
from torch import Tensor, nn

from xhat import MaxEvaluations, Problem, Restarts, Status, TargetReached, pgd, solve
from xhat.constraints import Bounds, Equality, Inequality, LinfBall, Monotone
from xhat.core import generator
from xhat.engine import AugmentedLagrangian
from xhat.objectives import CrossEntropy, Margin
from xhat.spaces import (
    Between,
    Box,
    Held,
    Latent,
    Masked,
    OneHot,
    Parts,
    Rounded,
    Softmax,
    Sparse,
    Tied,
)

AMONG = {Status.NO_BETTER_NEIGHBOUR, Status.BEST_OF_ALL}


def net(*sizes: int, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Flatten()]
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers[:-1]).eval()


def weighted(x: Tensor) -> Tensor:
    return ((x * torch.tensor([1.0, 2, 3])).sum(dim=1) - 17).square()


@pytest.mark.parametrize(
    ("norm", "radius"), [("linf", 2 / 255), ("linf", 0.01), ("l2", 0.2), ("l1", 1.5)]
)
def test_an_attack_survives_saving_in_eight_bits(norm, radius):
    """foolbox #423, auto-attack #44, secml-torch #82, pymoo #335, cleverhans #265."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        layers = nn.Flatten(), nn.Linear(768, 64), nn.ReLU(), nn.Linear(64, 10)
        model = nn.Sequential(*layers).eval()
        x = torch.randint(0, 256, (16, 3, 16, 16)).float() / 255
    label = model(x).argmax(dim=1)
    found = pgd(
        model, x, label=label, radius=radius, norm=norm, stop=TargetReached(), steps=20,
        space=Rounded(Box(0, 1), step=1 / 255),
    )  # fmt: skip
    saved = (found.x * 255).round() / 255
    assert torch.equal(saved, found.x)
    assert torch.equal(model(saved).argmax(dim=1) != label, found.reached)
    assert found.feasible.all()
    assert found.reached.any()
    moved = (found.x - x).flatten(1).double()
    length = {"linf": moved.abs().amax(1), "l2": moved.norm(dim=1), "l1": moved.abs().sum(1)}
    assert float(length[norm].max()) <= radius + 1e-6


def test_rounding_by_a_projection_says_what_rounds_with_a_gradient():
    model, x = net(12, 3), torch.randint(0, 256, (2, 12)).float() / 255
    space = Held(Box(0, 1), lambda x: (x * 255).round() / 255)
    found = solve(Problem(CrossEntropy(model, 1), space), x, max_steps=3)
    assert found.status == (Status.FLAT_START,) * 2
    assert "Rounded(space, step=" in found.sentences[0]


@pytest.mark.parametrize("step", [1.0, 0.5, 0.3, 1 / 255, 1 / 12])
def test_a_grid_of_any_step_is_met_to_the_bit(step):
    space = Rounded(Box(0, 5), step=step)
    found = solve(
        Problem(lambda x: (x - 2.345).square().sum(dim=1), space), torch.zeros(1, 3), max_steps=100
    )
    count = (found.x[0].double() / step).round()
    assert torch.equal(found.x[0], (count * step).float()) or step in (1 / 255, 1 / 12)
    assert float(space.violation(found.x)) == 0.0
    assert float((found.x - 2.345).abs().max()) <= step / 2 + 1e-6


def test_a_start_off_the_grid_is_refused_and_told_where_to_begin():
    space = Rounded(Box(0, 1), step=0.1)
    with pytest.raises(ValueError, match=r"grid of step 0.1 .* 0.05 off; begin at space.nearest"):
        solve(Problem(lambda x: x.sum(dim=1), space), torch.tensor([[0.25]]))
    assert solve(Problem(lambda x: x.sum(dim=1), space), space.nearest(torch.tensor([[0.25]])))


def test_whole_numbers_a_fixed_feature_and_a_constraint_end_at_the_best():
    """pymoo #516, #109, bofire #146, botorch #2708."""
    x = torch.tensor([[1.0, 1, 1]])
    space = Masked(Rounded(Box(0, 9)), torch.tensor([False, True, True]), x)
    cap = Inequality(lambda x: x[:, 1] + x[:, 2] - 6, name="at most 6 in all")
    found = solve(Problem(weighted, space, cap), x)
    assert found.loss.tolist() == [0.0]
    assert found.status == (Status.BEST_OF_ALL,)
    assert found.details == (" (100 combinations)",)
    assert found.feasible.all()
    free = solve(Problem(weighted, Rounded(Box(0, 9))), x)
    assert free.loss.tolist() == [0.0]


def test_where_no_combination_is_feasible_that_is_said():
    never = Inequality(lambda x: 10 - x[:, 0] - x[:, 1], name="ten")
    found = solve(Problem(weighted, Masked(Rounded(Box(0, 4)), torch.tensor([True, True, False]),
                  torch.ones(1, 3)), never), torch.ones(1, 3), max_steps=20)  # fmt: skip
    assert found.status == (Status.INFEASIBLE,)
    assert "none of 25 combinations" in found.sentences[0]


def test_a_sum_is_kept_by_exchanges():
    total = Equality(lambda x: x.sum(dim=1) - 20, name="total")
    wanted = torch.tensor([9.0, 1, 6, 3, 1, 0, 0, 0])
    x0 = torch.tensor([[3.0, 3, 3, 3, 2, 2, 2, 2]])
    problem = Problem(lambda x: (x - wanted).square().sum(dim=1), Rounded(Box(0, 9)), total)
    found = solve(problem, x0)
    assert found.x.tolist() == [wanted.tolist()]
    assert found.status[0] is Status.NO_BETTER_NEIGHBOUR


@pytest.mark.parametrize("seed", range(3))
def test_a_status_never_denies_a_better_neighbour(seed):
    model = net(5, 12, 1, seed=seed)
    x0 = torch.randint(0, 10, (4, 5), generator=generator(seed, "counts")).float()
    found = solve(Problem(lambda x: model(x / 3)[:, 0], Rounded(Box(0, 9))), x0, max_steps=60)
    assert (found.evaluations <= 61 + 600).all()
    for x, loss, status in zip(found.x, found.loss, found.status, strict=True):
        if status is Status.NO_BETTER_NEIGHBOUR:
            moved = torch.cat([x + torch.eye(5), x - torch.eye(5)])
            moved = moved[((moved >= 0) & (moved <= 9)).all(dim=1)]
            assert float(model(moved / 3).detach().min()) >= float(loss) - 1e-5
    assert set(found.status) & AMONG


def test_a_model_with_rounding_inside_is_searched_by_its_neighbours():
    """No gradient at all, and yet an answer."""
    found = solve(
        Problem(lambda x: (x.round() * 1.0 - 3).square().sum(dim=1) + 0 * x.sum(dim=1),
                Rounded(Box(0, 9))), torch.zeros(1, 6), max_steps=200,
    )  # fmt: skip
    assert found.loss.tolist() == [0.0]


def table_row(x0: Tensor) -> Parts:
    return Parts(
        {
            "colour": OneHot(),
            "age": Rounded(Between.upwards(x0[:, 3:4], most=99)),
            "income": Box(0, 1e5),
            "sex": Between.fixed(x0[:, 5:6]),
        },
        {"colour": slice(0, 3), "age": 3, "income": 4, "sex": [5]},
    )


def test_a_row_of_a_table_keeps_what_each_column_is():
    """DiCE #186, #284, CARLA #172, alibi #366."""
    scale = torch.tensor([1.0, 1, 1, 99, 1e5, 1])
    model = net(6, 8, 2, seed=1)
    x0 = torch.tensor([[1.0, 0, 0, 30, 2e4, 1], [0, 1, 0, 62, 5e4, 0]])
    space = table_row(x0)
    target = 1 - model(x0 / scale).argmax(dim=1)
    found = solve(
        Problem(CrossEntropy(lambda x: model(x / scale), target), space), x0, max_steps=50
    )
    assert found.feasible.all()
    assert set(found.x[:, :3].flatten().tolist()) <= {0.0, 1.0}
    assert found.x[:, :3].sum(dim=1).tolist() == [1.0, 1.0]
    assert torch.equal(found.x[:, 3], found.x[:, 3].round())
    assert (found.x[:, 3] >= x0[:, 3]).all()
    assert torch.equal(found.x[:, 5], x0[:, 5])
    assert (found.loss < CrossEntropy(lambda x: model(x / scale), target)(x0)).all()
    assert space.split(x0)["age"].tolist() == [[30.0], [62.0]]


def test_parts_of_wine_move_in_their_own_way():
    wine = load_wine()
    x = torch.tensor(wine.data).float()[:4]
    space = Parts(
        {"up": Between.upwards(x[:, :6]), "down": Between.downwards(x[:, 6:12], least=0.0),
         "proline": Rounded(Box(200, 2000), step=5, origin=0)},
        {"up": slice(0, 6), "down": slice(6, 12), "proline": 12},
    )  # fmt: skip
    model, scale = net(13, 8, 3), torch.tensor(wine.data).float().amax(dim=0)
    ball = LinfBall(x, 30.0)
    found = solve(Problem(CrossEntropy(lambda x: model(x / scale), 2), space, ball),
                  space.nearest(x), max_steps=5)  # fmt: skip
    assert (found.x[:, :6] >= x[:, :6]).all()
    assert (found.x[:, 6:12] <= x[:, 6:12]).all()
    assert torch.equal(found.x[:, 12] / 5, (found.x[:, 12] / 5).round())
    assert found.feasible.all()


HALF = torch.arange(4) < 2
CATEGORY = torch.tensor([[0.0, 1.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Masked(OneHot(), HALF, CATEGORY),
        lambda: Sparse(Softmax(), torch.full((1, 4), 0.25), most=1),
        lambda: Tied(OneHot(), torch.tensor([0, 0, 1, 1])),
        lambda: Rounded(Softmax(), step=0.3),
        lambda: Held(OneHot(), Monotone()),
        lambda: Masked(
            Parts({"a": OneHot(), "b": Box()}, {"a": slice(0, 3), "b": 3}), HALF, CATEGORY
        ),
    ],
    ids=["masked category", "sparse simplex", "tied category", "grid on a simplex",
         "category in order", "masked part of a category"],
)  # fmt: skip
def test_what_cannot_keep_both_structures_is_refused_when_made(make):
    with pytest.raises(ValueError, match=r"does not keep what .* promises"):
        make()


@pytest.mark.parametrize(
    "space",
    [
        Masked(OneHot(), torch.tensor([[True], [False]]).expand(2, 4), torch.eye(4)[None, :2]),
        Sparse(OneHot(), torch.eye(4)[None, :2], most=1),
        Rounded(OneHot()),
        Masked(Sparse(Box(), torch.eye(4)[None, :2], most=2), torch.eye(4)[:2] < 1,
               torch.eye(4)[None, :2]),
        Sparse(Rounded(Box(0, 1), step=0.25), torch.eye(4)[None, :2], most=3),
    ],
    ids=lambda space: space.name,
)  # fmt: skip
def test_what_keeps_both_is_searched(space):
    x0 = torch.eye(4)[None, :2]
    found = solve(Problem(CrossEntropy(net(8, 3), 2), space), x0, max_steps=10)
    assert found.feasible.all()
    assert float(space.violation(found.x)) == 0.0
    assert found.loss.item() <= CrossEntropy(net(8, 3), 2)(x0).item()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": slice(0, 2), "b": slice(1, 4)}, "column 1 is in more than one part"),
        ({"a": slice(0, 2), "b": 3}, "column 2 is in no part"),
        ({"a": slice(0, 2), "c": 2}, "same names, but differ in b, c"),
        ({"a": slice(0, None), "b": 2}, "must have an end"),
    ],
)
def test_every_column_has_exactly_one_part(columns, message):
    with pytest.raises(ValueError, match=message):
        Parts({"a": Box(), "b": Box()}, columns)


def test_a_start_that_misfits_names_its_part():
    with pytest.raises(ValueError, match=r"in part 'colour': the start must be one-hot"):
        table_row(torch.zeros(1, 6)).check(torch.zeros(1, 6))


def test_a_distribution_at_each_position():
    """foolbox #107: five positions, each a distribution over 20 tokens."""
    head = net(100, 3)
    tokens = 0.9 * torch.eye(20)[torch.arange(10).reshape(2, 5)] + 0.005
    found = solve(
        Problem(CrossEntropy(head, 1), Softmax(axis=-1)), tokens, stop=TargetReached(0.45)
    )
    assert found.reached.all()
    assert torch.allclose(found.x.sum(dim=-1), torch.ones(2, 5), atol=1e-5)
    with pytest.raises(ValueError, match=r"along each line of an axis give axis="):
        solve(Problem(CrossEntropy(head, 1), Softmax()), tokens)


@pytest.mark.parametrize("axis", [0, -1, None])
def test_categories_end_one_hot_along_any_axis(axis):
    model = net(12, 3, seed=2)
    x0 = {0: torch.eye(3)[:, [0, 1, 2, 0]], -1: torch.eye(4)[[0, 1, 3]],
          None: torch.eye(12)[4].reshape(3, 4)}[axis][None]  # fmt: skip
    found = solve(Problem(CrossEntropy(model, 1), OneHot(axis)), x0, max_steps=40)
    assert set(found.x.flatten().tolist()) == {0.0, 1.0}
    count = found.x.sum() if axis is None else found.x.sum(dim=axis if axis < 0 else axis + 1)
    assert (count == 1).all()
    assert set(found.status) <= AMONG


def test_few_tokens_change_the_answer_within_few_passes():
    model = net(120, 16, 3, seed=5)
    x0 = torch.eye(10)[torch.randint(10, (8, 12), generator=generator(0, "tokens"))]
    target = (model(x0).argmax(dim=1) + 1) % 3
    found = solve(
        Problem(Margin(model, target), Sparse(OneHot(), x0, most=3)), x0,
        stop=(TargetReached(), MaxEvaluations(60)), max_steps=10,
    )  # fmt: skip
    assert ((found.x != x0).any(dim=2).sum(dim=1) <= 3).all()
    assert (found.evaluations <= 60).all()
    assert torch.equal(model(found.x).argmax(dim=1) == target, found.reached)
    assert found.reached.any()
    assert (found.loss <= Margin(model, target)(x0)).all()


def test_at_most_two_features_change_and_they_are_the_right_ones():
    x0 = torch.rand(3, 10, generator=generator(0, "few"))
    weight = torch.linspace(0.1, 1.0, 10)
    problem = Problem(lambda x: (x * weight).sum(dim=1), Sparse(Box(0, 1), x0, most=2))
    found = solve(problem, x0, max_steps=20)
    changed = (found.x != x0).sum(dim=1)
    best = (x0 * weight).sort(dim=1, descending=True).values[:, :2].sum(dim=1)
    assert (changed <= 2).all()
    assert torch.allclose(found.loss, (x0 * weight).sum(dim=1) - best, atol=1e-4)


def test_alone_or_in_a_batch_and_with_restarts_it_is_the_same():
    model = net(6, 10, 1, seed=4)
    x0 = torch.randint(0, 8, (3, 6), generator=generator(1, "counts")).float()
    problem = Problem(lambda x: model(x / 3)[:, 0], Rounded(Box(0, 7)))
    options = {"max_steps": 20, "restarts": Restarts(2, 2.0)}
    together = solve(problem, x0, **options)
    alone = [solve(problem, x0[i : i + 1], **options).x for i in range(3)]
    assert torch.equal(together.x, torch.cat(alone))


def test_bounds_behind_a_decoder_of_300_features_raise_nothing():
    encoder, decoder = net(300, 8), nn.Sequential(net(8, 300, seed=1), nn.Sigmoid()).eval()
    x0 = torch.rand(2, 300, generator=generator(0, "start"))
    problem = Problem(CrossEntropy(net(300, 3), 1), Latent(encoder, decoder), Bounds(0.01, 0.95))
    found = solve(problem, x0, max_steps=5, stepper=AugmentedLagrangian(rounds=2))
    assert found.loss.isfinite().all()
