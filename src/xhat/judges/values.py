"""Is a wanted value there? Held-out regressors predict it, and two conformal tests weigh that.

How far a prediction misses the goal, over how hard the sample is to predict, is compared with real
samples that were held out:

- *alpha*: with those that meet the goal; where they are too few, with how far predictions of all
  real samples are from their values, which is never less (conformal regression). A candidate is
  flagged if few of them miss by as much.
- *beta*: with those that do **not** meet the goal. Only if few of them look as good may the goal be
  called met, and only if most of all that look as good do meet it: regressors that are off by 3
  cannot tell 70 from 71.

The level ``alpha`` is shared out between value and manifold (weighted Bonferroni): a value is
flagged at .7 ``alpha``, a distance at .3 ``alpha``. At ``alpha`` = .05 that takes 66 real samples.

Sources: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005 (conformal
regression, p-values by category); Papadopoulos, Gammerman, Vovk, "Normalized Nonconformity
Measures for Regression Conformal Prediction", 2008 (difficulty); Genovese, Roeder, Wasserman,
"False Discovery Control with p-Value Weighting", Biometrika 2006 (weights).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from xhat.judges.conformal import Weighed, samples_needed
from xhat.judges.fitting import Parts
from xhat.judges.juries import part_of
from xhat.judges.regressors import Regressors, crossed_predictions, regressors_of

__all__ = ["MANIFOLD_SHARE", "VALUE", "VALUE_SHARE", "ValueJudge", "ValueTest", "Wanted"]

VALUE = "the held-out regressors"
VALUE_SHARE, MANIFOLD_SHARE = 0.7, 0.3
"""Of ``alpha``."""

_MOST = 0.5  # of the real samples that look as good, more must meet the goal


class Wanted(Protocol):
    """What is wanted of an output, as ``xhat.goals`` say it."""

    @property
    def targeted(self) -> bool:
        """Whether it can be met at all."""
        ...

    @property
    def by_class(self) -> bool:
        """Whether it is about classes."""
        ...

    @property
    def shared(self) -> bool:
        """Whether it is the same for every candidate."""
        ...

    def fits(self, outputs: int, /) -> bool:
        """Whether it can be asked of so many outputs."""
        ...

    def apart(self, error: Tensor, /) -> Tensor:
        """Errors ``(b, outputs)`` of each output as ``inside`` counts them, ``(b,)``."""
        ...

    @property
    def tolerance(self) -> float:
        """The largest miss at which it is still met."""
        ...

    def off(self, y: Tensor, /) -> Tensor:
        """How far outputs ``(n, k)`` miss it, ``(n,)``."""
        ...

    def inside(self, y: Tensor, /) -> Tensor:
        """How far inside it outputs are, ``(n,)``, below 0 where outside."""
        ...


@dataclass(frozen=True)
class ValueTest:
    """What held-out regressors say of ``n`` samples that are asked for a value.

    Attributes:
        goal: what is wanted, as text.
        predicted: ``(n, k)``.
        error: ``(n, k)``, the typical error of such predictions.
        miss: ``(n,)``, how far the prediction misses the goal, over its difficulty.
        typical: the median of real samples that meet it.
        p_met: ``(n,)``, the share of real samples that meet the goal and miss it as far.
        p: ``(n,)``, the share of real samples that do not meet the goal and look as good.
        known: ``(n, 2)``, how many real samples meet the goal, and how many do not.
        right: ``(n,)``, of the real samples that look as good, the share that meets the goal; NaN
            where none does.
        beta: the goal counts as met where ``p`` is at most this.
        note: what is to be known about the regressors.
    """

    goal: str
    predicted: Tensor
    error: Tensor
    miss: Tensor
    typical: float
    p_met: Tensor
    p: Tensor
    known: Tensor
    right: Tensor
    beta: float
    note: str = ""

    @property
    def seen(self) -> Tensor:
        """Where the goal may be called met, ``(n,)``."""
        likely = (self.right > _MOST) | (self.right.isnan() & (self.known[:, 0] > 0))
        return (self.p <= self.beta) & likely

    def beside(self, manifold: Weighed) -> Weighed:
        """Return what a calibration says of distances, with the value as first axis."""
        whole = torch.cat(
            (self.p_met[:, None] / VALUE_SHARE, manifold.adjusted / MANIFOLD_SHARE), dim=1
        ).clamp_max(1)
        axes = torch.cat((self.p_met[:, None], manifold.axis_p), dim=1)
        surprise = torch.maximum(manifold.surprise, -self.p_met.log())
        return Weighed(whole.amin(dim=1), axes, whole, surprise)

    def told(self, i: int) -> str:
        """Return what is predicted of a sample, in words."""
        pairs = zip(self.predicted[i].tolist(), self.error[i].tolist(), strict=True)
        said = ", ".join(f"{value:.4g} ± {error:.2g}" for value, error in pairs)
        return f"Held-out regressors predict {said}, and {self.goal} was asked for"

    def explain(self, i: int) -> str:
        """Return whether the goal may be called met, in words."""
        met, others = (int(count) for count in self.known[i])
        found = (
            f"{self.told(i)}; {_share(float(self.p[i]))} of real samples that do not meet it look "
            f"as good"
        )
        if bool(self.seen[i]):
            return f"{found}, and {_share(self.beta)} may."
        if others < (needed := samples_needed(self.beta)):
            return (
                f"{found}: only {others} of them were held out, and it takes {needed} to say that "
                f"at most {_share(self.beta)} do. More real samples, or a truth, would help."
            )
        if met == 0:
            return (
                f"{found}; but not one real sample meets it, so nobody knows what such a one looks "
                f"like. Real samples that do, or a truth, would help."
            )
        if float(self.p[i]) > self.beta:
            return (
                f"{found}, and only {_share(self.beta)} may. More real samples, another interval, "
                f"or a truth, would help."
            )
        return (
            f"{found}, but of all that do, only {_share(float(self.right[i]))} meet it. A wider "
            f"interval, more real samples, or a truth, would help."
        )


@dataclass(frozen=True)
class ValueJudge:
    """Held-out regressors, and what they predict of real samples that they have not seen.

    Attributes:
        regressors: fitted to the reference.
        y: ``(b, k)``, the values of the calibration samples.
        predicted: ``(b, k)``, what was predicted of them.
        difficulty: ``(b,)``, how hard that was.
    """

    regressors: Regressors
    y: Tensor
    predicted: Tensor
    difficulty: Tensor

    @classmethod
    def fit(
        cls,
        parts: Parts,
        seed: int,
        on_progress: Callable[[str, int, int], None] | None = None,
        state: Mapping[str, Tensor] | None = None,
    ) -> "ValueJudge | None":
        """Return a judge of the values of a split reference; None if it has no values.

        Args:
            parts: the samples and their values.
            seed: of the folds and the training.
            on_progress: called with a member's name, and how far it is.
            state: what ``learnt`` returned for the same samples and seed; None to fit anew.
        """
        if parts.values is None or parts.calibration_values is None:
            return None
        state = part_of(state or {}, "value")
        x, y = parts.reference, parts.values
        regressors = regressors_of(x, y, parts.scale, seed, on_progress, state or None)
        if state:
            held, difficulty = state["predicted"], state["difficulty"]
        elif parts.crossed:
            held, difficulty = regressors.together(crossed_predictions(regressors, x, seed))
        else:
            held, difficulty = regressors.together(regressors.each(parts.calibration))
        return cls(regressors, parts.calibration_values, held, difficulty)

    def learnt(self) -> dict[str, Tensor]:
        """Return the slow part of a fit as tensors by name."""
        found = self.regressors.learnt() | {
            "predicted": self.predicted,
            "difficulty": self.difficulty,
        }
        return {f"value.{name}": tensor for name, tensor in found.items()}

    def ask(self, x: Tensor, goal: Wanted, alpha: float, beta: float) -> ValueTest:
        """Return whether samples ``(n, *x_shape)`` meet a goal, as far as one can tell.

        Args:
            x: the samples.
            goal: for as many, or for all of them.
            alpha: the level of the whole verdict.
            beta: the share of real samples that do not meet the goal that may be called so.

        Raises:
            ValueError: the goal is for other values than these.
        """
        if not goal.fits(outputs := self.y.shape[1]):
            raise ValueError(
                f"{goal!r} names other values than the {outputs} that the domain knows of every "
                f"sample; name as many, or one for all."
            )
        predicted, difficulty = self.regressors.together(self.regressors.each(x))
        inside, meets = self._asked(goal, len(x))
        margin = goal.inside(predicted) / difficulty
        missed, miss = (0 - inside).clamp_min(0), (0 - margin).clamp_min(0)
        apart = (self.predicted - self.y).double().abs()
        usual = goal.apart(apart) / self.difficulty
        least = samples_needed(VALUE_SHARE * alpha)
        p_met, p, right = (torch.empty(len(x), dtype=torch.double) for _ in range(3))
        for column, rows in enumerate(
            [slice(None)] if goal.shared else torch.arange(len(x))[:, None]
        ):
            mine, good = meets[:, column], inside[:, column]
            own = missed[mine, column] if int(mine.sum()) >= least else usual
            p_met[rows] = (1 + _as_large(own, miss[rows])) / (1 + len(own))
            met, others = (_as_large(good[some], margin[rows]) for some in (mine, ~mine))
            p[rows] = (1 + others) / (1 + int((~mine).sum()))
            right[rows] = met / (met + others)
        known = torch.stack((meets.sum(dim=0), (~meets).sum(dim=0)), dim=1)
        typical = (apart / self.difficulty[:, None]).median(dim=0).values
        return ValueTest(
            goal=repr(goal),
            predicted=predicted,
            error=typical * difficulty[:, None],
            miss=miss,
            typical=float(missed[meets].median()) if bool(meets.any()) else float(usual.median()),
            p_met=p_met,
            p=p,
            known=known.expand(len(x), -1),
            right=right,
            beta=beta,
            note=self.regressors.note,
        )

    def _asked(self, goal: Wanted, n: int) -> tuple[Tensor, Tensor]:
        """Return how far inside a goal predictions of real samples are, and which do meet it.

        Both ``(b, n)``, or ``(b, 1)`` where it is the same for all candidates; the first over their
        difficulty.
        """

        def each(ask: Callable[[Tensor], Tensor], y: Tensor) -> Tensor:
            if goal.shared:
                return ask(y)[:, None]
            return torch.stack([ask(one.expand(n, -1)) for one in y])

        try:
            inside = each(goal.inside, self.predicted) / self.difficulty[:, None]
            return inside, each(goal.off, self.y) <= goal.tolerance
        except RuntimeError as error:
            raise ValueError(f"{goal!r} is not for {n} inputs: {error}") from error


def _as_large(known: Tensor, found: Tensor) -> Tensor:
    """Return how many of ``known`` are at least as large as each of ``found``, float64."""
    ordered = known.double().sort().values
    return (len(known) - torch.searchsorted(ordered, found.double().contiguous())).double()


def _share(p: float) -> str:
    if 0 < p < 0.001:
        return f"{100 * p:.2f} %"
    return f"{100 * p:.1f} %" if p < 0.1 else f"{100 * p:.0f} %"
