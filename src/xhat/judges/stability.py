"""Does the surrogate's answer survive noise that no real sample would notice?

An answer that was found by a search often hangs on detail that real samples do not have: the least
change of a sample that makes the surrogate give the target leaves it just beyond a border, and
noise leads back. An ordinary error is a misreading of a whole neighbourhood, which noise does not
mend. So the surrogate is asked again at copies with noise that moves them less far than real
samples lie apart, and the share of copies at which it keeps its answer is counted.

Source: the idea: Roth, Kilcher, Hofmann, "The Odds are Odd: A Statistical Test for Detecting
Adversarial Examples", ICML 2019; Hosseini, Kannan, Poovendran, "Are Odds Really Odd? Bypassing
Statistical Detection of Adversarial Examples", 2019 (what it does not detect).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import evaluation_mode, generator, modules_of, own_randomness

__all__ = ["DRAWS", "STABLE", "Noise", "gives", "share_kept"]

STABLE = 2 / 3  # of the copies, at which an answer is kept that does not hang on detail
DRAWS = 20
"""Noisy copies of each sample."""
_SHARE = 0.25  # of the distance between real neighbours, by which noise moves a sample
_MOST = 400  # reference samples of which neighbours are looked for, and among how many times ten


@dataclass(frozen=True)
class Noise:
    """Noise that moves samples less far than real samples lie apart.

    Attributes:
        deviation: of each feature, ``x_shape``.
        low, high: ``x_shape`` or scalars, what real samples do not leave; noise does not, either.
    """

    deviation: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, reference: Tensor) -> "Noise":
        """Learn the noise from real samples ``(m, *x_shape)``.

        Every column of a table has its own unit; all values of signals, fields and images have one.

        Example:
            >>> from xhat.core import generator
            >>> noise = Noise.of(torch.rand(500, 3, generator=generator(0)))
            >>> noise.deviation.shape, bool((noise.deviation < 0.1).all())
            (torch.Size([3]), True)
        """
        table = reference.ndim == 2
        unit = reference.std(dim=0) if table else reference.std().expand(reference.shape[1:])
        unit = unit.clamp_min(1e-12)
        some = (reference[: 10 * _MOST] / unit).flatten(1)
        apart = torch.cdist(some[:_MOST], some)
        apart[torch.arange(len(apart)), torch.arange(len(apart))] = torch.inf
        nearest = float(apart.amin(dim=1).median())
        deviation = _SHARE * nearest / some.shape[1] ** 0.5 * unit
        if table:
            return cls(deviation, reference.amin(dim=0), reference.amax(dim=0))
        return cls(deviation, *reference.aminmax())

    def draws(self, count: int) -> Tensor:
        """Return ``(count, *x_shape)`` to be added, the same for every sample."""
        source = generator(0, "judge", "noise")
        return self.deviation * torch.randn((count, *self.deviation.shape), generator=source)

    def added(self, x: Tensor, noise: Tensor) -> Tensor:
        """Return samples ``(n, *x_shape)`` with noise, within what real samples reach.

        What lies outside already stays outside.
        """
        return torch.minimum(torch.maximum(x + noise, x.minimum(self.low)), x.maximum(self.high))


def gives(surrogate: Callable[[Tensor], Tensor], x: Tensor, target: Tensor) -> Tensor | None:
    """Return whether the surrogate gives the target, ``(n,)``; None where it gives no classes."""
    modules = modules_of(surrogate)
    with torch.no_grad(), evaluation_mode(*modules, warn=False), own_randomness(0, x.device):
        return _said(surrogate, x, target)


def share_kept(
    surrogate: Callable[[Tensor], Tensor], x: Tensor, target: Tensor, noise: Noise
) -> Tensor:
    """Return the share of noisy copies at which the surrogate gives the target, ``(n,)``.

    Args:
        surrogate: ``(n, *x_shape) -> (n, classes)``; evaluated in evaluation mode and left as it
            was.
        x: ``(n, *x_shape)``.
        target: ``(n,)`` classes.
        noise: to be added.

    Returns:
        Shares in [0, 1], of 20 copies each; NaN where the surrogate gives no classes.
    """
    kept: list[Tensor] = []
    modules = modules_of(surrogate)
    with torch.no_grad(), evaluation_mode(*modules, warn=False), own_randomness(0, x.device):
        for each in noise.draws(DRAWS if len(x) else 0).to(x):
            said = _said(surrogate, noise.added(x, each), target)
            if said is None:
                return torch.full((len(x),), torch.nan)
            kept.append(said)
    return torch.stack(kept).double().mean(dim=0) if kept else torch.empty(0, dtype=torch.double)


def _said(surrogate: Callable[[Tensor], Tensor], x: Tensor, target: Tensor) -> Tensor | None:
    answer = surrogate(x)
    if not isinstance(answer, Tensor) or answer.ndim != 2 or answer.shape[1] < 2:
        return None
    return (answer.argmax(dim=1) == target.to(answer.device)).cpu()
