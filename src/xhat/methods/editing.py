"""Editing: what a denoiser would change, were the start of another class.

The same noise is added to the start and to the state. The denoiser says what each was: the state
with what is wanted, the start with what it is. The state goes along with the difference, so that
what both have in common stays::

    z ← z + (1 - τ/σ) (start + D(z + σ n; wanted) - D(start + σ n; own) - z)

Any denoiser serves, and nothing is trained: see ``xhat.priors.DenoiserPrior``. One that is told no
class is steered to what is wanted by the gradient of the searched model alone.

Source: Kulikov et al., "FlowEdit: Inversion-Free Text-Based Editing Using Pre-Trained Flow Models",
ICCV 2025; written here for denoisers and levels of noise.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from xhat.methods.along import Along
from xhat.methods.flow import Flow
from xhat.priors import Prior

if TYPE_CHECKING:
    from xhat.methods.along import Way

__all__ = ["Edited"]

# what nobody is told it must be steered to, and from farther away
_UNTOLD = {"noise": 0.4, "through": True, "steering": 0.2}


class Editing(Along):
    """The run of an edit."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.shown = torch.zeros_like(self.shown)  # a denoiser knows of no start
        self.own = None
        if self.wanted is not None and self.content.known is not None:
            with torch.no_grad():
                self.own = self.content.known.guard(self.x0).argmax(dim=1)

    def _along(self, rows: Tensor, way: "Way") -> tuple[Tensor, Tensor]:
        """Return what is found from some starts, and the states on the way."""
        start, x, frames = self.start[rows], self.x[rows], [self.x0[rows]]
        z, own = start, None if self.own is None else self.own[rows]
        levels = self._levels(way.sureness)
        for k, (sigma, lower) in enumerate(zip(levels, [*levels[1:], 0.0], strict=True)):
            noise = sigma * torch.randn(z.shape[1:], generator=way.draws).to(z)
            with torch.no_grad():
                was = self.prior.denoised(start + noise, sigma, own, None)
            found = self._stepped(z + noise, sigma, rows, way, self._pushed(k, way))
            x = self._kept(z + (1 - lower / sigma) * (start + found - was - z), rows)
            z = self.prior.coordinates.into(x)
            way.passes += 1
            if self.frames is not None:
                frames.append(x)
        frames[-1] = x = self._ended(x, levels[-1], rows, way)
        return x, torch.stack(frames)


@dataclass(frozen=True)
class Edited(Flow):
    """The start, edited by any denoiser towards what the searched model wants; nothing is trained.

    The domain's prior says where samples lie, with the start hidden from it. A denoiser of one's
    own serves as a prior: ``Domain(…, networks={"prior": DenoiserPrior(denoiser, samples)})``.
    """

    name: ClassVar[str] = "edited"
    caption: ClassVar[str] = "the start, edited by any denoiser; nothing is trained"
    runs: ClassVar[type[Along]] = Editing

    def suited(self, prior: Prior) -> "Edited":
        """Return the method with what was left open filled in for a prior."""
        told = bool(prior.classes or prior.quantities)
        left = {} if told else {k: v for k, v in _UNTOLD.items() if getattr(self, k) is None}
        return Flow.suited(replace(self, **left), prior)  # pyright: ignore[reportReturnType]
