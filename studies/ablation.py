"""What is each part of the default method good for?"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from studies.runner.experiment import Arm, Claim, Experiment
from studies.searches import SHOWN, draw_grids, search_arm
from xhat.spaces import Warped
from xhat_zoo.digits.methods import METHODS, Exemplary, Known, Method, digits_known

__all__ = ["ABLATION"]


def _unscreened() -> Known:
    return digits_known(kept=1.0)


def _unpriced() -> Known:
    return digits_known(spread=0.0)


def _unguarded() -> Known:
    return replace(digits_known(), guards=())


@dataclass(frozen=True)
class _Unbent(Exemplary):
    """The chosen real sample as it is."""

    def space_for(self, model: Callable[[Tensor], Tensor], x0: Tensor, target: Tensor) -> Warped:
        """Return a space in which nothing can move."""
        return Warped(super().space_for(model, x0, target).exemplars, (4,), limit=1e-6)


def _of(kind: type[Exemplary] = Exemplary, **changed: Any) -> Exemplary:
    whole = METHODS["xhat"]
    return kind(**(vars(whole) | changed))


_WAYS: dict[str, tuple[str, Method]] = {
    "xhat": ("the whole method", METHODS["xhat"]),
    "not bent": ("the chosen real sample as it is", _of(_Unbent, max_steps=1)),
    "not screened": ("any real sample may be chosen", _of(known=_unscreened)),
    "not priced": ("the nearest real sample, however often", _of(known=_unpriced)),
    "not guarded": ("the plain classifier alone", _of(known=_unguarded)),
    "no shell": ("may be more average than real samples", _of(shell=0.0)),
    "no energy": ("bending costs nothing", _of(bending=0.0)),
    "one lattice": ("the coarse lattice alone", _of(levels=(7,))),
    "latent-robust": ("the best of the other methods", METHODS["latent-robust"]),
}


def _arms() -> tuple[Arm, ...]:
    return tuple(search_arm(name, *way) for name, way in _WAYS.items())


ABLATION = Experiment(
    name="ablation",
    question="What is each part of the default method good for: does every part earn its place?",
    protocol=(
        "The method xhat, whole and without one of its parts at a time, on the same pairs: every "
        "seed has 10 starts of every digit of its own, from the test split, each with all ten "
        "targets; shares are of the 900 pairs of different digits.",
        "Not bent: the chosen real sample as it is. Not screened: real samples that are unusual "
        "may be chosen as well. Not priced: the nearest is chosen, however often it is. Not "
        "guarded: only the plain classifier must be sure. No shell: the result may be nearer to "
        "the middle of the latent space than real samples are. No energy: uneven bending costs "
        "nothing. One lattice: only the coarse one.",
        "Fréchet distance and coverage are taken in features of a judge for each target, and are "
        "divided by what as many real digits score: 1 is as good as real. CPU time is of choosing "
        "and searching, without judging.",
        "The numbers of the method were chosen on images that trained the surrogates. Fixed before "
        "the run: the claims below and their margins.",
    ),
    arms=_arms(),
    claims=(
        Claim(
            "bending brings results nearer to their starts",
            "xhat",
            "not bent",
            "moved / nearest real",
            0.1,
            lower=True,
        ),
        Claim("screening makes more of them genuine", "xhat", "not screened", "genuine", 0.02),
        Claim(
            "prices make them more like real digits as a whole",
            "xhat",
            "not priced",
            "Fréchet / real",
            0.2,
            lower=True,
        ),
        Claim("the guard makes more of them genuine", "xhat", "not guarded", "genuine", 0.005),
        Claim("the shell makes more of them genuine", "xhat", "no shell", "genuine", 0.005),
        Claim(
            "the energy of bending makes more of them genuine",
            "xhat",
            "no energy",
            "genuine",
            0.005,
        ),
        Claim(
            "the fine lattice brings them nearer",
            "xhat",
            "one lattice",
            "moved / nearest real",
            0.01,
            lower=True,
        ),
    ),
    shown=SHOWN,
    draw=partial(draw_grids, captions={name: caption for name, (caption, _) in _WAYS.items()}),
)
