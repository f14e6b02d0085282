import pytest
import torch

from studies.structures import STRUCTURES, in_structure
from xhat.core import generator
from xhat.methods import Annealed, Diffused, Guided
from xhat.objectives import CrossEntropy, ScorePrior
from xhat.objectives.goals import Class
from xhat_zoo import digits
from xhat_zoo.digits.domain import digits_domain

X = torch.rand(6, 1, 28, 28, generator=generator(0))
STARTS = digits.pairs(1).starts[:6]


@pytest.mark.parametrize("name", STRUCTURES)
class TestEveryStructure:
    def test_projecting_twice_is_projecting_once_and_nothing_is_violated(self, name):
        structure = STRUCTURES[name]
        once = structure.holds(X, STARTS)
        torch.testing.assert_close(structure.holds(once, STARTS), once, atol=1e-5, rtol=0)
        assert float(structure.violation(once, STARTS).max()) < 1e-5
        assert float(structure.violation(X, STARTS).max()) > 1e-2

    def test_the_gradient_flows_and_is_right(self, name):
        structure = STRUCTURES[name]
        x = X[:1, :, ::4, ::4].double().mul(0.5).add(0.2).requires_grad_(True)
        start = STARTS[:1, :, ::4, ::4].double().mul(0.4).add(0.25)
        if name == "frozen":
            x, start = X[:1].double().requires_grad_(True), STARTS[:1].double()
            moved = torch.autograd.grad(structure.holds(x, start)[..., :14, :].sum(), x)[0]
            assert moved[..., :14, :].min() == 1
            assert moved[..., 14:, :].abs().max() == 0
            return
        assert torch.autograd.gradcheck(lambda x: structure.holds(x, start), x)

    def test_a_search_and_a_diffusion_keep_it(self, name):
        structure, target = STRUCTURES[name], torch.tensor([0, 1, 8, 0, 1, 8])
        model, domain = digits.surrogate("robust"), in_structure(structure)
        for how in (Guided(max_steps=2), Annealed(levels=2), Diffused(levels=3)):
            found = how.search(model, Class(target), STARTS, domain)
            assert float(structure.violation(found.x, STARTS).max()) < 1e-5


def test_ink_is_that_of_the_start():
    found = STRUCTURES["ink"].holds(X, STARTS)
    torch.testing.assert_close(found.flatten(1).sum(1), STARTS.flatten(1).sum(1))
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1


def test_the_nearest_of_several_samples_is_nearer():
    target = torch.tensor([3, 1, 8, 0, 1, 8])
    model = digits.surrogate("plain")

    def moved(tries):
        how = Diffused(levels=4, tries=tries)
        found = how.search(model, Class(target), STARTS, digits_domain())
        again = how.search(model, Class(target), STARTS, digits_domain())
        assert torch.equal(found.x, again.x)
        assert int(found.evaluations[0]) == 8 * tries
        return found

    one, four = moved(1), moved(4)
    assert float(four.loss.mean()) < float(one.loss.mean())


def test_an_annealed_search_counts_its_levels_and_nears_what_the_prior_knows():
    target = torch.tensor([3, 1, 8, 0, 1, 8])
    model, how = digits.surrogate("plain"), Annealed(levels=6, proximity=0.05)
    found = how.search(model, Class(target), STARTS, digits_domain())
    assert torch.equal(found.x0, STARTS)
    assert found.steps.tolist() == [6] * 6
    assert 0 <= float(found.x.min()) < float(found.x.max()) <= 1
    again = how.search(model, Class(target), STARTS, digits_domain())
    assert torch.equal(found.x, again.x)
    prior = ScorePrior(digits.denoiser(), 0.2, target)
    noise = torch.rand(STARTS.shape, generator=generator(1))
    assert float(prior(found.x).mean()) < 0.2 * float(prior(noise).mean())
    with torch.no_grad():
        before, after = (CrossEntropy(model, target)(x).mean() for x in (STARTS, found.x))
    assert float(after) < 0.5 * float(before)
