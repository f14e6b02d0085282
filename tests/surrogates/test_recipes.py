import pytest
import torch
import torch.nn.functional as F

from xhat.core import generator
from xhat.learning import predict
from xhat.surrogates import train_classifier, worst_inputs
from xhat_zoo import digits
from xhat_zoo.digits.recipes.vae import train_vae

SCHEDULE = {"epochs": 1, "batch_size": 50, "learning_rate": 1e-3}


def data(n=200):
    part = digits.split("surrogate_train")
    return part.upright[:n], part.labels[:n]


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("recipe", [train_classifier, train_vae])
def test_every_recipe_repeats_with_its_seed_and_reports(recipe):
    seen = []
    arguments = data()[:1] if recipe is train_vae else data()
    first = recipe(*arguments, seed=0, on_epoch=seen.append, **SCHEDULE)
    again = recipe(*arguments, seed=0, **SCHEDULE)
    other = recipe(*arguments, seed=1, **SCHEDULE)
    assert [record.epoch for record in seen] == [1]
    assert not first.training
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


def test_a_little_training_is_better_than_chance():
    images, labels = data(1500)
    model = train_classifier(images, labels, seed=0, epochs=4, batch_size=50, learning_rate=3e-3)
    test = digits.split("test")
    assert (predict(model, test.images[:500]).argmax(1) == test.labels[:500]).float().mean() > 0.6


def length(change, norm):
    return change.flatten(1).norm(dim=1, p=2 if norm == "l2" else float("inf"))


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.2), ("l2", 2.0)])
class TestWorstInputs:
    model = digits.surrogate("plain")
    x, y = digits.split("test").images[:20], digits.split("test").labels[:20]

    def worst(self, norm, eps, steps=6):
        return worst_inputs(self.model, self.x, self.y, eps=eps, norm=norm, steps=steps)

    def test_stay_in_the_ball_and_the_range(self, norm, eps):
        found = self.worst(norm, eps)
        assert length(found - self.x, norm).max() <= eps + 1e-5
        assert 0 <= found.min() <= found.max() <= 1

    def test_are_worse_than_the_start_and_than_noise(self, norm, eps):
        def loss(x):
            return F.cross_entropy(self.model(x), self.y)

        noise = torch.rand(self.x.shape, generator=generator(0)) * 2 - 1
        noise = eps * noise / length(noise, norm)[:, None, None, None]
        around = (self.x + noise).clamp(0, 1)
        assert loss(self.worst(norm, eps)) > 10 * max(loss(self.x), loss(around))

    def test_are_those_of_a_hand_written_loop(self, norm, eps):
        x = self.x
        for _ in range(20):
            x = x.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(F.cross_entropy(self.model(x), self.y), x)
            slope = slope.sign() if norm == "linf" else slope / _column(length(slope, norm))
            moved = x.detach() + 2.5 * eps / 20 * slope
            if norm == "linf":
                change = (moved - self.x).clamp(-eps, eps)
            else:
                change = moved - self.x
                change = change * (eps / _column(length(change, norm))).clamp(max=1)
            x = (self.x + change).clamp(0, 1)
        ours = F.cross_entropy(self.model(self.worst(norm, eps, steps=20)), self.y)
        assert abs(float(ours / F.cross_entropy(self.model(x), self.y)) - 1) < 0.1

    def test_leave_the_model_in_its_mode(self, norm, eps):
        model = train_classifier(*data(50), seed=0, **SCHEDULE).train()
        worst_inputs(model, self.x, self.y, eps=eps, norm=norm, steps=1)
        assert model.training


def _column(lengths):
    return lengths.clamp(min=1e-12)[:, None, None, None]


def test_a_little_vae_training_beats_the_mean_image():
    images, _ = data(1000)
    vae = train_vae(images, seed=0, epochs=6, batch_size=50, learning_rate=3e-3)
    test = digits.split("test").images[:200]
    with torch.no_grad():
        rebuilt, _, _ = vae(test)
    error = (rebuilt - test).square().sum()
    assert error < 0.9 * (test - digits.split("surrogate_train").images.mean(0)).square().sum()


def test_the_inner_search_leaves_every_part_in_its_mode():
    frozen = torch.nn.BatchNorm2d(1).eval()
    model = torch.nn.Sequential(frozen, torch.nn.Flatten(), torch.nn.Linear(16, 3)).train()
    frozen.eval()
    images = torch.rand(4, 1, 4, 4)
    worst = worst_inputs(model, images, torch.tensor([0, 1, 2, 0]), eps=0.1, norm="l2", steps=2)
    assert not torch.equal(worst, images)
    assert model.training
    assert model[2].training
    assert not frozen.training
