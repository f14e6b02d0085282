"""What is measured of every surrogate, and of every surrogate alike.

=============== =================================================================================
accuracy        share of right answers; negative log-likelihood; calibration error, before and
                after one temperature that is fitted to other images
damage          accuracy under growing noise, blur and deformation
foreign         AUROC of digits against images that show none, by the largest probability
robust          accuracy in a ball, by the library's own projected gradient descent
steering        what its gradient leads to: verdicts of judges that the search never saw
=============== =================================================================================

All images are of the rotated test split, of which the first half fits the temperature.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from xhat.core import generator
from xhat.engine import NormalizedDescent
from xhat.judges import Judge, Outcome
from xhat.learning import CORRUPTIONS, corrupt, fit_temperature, predict
from xhat.methods import Method, NearStart, Options, Pixels
from xhat.metrics.calibration import auroc, expected_calibration_error, nll
from xhat.objectives import CrossEntropy
from xhat.surrogates import TEST_KINDS
from xhat.surrogates.robustness import robust_accuracy
from xhat_zoo import digits
from xhat_zoo.digits.foreign import foreign
from xhat_zoo.digits.steering import Steering, steer

__all__ = ["QUICK", "STEERED", "TABLED", "Appraisal", "Scope", "appraise"]

Norm = Literal["linf", "l2"]
_LEVELS = 5  # severities of damage: 0, 1/4, ..., 1
TABLED = (Outcome.GENUINE, Outcome.ADVERSARIAL, Outcome.OFF_MANIFOLD)
"""Outcomes whose share is told for every start and target."""
_SHOWN = 10  # digits of which the input gradient is kept
Progress = Callable[[str, int, int], None]
STEERED: Mapping[str, Method] = {
    "proximal": NearStart(),
    # steps of one length: Adam would give noise as much as strokes
    "robust": Pixels(NormalizedDescent(3.0)),
}
"""How is searched through a surrogate that is measured, and through it alone."""


@dataclass(frozen=True)
class Scope:
    """How much is measured.

    Attributes:
        images: of the test split, for accuracy and calibration.
        damaged: images for each kind and severity of damage.
        foreign: images of each foreign kind.
        attacked: images for robust accuracy.
        radii: of the balls, by norm.
        attack_steps: of projected gradient descent.
        starts: of every digit, each with ten targets, for steering.
        methods: how is searched, by name.
        max_steps: of a search; None for the method's own budget.
        confidence: at which a search ends.
    """

    images: int = 10_000
    damaged: int = 1_000
    foreign: int = 1_000
    attacked: int = 500
    radii: Mapping[Norm, tuple[float, ...]] = field(
        default_factory=lambda: {"l2": (0.5, 1.0, 1.5, 2.0), "linf": (0.1, 0.2)}
    )
    attack_steps: int = 40
    starts: int = 3
    methods: Mapping[str, Method] = field(default_factory=lambda: STEERED)
    max_steps: int | None = None
    confidence: float = 0.95

    def describe(self) -> dict[str, Any]:
        """Return everything it says, as JSON."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        return told | {"methods": {name: how.describe() for name, how in self.methods.items()}}


_FEW_STEPS = 30  # of a search that need not arrive


QUICK = Scope(
    images=400,
    damaged=60,
    foreign=60,
    attacked=40,
    radii={"l2": (1.0,)},
    attack_steps=8,
    starts=1,
    max_steps=_FEW_STEPS,
)
"""As little as shows that everything works."""


@dataclass(frozen=True)
class Appraisal:
    """What was measured of one surrogate.

    Attributes:
        metrics: one number each, by name.
        damage: for each kind the accuracy at evenly spaced severities from 0 to 1.
        images: ``(q, 28, 28)``, one digit of each class.
        gradients: ``(q, 28, 28)``, of the loss for the right class with respect to these.
        steering: one per method.
    """

    metrics: dict[str, float]
    damage: dict[str, tuple[float, ...]]
    images: Tensor
    gradients: Tensor
    steering: dict[str, Steering]


def appraise(
    model: nn.Module,
    judge: Judge | None,
    scope: Scope | None = None,
    *,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Appraisal:
    """Measure a surrogate of digits.

    Args:
        model: images → logits ``(n, 10)``, in evaluation mode.
        judge: who says where searches lead; None leaves steering out.
        scope: how much is measured.
        seed: of damage, foreign images and searches.
        on_progress: called with a stage's name, how far it is, and of how far.
    """
    scope, tell = scope or Scope(), on_progress or (lambda *_: None)
    stages = ["accuracy", "damage", "foreign", "robustness"]
    total = len(stages) + (len(scope.methods) if judge is not None else 0)
    tell("measures", 0, total)
    metrics = _accuracy(model, scope)
    tell("measures", 1, total)
    damage, of_damaged = _damage(model, scope, seed)
    metrics |= of_damaged
    tell("measures", 2, total)
    metrics |= _foreign(model, scope, seed)
    tell("measures", 3, total)
    metrics |= _robust(model, scope)
    tell("measures", 4, total)
    steering = {}
    if judge is not None:
        pairs = digits.pairs(scope.starts)
        options = Options(scope.confidence, scope.max_steps, seed=seed)
        for name, how in scope.methods.items():
            steering[name] = steer(how, model, pairs, judge, options=options)
            metrics |= _steered(name, steering[name])
            tell("measures", len(stages) + len(steering), total)
    return Appraisal(metrics, damage, *_gradients(model), steering)


def _accuracy(model: nn.Module, scope: Scope) -> dict[str, float]:
    test = digits.split("test")
    logits, labels = predict(model, test.images[: scope.images]), test.labels[: scope.images]
    middle = len(labels) // 2
    temperature = fit_temperature(logits[:middle], labels[:middle])
    kept, known = logits[middle:], labels[middle:]
    return {
        "accuracy": float((logits.argmax(1) == labels).double().mean()),
        "nll": nll(kept, known),
        "nll tempered": nll(kept / temperature, known),
        "calibration error": expected_calibration_error(kept, known),
        "calibration error tempered": expected_calibration_error(kept / temperature, known),
        "temperature": temperature,
    }


def _damage(
    model: nn.Module, scope: Scope, seed: int
) -> tuple[dict[str, tuple[float, ...]], dict[str, float]]:
    test = digits.split("test")
    x, labels = test.images[: scope.damaged], test.labels[: scope.damaged]
    curves, metrics, everything = {}, {}, []
    for kind in CORRUPTIONS:
        draws, right = generator(seed, "damage", kind), []
        for severity in torch.linspace(0, 1, _LEVELS):
            logits = predict(model, corrupt(kind, x, severity.reshape(1), draws))
            everything.append(logits)
            right.append(float((logits.argmax(1) == labels).double().mean()))
        curves[kind] = tuple(right)
        metrics[f"accuracy under {kind}"] = sum(right) / len(right)
    logits, known = torch.cat(everything), labels.repeat(len(everything))
    metrics["nll damaged"] = nll(logits, known)
    metrics["calibration error damaged"] = expected_calibration_error(logits, known)
    return curves, metrics


def _foreign(model: nn.Module, scope: Scope, seed: int) -> dict[str, float]:
    def sure(x: Tensor) -> Tensor:
        return predict(model, x).softmax(1).amax(1)

    own = sure(digits.split("test").images[: scope.images])
    return {
        f"AUROC {kind}": auroc(own, sure(foreign(kind, scope.foreign, seed))) for kind in TEST_KINDS
    }


def _robust(model: nn.Module, scope: Scope) -> dict[str, float]:
    test = digits.split("test")
    x, labels = test.images[: scope.attacked], test.labels[: scope.attacked]
    found = {}
    for norm, radii in scope.radii.items():
        shares = robust_accuracy(model, x, labels, radii, norm, steps=scope.attack_steps)
        found |= {f"robust {norm} {radius:g}": kept.share for radius, kept in shares.items()}
    return found


def _steered(name: str, found: Steering) -> dict[str, float]:
    numbers = found.numbers()
    shares = {
        f"{outcome} {name}": numbers["verdicts"][str(outcome)] / numbers["n"]
        for outcome in (
            Outcome.GENUINE,
            Outcome.ADVERSARIAL,
            Outcome.OFF_MANIFOLD,
            Outcome.OUT_OF_DISTRIBUTION,
            Outcome.UNREACHED,
        )
    }
    return shares | {
        f"judges' confidence {name}": numbers["judge_confidence"],
        f"reached {name}": numbers["reached"],
        f"moved {name}": numbers["moved"],
    }


def _gradients(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Return one image of each digit, and the gradient of its own class's loss there."""
    test = digits.split("test")
    first = torch.stack([(test.labels == k).nonzero()[0, 0] for k in range(digits.CLASSES)])
    x = test.images[first[:_SHOWN]].clone().requires_grad_(True)
    loss = CrossEntropy(model, test.labels[first[:_SHOWN]])(x)
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    return x.detach()[:, 0], gradient[:, 0]


def quickly(scope: Scope) -> Scope:
    """Return the same measurements on as few images as show that they work."""
    small = {name: getattr(QUICK, name) for name in ("images", "damaged", "foreign", "attacked")}
    few = {"attack_steps": QUICK.attack_steps, "max_steps": _FEW_STEPS}
    return replace(scope, **small, **few, starts=1)


def record(found: Appraisal) -> dict[str, Any]:
    """Return curves and tables of an appraisal as JSON."""
    return {
        "damage": {kind: [round(a, 4) for a in curve] for kind, curve in found.damage.items()},
        "steering": {
            name: {
                **{str(each): found.steering[name].table(each).tolist() for each in TABLED},
                "verdicts": found.steering[name].numbers()["verdicts"],
            }
            for name in found.steering
        },
    }
