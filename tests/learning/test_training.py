from types import MappingProxyType

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from xhat.core import generator
from xhat.learning import EpochRecord, build, fit, predict
from xhat_zoo import digits


def loss(model, x, y, generator):
    return F.cross_entropy(model(x), y)


def trained(seed=0, model_seed=0, **options):
    data = digits.split("surrogate_train")
    model = build("SmallCNN", seed=model_seed)
    settings = {"epochs": 2, "batch_size": 64, "learning_rate": 1e-3} | options
    records = fit(model, data.images[:500], data.labels[:500], loss, seed=seed, **settings)
    return model, records


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_fit_lowers_the_loss_and_ends_in_evaluation_mode():
    seen = []
    model, records = trained(epochs=4, on_epoch=seen.append)
    assert records[-1].loss < 0.7 * records[0].loss
    assert seen == list(records)
    assert [(r.epoch, r.epochs) for r in records] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert isinstance(records[0], EpochRecord)
    assert not model.training


@pytest.mark.parametrize("options", [{}, {"average": 0.9}, {"autocast": True}])
def test_fit_repeats_with_its_seed_and_sets_no_global_state(options):
    before = torch.random.get_rng_state()
    first, second = trained(**options)[0], trained(**options)[0]
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(trained(seed=1, **options)[0]))


def test_one_step_is_adamw_by_hand():
    x, y = torch.rand(8, 3, generator=generator(0)), torch.arange(8) % 2
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    fit(ours, x, y, loss, epochs=1, batch_size=8, learning_rate=0.1, seed=0, weight_decay=0.1)
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=0.1, weight_decay=0.1)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=1, pct_start=0.2)
    F.cross_entropy(theirs(x), y).backward()
    optimizer.step()
    cycle.step()
    assert torch.allclose(weights(ours), weights(theirs), atol=1e-6)


def test_average_is_the_running_mean_of_the_weights():
    seen = []

    def watched(model, x, y, generator):
        seen.append(weights(model))
        return loss(model, x, y, generator)

    x, y = torch.rand(30, 3, generator=generator(0)), torch.arange(30) % 2
    model = nn.Linear(3, 2)
    settings = {"epochs": 2, "batch_size": 10, "learning_rate": 0.1, "seed": 0}
    fit(model, x, y, watched, average=0.9, **settings)
    averaged = weights(model)
    spread = torch.stack(seen)
    assert (averaged - spread.mean(0)).norm() < (spread[0] - spread[-1]).norm()


@pytest.mark.parametrize("rows", range(1, 12))
def test_any_number_of_steps_will_do(rows):
    x, y = torch.rand(rows, 3, generator=generator(0)), torch.arange(rows) % 2
    model = nn.Linear(3, 2)
    settings = {"epochs": 1, "batch_size": 1, "learning_rate": 0.1, "seed": 0}
    fit(model, x, y, loss, **settings)
    assert bool(weights(model).isfinite().all())


def test_frozen_parameters_stay():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    model[0].requires_grad_(False)
    before = model[0].weight.clone(), model[1].weight.clone()
    x, y = torch.rand(8, 3), torch.arange(8) % 2
    fit(model, x, y, loss, epochs=1, batch_size=4, learning_rate=0.1, seed=0)
    assert torch.equal(model[0].weight, before[0])
    assert not torch.equal(model[1].weight, before[1])


def test_predict_is_the_model_in_batches():
    model = build("MLP", seed=0).eval()
    x = torch.rand(7, 1, 28, 28)
    assert torch.allclose(predict(model, x, batch_size=3), model(x), atol=1e-6)


class TestRejects:
    x, y = torch.rand(4, 3), torch.zeros(4, dtype=torch.long)
    settings = MappingProxyType({"epochs": 1, "batch_size": 2, "learning_rate": 0.1, "seed": 0})

    def test_different_lengths_and_nothing(self):
        for x, y in ((self.x, self.y[:3]), (self.x[:0], self.y[:0])):
            with pytest.raises(ValueError, match="the same number of rows, at least one"):
                fit(nn.Linear(3, 2), x, y, loss, **self.settings)

    @pytest.mark.parametrize("name", ["epochs", "batch_size", "learning_rate", "average"])
    def test_numbers_out_of_range(self, name):
        with pytest.raises(ValueError, match="must be above 0"):
            fit(nn.Linear(3, 2), self.x, self.y, loss, **{**self.settings, name: 0})

    def test_a_loss_that_is_not_finite(self):
        with pytest.raises(ArithmeticError, match="became nan in epoch 1 of 1"):
            fit(
                nn.Linear(3, 2),
                self.x,
                self.y,
                lambda m, x, y, g: m(x).sum() * float("nan"),
                **self.settings,
            )
