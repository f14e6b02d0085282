from functools import partial

import pytest
import torch
from torch import nn

from xhat.core import generator
from xhat.domain import References
from xhat.domain.references import label_loss
from xhat.surrogates import ReferenceSamples


def classifier():
    draws = generator(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3, bias=False)).eval()
    model[1].weight.data = 2 * torch.randn(3, 16, generator=draws)
    return model


def encode(x):
    return x.flatten(1)[:, :5]


def references(**given):
    x = torch.rand(600, 1, 4, 4, generator=generator(3))
    return References(ReferenceSamples(x, classifier()(x).argmax(1)).first(200), **given)


def test_what_is_typical_is_kept_while_the_model_stays_what_it_is():
    known, model, calls = references(), classifier(), []
    model.register_forward_hook(lambda *_: calls.append(1))
    first = known.typical_uncertainty(model, 0.5)
    asked = len(calls)
    assert torch.equal(known.typical_uncertainty(model, 0.5), first)
    assert len(calls) == asked
    assert not torch.equal(known.typical_uncertainty(model, 0.9), first)
    with torch.no_grad():
        model[1].weight.mul_(2)
    changed = known.typical_uncertainty(model, 0.5)
    assert not torch.equal(changed, first)
    assert torch.equal(changed, known.typical(partial(label_loss, model), 0.5))


def test_what_may_hold_anything_is_not_kept():
    known, scale = references(), [1.0]

    def model(x):
        return scale[0] * classifier()(x)

    first = known.typical_uncertainty(model, 0.5)
    scale[0] = 3.0
    assert not torch.equal(known.typical_uncertainty(model, 0.5), first)


def test_only_so_many_are_kept():
    known, model = references(), classifier()
    for k in range(40):
        known.typical_uncertainty(model, (k + 1) / 41)
    assert len(known._memory) == 32


def test_the_middle_needs_a_latent_space():
    with pytest.raises(ValueError, match="no latent space"):
        references().typical_centrality(0.9)
    assert references(encoder=encode).typical_centrality(0.9).shape == (3,)
