"""The panel: several axes of evidence, thresholds from real data, one outcome per candidate.

Every axis gives a conformal p-value against calibration samples, which are real and were used for
nothing else. With ``m`` axes, a candidate is unusual on one if its p-value is at most
``alpha / m`` (Bonferroni), so a real sample is unusual with probability at most ``alpha``. Only
what is unusual is flagged, with one exception: a sample for which another class is the jury's
first choice is never called genuine. The jury *sees the target* when that is its first choice and
no less probable than is usual for real samples of a class.

The outcome follows in this order (see ``Outcome``):

1. a constraint is violated → infeasible; the surrogate does not give the target → unreached
2. off the manifold on some axis, and in most representations farther than another class is from
   any real sample → out of distribution
3. off the manifold on some axis: the jury does not see the target → adversarial; it does →
   off manifold
4. on the manifold: the jury sees the target → genuine; it gives the majority to something else →
   mistaken; it is split → ambiguous
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xhat.core import check_fraction, check_rows, check_tensor
from xhat.judges.axes import Likelihood, ManifoldAxis, rank
from xhat.judges.jury import Jury, check_independent
from xhat.judges.neighbours import Neighbours, Penultimate, Representation
from xhat.judges.outcomes import Outcome
from xhat.judges.verdict import Axis, Verdicts

__all__ = ["Panel"]


@dataclass(frozen=True)
class Panel:
    """Jury, manifold axes, and thresholds; build it by ``fit``.

    Attributes:
        jury: the held-out classifiers.
        manifold: distances from real data: nearest neighbours in several representations, and
            the likelihood.
        certain: ``(c,)``, the jury's probability of the true class of real samples, ascending.
        alpha: the share of real samples that may be flagged.
        shape: of one sample.
    """

    jury: Jury
    manifold: tuple[ManifoldAxis, ...]
    certain: Tensor
    alpha: float
    shape: tuple[int, ...]

    @classmethod
    def fit(
        cls,
        jury: Jury,
        representations: Mapping[str, Representation],
        reference: tuple[Tensor, Tensor],
        calibration: tuple[Tensor, Tensor],
        alpha: float = 0.05,
    ) -> "Panel":
        """Calibrate the axes on real samples.

        Args:
            jury: trained on neither the calibration samples nor what the search used.
            representations: name to ``(n, *x_shape) -> (n, d)``.
            reference: real samples ``(m, *x_shape)`` and their classes ``(m,)``.
            calibration: likewise, disjoint from the reference and from all training.
            alpha: the share of real samples that may be flagged, in (0, 1).

        Raises:
            ValueError: too few calibration samples for ``alpha``, or shapes, classes or values
                that do not fit.
        """
        check_fraction("alpha", alpha)
        if not representations:
            raise ValueError("a panel needs at least one representation to measure distances in.")
        reference = _checked("the reference", *reference, jury.classes)
        x, labels = calibration = _checked("the calibration samples", *calibration, jury.classes)
        axes = len(representations) + 2  # likelihood and meaning
        needed = math.ceil(axes / alpha) - 1
        if len(x) < needed:
            raise ValueError(
                f"alpha = {alpha} over {axes} axes needs at least {needed} calibration samples, "
                f"but {len(x)} came; add samples or raise alpha."
            )
        near = [
            Neighbours.fit(name, represent, reference, calibration)
            for name, represent in representations.items()
        ]
        manifold = (*near, Likelihood.fit(reference[0], x))
        mean = jury.probabilities(x).mean(dim=1)
        certain = mean.gather(1, labels[:, None])[:, 0].sort().values
        return cls(jury, manifold, certain, alpha, tuple(x.shape[1:]))

    @property
    def level(self) -> float:
        """The p-value at which one axis becomes unusual: ``alpha`` over the number of axes."""
        return self.alpha / (len(self.manifold) + 1)

    def judge(
        self,
        x: Tensor,
        target: Tensor | int,
        *,
        reached: Tensor | None = None,
        feasible: Tensor | None = None,
        searched: Iterable[nn.Module] | nn.Module = (),
    ) -> Verdicts:
        """Return a verdict on every candidate.

        Args:
            x: ``(n, *x_shape)``.
            target: ``(n,)`` classes that were wanted; an integer for all.
            reached: ``(n,)``, whether the surrogate gives the target; None if it is not known.
            feasible: ``(n,)``, whether the constraints hold; None without any.
            searched: the modules that the search used; a judge among them is refused.

        Raises:
            TypeError: samples that are not floating point, or targets that are not integers.
            ValueError: other shapes than the reference's, not finite, or a judge that took part.
        """
        self._check_independent((searched,) if isinstance(searched, nn.Module) else tuple(searched))
        x = check_tensor("the samples", x).detach().float()
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(
                f"samples must have shape (n, {', '.join(map(str, self.shape))}), like the "
                f"reference, but have {tuple(x.shape)}."
            )
        target = _classes("the target", target, self.jury.classes)
        check_rows("the target", target, len(x))
        for name, known in (("reached", reached), ("feasible", feasible)):
            if known is not None and not isinstance(known, Tensor):
                raise TypeError(f"{name} must be a boolean tensor, not {type(known).__name__}.")
            if known is not None and (known.shape != (len(x),) or known.dtype != torch.bool):
                raise ValueError(
                    f"{name} must be a boolean for each of the {len(x)} samples, but has shape "
                    f"{tuple(known.shape)} and type {known.dtype}."
                )
        target = target.expand(len(x))
        votes = self.jury.probabilities(x)
        meaning = self._meaning(votes.mean(dim=1), target)
        manifold = tuple(self._distance(axis, x) for axis in self.manifold)
        outcomes = self._decide(votes.mean(dim=1), target, meaning, manifold, reached, feasible)
        return Verdicts(outcomes, target, meaning, manifold, votes, self.jury.names)

    def _check_independent(self, searched: tuple[nn.Module, ...]) -> None:
        self.jury.check_independent(searched)
        for axis in self.manifold:
            of = axis.represent if isinstance(axis, Neighbours) else None
            network = of.model if isinstance(of, Penultimate) else of
            if isinstance(network, nn.Module):
                check_independent(f"the representation {axis.name}", network, searched)

    def _meaning(self, mean: Tensor, target: Tensor) -> Axis:
        value = mean.gather(1, target[:, None])[:, 0]
        at_most = torch.searchsorted(self.certain, value.contiguous(), right=True)
        p = (1 + at_most) / (1 + len(self.certain))
        limit = float(self.certain[rank(self.level, len(self.certain)) - 1])
        return Axis("the jury's probability of the target", value, p, limit)

    def _distance(self, axis: ManifoldAxis, x: Tensor) -> Axis:
        value = axis.distance(x)
        return Axis(axis.name, value, axis.p_value(value), axis.limit(self.level))

    def _decide(
        self,
        mean: Tensor,
        target: Tensor,
        meaning: Axis,
        manifold: tuple[Axis, ...],
        reached: Tensor | None,
        feasible: Tensor | None,
    ) -> tuple[Outcome, ...]:
        yes = torch.ones(len(target), dtype=torch.bool)
        first = mean.max(dim=1)
        sees = (first.indices == target) & (meaning.value >= meaning.limit)
        off = torch.stack([~(axis.value <= axis.limit) for axis in manifold]).any(dim=0)
        beyond = [
            axis.value > real.far
            for axis, real in zip(manifold, self.manifold, strict=True)
            if real.far is not None
        ]
        far = torch.stack(beyond).float().mean(dim=0) > 0.5
        another = (first.indices != target) & (first.values > 0.5)
        rules = [
            (Outcome.INFEASIBLE, ~yes if feasible is None else ~feasible.cpu()),
            (Outcome.UNREACHED, ~yes if reached is None else ~reached.cpu()),
            (Outcome.OUT_OF_DISTRIBUTION, off & far),
            (Outcome.ADVERSARIAL, off & ~sees),
            (Outcome.OFF_MANIFOLD, off),
            (Outcome.MISTAKEN, another),
            (Outcome.AMBIGUOUS, ~sees),
            (Outcome.GENUINE, yes),
        ]
        chosen = torch.stack([rule for _, rule in rules]).int().argmax(dim=0)
        return tuple(rules[i][0] for i in chosen.tolist())


def _checked(name: str, x: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    x = check_tensor(name, x).float()
    labels = _classes(f"the labels of {name}", labels, classes)
    if len(x) != len(labels):
        raise ValueError(f"{name} must have one label each, but {len(labels)} came for {len(x)}.")
    return x, labels


def _classes(name: str, target: Tensor | int, classes: int) -> Tensor:
    target = check_tensor(name, target, floating=False)
    target = check_tensor(
        name, target[None] if target.ndim == 0 else target, ndim=1, floating=False
    )
    if target.dtype == torch.bool or target.is_floating_point():
        kind = str(target.dtype).removeprefix("torch.")
        raise TypeError(f"{name} must be classes, so integers, but is {kind}.")
    low, high = int(target.min()), int(target.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"{name} must be a class from 0 to {classes - 1}, but {low if low < 0 else high} came."
        )
    return target.long()
