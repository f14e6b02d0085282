"""Which judge the task digits has."""

import functools
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from xhat.core.cache import cached, fingerprint
from xhat.judges import (
    CalibrationStatistics,
    Judge,
    Jury,
    Likelihood,
    Neighbours,
    Penultimate,
    Reconstruction,
    represented,
)
from xhat.judges.passes import once
from xhat.learning import VAE, load_checkpoint
from xhat_zoo import digits
from xhat_zoo.digits import mnist
from xhat_zoo.digits.networks import PRECOMPUTED

__all__ = ["digits_judge"]

_COVARIANCE = 10_000  # real samples from which a covariance is estimated
_ANY = 0.05  # what is usual does not depend on alpha


def digits_judge(alpha: float = 0.05, weights: str | Path | None = None) -> Judge:
    """Return the judge of rotated digits: five held-out classifiers and seven manifold axes.

    All were trained on the split ``judge_train``, the surrogates on ``surrogate_train``, and what
    is usual comes from ``calibration``: no image is in two of them. What is usual is shipped
    (``xhat.core.cache``); what the networks see of real digits is kept from the first time
    that a sample is judged.

    Args:
        alpha: the share of real digits that may be flagged.
        weights: a folder with other weights of the same names; None for those shipped.

    Raises:
        UnreadableFileError: data or weights are missing or damaged.
        ValueError: too few calibration samples for ``alpha``.
    """
    return _digits_judge(alpha, Path(weights) if weights is not None else digits.WEIGHTS)


@functools.cache
def _digits_judge(alpha: float, weights: Path) -> Judge:
    members = {name: load_checkpoint(weights, name)[0] for name in digits.JUDGES}
    autoencoder = load_checkpoint(weights, digits.AUTOENCODER)[0]
    if not isinstance(autoencoder, VAE):
        raise TypeError(f"the checkpoint {digits.AUTOENCODER} must hold a VAE.")
    reference, calibration = digits.split("judge_train"), digits.split("calibration")
    x, labels = reference.images, reference.labels
    flat = x.flatten(1)  # asked for like what networks see, so that a judge is made at once
    see = {"features": Penultimate(members["judge-residual"]), "latents": autoencoder.encode}
    made_from = _made_from(weights)

    @functools.cache
    def seen() -> dict[str, Tensor]:
        return cached(
            "judge-sees",
            made_from,
            lambda: {name: represented(f, x) for name, f in see.items()},
            shipped=PRECOMPUTED,
        )

    features, latents = see.values()
    axes = (
        Neighbours("distance in pixels", x, labels=labels, k_dimension=20, seen=lambda: flat),
        Neighbours(
            "distance in features of judge-residual",
            x,
            features,
            labels,
            seen=lambda: seen()["features"],
        ),
        Neighbours(
            "distance in latents of the autoencoder",
            x,
            latents,
            labels,
            seen=lambda: seen()["latents"],
        ),
        Likelihood("likelihood", x[:_COVARIANCE], seen=lambda: flat[:_COVARIANCE]),
        Likelihood(
            "typicality of latents",
            x[:_COVARIANCE],
            latents,
            typicality=True,
            seen=lambda: seen()["latents"][:_COVARIANCE],
        ),
        Reconstruction("reconstruction", _Rebuilt(autoencoder)),
    )
    jury = Jury(tuple(members.values()), tuple(members), digits.CLASSES)
    parts = jury, axes, (x, labels), (calibration.images, calibration.labels)
    known = cached(
        "judge-usual",
        made_from,
        lambda: Judge.assemble(*parts, _ANY).usual.as_tensors(),
        shipped=PRECOMPUTED,
    )
    return Judge.assemble(*parts, alpha, usual=CalibrationStatistics.of(known, axes))


def _made_from(weights: Path) -> str:
    nets = (*digits.JUDGES, digits.AUTOENCODER)
    files = [weights / f"{name}{ending}" for name in nets for ending in (".safetensors", ".json")]
    rooms = ("xhat.core", "xhat.judges", "xhat.learning")
    own = (
        f"xhat_zoo.digits.{name}"
        for name in ("invariant", "judging", "mnist", "networks", "splits")
    )
    return fingerprint([*files, mnist.DATA / "SHA256SUMS"], (*rooms, *own))


@dataclass(frozen=True)
class _Rebuilt:
    """What an autoencoder makes of samples: their mean latents, decoded."""

    model: VAE

    def __call__(self, x: Tensor) -> Tensor:
        return self.model.decode(once(self.model.encode, x))
