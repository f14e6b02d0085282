"""Gradient-boosted trees as tensors: grown by scikit-learn, kept and evaluated by torch.

So they lie in a file like the weights of a network, and need scikit-learn only where they are
grown. Their output is constant between thresholds: they have no gradient with respect to the input.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xhat.core import extra

__all__ = ["BoostedTrees", "grow_regression_trees", "grow_trees"]

_NEVER = -20.0  # the logit of a class that no known sample has
_ROUNDS = 100  # at most; fewer where held-out samples are read no better
_VALUE_ROUNDS = 400  # likewise, where values are predicted


class BoostedTrees(nn.Module):
    """Sums of decision trees, one sum for each class or output.

    Nodes of all trees are numbered together. At node ``i`` a sample goes on to ``low[i]`` if its
    value ``feature[i]`` is at most ``threshold[i]``, else to ``high[i]``; a leaf leads to itself.

    Args:
        classes: the number of outputs.
        trees: the number of trees.
        nodes: of all trees together; ``grow_trees`` puts them in place.

    Shape:
        ``(n, *shape)`` → logits, or values, ``(n, classes)``.
    """

    feature: Tensor
    threshold: Tensor
    low: Tensor
    high: Tensor
    value: Tensor
    root: Tensor
    column: Tensor
    start: Tensor

    def __init__(self, classes: int = 2, trees: int = 1, nodes: int = 1) -> None:
        super().__init__()
        for name in ("feature", "low", "high"):
            self.register_buffer(name, torch.zeros(nodes, dtype=torch.int32))
        for name in ("threshold", "value"):
            self.register_buffer(name, torch.zeros(nodes, dtype=torch.double))
        for name in ("root", "column"):
            self.register_buffer(name, torch.zeros(trees, dtype=torch.int32))
        self.register_buffer("start", torch.zeros(classes, dtype=torch.double))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``."""
        flat = x.detach().flatten(1)
        at, before = self.root.expand(len(x), -1), None
        while before is None or not torch.equal(at, before):
            before = at
            below = flat.gather(1, self.feature[at].long()).double() <= self.threshold[at]
            at = torch.where(below, self.low[at], self.high[at])
        sums = self.start.repeat(len(x), 1).index_add_(1, self.column, self.value[at])
        return sums.to(x.dtype)


def grow_trees(
    known: tuple[Tensor, Tensor], held: tuple[Tensor, Tensor], classes: int, seed: int
) -> BoostedTrees:
    """Return trees that tell the classes of ``known`` samples apart.

    Source: Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of
    Statistics 2001; Ke et al., "LightGBM", NIPS 2017 (features in bins).

    Args:
        known: samples ``(n, d)`` and their classes ``(n,)`` from 0.
        held: likewise; trees are added as long as these are read better.
        classes: the number of outputs.
        seed: of scikit-learn.

    Raises:
        ValueError: fewer than three classes: of two, scikit-learn keeps one sum only.
        MissingExtraError: scikit-learn is not installed.

    Example:
        >>> x = torch.linspace(0, 1, 40)[:, None]
        >>> y = (x[:, 0] > 0.5).long() + (x[:, 0] > 0.8)
        >>> grow_trees((x, y), (x, y), 3, seed=0)(torch.tensor([[0.2], [0.6], [0.9]])).argmax(1)
        tensor([0, 1, 2])
    """
    with extra("trees", "boosted trees need"):
        from sklearn.ensemble import HistGradientBoostingClassifier
    if (came := len(known[1].unique())) < 3:
        raise ValueError(f"boosted trees tell at least three classes apart, but {came} came.")
    (x, y), (x_val, y_val) = ((a.flatten(1).numpy(), b.numpy()) for a, b in (known, held))
    seen = np.isin(y_val, y)  # scikit-learn refuses others
    boosting = HistGradientBoostingClassifier(**_settings(len(x), seed))
    return _of_classes(boosting.fit(x, y, X_val=x_val[seen], y_val=y_val[seen]), classes)


def grow_regression_trees(
    known: tuple[Tensor, Tensor], held: tuple[Tensor, Tensor], seed: int
) -> BoostedTrees:
    """Return trees that predict values of ``known`` samples, each output by trees of its own.

    Source: as ``grow_trees``.

    Args:
        known: samples ``(n, d)`` and their values ``(n, outputs)``.
        held: likewise; trees are added as long as these are predicted better.
        seed: of scikit-learn.

    Raises:
        MissingExtraError: scikit-learn is not installed.

    Example:
        >>> x = torch.linspace(0, 1, 200)[:, None]
        >>> known = (x, (x > 0.5).float())
        >>> grow_regression_trees(known, known, seed=0)(torch.tensor([[0.2], [0.7]])).round()
        tensor([[0.],
                [1.]])
    """
    with extra("trees", "boosted trees need"):
        from sklearn.ensemble import HistGradientBoostingRegressor
    (x, y), (x_val, y_val) = ((a.flatten(1).numpy(), b.numpy()) for a, b in (known, held))
    return _of_values(
        [
            HistGradientBoostingRegressor(**_settings(len(x), seed, _VALUE_ROUNDS)).fit(
                x, y[:, k], X_val=x_val, y_val=y_val[:, k]
            )
            for k in range(y.shape[1])
        ]
    )


def _settings(known: int, seed: int, rounds: int = _ROUNDS) -> dict[str, Any]:
    return {
        "learning_rate": 0.1,
        "max_iter": rounds,
        "max_leaf_nodes": 15,
        "min_samples_leaf": min(20, max(3, known // 40)),
        "l2_regularization": 1.0,
        "early_stopping": True,
        "n_iter_no_change": 8,
        "random_state": seed,
    }


def _of_classes(boosting: Any, classes: int) -> BoostedTrees:
    """Copy a classifier of three classes or more: it has as many trees in each round."""
    columns = boosting.classes_.tolist()
    start = torch.full((classes,), _NEVER).double()
    start[columns] = torch.as_tensor(boosting._baseline_prediction).double().reshape(-1)
    rounds = boosting._predictors
    return _copied([(columns[k], tree) for one in rounds for k, tree in enumerate(one)], start)


def _of_values(boostings: list[Any]) -> BoostedTrees:
    """Copy regressors, one for each output."""
    start = [np.asarray(each._baseline_prediction).reshape(-1) for each in boostings]
    trees = [(k, one[0]) for k, each in enumerate(boostings) for one in each._predictors]
    return _copied(trees, torch.from_numpy(np.concatenate(start)).double())


def _copied(trees: list[tuple[int, Any]], start: Tensor) -> BoostedTrees:
    """Copy what scikit-learn has grown; a test compares both on all kinds of samples.

    Args:
        trees: each with the output that it adds to.
        start: ``(outputs,)``, what the trees add to.
    """
    found = BoostedTrees(len(start), len(trees), sum(len(tree.nodes) for _, tree in trees))
    found.start.copy_(start)
    first = 0
    for number, (column, tree) in enumerate(trees):
        nodes = tree.nodes
        own, place = slice(first, first + len(nodes)), np.arange(len(nodes))
        leaf = nodes["is_leaf"].astype(bool)
        for side, name in ((found.low, "left"), (found.high, "right")):
            side[own] = torch.from_numpy(first + np.where(leaf, place, nodes[name]).astype("int32"))
        found.feature[own] = torch.from_numpy(np.where(leaf, 0, nodes["feature_idx"]).astype("i4"))
        found.threshold[own] = torch.from_numpy(np.where(leaf, 0.0, nodes["num_threshold"]))
        found.value[own] = torch.from_numpy(nodes["value"].astype("f8"))
        found.root[number], found.column[number] = first, column
        first += len(nodes)
    return found
