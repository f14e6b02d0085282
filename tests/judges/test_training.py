import pytest
import torch

from xhat.core import generator
from xhat.judges.training import disturb, train_judge
from xhat.learning import predict
from xhat.tasks import digits

SCHEDULE = {"epochs": 2, "batch_size": 50, "learning_rate": 2e-3}


def data(n):
    part = digits.split("judge_train")
    return part.upright[:n], part.labels[:n]


def test_training_repeats_with_its_seed_and_learns():
    seen = []
    first = train_judge(
        *data(1000), seed=0, architecture="MLP", on_epoch=seen.append, **SCHEDULE | {"epochs": 5}
    )
    again = train_judge(*data(1000), seed=0, architecture="MLP", **SCHEDULE | {"epochs": 5})
    x = digits.split("test").images[:300]
    assert first(x).shape == (300, 11)
    assert torch.equal(predict(first, x), predict(again, x))
    assert seen[-1].loss < seen[0].loss
    assert (predict(first, x)[:, 10].argmax() >= 0).all()


def test_disturbed_digits_stay_in_range_and_readable():
    x = digits.split("judge_train").upright[:200]
    found = disturb(x, generator(0))
    assert 0 <= found.min() <= found.max() <= 1
    assert torch.equal(found, disturb(x, generator(0)))
    judge = digits.judge("judge-residual")
    same = predict(judge, found).argmax(1) == digits.split("judge_train").labels[:200]
    assert same.float().mean() > 0.85


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_rejects_a_share_that_makes_no_sense(share):
    with pytest.raises(ValueError, match="none_share must"):
        train_judge(*data(60), seed=0, architecture="MLP", none_share=share, **SCHEDULE)
