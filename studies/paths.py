"""Ways from a start to what a search made of it: straight, curved, shortest, or as it went.

All of them but another search's own have the same two ends: a start and the result of a search in
the latent space, both as it decodes them and both on the manifold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from xhat.engine import Trajectory
from xhat.judges import Outcome
from xhat.methods import Options, method
from xhat.metrics import resample_path, spherical, straight
from xhat.objectives import Hinge, NearReal, Objective
from xhat.spaces import Latent
from xhat.surrogates import geodesic
from xhat_zoo import digits
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.steering import Steering, searched_through, steer

__all__ = [
    "FRAMES",
    "ON",
    "REAL",
    "SEARCH",
    "STEPS",
    "WAYS",
    "WEIGHT",
    "Ends",
    "describe",
    "ends_of",
]

FRAMES = 11
ON = (Outcome.GENUINE, Outcome.AMBIGUOUS, Outcome.MISTAKEN)  # neither off the manifold nor far
SEARCH = "latent-robust"  # whose results are the ends
STEPS = 60  # of a geodesic's search
REAL, ASIDE, WEIGHT = 6_000, 1_000, 60.0  # codes of the prior, codes that say what is usual


@dataclass(frozen=True, eq=False)
class Ends:
    """Pairs whose two ends are on the manifold, and the search that led from one to the other.

    Attributes:
        found: of all pairs, the search traced.
        kept: ``(n,)``, the pairs of different digits with both ends on the manifold.
        first: ``(k, latent)``, codes of the starts.
        last: ``(k, latent)``, codes of the results.
    """

    found: Steering
    kept: Tensor
    first: Tensor
    last: Tensor

    @property
    def pairs(self) -> digits.Pairs:
        """The pairs that are kept."""
        every = self.found.pairs
        return digits.Pairs(*(x[self.kept] for x in (every.index, every.start_label, every.target)))


@lru_cache(maxsize=2)  # all arms of a seed have the same ends
def ends_of(seed: int, quick: bool) -> Ends:
    """Return the ends of a seed, whose starts are its own; a quick run has fewer pairs."""
    judge, model = digits_judge(), searched_through(SEARCH)
    every = digits.pairs(seed + 1)
    rows = slice(-100, None)  # another start of every digit for every seed
    index, label, target = every.index[rows], every.start_label[rows], every.target[rows]
    crossing = (label != target).nonzero()[:, 0]
    crossing = crossing[::8] if quick else crossing
    pairs = digits.Pairs(index[crossing], label[crossing], target[crossing])
    found = steer(method(SEARCH), model, pairs, judge, options=Options(seed=seed, trace=1))
    space = _latent()
    first = space.encode(pairs.starts)
    begun = judge.judge(space.decode(first).detach(), pairs.start_label).outcomes
    both = zip(begun, found.verdicts.outcomes, strict=True)
    on = torch.tensor([a in ON and b in ON for a, b in both])
    kept = on.nonzero()[:, 0]
    return Ends(found, kept, first[kept], found.result.z[kept])


def _latent() -> Latent:
    vae = digits.vae()
    return Latent(vae.encode, vae.decode)


def _decoded(z: Tensor) -> Tensor:
    with torch.no_grad():
        return digits.vae().decode(z.flatten(0, 1)).unflatten(0, z.shape[:2])


def _pixels(ends: Ends) -> Tensor:
    first, last = (_decoded(z[:, None])[:, 0] for z in (ends.first, ends.last))
    return straight(first, last, FRAMES)


def _line(ends: Ends) -> Tensor:
    return _decoded(straight(ends.first, ends.last, FRAMES))


def _arc(ends: Ends) -> Tensor:
    return _decoded(spherical(ends.first, ends.last, FRAMES))


def _geodesic(ends: Ends, *, prior: Callable[[], Objective] | None) -> Tensor:
    made = None if prior is None else prior()
    space = _latent()
    options = {"frames": FRAMES, "max_steps": STEPS, "prior": made}
    return geodesic(space, ends.first, ends.last, **options).x


@cache
def _near_real() -> Objective:
    """Return what a code lacks of lying as near to real ones as half of real codes do."""
    images = digits.split("surrogate_train").images[: REAL + ASIDE]
    with torch.no_grad():
        codes = torch.cat([digits.vae().encode(part) for part in images.split(1_000)])
    near = NearReal(_itself, codes[:REAL])
    return WEIGHT * Hinge(near, float(near(codes[REAL:]).median()))


def _itself(z: Tensor) -> Tensor:
    return z


def _searched(ends: Ends, *, name: str) -> Tensor:
    found = ends.found if name == SEARCH else _other(ends, name)
    kept = ends.kept if name == SEARCH else torch.arange(len(ends.kept))
    path = found.result.trajectory
    if not isinstance(path, Trajectory):
        raise TypeError(f"the search by {name} was not traced.")
    return resample_path(path.x[:, kept].transpose(0, 1), FRAMES)


def _blended(ends: Ends) -> Tensor:
    found = _other(ends, "flow").result
    return straight(found.x0, found.x, FRAMES)


@lru_cache(maxsize=2)  # a search, and the straight line between its ends
def _other(ends: Ends, name: str) -> Steering:
    options = Options(seed=ends.found.result.seed, trace=1)
    model = searched_through(name)
    return steer(method(name), model, ends.pairs, digits_judge(), options=options)


WAYS: Mapping[str, tuple[str, Callable[[Ends], Tensor]]] = {
    "pixels": ("straight in pixels", _pixels),
    "latent": ("straight in the latent space", _line),
    "spherical": ("an arc in the latent space", _arc),
    "geodesic": ("the shortest decoded curve", partial(_geodesic, prior=None)),
    "geodesic near real": (
        "the shortest that stays near real codes",
        partial(_geodesic, prior=_near_real),
    ),
    "search": (f"as {SEARCH} went", partial(_searched, name=SEARCH)),
    "search flow": ("as flow went, from the start itself", partial(_searched, name="flow")),
    "pixels flow": ("straight in pixels, between the ends of flow", _blended),
    "search retrieval": (
        "as retrieval went, from a real sample of the target",
        partial(_searched, name="retrieval"),
    ),
}
"""By name: what it is, and what lays it between ends, ``(k, FRAMES, 1, 28, 28)``."""
_OTHERS = {"search flow": "flow", "pixels flow": "flow", "search retrieval": "retrieval"}


def describe(name: str) -> dict[str, Any]:
    """Return everything that a way depends on, as JSON."""
    return {
        "way": name,
        "frames": FRAMES,
        "method": method(_OTHERS.get(name, SEARCH)).describe(),
        "steps": STEPS,
        "prior": {"real": REAL, "aside": ASIDE, "weight": WEIGHT},
    }
