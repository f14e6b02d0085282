"""The parts of ``xhat.surrogates.recipes`` with the numbers of digits, and how they are trained.

What is other for digits: images are slanted up to 45°, negatives are made with strokes and signs,
balls are those that the literature attacks in, and searches go astray by the shipped surrogate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from xhat.learning import EpochRecord, Jitter, Shift
from xhat.surrogates import PARTS as ANY
from xhat.surrogates import Composed, Part, Setting, train_classifier
from xhat.surrogates import compose as composed
from xhat.surrogates.adversarial import Norm
from xhat_zoo import digits
from xhat_zoo.digits.foreign import foreign
from xhat_zoo.digits.negatives import TEST_KINDS, Negatives
from xhat_zoo.digits.recipes.recipe import Made, Recipe

__all__ = ["PARTS", "compose"]

_TURNED = Jitter(angle=45.0)
_FOREIGN = 1_000  # images of a kind that is tested on
_WRITTEN = Jitter(angle=45.0, shift=1.0, scale=0.08, shear=0.08)
_RADII: dict[Norm, float] = {"l2": 2.0, "linf": 0.3}


def compose(name: str) -> Recipe:
    """Return the recipe that is named by parts joined by ``+``; without a base, it is ``plain``.

    Raises:
        ValueError: an unknown part, a part named twice, or parts that exclude each other.

    Example:
        >>> compose("outliers+robust").hyperparameters == compose("robust").hyperparameters
        True
    """
    made = composed(name, PARTS)
    return Recipe(
        name,
        "surrogate",
        made.caption,
        _Run(made),
        "surrogate_train",
        "SmallCNN",
        dict(made.base.arguments),
        dict(made.base.base or {}),
        made.base.seed,
    )


@dataclass(frozen=True)
class _Run:
    """The training of a composed recipe."""

    recipe: Composed

    def __call__(
        self,
        images: Tensor,
        targets: Tensor,
        *,
        seed: int,
        on_epoch: Callable[[EpochRecord], None] | None,
        **hyperparameters: Any,
    ) -> Made:
        """Make the signals, and train with them."""
        labels = targets if targets.ndim == 1 else targets.argmax(1)
        terms = self.recipe.terms(
            Setting(
                images,
                labels,
                digits.CLASSES,
                "image",
                seed,
                hyperparameters,
                _RADII,
                lambda: Negatives(images, labels),
                jitter=_TURNED,
                plain=lambda: digits.surrogate("plain"),
                tested=lambda: (foreign(kind, _FOREIGN) for kind in TEST_KINDS),
            )
        )
        model = train_classifier(
            images,
            targets,
            seed=seed,
            terms=terms,
            arguments=self.recipe.base.arguments,
            on_epoch=on_epoch,
            **hyperparameters,
        )
        return Made(model, {"signals": [term.describe() for term in terms]})


def _base(epochs: int, rate: float, decay: float, jitter: Jitter | Shift) -> Mapping[str, Any]:
    return {
        "epochs": epochs,
        "batch_size": 128,
        "learning_rate": rate,
        "weight_decay": decay,
        "average": 0.998,
        "jitter": jitter,
    }


_BASES = {
    "plain": _base(50, 3e-3, 0.05, _WRITTEN),
    "quick": _base(15, 6e-3, 0.05, _WRITTEN),
    "wide": _base(30, 3e-3, 0.05, _WRITTEN),
    "robust": _base(14, 2e-3, 0.01, _TURNED),
    "robust-linf": _base(32, 3e-3, 0.01, Shift(2)),
    "trades": _base(14, 2e-3, 0.01, _TURNED),
}

PARTS: dict[str, Part] = {
    name: replace(part, base=_BASES[name]) if name in _BASES else part for name, part in ANY.items()
}
