"""What real digits a search may begin from: none of them unusual to those who trained on them."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import generator
from xhat.core.cache import cached, fingerprint
from xhat.learning import rotate
from xhat.learning.augment import uniform
from xhat.objectives import Central, NearReal
from xhat.surrogates import Exemplars
from xhat.surrogates.exemplars import first_of_each
from xhat_zoo import digits
from xhat_zoo.digits import mnist
from xhat_zoo.digits.networks import PRECOMPUTED

__all__ = ["Known", "digits_known", "unsure"]

_OF_EACH = 2_000  # real samples of every class
_KEPT = 0.8  # of them by each of four criteria
_OTHERS = 600  # further ones, whose latents are neighbours, and some of which stand for starts
_STARTS = 200
_SPREAD = 0.5  # of the prices at which all exemplars would be chosen equally often
_REMEMBERED = 32  # models at a share of which it is remembered how sure they are
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
    _memory: dict[Any, tuple[nn.Module, Tensor]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def usual(self, loss: Callable[[Tensor, Tensor], Tensor], share: float) -> Tensor:
        """Return what ``loss(x, labels)`` is at most for a share of each class, ``(classes,)``."""
        some = self.exemplars.first(_SAMPLES)
        return some.quantile(some.values(loss), share)

    def usually_unsure(self, model: Callable[[Tensor], Tensor], share: float) -> Tensor:
        """Return ``usual`` of how unsure a classifier is; remembered while it stays what it is.

        It takes thousands of evaluations, and a search of one candidate takes a hundred.
        """
        return self._remembered(model, share, functools.partial(unsure, model))

    def usually_central(self, share: float) -> Tensor:
        """Return ``usual`` of how near samples lie to the middle of the latent space; remembered.

        Raises:
            ValueError: there is no latent space.
        """
        if self.encoder is None:
            raise ValueError("there is no latent space in whose middle samples could lie.")
        central = Central(self.encoder)
        return self._remembered(self.encoder, share, lambda x, _: central(x))

    def _remembered(
        self, model: Callable[..., Tensor], share: float, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        owner = getattr(model, "__self__", model)
        if not isinstance(owner, nn.Module):  # what it depends on cannot be seen
            return self.usual(loss, share)
        key = (id(owner), getattr(model, "__name__", ""), _fingerprint(owner), share)
        if key not in self._memory:
            while len(self._memory) >= _REMEMBERED:
                self._memory.pop(next(iter(self._memory)))
            self._memory[key] = (owner, self.usual(loss, share))  # kept, so that its id stays its
        return self._memory[key][1]


def unsure(model: Callable[[Tensor], Tensor], x: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of the labels, ``(n,)``."""
    return F.cross_entropy(model(x), labels, reduction="none")


def _fingerprint(model: nn.Module) -> str:
    """Return what tells a module from itself with other parameters or buffers."""
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


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
    first = first_of_each(data.labels, _OF_EACH)
    more = first_of_each(data.labels, _OF_EACH + _OTHERS)
    more = more[torch.arange(len(more)) % (_OF_EACH + _OTHERS) >= _OF_EACH]
    others = Exemplars(data.images[more], data.labels[more])
    angles = uniform(len(first), -digits.LIMIT, digits.LIMIT, generator(digits.SEED, "exemplars"))
    robust, encode = digits.surrogate("robust"), digits.vae().encode

    def twice(which: Tensor) -> Exemplars:
        """Return some of all images followed by all at their other angle; all are 250 MB."""
        once, again = (half.nonzero()[:, 0] for half in which.chunk(2))
        parts = zip(first[again].split(1000), angles[again].split(1000), strict=True)
        turned = [rotate(data.upright_of(rows), angle) for rows, angle in parts]
        labels = data.labels[torch.cat((first[once], first[again]))]
        return Exemplars(torch.cat((data.images[first[once]], *turned)), labels)

    def choose() -> dict[str, Tensor]:
        usual = torch.ones(2 * len(first), dtype=torch.bool)
        if kept < 1:
            usual = twice(usual).usual(_criteria(others), kept)
        price = twice(usual).priced(others.first(_STARTS), spread).price
        return {"usual": usual} | ({} if price is None else {"price": price})

    name = f"exemplars-{kept:g}-{spread:g}"
    found = cached(name, _made_from(), choose, shipped=PRECOMPUTED)
    chosen = replace(twice(found["usual"]), price=found.get("price"))
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
    rooms = (f"xhat.{name}" for name in ("core", "learning", "objectives", "surrogates"))
    own = (f"xhat_zoo.digits.{name}" for name in ("methods.known", "mnist", "networks", "splits"))
    return fingerprint([*files, mnist.DATA / "SHA256SUMS"], (*rooms, *own))
