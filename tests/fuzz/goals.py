"""Kinds of objectives: how a script makes each, and the campaign's own reading of it.

A reading is the loss, and for those that aim at something whether it is reached, by how much that
is clear (the distance to the brink, in logits or in the unit of the output), and the confidence;
all ``(n,)`` float64, from logits that the campaign has taken itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tests.fuzz import material
from tests.fuzz.spaces import Look

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Reading:
    """What the campaign says of ``n`` inputs."""

    loss: Tensor
    clear: Tensor | None = None
    confidence: Tensor | None = None


@dataclass(frozen=True)
class Seen(Look):
    """What a reading may look at: also the model's logits, ``(n, classes)``."""

    logits: Tensor
    turned: Tensor | None = None

    def log_p(self) -> Tensor:
        return torch.log_softmax(self.logits, dim=1)


@dataclass(frozen=True)
class Goal:
    """A kind of objective.

    Attributes:
        source: ``(seed, shape)`` to an expression of ``model``.
        read: the reading.
        aims: whether it has a target, ``confident`` whether with a confidence.
        models: how often it asks the model.
    """

    source: Callable[[int, Shape], str]
    read: Callable[[Seen], Reading]
    aims: bool = False
    confident: bool = False
    models: int = 1


def targets(seed: int, n: int) -> Tensor:
    return (torch.arange(n) * 7 + seed) % material.CLASSES


def soft(seed: int, n: int) -> Tensor:
    return torch.softmax(2 * material.uniform(seed, n, material.CLASSES, low=-1.0), dim=1)


def rows(seen: Look) -> tuple[int, slice]:
    return seen.names["n"], seen.names["rows"]


def hot(seen: Seen) -> Tensor:
    n, some = rows(seen)
    return torch.nn.functional.one_hot(targets(seen.seed, n)[some], material.CLASSES).double()


def soft_rows(seen: Seen) -> Tensor:
    n, some = rows(seen)
    return soft(seen.seed, n)[some]


def aimed(seen: Seen, wanted: Tensor, loss: Tensor) -> Reading:
    """How clearly the class of ``wanted`` leads, and the overlap of the distributions."""
    top = wanted.argmax(dim=1, keepdim=True)
    lead = seen.logits.gather(1, top)[:, 0] - seen.logits.scatter(1, top, -torch.inf).amax(dim=1)
    return Reading(loss, lead, torch.minimum(seen.log_p().exp(), wanted).sum(dim=1))


def cross(wanted: Tensor, seen: Seen) -> Tensor:
    return -(wanted * seen.log_p()).sum(dim=1)


def left(seen: Seen) -> Reading:
    found = aimed(seen, hot(seen), -cross(hot(seen), seen))
    return Reading(found.loss, -found.clear, 1 - found.confidence)


def margin(seen: Seen) -> Reading:
    found = aimed(seen, hot(seen), hot(seen)[:, 0])
    return Reading((-found.clear).clamp_min(-1.0), found.clear, found.confidence)


def matched(seen: Seen) -> Reading:
    error = seen.logits - soft_rows(seen)
    return Reading(error.square().mean(dim=1), 0.3 - error.abs().amax(dim=1))


def between(seen: Seen) -> Reading:
    high = soft_rows(seen)
    away = torch.maximum(-0.5 - seen.logits, seen.logits - high).clamp_min(0)
    square = (away / (high + 0.5)).square().mean(dim=1)
    return Reading(square, 1e-7 - away.amax(dim=1))


def entropy(seen: Seen) -> Reading:
    p = seen.log_p().exp()
    return Reading(-torch.special.xlogy(p, p).sum(dim=1))


def indecision(seen: Seen) -> Reading:
    p = seen.log_p().exp().sort(dim=1, descending=True).values
    return Reading(1 - p[:, 0] + p[:, 1])


def near(seen: Seen) -> Tensor:
    n, some = rows(seen)
    other = material.starts(seen.seed, n, seen.shape, "", seen.top)[some]
    return (seen.x - other).flatten(1)


def rough(seen: Seen) -> Reading:
    return Reading(seen.x.diff(dim=-1).abs().flatten(1).sum(dim=1))


def turned(seen: Seen) -> Reading:
    return cross_entropy(
        Seen(**{**vars(seen), "logits": seen.names["read"](seen.x.flip(-1)), "turned": None})
    )


def cross_entropy(seen: Seen) -> Reading:
    return aimed(seen, hot(seen), cross(hot(seen), seen))


def bounded(seen: Seen) -> Reading:
    found = cross_entropy(seen)
    return Reading((found.loss - 0.3).clamp_min(0), found.clear, found.confidence)


def disagreement(seen: Seen) -> Reading:
    two = (seen.logits, seen.names["read"](seen.x.flip(-1)))
    p = torch.stack([torch.softmax(logits, dim=1) for logits in two])
    split = torch.special.xlogy(p, p) - torch.special.xlogy(p, p.mean(dim=0))
    return Reading(split.sum(dim=2).mean(dim=0))


def real(seed: int) -> Tensor:
    """Features of two real samples of each class."""
    return material.uniform(seed, material.CLASSES, 2, material.CLASSES, low=-3.0, high=3.0)


def near_real(seen: Seen) -> Reading:
    of_class = real(seen.seed)[hot(seen).argmax(dim=1)]
    away = (seen.logits[:, None] - of_class).norm(dim=2)
    return Reading(away.sort(dim=1).values[:, 0])


def coded(seen: Seen, mean: float, scale: float) -> Reading:
    return Reading(((seen.z.flatten(1) - mean) / scale).square().sum(dim=1) / 2)


OTHER = "starts({seed}, n, {shape}, '', top)[rows].to(base)"
TARGET = "targets({seed}, n)[rows]"
CROSS = f"objectives.CrossEntropy(model, {TARGET})"

GOALS: dict[str, Goal] = {
    "CrossEntropy": Goal(
        lambda seed, shape: CROSS.format(seed=seed), cross_entropy, aims=True, confident=True
    ),
    "Soft": Goal(
        lambda seed, shape: f"objectives.CrossEntropy(model, soft({seed}, n)[rows].to(base))",
        lambda seen: aimed(seen, soft_rows(seen), cross(soft_rows(seen), seen)),
        aims=True,
        confident=True,
    ),
    "Margin": Goal(
        lambda seed, shape: f"objectives.Margin(model, {TARGET.format(seed=seed)}, kappa=1.0)",
        margin,
        aims=True,
        confident=True,
    ),
    "Untargeted": Goal(
        lambda seed, shape: f"objectives.Untargeted(model, {TARGET.format(seed=seed)})",
        left,
        aims=True,
        confident=True,
    ),
    "Match": Goal(
        lambda seed, shape: (
            f"objectives.Match(model, soft({seed}, n)[rows].to(base), tolerance=0.3)"
        ),
        matched,
        aims=True,
    ),
    "Interval": Goal(
        lambda seed, shape: f"objectives.Interval(model, -0.5, soft({seed}, n)[rows].to(base))",
        between,
        aims=True,
    ),
    "Maximize": Goal(
        lambda seed, shape: "objectives.Maximize(lambda x: model(x)[:, 1])",
        lambda seen: Reading(-seen.logits[:, 1]),
    ),
    "Energy": Goal(
        lambda seed, shape: "objectives.Energy(model, 2.0)",
        lambda seen: Reading(-2 * torch.logsumexp(seen.logits / 2, dim=1)),
    ),
    "Entropy": Goal(lambda seed, shape: "objectives.Entropy(model)", entropy),
    "Indecision": Goal(lambda seed, shape: "objectives.Indecision(model)", indecision),
    "Own": Goal(
        lambda seed, shape: "objectives.Custom(lambda x: model(x).square().mean(dim=1))",
        lambda seen: Reading(seen.logits.square().mean(dim=1)),
    ),
    "Turned": Goal(
        lambda seed, shape: f"objectives.Transformed({CROSS.format(seed=seed)}, lambda x: x.flip(-1))",
        turned,
        aims=True,
        confident=True,
    ),
    "AtMost": Goal(
        lambda seed, shape: f"objectives.Hinge({CROSS.format(seed=seed)}, 0.3)",
        bounded,
        aims=True,
        confident=True,
    ),
    "Disagreement": Goal(
        lambda seed, shape: "objectives.Disagreement([model, lambda x: model(x.flip(-1))])",
        disagreement,
        models=2,
    ),
    "TypicalityPenalty": Goal(
        lambda seed, shape: "objectives.TypicalityPenalty(model)",
        lambda seen: Reading(-seen.logits.norm(dim=1)),
    ),
    "NearReal": Goal(
        lambda seed, shape: (
            f"objectives.NearReal(model, real({seed}), {TARGET.format(seed=seed)}, k=1)"
        ),
        near_real,
    ),
    "Near": Goal(
        lambda seed, shape: f"objectives.Proximity({OTHER.format(seed=seed, shape=shape)})",
        lambda seen: Reading(near(seen).square().sum(dim=1)),
        models=0,
    ),
    "NearL2": Goal(
        lambda seed, shape: f"objectives.Proximity({OTHER.format(seed=seed, shape=shape)}, 'l2')",
        lambda seen: Reading(near(seen).norm(dim=1)),
        models=0,
    ),
    "NearL1": Goal(
        lambda seed, shape: f"objectives.Proximity({OTHER.format(seed=seed, shape=shape)}, 'l1')",
        lambda seen: Reading(near(seen).abs().sum(dim=1)),
        models=0,
    ),
    "Rough": Goal(lambda seed, shape: "objectives.TotalVariation(axes=1)", rough, models=0),
    "InLatent": Goal(
        lambda seed, shape: "objectives.InLatent(lambda z: z.flatten(1).square().mean(dim=1))",
        lambda seen: Reading(seen.z.flatten(1).square().mean(dim=1)),
        models=0,
    ),
    "Gaussian": Goal(
        lambda seed, shape: "objectives.InLatent(objectives.GaussianEnergy(0.2, 2.0))",
        lambda seen: coded(seen, 0.2, 2.0),
        models=0,
    ),
    "Prior": Goal(
        lambda seed, shape: "objectives.InLatent(objectives.PriorEnergy(NormalPrior()))",
        lambda seen: coded(seen, 0.0, 1.0),
        models=0,
    ),
    "Score": Goal(
        lambda seed, shape: (
            "objectives.ScorePrior(lambda x, sigma, label: x / (1 + sigma**2), 0.5)"
        ),
        lambda seen: Reading(0.08 * seen.flat.square().sum(dim=1)),
        models=0,
    ),
}

MAIN = tuple(name for name, goal in GOALS.items() if goal.models)
SIDE = tuple(name for name, goal in GOALS.items() if not goal.models)


def total(readings: list[tuple[float, Reading]]) -> Reading:
    """The reading of a weighted sum."""
    loss = torch.stack([weight * found.loss for weight, found in readings]).sum(dim=0)
    clear = [found.clear for _, found in readings if found.clear is not None]
    sure = [found.confidence for _, found in readings if found.confidence is not None]
    return Reading(
        loss,
        torch.stack(clear).amin(dim=0) if clear else None,
        torch.stack(sure).amin(dim=0) if sure else None,
    )
