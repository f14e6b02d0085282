"""Digits as a ``Domain``: real samples, judge, networks and references that are its own."""

import functools
from collections.abc import Callable

from xhat.domain import Domain, References
from xhat_zoo.digits import networks, splits, tested
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.references import digits_references

__all__ = ["digits_domain"]


@functools.cache
def digits_domain(
    alpha: float = 0.05, references: Callable[[], References] = digits_references
) -> Domain:
    """Return rotated digits, with the surrogates' split for searches.

    The judge is better than the default one: five held-out classifiers and seven manifold axes,
    trained on and calibrated by images that no search sees. The networks are the shipped ones.

    Args:
        alpha: of the judge.
        references: makes what searches from real samples begin at, when it is needed.
    """
    data, judge = splits.split("surrogate_train"), digits_judge(alpha)
    domain = Domain(
        data.images,
        data.labels,
        kind="image",
        limits=(0.0, 1.0),
        name="digits",
        judge=judge,
        networks={
            "robust": networks.surrogate("robust"),
            "autoencoder": networks.vae(),
            "denoiser": networks.denoiser(),
            "prior": networks.prior(),
        },
        references=references,
    )
    domain.self_tested = tested.shipped(judge, alpha)
    return domain
