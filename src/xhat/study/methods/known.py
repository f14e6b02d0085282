"""What real digits a search may begin from: none of them unusual to those who trained on them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import generator
from xhat.learning import random_rotation
from xhat.objectives import Central, NearReal
from xhat.study.remembering import fingerprint, remembered
from xhat.surrogates import Exemplars
from xhat.tasks import digits, mnist

__all__ = ["Known", "digits_known", "unsure"]

_OF_EACH = 2_000  # real samples of every class
_KEPT = 0.8  # of them by each of four criteria
_OTHERS = 600  # further ones, whose latents are neighbours, and some of which stand for starts
_STARTS = 200
_SPREAD = 0.5  # of the prices at which all exemplars would be chosen equally often
_SAMPLES = 200  # of each class, from which is learnt how sure a classifier is of real samples


@dataclass(frozen=True)
class Known:
    """What a search from real samples is given besides the surrogate.

    Attributes:
        exemplars: real samples of every class, at none of which anything is unusual.
        guards: further classifiers, which must be sure of the target as well.
        encoder: of a latent space, in whose middle no result should lie; None for none.
    """

    exemplars: Exemplars
    guards: tuple[nn.Module, ...] = ()
    encoder: Callable[[Tensor], Tensor] | None = None

    def usual(self, loss: Callable[[Tensor, Tensor], Tensor], share: float) -> Tensor:
        """Return what ``loss(x, labels)`` is at most for a share of each class, ``(classes,)``."""
        some = self.exemplars.first(_SAMPLES)
        return some.quantile(some.values(loss), share)


def unsure(model: Callable[[Tensor], Tensor], x: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of the labels, ``(n,)``."""
    return F.cross_entropy(model(x), labels, reduction="none")


@functools.cache
def digits_known(kept: float = _KEPT, spread: float = _SPREAD) -> Known:
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
    whole = Exemplars(data.images, data.labels).first(_OF_EACH + _OTHERS)
    upright = Exemplars(data.upright, data.labels).first(_OF_EACH)
    again = random_rotation(upright.x, digits.LIMIT, generator(digits.SEED, "exemplars"))
    rank = torch.arange(len(whole)) % (_OF_EACH + _OTHERS)
    once = whole.first(_OF_EACH)
    twice = Exemplars(torch.cat((once.x, again)), torch.cat((once.labels, upright.labels)))
    others = Exemplars(whole.x[rank >= _OF_EACH], whole.labels[rank >= _OF_EACH])
    robust, encode = digits.surrogate("robust"), digits.vae().encode

    def choose() -> dict[str, Tensor]:
        usual = torch.ones(len(twice), dtype=torch.bool)
        if kept < 1:
            usual = twice.usual(_criteria(others), kept)
        chosen = Exemplars(twice.x[usual], twice.labels[usual])
        price = chosen.priced(others.first(_STARTS), spread).price
        return {"usual": usual} | ({} if price is None else {"price": price})

    name = f"exemplars-{kept:g}-{spread:g}"
    found = remembered(name, _made_from(), choose)
    usual = found["usual"]
    chosen = Exemplars(twice.x[usual], twice.labels[usual], found.get("price"))
    return Known(chosen, (robust,), encode)


def _criteria(others: Exemplars) -> tuple[Callable[[Tensor, Tensor], Tensor], ...]:
    """Return what is high for samples that are unusual."""
    encode = digits.vae().encode
    latents = others.features(encode)

    def apart(x: Tensor, labels: Tensor) -> Tensor:
        return NearReal(encode, latents, labels)(x)

    def central(x: Tensor, labels: Tensor) -> Tensor:
        del labels
        return Central(encode)(x)

    surrogates = (functools.partial(unsure, digits.surrogate(name)) for name in digits.SURROGATES)
    return (*surrogates, apart, central)


def _made_from() -> str:
    files = [digits.WEIGHTS / f"{name}.safetensors" for name in (*digits.SURROGATES, "vae")]
    rooms = ("core", "learning", "objectives", "surrogates", "tasks/digits.py", "tasks/mnist.py")
    return fingerprint([*files, mnist.DATA / "SHA256SUMS"], (*rooms, "study/methods/known.py"))
