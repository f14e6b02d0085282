"""Laws of every part of a recipe on every kind of data."""

import math

import pytest
import torch

from tests.training import domains
from xhat.core import generator
from xhat.learning import CORRUPTIONS, DAMAGE, corrupt, load_checkpoint
from xhat.surrogates import PARTS, LabelSmoothing, Outliers, apart, compose
from xhat.surrogates.unlike import KINDS
from xhat.training import train

SIGNAL = {
    "plain": [],
    "quick": [],
    "wide": ["LabelSmoothing"],
    "robust": ["Adversarial"],
    "robust-linf": ["Adversarial"],
    "trades": ["Trades"],
    "noise": ["Corrupted"],
    "noise-soft": ["Corrupted"],
    "outliers": ["OutlierExposure"],
    "astray": ["OutlierExposure"],
    "smooth": ["LabelSmoothing"],
}


@pytest.mark.filterwarnings("ignore:the gradient towards the goal vanishes")
@pytest.mark.parametrize("kind", domains.KINDS)
@pytest.mark.parametrize("part", PARTS)
def test_every_part_trains_on_every_kind_and_the_card_names_it(part, kind, tmp_path):
    domain = domains.small(kind)
    made = train(domain, part, out=tmp_path, epochs=2)
    model, card = load_checkpoint(tmp_path, f"{kind}-{part}")
    assert card == made.card
    assert torch.isfinite(model(domain.x)).all()
    assert torch.equal(model(domain.x[:5]), made.model(domain.x[:5]))
    told = [each["signal"] for each in card.hyperparameters["signals"]]
    turned = "RotationConsistency" if kind == "image" else "NoiseConsistency"
    assert told == SIGNAL.get(part, [turned])
    assert card.hyperparameters["classes"] == list(domain.classes)
    assert all(math.isfinite(value) for value in card.metrics.values())


@pytest.mark.parametrize("kind", domains.KINDS)
def test_a_training_repeats_with_its_seed(kind, tmp_path):
    first, again, other = (
        train(domains.small(kind), "noise+outliers", out=tmp_path, epochs=1, seed=seed).card
        for seed in (0, 0, 1)
    )
    assert first.sha256 == again.sha256 != other.sha256


@pytest.mark.parametrize("kind", domains.KINDS)
class TestOutliers:
    def source(self, kind):
        x = domains.small(kind).x
        low, high = (float(end) for end in torch.aminmax(x))
        return Outliers(x, domains.small(kind).labels, (low, high))

    @pytest.mark.parametrize("made", KINDS)
    def test_lie_within_the_limits_and_are_no_samples(self, kind, made):
        source = self.source(kind)
        found = source.draw(40, generator(0), (made,))
        assert found.shape == (40, *source.x.shape[1:])
        assert source.limits[0] <= found.min() <= found.max() <= source.limits[1]
        assert torch.cdist(found.flatten(1), source.x.flatten(1)).amin(1).median() > 1e-3
        assert torch.equal(found, source.draw(40, generator(0), (made,)))

    def test_those_to_train_on_are_none_of_those_to_test_on(self, kind):
        assert not {*Outliers.kinds} & {*Outliers.tested}
        assert {*Outliers.kinds, *Outliers.tested} == {*KINDS}
        assert len(self.source(kind).draw(7, generator(0))) == 7

    def test_halves_are_of_two_classes(self, kind):
        x = domains.small(kind).x
        labels = torch.arange(len(x)) % 2
        shown = labels.reshape(-1, *[1] * (x.ndim - 1)).expand_as(x).float()
        found = Outliers(shown, labels).draw(20, generator(0), ("halves",)).flatten(1).mean(1)
        assert ((found > 0) & (found < 1)).all()


def test_outliers_need_two_classes():
    with pytest.raises(ValueError, match="at least two different classes"):
        Outliers(torch.rand(4, 3), torch.zeros(4, dtype=torch.long))


@pytest.mark.parametrize("kind", domains.KINDS)
def test_damage_begins_with_nothing_and_grows(kind):
    x = domains.small(kind).x[:30]
    unit = (x - x.amin()) / (x.amax() - x.amin())
    for damage in DAMAGE[kind]:
        moved = [
            (corrupt(damage, unit, torch.full((30,), severity), generator(0)) - unit).abs().mean()
            for severity in (0.0, 0.3, 1.0)
        ]
        assert moved[0] < 1e-6 < moved[1] < moved[2]
    assert {*CORRUPTIONS} >= {*DAMAGE[kind]}


def test_gaps_are_straight_lines():
    x = torch.rand(8, 2, 40, generator=generator(0))
    found = corrupt("gaps", x, torch.full((8,), 0.5), generator(1))
    bend = found.diff(n=2, dim=-1).abs()
    assert ((bend < 1e-5).sum(-1) >= 15).all()
    assert ((found == x).sum(-1) >= 19).all()


class TestCompose:
    def test_parts_act_in_the_order_of_their_rank(self):
        names = [part.name for part in compose("smooth+robust+outliers+noise").acting]
        assert names == ["noise", "outliers", "robust", "smooth"]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("robust+best", "part of a recipe must be one of plain"),
            ("robust+plain", "has 2 bases, robust and plain"),
            ("outliers+outliers", "names outliers twice"),
            ("noise+noise-soft", "has noise and noise-soft, which exclude each other"),
            ("astray+outliers", "exclude each other; choose one"),
            ("", "part of a recipe must be one of plain"),
        ],
    )
    def test_refuses_what_does_not_compose(self, name, message):
        with pytest.raises(ValueError, match=message):
            compose(name)

    def test_takes_parts_of_a_task(self):
        own = {"plain": PARTS["plain"], "smooth": PARTS["smooth"]}
        (signal,) = compose("smooth", own).terms(None)
        assert signal == LabelSmoothing(0.1)
        with pytest.raises(ValueError, match="must be one of plain, smooth, but is 'noise'"):
            compose("noise", own)


def test_how_far_classes_lie_apart():
    x, labels = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.5]]), torch.tensor([0, 1, 1])
    assert apart(x, labels, 0) == pytest.approx(5.0, abs=0.1)
    assert apart(x, labels, 0, "linf") == pytest.approx(4.0, abs=0.1)
