"""What is measured of a surrogate of any labelled domain.

=============== =================================================================================
accuracy        share of right answers; negative log-likelihood; calibration error, before and
                after one temperature that is fitted to other samples
damage          accuracy under growing damage of the kinds that data of this kind suffer
foreign         AUROC of real samples against samples of no class, of kinds that no recipe trains
                on, and the entropy of the predictions on both and on noise
robust          accuracy in a ball, by the library's own projected gradient descent; radii are
                in units of the domain: of its range, and for a table of its scale, column by column
steering        what its gradient leads to: verdicts of the domain's judge
judge           what that judge says of samples of which the right verdict is known
=============== =================================================================================

All samples are such that the surrogate was not trained on.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from xhat.core import generator
from xhat.domain import Domain
from xhat.judges import Outcome
from xhat.learning import DAMAGE, Surrogate, predict
from xhat.surrogates import Outliers, ReferenceSamples
from xhat.training.measures import (
    Norm,
    certainty,
    entropy,
    in_balls,
    input_gradients,
    told_apart,
    typical_confidence,
    under_damage,
)
from xhat.training.setting import Parts, unit_limits
from xhat.training.steering import NEAREST, Steering, pairs_of, steered

__all__ = ["Appraisal", "Scope", "appraise"]

Progress = Callable[[str, int, int], None]
_SHOWN = 10  # samples of which the input gradient is kept


@dataclass(frozen=True)
class Scope:
    """How much is measured.

    Attributes:
        samples: for accuracy and calibration, at most.
        damaged: samples for each kind and severity of damage.
        foreign: samples of each foreign kind.
        attacked: samples for robust accuracy.
        radii: of the balls, by norm, in units of the domain; None for shares of those that the
            recipes' adversaries have.
        attack_steps: of projected gradient descent.
        pairs: of a start and another class, for steering.
        methods: how is searched, by name; the nearest real sample stands beside them.
        confidence: at which a search ends, or at that which the surrogate has of half of the real
            samples that it reads right, if that is less.
        max_steps: of a search; None for the method's own.
    """

    samples: int = 10_000
    damaged: int = 500
    foreign: int = 500
    attacked: int = 200
    radii: Mapping[Norm, tuple[float, ...]] | None = None
    attack_steps: int = 40
    pairs: int = 180
    methods: tuple[str, ...] = ("plain", "proximal")
    confidence: float = 0.95
    max_steps: int | None = None

    def describe(self) -> dict[str, Any]:
        """Return everything it says, as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Appraisal:
    """What was measured of one surrogate.

    Attributes:
        metrics: one number each, by name.
        damage: for each kind the accuracy at evenly spaced severities from 0 to 1.
        samples: ``(q, *x_shape)``, one of each class, at most ten.
        gradients: ``(q, *x_shape)``, of the loss for the right class with respect to these.
        steering: one per method.
    """

    metrics: dict[str, float]
    damage: dict[str, tuple[float, ...]]
    samples: Tensor
    gradients: Tensor
    steering: Mapping[str, Steering] = field(default_factory=dict)

    def record(self, outcomes: tuple[Outcome, ...]) -> dict[str, Any]:
        """Return curves, and tables of these outcomes, as JSON."""
        return {
            "damage": {kind: [round(a, 4) for a in curve] for kind, curve in self.damage.items()},
            "steering": {
                name: {
                    **{str(each): _plain(found.table(each)) for each in outcomes},
                    "verdicts": found.numbers()["verdicts"],
                }
                for name, found in self.steering.items()
            },
        }


def appraise(
    model: Surrogate,
    domain: Domain,
    radii: Mapping[Norm, float],
    scope: Scope | None = None,
    *,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Appraisal:
    """Measure a surrogate that ``train`` made for a domain.

    Args:
        model: in evaluation mode.
        domain: with classes, and enough samples for a judge.
        radii: of the recipes' adversaries, in units of the domain.
        scope: how much is measured.
        seed: of damage, foreign samples, attacks and searches.
        on_progress: called with a stage's name, how far it is, and of how far.

    Raises:
        ValueError: too few samples for a judge.
    """
    scope, tell = scope or Scope(), on_progress or (lambda *_: None)
    domain.judge(on_progress=on_progress)
    held = _Held.of(model, domain, scope, seed)
    names = (*scope.methods, NEAREST)
    total = 3 + len(names)
    tell("measures", 0, total)
    metrics = certainty(predict(model.net, held.x), held.labels)
    some = held.x[: scope.damaged], held.labels[: scope.damaged]
    limits = held.limits
    damage, more = under_damage(model.net, *some, DAMAGE[domain.kind], seed=seed, limits=limits)
    metrics |= more
    tell("measures", 1, total)
    metrics |= _foreign(model, held, scope, seed)
    metrics |= _judge(model, domain, held, scope)
    tell("measures", 2, total)
    metrics |= in_balls(
        model.net,
        held.x[: scope.attacked],
        held.labels[: scope.attacked],
        scope.radii or {norm: _shares(radius) for norm, radius in radii.items()},
        steps=scope.attack_steps,
        limits=limits,
    )
    tell("measures", 3, total)
    steering = {}
    for done, name in enumerate(names, 4):
        steering[name] = _steer(model, domain, held, scope, name, seed)
        metrics |= steering[name].metrics(name)
        tell("measures", done, total)
    shown = _one_of_each(held.labels)
    x, labels = held.x[shown], held.labels[shown]
    samples, gradients = x * model.unit + model.offset, input_gradients(model.net, x, labels)
    return Appraisal(metrics, damage, samples, gradients, steering)


@dataclass(frozen=True)
class _Held:
    """Samples that the surrogate was not trained on, as its network sees them, in mixed order."""

    x: Tensor
    labels: Tensor
    limits: Any
    foreign: dict[str, Tensor]
    parts: Parts

    @classmethod
    def of(cls, model: Surrogate, domain: Domain, scope: Scope, seed: int) -> "_Held":
        parts = Parts.of(domain)
        rows = parts.unseen
        mixed = torch.randperm(len(rows), generator=generator(seed, "held out"))
        rows = rows[mixed][: scope.samples]
        labels = parts.labels[rows]
        x, limits = model.units(domain.x[rows]), unit_limits(model, domain)
        source, draws = Outliers(x, labels, limits), generator(seed, "foreign")
        kinds = (*source.tested, "noise")
        foreign = {kind: source.draw(scope.foreign, draws, (kind,)) for kind in kinds}
        return cls(x, labels, limits, foreign, parts)


def _foreign(model: Surrogate, held: _Held, scope: Scope, seed: int) -> dict[str, float]:
    del scope, seed
    apart = told_apart(model.net, held.x, held.foreign)
    entropies = {"real samples": held.x} | held.foreign
    return apart | {f"entropy {kind}": entropy(model.net, x) for kind, x in entropies.items()}


def _judge(model: Surrogate, domain: Domain, held: _Held, scope: Scope) -> dict[str, float]:
    """Return which shares the judge calls genuine where the right verdict is known.

    Real samples are those that it was not fitted on.
    """
    judge, labels = domain.judge(), held.parts.labels[held.parts.held]
    own = domain.x[held.parts.held]
    other = (labels + 1) % len(domain.classes)
    asked = {"real samples": (own, labels), "real samples of another class": (own, other)}
    for kind, x in held.foreign.items():
        some = x[: max(50, scope.foreign // 4)] * model.unit + model.offset
        asked[kind] = (some, predict(model, some).argmax(1))
    return {
        f"judged genuine: {name}": judge.judge(x, target).counts()[Outcome.GENUINE] / len(x)
        for name, (x, target) in asked.items()
    }


def _steer(
    model: Surrogate, domain: Domain, held: _Held, scope: Scope, name: str, seed: int
) -> Steering:
    parts = held.parts
    rows, target = pairs_of(parts.labels[parts.held], len(domain.classes), scope.pairs, seed)
    starts = parts.held[rows]
    sure = typical_confidence(predict(model.net, held.x), held.labels)
    return steered(
        model,
        domain,
        (domain.x[starts], parts.labels[starts]),
        target,
        ReferenceSamples(domain.x[parts.trained], parts.labels[parts.trained]),
        method=name,
        confidence=min(scope.confidence, sure),
        max_steps=scope.max_steps,
        seed=seed,
    )


def _one_of_each(labels: Tensor) -> Tensor:
    first = [(labels == k).nonzero()[0, 0] for k in labels.unique().tolist()]
    return torch.stack(first[:_SHOWN])


def _shares(radius: float) -> tuple[float, ...]:
    return tuple(float(f"{share * radius:.2g}") for share in (0.25, 0.5, 0.75, 1.0))


def _plain(table: Tensor) -> list[list[float | None]]:
    return [[None if a != a else a for a in row] for row in table.tolist()]
