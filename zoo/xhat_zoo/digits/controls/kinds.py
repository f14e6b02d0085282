"""Every kind of planted control: how it is made, what is wanted of the verdict, and how often."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from xhat.judges import Judge, Likelihood, Outcome, Reconstruction
from xhat_zoo.digits.controls import attacks, images
from xhat_zoo.digits.controls.material import Control, Material

__all__ = ["GROUPS", "Kind", "kinds"]

GENUINE, NOT_GENUINE, ELSEWHERE = "genuine", "not genuine", "out of distribution"
GROUPS = (
    "real",
    "attacks on the surrogate",
    "attacks on the judges",
    "between digits",
    "not digits",
    "damaged digits",
)


@dataclass(frozen=True)
class Kind:
    """One kind of planted controls.

    Attributes:
        name: for people.
        group: one of ``GROUPS``.
        make: plants them.
        wanted: what their verdict should be; None where a person may disagree.
        asked: the least share of them for which it should be so; None where nothing is asked.
    """

    name: str
    group: str
    make: Callable[[Material], Control]
    wanted: str | None = None
    asked: float | None = None

    def right(self, outcome: Outcome) -> bool:
        """Return whether an outcome is what is wanted (where nothing is: whether it is genuine)."""
        if self.wanted == ELSEWHERE:
            return outcome is Outcome.OUT_OF_DISTRIBUTION
        return (outcome is Outcome.GENUINE) != (self.wanted == NOT_GENUINE)


def kinds(judge: Judge) -> tuple[Kind, ...]:
    """Return every kind, those that attack a judge's members and axes included.

    Raises:
        ValueError: the judge has no jury.
    """
    if judge.jury is None:
        raise ValueError("planted controls are for a judge with a jury.")
    real, surrogate, judges, between, other, damaged = GROUPS
    smooth = tuple(a for a in judge.manifold if isinstance(a, Likelihood | Reconstruction))
    names = judge.jury.names
    return (
        Kind("real digits", real, lambda of: Control(of.x, of.labels), GENUINE, 0.94),
        Kind("PGD, Linf 0.3", surrogate, attacks.pgd_linf, NOT_GENUINE, 0.99),
        Kind("PGD, L2 2.0", surrogate, attacks.pgd_l2, NOT_GENUINE, 0.99),
        Kind("Carlini-Wagner, L2", surrogate, attacks.carlini_wagner, NOT_GENUINE, 0.99),
        Kind("minimum norm, L2", surrogate, attacks.minimum_norm, NOT_GENUINE, 0.99),
        Kind("decision boundary", surrogate, attacks.boundary, NOT_GENUINE, 0.99),
        *(
            Kind(f"PGD on {name}", judges, partial(attacks.white_box, name=name), NOT_GENUINE, 0.9)
            for name in names
        ),
        *(
            Kind(
                f"all but {name}, Linf 0.3",
                judges,
                partial(attacks.adaptive, secret=name),
                NOT_GENUINE,
                0.9,
            )
            for name in names
        ),
        *(
            Kind(
                f"all but {name}, L2 3.0",
                judges,
                partial(attacks.adaptive, secret=name, norm="l2"),
                NOT_GENUINE,
                0.9,
            )
            for name in names
        ),
        Kind("all judges and axes", judges, partial(attacks.everything, axes=smooth)),
        Kind("superposed", between, images.superposed, NOT_GENUINE, 0.95),
        Kind("blended", between, images.blended, NOT_GENUINE, 0.95),
        Kind("half-way shapes", between, images.shape_morphs, NOT_GENUINE, 0.95),
        Kind("half-way latents", between, images.latent_morphs, NOT_GENUINE, 0.95),
        Kind("random decodes", between, images.decodes),
        Kind("clothes", other, images.clothes, ELSEWHERE, 0.99),
        Kind("letters", other, images.letters, ELSEWHERE, 0.99),
        Kind("noise", other, images.noise, ELSEWHERE, 0.99),
        Kind("blank", other, images.blank, ELSEWHERE, 0.99),
        *(
            Kind(name, damaged, make)
            for name, make in (
                ("broken", images.broken),
                ("occluded", images.occluded),
                ("over-thick", images.thick),
                ("over-thin", images.thin),
                ("tiny", images.tiny),
                ("shifted", images.shifted),
            )
        ),
    )
