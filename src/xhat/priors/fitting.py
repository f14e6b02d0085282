"""Which prior serves which samples, and how it is fitted: one call for any kind of data."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from xhat.core import generator
from xhat.core.cache import fingerprint, unfinished
from xhat.learning import EpochRecord, fit
from xhat.priors.base import Prior
from xhat.priors.coordinates import coordinates_of
from xhat.priors.kernel import KernelPrior
from xhat.priors.learned import LearnedPrior, PairLoss
from xhat.priors.pairs import apart, groups_of, pairs

__all__ = ["FEWEST", "at_once", "fit_prior", "untrained"]

FEWEST = 12
"""Samples of which a prior can be made."""

_MANY = 1_000  # samples from which a network is trained
_MOST = 5_000  # hills of a kernel prior
_STEPS, _BATCH, _RATE, _AVERAGE = 4_000, 128, 2e-3, 0.999
_PASSES = 4  # over the samples in one epoch, at least, where they are few

Progress = Callable[[str, int, int], None]


def fit_prior(
    x: Tensor,
    labels: Tensor | None = None,
    values: Tensor | None = None,
    doubt: Tensor | None = None,
    *,
    seed: int = 0,
    steps: int | None = None,
    on_progress: Progress | None = None,
) -> Prior:
    """Return a prior of samples of any kind.

    Rows of tables, and fewer than 1,000 samples of any kind, get one in closed form, at once. For
    signals, images and fields a network is trained, about 10 minutes for images of 28 × 28 on one
    core; when it is interrupted, the same call goes on where it ended.

    Args:
        x: ``(m, *x_shape)`` real samples.
        labels: ``(m,)`` classes from 0; None for none.
        values: ``(m,)`` or ``(m, *y_shape)`` quantities, used where there are no labels.
        doubt: ``(m,)``, how unsure a classifier is of the class of each sample; None for none. The
            least sure ones are nothing to search for.
        seed: of weights, order and noise.
        steps: of the training; None for 4,000.
        on_progress: called with a name, and how far it is.

    Raises:
        ValueError: fewer than 12 samples.

    Example:
        >>> rows = torch.randn(50, 3, generator=generator(0))
        >>> fit_prior(rows).name
        'kernel'
    """
    if len(x) < FEWEST:
        raise ValueError(f"a prior takes {FEWEST} samples or more, but there are {len(x)}.")
    coordinates = coordinates_of(x)
    values = None if values is None or labels is not None else values.reshape(len(x), -1)
    if at_once(x.ndim, len(x)):
        some = torch.randperm(len(x), generator=generator(seed, "prior"))[:_MOST].sort().values
        parts = (None if part is None else part[some] for part in (labels, values, doubt))
        return _ready(KernelPrior(coordinates, coordinates.into(x[some]), *parts))
    classes = 0 if labels is None else int(labels.max()) + 1
    quantities = 0 if values is None else values.shape[1]
    prior = untrained(tuple(x.shape[1:]), classes, quantities, seed)
    prior.coordinates.load_state_dict(coordinates.state_dict())
    u = coordinates.into(x)
    if values is not None:
        prior.centre.copy_(values.mean(dim=0))
        prior.scale.copy_(values.std(dim=0).clamp_min(1e-12))
    told = torch.zeros(len(x), dtype=torch.long) if labels is None else labels
    told = told if values is None else (values - prior.centre) / prior.scale

    def paired(done: int, whole: int) -> None:
        if on_progress is not None:
            on_progress("prior: pairs", done, whole)

    def trained(record: EpochRecord) -> None:
        if on_progress is not None:
            on_progress("prior", record.epoch, record.epochs)

    group = groups_of(labels, values, len(x))
    prior.apart.fill_(apart(u.flatten(1), group, ordered=values is not None))
    targets = pairs(u.flatten(1), group, doubt, paired)
    rows = torch.arange(len(x))
    rows = rows.repeat(max(1, -(-_PASSES * _BATCH // len(x))))
    steps = _STEPS if steps is None else steps
    fit(
        prior,
        rows,
        rows,
        PairLoss(u, told, targets, classes),
        epochs=max(2, round(steps * _BATCH / len(rows))),
        batch_size=_BATCH,
        learning_rate=_RATE,
        weight_decay=0.0,
        average=_AVERAGE,
        seed=seed,
        on_epoch=trained,
        keep=_kept((u, told, targets), seed, steps),
    )
    return _ready(prior)


def at_once(ndim: int, m: int) -> bool:
    """Return whether a prior of ``m`` samples of so many axes, their own counted, is closed form.

    Example:
        >>> at_once(2, 100_000), at_once(4, 500), at_once(4, 5_000)
        (True, True, False)
    """
    return ndim == 2 or m < _MANY


def untrained(
    shape: tuple[int, ...], classes: int = 0, quantities: int = 0, seed: int = 0
) -> LearnedPrior:
    """Return a learned prior of random weights, to train or to load weights into."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LearnedPrior(shape, classes, quantities)


def _ready(prior: Prior) -> Prior:
    return prior.eval().requires_grad_(False)


def _kept(parts: tuple[Tensor, ...], seed: int, steps: int) -> Path | None:
    """Return where an unfinished training is kept; None where nothing can be.

    Its name changes with all that is learnt from, and with the code of priors.
    """
    digest = hashlib.sha256(repr((seed, steps, fingerprint((), ("xhat.priors",)))).encode())
    for part in parts:
        digest.update(f"{tuple(part.shape)} {part.dtype}".encode())
        digest.update(part.contiguous().numpy().tobytes())
    return unfinished("prior", digest.hexdigest())
