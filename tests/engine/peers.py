"""SciPy's solvers on a ``Program``, with gradients by torch: what ours are compared with."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import NonlinearConstraint, OptimizeResult, minimize
from torch import Tensor

from tests.engine.program import Program

Array = NDArray[np.float64]


class Counted:
    """Values and Jacobian of all functions of a program at one point, in units of ``scale``.

    Args:
        program: the program.
        start: where the search starts, within the bounds.
        scaled: whether variables are divided by their bounds' distance (where under 1) or start
            (where over 1), and every function by its largest slope at the start.
    """

    def __init__(self, program: Program, start: Array, scaled: bool) -> None:
        self.program, self.evaluations, self.at = program, 0, None
        self.unit, self.scale = np.ones(len(start)), np.ones(1)
        if scaled:
            low, high = (bound.numpy() for bound in program.bounds())
            self.unit = np.where(high - low < 1, high - low, np.maximum(1, np.abs(start)))
            slopes = np.abs(self(start / self.unit)[1]).max(axis=1)
            self.scale, self.at = np.where(slopes > 1e-9, slopes, 1), None

    def __call__(self, u: Array) -> tuple[Array, Array]:
        """Return ``(k,)`` values and ``(k, d)`` slopes: cost, inequalities, equalities."""
        if self.at is None or not np.array_equal(u, self.at):
            x = torch.from_numpy(u * self.unit)[None]
            rows = self._values(x).shape[1]
            # one row a function, so that a single backward pass gives the whole Jacobian
            x = x.repeat(rows, 1).requires_grad_()
            values = self._values(x).diagonal()
            (slopes,) = torch.autograd.grad(values.sum(), x)
            self.values = values.detach().numpy() / self.scale
            self.slopes = slopes.numpy() * self.unit / self.scale[:, None]
            self.at, self.evaluations = u.copy(), self.evaluations + 1
        return self.values, self.slopes

    def _values(self, x: Tensor) -> Tensor:
        p = self.program
        parts = (p.objective(x)[:, None], -p.inequalities(x), p.equalities(x))
        return torch.cat(parts, dim=1)


@dataclass(frozen=True)
class Found:
    """Where a search ended, what it took, and what the solver said."""

    x: Tensor
    evaluations: int
    said: str


def slsqp(program: Program, start: Tensor, scaled: bool = True, steps: int = 1000) -> Found:
    """Search by SLSQP from ``start (d,)``, moved into the bounds."""
    return _search(program, start, scaled, _by_slsqp, steps)


def trust_constr(program: Program, start: Tensor, scaled: bool = True, steps: int = 1000) -> Found:
    """Search by SciPy's trust-region interior point method from ``start (d,)``."""
    return _search(program, start, scaled, _by_trust, steps)


def _search(
    program: Program, start: Tensor, scaled: bool, by: Callable[..., OptimizeResult], steps: int
) -> Found:
    low, high = (bound.numpy() for bound in program.bounds())
    x0 = np.clip(start.double().numpy(), low, high)
    of = Counted(program, x0, scaled)
    k = program.inequalities(torch.from_numpy(x0)[None]).shape[1]
    bounds = np.stack([low / of.unit, high / of.unit], axis=1)
    found = by(of, x0 / of.unit, k, bounds, steps)
    x = torch.from_numpy(np.clip(found.x * of.unit, low, high))
    return Found(x, of.evaluations, str(found.message))


def _by_slsqp(of: Counted, u: Array, k: int, bounds: Array, steps: int) -> OptimizeResult:
    parts = {"ineq": slice(1, 1 + k), "eq": slice(1 + k, None)}
    rows = len(of(u)[0])
    constraints = [
        {"type": kind, "fun": lambda u, p=p: of(u)[0][p], "jac": lambda u, p=p: of(u)[1][p]}
        for kind, p in parts.items()
        if len(range(rows)[p])
    ]
    return minimize(
        lambda u: of(u)[0][0], u, jac=lambda u: of(u)[1][0], bounds=bounds, method="SLSQP",
        constraints=constraints, options={"ftol": 1e-13, "maxiter": steps},
    )  # fmt: skip


def _by_trust(of: Counted, u: Array, k: int, bounds: Array, steps: int) -> OptimizeResult:
    rows = len(of(u)[0]) - 1
    upper = np.r_[np.full(k, np.inf), np.zeros(rows - k)]
    held = NonlinearConstraint(lambda u: of(u)[0][1:], 0, upper, jac=lambda u: of(u)[1][1:])
    return minimize(
        lambda u: of(u)[0][0], u, jac=lambda u: of(u)[1][0], bounds=bounds, constraints=[held],
        method="trust-constr",
        options={"gtol": 1e-9, "xtol": 1e-10, "barrier_tol": 1e-9, "maxiter": steps},
    )  # fmt: skip
