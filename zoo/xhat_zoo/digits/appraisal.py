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
from torch import nn

from xhat.engine import NormalizedDescent
from xhat.judges import Judge
from xhat.learning import DAMAGE, predict
from xhat.methods import Method, NearStart, Options, Pixels
from xhat.training import (
    Appraisal,
    certainty,
    in_balls,
    input_gradients,
    told_apart,
    under_damage,
)
from xhat.training.steering import TABLED
from xhat_zoo import digits
from xhat_zoo.digits.foreign import foreign
from xhat_zoo.digits.negatives import TEST_KINDS
from xhat_zoo.digits.steering import steer

__all__ = ["QUICK", "STEERED", "Appraisal", "Scope", "appraise", "quickly", "record"]

Norm = Literal["linf", "l2"]
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
    test, total = digits.split("test"), 4 + (len(scope.methods) if judge is not None else 0)
    tell("measures", 0, total)
    x, labels = test.images, test.labels
    metrics = certainty(predict(model, x[: scope.images]), labels[: scope.images])
    tell("measures", 1, total)
    few = scope.damaged
    damage, more = under_damage(model, x[:few], labels[:few], DAMAGE["image"], seed=seed)
    metrics |= more
    tell("measures", 2, total)
    others = {kind: foreign(kind, scope.foreign, seed) for kind in TEST_KINDS}
    metrics |= told_apart(model, x[: scope.images], others)
    tell("measures", 3, total)
    few = scope.attacked
    metrics |= in_balls(model, x[:few], labels[:few], scope.radii, steps=scope.attack_steps)
    tell("measures", 4, total)
    steering = {}
    if judge is not None:
        pairs = digits.pairs(scope.starts)
        options = Options(scope.confidence, scope.max_steps, seed=seed)
        for name, how in scope.methods.items():
            steering[name] = steer(how, model, pairs, judge, options=options)
            metrics |= steering[name].metrics(name)
            tell("measures", 4 + len(steering), total)
    first = torch.stack([(labels == k).nonzero()[0, 0] for k in range(digits.CLASSES)])
    gradients = input_gradients(model, x[first], labels[first])
    return Appraisal(metrics, damage, x[first], gradients, steering)


def quickly(scope: Scope) -> Scope:
    """Return the same measurements on as few images as show that they work."""
    small = {name: getattr(QUICK, name) for name in ("images", "damaged", "foreign", "attacked")}
    few = {"attack_steps": QUICK.attack_steps, "max_steps": _FEW_STEPS}
    return replace(scope, **small, **few, starts=1)


def record(found: Appraisal) -> dict[str, Any]:
    """Return curves and tables of an appraisal as JSON."""
    return found.record(TABLED)
