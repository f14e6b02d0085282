"""What is each part of the search along the data good for?"""

from functools import partial
from typing import Any

from studies.runner.experiment import Arm, Claim, Experiment
from studies.searches import SHOWN, draw_grids, search_arm
from xhat.domain import Domain
from xhat.methods import Flow, Guarded, LabelFree
from xhat_zoo import digits
from xhat_zoo.digits.domain import digits_domain

__all__ = ["FLOW"]

_STARTS = 5


def itself_the_guard() -> Domain:
    """Return digits of which only the searched classifier must be sure."""
    every = digits_domain()
    return Domain(
        every.x,
        every.labels,
        kind="image",
        limits=(0.0, 1.0),
        judge=every.judge(),
        networks=every.trained() | {"robust": digits.surrogate("plain")},
    )


_WAYS: dict[str, tuple[Any, ...]] = {
    "flow": ("the whole method", Flow()),
    "no prior": ("gradients of both classifiers alone: the method robust", Guarded()),
    "no steering": (
        "the prior alone; the searched model only says when it is enough",
        Flow(steering=0.0),
    ),
    "no guard": ("the searched model alone says when it is enough", Flow(), itself_the_guard),
    "not through the prior": (
        "gradients at the estimate, pushed from what it would be without start or target",
        Flow(through=False, noise=0.6, steering=0.3, nearness=1.5, sureness=(0.0, 0.5, 1.0, 2.0)),
    ),
    "any average": ("results may be more average than real samples", Flow(middle=0.0)),
    "no fresh noise": ("the way is the same whatever the seed", Flow(churn=0.0)),
    "near end": ("the first degree of sureness, whatever comes of it", Flow(sureness=(0.0,))),
    "sure end": ("the last degree of sureness at once", Flow(sureness=(4.0,))),
    "three levels": ("of noise, instead of ten", Flow(levels=3)),
    "three tries": ("for each degree of sureness, of which the nearest is taken", Flow(tries=3)),
    "label-free": ("the prior is told no target, and shown no start", LabelFree()),
}


def _arms() -> tuple[Arm, ...]:
    return tuple(
        search_arm(name, caption, method, _STARTS, *domain)
        for name, (caption, method, *domain) in _WAYS.items()
    )


FLOW = Experiment(
    name="flow",
    question=(
        "What is each part of the search from the start along the data good for: does every part "
        "earn its place?"
    ),
    protocol=(
        "The method flow, whole and without one of its parts at a time, on the same pairs: every "
        "seed has 5 starts of every digit of its own, from the test split, each with all ten "
        "targets; shares are of the 450 pairs of different digits.",
        "No prior: pixels are moved by the gradients of both classifiers. No steering: no gradient "
        "moves a state. No guard: the searched model takes the guard's place. Not through the "
        "prior: the gradient is taken at the estimate, which is pushed away from those without "
        "start or target instead. Any average: results may lie nearer to the middle of a class "
        "than nine in ten real samples. Near end: one search, never made surer. Sure end: one "
        "search, as sure as may be. The others: what the name says.",
        "Fréchet distance and coverage are taken in features of a judge for each target, and are "
        "divided by what as many real digits score: 1 is as good as real. CPU time is of "
        "searching, without judging.",
        "The numbers of the method were chosen on 300 test images, drawn at random, of which a few "
        "may be among these starts, and on other data. Fixed before the run: the claims below and "
        "their margins.",
    ),
    arms=_arms(),
    claims=(
        Claim("the prior makes more of them genuine", "flow", "no prior", "genuine", 0.1),
        Claim("the model's gradient makes more of them genuine", "flow", "no steering", "genuine"),
        Claim("the guard makes more of them genuine", "flow", "no guard", "genuine", 0.005),
        Claim(
            "the gradient through the prior makes more of them genuine than at the estimate",
            "flow",
            "not through the prior",
            "genuine",
            0.01,
        ),
        Claim("so does leaving out averages", "flow", "any average", "genuine", 0.005),
        Claim("so does fresh noise", "flow", "no fresh noise", "genuine", 0.005),
        Claim(
            "several degrees of sureness make more of them genuine than the near end",
            "flow",
            "near end",
            "genuine",
            0.01,
        ),
        Claim(
            "and bring them nearer than the sure end",
            "flow",
            "sure end",
            "moved / nearest real",
            0.05,
            lower=True,
        ),
        Claim("ten levels make more of them genuine than three", "flow", "three levels", "genuine"),
        Claim(
            "three tries bring them nearer",
            "three tries",
            "flow",
            "moved / nearest real",
            0.01,
            lower=True,
        ),
        Claim(
            "what the prior is told brings them nearer",
            "flow",
            "label-free",
            "moved / nearest real",
            0.05,
            lower=True,
        ),
    ),
    shown=SHOWN,
    draw=partial(draw_grids, captions={name: caption for name, (caption, *_) in _WAYS.items()}),
)
