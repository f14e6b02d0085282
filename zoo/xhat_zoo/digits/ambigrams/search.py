"""Images with two readings: one upright, another when turned by 180 degrees.

Two objectives share one space. At every level of noise ``σ``, from much to little, the question is

    minimise   σ² (prior of a at x + prior of b at turned x) / 2
             + certainty (σ² + floor²) (every classifier's cross-entropy of a at x, of b turned) / 2

Whether strokes can be read in two ways is decided early, so a search begins where two real digits
cover each other, and many begin at once; from time to time those of which the classifiers are least
sure, in the worse of their readings, are given up. The surest in the end are searched anew, a few
times each, from less noise; what is surer takes their place. Where both readings are the same
digit, the space is that of images with a half turn's symmetry, and the second reading is exactly
the first.

Source: Geng, Park, Owens, "Visual Anagrams: Generating Multi-View Optical Illusions with Diffusion
Models", CVPR 2024; the prior: see ``xhat.methods.Annealed``.
"""

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_count, check_positive, check_tensor, generator
from xhat.domain.references import label_loss
from xhat.engine import Problem
from xhat.objectives import CrossEntropy, Objective, ScorePrior, Transformed
from xhat.spaces import Box, Space, Symmetric
from xhat.surrogates import ReferenceSamples
from xhat.surrogates.diffusion import noise_levels
from xhat.symmetry import Rotations
from xhat_zoo import digits
from xhat_zoo.digits.ambigrams.overlaps import Overlaps, half_turned
from xhat_zoo.digits.ambigrams.readers import Guided, Moved, readers, sureness

__all__ = ["Ambigram", "Ambigrams", "digits_overlaps"]

_KNOWN, _KEPT = 2_500, 0.9  # real digits of each class, and the share each classifier keeps
_CHUNK = 128  # images that are looked at together
_PARENTS, _CHILDREN = 2, 3  # images of a pair that are searched anew, and how often each
_AGAIN, _AGAIN_LEVELS = 0.25, 7  # the noise at which that begins, and its levels


@functools.cache
def digits_overlaps() -> Overlaps:
    """Return real digits of the surrogates' split that may cover each other, without odd ones."""
    data = digits.split("surrogate_train")
    known = ReferenceSamples(data.images, data.labels).first(_KNOWN)
    sure = [functools.partial(label_loss, digits.surrogate(name)) for name in ("plain", "robust")]
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
        renewals: how often the surest two of a pair are searched anew.
        of_turned: whether the prior also looks at the turned image; the classifiers always do.
        covering: whether searches begin where two real digits cover each other, or from noise.
    """

    restarts: int = 12
    noise: float = 0.5
    levels: int = 14
    certainty: float = 1.5
    floor: float = 0.5
    guidance: float = 2.0
    wobble: float = 1.0
    halvings: int = 1
    renewals: int = 1
    of_turned: bool = True
    covering: bool = True

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("restarts", "levels"):
            check_count(name, getattr(self, name))
        for name in ("noise", "floor", "guidance"):
            check_positive(name, getattr(self, name))
        for name in ("certainty", "wobble"):
            check_positive(name, getattr(self, name), zero=True)
        for name in ("halvings", "renewals"):
            if getattr(self, name) != 0:
                check_count(name, getattr(self, name))

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
        denoiser = Guided(digits.denoiser(), self.guidance)
        size = (len(upright), 1, 28, 28)
        terms: list[Objective] = []
        for label, back in ((upright, False), (turned, True)):
            prior = ScorePrior(denoiser, sigma, label, torch.randn(size, generator=draws))
            weight = (1.0 if not self.of_turned else 0.5) * sigma**2
            if self.of_turned or not back:
                terms.append(weight * (Transformed(prior, half_turned) if back else prior))
            view = Moved(int(torch.randint(2**31, (), generator=draws)), self.wobble, back)
            sure = self.certainty * (sigma**2 + self.floor**2) / 2
            terms += [sure * Transformed(CrossEntropy(f, label), view) for f in readers()]
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
        total = (self.levels + self.renewals * _AGAIN_LEVELS) * len(parts)
        done = itertools.count(1)

        def tell() -> None:
            if on_progress is not None:
                on_progress(next(done), total)

        for rows in parts:
            draws = generator(seed, "ambigram", bool(same[rows[0]]))
            found = self._anneal(pairs[rows], draws, tell)
            for _ in range(self.renewals):
                found = self._renewed(found, draws, tell)
            best, sure[rows] = found.surest(1, self.wobble)
            x[rows] = best.x
        return Ambigrams(pairs[:, 0], pairs[:, 1], x, sure)

    def _anneal(
        self, pairs: Tensor, draws: torch.Generator, tell: Callable[[], None]
    ) -> "_Searches":
        """Return the surest of many searches of every pair, less and less of them."""
        x = torch.cat([self._starts(int(a), int(b), draws) for a, b in pairs])
        if bool(pairs[0, 0] == pairs[0, 1]):
            x = Rotations(2).symmetrize(x)
        found = _Searches(pairs, x)
        cuts = [round(self.levels * k / (self.halvings + 2)) for k in range(1, self.halvings + 1)]
        for level, sigma in enumerate(self._noises(self.levels, self.noise), 1):
            found = self._stepped(found, sigma, draws)
            if level in cuts:
                found, _ = found.surest(max(1, found.count // 2), self.wobble)
            tell()
        kept = min(_PARENTS if self.renewals else 1, found.count)
        return found.surest(kept, self.wobble)[0]

    def _renewed(
        self, parents: "_Searches", draws: torch.Generator, tell: Callable[[], None]
    ) -> "_Searches":
        """Return the surest of images and those that are found from them with fresh noise."""
        found = replace(parents, x=parents.x.repeat_interleave(_CHILDREN, dim=0))
        for sigma in self._noises(_AGAIN_LEVELS, _AGAIN):
            found = self._stepped(found, sigma, draws)
            tell()
        return parents.joined(found).surest(parents.count, self.wobble)[0]

    def _noises(self, levels: int, first: float) -> list[float]:
        return noise_levels(levels, first, power=3.0).tolist()

    def _stepped(self, found: "_Searches", sigma: float, draws: torch.Generator) -> "_Searches":
        space = self.space(same=bool(found.pairs[0, 0] == found.pairs[0, 1]))
        problem = self.problem(found.upright, found.turned, space, sigma, draws)
        return replace(found, x=_stepped(problem, found.x))

    def _starts(self, upright: int, turned: int, draws: torch.Generator) -> Tensor:
        if self.covering:
            return digits_overlaps().pairs(upright, turned, self.restarts)
        noise = torch.randn(self.restarts, 1, 28, 28, generator=draws)
        return (0.13 + self.noise * noise).clamp(0, 1)


@dataclass(frozen=True)
class _Searches:
    """Equally many images of every pair: ``(n, 2)`` pairs, ``(n * count, 1, 28, 28)`` images."""

    pairs: Tensor
    x: Tensor

    @property
    def count(self) -> int:
        return len(self.x) // len(self.pairs)

    @property
    def upright(self) -> Tensor:
        return self.pairs[:, 0].repeat_interleave(self.count)

    @property
    def turned(self) -> Tensor:
        return self.pairs[:, 1].repeat_interleave(self.count)

    def joined(self, others: "_Searches") -> "_Searches":
        """Return the images of both, those of a pair together."""
        whole = [each.x.unflatten(0, (len(self.pairs), -1)) for each in (self, others)]
        return replace(self, x=torch.cat(whole, dim=1).flatten(0, 1))

    def surest(self, kept: int, wobble: float) -> tuple["_Searches", Tensor]:
        """Return the surest images of every pair, the surest first, and how sure that one is."""
        sure = sureness(self.x, self.upright, self.turned, wobble)
        best = sure.reshape(-1, self.count).topk(kept, dim=1)
        rows = torch.arange(len(self.pairs))[:, None] * self.count + best.indices
        return replace(self, x=self.x[rows.flatten()]), best.values[:, 0]


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
