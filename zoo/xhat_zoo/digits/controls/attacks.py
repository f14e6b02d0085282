"""Adversarial controls: images of one digit that a model takes for another.

Only attacks that reached their target count: those that the attacked model takes for the target.

Sources: Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018
(PGD); Carlini, Wagner, "Towards Evaluating the Robustness of Neural Networks", S&P 2017; Rony et
al., "Decoupling Direction and Norm for Efficient Gradient-Based L2 Adversarial Attacks and
Defenses", CVPR 2019 (minimum norm); Brendel, Rauber, Bethge, "Decision-Based
Adversarial Attacks", ICLR 2018; Carlini, Wagner, "Adversarial Examples Are Not Easily Detected",
AISec 2017 (attacks that know the detector).
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from xhat.attacks import minimum_norm as nearest_fooling
from xhat.attacks import pgd
from xhat.constraints import L2Ball, LinfBall
from xhat.core import per_row
from xhat.engine import Adam, Problem, Result, SignDescent, TargetReached, solve
from xhat.judges import Jury, Likelihood, Reconstruction
from xhat.objectives import CrossEntropy, Custom, Margin, Objective, Proximity
from xhat.spaces import Box
from xhat_zoo.digits.controls.material import Control, Material

__all__ = [
    "adaptive",
    "boundary",
    "carlini_wagner",
    "everything",
    "minimum_norm",
    "pgd_l2",
    "pgd_linf",
    "white_box",
]

_LINF, _L2, _L2_WIDE = 0.3, 2.0, 3.0
_SLOW = 150  # images of an attack on the whole jury
_SURE = TargetReached(0.99)


def pgd_linf(of: Material, model: Callable[[Tensor], Tensor] | None = None) -> Control:
    """PGD in an Linf ball of 0.3, until the model is sure."""
    model = model or of.surrogate
    return _reached(
        of, pgd(model, of.x, of.target, radius=_LINF, steps=40, stop=_SURE).finished(), model
    )


def pgd_l2(of: Material) -> Control:
    """PGD in an L2 ball of 2.0, until the model is sure."""
    found = pgd(
        of.surrogate, of.x, of.target, radius=_L2, norm="l2", steps=40, stop=_SURE
    ).finished()
    return _reached(of, found, of.surrogate)


def carlini_wagner(of: Material) -> Control:
    """Carlini and Wagner's: the nearest image whose logit leads by 2, over growing weights."""
    best, norm = of.x.clone(), torch.full((len(of),), torch.inf)
    for weight in (0.3, 1.0, 3.0, 10.0):
        wanted = Proximity(of.x) + weight * Margin(of.surrogate, of.target, kappa=2.0)
        found = (
            solve(Problem(wanted, Box(0, 1)), of.x, stepper=Adam(0.03), max_steps=80).finished().x
        )
        moved = (found - of.x).flatten(1).norm(dim=1)
        better = (of.read(found) == of.target) & (moved < norm)
        best = torch.where(per_row(better, best), found, best)
        norm = torch.where(better, moved, norm)
    return _kept(of, best, norm < torch.inf)


def minimum_norm(of: Material) -> Control:
    """The nearest image in L2 that the surrogate takes for the target."""
    found = nearest_fooling(of.surrogate, of.x, of.target).finished()
    return _kept(of, found.x, found.reached)


def boundary(of: Material, steps: int = 600) -> Control:
    """A walk along the decision boundary that asks for decisions only, no gradients.

    It begins at an image of the target and creeps towards the start, as long as the surrogate
    still gives the target.
    """
    draws, x = of.draws("boundary"), of.other.clone()
    step = torch.full((len(of), 1, 1, 1), 0.1)
    for _ in range(steps):
        back = of.x - x
        distance = back.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
        aside = torch.randn(x.shape, generator=draws)
        unit = back / distance.clamp_min(1e-9)
        aside = aside - (aside * unit).sum((1, 2, 3), keepdim=True) * unit
        aside = aside / aside.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
        tried = (x + step * back + 0.5 * step * distance * aside).clamp(0, 1)
        hit = (of.read(tried) == of.target).reshape(-1, 1, 1, 1)
        x = torch.where(hit, tried, x)
        step = torch.where(hit, step * 1.05, step * 0.9).clamp(1e-3, 0.3)
    return _kept(of, x, of.read(x) == of.target)


def white_box(of: Material, name: str) -> Control:
    """PGD in an Linf ball of 0.3 on one judge."""
    return pgd_linf(of, of.jury.members[of.jury.names.index(name)])


def adaptive(of: Material, secret: str, norm: str = "linf") -> Control:
    """A search that fools every judge but a secret one, whatever way it finds.

    The objective is the mean cross-entropy of the public judges. An attack counts if they, as a
    jury, see the target.
    """
    of, public = of.first(_SLOW), of.jury.without(secret)
    ball = LinfBall(of.x, _LINF) if norm == "linf" else L2Ball(of.x, _L2_WIDE)
    found = _fool(of, _jury_loss(of, public), (ball,))
    return _kept(of, found, _seen(public, found) == of.target)


def everything(of: Material, axes: tuple[Likelihood | Reconstruction, ...]) -> Control:
    """A search that knows all judges and the axes that can be differentiated.

    No ball holds it: it wants the target from every judge, and to be as likely and as well rebuilt
    as the start.
    """
    of = of.first(_SLOW)
    wanted = _jury_loss(of, of.jury)
    for axis in axes:
        limit = 1.05 * float(axis.scores(of.x).median())
        wanted = wanted + Custom(partial(_excess, axis, limit))
    found = _fool(of, wanted, (), steps=150)
    return _kept(of, found, _seen(of.jury, found) == of.target)


def _excess(axis: Likelihood | Reconstruction, limit: float, x: Tensor) -> Tensor:
    return (axis.distance(x) / limit - 1).clamp_min(0) * 10


def _fool(
    of: Material, wanted: Objective, balls: tuple[LinfBall | L2Ball, ...], steps: int = 60
) -> Tensor:
    stepper = SignDescent(0.02) if balls and isinstance(balls[0], LinfBall) else Adam(0.05)
    return (
        solve(Problem(wanted, Box(0, 1), balls), of.x, stepper=stepper, max_steps=steps)
        .finished()
        .x
    )


def _jury_loss(of: Material, jury: Jury) -> Objective:
    first, *rest = (CrossEntropy(member, of.target) for member in jury.members)
    total: Objective = first
    for term in rest:
        total = total + term
    return (1 / len(jury.members)) * total


def _seen(jury: Jury, x: Tensor) -> Tensor:
    return jury.together(jury.probabilities(x)).argmax(dim=1)


def _reached(of: Material, result: Result, model: Callable[[Tensor], Tensor]) -> Control:
    searched = (model,) if isinstance(model, nn.Module) and model is of.surrogate else ()
    return Control(result.x, of.target, searched).at(result.reached)


def _kept(of: Material, x: Tensor, which: Tensor) -> Control:
    return Control(x, of.target).at(which)
