"""What controls are planted from: half of the test images, and the models that are attacked."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from xhat.core import check_choice, generator
from xhat.judges import Jury
from xhat.learning import VAE, random_rotation
from xhat_zoo import digits
from xhat_zoo.digits.glyphs import TEST_FONTS, TEST_LETTERS, signs

__all__ = ["HALVES", "Control", "Material", "material"]

HALVES = ("development", "reported")


@dataclass(frozen=True)
class Control:
    """Samples, and the class that each is said to be.

    Attributes:
        x: ``(n, 1, 28, 28)`` in [0, 1].
        target: ``(n,)`` int64.
        searched: the models that were searched to make them.
    """

    x: Tensor
    target: Tensor
    searched: tuple[nn.Module, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    def at(self, which: Tensor) -> "Control":
        """Return the samples at ``which``, booleans or places."""
        return Control(self.x[which], self.target[which], self.searched)


@dataclass(frozen=True)
class Material:
    """What controls are made of.

    Attributes:
        x: ``(n, 1, 28, 28)`` test images, rotated.
        labels: ``(n,)``.
        target: ``(n,)``, for each another class at random: what an attack wants.
        other: ``(n, 1, 28, 28)`` test images of the class ``target``.
        upright: ``(n, 1, 28, 28)``, the same images before they were rotated.
        clothes: ``(m, 1, 28, 28)`` images of clothes.
        letters: ``(l, 1, 28, 28)`` rendered letters, upright.
        surrogate: a classifier, which attacks differentiate.
        vae: whose latent space is drawn from.
        jury: the held-out classifiers, which attacks on the judges differentiate.
        seed: of every random choice.
    """

    x: Tensor
    labels: Tensor
    target: Tensor
    other: Tensor
    upright: Tensor
    clothes: Tensor
    letters: Tensor
    surrogate: nn.Module
    vae: VAE
    jury: Jury
    seed: int

    def __len__(self) -> int:
        return len(self.x)

    def first(self, n: int) -> "Material":
        """Return the first ``n`` images, for kinds that are slow to make."""
        some = {
            name: getattr(self, name)[:n]
            for name in ("x", "labels", "target", "other", "upright", "letters")
        }
        return replace(self, **some)

    def draws(self, name: str) -> torch.Generator:
        """Return the source of randomness of one kind."""
        return generator(self.seed, "planted", name)

    def read(self, x: Tensor) -> Tensor:
        """Return what the surrogate takes samples for, ``(n,)``."""
        with torch.no_grad():
            return torch.cat([self.surrogate(part).argmax(1) for part in x.split(500)])


def material(jury: Jury, half: str, n: int, seed: int = 0) -> Material:
    """Return ``n`` images of one half of the test split, and what goes with them.

    Args:
        jury: to attack.
        half: ``"development"`` or ``"reported"``.
        n: how many images, at most 5,000; of clothes at most 500.
        seed: of every random choice.

    Raises:
        ValueError: another half, or more images than there are.
    """
    parity = HALVES.index(check_choice("half", half, HALVES))
    test = digits.split("test")
    places = torch.arange(parity, len(test), 2)
    if not 20 <= n <= len(places):
        raise ValueError(f"the samples a kind must number from 20 to {len(places)}, but are {n}.")
    draws = generator(seed, "planted", half)
    chosen = places[torch.randperm(len(places), generator=draws)[:n]]
    labels = test.labels[chosen]
    target = (labels + torch.randint(1, digits.CLASSES, (n,), generator=draws)) % digits.CLASSES
    partner = torch.stack(
        [_one_of((labels == int(wanted)).nonzero()[:, 0], draws) for wanted in target]
    )
    letters = signs(TEST_LETTERS, TEST_FONTS)[parity::2]
    return Material(
        test.images[chosen],
        labels,
        target,
        test.images[chosen[partner]],
        test.upright[chosen],
        digits.fashion()[parity::2][:n],
        letters[torch.randint(len(letters), (n,), generator=draws)],
        digits.surrogate("plain"),
        digits.vae(),
        jury,
        seed,
    )


def _one_of(places: Tensor, draws: torch.Generator) -> Tensor:
    return places[torch.randint(len(places), (1,), generator=draws)][0]


def slanted(x: Tensor, draws: torch.Generator) -> Tensor:
    """Return images each rotated by its own angle, as the digits are."""
    return random_rotation(x, digits.LIMIT, draws).clamp(0, 1)
