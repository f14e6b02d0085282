import copy

import pytest
import torch
from torch import nn

from xhat.core import generator
from xhat.learning import CORRUPTIONS, NETWORKS, Jitter, Shift, build, corrupt, fit, short_passes

IMAGES = torch.rand(4, 1, 28, 28, generator=generator(0))
OTHERS = {
    "Surrogate": (IMAGES[:, :, :8, :8],),
    "ResidualSignal": (IMAGES[:, :, 14],),
    "ScalesSignal": (IMAGES[:, :, 14],),
    "Denoiser": (IMAGES, torch.tensor([0.1, 0.5, 1.0, 2.0])),
}


def answers(output):
    return list(output) if isinstance(output, tuple) else [output]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_and_gives_float32_and_its_weights_learn_the_same(name):
    check_short_passes(build(name, seed=0), OTHERS.get(name, (IMAGES,)))


def check_short_passes(model, inputs):
    """Short passes give other digits, float32, and nearly the same gradients of every weight."""
    for parameter in model.parameters():
        if not parameter.any():  # a layer that begins at zero would hide the others
            nn.init.uniform_(parameter, -0.1, 0.1, generator=generator(1))

    def slopes():
        model.zero_grad()
        given = answers(model(*inputs))
        draws = generator(2)
        sum((y * torch.randn(y.shape, generator=draws)).sum() for y in given).backward()
        learnt = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        return given, torch.cat(learnt)

    whole, wanted = slopes()
    with short_passes(model):
        short, found = slopes()
    assert [part.dtype for part in short] == [torch.float32] * len(whole)
    assert not all(torch.equal(a, b) for a, b in zip(short, whole, strict=True))
    assert len(found) == len(wanted)  # no weight is left without its gradient
    assert torch.cosine_similarity(found, wanted, dim=0) > 0.9
    assert all(torch.equal(a, b) for a, b in zip(answers(model(*inputs)), whole, strict=True))


def test_a_pass_without_gradients_takes_none_from_the_next():
    model = nn.Linear(3, 2)
    with short_passes(model):
        with torch.no_grad():
            model(torch.ones(1, 3))
        model(torch.ones(1, 3)).sum().backward()
    assert torch.equal(model.weight.grad, torch.ones(2, 3))


def test_parts_and_copies_are_short_too_and_nothing_stays_behind():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    x = torch.rand(5, 8, generator=generator(0))
    whole = model[0](x)
    with short_passes(model):
        twin = copy.deepcopy(model)
        with torch.no_grad():
            twin[0].weight.zero_()
            twin[0].bias.zero_()
        assert not torch.equal(model[0](x), whole)
        assert torch.equal(twin[0](x), torch.zeros(5, 8))
        assert not torch.is_autocast_enabled("cpu")
    assert torch.equal(model[0](x), whole)
    assert not any("forward" in module.__dict__ for module in model.modules())


def test_a_forward_of_its_own_comes_back_also_after_an_error():
    model = nn.Identity()
    model.forward = own = lambda x: x @ torch.ones(3, 1)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), short_passes(model):
        model(torch.ones(1, 2))
    assert model.forward is own
    assert not torch.is_autocast_enabled("cpu")


def test_a_loss_may_mix_what_the_model_says_with_what_it_knows():
    """Operations that refuse two types: the model's answer and the data must have one."""
    x, y = torch.rand(8, 3, generator=generator(0)), torch.rand(8, 3, generator=generator(1))

    def mixing(model, x, y, draws):
        given = model(x)
        torch.lerp(x, given, 0.5)
        torch.addcmul(given, x, y)
        torch.dot(given[0], x[0])
        changed = torch.empty_like(x)
        changed[torch.arange(4)] = given[:4]
        changed.scatter(0, torch.zeros(1, 3, dtype=torch.int64), given[:1])
        changed.index_add(0, torch.arange(4), given[:4])
        changed.index_copy(0, torch.arange(8), given)
        return torch.cat((given, changed.masked_scatter(changed > 0, given))).mean()

    for autocast in (False, True):
        model = nn.Linear(3, 3)
        settings = {"epochs": 1, "batch_size": 8, "learning_rate": 0.1, "seed": 0}
        (record,) = fit(model, x, y, mixing, autocast=autocast, **settings)
        assert record.loss == record.loss


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", [*CORRUPTIONS, "jitter", "shift"])
def test_images_are_changed_in_their_own_type(kind, dtype):
    def changed(x, severity):
        if kind in CORRUPTIONS:
            return corrupt(kind, x, severity, generator(0))
        change = Jitter(45.0, 1.0, 0.1, 0.1) if kind == "jitter" else Shift(2)
        return change(x, generator(0))

    for severity in (torch.rand(4, generator=generator(1)), torch.ones(1, dtype=torch.float64)):
        found = changed(IMAGES.to(dtype), severity)
        assert found.dtype == dtype
        assert (found.float() - changed(IMAGES, severity)).abs().mean() < 0.05
