import pytest
import torch
import torch.nn.functional as F
from torch import nn

from xhat.core import generator
from xhat.learning import build, predict, random_affine
from xhat_zoo import digits
from xhat_zoo.digits.morphs import Morphs, signed_distance
from xhat_zoo.digits.negatives import Negatives
from xhat_zoo.digits.recipes import judges
from xhat_zoo.digits.recipes.judges import (
    JudgeLoss,
    _moved_against,
    calibrate,
    disturb,
    held_out,
    train_autoencoder,
    train_judge,
)

SCHEDULE = {"epochs": 3, "batch_size": 50, "learning_rate": 2e-3}
SMALL = {"hidden": [64]}


def data(n, start=0):
    part = digits.split("judge_train")
    return part.upright[start : start + n], part.labels[start : start + n]


def train(n=250, seed=0, **changes):
    options = {"architecture": "MLP", "arguments": SMALL, **SCHEDULE, **changes}
    return train_judge(*data(n), seed=seed, **options)


@pytest.fixture(scope="module")
def judge():
    return train(n=1000, epochs=5)


def nll(model, x, wanted):
    return float(F.cross_entropy(predict(model, x), wanted))


def test_a_judge_learns_digits_and_what_is_none(judge):
    x, labels = data(400, start=5000)
    seen = predict(judge, x)
    assert seen.shape == (400, 11)
    assert float((seen.argmax(1) == labels).float().mean()) > 0.6
    none = Negatives(*data(200, start=6000)).draw(200, generator(0))
    assert float(predict(judge, none).softmax(1)[:, 10].mean()) > 0.4
    assert float(seen.softmax(1)[:, 10].mean()) < 0.2
    assert not judge.training


def test_training_repeats_with_its_seed():
    seen = []
    first, again = train(on_epoch=seen.append), train()
    x = data(50, start=5000)[0]
    assert torch.equal(predict(first, x), predict(again, x))
    assert len(seen) == 3
    assert seen[-1].loss < seen[0].loss
    assert not torch.equal(predict(first, x), predict(train(seed=1), x))


@pytest.mark.parametrize("changes", [{"fold": 3}, {"radius": 1.0}, {"between_share": 0.2}])
def test_every_choice_changes_the_judge(changes):
    x = data(50, start=5000)[0]
    plain, other = (train(epochs=1, **change) for change in ({}, changes))
    assert not torch.equal(predict(plain, x), predict(other, x))
    assert bool(predict(other, x).isfinite().all())


def test_arguments_are_those_of_the_architecture():
    judge = train(n=100, epochs=1, arguments={"hidden": [8, 7]})
    widths = [layer.out_features for layer in judge.modules() if isinstance(layer, nn.Linear)]
    assert widths == [8, 7, 11]


def test_folds_are_disjoint_and_cover_everything():
    folds = torch.stack([held_out(1003, fold) for fold in range(5)])
    assert bool((folds.sum(0) == 1).all())
    assert bool(((folds.sum(1) - 1003 / 5).abs() < 1).all())
    for fold in (-1, 5):
        with pytest.raises(ValueError, match="fold must lie between 0 and 4"):
            held_out(10, fold)
    with pytest.raises(ValueError, match="number of images must be a whole number from 1"):
        held_out(0, 0)


@pytest.mark.parametrize("factor", [0.2, 5.0])
def test_calibrating_lowers_the_loss_on_held_out_images(judge, factor):
    spoilt = build("MLP", seed=0, classes=11, **SMALL)
    spoilt.load_state_dict(judge.state_dict())
    last = [layer for layer in spoilt.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.mul_(factor)
    images, labels = data(400, start=5000)
    source = generator(1, "check")
    none = Negatives(*data(200, start=6000)).draw(170, source)
    shown = torch.cat([random_affine(images, source, angle=45), none])
    wanted = torch.cat([labels, torch.full((170,), 10)])
    before, order = nll(spoilt, shown, wanted), predict(spoilt, shown).argmax(1)
    temperature = calibrate(spoilt.eval(), images, labels, 10, generator(0))
    assert (temperature > 1) is (factor > 1)
    assert nll(spoilt, shown, wanted) < before - 0.05
    assert nll(spoilt, shown, wanted) == pytest.approx(nll(judge, shown, wanted), abs=0.05)
    assert torch.equal(predict(spoilt, shown).argmax(1), order)  # only how sure it is changes
    assert calibrate(spoilt, images, labels, 10, generator(0)) == pytest.approx(1, abs=0.02)


def loss(**changes):
    x, labels = data(100)
    parts = {
        "negatives": Negatives(x, labels),
        "morphs": Morphs(signed_distance(x), labels),
        "classes": 10,
        "none_share": 0.3,
        "between_share": 0.1,
        "smoothing": 0.0,
        "radius": 0.0,
    }
    return JudgeLoss(**{**parts, **changes})


def test_a_batch_holds_digits_none_and_between_in_the_given_shares():
    x, labels = data(60, start=1000)
    shown, wanted = loss().batch(x, labels, generator(0))
    assert shown.shape == (100, 1, 28, 28)
    assert 0 <= float(shown.min()) <= float(shown.max()) <= 1
    torch.testing.assert_close(wanted.sum(1), torch.ones(100))
    assert torch.equal(wanted[:60].argmax(1), labels)
    assert bool((wanted[60:90, 10] == 1).all())
    assert bool((wanted[90:].amax(1) < 0.7).all())


def test_images_are_moved_against_the_judge_within_the_ball(judge):
    x, labels = data(60, start=1000)
    judge.zero_grad()
    plain, moved = (
        float(loss(radius=radius)(judge, x, labels, generator(0)).detach()) for radius in (0.0, 1.5)
    )
    assert moved > plain + 0.05
    seen = []

    class Watching(nn.Module):
        def forward(self, x):
            seen.append(x.detach())
            return judge(x)

    for radius in (0.0, 1.5):
        loss(radius=radius)(Watching(), x, labels, generator(0))
    shown, _, after = seen
    length = (after - shown).flatten(1).norm(dim=1)
    assert 0.3 < float(length.max()) <= 1.5 * 1.25 + 1e-4  # and the noise that it begins with
    assert all(p.grad is None for p in judge.parameters())


def test_a_move_against_the_judge_begins_beside_the_image_and_is_of_any_length():
    """A quarter of the radius beside it, and from there up to the radius."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 3))
    x, wanted = torch.full((400, 1, 28, 28), 0.5), torch.tensor([[1.0, 0.0, 0.0]] * 400)
    moved = _moved_against(model, x, wanted, 0.8, generator(0))
    length = (moved - x).flatten(1).norm(dim=1) / 0.8
    assert 0.2 < float(length.min()) < 0.3
    assert 0.95 < float(length.max()) < 1.25


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("none_share", 0.0),
        ("none_share", 0.95),  # with the 0.1 between
        ("none_share", 1.0),
        ("between_share", 0.0),
        ("between_share", 0.8),
        ("radius", -1.0),
    ],
)
def test_rejects_a_number_that_makes_no_sense(name, value):
    with pytest.raises(ValueError, match=f"{name}.* must"):
        loss(**{name: value})
    with pytest.raises(ValueError, match=f"{name}.* must"):
        train(n=60, epochs=1, **{name: value})


def test_disturbed_digits_stay_in_range_and_look_like_themselves():
    x, _ = data(200)
    found = disturb(x, generator(0))
    assert 0 <= found.min() <= found.max() <= 1
    assert torch.equal(found, disturb(x, generator(0)))
    assert not torch.equal(found, disturb(x, generator(1)))
    alike = F.normalize(found.flatten(1)) @ F.normalize(x.flatten(1)).T
    assert float((alike.argmax(1) == torch.arange(200)).float().mean()) > 0.9
    assert 0.03 < float((found - x).abs().mean()) < 0.07  # of the range, on average


def test_the_autoencoder_learns_to_rebuild_and_repeats_with_its_seed():
    seen = []
    options = {"latent": 8, **SCHEDULE, "epochs": 4}
    model = train_autoencoder(*data(250), seed=0, on_epoch=seen.append, **options)
    assert model.latent == 8
    assert seen[-1].loss < 0.75 * seen[0].loss
    x, _ = data(50, start=5000)
    blank = build("VAE", seed=0, latent=8, size=28)
    with torch.no_grad():
        ours, theirs = ((m.decode(m.encode(x)) - x).square().mean() for m in (model, blank))
    assert float(ours) < 0.6 * float(theirs)


def test_an_autoencoder_is_shown_digits_turned_by_45_degrees_and_little_more(monkeypatch):
    """Turned farther, a 6 would be learnt as a 9."""
    asked = []
    monkeypatch.setattr(judges, "fit_vae", lambda images, **options: asked.append(options))
    train_autoencoder(*data(10), seed=0)
    assert 45 <= asked[0]["jitter"].angle <= 50
    assert asked[0]["jitter"].shift == 1.0
