"""Random problems, made again from a campaign's seed and a number, and written as scripts.

A ``Case`` names its parts; ``script`` writes them as Python that anybody can run, and ``build``
runs that script up to the search. What a part is made of follows from its own seed and from the
starts, so that a part can be dropped, or the inputs made smaller, and the rest still fits.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.fuzz.conditions import CONDITIONS
from tests.fuzz.goals import GOALS, MAIN, SIDE, Goal
from tests.fuzz.spaces import KEPT, KINDS, LEAVES, WRAPPERS
from tests.fuzz.wrong import WRONG

SMALL = ((2,), (3,), (4,), (5,), (6,), (8,), (12,), (2, 3), (3, 4), (1, 4, 4), (1, 5, 6))
LARGE = ((300,), (784,), (1, 28, 28), (2000,))
FIRST_CALLS = 16
"""Calls of the model that may belong to the first checks, in which a fault may still be refused."""

MODELS = {
    "plain": "model = net",
    "method": "model = net.forward",
    "training": "net.train()\nmodel = net",
    "lambda": "net.train()\nmodel = lambda x: net(x)",
    "closure": "net.train()\nmodel = closed(net)",
    "partial": "net.train()\nmodel = partial(net)",
    "object": "net.train()\nmodel = Holder(net)",
    "nan": "model = NanSometimes(net)",
    "raises": "model = RaisesSometimes(net)",
    "late": "model = RaisesLate(net, {at}, once={once})",
    "interrupted": "model = Interrupts(net, {at})",
    "dropout": "model = dropping(net)",
    "noisy": "model = noisy(net)",
    "across": "model = across(net)",
    "dead": "model = dead(net)",
    "rounding": "model = rounding(net)",
    "saturated": "model = saturated(net)",
}
HIDDEN = ("training", "lambda", "closure", "partial", "object")
RANDOM = ("dropout", "noisy")
ODD = tuple(name for name in MODELS if name not in ("plain", "method", *HIDDEN))
SANE = ("plain", "method", *HIDDEN, "nan", *RANDOM, "across", "dead", "rounding")


@dataclass(frozen=True)
class Part:
    """A kind by name, and the seed of what it is made of."""

    kind: str
    seed: int


@dataclass(frozen=True)
class Case:
    """One problem.

    Attributes:
        name: campaign and number, for the reader.
        seed: of starts and network.
        n: candidates.
        shape: of one input.
        space: outermost first.
        terms: of the objective.
        conditions: the constraints.
        model: a key of ``MODELS``.
        at: the call at which the model fails or is interrupted.
        stepper: an expression, as are ``stop`` and ``restarts``.
        steps: the budget.
        rounds: of multipliers, at most.
        chunk: candidates at once.
        precision: of the search; ``dtype`` is that of the starts.
        tolerance: of the constraints.
        trace: every so many steps.
        told: the call of ``on_progress`` at which Ctrl-C is pressed, or 0.
        off: whether the starts are moved out of where they belong.
        start: where the search begins, an expression of ``x0``.
        wrong: what is given wrongly: a key of ``WRONG``; "" for nothing.
    """

    name: str
    seed: int
    n: int
    shape: tuple[int, ...]
    space: tuple[Part, ...]
    terms: tuple[Part, ...]
    conditions: tuple[Part, ...] = ()
    model: str = "plain"
    at: int = 0
    stepper: str = "engine.GradientDescent(0.1)"
    stop: tuple[str, ...] = ()
    steps: int = 3
    rounds: int = 2
    restarts: str = "None"
    chunk: int = 256
    precision: str = "float32"
    dtype: str = "float32"
    tolerance: float = 1e-5
    trace: int = 0
    told: int = 0
    off: bool = False
    start: str = "x0"
    wrong: str = ""

    @property
    def top(self) -> int:
        """The largest feature of a start: 3 where some are whole numbers."""
        return 3 if any(KINDS[part.kind].traits == "whole" for part in self.space) else 1

    @property
    def traits(self) -> str:
        words = dict.fromkeys(KINDS[part.kind].traits for part in reversed(self.space))
        unit = any(part.kind == "Normalized" and part.seed % 3 == 1 for part in self.space)
        return " ".join(word for word in (*words, "unit" if unit else "") if word)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of spaces, outermost first."""
        return tuple(part.kind for part in self.space)

    @property
    def goals(self) -> tuple[Goal, ...]:
        """The kinds of the objective's terms."""
        return tuple(GOALS[part.kind] for part in self.terms)

    @property
    def repeatable(self) -> bool:
        """Whether a search does not depend on a clock."""
        return not any("MaxSeconds" in rule for rule in self.stop)

    @property
    def comparable(self) -> bool:
        """Whether a candidate alone must give what it gives in the batch, to rounding."""
        kinds = ("plain", "method", *HIDDEN, "nan", "raises", "across", "dead")
        smooth = "Rounded" not in self.kinds and self.precision != "bfloat16"
        typed = self.dtype in ("float32", "float64")
        return self.repeatable and self.model in kinds and smooth and typed and not self.told

    @property
    def general(self) -> bool:
        """Whether a constraint may be kept by multipliers."""
        return bool(self.conditions)

    @property
    def plain_space(self) -> bool:
        """Whether the space is one that must not be refused."""
        numbers = self.space[-1].seed % 4 != 1
        return len(self.space) == 1 or (self.kinds in KEPT and numbers)

    @property
    def sound(self) -> bool:
        """Whether there is no reason to refuse it, if the starts lie in the space."""
        holds = all(CONDITIONS[part.kind].holds for part in self.conditions)
        typed = self.dtype in ("float32", "float64")
        fine = self.plain_space and holds and typed and self.model in SANE
        # where a constraint leaves but one corner, an open box comes within 1e-6 of it, no nearer
        corner = self.tolerance < 1e-5 and "Logit" in self.kinds and bool(self.conditions)
        return fine and not (self.off or self.wrong or corner)

    def script(self, rows: str = "slice(None)") -> str:
        """The problem as Python, up to the call of ``solve``."""
        pieces = self.pieces()
        if self.wrong:
            piece, expression = WRONG[self.wrong]
            pieces[piece] = expression
        options = ", ".join(f'"{k[1:]}": {v}' for k, v in pieces.items() if k.startswith("_"))
        setups = (s(p.seed, self.shape) for p in self.space if (s := KINDS[p.kind].setup))
        lines = (
            f"rows, n, top, dtype = {rows}, {self.n}, {self.top}, torch.{self._network}",
            f"x0 = {pieces['x0']}",
            "base = x0.to(torch.promote_types(x0.dtype, torch.float32))",
            f"net = Net({self.seed + 1}, {self.shape}, dtype)",
            *setups,
            pieces["model"],
            f"space = {pieces['space']}",
            f"wanted = {pieces['wanted']}",
            f"problem = Problem(wanted, space, {pieces['conditions']}, {pieces['tolerance']})",
            f"options = {{{options}}}",
            f"begin = {pieces['begin']}",
        )
        return HEAD + "\n".join(lines) + "\n"

    def pieces(self) -> dict[str, str]:
        """Expressions by name; those of ``solve``'s options begin with an underscore."""
        typed = f"torch.{self.dtype}"
        starts = f"starts({self.seed}, n, {self.shape}, {self.traits!r}, top).to({typed})[rows]"
        inner = ""
        for part in reversed(self.space):
            inner = KINDS[part.kind].source(part.seed, self.shape, self.top, inner)
        conditions = (
            CONDITIONS[part.kind].source(part.seed, self.shape, self.top)
            for part in self.conditions
        )
        tell = f"interrupting({self.told})" if self.told else "None"
        stepper = self.stepper
        if self.conditions:
            within = "" if stepper == "None" else f"{stepper}, "
            stepper = f"engine.AugmentedLagrangian({within}rounds={self.rounds})"
        return {
            "x0": starts + (" + 5 * top" if self.off else ""),
            "model": MODELS[self.model].format(at=self.at, once=self.seed % 2 == 0),
            "space": inner,
            "wanted": " + 0.1 * ".join(
                GOALS[p.kind].source(p.seed, self.shape) for p in self.terms
            ),
            "conditions": "({})".format("".join(f"{each}, " for each in conditions)),
            "tolerance": repr(self.tolerance),
            "begin": self.start,
            "_stepper": stepper,
            "_stop": "({})".format("".join(f"{rule}, " for rule in self.stop)),
            "_max_steps": str(self.steps),
            "_restarts": self.restarts,
            "_compute": f"engine.Compute(chunk={self.chunk}, precision={self.precision!r}, "
            f"seed={self.seed % 1000})",
            "_watch": f"engine.Watch({self.trace}, {tell})",
        }

    @property
    def _network(self) -> str:
        return "float64" if self.precision == "float64" else "float32"


HEAD = """import torch
from tests.fuzz.conditions import ink, normal
from tests.fuzz.goals import real, soft, targets
from tests.fuzz.material import *
from tests.fuzz.spaces import weights_of
from xhat import constraints, symmetry, objectives, engine, spaces
from xhat.engine import Problem

"""
CALL = "result = engine.solve(problem, begin, **options)\n"
TAIL = """for i, status in enumerate(result.status):
    print(i, status, "| reached", bool(result.reached[i]), "| feasible", bool(result.feasible[i]))
    print("   loss", float(result.loss[i]), "| x", result.x[i].flatten()[:8].tolist())
"""


def build(case: Case, rows: str = "slice(None)") -> dict[str, Any]:
    """What the script defines; raises what it raises."""
    names: dict[str, Any] = {"__name__": "problem"}
    exec(compile(case.script(rows), "<problem>", "exec"), names)  # noqa: S102 - our own script
    return names


def drawn(campaign: int, number: int) -> Case:
    """Problem ``number`` of a campaign."""
    draw = random.Random(f"{campaign}/{number}")  # noqa: S311 - no secret
    large = draw.random() < 0.03
    shape = draw.choice(LARGE if large else SMALL)
    case = Case(
        name=f"{campaign}/{number}",
        seed=draw.randrange(10**6),
        n=_count(draw, large=large),
        shape=shape,
        space=_space(draw, shape),
        terms=_terms(draw),
    )
    case = replace(case, conditions=_conditions(draw, large=large), **_way(draw, large=large))
    if case.conditions and case.n > 5 and draw.random() < 0.8:
        case = replace(case, n=draw.randint(1, 5))
    case = replace(case, **_model(draw, case))
    case = replace(case, stop=_rules(draw, case))
    chance = draw.random()
    if chance < 0.03:
        return replace(case, off=True)
    if chance < 0.13:
        return replace(case, wrong=draw.choice(tuple(WRONG)), model="plain", told=0)
    return case


def cases(campaign: int, n: int) -> Iterator[Case]:
    """The problems of a campaign, one after the other."""
    return (drawn(campaign, number) for number in range(n))


def _count(draw: random.Random, *, large: bool) -> int:
    if draw.random() < 0.08:
        return draw.randint(7, 50)
    return draw.randint(1, 3 if large else 5)


def _part(draw: random.Random, kinds: tuple[str, ...]) -> Part:
    return Part(draw.choice(kinds), draw.randrange(10**6))


def _space(draw: random.Random, shape: tuple[int, ...]) -> tuple[Part, ...]:
    image = len(shape) == 3 and min(shape[1:]) >= 4
    leaves = tuple(name for name in LEAVES if image or not KINDS[name].images)
    depth = draw.choices((0, 1, 2), (0.55, 0.33, 0.12))[0]
    leaf = Part("Box", draw.randrange(10**6)) if draw.random() < 0.2 else _part(draw, leaves)
    return (*(_part(draw, WRAPPERS) for _ in range(depth)), leaf)


def _terms(draw: random.Random) -> tuple[Part, ...]:
    main = _part(draw, MAIN if draw.random() < 0.9 else SIDE)
    extra = draw.choices((0, 1, 2), (0.6, 0.3, 0.1))[0]
    return (main, *(_part(draw, (*SIDE, *MAIN[:2])) for _ in range(extra)))


def _conditions(draw: random.Random, *, large: bool) -> tuple[Part, ...]:
    count = draw.choices((0, 1, 2, 3), (0.55, 0.3, 0.1, 0.05))[0]
    found = tuple(_part(draw, tuple(CONDITIONS)) for _ in range(min(count, 1 if large else 3)))
    if len(found) == 1 or draw.random() < 0.2:
        return found
    # what does not hold at the start often has nothing in common with a ball around it, and then
    # every projection goes through all of its cycles
    return tuple(part for part in found if CONDITIONS[part.kind].holds)


def _way(draw: random.Random, *, large: bool) -> dict[str, Any]:
    """How it is searched."""
    rate = draw.choice((0.01, 0.05, 0.2, 1.0))
    steppers = (
        f"engine.GradientDescent({rate})",
        f"engine.GradientDescent({rate}, momentum=0.8)",
        f"engine.SignDescent({rate / 4})",
        f"engine.NormalizedDescent({rate})",
        f"engine.Adam({rate})",
        f"engine.VectorAdam({rate})",
        "engine.LBFGS(history=3)",
        "None",
    )
    start = draw.random() < 0.5
    restart = f"engine.Restarts({draw.randint(2, 3)}, 0.2, from_start={start})"
    return {
        "stepper": draw.choice(steppers),
        "steps": draw.randint(1, 4 if large else 12),
        "rounds": draw.randint(1, 3),
        "restarts": restart if draw.random() < 0.12 else "None",
        "chunk": draw.choice((1, 2, 3, 7, 256, 256)),
        "precision": draw.choices(("float32", "float64", "bfloat16"), (0.65, 0.25, 0.1))[0],
        "dtype": draw.choices(
            ("float32", "float64", "bfloat16", "float16"), (0.75, 0.2, 0.03, 0.02)
        )[0],
        "tolerance": draw.choices((1e-5, 1e-3, 1e-8, 0.0), (0.8, 0.1, 0.07, 0.03))[0],
        "trace": draw.choices((0, 1, 3), (0.7, 0.2, 0.1))[0],
    }


def _model(draw: random.Random, case: Case) -> dict[str, Any]:
    """What the model is like, and whether somebody presses Ctrl-C."""
    kind = draw.choice(ODD) if draw.random() < 0.4 else draw.choice(("plain", "method", *HIDDEN))
    told = draw.randint(1, 2 * case.steps) if draw.random() < 0.04 else 0
    return {"model": kind, "at": draw.randint(1, 60), "told": told}


def _rules(draw: random.Random, case: Case) -> tuple[str, ...]:
    goals = [GOALS[part.kind] for part in case.terms]
    choices = [
        f"engine.LossBelow({draw.choice((-1.0, 0.2, 0.7, 2.0))})",
        f"engine.Plateau({draw.randint(1, 4)}, 0.01)",
        f"engine.MaxEvaluations({draw.randint(1, 12)})",
        "engine.MaxSeconds(1e-9)" if draw.random() < 0.1 else "engine.MaxSeconds(1000.0)",
    ]
    if any(goal.aims for goal in goals):
        choices += ["engine.TargetReached()"] * 3
    if any(goal.confident for goal in goals):
        choices += [f"engine.TargetReached({draw.choice((0.4, 0.6, 0.9))})"] * 3
    return tuple(dict.fromkeys(draw.choices(choices, k=draw.choice((0, 1, 1, 2)))))
