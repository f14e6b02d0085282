"""Laws of every signal, and what each of them does."""

import json

import pytest
import torch
import torch.nn.functional as F

from xhat.core import generator
from xhat.learning import build, predict
from xhat.surrogates import (
    Adversarial,
    Batch,
    Corrupted,
    LabelSmoothing,
    NoiseConsistency,
    OutlierExposure,
    Outliers,
    RotationConsistency,
    Softness,
    Trades,
    as_distributions,
    astray,
    refuse_overlap,
    train_classifier,
)
from xhat.surrogates.training_terms import TrainingLoss, softened
from xhat_zoo import digits
from xhat_zoo.digits.negatives import Negatives

PART = digits.split("surrogate_train")
SOURCE = Outliers(PART.upright[:200], PART.labels[:200])
SOFTNESS = Softness({"noise": (1.0, 0.4, 0.1), "blur": (0.9, 0.9, 0.9)})
SIGNALS = {
    "smoothing": LabelSmoothing(0.2),
    "damage": Corrupted(),
    "softer damage": Corrupted(kinds=("noise", "blur"), softness=SOFTNESS),
    "outliers": OutlierExposure(SOURCE),
    "own outliers": OutlierExposure(SOURCE, own=digits.split("judge_train").images[:5]),
    "adversary": Adversarial(0.5, steps=2),
    "adversary, Linf": Adversarial(0.1, "linf", steps=2, scattered=True),
    "TRADES": Trades(0.5, steps=2),
    "TRADES, Linf": Trades(0.1, "linf", steps=2),
    "consistency": RotationConsistency(),
    "consistency, noise": NoiseConsistency(),
}
N = 24
PLAIN = digits.surrogate("plain")


def batch(n=N):
    return Batch(PART.images[:n], as_distributions(PART.labels[:n], 10))


def number(value):
    return float(torch.as_tensor(value).detach())


def applied(signal, progress=1.0, seed=0, of=None):
    model = build("SmallCNN", seed=3).train()
    return signal(model, of or batch(), generator(seed, "draws"), progress)


@pytest.mark.parametrize("signal", SIGNALS.values(), ids=SIGNALS)
class TestEverySignal:
    def test_gives_inputs_in_range_and_distributions(self, signal):
        found = applied(signal)
        assert len(found.x) == len(found.p) >= N
        assert found.x.shape[1:] == (1, 28, 28)
        assert 0 <= found.x.min() <= found.x.max() <= 1
        assert found.p.min() >= 0
        assert torch.allclose(found.p.sum(1), torch.ones(len(found.p)), atol=1e-5)

    def test_leaves_the_batch_and_the_model_alone(self, signal):
        given, model = batch(), build("SmallCNN", seed=3).train()
        x, p = given.x.clone(), given.p.clone()
        before = [value.clone() for value in model.state_dict().values()]
        signal(model, given, generator(0), 0.5)
        assert torch.equal(given.x, x)
        assert torch.equal(given.p, p)
        assert model.training
        assert all(
            torch.equal(a, b) for a, b in zip(before, model.state_dict().values(), strict=True)
        )
        assert all(parameter.grad is None for parameter in model.parameters())

    def test_repeats_with_its_seed(self, signal):
        a, b = applied(signal), applied(signal)
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.p, b.p)
        assert number(a.extra) == number(b.extra)

    def test_describes_itself_for_a_card(self, signal):
        told = signal.describe()
        assert told["signal"] == type(signal).__name__
        assert "source" not in told
        assert "own" not in told
        assert json.dumps(told, default=vars)

    def test_trains(self, signal):
        model = train_classifier(
            PART.upright[:40],
            PART.labels[:40],
            seed=0,
            terms=[signal],
            epochs=1,
            batch_size=20,
            learning_rate=1e-3,
        )
        assert torch.isfinite(predict(model, PART.images[:5])).all()


def test_no_signal_is_the_textbook_loss():
    model, given = build("SmallCNN", seed=3), batch()
    ours = TrainingLoss((), 10)(model, given.x, given.p, generator(0))
    textbook = F.cross_entropy(model(given.x), PART.labels[:N])
    assert number(ours) == pytest.approx(number(textbook))


def test_a_term_is_added_to_the_loss():
    model, given = build("SmallCNN", seed=3), batch()
    bare = TrainingLoss((), 10)(model, given.x, given.p, generator(0))
    loss = TrainingLoss((RotationConsistency(weight=2.0),), 10)
    whole = loss(model, given.x, given.p, generator(0))
    term = RotationConsistency(weight=2.0)(model, given, generator(0), 0.1).extra
    assert number(term) > 0
    assert number(whole - bare) == pytest.approx(number(term), abs=1e-6)


def test_order_decides_which_label_is_attacked():
    hard, soft = (Adversarial(1.0, steps=4), LabelSmoothing(0.9))
    model, given = digits.surrogate("plain"), batch()
    first = soft(model, hard(model, given, generator(0), 1.0), generator(0), 1.0)
    second = hard(model, soft(model, given, generator(0), 1.0), generator(0), 1.0)
    assert torch.equal(first.p, second.p)
    right = [
        model(found.x).softmax(1).gather(1, PART.labels[:N, None]) for found in (first, second)
    ]
    assert number(right[0].mean()) < number(right[1].mean())


class TestCorrupted:
    def test_targets_keep_what_accuracy_says(self):
        assert SOFTNESS.kept("noise", torch.tensor([0.25])).item() == pytest.approx(0.7)
        share = SOFTNESS.share("noise", torch.tensor([0.25]))
        one_hot = as_distributions(torch.tensor([3]), 10)
        assert softened(one_hot, share)[0, 3].item() == pytest.approx(0.7)

    def test_only_a_share_is_damaged_and_softened(self):
        found = applied(SIGNALS["softer damage"])
        assert torch.equal(found.x[N // 2 :], batch().x[N // 2 :])
        assert torch.equal(found.p[N // 2 :], batch().p[N // 2 :])
        assert (found.p[: N // 2].amax(1) < 1).all()
        blurred = found.p[1 : N // 2 : 2].amax(1)  # blur keeps 0.9 at every severity
        assert torch.allclose(blurred, torch.full_like(blurred, 0.9), atol=1e-5)

    def test_hard_targets_stay(self):
        assert torch.equal(applied(Corrupted()).p, batch().p)

    def test_rejects_a_kind_without_a_curve(self):
        with pytest.raises(ValueError, match="kind must be one of noise, blur, but is 'deform"):
            Corrupted(kinds=("deformation",), softness=SOFTNESS)


class TestOutliers:
    def test_are_a_quarter_of_what_is_seen_and_even(self):
        found = applied(OutlierExposure(SOURCE, share=0.25))
        assert len(found.x) == N + N // 3
        assert (found.p[N:] == 0.1).all()
        assert torch.equal(found.x[:N], batch().x)

    def test_own_ones_are_half_of_them(self):
        own = torch.full((1, 1, 28, 28), 0.375)
        found = applied(OutlierExposure(SOURCE, own=own, share=0.5)).x[N:]
        assert int((found == 0.375).flatten(1).all(1).sum()) == N // 2

    def test_a_search_astray_convinces_the_model_and_leaves_the_digit(self):
        x, y = PART.images[:30], PART.labels[:30]
        found = astray(PLAIN, x, y, seed=0)
        sure, seen = predict(PLAIN, found).softmax(1).max(1)
        assert (sure > 0.9).float().mean() > 0.9
        assert (seen != y).float().mean() > 0.9
        assert torch.equal(found, astray(PLAIN, x, y, seed=0))
        assert not torch.equal(found, astray(PLAIN, x, y, seed=1))

    @pytest.mark.parametrize("source", [SOURCE, Negatives(PART.upright[:9], PART.labels[:9])])
    def test_kinds_for_training_and_testing_are_disjoint(self, source):
        assert not {*source.kinds} & {*source.tested}
        for kind in source.tested:
            with pytest.raises(ValueError, match=f"{kind!r} are what detection is tested on"):
                OutlierExposure(source, kinds=(source.kinds[-1], kind))

    def test_the_card_names_the_kinds_of_the_source(self):
        assert OutlierExposure(SOURCE).describe()["kinds"] == SOURCE.kinds
        with pytest.raises(ValueError, match="kind must be one of mixtures, shuffled, beyond"):
            OutlierExposure(SOURCE, kinds=("clouds",))

    def test_rejects_images_that_are_tested_on(self):
        clothes = digits.fashion()
        refuse_overlap(PART.images[:20], clothes)
        with pytest.raises(ValueError, match="1 of 21 outliers to train on are among the 1000"):
            refuse_overlap(torch.cat((PART.images[:20], clothes[7:8])), clothes)

    def test_rejects_values_out_of_range(self):
        with pytest.raises(ValueError, match="own outliers must lie in"):
            OutlierExposure(SOURCE, own=torch.full((2, 1, 28, 28), 2.0))
        with pytest.raises(ValueError, match="share must lie between 0 and 1"):
            OutlierExposure(SOURCE, share=1.0)


class TestAdversaries:
    @pytest.mark.parametrize(("norm", "eps"), [("l2", 2.0), ("linf", 0.2)])
    @pytest.mark.parametrize("scattered", [False, True])
    def test_the_radius_grows_to_its_end(self, norm, eps, scattered):
        signal, given = Adversarial(eps, norm, steps=3, ramp=0.5, scattered=scattered), batch()
        order = 2 if norm == "l2" else torch.inf
        for progress, share in ((0.05, 0.1), (0.25, 0.5), (0.5, 1.0), (1.0, 1.0)):
            moved = (applied(signal, progress).x - given.x).flatten(1).norm(dim=1, p=order)
            assert float(moved.max()) <= share * eps * (1 + 1e-4)
            assert float(moved.max()) > 0.5 * share * eps

    def test_an_outlier_is_moved_to_where_the_model_is_certain(self):
        model = digits.surrogate("plain")
        x = SOURCE.draw(30, generator(0))
        p = torch.full((30, 10), 0.1)
        moved = Adversarial(2.0, steps=10)(model, Batch(x, p), generator(0), 1.0).x
        before, after = (predict(model, images).softmax(1).amax(1) for images in (x, moved))
        assert float(after.mean()) > 0.95 > float(before.mean())

    def test_trades_is_the_divergence_at_the_worst_input(self):
        model, given = digits.surrogate("plain"), batch()
        found = Trades(1.0, steps=8, beta=3.0)(model, given, generator(0), 1.0)
        noise = torch.randn(given.x.shape, generator=generator(1))
        noise = noise / noise.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
        there = model((given.x + noise).clamp(0, 1)).log_softmax(1)
        random = F.kl_div(there, model(given.x).log_softmax(1), reduction="sum", log_target=True)
        assert number(found.extra) / 3.0 > 10 * number(random) / N
        assert torch.equal(found.x, given.x)

    @pytest.mark.parametrize("signal", [Adversarial, Trades])
    def test_rejects_a_ball_that_is_none(self, signal):
        for eps in (0.0, -1.0):
            with pytest.raises(ValueError, match="eps must be above 0"):
                signal(eps=eps)
        with pytest.raises(ValueError, match="norm must be one of linf, l2, but is 'l1'"):
            signal(norm="l1")
        with pytest.raises(ValueError, match="ramp must lie between 0 and 1"):
            signal(ramp=1.0)


class TestTargets:
    def test_labels_and_distributions(self):
        soft = torch.softmax(torch.randn(5, 4, generator=generator(0)), 1)
        assert torch.equal(as_distributions(torch.tensor([2, 0]), 3), torch.eye(3)[[2, 0]])
        assert torch.allclose(as_distributions(soft.double(), 4), soft)

    @pytest.mark.parametrize(
        ("targets", "message"),
        [
            (torch.tensor([0, 3]), r"class indices must lie in \[0, 2\]"),
            (torch.tensor([[0, 1]]), r"one per image, \(n,\)"),
            (torch.tensor([[0.5, 0.5]]), r"\(n, 3\), but have shape \(1, 2\)"),
            (torch.tensor([[0.5, 0.2, 0.2]]), "row 0 sums to 0.9 .*Divide each by its sum"),
            (torch.tensor([[1.0, 0, 0], [1.2, -0.2, 0]]), r"row 1 .*least value -0.2.*1 of 2 rows"),
            (torch.tensor([[torch.nan, 0, 1]]), "finite"),
        ],
    )
    def test_rejects_what_is_neither(self, targets, message):
        with pytest.raises(ValueError, match=message):
            as_distributions(targets, 3)

    def test_rejects_terms_that_are_none(self):
        with pytest.raises(TypeError, match="terms must be TrainingTerms, but one is a str"):
            TrainingLoss(["smooth"], 1)
