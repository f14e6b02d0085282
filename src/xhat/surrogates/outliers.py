"""Outlier exposure: samples that belong to no class, and a target that says so.

A classifier is certain of whatever looks least like the other classes, however little it looks like
this one; a search by its gradient ends there. Outliers with uniform targets take that certainty
away. What is measured later must not be what was trained on, so kinds for training and kinds for
testing are kept apart here, and a mixture of both is refused.

Source: Hendrycks, Mazeika, Dietterich, "Deep Anomaly Detection with Outlier Exposure", ICLR 2019;
Hein, Andriushchenko, Bitterwolf, "Why ReLU Networks Yield High-Confidence Predictions Far Away From
the Training Data and How to Mitigate the Problem", CVPR 2019.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from xhat.core import check_choice, check_fraction, check_range, check_tensor, generator
from xhat.engine import Adam, Problem, TargetReached, solve
from xhat.objectives import CrossEntropy
from xhat.spaces import Box
from xhat.surrogates.training_terms import Batch, Limits, TrainingTerm

__all__ = ["OutlierExposure", "OutlierSource", "astray", "refuse_overlap"]


class OutlierSource(Protocol):
    """What makes samples that belong to no class.

    Attributes:
        kinds: the names of those that may be trained on.
        tested: the names of those that detection is measured on; nothing is trained on them.
    """

    kinds: ClassVar[tuple[str, ...]]
    tested: ClassVar[tuple[str, ...]]

    def draw(
        self, n: int, generator: torch.Generator, kinds: tuple[str, ...] | None = None
    ) -> Tensor:
        """Return ``n`` outliers, about as many of every kind, ``(n, *x_shape)``."""
        ...


@dataclass(frozen=True)
class OutlierExposure(TrainingTerm):
    """Adds samples of no class to every batch, with uniform targets.

    Attributes:
        source: makes them, such as ``Outliers``.
        kinds: of those that the source makes to train on; None for all of them.
        share: of what the model then sees, in (0, 1).
        own: ``(m, *x_shape)`` within the limits, further outliers such as samples that an earlier
            search went astray to; half of the outliers are drawn from them.

    Raises:
        ValueError: a kind that is tested on, or unknown; a share or samples out of their range.
    """

    source: OutlierSource = field(repr=False)
    kinds: tuple[str, ...] | None = None
    share: float = 0.25
    own: Tensor | None = field(default=None, repr=False)
    limits: Limits = field(default=(0.0, 1.0), repr=False)

    def __post_init__(self) -> None:
        check_fraction("share", self.share)
        known = self.source.kinds
        for kind in self.kinds or ():
            if kind in self.source.tested:
                raise ValueError(
                    f"outliers of the kind {kind!r} are what detection is tested on, so they must "
                    f"not be trained on; choose of {', '.join(known)}."
                )
            check_choice("kind", kind, known)
        if self.kinds is None:
            object.__setattr__(self, "kinds", known)  # the card names them
        if self.own is not None:
            check_tensor("own outliers", self.own)
            low, high = (torch.as_tensor(end) for end in self.limits)
            check_range("own outliers", self.own, float(low.amin()), float(high.amax()))

    def __call__(
        self, model: nn.Module, batch: Batch, draws: torch.Generator, progress: float
    ) -> Batch:
        """Return the batch with outliers added."""
        del model, progress
        n = max(1, round(len(batch.x) * self.share / (1 - self.share)))
        x = self.draw(n, draws).to(batch.x)
        return batch.added(x, batch.p.new_full((n, batch.p.shape[1]), 1 / batch.p.shape[1]))

    def draw(self, n: int, draws: torch.Generator) -> Tensor:
        """Return ``n`` outliers."""
        mine = n // 2 if self.own is not None else 0
        made = self.source.draw(n - mine, draws, self.kinds)
        if self.own is None or not mine:
            return made
        return torch.cat((made, self.own[torch.randint(len(self.own), (mine,), generator=draws)]))


def astray(
    model: nn.Module,
    x: Tensor,
    labels: Tensor,
    *,
    seed: int,
    max_steps: int = 150,
    limits: Limits = (0.0, 1.0),
) -> Tensor:
    """Return where a search by ``model`` goes when nothing holds it: to samples of no class.

    Every sample is turned towards another class, drawn at random, by Adam until the model is 99 %
    sure. With a model that steers to genuine samples these would be no outliers; use one
    whose searches are known to go astray, such as a textbook classifier.

    Args:
        model: an earlier surrogate, samples → logits.
        x: ``(n, *x_shape)`` within the limits.
        labels: ``(n,)`` int64, their classes.
        seed: of the targets.
        max_steps: the step budget.
        limits: ``(low, high)`` of the features.

    Returns:
        ``(n, *x_shape)`` within the limits.
    """
    with torch.no_grad():
        classes = model(x[:1]).shape[1]
    away = torch.randint(1, classes, labels.shape, generator=generator(seed, "astray"))
    wanted = CrossEntropy(model, (labels + away) % classes)
    stop = TargetReached(0.99)
    return (
        solve(Problem(wanted, Box(*limits)), x, stepper=Adam(), stop=stop, max_steps=max_steps)
        .finished()
        .x
    )


def refuse_overlap(trained: Tensor, tested: Tensor) -> None:
    """Raise ``ValueError`` if a sample that is to be trained on is one that is tested on.

    Args:
        trained: ``(n, *x_shape)``.
        tested: ``(m, *x_shape)``.

    Example:
        >>> refuse_overlap(torch.zeros(1, 4), torch.zeros(2, 4))
        Traceback (most recent call last):
        ValueError: 1 of 1 outliers to train on are among the 2 to test on; take them out.
    """
    known = {row.numpy().tobytes() for row in tested.detach().cpu().float().contiguous()}
    rows = trained.detach().cpu().float().contiguous()
    both = sum(row.numpy().tobytes() in known for row in rows)
    if both:
        raise ValueError(
            f"{both} of {len(rows)} outliers to train on are among the {len(tested)} to test on; "
            f"take them out."
        )
