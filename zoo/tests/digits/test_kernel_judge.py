import pytest
import torch
from torch import nn

from xhat.core import generator
from xhat.learning import KernelClassifier, predict
from xhat_zoo import digits
from xhat_zoo.digits.morphs import Morphs
from xhat_zoo.digits.negatives import Negatives
from xhat_zoo.digits.recipes import kernel_judge
from xhat_zoo.digits.recipes.kernel_judge import _NearnessLoss, train_kernel_judge

OPTIONS = {
    "digits": 500,
    "others": 150,
    "dimensions": 16,
    "epochs": 3,
    "batch_size": 50,
    "learning_rate": 3e-3,
}


def data(n, start=0):
    part = digits.split("judge_train")
    return part.upright[start : start + n], part.labels[start : start + n]


@pytest.fixture(scope="module")
def trained():
    seen = []
    return train_kernel_judge(*data(1000), seed=0, on_epoch=seen.append, **OPTIONS), seen


def test_it_learns_digits_and_what_is_none(trained):
    judge, seen = trained
    assert isinstance(judge, KernelClassifier)
    assert not judge.training
    assert len(seen) == 3
    assert seen[-1].loss < seen[0].loss
    x, labels = data(300, start=5000)
    found = predict(judge, x)
    assert found.shape == (300, 11)
    assert float((found.argmax(1) == labels).float().mean()) > 0.6
    none = Negatives(*data(200, start=6000)).draw(100, generator(0))
    ours, theirs = (predict(judge, images).softmax(1)[:, 10].mean() for images in (x, none))
    assert float(theirs) > float(ours) + 0.2


def test_it_remembers_digits_of_the_other_folds_and_images_that_show_none(trained):
    judge, _ = trained
    assert judge.labels.shape == (650,)
    _, labels = data(1000)
    assert torch.equal(judge.labels[:500], labels[torch.arange(1000) % 5 != 0][:500])
    assert bool((judge.labels[500:] == 10).all())
    assert bool(judge.places.isfinite().all())


def test_training_repeats_with_its_seed_and_follows_the_fold(trained):
    short = OPTIONS | {"epochs": 1}
    x = data(50, start=5000)[0]
    first, again, other = (
        train_kernel_judge(*data(400), seed=0, fold=fold, **short) for fold in (0, 0, 2)
    )
    assert torch.equal(predict(first, x), predict(again, x))
    assert not torch.equal(predict(first, x), predict(other, x))


def test_the_loss_is_of_a_kernel_classifier_only():
    loss = _NearnessLoss(None, torch.zeros(1, 2), torch.zeros(1).long())
    with pytest.raises(TypeError, match="must be a KernelClassifier, not Linear"):
        loss(nn.Linear(2, 2), torch.zeros(1, 2), torch.zeros(1).long(), generator(0))
    with pytest.raises(ValueError, match="fold must lie between 0 and 4"):
        train_kernel_judge(*data(100), seed=0, fold=5, **OPTIONS)


def test_of_many_known_samples_as_many_are_morphed_as_have_a_label(monkeypatch):
    seen = []

    def noted(fields, labels):
        seen.append((fields, labels))
        return Morphs(fields, labels)

    monkeypatch.setattr(kernel_judge, "signed_distance", lambda x: x)
    monkeypatch.setattr(kernel_judge, "Morphs", noted)
    monkeypatch.setattr(kernel_judge, "fit", lambda *_, **__: None)
    images, labels = data(400)
    train_kernel_judge(images, labels, seed=0, digits=2100, others=5, dimensions=4)
    ((fields, named),) = seen
    rest = torch.arange(400) % 5 != 0
    order = torch.arange(2000) % int(rest.sum())
    assert torch.equal(fields, images[rest][order])
    assert torch.equal(named, labels[rest][order])
