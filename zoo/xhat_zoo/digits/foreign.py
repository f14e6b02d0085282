"""Foreign images: what out-of-distribution detection is measured on, and nothing is trained on.

The kinds are ``xhat_zoo.digits.negatives.TEST_KINDS``; training refuses them.
"""

import torch
from torch import Tensor

from xhat.core import check_choice, check_count, generator
from xhat.learning import random_affine
from xhat_zoo import digits
from xhat_zoo.digits.glyphs import TEST_FONTS, TEST_LETTERS, signs
from xhat_zoo.digits.negatives import TEST_KINDS, Negatives

__all__ = ["foreign"]


def foreign(kind: str, n: int, seed: int = 0) -> Tensor:
    """Return ``n`` images that show no digit, ``(n, 1, 28, 28)`` in [0, 1].

    Args:
        kind: ``"clothes"`` (Fashion-MNIST, at most 1,000), ``"letters"`` (rendered, in fonts that
            no training uses), ``"blends"`` or ``"halves"`` of two test digits.
        n: how many.
        seed: of every random choice.

    Raises:
        ValueError: another kind, or more clothes than there are.

    Example:
        >>> foreign("letters", 5).shape
        torch.Size([5, 1, 28, 28])
    """
    check_choice("kind", kind, TEST_KINDS)
    check_count("n", n)
    draws = generator(seed, "foreign", kind)
    if kind == "clothes":
        clothes = digits.fashion()
        if n > len(clothes):
            raise ValueError(f"there are {len(clothes)} images of clothes, but {n} are wanted.")
        return clothes[torch.randperm(len(clothes), generator=draws)[:n]]
    if kind == "letters":
        known = signs(TEST_LETTERS, TEST_FONTS)
        some = known[torch.randint(len(known), (n,), generator=draws)]
        moved = random_affine(some, draws, angle=digits.LIMIT, shift=1, scale=0.1)
        return moved.clamp(0, 1)
    test = digits.split("test")
    return Negatives(test.upright, test.labels).draw(n, draws, (kind,))
