"""A judge's parts for any data: how the reference is split, which axes look, who reads the classes.

Nothing here knows what the data are. Values are standardised; besides nearest neighbours there
are a Gaussian likelihood, what the leading principal components cannot rebuild, and the local
dimension. With labels there is a jury (``xhat.judges.juries``).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import check_fraction, check_tensor, generator
from xhat.judges.axes import Likelihood, ManifoldAxis, Reconstruction
from xhat.judges.conformal import samples_needed
from xhat.judges.juries import Member, jury_of
from xhat.judges.jury import Jury
from xhat.judges.lessons import Lesson
from xhat.judges.neighbours import Neighbours

__all__ = ["Parts", "State", "default_axes", "default_jury", "learnt", "split_reference"]

_REFERENCE = 0.6  # of the samples; the rest tells what is usual
_DIMENSION_FROM = 20  # neighbours
_KEPT_VARIANCE = 0.95
_ROUNDING = 1e-3  # standard deviations that count for nothing
_MOST_LIKELIHOOD = 1024  # features of which a covariance is estimated

Progress = Callable[[str, int, int], None]
State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Parts:
    """A reference set, split in two.

    Attributes:
        reference: ``(m, *x_shape)``, real samples for distances and for training the jury.
        labels: ``(m,)`` classes from 0, or None.
        calibration: ``(c, *x_shape)``, held-out real samples that set the thresholds.
        calibration_labels: ``(c,)``, or None.
        scale: ``(mean, deviation)`` of the reference, each ``x_shape``.
    """

    reference: Tensor
    labels: Tensor | None
    calibration: Tensor
    calibration_labels: Tensor | None
    scale: tuple[Tensor, Tensor]

    def standardised(self, x: Tensor) -> Tensor:
        """Return ``x`` with mean 0 and deviation 1 in every feature that varies, ``(n, d)``."""
        mean, deviation = self.scale
        return ((x - mean) / deviation).flatten(1)


def split_reference(x: Tensor, labels: Tensor | None, alpha: float, seed: int) -> Parts:
    """Split real samples at random into a reference and a calibration set.

    Raises:
        TypeError, ValueError: as ``Judge.fit``.
    """
    x = check_tensor("the reference", x)
    x = x.detach().float()[:, None] if x.ndim == 1 else x.detach().float()
    check_fraction("alpha", alpha)
    _check_duplicates(x)
    needed = max(2 * samples_needed(alpha), 40)  # in the calibration part, of which half gives p
    if (least := math.ceil(needed / (1 - _REFERENCE))) > len(x):
        raise ValueError(
            f"alpha = {alpha} needs at least {least} real samples, of which "
            f"{100 * (1 - _REFERENCE):.0f} % tell what is usual, but the reference has {len(x)}; "
            f"add samples or raise alpha."
        )
    if labels is not None:
        labels = _checked_labels(labels, len(x))
    order = torch.randperm(len(x), generator=generator(seed, "judge", "split"))
    known, usual = order.split([round(_REFERENCE * len(x)), len(x) - round(_REFERENCE * len(x))])
    spread = x[known].std(dim=0)
    # a feature that is constant in the reference, or nearly, counts in units of the others; one
    # that varies does not, however small its unit is
    typical = spread[spread > 0].median() if bool((spread > 0).any()) else torch.tensor(1.0)
    middle = x[known].median(dim=0).values
    mostly_one_value = (x[known] == middle).float().mean(dim=0) > 0.5
    constant = (spread <= 1e-6 * middle.abs()) | (mostly_one_value & (spread <= 1e-3 * typical))
    deviation = torch.where(constant, typical, spread)
    return Parts(
        x[known],
        None if labels is None else labels[known],
        x[usual],
        None if labels is None else labels[usual],
        (x[known].mean(dim=0), deviation),
    )


def default_axes(parts: Parts, state: State | None = None) -> tuple[ManifoldAxis, ...]:
    """Return manifold axes for any data; ``state`` holds what ``Judge.state`` returned before."""
    x, see = parts.reference, parts.standardised
    enough = min(_DIMENSION_FROM, len(x))
    axes: list[ManifoldAxis] = [
        Neighbours("nearest neighbours", x, see, parts.labels, k_dimension=enough)
    ]
    flat = see(x)
    features = flat.shape[1]
    if features <= _MOST_LIKELIHOOD:
        axes.append(Likelihood("likelihood", x, see))
    if features > 1:
        components = _Components(flat, parts, state)
        if components.kept < features:
            axes.append(components)
    return tuple(axes)


def default_jury(
    parts: Parts, seed: int, on_progress: Progress | None = None, state: State | None = None
) -> Jury:
    """Fit the jury for data of this kind to the reference, or load it from ``state``."""
    if parts.labels is None:
        raise ValueError("a jury needs labels.")
    classes = int(parts.labels.max()) + 1
    lesson = Lesson(parts.reference, parts.labels, classes, parts.scale)
    return jury_of(lesson, seed, on_progress, state)


def learnt(axes: Sequence[ManifoldAxis], jury: Jury | None) -> dict[str, Tensor]:
    """Return the fitted tensors of default axes and a default jury, by name.

    Raises:
        TypeError: the judge has parts of your own, which could not be made again.
    """
    found: dict[str, Tensor] = {}
    for axis in axes:
        found |= axis.learnt()
    for name, member in zip(jury.names, jury.members, strict=True) if jury is not None else ():
        if not isinstance(member, Member):
            raise TypeError("only a judge that was made by Judge.fit can be kept in a file.")
        found |= {f"{name}.{key}": value for key, value in member.state_dict().items()}
    return found


class _Components(Reconstruction):
    """What the leading principal components cannot rebuild of standardised values."""

    def __init__(self, flat: Tensor, parts: Parts, state: State | None = None) -> None:
        super().__init__("principal components", self._rebuilt)
        self.parts, self.mean = parts, flat.mean(dim=0)
        if state is not None:
            self.vectors = state.get("components.vectors", torch.eye(flat.shape[1]))
            self.kept = len(self.vectors)
            return
        _, values, vectors = torch.linalg.svd(flat - self.mean, full_matrices=False)
        share = values.square().cumsum(0) / values.square().sum().clamp_min(1e-12)
        self.kept = int((share < _KEPT_VARIANCE).sum()) + 1
        self.vectors = vectors[: self.kept]

    def learnt(self) -> dict[str, Tensor]:
        """Return the components."""
        return {"components.vectors": self.vectors}

    def distance(self, x: Tensor) -> Tensor:
        """Return the distance, ``(n,)``, in standard deviations."""
        centred = self.parts.standardised(x) - self.mean
        left = centred - centred @ self.vectors.T @ self.vectors
        return torch.linalg.vector_norm(left, dim=1).clamp_min(_ROUNDING)

    def _rebuilt(self, x: Tensor) -> Tensor:
        centred = self.parts.standardised(x) - self.mean
        rebuilt = centred @ self.vectors.T @ self.vectors + self.mean
        mean, deviation = self.parts.scale
        return rebuilt.reshape(x.shape) * deviation + mean


def _checked_labels(labels: Tensor, n: int) -> Tensor:
    labels = check_tensor("the labels", labels, ndim=1, floating=False)
    if labels.is_floating_point() or labels.dtype == torch.bool:
        kind = str(labels.dtype).removeprefix("torch.")
        raise TypeError(f"the labels must be integer classes from 0, but are {kind}.")
    if len(labels) != n:
        raise ValueError(f"the reference has {n} samples, but {len(labels)} labels came.")
    if int(labels.min()) < 0:
        raise ValueError(f"the labels must be classes from 0, but one is {int(labels.min())}.")
    counts = labels.bincount()
    if len(counts) < 2 or int(counts.min()) < 20:
        raise ValueError(
            f"a judge needs at least 20 samples of each of at least 2 classes, numbered from 0 "
            f"without gaps, but the counts are {counts.tolist()}."
        )
    return labels.long()


def _check_duplicates(x: Tensor) -> None:
    _, place, counts = torch.unique(x.flatten(1), dim=0, return_inverse=True, return_counts=True)
    if int(counts.max()) == 1:
        return
    same = (place == int(counts.argmax())).nonzero()[:, 0]
    raise ValueError(
        f"the reference must not hold a sample twice, or distances to it mean nothing, but "
        f"{int((counts - 1).sum())} of its {len(x)} samples repeat another (rows {int(same[0])} "
        f"and {int(same[1])}, for one); remove them (numpy.unique(x, axis=0))."
    )
