"""The default jury by kind of data: who its members are, and how each is calibrated.

===================  =======================================================================
images, fields       wide convolutions, and a residual network
signals              convolutions of several widths, and a dilated residual network
tables               boosted trees (scikit-learn's), a network of layers, a kernel classifier
===================  =======================================================================

The number of axes of a sample says which. Every family is fitted on *folds*: on a part of the known
samples, while those held out say when it is best and, afterwards, how sure it may be (temperature).
Where samples are few, each is held out once, and a member is the mean of three such fits.

Source: fits on folds, each calibrated by what it has not seen: Platt, "Probabilistic Outputs for
Support Vector Machines", 1999.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from xhat.core import MissingExtraError, generator
from xhat.executors import Here, Workers, as_workers, each
from xhat.judges.families import Family, Kernel, Network, State, Trees
from xhat.judges.jury import Jury
from xhat.judges.lessons import Lesson
from xhat.judges.views import Columns, Grid, Line
from xhat.learning import fit_temperature, predict

__all__ = ["Member", "crossed_votes", "dealt", "folds", "jury_of", "networks_of", "part_of"]

_FEW = 1_500  # known samples below which each is held out once
_FOLDS, _HELD = 3, 7  # where they are few; else one in seven is held out
_WIDE = 1_024  # columns above which no trees are grown
_STEPS = 700  # of training a network on a grid; for each of three as many for a thousand samples,
_LEAST_STEPS = 1 / 3  # and fewer for fewer, but never less than this share
_SHOWN, _MET = 0.5, 0.2  # samples of no class for each of a class: in training, and afterwards

Progress = Callable[[str, int, int], None]


class Member(nn.Module):
    """A member of a default jury: the mean of one family's fits, over a temperature.

    Args:
        fits: ``(n, *x_shape) -> (n, classes + 1)`` logits each.

    Shape:
        ``(n, *x_shape)`` → logits ``(n, classes + 1)``.
    """

    temperature: Tensor

    def __init__(self, fits: list[nn.Module]) -> None:
        super().__init__()
        self.fits = nn.ModuleList(fits)
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.rarer(torch.stack([fit(x) for fit in self.fits]).mean(dim=0)) / self.temperature

    @staticmethod
    def rarer(logits: Tensor) -> Tensor:
        """Return logits for samples of which fewer are of no class than in training.

        Source: Saerens, Latinne, Decaestecker, "Adjusting the Outputs of a Classifier to New a
        Priori Probabilities", Neural Computation 2002.
        """
        return torch.cat((logits[:, :-1], logits[:, -1:] - math.log(_SHOWN / _MET)), dim=1)


def jury_of(
    lesson: Lesson,
    seed: int,
    on_progress: Progress | None = None,
    state: State | None = None,
    workers: Workers | int | None = None,
) -> Jury:
    """Return the default jury for known samples.

    Args:
        lesson: the samples.
        seed: of the folds and the training.
        on_progress: called with a member's name, and how far it is.
        state: tensors of the members by name, to load them; None to fit them.
        workers: where they are fitted, each fold by itself; None for here, one after the other.
    """
    families, note = _families(lesson), ""
    if state is not None:
        parts = [(family, part_of(state, family.name)) for family in families]
        members = {family.name: _loaded(family, known) for family, known in parts if known}
    else:
        members, note = _all_fitted(families, lesson, seed, on_progress, as_workers(workers))
    modules = tuple(member.eval().requires_grad_(False) for member in members.values())
    return Jury(modules, tuple(members), lesson.classes, note=note)


def _families(lesson: Lesson) -> tuple[Family, ...]:
    outputs, features = lesson.classes + 1, math.prod(lesson.x.shape[1:])
    network, *others = networks_of(lesson, outputs)
    if others:
        return (network, *others)
    rest = (network, Kernel(network.view, features, outputs))
    return (Trees(outputs), *rest) if features <= _WIDE else rest


def networks_of(lesson: Lesson, outputs: int) -> tuple[Network, ...]:
    """Return the networks for samples of this kind, with so many outputs."""
    shape = tuple(lesson.x.shape[1:])
    steps = _STEPS
    if len(lesson.x) < _FEW:
        steps = round(_STEPS * min(1, max(_LEAST_STEPS, len(lesson.x) / 1_000)))
    if len(shape) == 3:
        view = Grid(lesson)
        inside = {"classes": outputs, "channels": view.channels}
        return (
            Network("wide convolutions", "WideCNN", inside | {"size": view.side}, view, steps),
            Network("residual network", "ResidualNet", inside | {"width": 16}, view, steps),
        )
    if len(shape) == 2:
        view = Line(lesson)
        inside = {"classes": outputs, "channels": view.channels}
        return (
            Network(
                "several widths", "ScalesSignal", inside | {"length": view.length}, view, steps
            ),
            Network("dilated network", "ResidualSignal", inside, view, steps),
        )
    hidden = {"classes": outputs, "inputs": math.prod(shape), "hidden": (128, 128)}
    return (Network("network", "MLP", hidden, Columns(lesson), 2 * _STEPS),)


def _all_fitted(
    families: Sequence[Family],
    lesson: Lesson,
    seed: int,
    on_progress: Progress | None,
    workers: Workers,
) -> tuple[dict[str, Member], str]:
    """Return the members that can be fitted, by name, and a note on one that cannot."""
    _, fits = folds(lesson.labels, seed)
    fold = partial(_fold, lesson, seed, on_progress if workers == Here() else None)
    asked = {
        f"fold {number} of the judge {family.name}": (family, number)
        for family in families
        for number in range(fits)
    }
    found, done, note = {}, 0, ""
    for name, part in each(workers, fold, asked.items()):
        family, number = asked[name]
        found[family.name, number], done = part, done + 1
        note = part if isinstance(part, str) else note
        if on_progress is not None and workers != Here():
            on_progress("judge", done, len(asked))
    members = {}
    for family in families:
        parts = [found[family.name, number] for number in range(fits)]
        if not isinstance(parts[0], str):
            members[family.name] = _calibrated(parts)
    return members, note


def _fold(
    lesson: Lesson, seed: int, on_progress: Progress | None, asked: tuple[Family, int]
) -> tuple[nn.Module, Tensor, Tensor] | str:
    """Return a fit of a family, and how it reads what it has not seen; or why there is none."""
    (family, number), (fold, fits) = asked, folds(lesson.labels, seed)

    def told(done: int, of: int) -> None:
        if on_progress is not None:
            on_progress(f"judge {family.name}", number * of + done, fits * of)

    held = lesson.part(fold == number)
    try:
        fit = family.fitted(lesson.part(fold != number), held, seed + number, told).eval()
    except MissingExtraError as missing:
        return f"a member is missing: {missing}"
    return fit, Member.rarer(predict(fit, held.x)), held.labels


def _calibrated(parts: Sequence[tuple[nn.Module, Tensor, Tensor]]) -> Member:
    """Return the mean of fits, calibrated on what each has not seen."""
    fits, logits, labels = zip(*parts, strict=True)
    member = Member(list(fits))
    member.temperature.fill_(_temperature(torch.cat(logits), torch.cat(labels)))
    return member


def folds(labels: Tensor, seed: int) -> tuple[Tensor, int]:
    """Return the fold of each sample, every class dealt out evenly, and how many are held out."""
    few = len(labels) < _FEW
    return dealt(labels, _FOLDS if few else _HELD, seed), _FOLDS if few else 1


def dealt(labels: Tensor, parts: int, seed: int) -> Tensor:
    """Return in which of some parts each sample is, ``(n,)``; every class is dealt out evenly."""
    order = torch.randperm(len(labels), generator=generator(seed, "judge", "folds"))
    order = order[labels[order].argsort(stable=True)]
    fold = torch.empty(len(labels), dtype=torch.long)
    fold[order] = torch.arange(len(labels)) % parts
    return fold


def crossed_votes(jury: Jury, lesson: Lesson, seed: int) -> Tensor:
    """Return how the members' fits vote on the samples that each was held out from.

    Args:
        jury: what ``jury_of`` has returned.
        lesson: the samples that it was given, few enough that each was held out once.
        seed: that it was given.

    Returns:
        ``(m, members, classes + 1)`` probabilities.
    """
    fold, fits = folds(lesson.labels, seed)
    votes = torch.zeros(len(fold), len(jury.members), jury.classes + 1)
    for place, member in enumerate(jury.members):
        if not isinstance(member, Member):
            raise TypeError("only the members of a default jury keep their fits.")
        for number in range(fits):
            held = fold == number
            logits = Member.rarer(predict(member.fits[number], lesson.x[held]))
            votes[held, place] = (logits / member.temperature).softmax(dim=1)
    return votes


def _temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the best temperature, as if one more sample, of the usual certainty, were misread.

    Without it, a member that misreads none of a few samples would be certain of everything
    (Laplace's rule of succession).
    """
    best = logits.topk(2, dim=1)
    usual = (best.values[:, 0] - best.values[:, 1]).argsort()[len(logits) // 2]
    more = torch.cat((logits, logits[usual, None])), torch.cat((labels, best.indices[usual, 1:]))
    return fit_temperature(*more)


def _loaded(family: Family, state: State) -> Member:
    count = len({name.split(".")[1] for name in state if name.startswith("fits.")})
    member = Member([family.blank(part_of(state, f"fits.{i}")) for i in range(count)])
    member.load_state_dict(state)
    return member


def part_of(state: State, name: str) -> dict[str, Tensor]:
    """Return those of some tensors whose name begins with ``name`` and a dot, without it."""
    lead = f"{name}."
    return {key.removeprefix(lead): value for key, value in state.items() if key.startswith(lead)}
