from itertools import pairwise

import torch

from xhat.learning import Jitter
from xhat.surrogates import Softness, fit_softness, train_softness
from xhat_zoo import digits

TEST = digits.split("test")
TRAIN = digits.split("surrogate_train")


def test_the_curve_is_accuracy_on_held_out_images_and_never_rises():
    model, n = digits.surrogate("plain"), 400
    found = fit_softness(model, TEST.images[:n], TEST.labels[:n], seed=0)
    assert set(found.curves) == {"noise", "blur", "deformation"}
    for curve in found.curves.values():
        assert len(curve) == 9
        assert curve[0] > 0.97
        assert 0.1 <= curve[-1] < 0.5
        assert all(a >= b for a, b in pairwise(curve))


def test_the_curve_is_not_below_chance():
    class Wrong(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.one_hot((TEST.labels[: len(x)] + 1) % 10, 10).float()

    found = fit_softness(Wrong(), TEST.images[:50], TEST.labels[:50], seed=0, kinds=("noise",))
    assert found.curves["noise"] == (0.1,) * 9


def test_training_for_it_holds_images_out():
    found = train_softness(
        TRAIN.upright[:600],
        TRAIN.labels[:600],
        seed=0,
        jitter=Jitter(angle=45),
        epochs=4,
        batch_size=50,
        learning_rate=3e-3,
    )
    assert isinstance(found, Softness)
    assert found.curves["noise"][0] > 0.4 > found.curves["noise"][-1]
