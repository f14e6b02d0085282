"""Active refinement: search, verify, learn from what the truth said, and search again.

A search goes where the surrogate promises most, which is often where it is wrong. Each round asks
the truth exactly there, so the next surrogate knows better: the gap between surrogate and truth *at
what was found* falls, though the surrogate need not be better anywhere else. Truth calls are what
is scarce; they are counted, and the search stops when they are spent.

Source: Jones, Schonlau, Welch, "Efficient Global Optimization of Expensive Black-Box Functions",
Journal of Global Optimization 1998, for sampling where the surrogate is promising; Forrester,
Sóbester, Keane, "Engineering Design via Surrogate Modelling", Wiley 2008, for such infill points.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_count, check_tensor
from xhat.door.verifying import TruthConstraint, Verification, verify
from xhat.engine import Problem, Result, solve
from xhat.judges import Truth

__all__ = ["Best", "Refinement", "Round", "refine"]

Surrogate = Callable[[Tensor], Any]
_APART = 0.02  # of the spread of the data: candidates of one round that are nearer teach the same
_NEW = 0.002  # likewise: what is nearer to a point of which the truth is known is known


@dataclass(frozen=True, eq=False)
class Best:
    """The best candidate that the truth has seen.

    Attributes:
        x: ``x_shape``.
        y: what the truth gave, ``y_shape``.
        error: the truth's error.
        confirmed: whether that is within the truth's tolerance.
        round: in which round it was found.
    """

    x: Tensor
    y: Tensor
    error: float
    confirmed: bool
    round: int


@dataclass(frozen=True, eq=False)
class Round:
    """One round: what was found, and what the truth said of it.

    Attributes:
        number: from 1.
        verification: of the candidates that were asked about; its gaps are those of the surrogate
            that the search followed.
        starts: which rows of ``x0`` they came from.
        calls: truth calls so far, this round included.
        best: the best candidate up to this round; None while none is feasible by the truth.
        seconds: of training, search and verification.
    """

    number: int
    verification: Verification
    starts: tuple[int, ...]
    calls: int
    best: Best | None
    seconds: float

    @property
    def gaps(self) -> Tensor:
        """How far surrogate and truth were apart, of each candidate where the truth answered."""
        gap = self.verification.evidence.gap
        return torch.empty(0) if gap is None else gap[~gap.isnan()]

    @property
    def gap(self) -> float:
        """The median gap; NaN where the truth failed on all."""
        return float(self.gaps.quantile(0.5)) if len(self.gaps) else float("nan")


@dataclass(frozen=True, eq=False)
class Refinement:
    """What all rounds found.

    Attributes:
        rounds: those that were finished.
        status: why it ended, in a sentence.
        x: the training inputs, with all verified points where the truth answered.
        y: the truth's outputs there.
        surrogate: the last one that was fitted; None if none was.
    """

    rounds: tuple[Round, ...]
    status: str
    x: Tensor
    y: Tensor
    surrogate: Surrogate | None = field(repr=False)

    @property
    def best(self) -> Best | None:
        """The feasible candidate of least error by the truth, of all rounds."""
        return self.rounds[-1].best if self.rounds else None

    @property
    def calls(self) -> int:
        """How many candidates the truth was asked about."""
        return self.rounds[-1].calls if self.rounds else 0

    def __str__(self) -> str:
        """Return a line for each round, and why it ended."""
        lines = [
            f"round {r.number}: {r.calls} truth calls, median gap {r.gap:.3g}, "
            f"best error {'none yet' if r.best is None else format(r.best.error, '.3g')}"
            for r in self.rounds
        ]
        return "\n".join([*lines, f"{self.status}."])


def refine(
    fit: Callable[[Tensor, Tensor], Surrogate],
    problem_of: Callable[[Surrogate], Problem],
    x0: Tensor,
    truth: Truth,
    data: tuple[Any, Any],
    *,
    budget: int,
    rounds: int = 5,
    target: Any = None,
    constraints: Mapping[str, TruthConstraint] | None = None,
    search: Callable[[Problem, Tensor], Result] = solve,
    on_round: Callable[[Round], None] | None = None,
) -> Refinement:
    """Search, verify, learn, and repeat.

    Each round asks the truth about at most an even share of the budget. Feasible candidates come
    first, then those of lower loss; candidates too near to one that was asked about before are
    skipped.
    An interrupt (Ctrl-C) ends the last round early and returns the rounds before; the answers of an
    interrupted round are kept by a ``Simulator`` with ``cache=True``.

    Args:
        fit: ``(x, y) -> surrogate``, such as ``xhat.surrogates.train_regression`` with a seed.
        problem_of: ``surrogate -> Problem``.
        x0: ``(n, *x_shape)``, the starts of every round's search.
        truth: the ground truth.
        data: inputs ``(m, *x_shape)`` and the truth's outputs ``(m, ...)`` to begin with; rows that
            hold NaN, where the truth failed, are left out.
        budget: the largest number of truth calls, one per candidate; the given ``data`` do not
            count.
        rounds: the most rounds.
        target: the target that is passed to the truth's ``error``: one for all, or ``n`` rows.
        constraints: further conditions on the truth's outputs; see ``verify``.
        search: how to search; ``functools.partial(solve, stepper=...)`` for another way.
        on_round: called with the record of each finished round, for instance to save it.

    Raises:
        TypeError: a part is of the wrong kind.
        ValueError: numbers or shapes that do not fit.

    Example:
        >>> from functools import partial
        >>> from xhat.objectives import Match
        >>> from xhat.spaces import Box
        >>> from xhat.surrogates import train_regression
        >>> truth = Truth(lambda x: (3 * x[:, 0]).sin(), tolerance=0.03)
        >>> x = torch.tensor([[-1.0], [-0.5], [0.0], [1.0]])
        >>> found = refine(
        ...     partial(train_regression, seed=0, steps=200),
        ...     lambda net: Problem(Match(net, 0.9), Box(-1, 1)),
        ...     torch.tensor([[0.2], [0.8]]), truth, (x, (3 * x[:, 0]).sin()),
        ...     target=0.9, budget=6, rounds=3)
        >>> found.best.confirmed, found.rounds[-1].gap < found.rounds[0].gap
        (True, True)
    """
    check_count("budget", budget)
    state, done = _State(x0, truth, data, target), list[Round]()
    check_count("rounds", rounds)
    surrogate, status = None, "all rounds are done"
    try:
        for number in range(1, rounds + 1):
            began = time.perf_counter()
            share = -(-(budget - state.calls) // (rounds - number + 1))
            surrogate = fit(state.x, state.y)
            result = search(problem_of(surrogate), state.x0)
            rows = state.choose(result, share)
            if not rows:
                status = "the search proposes nothing that was not asked before"
                break
            found, wanted = _narrowed(result, rows), state.targets(rows)
            checked = verify(found, truth, wanted, surrogate, constraints=constraints)
            state.learn(checked, number)
            seconds = time.perf_counter() - began
            done.append(Round(number, checked, tuple(rows), state.calls, state.best, seconds))
            if on_round is not None:
                on_round(done[-1])
            if state.calls >= budget:
                status = "the budget of truth calls is spent"
                break
    except KeyboardInterrupt:
        status = f"interrupted after {len(done)} of {rounds} rounds, which are kept"
    return Refinement(tuple(done), status, state.x, state.y, surrogate)


class _State:
    """The data so far, what was asked, and the best of it."""

    def __init__(self, x0: Tensor, truth: Truth, data: tuple[Any, Any], target: Any) -> None:
        if not isinstance(truth, Truth):
            raise TypeError(f"the truth must be a Truth, not {type(truth).__name__}.")
        self.x0 = check_tensor("the starts", x0)
        self.x, self.y = _known(data)
        if self.x.shape[1:] != self.x0.shape[1:]:
            raise ValueError(
                f"data and starts must have inputs of one shape, but the data's is "
                f"{tuple(self.x.shape[1:])} and the starts' {tuple(self.x0.shape[1:])}."
            )
        self.target = None if target is None else torch.as_tensor(target)
        flat = self.x.flatten(1)
        self.scale = flat.std(dim=0, correction=0).clamp_min(1e-12)
        self.asked = flat
        self.calls = 0
        self.best: Best | None = None

    def targets(self, rows: list[int]) -> Any:
        """Return the targets of some candidates: their rows, or the one for all."""
        if self.target is None or not self._per_candidate:
            return self.target
        return self.target[rows]

    def choose(self, result: Result, most: int) -> list[int]:
        """Return the candidates to ask about, most promising first."""
        loss = result.loss.double().nan_to_num(nan=torch.inf)
        order = sorted(range(len(result)), key=lambda i: (not result.feasible[i], float(loss[i])))
        places = result.x.detach().to(self.asked).flatten(1)
        chosen: list[int] = []
        for i in order:
            fine = bool(places[i].isfinite().all()) and self._away(places[i], self.asked) > _NEW
            if fine and len(chosen) < most and self._away(places[i], places[chosen]) > _APART:
                chosen.append(i)
        return chosen

    def learn(self, checked: Verification, number: int) -> None:
        """Add what the truth said, and keep the best."""
        found = checked.evidence
        x, y = checked.result.x.detach(), found.y
        self.asked = torch.cat([self.asked, x.to(self.asked).flatten(1)])
        self.calls += len(checked)
        fine = ~found.failed
        if bool(fine.any()) and y.shape[1:] != self.y.shape[1:]:
            raise ValueError(
                f"the data have outputs of shape {tuple(self.y.shape[1:])}, but the truth gives "
                f"{tuple(y.shape[1:])}; let both be the same."
            )
        self.x = torch.cat([self.x, x[fine.to(x.device)].to(self.x)])
        self.y = torch.cat([self.y, y[fine].to(self.y)]) if bool(fine.any()) else self.y
        feasible = checked.feasible & checked.result.feasible.cpu()
        for i in feasible.nonzero()[:, 0].tolist():
            error = float(found.error[i])
            if self.best is None or error < self.best.error:
                self.best = Best(x[i], y[i], error, bool(found.holds[i]), number)

    def _away(self, place: Tensor, others: Tensor) -> float:
        """Return how far the nearest of others is, in spreads of the data per input."""
        if not len(others):
            return float("inf")
        return float(((others - place) / self.scale).square().mean(dim=1).sqrt().min())

    @property
    def _per_candidate(self) -> bool:
        target = self.target
        return target is not None and target.ndim > 0 and len(target) == len(self.x0) > 1


def _known(data: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
    """Return the rows of the data where the truth answered, in float32."""
    if not isinstance(data, tuple) or len(data) != 2:
        raise TypeError("the data must be a pair: inputs, and the truth's outputs.")
    x, y = (torch.as_tensor(part).detach().cpu().float() for part in data)
    if x.ndim < 2 or y.ndim < 1 or len(x) != len(y):
        raise ValueError(
            f"the data must be (m, *x_shape) and (m, ...), but are {tuple(x.shape)} and "
            f"{tuple(y.shape)}."
        )
    fine = x.flatten(1).isfinite().all(dim=1) & y.reshape(len(y), -1).isfinite().all(dim=1)
    if int(fine.sum()) < 2:
        raise ValueError(
            f"the truth must have answered at 2 points or more, but did so at {int(fine.sum())} of "
            f"{len(x)}."
        )
    return x[fine], y[fine]


def _narrowed(result: Result, rows: list[int]) -> Result:
    """Return the result of some candidates, without its trajectory."""
    index = torch.tensor(rows)
    parts = {f.name: getattr(result, f.name) for f in fields(result)}
    chosen = {
        name: value[index.to(value.device)]
        for name, value in parts.items()
        if isinstance(value, Tensor)
    }
    status = tuple(result.status[i] for i in rows)
    whole = result.certificate
    certificate = None if whole is None else replace(whole, violation=whole.violation[index])
    return replace(result, **chosen, status=status, certificate=certificate, trajectory=None)
