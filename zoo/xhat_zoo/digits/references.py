"""What real digits a search may begin from: none of them unusual to those who trained on them."""

import functools
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from xhat.core import generator
from xhat.core.cache import cached, fingerprint
from xhat.domain import References
from xhat.domain.references import label_loss
from xhat.learning import rotate
from xhat.learning.augment import uniform
from xhat.objectives import NearReal, TypicalityPenalty
from xhat.surrogates import ReferenceSamples
from xhat.surrogates.retrieval import first_of_each
from xhat_zoo import digits
from xhat_zoo.digits import mnist
from xhat_zoo.digits.networks import PRECOMPUTED

__all__ = ["digits_references"]

_OF_EACH = 2_000  # real samples of every class
_KEPT = 0.8  # of them by each of four criteria
_OTHERS = 600  # further ones, whose latents are neighbours, and some of which stand for starts
_STARTS = 200
_SPREAD = 0.5  # of the prices at which all exemplars would be chosen equally often


@functools.cache
def digits_references(kept: float = _KEPT, spread: float = _SPREAD) -> References:
    """Return real digits of the surrogates' split, and the robust classifier as a guard.

    Each image is there twice, turned by two angles, since either may lie nearer. Left out are, of
    every class, those of which the plain or the robust classifier is least sure, and those farthest
    from their neighbours among others and nearest to the middle in the shipped latent space. Prices
    keep the few that lie near everything from being chosen over and over.

    Args:
        kept: the share of each class that each criterion keeps; 1 for all.
        spread: of the prices at which all would be chosen equally often.
    """
    data = digits.split("surrogate_train")
    first = first_of_each(data.labels, _OF_EACH)
    more = first_of_each(data.labels, _OF_EACH + _OTHERS)
    more = more[torch.arange(len(more)) % (_OF_EACH + _OTHERS) >= _OF_EACH]
    others = ReferenceSamples(data.images[more], data.labels[more])
    angles = uniform(len(first), -digits.LIMIT, digits.LIMIT, generator(digits.SEED, "exemplars"))
    robust, encode = digits.surrogate("robust"), digits.vae().encode

    def twice(which: Tensor) -> ReferenceSamples:
        """Return some of all images followed by all at their other angle; all are 250 MB."""
        once, again = (half.nonzero()[:, 0] for half in which.chunk(2))
        parts = zip(first[again].split(1000), angles[again].split(1000), strict=True)
        turned = [rotate(data.upright_of(rows), angle) for rows, angle in parts]
        labels = data.labels[torch.cat((first[once], first[again]))]
        return ReferenceSamples(torch.cat((data.images[first[once]], *turned)), labels)

    def choose() -> dict[str, Tensor]:
        usual = torch.ones(2 * len(first), dtype=torch.bool)
        if kept < 1:
            usual = twice(usual).usual(_criteria(others), kept)
        price = twice(usual).priced(others.first(_STARTS), spread).price
        return {"usual": usual} | ({} if price is None else {"price": price})

    name = f"exemplars-{kept:g}-{spread:g}"
    found = cached(name, _made_from(), choose, shipped=PRECOMPUTED)
    chosen = replace(twice(found["usual"]), price=found.get("price"))
    return References(chosen, (robust,), encode)


def _criteria(others: ReferenceSamples) -> tuple[Callable[[Tensor, Tensor], Tensor], ...]:
    """Return what is high for samples that are unusual."""
    encode = digits.vae().encode
    latents = others.features(encode)

    def apart(x: Tensor, labels: Tensor) -> Tensor:
        return NearReal(encode, latents, labels)(x)

    def central(x: Tensor, labels: Tensor) -> Tensor:
        del labels
        return TypicalityPenalty(encode)(x)

    surrogates = (
        functools.partial(label_loss, digits.surrogate(name)) for name in digits.SURROGATES
    )
    return (*surrogates, apart, central)


def _made_from() -> str:
    files = [digits.WEIGHTS / f"{name}.safetensors" for name in (*digits.SURROGATES, "vae")]
    rooms = (f"xhat.{name}" for name in ("core", "learning", "objectives", "surrogates"))
    own = (f"xhat_zoo.digits.{name}" for name in ("references", "mnist", "networks", "splits"))
    return fingerprint([*files, mnist.DATA / "SHA256SUMS"], (*rooms, *own))
