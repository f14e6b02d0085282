"""References: real samples that a search may begin from, and what is typical of them.

Not every real sample is a good one to begin from. In each class three kinds are left out: those of
which the classifiers are least confident, those farthest from their neighbours, and those nearest
to the middle of the latent space, where images are averages.
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import generator
from xhat.objectives import NearReal, TypicalityPenalty
from xhat.surrogates import ReferenceSamples

__all__ = ["References", "chosen", "label_loss"]

_KEPT = 0.8  # of each class, by each criterion
_OTHERS = 0.2  # of the samples, which are neighbours of the others, and stand for starts
_STARTS = 200  # of each class
_SPREAD = 0.5  # of the prices at which all samples would be chosen equally often
_REMEMBERED = 32  # models of which it is remembered how sure they are of real samples
_NEIGHBOURS = 5  # that tell how far a sample lies from others
_BLUR = 0.15  # of the squared distance to the nearest: how undecided prices leave a choice
_ASKED = 200  # samples of each class, from which that is learnt


@dataclass(frozen=True)
class References:
    """What a search from real samples is given besides the model.

    Attributes:
        exemplars: typical real samples of every class.
        guards: further classifiers that must be confident of the target, too.
        encoder: into a latent space; results should keep away from its middle. None for no such
            rule.
    """

    exemplars: ReferenceSamples
    guards: tuple[nn.Module, ...] = ()
    encoder: Callable[[Tensor], Tensor] | None = None
    _memory: dict[Any, tuple[nn.Module, Tensor]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def typical(self, loss: Callable[[Tensor, Tensor], Tensor], share: float) -> Tensor:
        """Return a quantile (``share``) of ``loss(x, labels)`` in each class, ``(classes,)``."""
        some = self.exemplars.first(_ASKED)
        return some.quantile(some.values(loss), share)

    def typical_uncertainty(self, model: Callable[[Tensor], Tensor], share: float) -> Tensor:
        """Return ``typical`` of how unsure a classifier is; remembered while it stays what it is.

        It takes thousands of evaluations, and a search of one candidate takes a hundred.
        """
        return self._remembered(model, share, functools.partial(label_loss, model))

    def typical_centrality(self, share: float) -> Tensor:
        """Return ``typical`` of how near samples lie to the middle of the latent space.

        Raises:
            ValueError: there is no latent space.
        """
        if self.encoder is None:
            raise ValueError("there is no latent space in whose middle samples could lie.")
        central = TypicalityPenalty(self.encoder)
        return self._remembered(self.encoder, share, lambda x, _: central(x))

    def _remembered(
        self, model: Callable[..., Tensor], share: float, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        owner = getattr(model, "__self__", model)
        if not isinstance(owner, nn.Module):  # what it depends on cannot be seen
            return self.typical(loss, share)
        key = (id(owner), getattr(model, "__name__", ""), _digest(owner), share)
        if key not in self._memory:
            while len(self._memory) >= _REMEMBERED:
                self._memory.pop(next(iter(self._memory)))
            self._memory[key] = (owner, self.typical(loss, share))  # kept, so that its id stays its
        return self._memory[key][1]


def label_loss(model: Callable[[Tensor], Tensor], x: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of the labels, ``(n,)``."""
    return F.cross_entropy(model(x), labels, reduction="none")


def chosen(
    x: Tensor,
    labels: Tensor,
    seed: int,
    guards: tuple[nn.Module, ...] = (),
    encoder: Callable[[Tensor], Tensor] | None = None,
    unit: Tensor | None = None,
) -> References:
    """Return the references among real samples of a domain.

    A few samples lie near everything; prices keep them from being chosen again and again.

    Args:
        x: ``(m, *x_shape)``.
        labels: ``(m,)``.
        seed: decides which samples serve only as neighbours, not as references.
        guards: classifiers that must be confident of the target.
        encoder: of a latent space; None where there is none.
        unit: of each feature, in which distances are measured; None for 1.
    """
    order = torch.randperm(len(x), generator=generator(seed, "references"))
    aside, rest = order.tensor_split([round(_OTHERS * len(x))])
    others, known = (ReferenceSamples(x[rows], labels[rows], unit=unit) for rows in (aside, rest))
    counts = labels[aside].bincount(minlength=int(labels.max()) + 1)
    if encoder is None or int(counts.min()) < _NEIGHBOURS:  # too few to be without any
        others = known = ReferenceSamples(x, labels, unit=unit)
    criteria = [functools.partial(label_loss, guard) for guard in guards]
    if encoder is not None and known is not others:
        criteria += _unusual(encoder, others)
    if criteria:
        kept = known.usual(criteria, _KEPT)
        known = ReferenceSamples(known.x[kept], known.labels[kept], unit=unit)
    starts = others.first(_STARTS)
    blur = _BLUR * float(known.nearest_squared(starts.x).median().clamp_min(1e-12))
    price = known.priced(starts, _SPREAD, blur).price
    return References(replace(known, price=price), guards, encoder)


def _unusual(
    encode: Callable[[Tensor], Tensor], others: ReferenceSamples
) -> list[Callable[[Tensor, Tensor], Tensor]]:
    """Return what is high for samples far from others, and for those in the middle of all."""
    latents = others.features(encode)

    def apart(x: Tensor, labels: Tensor) -> Tensor:
        return NearReal(encode, latents, labels)(x)

    def central(x: Tensor, labels: Tensor) -> Tensor:
        del labels
        return TypicalityPenalty(encode)(x)

    return [apart, central]


def _digest(model: nn.Module) -> str:
    """Return what tells a module from itself with other parameters or buffers."""
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
