"""The default jury of values by kind of data: held-out regressors of at least two families.

===================  =======================================================================
images, fields       wide convolutions, and a residual network
signals              convolutions of several widths, and a dilated residual network
tables               boosted trees (scikit-learn's), a network of layers, kernel ridge regression
===================  =======================================================================

Every family is fitted on folds of the known samples, as the jury of classes is
(``xhat.judges.juries``): those held out say when a fit is best and, afterwards, how far it is off.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import MissingExtraError, evaluation_mode, generator
from xhat.judges.families import Best, Network, State, Told, shifted, train
from xhat.judges.independence import check_independent
from xhat.judges.juries import folds, networks_of, part_of
from xhat.judges.lessons import Lesson
from xhat.learning import BoostedTrees, grow_regression_trees, predict

__all__ = ["Regressors", "crossed_predictions", "regressors_of"]

_PLACES = 2_000  # that kernel ridge regression remembers, at most
_WIDTHS, _RIDGES = (0.5, 1.0, 2.0, 4.0), (1e-3, 1e-2, 1e-1, 1.0)
_NOISE = 0.05  # in training: standard deviations
_WIDE = 1_024  # columns above which no trees are grown
_LEAST = 1e-9

Progress = Callable[[str, int, int], None]
Pairs = tuple[Tensor, Tensor]


class _Family(Protocol):
    """One kind of regressor, of values with mean 0 and deviation 1."""

    @property
    def name(self) -> str:
        """What people call it; its tensors begin with it."""
        ...

    def fitted(self, known: Pairs, held: Pairs, seed: int, told: Told, /) -> nn.Module:
        """Return one fitted to ``known`` samples, best on ``held`` ones."""
        ...

    def blank(self, state: State, /) -> nn.Module:
        """Return one that can load ``state``."""
        ...


class _Member(nn.Module):
    """One family's fits, in the unit of the values: ``(n, *x_shape)`` to ``(n, fits, k)``."""

    mean: Tensor
    deviation: Tensor
    error: Tensor

    def __init__(self, fits: Iterable[nn.Module], scale: Pairs, error: Tensor) -> None:
        super().__init__()
        self.fits = nn.ModuleList(fits)
        self.register_buffer("mean", scale[0])
        self.register_buffer("deviation", scale[1])
        self.register_buffer("error", error)  # mean square on samples held out, in deviations

    def forward(self, x: Tensor) -> Tensor:
        """Return what each fit predicts, ``(n, fits, k)``."""
        return self.scaled(torch.stack([fit(x) for fit in self.fits], dim=1))

    def scaled(self, fitted: Tensor) -> Tensor:
        """Return what a fit gives in the unit of the values."""
        return self.mean + self.deviation * fitted


@dataclass(frozen=True)
class Regressors:
    """Held-out regressors of ``k`` values; together they predict their weighted mean.

    Attributes:
        members: ``(n, *x_shape)`` to values ``(n, fits, k)``, each with as many fits.
        names: of the members, for people.
        note: what is to be known about them, such as that one is missing.
    """

    members: tuple[_Member, ...]
    names: tuple[str, ...]
    note: str = ""

    def each(self, x: Tensor) -> Tensor:
        """Return what every fit of every member predicts, ``(n, fits, members, k)``."""
        with evaluation_mode(*self.members):
            return torch.stack([predict(member, x) for member in self.members], dim=2)

    def together(self, each: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is predicted together, ``(n, k)``, and how hard that is, ``(n,)``.

        A member has weight by the inverse of its mean squared error. Difficulty is 1 where all
        agree, and grows by how far fits to the same samples are apart, in units of the error of
        the best.

        Args:
            each: ``(n, fits, members, k)``.
        """
        errors = torch.stack([member.error for member in self.members]).clamp_min(_LEAST)
        weights = (1 / errors.mean(dim=1)) / (1 / errors.mean(dim=1)).sum()
        pooled = (weights[:, None] * each).sum(dim=2)
        apart = (weights[:, None] * (each - pooled[:, :, None]).square()).sum(dim=2).sqrt()
        unit = errors.amin(dim=0).sqrt() * self.members[0].deviation
        return pooled.mean(dim=1), 1 + (apart / unit).mean(dim=(1, 2))

    def check_independent(self, searched: Iterable[nn.Module]) -> None:
        """Raise ``ValueError`` if a member shares weights with a model that the search used."""
        searched = tuple(searched)
        for name, member in zip(self.names, self.members, strict=True):
            check_independent(f"the regressor {name}", member, searched)

    def learnt(self) -> dict[str, Tensor]:
        """Return the fitted tensors by name."""
        return {
            f"{name}.{key}": value
            for name, member in zip(self.names, self.members, strict=True)
            for key, value in member.state_dict().items()
        }


def regressors_of(
    x: Tensor,
    y: Tensor,
    scale: Pairs,
    seed: int,
    on_progress: Progress | None = None,
    state: State | None = None,
) -> Regressors:
    """Return the default regressors for known samples.

    Args:
        x: ``(m, *x_shape)`` samples.
        y: ``(m, k)``, their values.
        scale: ``(mean, deviation)`` of the features, each ``x_shape``.
        seed: of the folds and the training.
        on_progress: called with a member's name, and how far it is.
        state: what ``Regressors.learnt`` returned of others for the same samples, to load them;
            None to fit them.
    """
    deviation = y.std(dim=0)
    unit = y.mean(dim=0), torch.where(deviation > 0, deviation, torch.ones_like(deviation))
    known = x, (y - unit[0]) / unit[1]
    members, note = {}, ""
    for family in _families(x, y.shape[1], scale):
        if state is not None:
            if tensors := part_of(state, family.name):
                members[family.name] = _loaded(family, tensors)
            continue
        try:
            members[family.name] = _fitted(family, known, unit, seed, on_progress)
        except MissingExtraError as missing:
            note = f"a member is missing: {missing}"
    modules = tuple(member.eval().requires_grad_(False) for member in members.values())
    return Regressors(modules, tuple(members), note)


def crossed_predictions(regressors: Regressors, x: Tensor, seed: int) -> Tensor:
    """Return what each member's fits predict of the samples that they were not fitted to.

    Args:
        regressors: what ``regressors_of`` has returned.
        x: the samples that it was given, few enough that each was held out once.
        seed: that it was given.

    Returns:
        ``(m, 1, members, k)``.
    """
    fold, fits = _folds(x, seed)
    outputs = len(regressors.members[0].mean)
    found = torch.empty(len(x), 1, len(regressors.members), outputs)
    for place, member in enumerate(regressors.members):
        for number in range(fits):
            held = fold == number
            found[held, 0, place] = member.scaled(predict(member.fits[number], x[held]))
    return found


@dataclass(frozen=True)
class _Net:
    """A network of a jury of classes, trained to give values."""

    network: Network
    deviation: Tensor

    @property
    def name(self) -> str:
        return self.network.name

    def blank(self, state: State, /) -> nn.Module:
        return self.network.blank(state)

    def fitted(self, known: Pairs, held: Pairs, seed: int, told: Told, /) -> nn.Module:
        def loss(model: nn.Module, x: Tensor, y: Tensor, draws: torch.Generator) -> Tensor:
            noise = _NOISE * self.deviation * torch.randn(x.shape, generator=draws)
            return F.mse_loss(model(shifted(x, draws) + noise), y)

        model = self.network.made(seed)
        best = Best(model, *held, told, measure=F.mse_loss)
        train(model, known, loss, seed, best, self.network.steps)
        model.load_state_dict(best.weights)
        return model


@dataclass(frozen=True)
class _Trees:
    """Boosted trees."""

    outputs: int
    name: str = "trees"

    def blank(self, state: State, /) -> nn.Module:
        return BoostedTrees(self.outputs, len(state["root"]), len(state["value"]))

    def fitted(self, known: Pairs, held: Pairs, seed: int, told: Told, /) -> nn.Module:
        trees = grow_regression_trees(known, held, seed)
        told(1, 1)
        return trees


class _KernelRidge(nn.Module):
    """Sums of bumps around known samples, of the width and smoothness that held-out ones like best.

    Source: Rasmussen, Williams, "Gaussian Processes for Machine Learning", 2006 (the Matérn
    kernel of 3/2; the mean of a process is kernel ridge regression).
    """

    places: Tensor
    heights: Tensor
    width: Tensor

    def __init__(self, view: nn.Module, places: int, dimensions: int, outputs: int) -> None:
        super().__init__()
        self.view = view
        self.register_buffer("places", torch.zeros(places, dimensions))
        self.register_buffer("heights", torch.zeros(places, outputs))
        self.register_buffer("width", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return values, ``(n, outputs)``."""
        return _bumps(torch.cdist(self.view(x), self.places) / self.width) @ self.heights


@dataclass(frozen=True)
class _Kernel:
    """Kernel ridge regression."""

    view: nn.Module
    name: str = "kernel"

    def blank(self, state: State, /) -> nn.Module:
        places, dimensions = state["places"].shape
        return _KernelRidge(self.view, places, dimensions, state["heights"].shape[1])

    def fitted(self, known: Pairs, held: Pairs, seed: int, told: Told, /) -> nn.Module:
        rows = torch.randperm(len(known[0]), generator=generator(seed, "judge", "known samples"))
        places, y = self.view(known[0][rows[:_PLACES]]), known[1][rows[:_PLACES]].double()
        within, across = torch.cdist(places, places), torch.cdist(self.view(held[0]), places)
        found = _KernelRidge(self.view, len(places), places.shape[1], y.shape[1])
        found.places.copy_(places)
        typical, least = within.median(), torch.inf
        for times in _WIDTHS:
            width = (times * typical).clamp_min(_LEAST)
            inner, outer = (_bumps(apart.double() / width) for apart in (within, across))
            for ridge in _RIDGES:
                damped = inner + ridge * torch.eye(len(inner), dtype=torch.double)
                heights = torch.linalg.solve(damped, y)
                error = float(F.mse_loss(outer @ heights, held[1].double()))
                if error < least:
                    least = error
                    found.heights.copy_(heights)
                    found.width.copy_(width)
        told(1, 1)
        return found


def _bumps(apart: Tensor) -> Tensor:
    scaled = 3**0.5 * apart
    return (1 + scaled) * (-scaled).exp()


def _families(x: Tensor, outputs: int, scale: Pairs) -> tuple[_Family, ...]:
    network, *others = networks_of(Lesson(x, torch.zeros(len(x)), outputs, scale), outputs)
    nets = tuple(_Net(each, scale[1]) for each in (network, *others))
    if others:
        return nets
    rest = (*nets, _Kernel(network.view))
    return (_Trees(outputs), *rest) if x[0].numel() <= _WIDE else rest


def _fitted(
    family: _Family, known: Pairs, unit: Pairs, seed: int, on_progress: Progress | None
) -> _Member:
    """Fit one family on folds, and measure how far it is off what each fit has not seen."""
    (x, y), (fold, fits) = known, _folds(known[0], seed)
    found, left = [], []
    for number in range(fits):

        def told(done: int, of: int, before: int = number) -> None:
            if on_progress is not None:
                on_progress(f"judge {family.name}", before * of + done, fits * of)

        held, rest = fold == number, fold != number
        fit = family.fitted((x[rest], y[rest]), (x[held], y[held]), seed + number, told)
        found.append(fit.eval())
        left.append((predict(fit, x[held]) - y[held]).square())
    return _Member(found, unit, torch.cat(left).mean(dim=0))


def _folds(x: Tensor, seed: int) -> tuple[Tensor, int]:
    return folds(torch.zeros(len(x)), seed)


def _loaded(family: _Family, state: State) -> _Member:
    count = len({name.split(".")[1] for name in state if name.startswith("fits.")})
    fits = [family.blank(part_of(state, f"fits.{i}")) for i in range(count)]
    member = _Member(fits, (state["mean"].clone(), state["deviation"].clone()), state["error"])
    member.load_state_dict(state)
    return member
