"""The self-test of a domain's judge: controls are made, judged and counted.

The judge never sees the half of a domain that is for searches, so the self-test takes its real
samples from there and asks the very judge that gives the verdicts; nothing is fitted again. Part of
that half trains the net that stands in for a user's model, and is not tested with; where the half
is small, two nets are trained, each tested with the part that the other was trained on.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from scipy.stats import binomtest
from torch import Tensor

from xhat.core import check_count, check_tensor, generator, own_randomness
from xhat.domain.controls import Control, Kind, Material, kinds
from xhat.domain.data import as_labels, as_values
from xhat.domain.opponents import Attacks, Model, Opponent, stand_in, users
from xhat.domain.schema import Schema
from xhat.domain.tested import REAL, WRONG, WRONG_VALUE, Controlled, SelfTest
from xhat.judges import Judge, Outcome

if TYPE_CHECKING:
    from xhat.domain.domain import Domain

__all__ = ["self_test"]

Progress = Callable[[str, int, int], None]
Held = tuple[Tensor, Tensor | None, Tensor | None]  # samples, classes and values
_ENOUGH = 10  # times n: samples from which one stand-in is trained, and not two
_HELD = 5  # times n: of so many, those that are tested with
_MOST = 5_000  # samples that a stand-in is trained on
_CHANCE = 0.01  # of taking a reader that guesses for one that does not
_HALF = 0.5
_STAND_IN, _MODEL = "stand-in", "model"


def self_test(
    domain: "Domain",
    *,
    held: tuple[Any, Any] | None,
    foreign: Any,
    model: Model | None,
    n: int,
    alpha: float,
    beta: float | None,
    seed: int,
    on_progress: Progress | None,
) -> SelfTest:
    """Test a domain's judge, as ``Domain.self_test`` says."""
    tell = on_progress or (lambda *_: None)
    check_count("n", n)
    elsewhere = _foreign(domain, foreign)
    own = None if held is None else _held(domain, held)
    chosen = None if model is None else _users(domain, model)
    judge = domain.judge(alpha, beta, on_progress)
    with own_randomness(seed, torch.device("cpu")):
        of = _material(domain, judge, own, elsewhere, chosen, n, seed, tell)
        rows, known = [], kinds(of)
        for done, kind in enumerate(known):
            tell("controls", done, len(known))
            rows.append(_row(judge, kind, of))
        tell("controls", len(known), len(known))
    remarks = tuple(_remarks(judge, of, rows))
    made = tuple(row for row in rows if row.n)
    return SelfTest(made, judge.alpha, judge.beta, n, len(of.x), seed, remarks)


def _material(
    domain: "Domain",
    judge: Judge,
    held: Held | None,
    foreign: Mapping[str, Tensor],
    model: Model | None,
    n: int,
    seed: int,
    tell: Progress,
) -> Material:
    """Choose what is tested with, and train what stands in for a model."""
    (x, own, values), parts = _samples(domain, held, n, seed)
    values = None if judge.values is None or values is None else values.reshape(len(x), -1)
    if values is not None and not bool((values.std(dim=0) > 0).all()):
        values = None
    labels = None if judge.jury is None or own is None else domain.labels
    opponents, attacks, means = (), None, None
    if labels is not None:
        opponents = (
            *(() if model is None else (Opponent(model, torch.arange(len(x)), _MODEL),)),
            *(
                Opponent(_trained(domain, labels, known, seed + k, tell), asked, _STAND_IN)
                for k, (known, asked) in enumerate(parts)
                if len(labels[known].unique()) > 1
            ),
        )
        attacks = _attacks(domain, labels, x, seed)
        every = range(len(domain.classes))
        means = torch.stack([domain.x[labels == k].mean(dim=0) for k in every])
    ends = domain.x.aminmax(dim=0) if domain.kind == "table" else domain.x.aminmax()
    return Material(
        x=x,
        labels=None if labels is None else own,
        classes=len(domain.classes),
        kind=domain.kind,
        limits=(domain.low, domain.high),
        ends=(ends.min, ends.max),
        known=(judge.reference, judge.labels),
        means=means,
        opponents=opponents,
        attacks=attacks,
        foreign=foreign,
        n=n,
        seed=seed,
        values=values,
        **({} if domain.schema is None else _of_rows(domain.schema)),
    )


def _of_rows(schema: Schema) -> dict[str, Any]:
    """Return how controls keep to the rows of a table."""
    return {"row": schema.row, "columns": schema.places}


def _samples(
    domain: "Domain", held: Held | None, n: int, seed: int
) -> tuple[Held, list[tuple[Tensor, Tensor]]]:
    """Return held-out samples in mixed order, what is known of them, and who is asked on which.

    Each part has the places of samples of the domain to train a stand-in on, and the places of
    held-out samples that it is then asked about.
    """
    order = domain.halves[0]
    order = order[torch.randperm(len(order), generator=generator(seed, "self-test", "order"))]
    if held is not None:
        mixed = torch.randperm(len(held[0]), generator=generator(seed, "self-test", "held"))
        return _rows(held, mixed), [(order, torch.arange(len(mixed)))]
    if len(order) >= _ENOUGH * n:
        order, rest = order.split([_HELD * n, len(order) - _HELD * n])
        parts = [(rest, torch.arange(len(order)))]
    else:
        first, second = torch.arange(len(order)).tensor_split(2)
        parts = [(order[first], second), (order[second], first)]
    return _rows((domain.x, domain.labels, domain.values), order), parts


def _rows(of: Held, rows: Tensor) -> Held:
    x, labels, values = of
    return (
        x[rows],
        None if labels is None else labels[rows],
        None if values is None else values[rows],
    )


def _attacks(domain: "Domain", labels: Tensor, x: Tensor, seed: int) -> Attacks:
    """Return attacks; the samples that they are compared with are not those attacked."""
    attacked = {row.numpy().tobytes() for row in x}
    others = torch.tensor([row.numpy().tobytes() not in attacked for row in domain.x])
    if len(labels[others].unique()) < 2:  # all of them are tested with
        others[:] = True
    limits = domain.low, domain.high
    return Attacks.of(domain.x[others], labels[others], domain.scale, limits, seed)


def _trained(domain: "Domain", labels: Tensor, rows: Tensor, seed: int, tell: Progress) -> Any:
    rows = rows[:_MOST]
    x, y = domain.x[rows], labels[rows]
    return stand_in(x, y, len(domain.classes), seed, lambda done, of: tell(_STAND_IN, done, of))


def _row(judge: Judge, kind: Kind, of: Material) -> Controlled:
    counts: Counter[Outcome] = Counter()
    for control in kind.make(of):
        counts.update(_judged(judge, control))
    return Controlled(kind.name, kind.group, kind.right, dict(counts))


def _judged(judge: Judge, control: Control) -> tuple[Outcome, ...]:
    if not len(control):
        return ()
    return judge.judge(
        control.x, control.target, goal=control.goal, surrogate=control.model
    ).outcomes


def _remarks(judge: Judge, of: Material, rows: list[Controlled]) -> Iterator[str]:
    """Say what a reader should know before the figures are believed."""
    if len(of.x) < of.n:
        yield (
            f"Only {len(of.x)} real samples were held out, so there are fewer than {of.n} of most "
            f"controls, and their shares are uncertain."
        )
    none = [row.name for row in rows if not row.n]
    if none:
        yield f"Of these controls not one could be made: {', '.join(none)}."
    yield from _about_labels(judge, of)
    by_group = {row.group: row for row in reversed(rows)}  # the first of each
    real = by_group[REAL]
    if 1 - real.named.high > judge.alpha:
        yield (
            f"Real samples are called something else than genuine or undecided in "
            f"{100 * (1 - real.named.value):.0f} %, though {100 * judge.alpha:.0f} % may be."
        )
    for group, what in ((WRONG, "class"), (WRONG_VALUE, "value")):
        wrong = by_group.get(group)
        if wrong is not None and wrong.genuine.value > judge.beta:
            yield (
                f"Real samples of another {what} are called genuine in "
                f"{100 * wrong.genuine.value:.1f} %, though {100 * judge.beta:.0f} % may be."
            )
    if real.genuine.value < _HALF:
        yield (
            f"Only {100 * real.genuine.value:.0f} % of real samples are called genuine: these "
            f"judges mostly cannot tell; more samples, or better judges, would help."
        )


def _about_labels(judge: Judge, of: Material) -> Iterator[str]:
    """Say where judges, or the user's model, read no better than chance."""
    if of.labels is None:
        return
    x, labels = of.some
    seen = judge.judge(x, labels).seen
    readers = {"the held-out judges": None if seen is None else seen[:, :-1].argmax(dim=1)}
    if of.opponents and of.opponents[0].name == _MODEL:
        readers["the model"] = of.opponents[0].read(x)
    for name, said in readers.items():
        if said is None or labels is None:
            continue
        right = int((said == labels).sum())
        shares = [torch.bincount(k, minlength=of.classes) / len(x) for k in (said, labels)]
        chance = float((shares[0] * shares[1]).sum())
        if binomtest(right, len(x), min(1.0, chance), "greater").pvalue > _CHANCE:
            yield (
                f"The labels may be noise: {name} read {100 * right / len(x):.0f} % of real "
                f"samples as they are labelled, and guessing would give {100 * chance:.0f} %."
            )


def _foreign(domain: "Domain", foreign: Any) -> dict[str, Tensor]:
    """Return data from elsewhere by name, in the shape of the domain's samples."""
    if foreign is None:
        return {}
    named = foreign if isinstance(foreign, Mapping) else {"foreign data": foreign}
    return {
        str(name): check_tensor(
            f"the foreign data {name!r}",
            domain.check_inputs(f"the foreign data {name!r}", x, valid=False),
        )
        for name, x in named.items()
    }


def _held(domain: "Domain", held: Any) -> Held:
    """Return real samples that the domain does not contain, and their classes or values."""
    if not isinstance(held, tuple | list) or len(held) != 2:
        raise TypeError(
            "held must be (samples, labels), or (samples, values) where the domain has values "
            "instead; they are None where there are none."
        )
    x = domain.check_inputs("the held-out samples", held[0])
    if len(x) < 2:
        raise ValueError(f"held must have two samples or more, but has {len(x)}.")
    labels, values = None, None
    if domain.labels is None and domain.values is not None and held[1] is not None:
        values = as_values(held[1], len(x))
    if domain.labels is not None:
        if held[1] is None:
            raise ValueError("held must have the classes of its samples: held=(samples, labels).")
        labels = as_labels(held[1], len(x), domain.classes).index
    known = {row.numpy().tobytes() for row in domain.x}
    both = sum(row.numpy().tobytes() in known for row in x)
    if both:
        raise ValueError(
            f"{both} of the {len(x)} held-out samples are in the domain, too; its judge may have "
            f"seen them. Take them out of either."
        )
    return x, labels, values


def _users(domain: "Domain", model: Model) -> Model:
    if domain.labels is None:
        raise ValueError(
            "a model is attacked by its classes, but the domain has none; give labels= when the "
            "domain is made, or leave the model out."
        )
    return users(model, domain.x, len(domain.classes))
