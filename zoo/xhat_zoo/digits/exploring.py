"""The explorer of digits: their domain and shipped networks, and drawings as MNIST would have them.

What it searches for, shows and judges is that of any domain, ``xhat.apps.explorer.Explorer``.
"""

from torch import Tensor

from xhat.apps.explorer.exploring import Explorer
from xhat_zoo.digits.domain import digits_domain
from xhat_zoo.digits.drawing import centred
from xhat_zoo.digits.networks import surrogate
from xhat_zoo.digits.splits import split

__all__ = ["digits_explorer"]

_SETUP = """
from xhat_zoo import digits
from xhat_zoo.digits.domain import digits_domain
domain, model = digits_domain(), digits.surrogate("plain")
starts = digits.split("test").images
"""


def digits_explorer() -> Explorer:
    """Return the explorer of rotated digits: it begins at test digits or drawings."""
    test = split("test")
    return Explorer(
        digits_domain(),
        surrogate("plain"),
        starts=(test.images, test.labels),
        drawn=_drawn,
        setup=_SETUP,
    )


def _drawn(sheet: Tensor) -> Tensor:
    """Return a drawing as MNIST would have it; of ink on white paper the negative."""
    ink = sheet[0]
    return centred(1 - ink if float(ink.mean()) > 0.5 else ink)
