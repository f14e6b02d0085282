import pytest
import torch

from studies.annotators import machine_labels
from xhat_zoo import digits

TRAIN = digits.split("surrogate_train")


def test_machine_labels_are_sure_of_most_and_right_more_often_than_not():
    n, how = 1500, {"seed": 0, "readers": 2, "architecture": "MLP"}
    p = machine_labels(TRAIN.images[:n], TRAIN.labels[:n], **how)
    assert p.shape == (n, 10)
    assert torch.allclose(p.sum(1), torch.ones(n), atol=1e-5)
    assert (p.argmax(1) == TRAIN.labels[:n]).float().mean() > 0.7
    entropy = -(p * p.clamp_min(1e-9).log()).sum(1)
    assert entropy.quantile(0.1) < 0.5 * entropy.quantile(0.9)  # soft where it is hard
    assert torch.equal(p, machine_labels(TRAIN.images[:n], TRAIN.labels[:n], **how))


def test_machine_labels_reject_annotators_that_read_what_they_learnt():
    with pytest.raises(ValueError, match="folds must be 2 or more"):
        machine_labels(TRAIN.images[:9], TRAIN.labels[:9], seed=0, folds=1)
