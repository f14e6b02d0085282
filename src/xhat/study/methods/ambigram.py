"""Images with two readings: one upright, another when turned by 180 degrees.

Two objectives share one space. At every level of noise ``σ``, from much to little, the question is

    minimise   σ² (prior of a at x + prior of b at turned x) / 2
             + certainty (σ² + floor²) (every classifier's cross-entropy of a at x, of b turned) / 2

Whether strokes can be read in two ways is decided early, so a search begins where two real digits
cover each other, and many begin at once; from time to time those of which the classifiers are least
sure, in the worse of their readings, are given up. Where both readings are the same digit, the
space is that of images with a half turn's symmetry, and the second reading is exactly the first.

Source: Geng, Park, Owens, "Visual Anagrams: Generating Multi-View Optical Illusions with Diffusion
Models", CVPR 2024; the prior: see ``xhat.study.methods.annealed``.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from xhat.core import check_count, check_positive, check_tensor, generator
from xhat.groups import Rotations
from xhat.learning import random_affine
from xhat.objectives import CrossEntropy, Objective, ScorePrior, Seen
from xhat.problem import Problem
from xhat.spaces import Box, Space, Symmetric
from xhat.study.methods.known import unsure
from xhat.study.methods.overlaps import Overlaps, half_turned
from xhat.surrogates import Exemplars
from xhat.surrogates.diffusion import noise_levels
from xhat.tasks import digits

__all__ = ["Ambigram", "digits_overlaps"]

_KNOWN, _KEPT = 2_500, 0.9  # real digits of each class, and the share each classifier keeps
_CHUNK = 128  # images that are looked at together
_ANGLE, _SHIFT, _SCALE = 8.0, 1.0, 0.06  # degrees, pixels, share
_VIEWS = 6  # slightly moved ones of each candidate, by which it is chosen


@dataclass(frozen=True)
class _Moved:
    """A view: perhaps turned, then every image slightly moved, slanted and scaled by its own."""

    seed: int
    wobble: float
    back: bool

    def __call__(self, x: Tensor) -> Tensor:
        """Return the view."""
        x = half_turned(x) if self.back else x
        if not self.wobble:
            return x
        return random_affine(
            x,
            generator(self.seed, "ambigram", "view"),
            angle=_ANGLE * self.wobble,
            shift=_SHIFT * self.wobble,
            scale=_SCALE * self.wobble,
            shear=_SCALE * self.wobble,
        )


@dataclass(frozen=True)
class _Guided:
    """A denoiser that is more of a class than the class (classifier-free guidance)."""

    denoiser: nn.Module
    scale: float

    def __call__(self, x: Tensor, sigma: Tensor, label: Tensor) -> Tensor:
        wanted = self.denoiser(x, sigma, label)
        if self.scale == 1:
            return wanted
        whole = self.denoiser(x, sigma, None)
        return whole + self.scale * (wanted - whole)


@functools.cache
def digits_overlaps() -> Overlaps:
    """Return real digits of the surrogates' split that may cover each other, without odd ones."""
    data = digits.split("surrogate_train")
    known = Exemplars(data.images, data.labels).first(_KNOWN)
    sure = [functools.partial(unsure, digits.surrogate(name)) for name in ("plain", "robust")]
    chosen = known.screened(sure, _KEPT)
    return Overlaps(chosen.x, chosen.labels)


@dataclass(frozen=True)
class Ambigram:
    """How to search for images with two readings.

    Attributes:
        restarts: searches of every pair, of which one is kept.
        noise: the first level, in the units of pixels.
        levels: of noise, with a step at each.
        certainty: weight of every classifier's cross-entropy.
        floor: the level below which that weight falls no more.
        guidance: how far beyond its class the prior goes; 1 for the class itself.
        wobble: how much what classifiers see is moved; 1 is by a pixel, 8 degrees and 6 % at most.
        halvings: how often the worse half of a pair's searches is given up.
        of_turned: whether the prior also looks at the turned image; the classifiers always do.
        covering: whether searches begin where two real digits cover each other, or from noise.
    """

    restarts: int = 24
    noise: float = 0.5
    levels: int = 20
    certainty: float = 4.0
    floor: float = 0.05
    guidance: float = 2.0
    wobble: float = 1.0
    halvings: int = 2
    of_turned: bool = True
    covering: bool = True

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("restarts", "levels"):
            check_count(name, getattr(self, name))
        for name in ("noise", "floor", "guidance"):
            check_positive(name, getattr(self, name))
        for name in ("certainty", "wobble", "halvings"):
            check_positive(name, getattr(self, name), zero=True)

    def describe(self) -> dict[str, Any]:
        """Return every setting, as JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def space(self, *, same: bool) -> Space:
        """Return the space of images; ``same``: whose turned reading is the upright one."""
        return Symmetric(Box(0, 1), Rotations(2)) if same else Box(0, 1)

    def problem(
        self, upright: Tensor, turned: Tensor, space: Space, sigma: float, draws: torch.Generator
    ) -> Problem:
        """Return the question at one level of noise.

        Args:
            upright: ``(n,)`` digits, read as the image is.
            turned: ``(n,)`` digits, read when it is turned by 180 degrees.
            space: where to search.
            sigma: the level.
            draws: of the noise, and of how what classifiers see is moved.
        """
        denoiser = _Guided(digits.denoiser(), self.guidance)
        size = (len(upright), 1, 28, 28)
        terms: list[Objective] = []
        for label, back in ((upright, False), (turned, True)):
            prior = ScorePrior(denoiser, sigma, label, torch.randn(size, generator=draws))
            weight = (1.0 if not self.of_turned else 0.5) * sigma**2
            if self.of_turned or not back:
                terms.append(weight * (Seen(prior, half_turned) if back else prior))
            view = _Moved(int(torch.randint(2**31, (), generator=draws)), self.wobble, back)
            sure = self.certainty * (sigma**2 + self.floor**2) / 2
            terms += [sure * Seen(CrossEntropy(f, label), view) for f in classifiers()]
        return Problem(functools.reduce(lambda a, b: a + b, terms), space)

    def search(
        self,
        upright: Any,
        turned: Any,
        *,
        seed: int = 0,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> "Ambigrams":
        """Search for one image of every pair.

        Args:
            upright: ``(n,)`` digits, read as the image is.
            turned: ``(n,)`` digits, read when it is turned.
            seed: of every random choice.
            on_progress: called with how many levels of how many are done.

        Raises:
            ValueError: no digits, or not one turned digit for each upright one.
        """
        pairs = _pairs(upright, turned)
        x, sure = torch.zeros(len(pairs), 1, 28, 28), torch.zeros(len(pairs))
        same = pairs[:, 0] == pairs[:, 1]
        parts = [rows for rows in (same.nonzero()[:, 0], (~same).nonzero()[:, 0]) if len(rows)]
        total, done = self.levels * len(parts), 0
        for rows in parts:
            draws = generator(seed, "ambigram", bool(same[rows[0]]))
            for found in self._descend(pairs[rows], draws):
                done += 1
                x[rows], sure[rows] = found
                if on_progress is not None:
                    on_progress(done, total)
        return Ambigrams(pairs[:, 0], pairs[:, 1], x, sure)

    def _descend(self, pairs: Tensor, draws: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield, after every level, the best image of every pair and how sure it is."""
        same = bool(pairs[0, 0] == pairs[0, 1])
        space, count = self.space(same=same), self.restarts
        x = torch.cat([self._starts(int(a), int(b), draws) for a, b in pairs])
        if same:
            x = Rotations(2).symmetrize(x)
        every, sure = max(1, self.levels // (self.halvings + 1)), torch.zeros(len(pairs))
        for level, sigma in enumerate(noise_levels(self.levels, self.noise, power=3.0).tolist(), 1):
            upright, turned = pairs.repeat_interleave(count, dim=0).unbind(1)
            x = _stepped(self.problem(upright, turned, space, sigma, draws), x)
            last = level == self.levels
            if last or (level % every == 0 and level // every <= self.halvings):
                kept = 1 if last else max(1, count // 2)
                x, sure = _surest(x, upright, turned, (count, kept), self.wobble)
                count = kept
            yield x[::count], sure

    def _starts(self, upright: int, turned: int, draws: torch.Generator) -> Tensor:
        if self.covering:
            return digits_overlaps().pairs(upright, turned, self.restarts)
        noise = torch.randn(self.restarts, 1, 28, 28, generator=draws)
        return (0.13 + self.noise * noise).clamp(0, 1)


@dataclass(frozen=True)
class Ambigrams:
    """Images with two readings.

    Attributes:
        upright: ``(n,)``, the digit to be read.
        turned: ``(n,)``, the digit to be read when the image is turned by 180 degrees.
        x: ``(n, 1, 28, 28)`` in [0, 1].
        sureness: ``(n,)``, the mean log-probability that the surrogates give to the worse reading.
    """

    upright: Tensor
    turned: Tensor
    x: Tensor
    sureness: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def readings(self) -> tuple[Tensor, Tensor]:
        """Return all images, then all turned, ``(2 n, 1, 28, 28)``, and what each should be."""
        both = torch.cat((self.x, half_turned(self.x)))
        return both, torch.cat((self.upright, self.turned))


@functools.cache
def classifiers() -> tuple[nn.Module, ...]:
    """Return the surrogates that look at an ambigram: those of other searches, and the guards."""
    return (*map(digits.surrogate, digits.SURROGATES), *map(digits.guard, digits.GUARDS))


def sureness(x: Tensor, upright: Tensor, turned: Tensor, wobble: float) -> Tensor:
    """Return how sure the surrogates are of the worse reading of each image, ``(n,)``.

    It is the mean log-probability over the surrogates and a few slightly moved views.
    """
    readings = []
    for label, back in ((upright, False), (turned, True)):
        seen = []
        for k in range(_VIEWS):
            view = _Moved(k, wobble if k else 0.0, back)(x)
            for f in classifiers():
                parts = zip(view.split(500), label.split(500), strict=True)
                with torch.no_grad():
                    seen.append(torch.cat([-unsure(f, *part) for part in parts]))
        readings.append(torch.stack(seen).mean(dim=0))
    return torch.minimum(*readings)


def _stepped(problem: Problem, x: Tensor) -> Tensor:
    """Return where one step of gradient descent leads.

    Every level draws its own noise and views, so that losses of two levels cannot be compared, and
    there is no best one so far to return: this is stochastic descent, not ``solve``.
    """
    parts = []
    for rows in torch.arange(len(x)).split(_CHUNK):
        space = problem.space.select(rows)
        z = space.encode(x[rows]).requires_grad_(True)
        seen = space.decode(z)
        loss = problem.objective.select(rows).measure(seen, z).loss
        (gradient,) = torch.autograd.grad(loss.sum(), z)
        parts.append(space.decode(space.project(z.detach() - gradient)))
    return torch.cat(parts)


def _surest(
    x: Tensor, upright: Tensor, turned: Tensor, counts: tuple[int, int], wobble: float
) -> tuple[Tensor, Tensor]:
    """Return the surest images of every pair, the surest first, and how sure that one is.

    ``counts``: how many there are of every pair, and how many are kept.
    """
    count, kept = counts
    best = sureness(x, upright, turned, wobble).reshape(-1, count).topk(kept, dim=1)
    rows = torch.arange(len(best.indices))[:, None] * count + best.indices
    return x[rows.flatten()], best.values[:, 0]


def _pairs(upright: Any, turned: Any) -> Tensor:
    columns = []
    for name, value in (("upright", upright), ("turned", turned)):
        value = check_tensor(name, value, floating=False).reshape(-1)
        if value.is_floating_point() or value.min() < 0 or value.max() >= digits.CLASSES:
            raise ValueError(f"{name} must be digits from 0 to {digits.CLASSES - 1}.")
        columns.append(value.long())
    if len(columns[0]) != len(columns[1]):
        raise ValueError(
            f"every upright digit needs a turned one, but there are {len(columns[0])} and "
            f"{len(columns[1])}."
        )
    return torch.stack(columns, dim=1)
