"""Digits as a ``Domain``: real samples, judge, networks and references that are its own."""

import functools

from xhat.domain import Domain, References
from xhat_zoo.digits import networks, splits
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.methods.known import digits_known

__all__ = ["digits_domain"]


@functools.cache
def digits_domain(alpha: float = 0.05) -> Domain:
    """Return rotated digits, with the surrogates' split for searches.

    The judge is better than the default one: five held-out classifiers and seven manifold axes,
    trained on and calibrated by images that no search sees. The networks are the shipped ones.

    Args:
        alpha: of the judge.
    """
    data = splits.split("surrogate_train")
    known = digits_known()
    return Domain(
        data.images,
        data.labels,
        kind="image",
        limits=(0.0, 1.0),
        name="digits",
        judge=digits_judge(alpha),
        networks={
            "robust": networks.surrogate("robust"),
            "autoencoder": networks.vae(),
            "denoiser": networks.denoiser(),
        },
        references=References(known.exemplars, known.guards, known.encoder),
    )
