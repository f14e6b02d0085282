from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from xhat.core import generator
from xhat.engine import Problem
from xhat.spaces import Box, Latent
from xhat.surrogates import Exemplars
from xhat_zoo.digits.methods import METHODS, Exemplary, Known, Method, method
from xhat_zoo.digits.methods.known import unsure

STARTS = torch.rand(6, 1, 4, 4, generator=generator(0))
TARGET = torch.tensor([0, 1, 2, 0, 1, 2])


def classifier():
    torch_generator = generator(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3, bias=False)).eval()
    model[1].weight.data = 2 * torch.randn(3, 16, generator=torch_generator)
    return model


def encode(x):
    return x.flatten(1)[:, :5]


def decode(z):
    return z.tile(4)[:, :16].reshape(-1, 1, 4, 4).sigmoid()


def space(how):
    if how.space == "warped":
        return how.space_for(classifier(), STARTS, TARGET)
    return Box(0, 1) if how.space == "box" else Latent(encode, decode)


def given(name):
    """A method; the one that begins at real samples with some of this small world."""
    how = method(name)
    return replace(how, known=known) if isinstance(how, Exemplary) else how


def known():
    x = torch.rand(600, 1, 4, 4, generator=generator(3))
    return Known(Exemplars(x, classifier()(x).argmax(1)).first(200))


def test_the_methods_are_there_under_their_own_names():
    names = ["plain", "pgd", "proximal", "robust", "latent", "latent-robust", "xhat"]
    assert list(METHODS) == names
    assert all(name == how.name for name, how in METHODS.items())
    assert len({how.caption for how in METHODS.values()}) == 7


@pytest.mark.parametrize("name", METHODS)
def test_each_method_asks_a_valid_question(name):
    how = given(name)
    problem = how.problem(classifier(), STARTS, TARGET, space(how))
    assert isinstance(problem, Problem)
    assert problem.rows == 6
    result = how.search(classifier(), STARTS, TARGET, space(how), max_steps=5)
    assert result.x.shape == STARTS.shape
    assert bool(result.feasible.all())
    assert result.targeted
    assert not torch.equal(result.x, STARTS)


def test_each_method_differs_from_plain_in_what_its_name_says():
    question = ("surrogate", "space", "radius", "proximity", "prior")
    plain = METHODS["plain"]
    changed = {
        name: {key for key in question if getattr(how, key) != getattr(plain, key)}
        for name, how in METHODS.items()
    }
    assert changed == {
        "plain": set(),
        "pgd": {"radius"},
        "proximal": {"proximity"},
        "robust": {"surrogate"},
        "latent": {"space"},
        "latent-robust": {"space", "surrogate", "prior"},
        "xhat": {"space", "proximity"},
    }


def test_pgd_stays_in_its_ball_and_plain_does_not():
    found = {
        name: METHODS[name].search(classifier(), STARTS, TARGET, Box(0, 1), confidence=0.9999)
        for name in ("plain", "pgd")
    }
    moved = {name: float((of.x - of.x0).abs().max()) for name, of in found.items()}
    assert moved["pgd"] <= 0.3 + 1e-6 < moved["plain"]


def test_proximal_stays_nearer_than_plain():
    near, plain = (
        METHODS[name].search(classifier(), STARTS, TARGET, Box(0, 1), confidence=0.9999)
        for name in ("proximal", "plain")
    )
    assert float((near.x - near.x0).norm()) < float((plain.x - plain.x0).norm())


def test_the_prior_of_a_latent_method_stands_in_its_loss():
    latent = Latent(encode, decode)
    z = torch.randn(6, 5, generator=generator(2))
    loss, without = (
        Method("own", "", space="latent", prior=prior)
        .problem(classifier(), STARTS, TARGET, latent)
        .objective.measure(decode(z), z)
        .loss
        for prior in (0.25, 0.0)
    )
    torch.testing.assert_close(loss - without, 0.25 / 2 * z.square().sum(1))


def test_xhat_begins_at_a_real_sample_and_comes_nearer():
    how = replace(given("xhat"), share=0.999)  # surer than any real sample it need not be
    model, place = classifier(), space(how)
    found = how.search(model, STARTS, TARGET, place)
    before, after = ((x - STARTS).flatten(1).norm(dim=1) for x in (place.exemplars, found.x))
    crossing = model(STARTS).argmax(1) != TARGET
    assert crossing.any()
    assert (after < before)[crossing].all()
    assert found.reached.all()


def test_xhat_leaves_a_start_that_is_there_already():
    how, model = given("xhat"), classifier()
    x = known().exemplars
    best = torch.stack([x.of(k)[model(x.of(k)).softmax(1)[:, k].argmax()] for k in range(3)])
    place = how.space_for(model, best, torch.arange(3))
    found = how.search(model, best, torch.arange(3), place)
    torch.testing.assert_close(found.x, best, atol=1e-4, rtol=0)


def test_xhat_needs_real_samples_and_its_own_space():
    bare = replace(METHODS["xhat"], known=None)
    with pytest.raises(ValueError, match=r"method xhat needs real samples; give known="):
        bare.space_for(classifier(), STARTS, TARGET)
    with pytest.raises(TypeError, match=r"method xhat searches in Warped, not Box"):
        given("xhat").problem(classifier(), STARTS, TARGET, Box(0, 1))


def test_an_unknown_method_is_refused_with_those_there_are():
    assert method("pgd") is METHODS["pgd"]
    with pytest.raises(ValueError, match=r"method must be one of plain, pgd, .* but is 'magic'"):
        method("magic")


def test_only_the_method_that_knows_real_samples_searches_among_them():
    with pytest.raises(ValueError, match=r"method bent .* among bent real samples.*Exemplary"):
        Method("bent", "", space="warped").space_for(classifier(), STARTS, TARGET)


class TestKnown:
    def test_what_is_usual_is_remembered_while_the_model_stays_what_it_is(self):
        given, model, calls = known(), classifier(), []
        model.register_forward_hook(lambda *_: calls.append(1))
        first = given.usually_unsure(model, 0.5)
        asked = len(calls)
        assert torch.equal(given.usually_unsure(model, 0.5), first)
        assert len(calls) == asked
        assert not torch.equal(given.usually_unsure(model, 0.9), first)
        with torch.no_grad():
            model[1].weight.mul_(2)
        changed = given.usually_unsure(model, 0.5)
        assert not torch.equal(changed, first)
        assert torch.equal(changed, given.usual(partial(unsure, model), 0.5))

    def test_what_may_hold_anything_is_not_remembered(self):
        given, scale = known(), [1.0]

        def model(x):
            return scale[0] * classifier()(x)

        first = given.usually_unsure(model, 0.5)
        scale[0] = 3.0
        assert not torch.equal(given.usually_unsure(model, 0.5), first)

    def test_only_so_many_are_remembered(self):
        given, model = known(), classifier()
        for k in range(40):
            given.usually_unsure(model, (k + 1) / 41)
        assert len(given._memory) == 32

    def test_the_middle_needs_a_latent_space(self):
        with pytest.raises(ValueError, match="no latent space"):
            known().usually_central(0.9)
        bent = Known(known().exemplars, encoder=encode)
        assert bent.usually_central(0.9).shape == (3,)
