"""A differentiable surrogate of a model that has no gradient, distilled from its answers.

Small networks that answer together learn what the model said: its probabilities, by cross-entropy
with them, or its values, by least squares. They are trained on, from where they were, as further
answers come in where the search goes.

Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015; Bastani, Kim,
Bastani, "Interpreting Blackbox Models via Model Extraction", 2017 (samples around the data).
"""

import torch
from torch import Tensor, nn

from xhat.learning import fit
from xhat.surrogates import RegressionEnsemble

__all__ = ["Student"]

_MEMBERS = 5
_HIDDEN = (48, 48)
_FIRST, _AGAIN = 500, 80  # gradient steps of the first training, and of each that goes on
_ENOUGH = 8  # new answers for which the training goes on
_BATCH = 128
_FLOOR = 1e-3  # the probability that stands for all that are smaller


class Student:
    """Networks that answer as the model did, and the answers that they learned from.

    Args:
        x: ``(m, *x_shape)``, inputs that the model was asked.
        y: ``(m, classes)`` logits or ``(m, ...)`` values, what it said; rows that are not finite
            are left out.
        by_class: whether the answers are logits of classes.
        seed: of weights and order.
    """

    def __init__(self, x: Tensor, y: Tensor, *, by_class: bool, seed: int) -> None:
        self.by_class, self.seed, self.rounds = by_class, seed, 0
        self.x, self.y, self.learned = x[:0], y[:0], 0
        self._take(x, y)
        self.net = RegressionEnsemble(self.x, self.y, seed=seed, members=_MEMBERS, hidden=_HIDDEN)
        self._train(min(_FIRST, 100 + len(self.x)))

    def __call__(self, x: Tensor) -> Tensor:
        """Return the mean of the networks, differentiable."""
        return self.net(x)

    def learn(self, x: Tensor, y: Tensor) -> None:
        """Train on with further answers, as soon as there are a few."""
        self._take(x, y)
        if len(self.x) >= self.learned + _ENOUGH:
            self.rounds += 1
            self._train(_AGAIN)

    def _take(self, x: Tensor, y: Tensor) -> None:
        if self.by_class:
            y = y.log_softmax(dim=1).clamp_min(torch.tensor(_FLOOR).log())
        fine = y.reshape(len(y), -1).isfinite().all(dim=1)
        self.x, self.y = torch.cat([self.x, x[fine]]), torch.cat([self.y, y[fine]])

    def _train(self, steps: int) -> None:
        self.learned = len(self.x)
        y = self.y.softmax(dim=1) if self.by_class else self.y
        fit(
            self.net,
            self.x,
            y,
            _soft if self.by_class else _squares,
            epochs=max(1, round(steps / -(-len(self.x) // _BATCH))),
            batch_size=_BATCH,
            learning_rate=1e-2 if self.rounds == 0 else 4e-3,
            weight_decay=1e-3,
            seed=self.seed + self.rounds,
        )


def _soft(model: nn.Module, x: Tensor, y: Tensor, _: torch.Generator) -> Tensor:
    """Return the cross-entropy of every member with the probabilities of the model."""
    logits = model.members(x)  # pyright: ignore[reportCallIssue]
    return -(y * logits.log_softmax(dim=2)).sum(dim=2).mean()


def _squares(model: nn.Module, x: Tensor, y: Tensor, _: torch.Generator) -> Tensor:
    spread = model.get_buffer("y_spread")
    errors = (model.members(x) - y).reshape(_MEMBERS, len(x), -1) / spread  # pyright: ignore[reportCallIssue]
    return errors.square().mean()
