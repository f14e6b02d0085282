import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from xhat.core import evaluation_mode, generator
from xhat.engine import Compute, Problem, solve
from xhat.learning import MLP, NETWORKS, build, fit
from xhat.objectives import CrossEntropy, Disagreement
from xhat.spaces import Box
from xhat.surrogates.ensembles import Dropout, Ensemble, MonteCarloDropout

CLASSIFIERS = ("SmallCNN", "WideCNN", "ResidualNet", "MLP")


def images(n: int = 3) -> torch.Tensor:
    return torch.rand(n, 1, 28, 28, generator=generator(0, "images"))


def small(seed: int = 0) -> nn.Module:
    return build("MLP", seed=seed, classes=3, inputs=4, hidden=(8, 6)).eval()


def points(n: int = 5) -> torch.Tensor:
    return torch.rand(n, 4, generator=generator(0, "points"))


def several() -> Ensemble:
    return Ensemble([small(0), small(1), small(2)])


def sampled(samples: int = 4) -> MonteCarloDropout:
    return MonteCarloDropout(small(), 0.4, samples, seed=3)


@pytest.mark.parametrize(
    "wrap", [lambda net: Ensemble([net, small(1)]), MonteCarloDropout], ids=["ensemble", "dropout"]
)
def test_a_wrapper_is_in_the_mode_of_what_it_wraps(wrap):
    net = small()
    assert not any(module.training for module in wrap(net).modules())
    net.train()
    assert wrap(net).training
    assert net.training


@pytest.mark.parametrize("make", [several, sampled])
def test_the_output_is_the_mean_probability_as_logits(make):
    model = make()
    p = model.members(points()).softmax(dim=2)
    assert torch.allclose(model(points()).exp(), p.mean(dim=0), atol=1e-6)
    assert torch.allclose(model(points()).exp().sum(dim=1), torch.ones(5), atol=1e-6)
    assert torch.allclose(model(points()), model(points()).log_softmax(dim=1), atol=1e-6)
    assert (p.std(dim=0).amax(dim=1) > 1e-3).all()  # the members differ


def test_an_ensemble_asks_each_of_its_models():
    model = several()
    for alone, found in zip((small(0), small(1), small(2)), model.members(points()), strict=True):
        assert torch.equal(alone(points()), found)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_candidate_is_answered_alone_as_in_a_batch(name):
    assert name in NETWORKS
    model = MonteCarloDropout(build(name, seed=0).eval(), 0.3, samples=3)
    found = model.members(images())
    assert torch.equal(found, model.members(images()))  # nothing is drawn anew
    for i in range(3):
        assert torch.allclose(found[:, i], model.members(images()[i : i + 1])[:, 0], atol=1e-5)
    assert (found.std(dim=0).amax(dim=1) > 1e-4).all()


def test_every_mask_is_as_if_the_weights_were_masked_by_hand():
    net = small()
    model = MonteCarloDropout(net, 0.4, samples=6, seed=1)
    assert model.layers == ("layers.3", "layers.6")
    by_hand = []
    for i in range(6):
        other = copy.deepcopy(net)
        for name in model.layers:
            mask = model.get_buffer(f"masks_{name.replace('.', '_')}")[i]
            assert set(mask.tolist()) <= {0.0, float(torch.tensor(1.0) / 0.6)}
            other.get_parameter(f"{name}.weight").data.mul_(mask)
        by_hand.append(other(points()))
    assert torch.allclose(model.members(points()), torch.stack(by_hand), atol=1e-5)


def test_a_convolution_loses_whole_channels():
    net = build("SmallCNN", seed=0).eval()
    model = MonteCarloDropout(net, 0.5, samples=2, seed=0, layers=("features.3", "head.2"))
    other = copy.deepcopy(net)
    other.features[3].weight.data.mul_(model.get_buffer("masks_features_3")[1][:, None, None])
    other.head[2].weight.data.mul_(model.get_buffer("masks_head_2")[1])
    assert torch.allclose(model.members(images())[1], other(images()), atol=1e-5)


def test_the_share_of_missing_units_is_the_rate_and_masks_follow_the_seed():
    net = build("SmallCNN", seed=0).eval()
    model = MonteCarloDropout(net, 0.3, samples=10, seed=0)
    mask = model.get_buffer("masks_head_0")
    assert float((mask == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    assert float(mask.mean()) == pytest.approx(1.0, abs=0.02)  # what is left makes up for it
    again, other = (MonteCarloDropout(net, 0.3, samples=10, seed=seed) for seed in (0, 1))
    assert torch.equal(mask, again.get_buffer("masks_head_0"))
    assert not torch.equal(mask, other.get_buffer("masks_head_0"))
    assert (mask[0] != mask[1]).any()


def test_the_model_stays_as_it_was_and_shares_its_weights():
    net = small()
    before, random = net(points()), torch.get_rng_state()
    model = MonteCarloDropout(net, 0.5, samples=3)
    was = model(points())
    assert torch.equal(net(points()), before)
    assert torch.equal(torch.get_rng_state(), random)
    assert {id(p) for p in model.parameters()} == {id(p) for p in net.parameters()}
    net.layers[-1].bias.data[0] += 5
    assert (model(points())[:, 0] > was[:, 0] + 0.5).all()


@pytest.mark.parametrize("make", [several, sampled])
def test_a_search_follows_its_gradient_and_keeps_the_members_in_agreement(make):
    model = make().double()
    x = points().double()
    at = x.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: model(x), (at,))
    apart = Disagreement(model)
    assert list(apart.modules()) == [model]
    assert (apart(x) > 0).all()
    problem = Problem(CrossEntropy(model, 1) + 3 * apart, Box())
    options = {"max_steps": 12}
    found = solve(problem, x, compute=Compute(precision="float64"), **options)
    assert (found.loss < problem.objective(x)).all()
    compute = Compute(precision="float64", chunk=2)
    part = solve(problem, x[[4, 1, 0]], compute=compute, **options)
    assert torch.allclose(part.x, found.x[[4, 1, 0]], atol=1e-8)


def test_dropout_is_drawn_afresh_per_row_in_training_and_absent_otherwise():
    net, x = small(), points()[:1].repeat(50, 1)
    model = Dropout(net, 0.4, seed=0)
    model.train()
    rows = model(x)
    assert len(rows.unique(dim=0)) > 40
    assert not torch.equal(rows, model(x))
    again = Dropout(net, 0.4, seed=0).train()
    assert torch.equal(again(x), rows)
    with evaluation_mode(model, warn=False):
        assert torch.equal(model(x), net(x))
    assert torch.equal(model.eval()(x), net(x))


def test_a_network_trained_inside_dropout_is_trained_and_needs_no_unit():
    x = torch.rand(200, 4, generator=generator(1))
    y = (x[:, 0] > x[:, 1]).long()
    net = build("MLP", seed=0, classes=2, inputs=4, hidden=(32,))
    random = torch.get_rng_state()
    options = {"epochs": 12, "batch_size": 50, "learning_rate": 2e-2, "seed": 0}
    fit(Dropout(net, 0.3, seed=0), x, y, lambda m, x, y, _: F.cross_entropy(m(x), y), **options)
    assert torch.equal(torch.get_rng_state(), random)
    assert not net.training
    assert isinstance(net, MLP)
    model = MonteCarloDropout(net, 0.3, samples=10)
    for found in (net(x), model(x), *model.members(x)):
        assert float((found.argmax(dim=1) == y).float().mean()) > 0.85


def test_dropout_of_a_convolution_takes_whole_channels():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1, bias=False), nn.Flatten())
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    model = Dropout(net, 0.5, seed=0, layers=("1",)).train()
    found = model(torch.zeros(40, 1, 3, 3)).unflatten(1, (2, 9))
    assert (found == found[..., :1]).all()
    assert set(found.unique().tolist()) == {0.0, 2.0, 4.0}


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: Ensemble([small()]), ValueError, r"at least 2 models.*1 came"),
        (lambda: Ensemble([]), ValueError, r"0 came"),
        (lambda: Ensemble([small()] * 3), ValueError, r"3 came, of which 1 differ"),
        (lambda: Ensemble([small(), torch.neg]), TypeError, r"an nn\.Module.*wrap a function"),
        (lambda: MonteCarloDropout(MLP, 0.5), TypeError, r"an nn\.Module, not MLP"),
        (lambda: MonteCarloDropout(small(), 0.0), ValueError, r"rate must be above 0"),
        (lambda: MonteCarloDropout(small(), 1.0), ValueError, r"rate must lie between 0 and 1"),
        (lambda: MonteCarloDropout(small(), samples=1), ValueError, r"at least 2"),
        (lambda: MonteCarloDropout(small(), samples=0), ValueError, r"whole number from 1"),
        (
            lambda: MonteCarloDropout(small(), layers=("layers.1",)),
            ValueError,
            r"linear or convolution.*'layers\.1'.*MLP has layers\.0, layers\.3, layers\.6",
        ),
        (lambda: MonteCarloDropout(small(), layers=()), ValueError, r"each once, but are \(\)"),
        (lambda: Dropout(small(), seed=0, layers=["layers.3"] * 2), ValueError, r"each once"),
        (lambda: Dropout(nn.Linear(2, 2), seed=0), ValueError, r"Linear has none"),
        (lambda: Dropout(small(), 2.0, seed=0), ValueError, r"rate"),
    ],
)
def test_rejects_what_does_not_fit(make, kind, said):
    with pytest.raises(kind, match=said):
        make()
