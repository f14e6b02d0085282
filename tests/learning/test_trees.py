"""Trees in torch are scikit-learn's trees."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from xhat.core import generator
from xhat.learning import grow_regression_trees, grow_trees
from xhat.learning.trees import _of_classes, _of_values


def test_the_logits_are_those_of_scikit_learn():
    x, y = load_wine(return_X_y=True)
    x = torch.tensor(x).float()
    boosting = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(x.numpy(), y)
    other = x + x.std(dim=0) * torch.randn(x.shape, generator=generator(0))
    for asked in (x, other):
        theirs = torch.tensor(boosting.decision_function(asked.numpy()))
        torch.testing.assert_close(_of_classes(boosting, 3)(asked).double(), theirs)


def test_the_values_are_those_of_scikit_learn():
    x, y = load_diabetes(return_X_y=True)
    x = torch.tensor(x).float()
    y = np.stack((y, 9 - np.asarray(y) + 100 * x[:, 0].numpy()), axis=1)
    each = [
        HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(x.numpy(), y[:, k])
        for k in range(2)
    ]
    other = x + x.std(dim=0) * torch.randn(x.shape, generator=generator(0))
    for asked in (x, other):
        theirs = np.stack([one.predict(asked.numpy()) for one in each], axis=1)
        torch.testing.assert_close(_of_values(each)(asked), torch.tensor(theirs).float())


def test_trees_of_values_stop_growing_too():
    x, y = load_diabetes(return_X_y=True)
    x, y = torch.tensor(x).float(), torch.tensor(y).float()[:, None]
    noise = y[torch.randperm(len(y), generator=generator(0))]
    learnt, guessed = (
        grow_regression_trees((x[::2], to), (x[1::2], y[1::2]), 0) for to in (y[::2], noise[::2])
    )
    assert len(guessed.root) < len(learnt.root)
    left = (learnt(x[1::2]) - y[1::2]).square().mean()
    assert float(left) < 0.75 * float(y[1::2].var())


def test_growing_stops_where_held_out_samples_are_read_no_better():
    x, y = load_wine(return_X_y=True)
    x, y = torch.tensor(x).float(), torch.tensor(y)
    noise = y[torch.randperm(len(y), generator=generator(0))]
    learnt, guessed = (
        grow_trees((x[::2], to), (x[1::2], y[1::2]), 3, 0) for to in (y[::2], noise[::2])
    )
    assert len(guessed.root) < len(learnt.root)
    assert float((learnt(x[1::2]).argmax(1) == y[1::2]).float().mean()) > 0.9


def test_a_class_that_no_sample_has_is_never_seen():
    x, y = load_wine(return_X_y=True)
    x, y = torch.tensor(x).float(), torch.tensor(y)
    y = torch.where(y == 2, 3, y)
    logits = grow_trees((x, y), (x, y), 4, 0)(x)
    assert float(logits.softmax(1)[:, 2].max()) < 1e-6


def test_two_classes_are_refused():
    x, y = load_breast_cancer(return_X_y=True)
    known = torch.tensor(x).float(), torch.tensor(y)
    with pytest.raises(ValueError, match="at least three classes apart, but 2 came"):
        grow_trees(known, known, 2, 0)
