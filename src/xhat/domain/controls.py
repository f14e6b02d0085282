"""Controls of any domain: samples of which the right verdict is known, made from real ones.

==============  ===============================================================================
real            held-out real samples, asked for their own class; copies of reference rows
wrong class     held-out real samples, asked for a class that they are not
wrong value     held-out real samples, asked for half a standard deviation around the value of
                another, in which their own does not lie; likewise "own value"
attack          samples that a model was made to misread: by PGD in balls of L∞ and L2, and with
                the least change (``xhat.attacks.minimum_norm``); only those that are misread
                and still lie nearest to a real sample of their own class
misread         held-out real samples that a model misreads untouched
mixture         two samples of different classes: both at half strength, or half of each
spoilt          parts in another order, noise of 30 % of the range, a checkerboard of half a
                deviation, too smooth, nothing but noise
foreign         data from elsewhere
==============  ===============================================================================

What shows no class is asked for what a model takes it for, since that is what a search would
believe; where there are values instead, for values of real samples.

Source: Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018
(PGD); Hendrycks, Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019 (noise, blur).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.core import generator
from xhat.domain.opponents import Attacks, Model, Opponent
from xhat.domain.tested import (
    ATTACK,
    FOREIGN,
    MISREAD,
    MIXED,
    NEARLY,
    REAL,
    SPOILT,
    WRONG,
    WRONG_VALUE,
)
from xhat.judges import Outcome
from xhat.objectives.goals import Goal, Within
from xhat.surrogates import Outliers
from xhat.surrogates.training_terms import Limits, within

__all__ = ["Control", "Kind", "Material", "kinds"]

_SLIGHT, _HEAVY = 0.1, 0.3  # of the range: standard deviation of the noise
_BOARD = 0.5  # of the deviation
_SHRUNK = 0.9  # of the way to the mean of the class
_AROUND = 0.5  # standard deviations to each side of a value that are asked for
_SMOOTH = 16  # of the shorter side: places to each side that are averaged

_NORMS: dict[Literal["linf", "l2"], str] = {"linf": "L∞", "l2": "L2"}

_SURE = (Outcome.GENUINE, Outcome.UNDECIDED)
_OTHER = (Outcome.MISTAKEN, Outcome.ADVERSARIAL, Outcome.AMBIGUOUS, Outcome.UNDECIDED)
_NATURAL = (Outcome.MISTAKEN, Outcome.AMBIGUOUS, Outcome.UNDECIDED)
_FOOLED = (Outcome.ADVERSARIAL,)
_PUSHED = (Outcome.ADVERSARIAL, Outcome.OFF_MANIFOLD)
_BETWEEN = (Outcome.AMBIGUOUS, Outcome.OFF_MANIFOLD, Outcome.OUT_OF_DISTRIBUTION)
_DAMAGED = (Outcome.OFF_MANIFOLD, Outcome.OUT_OF_DISTRIBUTION)
_TORN = (*_DAMAGED, Outcome.ADVERSARIAL)
_COPIED = (*_SURE, Outcome.MISTAKEN, Outcome.AMBIGUOUS)


@dataclass(frozen=True)
class Control:
    """Samples, and what they are said to be.

    Attributes:
        x: ``(n, *x_shape)``.
        target: ``(n,)`` classes; None where there are none.
        model: that takes them for the target, if one was asked.
        goal: which values they are said to have; None where there are none.
    """

    x: Tensor
    target: Tensor | None
    model: Model | None = None
    goal: Goal | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Material:
    """What controls are made of.

    Attributes:
        x: ``(h, *x_shape)`` held-out real samples, in mixed order.
        labels: ``(h,)``, their classes; None without any.
        classes: how many there are.
        kind: of data.
        limits: ``(low, high)`` of the features.
        ends: the least and the greatest value of real samples, of each column of a table.
        known: ``(m, *x_shape)`` rows of the judge's reference, and their classes.
        means: ``(classes, columns)`` of a table.
        opponents: whom to attack.
        attacks: how; None without classes.
        foreign: data from elsewhere, by name.
        n: samples of a control.
        seed: of every random choice.
        values: ``(h, k)`` of the held-out samples; None without any, or where all are the same.
        row: moves numbers to the nearest row of a table, which is all that a search returns.
        columns: ``(width,)``, of which column of a table each number is; None for other data.
    """

    x: Tensor
    labels: Tensor | None
    classes: int
    kind: str
    limits: Limits
    ends: tuple[Tensor, Tensor]
    known: tuple[Tensor, Tensor | None]
    means: Tensor | None
    opponents: tuple[Opponent, ...]
    attacks: Attacks | None
    foreign: Mapping[str, Tensor]
    n: int
    seed: int
    values: Tensor | None = None
    row: Callable[[Tensor], Tensor] = torch.as_tensor
    columns: Tensor | None = None

    @property
    def span(self) -> Tensor:
        """The range of values; it broadcasts to samples."""
        return self.ends[1] - self.ends[0]

    def draws(self, name: str) -> torch.Generator:
        """Return the source of randomness of one control."""
        return generator(self.seed, "control", name)

    @property
    def some(self) -> tuple[Tensor, Tensor | None]:
        """The first ``n`` held-out samples and their classes."""
        return self.x[: self.n], None if self.labels is None else self.labels[: self.n]

    def own(self, x: Tensor) -> Control:
        """Return what became of the first held-out samples, asked for their own class or value."""
        x, own = self.row(within(x, self.limits)), self.values
        if self.labels is None and own is not None:
            return Control(x, None, goal=self.around(own[: self.n]))
        return Control(x, self.some[1])

    def around(self, y: Tensor) -> Goal:
        """Return the goal to lie half a standard deviation around values ``(n, k)``."""
        reach = _AROUND * y.new_ones(1) if self.values is None else _AROUND * self.values.std(dim=0)
        return Within(y - reach, y + reach)

    def believed(self, x: Tensor) -> Control:
        """Return samples asked for what a model takes them for, or for values of real ones."""
        x = self.row(x)
        if not self.opponents:
            values = self.values if self.labels is None else None
            asked = None if values is None else values[torch.arange(len(x)) % len(values)]
            return Control(x, None, goal=None if asked is None else self.around(asked))
        first = self.opponents[0]
        return Control(x, first.read(x), first.model)

    def pairs(self, name: str) -> tuple[Tensor, Tensor, Tensor]:
        """Return pairs of different classes ``(k, *x_shape)`` twice, and one class of each pair."""
        labels = self.labels
        if labels is None:
            raise ValueError("without classes there are no pairs of different ones.")
        draws = self.draws(name)
        first = torch.arange(3 * self.n) % len(self.x)
        second = torch.randint(len(self.x), first.shape, generator=draws)
        differ = (labels[first] != labels[second]).nonzero()[: self.n, 0]
        first, second = first[differ], second[differ]
        called = torch.rand(first.shape, generator=draws) < 0.5
        return self.x[first], self.x[second], labels[torch.where(called, first, second)]


Made = Iterator[Control]


@dataclass(frozen=True)
class Kind:
    """One kind of control.

    Attributes:
        name: for people.
        group: of ``xhat.domain.tested.GROUPS``.
        right: the outcomes that are right.
        make: makes the samples, in one part or several.
    """

    name: str
    group: str
    right: tuple[Outcome, ...]
    make: Callable[[Material], Made]


def kinds(of: Material) -> tuple[Kind, ...]:
    """Return every kind of control that there is for such data."""
    found = []
    if of.labels is not None or of.values is None:
        found.append(Kind("real" if of.labels is None else "real, own class", REAL, _SURE, real))
    if of.values is not None:
        found.append(Kind("real, own value", REAL, _SURE, own_value))
        found.append(Kind("real, wrong value", WRONG_VALUE, _OTHER, wrong_value))
    if of.labels is not None:
        found += [
            Kind("real, wrong class", WRONG, _OTHER, wrong_class),
            *_against(of),
            Kind("half and half", MIXED, _BETWEEN, halves),
            _means_of_two(of),
        ]
    parts = "shuffled columns" if of.kind == "table" else "shuffled patches"
    found += [
        Kind(parts, SPOILT, _TORN, shuffled),
        Kind("noise, 10 %", NEARLY, (*_SURE, Outcome.OFF_MANIFOLD), partial(noisy, share=_SLIGHT)),
        Kind("noise, 30 %", SPOILT, _DAMAGED, partial(noisy, share=_HEAVY)),
        Kind("noise alone", SPOILT, _DAMAGED, even_noise),
    ]
    if of.kind != "table":
        found.append(Kind("checkerboard", SPOILT, _DAMAGED, checkerboard))
        found.append(Kind("too smooth", SPOILT, _BETWEEN, smooth))
    elif of.means is not None:  # the more columns, the less likely is a row so near the mean
        right = (*_SURE, Outcome.OFF_MANIFOLD)
        found.append(Kind("near class means", NEARLY, right, shrunk))
    found.append(Kind("copies of reference", NEARLY, _COPIED, copies))
    for name in of.foreign:
        found.append(Kind(name, FOREIGN, _DAMAGED, partial(foreign, name=name)))
    return tuple(found)


def _against(of: Material) -> Iterator[Kind]:
    for name in dict.fromkeys(opponent.name for opponent in of.opponents):
        for norm, told in _NORMS.items():
            make = partial(attacked, opponent=name, how=partial(Attacks.pgd, norm=norm))
            yield Kind(f"PGD in {told}, {name}", ATTACK, _PUSHED, make)
        make = partial(attacked, opponent=name, how=Attacks.nearest)
        yield Kind(f"minimum norm, {name}", ATTACK, _FOOLED, make)
        yield Kind(f"misread, {name}", MISREAD, _NATURAL, partial(misread, opponent=name))


def _means_of_two(of: Material) -> Kind:
    if of.kind == "table":  # there may well be such a row, of the one class or the other
        right = (*_BETWEEN, Outcome.GENUINE, Outcome.UNDECIDED, Outcome.MISTAKEN)
        return Kind("mean of two classes", NEARLY, right, superposed)
    return Kind("superposed", MIXED, _BETWEEN, superposed)


def real(of: Material) -> Made:
    """Held-out real samples, asked for their own class."""
    yield Control(*of.some)


def wrong_class(of: Material) -> Made:
    """Held-out real samples, asked for another class: one each, and further ones if they are few.

    Since a judge sees at most one class in a sample, several questions about one count as much as
    one question each about several.
    """
    if of.labels is None:
        return
    draws, others = of.draws("wrong class"), of.classes - 1
    by = torch.rand(len(of.x), others, generator=draws).argsort(dim=1).T.flatten()[: of.n] + 1
    rows = torch.arange(len(of.x)).repeat(others)[: of.n]
    yield Control(of.x[rows], (of.labels[rows] + by) % of.classes)


def own_value(of: Material) -> Made:
    """Held-out real samples, asked for half a standard deviation around their own value."""
    if of.values is not None:
        yield Control(of.x[: of.n], None, goal=of.around(of.values[: of.n]))


def wrong_value(of: Material) -> Made:
    """Held-out real samples, asked for as much around the value of another, without their own."""
    if of.values is None:
        return
    first = torch.arange(3 * of.n) % len(of.x)
    second = torch.randint(len(of.x), first.shape, generator=of.draws("wrong value"))
    missed = of.around(of.values[second]).off(of.values[first]) > 0
    first, second = first[missed][: of.n], second[missed][: of.n]
    if len(first):
        yield Control(of.x[first], None, goal=of.around(of.values[second]))


def attacked(of: Material, opponent: str, how: Callable[..., Tensor]) -> Made:
    """Samples that a model read rightly, and misreads after an attack that leaves their meaning.

    What lies nearest to a real sample of another class afterwards may be one, and is left out.
    """
    for each in _named(of, opponent):
        rows = _rightly_read(of, each)
        if of.attacks is None or of.labels is None or not len(rows):
            continue
        x = of.row(how(of.attacks, model=each.model, x=of.x[rows], labels=of.labels[rows]))
        said = each.read(x)
        fooled = (said != of.labels[rows]) & of.attacks.still(x, of.labels[rows])
        yield Control(x[fooled], said[fooled], each.model)


def misread(of: Material, opponent: str) -> Made:
    """Real samples that a model misreads untouched."""
    for each in _named(of, opponent):
        if of.labels is None:
            continue
        said = each.read(of.x[each.rows])
        wrong = (said != of.labels[each.rows]).nonzero()[: of.n, 0]
        yield Control(of.x[each.rows][wrong], said[wrong], each.model)


def superposed(of: Material) -> Made:
    """The mean of two samples of different classes, called the one or the other."""
    first, second, called = of.pairs("superposed")
    yield Control(of.row((first + second) / 2), called)


def halves(of: Material) -> Made:
    """Half of one sample and half of another of a different class, called the one or the other."""
    first, second, called = of.pairs("halves")
    if of.kind == "table":  # columns have no order
        mine = torch.rand(first.shape, generator=of.draws("columns")) < 0.5
        mine = mine if of.columns is None else mine[:, of.columns]
    else:
        axis = 2 if first.ndim == 4 else first.ndim - 1
        place = torch.arange(first.shape[axis]) < first.shape[axis] // 2
        mine = place.reshape([-1 if k == axis else 1 for k in range(first.ndim)])
    yield Control(torch.where(mine, first, second), called)


def shuffled(of: Material) -> Made:
    """Columns of different rows; patches, or stretches of a signal, in another order."""
    yield of.believed(_outliers(of, "shuffled"))


def even_noise(of: Material) -> Made:
    """Even noise within the range of the data."""
    yield of.believed(_outliers(of, "noise"))


def noisy(of: Material, share: float) -> Made:
    """Real samples under normal noise, a share of the range."""
    x, _ = of.some
    grain = torch.randn(x.shape, generator=of.draws(f"noise {share}"))
    yield of.own(x + share * of.span * grain)


def checkerboard(of: Material) -> Made:
    """Real samples under a checkerboard of plus and minus half a deviation."""
    x, _ = of.some
    places = [torch.arange(size) for size in x.shape[2:]]
    board = torch.stack(torch.meshgrid(*places, indexing="ij")).sum(dim=0) % 2
    yield of.own(x + _BOARD * x.std() * (2 * board - 1))


def smooth(of: Material) -> Made:
    """Images, fields and signals, each place twice the mean of those around it."""
    x, _ = of.some
    pool = F.avg_pool2d if x.ndim == 4 else F.avg_pool1d
    wide = 2 * max(1, min(x.shape[2:]) // _SMOOTH) + 1
    for _ in range(2):
        x = pool(x, wide, stride=1, padding=wide // 2, count_include_pad=False)
    yield of.own(x)


def shrunk(of: Material) -> Made:
    """Rows of a table moved nearly to the mean of their class."""
    x, labels = of.some
    if of.means is not None and labels is not None:
        yield of.own(torch.lerp(x, of.means[labels], _SHRUNK))


def copies(of: Material) -> Made:
    """Rows of the judge's own reference."""
    x, labels = of.known
    rows = torch.randperm(len(x), generator=of.draws("copies"))[: of.n]
    yield Control(x[rows], None if labels is None else labels[rows])


def foreign(of: Material, name: str) -> Made:
    """Data from elsewhere."""
    x = of.foreign[name]
    yield of.believed(x[torch.randperm(len(x), generator=of.draws(name))[: of.n]])


def _outliers(of: Material, kind: str) -> Tensor:
    labels = torch.arange(len(of.x)) % 2 if of.labels is None else of.labels
    return Outliers(of.x, labels, of.ends).draw(of.n, of.draws(kind), (kind,))


def _named(of: Material, opponent: str) -> list[Opponent]:
    return [each for each in of.opponents if each.name == opponent]


def _rightly_read(of: Material, opponent: Opponent) -> Tensor:
    """Return places of samples that a model reads rightly, its share of ``n``."""
    labels = of.labels
    if labels is None:
        return opponent.rows[:0]
    share = -(-of.n // len(_named(of, opponent.name)))
    rows = opponent.rows[: 2 * share]
    return rows[opponent.read(of.x[rows]) == labels[rows]][:share]
