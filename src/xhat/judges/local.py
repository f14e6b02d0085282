"""How images, fields and signals look from near: their patches and their spectrum.

Distances between whole samples hardly notice a fine pattern, a little noise, or edges that are too
soft. Small patches and the power of each frequency do, wherever in a sample it is.

Source: natural patches have few ways to vary: Zoran, Weiss, "From Learning Models of Natural Image
Patches to Whole Image Restoration", ICCV 2011; generated images betray themselves by their power in
high frequencies: Durall, Keuper, Keuper, "Watch Your Up-Convolution", CVPR 2020.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.core import generator
from xhat.judges.axes import Likelihood, ManifoldAxis, represented

__all__ = ["Patches", "Spectrum", "local_axes"]

_SIDE = {1: 9, 2: 5, 3: 3}  # of a patch, by the number of axes
_BANDS = 8
_KNOWN = 50_000  # patches from which their covariance is estimated
_FLOOR = {1: 1e-4, 2: 0.01, 3: 0.01}  # of the deviation: noise that counts for nothing, by axes
_AT_ONCE = 5_000_000  # numbers in patches that are looked at together
_STRANGEST = 0.05  # of the patches of a sample, whose mean is its score


@dataclass(frozen=True)
class Spectrum:
    """The logarithm of the power in bands of frequency: ``(n, c, ...) -> (n, c * bands)``.

    Args:
        floor: the power that counts for nothing.

    Example:
        >>> waves = torch.arange(32).mul(torch.pi).cos().expand(2, 1, 32)  # the fastest there is
        >>> Spectrum(1e-6)(waves).argmax(dim=1).tolist()
        [7, 7]
    """

    floor: float

    def __call__(self, x: Tensor) -> Tensor:
        """Return the logarithms, ``(n, channels * bands)``."""
        axes = tuple(range(2, x.ndim))
        # what a sample is at its edges continues on the other side, mirrored: no jump is added
        for axis in axes:
            x = torch.cat((x, x.flip(axis)), dim=axis)
        power = torch.fft.rfftn(x - x.mean(dim=axes, keepdim=True), dim=axes).abs().square()
        sides = [*map(torch.fft.fftfreq, x.shape[2:-1]), torch.fft.rfftfreq(x.shape[-1])]
        grids = torch.meshgrid(*sides, indexing="ij")
        radius = torch.stack([side.square() for side in grids]).sum(dim=0).sqrt() / 0.5
        band = (radius * _BANDS).long().clamp_max(_BANDS - 1).flatten()
        inside = F.one_hot(band, _BANDS).float()
        mean = power.flatten(2) @ (inside / inside.sum(dim=0).clamp_min(1)) / x[0, 0].numel()
        return (mean + self.floor).log().flatten(1)


class Patches(ManifoldAxis):
    """How unlikely the strangest patches of a sample are, as a Mahalanobis distance.

    Args:
        reference: real samples ``(m, channels, length)`` or ``(m, channels, height, width)``.

    Example:
        >>> from xhat.core import generator
        >>> smooth = torch.rand(300, 1, 1, generator=generator(0)).expand(300, 1, 40)
        >>> rough = smooth[:1] + 0.1 * torch.tensor([1.0, -1.0]).repeat(20)
        >>> axis = Patches(smooth)
        >>> bool(axis.scores(rough) > 5 * axis.scores(smooth).max())
        True
    """

    def __init__(self, reference: Tensor) -> None:
        self.names, self.two_sided = ("patches",), (False,)
        self.side = min(_SIDE[reference.ndim - 2], *reference.shape[2:])
        draws = generator(0, "judge", "patches")
        view = self._windows(reference)
        ends = (len(reference), *view.shape[2 : reference.ndim])
        sample, *place = (torch.randint(end, (_KNOWN,), generator=draws) for end in ends)
        # what is indexed comes first: (patches, channels, side, ...)
        rows = view[sample, :, *place].flatten(1)
        noise = _floor(reference)
        values, vectors = torch.linalg.eigh(torch.cov(rows.T).reshape(rows.shape[1], -1))
        self.mean, self.whitening = rows.mean(dim=0), vectors / (values.clamp_min(0) + noise).sqrt()

    def scores(self, x: Tensor) -> Tensor:
        """Return the mean distance of the strangest twentieth of the patches, ``(n, 1)``."""
        return represented(self._strangest, x)

    def _strangest(self, x: Tensor) -> Tensor:
        return torch.cat([self._strangest_of(part) for part in x.split(self._together(x))])

    def _strangest_of(self, x: Tensor) -> Tensor:
        inside = x.ndim - 2
        order = (0, *range(2, 2 + inside), 1, *range(2 + inside, 2 + 2 * inside))
        cut = self._windows(x).permute(order).flatten(1, inside).flatten(2)
        far = torch.linalg.vector_norm((cut - self.mean) @ self.whitening, dim=2)
        count = max(1, round(_STRANGEST * far.shape[1]))
        return far.topk(count, dim=1).values.mean(dim=1, keepdim=True)

    def _windows(self, x: Tensor) -> Tensor:
        """Return a view of all patches, ``(n, channels, places, ..., side, ...)``."""
        for axis in range(2, x.ndim):
            x = x.unfold(axis, self.side, 1)
        return x

    def _together(self, x: Tensor) -> int:
        return max(1, _AT_ONCE // (x[0].numel() * self.side ** (x.ndim - 2)))


def local_axes(reference: Tensor) -> tuple[ManifoldAxis, ...]:
    """Return what looks at samples from near, for ``(m, channels, ...)`` real samples."""
    if min(reference.shape[2:]) < 4 or reference.ndim - 2 not in _SIDE:
        return ()
    spectrum = Spectrum(float(_floor(reference)))
    return Likelihood("spectrum", reference, spectrum), Patches(reference)


def _floor(reference: Tensor) -> Tensor:
    """Return the power that counts for nothing: bytes are grained, and signals may be smooth."""
    share = _FLOOR[reference.ndim - 2]
    return (share * reference.std()).square().clamp_min(1e-20)
