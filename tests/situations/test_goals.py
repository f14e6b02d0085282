"""Targets as people bring them: a class for every pixel, several labels, outputs with units.

The situations come from public issue trackers; each test names them.
"""

import warnings

import pytest
import torch
from sklearn.datasets import load_diabetes, load_wine
from torch import nn
from torch.nn import functional as F

import xhat
from xhat import Adam, Compute, Problem, TargetReached, pgd, solve
from xhat.core import InputWarning, generator
from xhat.objectives import BinaryCrossEntropy, CrossEntropy, Custom, Interval, Margin, Match, Score
from xhat.objectives.goals import as_goal
from xhat.spaces import Box

UNITS = torch.tensor([1.0, 1e4, 1e-3])


def drawn(make, seed=0):
    """A network with weights from a seed that says what it says clearly, in evaluation mode."""
    net = make().eval()
    random = generator(seed, "weights")
    with torch.no_grad():
        for weight in net.parameters():
            size = 2.5 / weight[0].numel() ** 0.5 if weight.ndim > 1 else 0.1
            weight.copy_(size * torch.randn(weight.shape, generator=random))
    return net


def segmenter(classes=5):
    return drawn(
        lambda: nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, classes, 1))
    )


def tagger():
    """A sequence of 12 steps to a class of four for every step."""
    return drawn(
        lambda: nn.Sequential(nn.Conv1d(2, 16, 3, padding=1), nn.Tanh(), nn.Conv1d(16, 4, 1))
    )


def labeller(inputs=20, labels=4):
    return drawn(lambda: nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, labels)), 1)


def as_input(x):
    """What a truth is asked about, as one input of a network."""
    return torch.as_tensor(x).float()[None]


IMAGES = torch.rand(2, 3, 16, 16, generator=generator(0, "images"))
ROWS = torch.rand(3, 6, generator=generator(0, "rows"))
MANY = torch.rand(3, 20, generator=generator(0, "many"))
EVERYWHERE = Box(-3, 3)


def reachable(net, x, space=EVERYWHERE, seed=3):
    """A map of classes that the model does give to some input."""
    other = space.project(6 * torch.rand(x.shape, generator=generator(seed, "other")) - 3)
    return net(other).argmax(dim=1)


# fra31/auto-attack #100, torchattacks #141, foolbox #306, ART #220: a class for every pixel


def test_a_map_of_classes_for_each_image_is_reached_where_it_can_be():
    net = segmenter()
    target = reachable(net, IMAGES)
    problem = Problem(CrossEntropy(net, target, share=0.95), EVERYWHERE)
    found = solve(problem, IMAGES, stop=TargetReached(), max_steps=400)
    right = (net(found.x).argmax(dim=1) == target).flatten(1).float().mean(dim=1)
    assert found.reached.all()
    assert (right >= 0.95).all()
    assert (right < 1).any()  # it stopped there
    p = net(found.x).softmax(dim=1).gather(1, target[:, None])[:, 0].flatten(1)
    sure = found.confidence[:, None]
    assert ((p >= sure - 1e-6).float().mean(dim=1) >= 0.95).all()  # so sure is so large a share
    assert ((p > sure + 1e-6).float().mean(dim=1) < 0.95).all()
    loss = F.cross_entropy(net(found.x), target, reduction="none").mean((1, 2))
    assert torch.allclose(found.loss, loss, rtol=1e-4)


def test_one_class_for_all_pixels_that_count_and_surely():
    net, seen = segmenter(), torch.zeros(1, 16, 16, dtype=torch.bool)
    seen[:, 4:6, 4:6] = True
    goal = xhat.Class(2, mask=seen)
    found = xhat.optimize(net, IMAGES, goal, limits=(-3.0, 3.0), confidence=0.6, max_steps=300)
    p = net(found.x).softmax(dim=1)[:, 2]
    assert found.reached.all()
    assert (p[:, 4:6, 4:6] >= 0.6).all()
    assert torch.allclose(found.confidence, p[:, 4:6, 4:6].amin(dim=(1, 2)), atol=1e-5)


def test_pixels_that_are_ignored_do_not_count():
    net, target = segmenter(), torch.full((2, 16, 16), 255)
    given = reachable(net, IMAGES)
    target[0, :2, :2], target[1, 10:12, 3] = given[0, :2, :2], given[1, 10:12, 3]
    wanted = CrossEntropy(net, target, ignore=255)
    found = solve(Problem(wanted, EVERYWHERE), IMAGES, stop=TargetReached())
    known = target != 255
    assert found.reached.all()
    assert torch.equal(net(found.x).argmax(dim=1)[known], target[known])
    with pytest.raises(ValueError, match=r"index from 0 to 4, but 255 came; .*ignore=255\.$"):
        solve(Problem(CrossEntropy(net, target), EVERYWHERE), IMAGES)


def test_pixels_are_left_by_an_untargeted_attack_and_its_default_goal():
    net = segmenter()
    label = net(IMAGES).argmax(dim=1)
    stop = TargetReached()
    found = xhat.optimize(net, IMAGES, xhat.Avoid(label, share=0.8), limits=(0.0, 1.0))
    same = (net(found.x).argmax(dim=1) == label).flatten(1).float().mean(dim=1)
    assert torch.equal(found.reached, same <= 0.2)
    attacked = pgd(net, IMAGES, label=label, radius=0.5, stop=stop)
    assert ((net(attacked.x).argmax(dim=1) == label).flatten(1).float().mean(1) < 0.5).all()


def test_own_losses_take_what_differs_between_candidates_and_say_when_to_stop():
    net, target = segmenter(), reachable(segmenter(), IMAGES)

    def pixels(y, target):
        return F.cross_entropy(y, target, reduction="none").mean((1, 2))

    own = Custom(pixels, given={"target": target}, reached=0.5, model=net)
    found = solve(Problem(own, EVERYWHERE), IMAGES, stop=TargetReached())
    again = solve(Problem(CrossEntropy(net, target), EVERYWHERE), IMAGES, max_steps=3)
    assert found.reached.all()
    assert (pixels(net(found.x), target) <= 0.5).all()
    three = solve(Problem(own, EVERYWHERE), IMAGES, max_steps=3)
    assert torch.allclose(three.loss, again.loss, atol=1e-5)
    half = Custom(
        pixels, given={"target": target}, model=net,
        reached=lambda y, target: (y.argmax(1) == target).flatten(1).float().mean(1) > 0.5,
    )  # fmt: skip
    found = solve(Problem(half, EVERYWHERE), IMAGES, stop=TargetReached())
    assert found.reached.all()
    with pytest.raises(ValueError, match=r"given beside it, as in given="):
        solve(Problem(lambda x: pixels(net(x), target), EVERYWHERE), IMAGES)


def test_a_class_for_every_step_of_a_sequence_of_its_own_for_each():
    net, x = tagger(), torch.rand(3, 2, 12, generator=generator(1, "sequences"))
    target = reachable(net, x)
    for wanted in (target, target[:1], 2):
        problem = Problem(CrossEntropy(net, wanted, share=0.75), EVERYWHERE)
        found = solve(problem, x, stop=TargetReached(), max_steps=400)
        alike = net(found.x).argmax(dim=1) == torch.as_tensor(wanted)
        assert torch.equal(found.reached, alike.float().mean(dim=1) >= 0.75)
        assert found.reached.all()

    def swapped(x):
        return net(x).movedim(1, -1)

    with pytest.raises(ValueError, match=r"at positions \(12,\).*move the classes to axis 1: log"):
        solve(Problem(CrossEntropy(swapped, target), EVERYWHERE), x)


def test_a_distribution_at_every_position_and_margins_of_large_logits():
    net, x = tagger(), torch.rand(3, 2, 12, generator=generator(1, "sequences"))
    even = torch.full((1, 4, 12), 0.25)
    found = solve(Problem(CrossEntropy(net, even), EVERYWHERE), x, max_steps=100)
    begun = CrossEntropy(net, even).measure(x, x)
    assert (found.loss < begun.loss).all()

    def large(x):
        return 1000 * net(x)

    for objective in (
        CrossEntropy(large, 1),
        Margin(large, 1),
        BinaryCrossEntropy(lambda x: large(x)[:, :, 0], [[1, 0, 0, 1]]),
    ):
        wanted = x[:1].clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(objective(wanted).sum(), wanted)
        exact = x[:1].double().requires_grad_(True)
        net.double()
        (known,) = torch.autograd.grad(objective(exact).sum(), exact)
        net.float()
        assert torch.allclose(
            gradient.double(), known, rtol=1e-3, atol=1e-3 * float(known.abs().max())
        )
        assert gradient.abs().max() > 0


# foolbox #643, #708, torchattacks #70, cleverhans #1132: several labels at once


def test_several_labels_are_reached_with_the_confidence_that_is_asked_for():
    net, want = labeller(), torch.tensor([[1.0, 0, 1, 0]])
    problem = Problem(BinaryCrossEntropy(net, want), EVERYWHERE)
    found = solve(problem, MANY, stop=TargetReached(0.9))
    p = net(found.x).sigmoid()
    assert found.reached.all()
    assert ((p - want).abs() <= 0.1 + 1e-6).all()
    least = torch.where(want > 0, p, 1 - p).amin(dim=1)
    assert torch.allclose(found.confidence, least, atol=1e-5)
    loss = F.binary_cross_entropy_with_logits(
        net(found.x), want.expand(3, 4), reduction="none"
    ).mean(dim=1)
    assert torch.allclose(found.loss, loss, atol=1e-6)


@pytest.mark.parametrize(
    "target",
    [
        xhat.Labels([1, 0, 1, 0]),
        xhat.Labels([[1, 0, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0]]),
        xhat.Labels([1.0, torch.nan, torch.nan, 0.0]),
        xhat.Labels([1, 1, 1, 1], mask=[True, False, False, True]),
        torch.tensor([True, False, True, False]),
        torch.tensor([[1.0, torch.nan, 0.0, torch.nan]]),
    ],
    ids=repr,
)
def test_labels_at_the_front_door(target):
    net, goal = labeller(), as_goal(target)
    found = xhat.optimize(
        net, MANY, target, limits=(-3.0, 3.0), confidence=0.9, method="plain", max_steps=300
    )
    assert found.reached.all()
    assert (found.confidence >= 0.9).all()
    assert (goal.off(net(found.x).sigmoid()) == 0).all()
    checked = xhat.audit(net, found.x, target, truth=lambda x: (net(as_input(x))[0] > 0).long())
    assert checked.trusted.all()


def test_labels_are_never_told_to_a_jury():
    wine = load_wine()
    domain = xhat.Domain(wine.data, wine.target)
    centre, spread = domain.x.mean(dim=0), domain.x.std(dim=0)
    net = labeller(13)
    found = xhat.optimize(
        lambda x: net((x - centre) / spread), domain.x[:3], xhat.Labels([0, 1, 1, 0]), domain=domain
    )
    assert found.verdicts.target is None
    assert found.verdicts.votes is None
    assert "Labels([0, 1, 1, 0])" in found.goal
    everywhere = drawn(lambda: nn.Sequential(nn.Unflatten(1, (1, 13)), nn.Conv1d(1, 3, 1)))
    checked = xhat.audit(everywhere, domain.x[:3], 2, domain=domain)
    assert checked.verdicts.target is None  # the class of a place is none of the sample


def test_one_logit_is_a_label_or_the_odds_of_two_classes():
    net = labeller(labels=1)
    for label in (0, 1):
        found = solve(
            Problem(BinaryCrossEntropy(net, [label]), EVERYWHERE), MANY, stop=TargetReached(0.9)
        )
        assert ((net(found.x)[:, 0] > 0) == bool(label)).all()
        assert found.reached.all()
    with pytest.warns(InputWarning, match=r"taken for the logit of class 1 against class 0"):
        found = solve(Problem(CrossEntropy(net, 1), EVERYWHERE), MANY, stop=TargetReached(0.9))
    assert (net(found.x)[:, 0] > 0).all()


def test_barely_one_half_is_said():
    net, want = labeller(), torch.tensor([[1.0, 0, 1, 0]])
    with pytest.warns(InputWarning, match=r"barely 0\.5; for labels use BinaryCrossEntropy"):
        solve(
            Problem(Match(lambda x: net(x).sigmoid(), want, tolerance=0.5), EVERYWHERE), MANY,
            stop=TargetReached(),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ([[1, 0, 1, 0]], r"row 0 of the target has 2 ones: did you mean Labels\(rows\)"),
        ([[1, 0, 0, 0], [0, 0, 0, 0]], r"row 1 of the target has no ones: did you mean Labels"),
        ([[1, 0, 0, 0]], r"one class for each \(Class\(rows\.argmax.*Labels\(rows\).*; say which"),
        ([[1.0, 0.0, 1.0, 0.0]], r"sums to 2.*did you mean several labels.*Labels"),
        (xhat.Class([[1, 0, 1, 0]]), r"rows of 0 and 1 with other than one 1.*Labels"),
        (xhat.Class([[2, 0, 1, 0]]), r"map of classes, \(1, 4\), but the model gives one distrib"),
        (xhat.Labels([1, 0]), r"for each of the model's 4 logits, but there are 2"),
        (xhat.Labels([[1, 0, 1, 0]] * 2), r"made for 2 inputs, but there are 3"),
    ],
)
def test_what_is_ambiguous_is_refused_by_the_names_of_what_it_may_be(target, said):
    with pytest.raises(ValueError, match=said):
        xhat.optimize(labeller(), MANY, target, limits=(-3.0, 3.0))


# SMTorg/smt #455, DiCE #168: several outputs, of which one matters, or in units of their own


def regressor():
    net = drawn(lambda: nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 3)))
    return net, lambda x: net(x) * UNITS


def test_outputs_in_units_of_their_own_are_found_to_tolerances_of_their_own():
    net, model = regressor()
    value = model(torch.rand(1, 6, generator=generator(9, "wanted"))).detach()
    near = 0.01 * UNITS
    found = solve(Problem(Match(model, value, near), Box(0, 1)), ROWS, stop=TargetReached())
    assert found.reached.all()
    assert ((model(found.x) - value).abs() <= near * (1 + 1e-4)).all()
    plain = solve(
        Problem(Match(net, value / UNITS, torch.full((3,), 0.01)), Box(0, 1)), ROWS,
        stop=TargetReached(),
    )  # fmt: skip
    assert torch.allclose(plain.x, found.x, atol=1e-4)  # units are no matter
    assert torch.equal(plain.steps, found.steps)


def test_nan_and_masks_are_for_outputs_that_do_not_matter():
    net, model = regressor()
    for objective in (
        Match(model, torch.tensor([[0.3, torch.nan, torch.nan]]), 0.01),
        Match(model, torch.tensor([[0.3, 9.0, 9.0]]), 0.01, mask=[True, False, False]),
        Match(model, torch.tensor([[0.3, 9.0, 9.0]]), 0.01, weight=[1.0, 0.0, 0.0]),
        Match(model, 0.3, 0.01, column=0),
        Interval(model, [[0.29, -torch.inf, -torch.inf]], [[0.31, torch.inf, torch.inf]]),
        Interval(model, 0.29, 0.31, column=0),
    ):
        found = solve(Problem(objective, EVERYWHERE), ROWS, stop=TargetReached())
        assert found.reached.all()
        assert ((net(found.x)[:, 0] - 0.3).abs() <= 0.01 + 1e-5).all()
    broken = Match(
        lambda x: torch.cat((net(x)[:, :1], net(x)[:, 1:] + torch.nan), dim=1),
        torch.tensor([[0.3, torch.nan, torch.nan]]), 0.01,
    )  # fmt: skip
    assert solve(Problem(broken, EVERYWHERE), ROWS, stop=TargetReached()).reached.all()


def test_one_number_for_several_outputs_is_said_to_be_wanted_of_all():
    net, _ = regressor()
    with pytest.warns(InputWarning, match=r"one number, and wanted of each of the model's 3 outp"):
        xhat.optimize(net, ROWS, xhat.AtLeast(0.1), limits=(-3.0, 3.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for goal in (
            xhat.AtLeast([[0.1, 0.1, 0.1]]),
            xhat.AtLeast(0.1, column=1),
            xhat.Most(column=2),
            xhat.Most(weight=[1.0, -1.0, 0.0]),
        ):
            xhat.optimize(net, ROWS, goal, limits=(-3.0, 3.0), max_steps=5)

        def field(x):
            return net(x)[:, :, None] * torch.ones(2)  # one number for a field is for all

        solve(Problem(Interval(field, -9.0, 9.0), EVERYWHERE), ROWS, max_steps=2)


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (xhat.AtLeast([[0.2, -torch.inf, -torch.inf]]), lambda y: y[:, 0] >= 0.2),
        (xhat.AtMost([[torch.inf, -0.1, torch.inf]]), lambda y: y[:, 1] <= -0.1),
        (xhat.AtMost(-0.1, column=1), lambda y: y[:, 1] <= -0.1),
        (
            xhat.Within([[-torch.inf, -0.5, -0.5]], [[torch.inf, 0.5, 0.5]]),
            lambda y: (y[:, 1:].abs() <= 0.5).all(dim=1),
        ),
        (xhat.Value([[0.1, torch.nan, 0.2]], [0.05, 1.0, 0.2]), None),
        (xhat.Loss(lambda y: (y[:, 0] - y[:, 1]).square(), reached=1e-4), None),
        (lambda y: y.square().sum(dim=1), None),
    ],
)
def test_goals_of_some_outputs_at_the_front_door(goal, met):
    net, _ = regressor()
    found = xhat.optimize(net, ROWS, goal, limits=(-3.0, 3.0), max_steps=300)
    asked = as_goal(goal)
    y = net(found.x).detach()
    if met is not None:
        assert met(y + 1e-6).all() or met(y - 1e-6).all()
    assert found.reached.all() or not asked.targeted
    assert not asked.targeted or (asked.off(y) <= asked.tolerance + 1e-6).all()
    checked = (
        xhat.audit(net, found.x, asked, truth=lambda x: net(as_input(x))[0].detach())
        if (asked.targeted)
        else None
    )
    assert checked is None or checked.trusted.float().mean() > 0.6  # to a rounding at the brink


def test_the_most_of_a_weighted_sum_columns():
    net, _ = regressor()
    weight = [2.0, -1.0, 0.5]
    found = xhat.optimize(net, ROWS, xhat.Most(weight=weight), limits=(0.0, 1.0))
    own = solve(Problem(Score(net, weight=[-w for w in weight]), Box(0, 1)), ROWS)
    assert torch.allclose(-(net(found.x) @ torch.tensor(weight)), found.loss, atol=1e-5)
    assert torch.allclose(found.loss, own.loss, atol=0.05)


def test_a_value_per_output_that_came_without_its_row_is_named():
    net, _ = regressor()
    for goal, said in (
        (
            xhat.Value(torch.tensor([0.1, 0.2, 0.3]), 0.1),
            r"a value per output: a row, shape \(1, 3",
        ),
        (xhat.AtLeast(torch.tensor([0.1, 0.2])), r"2 values, one for each input, but there are 3"),
        (xhat.Least(), r"returns 3 outputs.*column=0 … 2, or weight="),
        (xhat.Most(column=3), r"column=3 is the place of an output, from 0 to 2"),
    ):
        with pytest.raises(ValueError, match=said):
            xhat.optimize(net, ROWS, goal, limits=(-3.0, 3.0))


def test_judges_of_values_weigh_one_output_of_several_in_its_unit():
    data = load_diabetes()
    x = torch.tensor(data.data).float()
    y = torch.stack((torch.tensor(data.target), 1e4 * torch.tensor(data.data[:, 2])), dim=1).float()
    domain = xhat.Domain(x, values=y)
    both = torch.linalg.lstsq(torch.cat((x, torch.ones(len(x), 1)), 1), y).solution

    def model(x):
        return x @ both[:-1] + both[-1]

    one = xhat.audit(model, x[:40], xhat.AtLeast(100.0, column=0), domain=domain)
    row = xhat.audit(model, x[:40], xhat.AtLeast([[100.0, -torch.inf]]), domain=domain)
    assert [each.outcome for each in one.verdicts] == [each.outcome for each in row.verdicts]
    assert len({each.outcome for each in one.verdicts}) > 1
    wide = xhat.Value([[150.0, 200.0]], [60.0, 900.0])
    checked = xhat.audit(model, x[:40], wide, domain=domain)
    assert checked.reached.any()
    assert not checked.reached.all()
    with pytest.raises(ValueError, match="names other values than the 2"):
        xhat.audit(
            lambda x: model(x)[:, [0, 1, 1]], x[:9], xhat.AtLeast(1.0, column=2), domain=domain
        )


def test_goals_are_the_same_for_candidates_alone():
    net, model = segmenter(), labeller()
    four = {"stepper": Adam(), "max_steps": 4}
    target = reachable(net, IMAGES)
    both = solve(
        Problem(CrossEntropy(net, target, ignore=1), EVERYWHERE),
        IMAGES,
        stepper=Adam(),
        max_steps=4,
    )
    rows = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0]])
    three = solve(Problem(BinaryCrossEntropy(model, rows), EVERYWHERE), MANY, **four)
    for i in range(2):
        one = CrossEntropy(net, target[i : i + 1], ignore=1)
        alone = solve(Problem(one, EVERYWHERE), IMAGES[i : i + 1], **four)
        assert torch.allclose(alone.x, both.x[i : i + 1], atol=1e-5)
    for i in range(3):
        alone = solve(
            Problem(BinaryCrossEntropy(model, rows[i]), EVERYWHERE), MANY[i : i + 1], **four,
            compute=Compute(chunk=1),
        )  # fmt: skip
        assert torch.allclose(alone.x, three.x[i : i + 1], atol=1e-5)
