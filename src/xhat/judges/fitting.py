"""A judge's parts for any data: how the reference is split, which axes look, who reads the classes.

Nothing here knows what the data are. Values are standardised; besides nearest neighbours there
are a Gaussian likelihood, what the leading principal components cannot rebuild, and the local
dimension; images, fields and signals are looked at from near (``xhat.judges.local``), tables for
combinations that do not occur. With labels there is a jury (``xhat.judges.juries``).

Of many samples a part is held out and tells what is usual. Where they are few, each of them serves
for both: it is scored by what was fitted to the others (cross-fitting).

Source: Barber, Candes, Ramdas, Tibshirani, "Predictive Inference with the Jackknife+", Annals of
Statistics 2021 (scores of samples by what was fitted to the others).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from xhat.core import check_tensor, generator
from xhat.executors import Workers
from xhat.judges.axes import Likelihood, ManifoldAxis, Reconstruction
from xhat.judges.combinations import Combinations
from xhat.judges.families import State
from xhat.judges.juries import Member, dealt, jury_of
from xhat.judges.jury import Jury
from xhat.judges.lessons import Lesson
from xhat.judges.local import local_axes
from xhat.judges.neighbours import Neighbours

__all__ = [
    "Parts",
    "crossed_scores",
    "default_axes",
    "default_jury",
    "learnt",
    "lesson_of",
    "split_reference",
]

_LEAST = 12  # samples, and
_OF_CLASS = 6  # of each class: fewer could not be dealt out
_FEW = 1_000  # samples below which each is scored by what was fitted to the others
_FOLDS = 5
_REFERENCE = 0.6  # of the samples; the rest tells what is usual
_DIMENSION_FROM = 20  # neighbours
_KEPT_VARIANCE = 0.95
_ROUNDING = 1e-3  # standard deviations that count for nothing
_MOST_LIKELIHOOD = 1024  # features of which a covariance is estimated

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Parts:
    """A reference set, split in two.

    Attributes:
        reference: ``(m, *x_shape)``, real samples for distances and for training the jury.
        labels: ``(m,)`` classes from 0, or None.
        calibration: ``(c, *x_shape)``, held-out real samples that set the thresholds.
        calibration_labels: ``(c,)``, or None.
        scale: ``(mean, deviation)`` of the reference, each ``x_shape``.
        crossed: whether the calibration samples are those of the reference.
        values: ``(m, k)`` quantities, or None.
        calibration_values: ``(c, k)``, or None.
    """

    reference: Tensor
    labels: Tensor | None
    calibration: Tensor
    calibration_labels: Tensor | None
    scale: tuple[Tensor, Tensor]
    crossed: bool = False
    values: Tensor | None = None
    calibration_values: Tensor | None = None

    def standardised(self, x: Tensor) -> Tensor:
        """Return ``x`` with mean 0 and deviation 1 in every feature that varies, ``(n, d)``."""
        mean, deviation = self.scale
        return ((x - mean) / deviation).flatten(1)

    def without(self, held: Tensor) -> "Parts":
        """Return the same with fewer samples in the reference, ``held`` a mask ``(m,)``."""
        labels = None if self.labels is None else self.labels[~held]
        return replace(self, reference=self.reference[~held], labels=labels)


def split_reference(
    x: Tensor, labels: Tensor | None, seed: int, values: Tensor | None = None
) -> Parts:
    """Split real samples at random into a reference and a calibration set.

    Below a thousand samples both are all of them, in a random order.

    Raises:
        TypeError, ValueError: as ``Judge.fit``.
    """
    x = check_tensor("the reference", x)
    x = x.detach().float()[:, None] if x.ndim == 1 else x.detach().float()
    _check_duplicates(x)
    if len(x) < _LEAST:
        raise ValueError(
            f"a judge needs at least {_LEAST} real samples, and some hundred to be of use, but the "
            f"reference has {len(x)}; add samples."
        )
    if labels is not None:
        labels = _checked_labels(labels, len(x))
    y = None if values is None else _checked_values(values, len(x))
    order = torch.randperm(len(x), generator=generator(seed, "judge", "split"))
    crossed = len(x) < _FEW
    known, usual = order.tensor_split([round(_REFERENCE * len(x))])
    if crossed:
        known = usual = order
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
        crossed,
        None if y is None else y[known],
        None if y is None else y[usual],
    )


def default_axes(
    parts: Parts, state: State | None = None, like: Sequence[ManifoldAxis] = ()
) -> tuple[ManifoldAxis, ...]:
    """Return manifold axes for any data.

    Args:
        parts: the samples.
        state: what ``Judge.state`` returned before, to load what it holds.
        like: axes of more samples of the same kind, of which these have the scores.
    """
    x, see = parts.reference, parts.standardised
    wanted = {axis.names[0] for axis in like}
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
        if components.kept < features or components.names[0] in wanted:
            axes.append(components)
    if x.ndim > 2:
        axes += local_axes(x)
    elif (found := Combinations(x)).columns or found.names[0] in wanted:
        axes.append(found)
    return tuple(axis for axis in axes if not like or axis.names[0] in wanted)


def crossed_scores(parts: Parts, axes: Sequence[ManifoldAxis], seed: int) -> Tensor:
    """Return the scores of reference samples on axes that were made of others, ``(m, scores)``.

    In five parts, of every class alike. The axes are like those given, which were made of all.
    """
    labels = torch.zeros(len(parts.reference)) if parts.labels is None else parts.labels
    fold = dealt(labels, _FOLDS, seed)
    found: list[Tensor] = [torch.empty(0)] * _FOLDS
    for number in range(_FOLDS):
        held = fold == number
        others = default_axes(parts.without(held), like=axes)
        found[number] = torch.cat([axis.scores(parts.reference[held]) for axis in others], dim=1)
    place = torch.cat([(fold == number).nonzero()[:, 0] for number in range(_FOLDS)])
    return torch.cat(found)[place.argsort()]


def default_jury(
    parts: Parts,
    seed: int,
    on_progress: Progress | None = None,
    state: State | None = None,
    workers: Workers | int | None = None,
) -> Jury:
    """Fit the jury for data of this kind to the reference, or load it from ``state``."""
    return jury_of(lesson_of(parts), seed, on_progress, state, workers)


def lesson_of(parts: Parts) -> Lesson:
    """Return what a jury learns from."""
    if parts.labels is None:
        raise ValueError("a jury needs labels.")
    return Lesson(parts.reference, parts.labels, int(parts.labels.max()) + 1, parts.scale)


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
    if len(counts) < 2 or int(counts.min()) < _OF_CLASS:
        raise ValueError(
            f"a judge needs at least {_OF_CLASS} samples of each of at least 2 classes, numbered "
            f"from 0 without gaps, but the counts are {counts.tolist()}."
        )
    return labels.long()


def _checked_values(values: Tensor, n: int) -> Tensor:
    values = check_tensor("the values", values)
    if len(values) != n:
        raise ValueError(f"the reference has {n} samples, but {len(values)} values came.")
    return values.detach().float().reshape(n, -1)


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
