import pytest
import torch
import torch.nn.functional as F

from xhat.core import UnreadableFileError, sha256_of
from xhat.learning import count_parameters, load_checkpoint, predict, rotate
from xhat_zoo import digits
from xhat_zoo.digits import networks

NAMES = (*digits.SURROGATES, *digits.GUARDS, "vae", "denoiser", *digits.JUDGES, digits.AUTOENCODER)


class TestSplits:
    def test_training_splits_are_disjoint_and_make_up_mnist(self):
        parts = [digits.split(name) for name in digits.SPLITS if name != "test"]
        index = torch.cat([part.index for part in parts])
        assert torch.equal(index.sort().values, torch.arange(60_000))

    @pytest.mark.parametrize("name", digits.SPLITS)
    def test_a_split_is_what_its_record_says(self, name):
        part = digits.split(name)
        n = digits.SPLITS[name]
        assert len(part) == n
        assert part.images.shape == part.upright.shape == (n, 1, 28, 28)
        assert part.images.dtype == torch.float32
        assert part.labels.dtype == torch.int64
        assert 0 <= part.images.min() <= part.images.max() <= 1
        assert part.angles.abs().max() <= 45
        assert abs(float(part.angles.std()) - 90 / 12**0.5) < 1
        assert part.labels.bincount().min() > 0.08 * n
        again = rotate(part.upright[:50], part.angles[:50]).clamp(0, 1)
        assert torch.allclose(part.images[:50], again, atol=1e-6)

    def test_a_split_is_the_same_object_each_time(self):
        assert digits.split("test") is digits.split("test")

    def test_rejects_an_unknown_split(self):
        with pytest.raises(ValueError, match="split must be one of surrogate_train"):
            digits.split("train")


class TestPairs:
    def test_every_start_meets_every_target(self):
        found = digits.pairs(3)
        assert len(found) == 300
        order = [
            (number, digit, target)
            for number in range(3)
            for digit in range(10)
            for target in range(10)
        ]
        assert found.start_label.tolist() == [digit for _, digit, _ in order]
        assert found.target.tolist() == [target for _, _, target in order]
        assert torch.equal(digits.split("test").labels[found.index], found.start_label)
        assert len(found.index.unique()) == 30
        assert torch.equal(found.starts, digits.split("test").images[found.index])
        assert int((found.start_label == found.target).sum()) == 30

    @pytest.mark.parametrize("n", [1, 2, 5, 20])
    def test_fewer_are_a_prefix_of_more(self, n):
        few, more = digits.pairs(n), digits.pairs(n + 1)
        for name in ("index", "start_label", "target"):
            assert torch.equal(getattr(few, name), getattr(more, name)[: len(few)])

    @pytest.mark.parametrize(
        ("n", "error"), [(0, ValueError), (1000, ValueError), (1.5, TypeError), (True, TypeError)]
    )
    def test_rejects_other_numbers(self, n, error):
        with pytest.raises(error, match="the starts per class must"):
            digits.pairs(n)


def test_fashion_is_images_like_the_digits():
    x = digits.fashion()
    assert x.shape == (1000, 1, 28, 28)
    assert (x.min(), x.max()) == (0, 1)


class TestShippedModels:
    @pytest.mark.parametrize("name", NAMES)
    def test_card_is_true_of_the_file(self, name):
        model, card = load_checkpoint(digits.WEIGHTS, name)
        assert card == digits.card(name)
        assert card.sha256 == sha256_of(digits.WEIGHTS / f"{name}.safetensors")
        assert card.parameters == count_parameters(model)
        assert card.name == card.recipe == name
        assert card.split_size == digits.SPLITS[card.split]
        assert card.command == f"xhat train digits --recipe {name} --seed {card.seed}"
        assert (card.split == "judge_train") == name.startswith("judge-")

    @pytest.mark.parametrize(
        "name", [name for name in NAMES if name not in ("vae", "denoiser", digits.AUTOENCODER)]
    )
    def test_accuracy_on_the_card_is_measured_again(self, name):
        model, card = load_checkpoint(digits.WEIGHTS, name)
        test = digits.split("test")
        logits = predict(model, test.images)
        accuracy = (logits.argmax(1) == test.labels).double().mean()
        assert card.metrics["samples"] == len(test)
        assert abs(float(accuracy) - card.metrics["accuracy"]) < 1e-3
        assert abs(float(F.cross_entropy(logits, test.labels)) - card.metrics["nll"]) < 1e-3

    def test_plain_is_accurate_and_judges_know_clothes(self):
        assert digits.card("plain").metrics["accuracy"] >= 0.99
        for name in digits.JUDGES:
            metrics = digits.card(name).metrics
            assert metrics["none_on_fashion"] > 0.7
            assert metrics["none_on_digits"] < 0.02

    def test_all_weights_together_are_small(self):
        sizes = [path.stat().st_size for path in digits.WEIGHTS.glob("*.safetensors")]
        assert len(sizes) == len(NAMES) + 1  # the prior, which has a command of its own
        assert sum(sizes) <= 15_500_000

    def test_the_prior_is_what_its_card_says(self):
        prior, card = digits.prior(), digits.card("prior")
        assert card.command == "python -m xhat_zoo.digits.prior_training --steps 9000 --seed 0"
        assert card.parameters == count_parameters(prior) < 300_000
        test = digits.split("test")
        u, labels = prior.coordinates.into(test.images[:500]), test.labels[:500]
        noised = u + torch.randn(u.shape, generator=torch.Generator().manual_seed(1))
        error = float((prior.denoised(noised, 1.0, labels, None) - u).square().mean())
        assert abs(error / card.metrics["squared_error_at_1_known"] - 1) < 0.1

    def test_loaders_give_frozen_models_of_the_right_shape(self):
        x = digits.split("test").images[:3]
        for name in digits.SURROGATES:
            assert digits.surrogate(name)(x).shape == (3, 10)
        for name in digits.GUARDS:
            assert digits.guard(name)(x).shape == (3, 10)
        for name in digits.JUDGES:
            assert digits.judge(name)(x).shape == (3, 11)
        vae = digits.vae()
        assert vae.decode(vae.encode(x)).shape == x.shape
        assert not any(p.requires_grad for p in vae.parameters())

    def test_loaders_reject_other_names(self):
        for load in (digits.surrogate, digits.judge, digits.card):
            with pytest.raises(ValueError, match="must be one of"):
                load("nothing")


def test_missing_weights_give_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "WEIGHTS", tmp_path)
    with pytest.raises(UnreadableFileError, match=r"plain\.json cannot be read"):
        digits.surrogate("plain")
