"""A judge's parts for any data: how the reference is split, which axes look, who reads the classes.

Nothing here knows what the data are. Values are standardised; besides nearest neighbours there
are a Gaussian likelihood, what the leading principal components cannot rebuild, and the local
dimension. With labels there is a jury of two families, a network of layers and a kernel classifier
on known samples. They learn what is *none* of the classes from the data itself: features drawn
from different samples, mixtures of samples of different classes, and samples moved off.

Source: features drawn independently of each other as what is not the data: Breiman, "Random
Forests", 2001 (its unsupervised mode); mixtures: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond
Empirical Risk Minimization", ICLR 2018.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_fraction, check_tensor, generator
from xhat.judges.axes import Likelihood, ManifoldAxis, Reconstruction
from xhat.judges.conformal import samples_needed
from xhat.judges.jury import Jury
from xhat.judges.neighbours import Neighbours
from xhat.learning import EpochRecord, KernelClassifier, build, fit

__all__ = ["Parts", "State", "default_axes", "default_jury", "learnt", "split_reference"]

_REFERENCE = 0.6  # of the samples; the rest tells what is usual
_DIMENSION_FROM = 20  # neighbours
_KEPT_VARIANCE = 0.95
_ROUNDING = 1e-3  # standard deviations that count for nothing
_MOST_LIKELIHOOD = 1024  # features of which a covariance is estimated
_STEPS = 1500  # of training a member

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
    """Train a jury of two families on the reference, or load it from ``state``."""
    if parts.labels is None:
        raise ValueError("a jury needs labels.")
    flat, labels = parts.standardised(parts.reference), parts.labels
    classes = int(labels.max()) + 1
    loss = _WithNone(flat, labels, classes)
    network = build("MLP", seed=seed, classes=classes + 1, inputs=flat.shape[1], hidden=(128, 128))
    if state is None:
        _train(network, flat, labels, loss, seed, "network", on_progress)
        kernel = _kernel(flat, labels, classes, seed, on_progress)
    else:
        network.load_state_dict(_part(state, "network"))
        known = _part(state, "kernel")
        shape = {"inputs": flat.shape[1], "dimensions": known["projection"].shape[1]}
        kernel = build(
            "KernelClassifier", seed=seed, classes=classes + 1, known=len(known["places"]), **shape
        )
        kernel.load_state_dict(known)
    members = (_Standardised(parts, network), _Standardised(parts, kernel))
    return Jury(tuple(member.eval() for member in members), ("network", "kernel"), classes)


def learnt(axes: Sequence[ManifoldAxis], jury: Jury | None) -> dict[str, Tensor]:
    """Return the fitted tensors of default axes and a default jury, by name.

    Raises:
        TypeError: the judge has parts of your own, which could not be made again.
    """
    found: dict[str, Tensor] = {}
    for axis in axes:
        found |= axis.learnt()
    for name, member in zip(jury.names, jury.members, strict=True) if jury is not None else ():
        if not isinstance(member, _Standardised):
            raise TypeError("only a judge that was made by Judge.fit can be kept in a file.")
        found |= {f"{name}.{key}": value for key, value in member.member.state_dict().items()}
    return found


def _part(state: State, name: str) -> dict[str, Tensor]:
    lead = f"{name}."
    return {key.removeprefix(lead): value for key, value in state.items() if key.startswith(lead)}


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


class _Standardised(nn.Module):
    """A member that sees standardised values."""

    def __init__(self, parts: Parts, member: nn.Module) -> None:
        super().__init__()
        self.parts, self.member = parts, member

    def forward(self, x: Tensor) -> Tensor:
        return self.member(self.parts.standardised(x))


@dataclass(frozen=True)
class _WithNone:
    """Cross-entropy over the classes and "none", the samples of which are made on the way."""

    known: Tensor
    labels: Tensor
    classes: int

    def __call__(
        self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        none = _none(self.known, self.labels, max(1, len(x) // 2), generator)
        shown = torch.cat((x + 0.05 * torch.randn(x.shape, generator=generator), none))
        wanted = torch.cat((y, y.new_full((len(none),), self.classes)))
        return F.cross_entropy(model(shown), wanted, label_smoothing=0.02)


def _none(known: Tensor, labels: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Return ``(n, d)`` that belong to no class, of three kinds."""
    third = -(-n // 3)

    def some(shape: tuple[int, ...]) -> Tensor:
        return torch.randint(len(known), shape, generator=generator)

    rows = some((third, known.shape[1]))
    scrambled = known[rows, torch.arange(known.shape[1])]
    a, b = some((2, third))
    share = 0.35 + 0.3 * torch.rand(third, 1, generator=generator)
    mixed = torch.where(
        (labels[a] != labels[b])[:, None],
        torch.lerp(known[a], known[b], share),
        scrambled,
    )
    away = torch.randn(third, known.shape[1], generator=generator)
    reach = 2 + 4 * torch.rand(third, 1, generator=generator)
    moved = known[some((third,))] + reach * away
    return torch.cat((scrambled, mixed, moved))[:n]


def _kernel(
    flat: Tensor, labels: Tensor, classes: int, seed: int, on_progress: Progress | None
) -> nn.Module:
    draws = generator(seed, "judge", "known samples")
    order = torch.randperm(len(flat), generator=draws)
    held, known = order.split([len(flat) // 4, len(flat) - len(flat) // 4])
    known = known[:5000]
    none = _none(flat, labels, max(1, len(known) // 3), draws)
    places = torch.cat((flat[known], none))
    kinds = torch.cat((labels[known], labels.new_full((len(none),), classes)))
    dimensions = min(32, flat.shape[1])
    model = build(
        "KernelClassifier",
        seed=seed,
        classes=classes + 1,
        inputs=flat.shape[1],
        dimensions=dimensions,
        known=len(places),
    )
    if not isinstance(model, KernelClassifier):
        raise TypeError("the registry's KernelClassifier is not one.")
    _, _, vectors = torch.linalg.svd(flat - flat.mean(dim=0), full_matrices=False)
    with torch.no_grad():
        model.projection[:, : len(vectors)].copy_(vectors[:dimensions].T)

    def loss(_: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        other = _none(flat, labels, max(1, len(x) // 2), generator)
        shown = torch.cat((x, other))
        wanted = torch.cat((y, y.new_full((len(other),), classes)))
        logits = model.nearness(model.project(shown), model.project(places), kinds)
        return F.cross_entropy(logits, wanted)

    _train(model, flat[held], labels[held], loss, seed, "kernel", on_progress, steps=300)
    model.remember(places, kinds)
    return model


def _train(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    loss: Callable[[nn.Module, Tensor, Tensor, torch.Generator], Tensor],
    seed: int,
    name: str,
    on_progress: Progress | None,
    steps: int = _STEPS,
) -> None:
    batch = min(128, len(x))
    epochs = max(2, min(60, steps // max(1, len(x) // batch)))

    def report(record: EpochRecord) -> None:
        if on_progress is not None:
            on_progress(f"judge {name}", record.epoch, record.epochs)

    fit(
        model,
        x,
        y,
        loss,
        epochs=epochs,
        batch_size=batch,
        learning_rate=3e-3,
        seed=seed,
        on_epoch=report,
    )


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
