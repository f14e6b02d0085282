"""What is each part of retrieval good for?"""

from dataclasses import replace
from functools import partial
from typing import Any

from studies.runner.experiment import Arm, Claim, Experiment
from studies.searches import SHOWN, draw_grids, search_arm
from xhat.domain import Domain
from xhat.methods import Guided, Nearest, Retrieval
from xhat_zoo.digits.domain import digits_domain
from xhat_zoo.digits.references import digits_references

__all__ = ["ABLATION"]

_STARTS = 10


def not_screened() -> Domain:
    """Return digits of which any real one may be chosen."""
    return digits_domain(references=partial(digits_references, kept=1.0))


def not_priced() -> Domain:
    """Return digits of which each may be chosen over and over."""
    return digits_domain(references=partial(digits_references, spread=0.0))


def not_guarded() -> Domain:
    """Return digits of which only the plain classifier must be sure."""
    return digits_domain(references=lambda: replace(digits_references(), guards=()))


_WAYS: dict[str, tuple[Any, ...]] = {
    "retrieval": ("the whole method", Retrieval()),
    "not bent": ("the chosen real sample as it is", Nearest()),
    "not screened": ("any real sample may be chosen", Retrieval(), not_screened),
    "not priced": ("the nearest real sample, however often", Retrieval(), not_priced),
    "not guarded": ("the plain classifier alone", Retrieval(), not_guarded),
    "no shell": ("may be more average than real samples", Retrieval(shell=0.0)),
    "no energy": ("bending costs nothing", Retrieval(bending=0.0)),
    "one lattice": ("the coarse lattice alone", Retrieval(lattices=(4.0,))),
    "latent-robust": ("the best of the other methods", Guided()),
}


def _arms() -> tuple[Arm, ...]:
    return tuple(
        search_arm(name, caption, method, _STARTS, *domain)
        for name, (caption, method, *domain) in _WAYS.items()
    )


ABLATION = Experiment(
    name="ablation",
    question="What is each part of retrieval good for: does every part earn its place?",
    protocol=(
        "The method retrieval, whole and without one of its parts at a time, on the same pairs: "
        "every seed has 10 starts of every digit of its own, from the test split, each with all "
        "ten targets; shares are of the 900 pairs of different digits.",
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
            "retrieval",
            "not bent",
            "moved / nearest real",
            0.1,
            lower=True,
        ),
        Claim("screening makes more of them genuine", "retrieval", "not screened", "genuine", 0.02),
        Claim(
            "prices make them more like real digits as a whole",
            "retrieval",
            "not priced",
            "Fréchet / real",
            0.2,
            lower=True,
        ),
        Claim("the guard makes more of them genuine", "retrieval", "not guarded", "genuine", 0.005),
        Claim("the shell makes more of them genuine", "retrieval", "no shell", "genuine", 0.005),
        Claim(
            "the energy of bending makes more of them genuine",
            "retrieval",
            "no energy",
            "genuine",
            0.005,
        ),
        Claim(
            "the fine lattice brings them nearer",
            "retrieval",
            "one lattice",
            "moved / nearest real",
            0.01,
            lower=True,
        ),
    ),
    shown=SHOWN,
    draw=partial(draw_grids, captions={name: caption for name, (caption, *_) in _WAYS.items()}),
)
