"""Forty small problems over whole numbers and categories whose optima are known by enumeration.

Eight families, each drawn from a seed; none has more than 1e5 combinations.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from xhat.constraints import Constraint, Equality, Inequality
from xhat.spaces import Box, OneHot, Parts, Rounded, Space

__all__ = ["FAMILIES", "Question"]

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Question:
    """A problem, its start, and all its inputs ``(m, *x_shape)``; mixed: those of the categories.

    Attributes:
        continuous: which features of the flattened input are not countable; empty for none.
    """

    loss: Loss
    space: Space
    constraints: tuple[Constraint, ...]
    x0: Tensor
    inputs: Tensor
    continuous: tuple[int, ...] = ()

    def holds(self, x: Tensor, tolerance: float = 1e-5) -> Tensor:
        """Return who meets the constraints."""
        off = [constraint.violation(x) for constraint in self.constraints]
        return torch.stack(off).amax(dim=0) <= tolerance

    def optimum(self) -> float:
        """Return the least loss, by enumeration; mixed: by SLSQP from the best of a fine grid."""
        with torch.no_grad():
            if not self.continuous:
                parts = [x[self.holds(x)] for x in self.inputs.split(20_000)]
                return min(float(self.loss(x).min()) for x in parts if len(x))
            grid = _grid(torch.linspace(0, 1, 61), len(self.continuous))
            best = list[tuple[float, Tensor]]()
            for x in self.inputs:
                some = x.repeat(len(grid), 1)
                some[:, list(self.continuous)] = grid
                loss = torch.where(self.holds(some), self.loss(some), torch.inf)
                best.append((float(loss.min()), some[loss.argmin()]))
        best.sort(key=lambda pair: pair[0])
        return min(self._inner(x) for _, x in best[:10])

    def _inner(self, x: Tensor) -> float:
        """Return the least loss near an input of a mixed problem, its categories as they are."""
        where, x = list(self.continuous), x.double()

        def put(values: Tensor) -> Tensor:
            return x.index_put((torch.tensor(where),), values)[None].float()

        def value(v):
            leaf = torch.tensor(v, requires_grad=True)
            loss = self.loss(put(leaf)).sum()
            return float(loss), torch.autograd.grad(loss, leaf)[0].double().numpy()

        def room(v):
            at = put(torch.tensor(v))
            return min(-float(constraint.violation(at)) for constraint in self.constraints)

        ended = minimize(
            value, x[where].numpy(), jac=True, bounds=[(0, 1)] * len(where), method="SLSQP",
            constraints={"type": "ineq", "fun": room},
        )  # fmt: skip
        start = value(x[where].numpy())[0] if room(x[where].numpy()) >= -1e-5 else float("inf")
        return min(start, float(ended.fun) if room(ended.x) >= -1e-5 else start)


def _net(size: int, seed: int, gain: float = 2.0) -> Loss:
    """A random network with one output, of several basins."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(size, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh())
        head = nn.Linear(24, 1)
    with torch.no_grad():
        for layer in (net[0], net[2]):
            layer.weight.mul_(gain)
    whole = nn.Sequential(nn.Flatten(), net, head).eval()
    return lambda x: whole(x)[:, 0]


def _grid(values: Tensor, size: int) -> Tensor:
    return torch.cartesian_prod(*[values] * size)


def _hot(options: int, groups: int) -> Tensor:
    return torch.eye(options)[_grid(torch.arange(options), groups)]


def _draw(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def knapsack(seed: int) -> Question:
    """16 things to take or leave, within a weight: the most value, some of it in pairs."""
    value, weight = 1 + 9 * _draw(seed, 16), 1 + 9 * _draw(seed + 1, 16)
    bonus = torch.triu(2 * _draw(seed + 2, 16, 16) - 0.8, 1)
    cap = Inequality(lambda x: x @ weight - 0.4 * weight.sum(), name="weight")
    inputs = _grid(torch.tensor([0.0, 1.0]), 16)
    loss = lambda x: -(x @ value) - ((x @ bonus) * x).sum(dim=1)  # noqa: E731
    return Question(loss, Rounded(Box(0, 1)), (cap,), torch.zeros(1, 16), inputs)


def counts(seed: int) -> Question:
    """Counts of 6 kinds up to 6 each, of falling returns, within two capacities."""
    value, weight = 1 + 4 * _draw(seed, 5), 1 + 4 * _draw(seed + 1, 2, 5)
    caps = Inequality(lambda x: x @ weight.T - 0.35 * 9 * weight.sum(dim=1), name="capacities")
    loss = lambda x: -(value * (1 + x).log() * 3 - 0.2 * x * value.flip(0)).sum(dim=1)  # noqa: E731
    inputs = _grid(torch.arange(10.0), 5)
    return Question(loss, Rounded(Box(0, 9)), (caps,), torch.zeros(1, 5), inputs)


def shared_out(seed: int) -> Question:
    """12 units shared out among 5, by the loss of a network; all of them must go."""
    net, total = _net(5, seed), 12.0
    all_of_them = Equality(lambda x: x.sum(dim=1) - total, name="all units")
    x0 = torch.tensor([[3.0, 3, 2, 2, 2]])
    inputs = _grid(torch.arange(8.0), 5)
    return Question(lambda x: net(x / 7), Rounded(Box(0, 7)), (all_of_them,), x0, inputs)


def assignment(seed: int) -> Question:
    """6 people to 6 tasks, one each, with costs and costs of pairs."""
    cost, between = _draw(seed, 6, 6), 0.3 * _draw(seed + 1, 36, 36)
    once = Inequality(lambda x: x.sum(dim=1) - 1, name="one for each task")

    def loss(x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return flat @ cost.flatten() + ((flat @ between) * flat).sum(dim=1)

    return Question(loss, OneHot(axis=-1), (once,), torch.eye(6)[None], _hot(6, 6))


def menu(seed: int) -> Question:
    """One of 5 options in each of 7 groups, within a budget, by the loss of a network."""
    net, price = _net(35, seed), _draw(seed + 1, 7, 5)
    price[:, 0] = 0.0
    budget = Inequality(lambda x: (x * price).sum(dim=(1, 2)) - 2.0, name="budget")
    x0 = torch.eye(5)[torch.zeros(1, 7, dtype=torch.long)]
    return Question(net, OneHot(axis=-1), (budget,), x0, _hot(5, 7))


def ring(seed: int) -> Question:
    """5 settings in steps of 1/4, within a ring, by the loss of a network."""
    net = _net(5, seed)
    square = lambda x: x.square().sum(dim=1)  # noqa: E731
    within = Inequality(lambda x: torch.stack([1 - square(x), square(x) - 2.5], 1), name="ring")
    x0 = torch.tensor([[1.0, 0.5, 0.0, 0.0, 0.0]])
    space = Rounded(Box(-1, 1), step=0.25)
    return Question(net, space, (within,), x0, _grid(torch.linspace(-1, 1, 9), 5))


def chosen(seed: int) -> Question:
    """Exactly 6 of 16, by gains and losses of every pair."""
    pair = torch.randn(16, 16, generator=torch.Generator().manual_seed(seed))
    six = Equality(lambda x: x.sum(dim=1) - 6, name="six of them")
    x0 = (torch.arange(16) < 6).float()[None]
    inputs = _grid(torch.tensor([0.0, 1.0]), 16)
    return Question(lambda x: ((x @ pair) * x).sum(dim=1), Rounded(Box(0, 1)), (six,), x0, inputs)


def row(seed: int) -> Question:
    """A row of a table: one of 4, a count up to 9, and two amounts, within a budget."""
    net = _net(7, seed, gain=1.5)
    price = _draw(seed + 1, 7) * torch.tensor([1.0, 1, 1, 1, 0.2, 1, 1])
    budget = Inequality(lambda x: x @ price - 1.2, name="budget")
    space = Parts(
        {"kind": OneHot(), "count": Rounded(Box(0, 9)), "amounts": Box(0, 1)},
        {"kind": slice(0, 4), "count": 4, "amounts": slice(5, 7)},
    )
    x0 = torch.tensor([[0.0, 0, 0, 0, 0, 0.2, 0.2]])
    x0[0, price[:4].argmin()] = 1.0
    kinds = torch.eye(4).repeat_interleave(10, dim=0)
    inputs = torch.cat([kinds, torch.arange(10.0).repeat(4)[:, None], torch.zeros(40, 2)], dim=1)
    scale = torch.tensor([1.0, 1, 1, 1, 1 / 9, 1, 1])
    return Question(lambda x: net(x * scale), space, (budget,), x0, inputs, (5, 6))


FAMILIES: dict[str, Callable[[int], Question]] = {
    "knapsack with pairs": knapsack,
    "counts, two capacities": counts,
    "shared out, network": shared_out,
    "assignment with pairs": assignment,
    "menu with budget, network": menu,
    "grid in a ring, network": ring,
    "exactly six of sixteen": chosen,
    "mixed row, network": row,
}
"""Name to family; a seed makes a problem."""
