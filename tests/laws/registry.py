"""Everything that the promises of the engine are tried on; a newcomer joins by one line.

An entry makes a thing for ``n`` candidates that start at its own ``starts(n)``, images of
1 x 6 x 6: real digits, unless its space does not hold them. Its models are fresh, so that a test
may look at them before and after.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from xhat import constraints, engine, objectives, spaces, symmetry
from xhat.core import generator
from xhat.objectives import goals
from xhat_zoo.digits.mnist import load_mnist

SHAPE = (1, 6, 6)
CLASSES = 4
LATENT = 5


class ConvNet(nn.Module):
    """A small image classifier with everything that can be spoilt: buffers, modes, a frozen part.

    ``seen`` counts the rows that passed, and ``most`` the largest batch.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Dropout(0.5), nn.Flatten()
        )
        self.head = nn.Linear(64, CLASSES)
        settle(self, seed)
        self.head.bias.requires_grad_(False)
        self.seen = self.most = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        self.most = max(self.most, len(x))
        return 3 * self.head(self.body(x))


def settle(model: nn.Module, seed: int) -> nn.Module:
    """Draw weights and buffers from a seed, and put the model into evaluation mode."""
    random = generator(seed, "weights")
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(0.2 + 0.6 * torch.rand(tensor.shape, generator=random))
            if tensor.ndim > 1:
                tensor.sub_(0.5)
    return model.eval()


def mlp(sizes: tuple[int, ...], last: nn.Module, seed: int) -> nn.Module:
    """A multilayer perceptron on flattened inputs."""
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return settle(nn.Sequential(*layers[:-1], last), seed)


def autoencoder() -> tuple[nn.Module, nn.Module]:
    """An encoder of images to latents, and a decoder back into [0, 1]."""
    decoder = nn.Sequential(mlp((LATENT, 8, 36), nn.Sigmoid(), 2), nn.Unflatten(1, SHAPE))
    return mlp((36, 8, LATENT), nn.Identity(), 1), decoder.eval()


def starts(n: int) -> Tensor:
    """The middles of ``n`` real digits, shrunk to 6 x 6: exact zeros and ones among them."""
    images = load_mnist("test")[0][:n].float() / 255
    return nn.functional.interpolate(images[:, None, 4:24, 4:24], SHAPE[1:]).contiguous()


def textured(n: int) -> Tensor:
    """Other digits than the starts, on a ground that is not blank anywhere."""
    ground = torch.rand(n, *SHAPE, generator=generator(0, "ground"))
    return 0.7 * starts(n).roll(1, 0) + 0.3 * ground


def targets(n: int) -> Tensor:
    return torch.arange(n) % CLASSES


def soft_targets(n: int) -> Tensor:
    return torch.softmax(torch.rand(n, CLASSES, generator=generator(0, "soft")), dim=1)


def holed_targets(n: int) -> Tensor:
    """Values of which every candidate wants all but one."""
    return soft_targets(n).scatter(1, targets(n)[:, None], torch.nan)


def labels(n: int) -> Tensor:
    """Labels, about half of them wanted; every second candidate does not care for its second."""
    rows = (soft_targets(n) > 0.25).float()
    rows[::2, 1] = torch.nan
    return rows


def maps(n: int) -> Tensor:
    """A class for every pixel, three of which do not count."""
    classes = torch.arange(36 * n).reshape(n, *SHAPE[1:]) % 7 % CLASSES
    return classes.index_fill(2, torch.tensor([2]), 9)


def pixelwise() -> nn.Module:
    """Logits of classes for every pixel."""
    return settle(
        nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, CLASSES, 1)), 6
    )


def mask() -> Tensor:
    """Two thirds of the pixels are free, among them black and white ones."""
    return torch.arange(36).reshape(SHAPE) % 3 > 0


@dataclass(frozen=True)
class Entry:
    """A thing of the library under the name that a failing test shows.

    Attributes:
        name: of the entry.
        make: for ``n`` candidates.
        covers: the public classes that it stands for.
        starts: inputs of the space, ``(n, 1, 6, 6)``.
        free: whether its projection of ``z`` has nothing to do.
        thin: whether it is a constraint without room inside, such as an equation.
        jumps: whether what a space decodes jumps, so that rounding errors decide at the brink.
    """

    name: str
    make: Callable[[int], Any]
    covers: tuple[type, ...] = field(default=())
    starts: Callable[[int], Tensor] = starts
    free: bool = False
    thin: bool = False
    jumps: bool = False

    def __repr__(self) -> str:
        return self.name


class StudentPrior(nn.Module):
    """A density over latents of any size, with a weight that could be spoilt."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.7))

    def log_prob(self, z: Tensor) -> Tensor:
        return torch.distributions.StudentT(3.0, 0.0, self.scale).log_prob(z).sum(dim=1)


def ends() -> Tensor:
    return torch.linspace(1.6, 2.4, LATENT)  # the codes of all starts lie within


def ink(x: Tensor) -> Tensor:
    return x.flatten(1).square().sum(dim=1)


def shares(n: int) -> Tensor:
    """The digits' ink as shares of 2."""
    return 2 * starts(n) / starts(n).sum(dim=(1, 2, 3), keepdim=True)


def unit_rows(n: int) -> Tensor:
    return nn.functional.normalize(textured(n) - 0.3, dim=-1)


def of_length_two(n: int) -> Tensor:
    return 2 * nn.functional.normalize(starts(n).flatten(1), dim=1).reshape(n, *SHAPE)


def increasing(n: int) -> Tensor:
    return textured(n).sort(dim=-1).values


def inner(n: int) -> Tensor:
    return 0.1 + 0.8 * textured(n)


def whole(n: int) -> Tensor:
    return starts(n).round()


def one_hot(n: int) -> Tensor:
    """In every row the brightest pixel."""
    x = textured(n)
    return (x == x.amax(dim=-1, keepdim=True)).float()


def side_by_side(n: int) -> Tensor:
    """The first row one-hot, the next two in grey levels, the rest as they are."""
    x = textured(n)
    x[:, :, 0] = one_hot(n)[:, :, 0]
    x[:, :, 1:3] = (x[:, :, 1:3] * 255).round() / 255
    return x


def rows(*which: int) -> Tensor:
    """The pixels of some rows."""
    found = torch.zeros(SHAPE, dtype=torch.bool)
    found[:, list(which)] = True
    return found


def parts(n: int) -> spaces.Space:
    return spaces.Parts(
        {
            "category": spaces.OneHot(),
            "grey": spaces.Rounded(spaces.Box(0, 1), step=1 / 255),
            "upwards": spaces.Between.upwards(side_by_side(n)[:, 0, 3:5].flatten(1), most=2),
            "free": spaces.Box(0, 1),
        },
        {"category": rows(0), "grey": rows(1, 2), "upwards": rows(3, 4), "free": rows(5)},
    )


def mirrored(n: int) -> Tensor:
    return symmetry.Mirror().symmetrize(starts(n))


def paired(n: int) -> Tensor:
    """Every two neighbours in a row are equal."""
    return starts(n)[..., ::2].repeat_interleave(2, dim=-1)


def equations() -> tuple[Tensor, Tensor]:
    """Four sums of pixels, one of which follows from the others; all starts meet them."""
    rows = torch.zeros(4, *SHAPE)
    rows[0, 0, 0], rows[1, 0, :, 0], rows[2, 0, 5, 2:] = 1.0, 1.0, 2.0
    rows[3] = rows[0] + rows[1]
    return rows, torch.tensor([1.0, 0.5, 1.5, 1.5])


def in_planes(n: int) -> Tensor:
    return constraints.AffineEquality(*equations()).project(textured(n))


SPACES: list[Entry] = [
    Entry("box", lambda n: spaces.Box(0, 1), (spaces.Box,)),
    Entry(
        "box-by-feature",
        lambda n: spaces.Box(-torch.ones(SHAPE), torch.full(SHAPE, 2.0)),
        (spaces.Box,),
    ),
    Entry("logit", lambda n: spaces.Logit(0, 1), (spaces.Logit,)),
    Entry(
        "box-in-units",
        lambda n: spaces.Box(0.0, 1.0, unit=torch.linspace(0.1, 4, 36).reshape(SHAPE)),
        (spaces.Box,),
    ),
    Entry("latent", lambda n: spaces.Latent(*autoencoder()), (spaces.Latent,)),
    Entry("latent-box", lambda n: spaces.Latent(*autoencoder(), (-ends(), 2 * ends()))),
    Entry("masked-box", lambda n: spaces.Masked(spaces.Box(), mask(), starts(n)), (spaces.Masked,)),
    Entry("warped", lambda n: spaces.Warped(textured(n), (4, 6)), (spaces.Warped,)),
    Entry(
        "held-latent",
        lambda n: spaces.Held(
            spaces.Latent(*autoencoder()),
            lambda x, start: (x + x.flip(-1)) / 2 + 0 * start,
            starts(n),
        ),
        (spaces.Held,),
    ),
    Entry("softmax", lambda n: spaces.Softmax(2.0), (spaces.Softmax,), shares),
    Entry("sphere", lambda n: spaces.Normalized(2.0), (spaces.Normalized,), of_length_two),
    Entry("unit-rows", lambda n: spaces.Normalized(axis=-1), (spaces.Normalized,), unit_rows),
    Entry(
        "squashed", lambda n: spaces.Squashed(starts(n), radii(n, 0.5)), (spaces.Squashed,), starts
    ),
    Entry("affine", lambda n: spaces.Affine(*equations()), (spaces.Affine,), in_planes, free=True),
    Entry("ordered", lambda n: spaces.Ordered(0, 1), (spaces.Ordered,), increasing),
    Entry(
        "summed",
        lambda n: spaces.Summed(0, 1, inner(n).sum(dim=(1, 2, 3))),
        (spaces.Summed,),
        inner,
    ),
    Entry(
        "symmetric",
        lambda n: spaces.Symmetric(spaces.Box(), symmetry.Mirror()),
        (spaces.Symmetric,),
        mirrored,
    ),
    Entry(
        "tied",
        lambda n: spaces.Tied(spaces.Box(), torch.arange(36).reshape(SHAPE) // 2),
        (spaces.Tied,),
        paired,
    ),
    Entry("rounded", lambda n: spaces.Rounded(spaces.Box()), (spaces.Rounded,), whole, jumps=True),
    Entry("one-hot", lambda n: spaces.OneHot(), (spaces.OneHot,), one_hot, jumps=True),
    Entry("parts", parts, (spaces.Parts, spaces.Between), side_by_side, jumps=True),
    Entry(
        "sparse",
        lambda n: spaces.Sparse(spaces.Box(), starts(n), most=5),
        (spaces.Sparse,),
        jumps=True,
    ),
    Entry(
        "held-ordered",
        lambda n: spaces.Held(spaces.Box(), constraints.Monotone(axis=-1)),
        starts=increasing,
    ),
    Entry(
        "masked-latent", lambda n: spaces.Masked(spaces.Latent(*autoencoder()), mask(), starts(n))
    ),
]

OBJECTIVES: list[Entry] = [
    Entry(
        "class",
        lambda n: objectives.CrossEntropy(ConvNet(), targets(n)),
        (objectives.CrossEntropy,),
    ),
    Entry("one-class", lambda n: objectives.CrossEntropy(ConvNet(), 2)),
    Entry("soft", lambda n: objectives.CrossEntropy(ConvNet(), soft_targets(n))),
    Entry(
        "margin",
        lambda n: objectives.Margin(ConvNet(), targets(n), kappa=5.0),
        (objectives.Margin,),
    ),
    Entry(
        "match",
        lambda n: objectives.Match(ConvNet(), holed_targets(n), [0.01, 0.02, 0.5, 0.01]),
        (objectives.Match,),
    ),
    Entry(
        "interval",
        lambda n: objectives.Interval(ConvNet(), -0.1, soft_targets(n)),
        (objectives.Interval,),
    ),
    Entry(
        "maximize",
        lambda n: objectives.Maximize(objectives.Score(ConvNet(), weight=[1.0, -0.5, 0.0, 0.2])),
        (objectives.Maximize, objectives.Score),
    ),
    Entry(
        "leave", lambda n: objectives.Untargeted(ConvNet(), targets(n)), (objectives.Untargeted,)
    ),
    Entry("lead", lambda n: objectives.Lead(ConvNet(), targets(n)), (objectives.Lead,)),
    Entry(
        "logit ratio",
        lambda n: objectives.LogitRatio(ConvNet(), targets(n), (targets(n) + 1) % CLASSES),
        (objectives.LogitRatio,),
    ),
    Entry("away", lambda n: objectives.Maximize(objectives.CrossEntropy(ConvNet(), targets(n)))),
    Entry("energy", lambda n: objectives.Energy(ConvNet(), 2.0), (objectives.Energy,)),
    Entry("entropy", lambda n: objectives.Entropy(ConvNet()), (objectives.Entropy,)),
    Entry("indecision", lambda n: objectives.Indecision(ConvNet()), (objectives.Indecision,)),
    Entry(
        "disagreement",
        lambda n: objectives.Disagreement([ConvNet(0), ConvNet(1)]),
        (objectives.Disagreement,),
    ),
    Entry("near", lambda n: objectives.Proximity(starts(n).roll(1, 0)), (objectives.Proximity,)),
    Entry("near-l2", lambda n: objectives.Proximity(starts(n).roll(1, 0), "l2")),
    Entry("near-l1", lambda n: objectives.Proximity(starts(n).roll(1, 0), "l1")),
    Entry(
        "at-most",
        lambda n: objectives.Hinge(objectives.CrossEntropy(ConvNet(), targets(n)), radii(n, 0.5)),
        (objectives.Hinge,),
    ),
    Entry(
        "central",
        lambda n: objectives.TypicalityPenalty(mlp((36, 8, 3), nn.Identity(), 5)),
        (objectives.TypicalityPenalty,),
    ),
    Entry(
        "near-real",
        lambda n: objectives.NearReal(
            mlp((36, 8, 3), nn.Identity(), 4), torch.zeros(CLASSES, 6, 3), targets(n)
        ),
        (objectives.NearReal,),
    ),
    Entry(
        "score-prior",
        lambda n: objectives.ScorePrior(
            lambda x, sigma, label: x / (1 + sigma**2 + label.reshape(-1, 1, 1, 1)),
            0.5,
            targets(n),
            starts(n).roll(1, 0),
        ),
        (objectives.ScorePrior,),
    ),
    Entry(
        "seen",
        lambda n: objectives.Transformed(objectives.CrossEntropy(ConvNet(), targets(n)), turned),
        (objectives.Transformed,),
    ),
    Entry("smooth", lambda n: objectives.TotalVariation(), (objectives.TotalVariation,)),
    Entry(
        "custom",
        lambda n: objectives.Custom(
            lambda x, most: (ink(x) - most).clamp_min(0),
            given={"most": 6 * radii(n, 1.0)},
            reached=0.0,
        ),
        (objectives.Custom,),
    ),
    Entry("in-latent", lambda n: objectives.InLatent(ink), (objectives.InLatent,)),
    Entry(
        "gaussian-energy",
        lambda n: objectives.InLatent(objectives.GaussianEnergy(0.2, 2.0)),
        (objectives.GaussianEnergy,),
    ),
    Entry(
        "prior-energy",
        lambda n: objectives.InLatent(objectives.PriorEnergy(StudentPrior().eval())),
        (objectives.PriorEnergy,),
    ),
    Entry(
        "sum",
        lambda n: (
            objectives.CrossEntropy(ConvNet(), targets(n))
            + 0.1 * objectives.Proximity(starts(n))
            + ink
        ),
        (objectives.Sum, objectives.Weighted),
    ),
    Entry(
        "labels",
        lambda n: objectives.BinaryCrossEntropy(ConvNet(), labels(n)),
        (objectives.BinaryCrossEntropy,),
    ),
    Entry(
        "pixels",
        lambda n: objectives.CrossEntropy(pixelwise(), maps(n), ignore=9, share=0.6),
    ),
]


def near_one(y: Tensor) -> Tensor:
    return (y - 1).flatten(1).square().sum(dim=1)


def in_middle(y: Tensor) -> Tensor:
    return (y.flatten(1).amin(dim=1) > 0) & (y.flatten(1).amax(dim=1) < 1)


GOALS: list[Entry] = [  # of models with outputs (n, 4), or (n, 4, 6, 6) where they are maps
    Entry("class", lambda n: goals.Class(targets(n)), (goals.Class,)),
    Entry("map", lambda n: goals.Class(maps(n), ignore=9, share=0.25)),
    Entry("avoid", lambda n: goals.Avoid(1), (goals.Avoid,)),
    Entry("avoid-map", lambda n: goals.Avoid(maps(n)[:1], ignore=9, share=0.8)),
    Entry("distribution", lambda n: goals.Distribution(soft_targets(n)), (goals.Distribution,)),
    Entry("labels", lambda n: goals.Labels(labels(n)), (goals.Labels,)),
    Entry("value", lambda n: goals.Value(holed_targets(n), [0.9, 1.0, 1.5, 2.0]), (goals.Value,)),
    Entry("value-of-one", lambda n: goals.Value(0.5, 0.6, column=3)),
    Entry("within", lambda n: goals.Within(-soft_targets(n) - 1, soft_targets(n)), (goals.Within,)),
    Entry("at-least", lambda n: goals.AtLeast(0.1, column=2), (goals.AtLeast,)),
    Entry(
        "at-most",
        lambda n: goals.AtMost([[0.1, torch.inf, torch.inf, 2.0]], mask=[True, False, True, True]),
        (goals.AtMost,),
    ),
    Entry("least", lambda n: goals.Least(2), (goals.Least,)),
    Entry("most", lambda n: goals.Most(weight=[1.0, -1.0, 0.5, 0.0]), (goals.Most,)),
    Entry("loss", lambda n: goals.Loss(near_one, reached=4.0), (goals.Loss,)),
    Entry("own", lambda n: goals.Loss(near_one, reached=in_middle)),
]


def turned(x: Tensor) -> Tensor:
    return x.flip(-2, -1)


def sparse() -> Tensor:
    return torch.where(mask(), 0.0, 1.0)[None]


def bright(n: int) -> Tensor:
    """Digits with one pixel that is not black."""
    x = textured(n)
    x[:, 0, 2, 2] = 1.0
    return x


PROJECTED: list[Entry] = [
    Entry(
        "linf", lambda n: constraints.LinfBall(starts(n), radii(n, 0.2)), (constraints.LinfBall,)
    ),
    Entry("l2", lambda n: constraints.L2Ball(starts(n), radii(n, 0.7)), (constraints.L2Ball,)),
    Entry("l1", lambda n: constraints.L1Ball(starts(n), radii(n, 2.0)), (constraints.L1Ball,)),
    Entry(
        "bounds",
        lambda n: constraints.Bounds(starts(n) - 0.2, starts(n) + 0.3),
        (constraints.Bounds,),
    ),
    Entry(
        "halfspace",
        lambda n: constraints.Halfspace(sparse(), (sparse() * starts(n)).sum(dim=(1, 2, 3)) + 0.4),
        (constraints.Halfspace,),
    ),
    Entry(
        "wedge",
        lambda n: constraints.Intersection(
            (
                constraints.L2Ball(starts(n), radii(n, 0.7)),
                constraints.Halfspace(sparse(), (sparse() * starts(n)).sum(dim=(1, 2, 3)) + 0.4),
            )
        ),
        (constraints.Intersection,),
    ),
    Entry(
        "cone",
        lambda n: constraints.SecondOrderCone(height=14, slope=10.0),
        (constraints.SecondOrderCone,),
        bright,
    ),
    Entry(
        "planes",
        lambda n: constraints.AffineEquality(
            equations()[0], starts(n).flatten(1) @ equations()[0].flatten(1).T
        ),
        (constraints.AffineEquality,),
        thin=True,
    ),
    Entry(
        "simplex",
        lambda n: constraints.Simplex(shares(n).sum(dim=(1, 2, 3))),
        (constraints.Simplex,),
        shares,
        thin=True,
    ),
    Entry(
        "sum",
        lambda n: constraints.SumWithin(0.0, 1.0, starts(n).sum(dim=(1, 2, 3))),
        (constraints.SumWithin,),
        thin=True,
    ),
    Entry(
        "sphere",
        lambda n: constraints.Sphere(starts(n) - 0.1, radii(n, 0.6)[:1]),
        (constraints.Sphere,),
        thin=True,
    ),
    Entry(
        "order", lambda n: constraints.Monotone(-1), (constraints.Monotone,), increasing, thin=True
    ),
    Entry(
        "fixed", lambda n: constraints.Fixed(~mask(), starts(n)), (constraints.Fixed,), thin=True
    ),
    Entry(
        "mirror",
        lambda n: constraints.Invariance(symmetry.Mirror()),
        (constraints.Invariance,),
        mirrored,
        thin=True,
    ),
]

CONSTRAINTS: list[Entry] = [
    *PROJECTED,
    Entry(
        "at-most",
        lambda n: constraints.Inequality(lambda x, most: ink(x) - most, 6 * radii(n, 1.0)),
        (constraints.Inequality,),
    ),
    Entry(
        "exactly",
        lambda n: constraints.Equality(lambda x: x.flatten(1).sum(dim=1) - 12),
        (constraints.Equality,),
    ),
]

STEPPERS: list[Entry] = [
    Entry("gradient", lambda n: engine.GradientDescent(0.1), (engine.GradientDescent,)),
    Entry("momentum", lambda n: engine.GradientDescent(0.05, momentum=0.8)),
    Entry("sign", lambda n: engine.SignDescent(0.03), (engine.SignDescent,)),
    Entry("normalised", lambda n: engine.NormalizedDescent(0.1), (engine.NormalizedDescent,)),
    Entry("adam", lambda n: engine.Adam(0.05), (engine.Adam,)),
    Entry("vector-adam", lambda n: engine.VectorAdam(0.3), (engine.VectorAdam,)),
    Entry("lbfgs", lambda n: engine.LBFGS(history=3), (engine.LBFGS,)),
    Entry(
        "lagrangian",
        lambda n: engine.AugmentedLagrangian(engine.Adam(0.04), rounds=2),
        (engine.AugmentedLagrangian,),
    ),
    Entry(
        "programs",
        lambda n: engine.SQP(engine.AugmentedLagrangian(engine.LBFGS(history=3), rounds=2)),
        (engine.SQP,),
    ),
]

STOP_RULES: list[Entry] = [
    Entry("target", lambda n: engine.TargetReached(), (engine.TargetReached,)),
    Entry("confident", lambda n: engine.TargetReached(0.6)),
    Entry("loss", lambda n: engine.LossBelow(0.9), (engine.LossBelow,)),
    Entry("plateau", lambda n: engine.Plateau(2, 0.01), (engine.Plateau,)),
    Entry("steps", lambda n: engine.MaxSteps(3), (engine.MaxSteps,)),
    Entry("evaluations", lambda n: engine.MaxEvaluations(3), (engine.MaxEvaluations,)),
    Entry("seconds", lambda n: engine.MaxSeconds(1000.0), (engine.MaxSeconds,)),
]

FAMILIES: dict[type, tuple[object, list]] = {
    spaces.Space: (spaces, SPACES),
    objectives.Objective: (objectives, OBJECTIVES),
    goals.Goal: (goals, GOALS),
    constraints.Constraint: (constraints, CONSTRAINTS),
    engine.Stepper: (engine, STEPPERS),
    engine.StopRule: (engine, STOP_RULES),
}


def radii(n: int, radius: float) -> Tensor:
    """One radius per candidate."""
    return radius * (1 + torch.arange(n) % 3 / 2)
