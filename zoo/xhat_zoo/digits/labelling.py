"""Digits that people are asked about: what ``xhat.apps.label.asking`` does, and splits by name.

Gold images are of a split that is not asked about, ``calibration`` or ``test``, and turned by 15
degrees at most, since a 7 that lies on its side is no slip to miss.
"""

from collections.abc import Sequence

import torch

from xhat.apps.label.asking import Asking
from xhat.apps.label.collection import Item
from xhat.core import check_choice
from xhat_zoo.digits.domain import digits_domain
from xhat_zoo.digits.networks import SURROGATES, surrogate
from xhat_zoo.digits.splits import SPLITS, split

__all__ = ["DigitsAsking", "split_of"]

_TASK, _UPRIGHT = "digits", "upright"
_LOOKED_AT, _TURNED = 1_000, 15.0  # images, degrees


def split_of(source: str) -> tuple[str, bool] | None:
    """Return which split of the digits a source is, and whether upright; None for another source.

    Raises:
        ValueError: there is no such split.

    Example:
        >>> split_of("digits:test"), split_of("digits:surrogate_train:upright"), split_of("x.npy")
        (('test', False), ('surrogate_train', True), None)
    """
    task, colon, rest = source.partition(":")
    if task != _TASK or not colon:
        return None
    name, colon, turned = rest.partition(":")
    if colon and turned != _UPRIGHT:
        raise ValueError(f"after the split there may be only :{_UPRIGHT}, but is {turned!r}.")
    check_choice("the split of the digits", name, SPLITS)
    return name, bool(colon)


class DigitsAsking(Asking):
    """Chooses digits; sources are also ``digits:SPLIT``, and ``digits:SPLIT:upright``.

    Example:
        >>> DigitsAsking().read("digits:test")[0].label
        7
    """

    def __init__(self) -> None:
        super().__init__(digits_domain())
        self.models = tuple(surrogate(name) for name in SURROGATES)

    def read(self, source: str) -> list[Item]:
        """Return the images of a split, rotated as searches see them or before, or of a file."""
        named = split_of(source)
        if named is None:
            return super().read(source)
        data = split(named[0])
        x = data.upright if named[1] else data.images
        return self.items(x, source, data.labels.tolist())

    def pool(self, sources: Sequence[str]) -> list[Item]:
        """Return images of a split that is not asked about."""
        asked = {named[0] for named in map(split_of, sources) if named is not None}
        name = next((other for other in ("calibration", "test") if other not in asked), None)
        if name is None:
            raise ValueError(
                "gold images come from calibration or test, but both are asked about; leave one "
                "out, or ask for no gold images."
            )
        data = split(name)
        places = torch.arange(len(data))[1::2]  # the others weigh the jury's members
        places = places[data.angles[places].abs() <= _TURNED][:_LOOKED_AT]
        items = self.items(data.images, f"{_TASK}:{name}", data.labels.tolist())
        return [items[place] for place in places.tolist()]
