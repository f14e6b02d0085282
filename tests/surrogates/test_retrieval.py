import pytest
import torch

from xhat.core import generator
from xhat.surrogates import ReferenceSamples
from xhat.surrogates.transport import prices


def known(n=60, classes=3):
    x = torch.randn(n, 2, 2, generator=generator(0))
    return ReferenceSamples(x, torch.arange(n) % classes)


def test_the_nearest_is_of_the_target_and_no_other_is_nearer():
    have, x = known(), torch.randn(9, 2, 2, generator=generator(1))
    target = torch.arange(9) % 3
    found = have.nearest(x, target)
    for start, label, nearest in zip(x, target, found, strict=True):
        away = (have.of(int(label)) - start).flatten(1).norm(dim=1)
        assert torch.equal(have.of(int(label))[away.argmin()], nearest)


def test_screening_leaves_out_the_worst_of_every_class():
    have = known()
    kept = have.screened([lambda x, _: x[:, 0, 0]], keep=0.75)
    for label in range(3):
        before, after = have.of(label), kept.of(label)
        assert len(after) == 0.75 * len(before)
        assert after[:, 0, 0].max() <= before[:, 0, 0].quantile(0.75)
    both = have.screened([lambda x, _: x[:, 0, 0], lambda x, _: x[:, 1, 1]], keep=0.75)
    assert len(both) < len(kept)


def test_the_first_of_every_class_and_their_features():
    have = known()
    some = have.first(4)
    assert some.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert torch.equal(some.x[4:8], have.of(1)[:4])
    assert len(have.first(30)) == 60
    assert torch.equal(have.features(lambda x: x)[2], have.of(2).flatten(1))


def test_quantiles_are_within_classes():
    have = ReferenceSamples(torch.zeros(4, 1), torch.tensor([0, 0, 2, 2]))
    at = have.quantile(torch.tensor([1.0, 3.0, 5.0, 9.0]), 0.5)
    assert at[[0, 2]].tolist() == [2.0, 7.0]
    assert at[1].isnan()


def test_what_does_not_fit_is_told():
    with pytest.raises(ValueError, match=r"one label each, but 3 samples came with labels of shap"):
        ReferenceSamples(torch.zeros(3, 2), torch.zeros(2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"there is no exemplar of the class 7; give some"):
        known().nearest(torch.zeros(1, 2, 2), torch.tensor([7]))
    with pytest.raises(ValueError, match=r"have shape \(2, 2\), but the starts \(3,\)"):
        known().nearest(torch.zeros(1, 3), torch.tensor([0]))


def test_prices_spread_the_choice_and_cost_little_distance():
    g = torch.Generator().manual_seed(0)
    real = ReferenceSamples(torch.randn(60, 20, generator=g), torch.zeros(60, dtype=torch.long))
    starts = ReferenceSamples(
        torch.randn(400, 20, generator=g) + 0.3, torch.ones(400, dtype=torch.long)
    )
    later = torch.randn(400, 20, generator=g) + 0.3
    target = torch.zeros(400, dtype=torch.long)

    def chosen(share):
        found = real.priced(starts, share).nearest(later, target)
        which = torch.cdist(found, real.x).argmin(1)
        return int(which.bincount(minlength=60).max()), float((found - later).norm(dim=1).mean())

    (hub, near), (some, nearly), (even, far) = chosen(0.0), chosen(0.5), chosen(1.0)
    assert hub > some > even
    assert near < nearly < far < 1.15 * near


def test_without_a_share_prices_change_nothing():
    g = torch.Generator().manual_seed(1)
    real = ReferenceSamples(torch.randn(30, 5, generator=g), torch.arange(30) % 2)
    x, target = torch.randn(9, 5, generator=g), torch.arange(9) % 2
    assert torch.equal(real.priced(real, 0.0).nearest(x, target), real.nearest(x, target))


def test_prices_that_do_not_fit_are_told():
    x, labels = torch.zeros(3, 2), torch.zeros(3, dtype=torch.long)
    with pytest.raises(
        ValueError, match=r"one price each, but 3 samples came with prices of shape"
    ):
        ReferenceSamples(x, labels, torch.zeros(2))
    with pytest.raises(ValueError, match="share must be"):
        ReferenceSamples(x, labels).priced(ReferenceSamples(x, labels + 1), -0.1)
    with pytest.raises(ValueError, match=r"the same shape, but have \(2,\) and \(4,\)"):
        prices(x, torch.zeros(3, 4))
