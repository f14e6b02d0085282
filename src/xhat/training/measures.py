"""What is measured of every classifier alike, by samples that it was not trained on.

Every function returns numbers by the name under which a page and a record have them.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from xhat.core import generator
from xhat.learning import corrupt, fit_temperature, predict
from xhat.metrics.calibration import auroc, expected_calibration_error, nll
from xhat.objectives import CrossEntropy
from xhat.surrogates.robustness import robust_accuracy
from xhat.surrogates.training_terms import Limits

__all__ = [
    "certainty",
    "entropy",
    "in_balls",
    "input_gradients",
    "told_apart",
    "typical_confidence",
    "under_damage",
]

Norm = Literal["linf", "l2"]
_LEVELS = 5  # severities of damage: 0, 1/4, ..., 1


def certainty(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return accuracy, log loss and calibration error, before and after one temperature.

    The first half of the samples fits the temperature, the others measure certainty.

    Args:
        logits: ``(n, classes)``, in mixed order.
        labels: ``(n,)`` int64.
    """
    middle = len(labels) // 2
    temperature = fit_temperature(logits[:middle], labels[:middle])
    kept, known = logits[middle:], labels[middle:]
    return {
        "accuracy": _share(logits, labels),
        "nll": nll(kept, known),
        "nll tempered": nll(kept / temperature, known),
        "calibration error": expected_calibration_error(kept, known),
        "calibration error tempered": expected_calibration_error(kept / temperature, known),
        "temperature": temperature,
    }


def typical_confidence(logits: Tensor, labels: Tensor) -> float:
    """Return the median probability of right answers; a soft surrogate is never very sure.

    Args:
        logits: ``(n, classes)``.
        labels: ``(n,)`` int64.

    Returns:
        In [0.5, 0.999], so that a search can end there.
    """
    sure, said = logits.softmax(1).max(1)
    right = sure[said == labels]
    return float(right.median().clamp(0.5, 0.999)) if len(right) else 0.5


def under_damage(
    model: nn.Module,
    x: Tensor,
    labels: Tensor,
    kinds: Sequence[str],
    *,
    seed: int,
    limits: Limits = (0.0, 1.0),
) -> tuple[dict[str, tuple[float, ...]], dict[str, float]]:
    """Return accuracy at evenly spaced severities of each kind of damage, and its means.

    Args:
        model: samples → logits, in evaluation mode.
        x: ``(n, *x_shape)`` within the limits.
        labels: ``(n,)`` int64.
        kinds: names in ``xhat.learning.CORRUPTIONS``.
        seed: of the damage.
        limits: of the features.
    """
    curves, metrics, everything = {}, {}, []
    for kind in kinds:
        draws, right = generator(seed, "damage", kind), []
        for severity in torch.linspace(0, 1, _LEVELS):
            logits = predict(model, corrupt(kind, x, severity.reshape(1), draws, limits))
            everything.append(logits)
            right.append(_share(logits, labels))
        curves[kind] = tuple(right)
        metrics[f"accuracy under {kind}"] = sum(right) / len(right)
    logits, known = torch.cat(everything), labels.repeat(len(everything))
    metrics["nll damaged"] = nll(logits, known)
    metrics["calibration error damaged"] = expected_calibration_error(logits, known)
    return curves, metrics


def told_apart(model: nn.Module, x: Tensor, foreign: Mapping[str, Tensor]) -> dict[str, float]:
    """Return how well the largest probability tells samples from foreign ones: AUROC by kind."""

    def sure(x: Tensor) -> Tensor:
        return predict(model, x).softmax(1).amax(1)

    own = sure(x)
    return {f"AUROC {kind}": auroc(own, sure(other)) for kind, other in foreign.items()}


def entropy(model: nn.Module, x: Tensor) -> float:
    """Return the mean entropy of the predictions, in nats; ``log(classes)`` is knowing nothing."""
    given = predict(model, x).log_softmax(1)
    return float(-(given.exp() * given).sum(1).mean())


def in_balls(
    model: nn.Module,
    x: Tensor,
    labels: Tensor,
    radii: Mapping[Norm, Sequence[float]],
    *,
    steps: int,
    limits: Limits = (0.0, 1.0),
) -> dict[str, float]:
    """Return robust accuracy by the library's own attack, as ``robust NORM RADIUS``."""
    found = {}
    for norm, sizes in radii.items():
        shares = robust_accuracy(model, x, labels, sizes, norm, steps=steps, limits=limits)
        found |= {f"robust {norm} {radius:g}": kept.share for radius, kept in shares.items()}
    return found


def input_gradients(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """Return the gradient of each sample's loss for its own class, ``(n, *x_shape)``."""
    x = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(CrossEntropy(model, labels)(x).sum(), x)
    return gradient


def _share(logits: Tensor, labels: Tensor) -> float:
    return float((logits.argmax(1) == labels).double().mean())
