"""Laws of priors: coordinates come back, noise goes, and the start and what is wanted count."""

import pytest
import torch
from sklearn.datasets import load_diabetes

from tests.domains import small_digits, wine
from xhat.core import generator
from xhat.priors import (
    FEWEST,
    KernelPrior,
    LearnedPrior,
    Quantiles,
    Standard,
    coordinates_of,
    fit_prior,
    groups_of,
    pairs,
    typical,
    untrained,
)
from xhat.priors.pairs import apart


def draws(*shape):
    return torch.randn(shape, generator=generator(0, "priors"))


@pytest.mark.parametrize("shape", [(7,), (2, 13), (1, 9, 6), (3, 8, 8)])
def test_coordinates_are_standard_and_come_back(shape):
    x = 40 + 7 * draws(300, *shape)
    coordinates = coordinates_of(x)
    u = coordinates.into(x)
    assert abs(float(u.mean())) < 0.05
    assert abs(float(u.std()) - 1) < 0.1
    assert torch.allclose(coordinates.out(u), x, atol=1e-3)
    if len(shape) > 1:
        assert all(side % 4 == 0 and side >= 8 for side in u.shape[2:])


def test_quantiles_make_any_column_normal_and_go_on_beyond_what_was_seen():
    x = torch.stack((draws(400).exp(), draws(400).round(), torch.full((400,), 3.0)), dim=1)
    coordinates = Quantiles(3).fitted(x)
    u = coordinates.into(x)
    assert abs(float(u[:, 0].std()) - 1) < 0.1
    assert torch.allclose(coordinates.out(u)[:, :2], x[:, :2], atol=1e-3)
    far = torch.tensor([[1e3, 50.0, 9.0]])
    assert bool((coordinates.into(far) > u.amax(dim=0)).all())
    there = u[:5].clone().requires_grad_(True)
    coordinates.out(there)[:, 0].sum().backward()
    assert bool((there.grad[:, 0] > 0).all())
    assert isinstance(coordinates_of(draws(20, 1, 8)), Standard)


def test_pairs_are_near_typical_and_of_the_group():
    domain = small_digits()
    x, y = domain.x[:400], domain.labels[:400]
    found = pairs(x.flatten(1), y)
    assert found.shape == (400, 10, 4)
    assert bool((y[found] == torch.arange(10)[None, :, None]).all())
    own = found[torch.arange(400), y]
    assert bool((own == torch.arange(400)[:, None]).all())
    allowed = typical(x.flatten(1), y)
    others = found[y[:, None] != torch.arange(10)]
    assert bool(allowed[others].all())
    assert 0.6 < float(allowed.float().mean()) < 0.9
    far = torch.cdist(x.flatten(1), x.flatten(1))
    near = far[torch.arange(400)[:, None], found[:, :, 0]]
    of_class = torch.stack([far[:, y == k].median(dim=1).values for k in range(10)], dim=1)
    assert float((near <= of_class).float().mean()) > 0.99


def test_what_a_classifier_doubts_is_no_target():
    x, y = draws(200, 3), torch.arange(200) % 2
    doubt = torch.zeros(200)
    doubt[:10] = 5.0
    assert not bool(typical(x, y, doubt)[:10].any())


def test_groups_are_classes_or_tenths_of_values():
    assert groups_of(None, None, 3).tolist() == [0, 0, 0]
    assert groups_of(torch.tensor([2, 0]), None, 2).tolist() == [2, 0]
    assert groups_of(None, draws(1000), 1000).bincount().tolist() == [100] * 10


def test_values_lie_as_far_apart_as_the_farthest_tenth():
    line = torch.linspace(0, 1, 1_000)[:, None]
    tenth = groups_of(None, line, 1_000)
    assert apart(line, tenth) < 0.06
    assert 0.6 < apart(line, tenth, ordered=True) < 0.7
    two = (tenth > 4).long()
    assert apart(line, two) == pytest.approx(apart(line, two, ordered=True))


@pytest.mark.parametrize("made", ["classes", "values", "alone"])
def test_the_closed_form_takes_noise_away(made):
    data = wine()
    x = data.x if made != "values" else torch.tensor(load_diabetes().data).float()
    labels = data.labels if made == "classes" else None
    values = torch.tensor(load_diabetes().target)[:, None].float() if made == "values" else None
    prior = fit_prior(
        x[::2], labels if labels is None else labels[::2], None if values is None else values[::2]
    )
    assert isinstance(prior, KernelPrior)
    held = prior.coordinates.into(x[1::2])
    wanted = labels[1::2] if labels is not None else None if values is None else values[1::2]
    for sigma in (0.3, 1.0, 3.0):
        noised = held + sigma * draws(*held.shape)
        found = prior.denoised(noised, sigma, wanted, None)
        assert found.shape == held.shape
        error = (found - held).square().mean()
        assert float(error) < 0.9 * sigma**2
        assert float(error) < 1.1  # no worse than the mean of all


def test_the_start_and_what_is_wanted_count_in_closed_form():
    domain = wine()
    prior = fit_prior(domain.x, domain.labels)
    u = prior.coordinates.into(domain.x)
    start, wanted = u[:20], torch.full((20,), 2)
    far = 20 * draws(*start.shape)
    known = prior.denoised(far, 20.0, wanted, start)
    alone = prior.denoised(far, 20.0, wanted, None)
    assert bool(((known - start).norm(dim=1) < (alone - start).norm(dim=1)).float().mean() > 0.9)
    middle = u[domain.labels == 2].mean(dim=0)
    assert bool(((alone - middle).norm(dim=1) < (alone - u.mean(dim=0)).norm(dim=1)).all())


def test_a_network_learns_which_class_and_start(monkeypatch, tmp_path):
    monkeypatch.setenv("XHAT_CACHE", str(tmp_path))
    labels = torch.arange(1_200) % 2
    waves = torch.linspace(0, 6.28, 16).sin()
    heights = 0.5 + torch.rand(1_200, generator=generator(1, "heights"))
    x = (heights * (2.0 * labels - 1))[:, None, None] * waves + 0.05 * draws(1_200, 1, 16)
    seen = []
    prior = fit_prior(x, labels, steps=150, on_progress=lambda *told: seen.append(told))
    assert isinstance(prior, LearnedPrior)
    assert seen[-1][:1] == ("prior",)
    assert seen[-1][1] == seen[-1][2]
    assert not list(tmp_path.glob("*.unfinished"))
    u = prior.coordinates.into(x[:100])
    hidden = prior.denoised(20 * draws(*u.shape), 20.0, 1 - labels[:100], u)
    side = (hidden * prior.coordinates.into(waves.expand(1, 1, 16))).sum(dim=(1, 2)).sign()
    assert float((side == 1 - 2.0 * labels[:100]).float().mean()) > 0.95
    again = untrained((1, 16), 2)
    again.load_state_dict(prior.state_dict())
    told = (0.5 * u, 0.5, labels[:100], None)
    assert torch.equal(again.eval().denoised(*told), prior.denoised(*told))


def test_an_interrupted_fit_goes_on_to_the_same_prior(monkeypatch, tmp_path):
    monkeypatch.setenv("XHAT_CACHE", str(tmp_path))
    x, values = draws(1_000, 1, 8), torch.linspace(0, 1, 1_000)
    whole = fit_prior(x, None, values, steps=32)

    def stop(name, done, _):
        if name == "prior" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_prior(x, None, values, steps=32, on_progress=stop)
    assert len(list(tmp_path.glob("prior-*.unfinished"))) == 1
    epochs = []
    found = fit_prior(x, None, values, steps=32, on_progress=lambda *told: epochs.append(told))
    assert next(told[1] for told in epochs if told[0] == "prior") == 3
    for name, value in whole.state_dict().items():
        assert torch.equal(value, found.state_dict()[name]), name
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_damaged_file_of_an_unfinished_fit_is_left_aside(monkeypatch, tmp_path):
    monkeypatch.setenv("XHAT_CACHE", str(tmp_path))
    x = draws(1_000, 1, 8)

    def stop(name, done, _):
        if name == "prior" and done == 1:
            raise KeyboardInterrupt

    names = set()
    for doubt in (None, torch.arange(1_000.0)):  # other pairs are another training
        with pytest.raises(KeyboardInterrupt):
            fit_prior(x, None, None, doubt, steps=32, on_progress=stop)
        names |= {path.name for path in tmp_path.glob("*.unfinished")}
    assert len(names) == 2
    for name in names:
        (tmp_path / name).write_bytes(b"nothing of the kind")
    assert fit_prior(x, steps=32).name == "network"
    monkeypatch.setenv("XHAT_CACHE", "")
    assert fit_prior(x, steps=16).name == "network"


def test_too_few_samples_are_told_with_their_number():
    with pytest.raises(ValueError, match=f"takes {FEWEST} samples or more, but there are 5"):
        fit_prior(draws(5, 3))
