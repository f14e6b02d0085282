"""The campaign itself: it draws everything, draws it again, and finds faults that are planted."""

import dataclasses
import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import pytest
import torch
from torch import Tensor

import xhat.engine
from tests.fuzz.__main__ import failures, report, write
from tests.fuzz.campaign import Record, campaign
from tests.fuzz.conditions import CONDITIONS
from tests.fuzz.goals import GOALS
from tests.fuzz.problems import MODELS, Case, Part, build, cases, drawn
from tests.fuzz.promises import checked
from tests.fuzz.searching import Broken, Outcome
from tests.fuzz.shrink import script, shrunk, simpler
from tests.fuzz.spaces import KINDS
from xhat import constraints, engine, objectives, spaces

MANY = list(cases(0, 2000))
CALM = Case(
    "calm",
    seed=8,
    n=4,
    shape=(6,),
    space=(Part("Box", 0),),
    terms=(Part("CrossEntropy", 0), Part("Near", 3)),
    steps=8,
)


def test_a_problem_is_the_same_whenever_it_is_drawn():
    assert drawn(3, 7) == drawn(3, 7)
    assert drawn(3, 7) != drawn(4, 7) != drawn(3, 8)


def test_every_kind_is_drawn():
    assert {kind for case in MANY for kind in case.kinds} == set(KINDS)
    assert {part.kind for case in MANY for part in case.terms} == set(GOALS)
    assert {part.kind for case in MANY for part in case.conditions} == set(CONDITIONS)
    assert {case.model for case in MANY} == set(MODELS)
    assert max(case.n for case in MANY) > 40
    assert max(torch.Size(case.shape).numel() for case in MANY) == 2000


@pytest.mark.parametrize(
    ("room", "base"),
    [
        (spaces, spaces.Space),
        (constraints, constraints.Constraint),
        (objectives, objectives.Objective),
        (engine, engine.Stepper),
        (engine, engine.StopRule),
    ],
)
def test_every_public_class_takes_part(room, base):
    text = "\n".join(case.script() for case in MANY)
    abstract = {base, constraints.Ball, constraints.Projected, spaces.Wrapped}
    by_operator = {objectives.Sum, objectives.Weighted}  # made by + and by *
    elsewhere = {"BinaryCrossEntropy", "Score", "Between", "OneHot", "Parts", "Sparse"}  # laws
    elsewhere |= {"Lead", "LogitRatio", "SQP"}
    for name in room.__all__:
        thing = getattr(room, name)
        if name in elsewhere:
            continue
        if isinstance(thing, type) and issubclass(thing, base) and thing not in abstract:
            assert thing in by_operator | {engine.MaxSteps} or f".{name}(" in text, name


def test_a_script_is_python_that_runs_and_tells():
    told = io.StringIO()
    with redirect_stdout(told):
        exec(script(Outcome(CALM)), {})  # noqa: S102
    assert told.getvalue().count("| reached") == CALM.n


def test_the_calm_case_keeps_every_promise():
    assert not checked(CALM).broken


# Each fault is planted around ``solve`` or in a part, and names the check that must see it.

Solve = Callable[..., Any]


def spoilt(**changes: Callable[[Any], Any]) -> Callable[[Solve], Solve]:
    """A ``solve`` whose result has some of its fields changed."""

    def plant(real: Solve) -> Solve:
        def wrong(problem, x0, **options):
            found = real(problem, x0, **options)
            return dataclasses.replace(
                found, **{name: change(found) for name, change in changes.items()}
            )

        return wrong

    return plant


def beside(act: Callable[[Any, Tensor], Any]) -> Callable[[Solve], Solve]:
    """A ``solve`` that does something else as well."""

    def plant(real: Solve) -> Solve:
        def wrong(problem, x0, **options):
            act(problem, x0)
            return real(problem, x0, **options)

        return wrong

    return plant


def net_of(problem):
    return next(iter(problem.modules()))


def raising(error: BaseException) -> Callable[[Solve], Solve]:
    def plant(real: Solve) -> Solve:
        def wrong(problem, x0, **options):
            raise error

        return wrong

    return plant


def draws(problem, x0):
    torch.rand(1)


def trains(problem, x0):
    net_of(problem).train()


def gradients(problem, x0):
    net_of(problem)(x0).sum().backward()


def shifts(problem, x0):
    net_of(problem).norm.running_mean.add_(1.0)


def crowds(problem, x0):
    with torch.no_grad():
        net_of(problem)(x0[:1].repeat(300, *(1 for _ in x0.shape[1:])))


def toils(problem, x0):
    with torch.no_grad():
        for _ in range(100):
            net_of(problem)(x0)


AIMED = dataclasses.replace(CALM, stop=("engine.TargetReached(0.9)",), steps=2)
BALL = dataclasses.replace(CALM, conditions=(Part("LinfBall", 0),))
FAULTS: dict[str, tuple[Callable[[Solve], Solve], Case, str]] = {
    "all are reached": (
        spoilt(reached=lambda r: torch.ones_like(r.reached)), AIMED, "reached",
    ),
    "none is reached": (
        spoilt(reached=lambda r: torch.zeros_like(r.reached)),
        dataclasses.replace(AIMED, stop=("engine.TargetReached()",), steps=12),
        "reached",
    ),
    "a success that is no success": (
        spoilt(status=lambda r: ("target reached",) * len(r)), AIMED, "contradiction",
    ),
    "confident": (spoilt(confidence=lambda r: r.confidence * 0 + 1), CALM, "confidence"),
    "a loss of another input": (spoilt(loss=lambda r: r.loss - 0.1), CALM, "loss"),
    "a loss that is none": (spoilt(loss=lambda r: r.loss * torch.nan), CALM, "loss"),
    "out of the ball": (
        spoilt(x=lambda r: (r.x + 0.2).clamp(0, 1)), BALL, "feasible",
    ),
    "said to be infeasible": (
        spoilt(feasible=lambda r: torch.zeros_like(r.feasible)), BALL, "feasible",
    ),
    "out of the box": (spoilt(x=lambda r: r.x + 0.5), CALM, "structure"),
    "another order": (spoilt(x0=lambda r: r.x0.flip(0)), CALM, "order"),
    "one candidate less": (spoilt(status=lambda r: r.status[:-1]), CALM, "an answer"),
    "not finite": (spoilt(x=lambda r: r.x / 0), CALM, "an answer"),
    "a word that nobody knows": (
        spoilt(details=lambda r: (", says nobody",) * len(r)), CALM, "an answer",
    ),
    "too many steps": (spoilt(steps=lambda r: r.steps + 99), CALM, "budget"),
    "another last frame": (
        spoilt(trajectory=lambda r: dataclasses.replace(r.trajectory, x=r.trajectory.x + 1)),
        dataclasses.replace(CALM, trace=1),
        "trajectory",
    ),
    "nothing said of noise": (
        spoilt(notes=lambda r: ()), dataclasses.replace(CALM, model="noisy"), "notes",
    ),
    "a false alarm": (
        spoilt(notes=lambda r: ("the model answers differently each time",)), CALM, "notes",
    ),
    "a dead model, unnoticed": (
        spoilt(status=lambda r: ("step budget spent",) * len(r)),
        dataclasses.replace(CALM, model="dead", terms=(Part("Own", 0),)),
        "zero gradient",
    ),
    "the global generator": (beside(draws), CALM, "left as it was"),
    "a mode": (beside(trains), CALM, "left as it was"),
    "a gradient": (beside(gradients), CALM, "left as it was"),
    "a buffer": (beside(shifts), CALM, "left as it was"),
    "a crowd": (beside(crowds), CALM, "memory"),
    "work for nothing": (beside(toils), CALM, "effort"),
    "a numerical misfortune": (
        raising(torch.linalg.LinAlgError("did not converge")), CALM, "an answer",
    ),
    "Ctrl-C": (
        raising(KeyboardInterrupt()),
        dataclasses.replace(CALM, model="interrupted", at=30),
        "an answer",
    ),
    "a needless refusal": (raising(ValueError("no.")), CALM, "needlessly refused"),
    "a raw error": (raising(TypeError("'<' not supported")), CALM, "bad input"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault, monkeypatch):
    plant, case, check = FAULTS[fault]
    assert check not in checks(checked(case))
    monkeypatch.setattr(xhat.engine, "solve", plant(xhat.engine.solve))
    assert check in checks(checked(case))


def checks(outcome: Outcome) -> set[str]:
    return {broken.check for broken in outcome.broken}


def test_bad_input_that_is_taken_is_found(monkeypatch):
    wrong = dataclasses.replace(CALM, wrong="max_steps = 0")
    assert not checked(wrong).broken
    real = xhat.engine.solve
    monkeypatch.setattr(xhat.engine, "solve", lambda p, x, **o: real(p, x, **{**o, "max_steps": 1}))
    assert checks(checked(wrong)) == {"bad input"}


def test_a_space_that_breaks_its_structure_is_found(monkeypatch):
    shares = dataclasses.replace(CALM, space=(Part("Softmax", 0),))
    assert not checked(shares).broken
    decode = spaces.Softmax.decode
    monkeypatch.setattr(spaces.Softmax, "decode", lambda self, z: 1.01 * decode(self, z))
    assert "structure" in checks(checked(shares))


def test_a_stepper_that_mixes_candidates_is_found(monkeypatch):
    assert not checked(CALM).broken
    step = engine.GradientDescent.step

    def mixing(self, z, loss, gradient, state):
        return step(self, z, loss, gradient.mean(dim=0, keepdim=True).expand_as(z), state)

    monkeypatch.setattr(engine.GradientDescent, "step", mixing)
    assert "independence" in checks(checked(CALM))


def test_a_search_that_is_random_is_found(monkeypatch):
    generator, step = torch.Generator().manual_seed(0), engine.GradientDescent.step

    def noisy(self, z, loss, gradient, state):
        noise = torch.rand(z.shape, generator=generator)
        return step(self, z, loss, gradient + noise, state)

    monkeypatch.setattr(engine.GradientDescent, "step", noisy)
    assert "once more" in checks(checked(CALM))


def test_a_failure_is_made_small():
    """Down to one candidate, one step and the part that matters."""

    def fails(case: Case) -> Outcome:
        broken = [Broken(6, "structure", "off")] if "Tied" in case.kinds else []
        return Outcome(case, broken)

    large = dataclasses.replace(
        CALM,
        n=9,
        shape=(3, 4),
        space=(Part("Masked", 1), Part("Tied", 2), Part("Box", 3)),
        conditions=(Part("L2Ball", 1), Part("Bounds", 2)),
        stop=("engine.LossBelow(0.2)", "engine.Plateau(2, 0.01)"),
        restarts="engine.Restarts(2, 0.2)",
        stepper="engine.Adam(0.2)",
    )
    small = shrunk(fails(large), fails, tries=500).case
    assert (small.n, small.steps, small.shape) == (1, 1, (2, 2))
    assert small.conditions == small.stop == ()
    assert small.kinds == ("Tied",) or small.kinds == ("Tied", "Box")
    assert (small.restarts, len(small.terms)) == ("None", 1)


def test_what_is_simpler_can_be_built():
    for case in MANY[:30]:
        if not case.wrong:
            for simple in list(simpler(case))[:3]:
                compile(simple.script(), "<simple>", "exec")
    with pytest.raises((ValueError, TypeError)):
        build(dataclasses.replace(CALM, wrong="stepper = engine.Adam(-1.0)"))


def test_a_campaign_is_counted_and_written(tmp_path):
    records = list(campaign(0, 12, first=5, workers=1))
    assert [record.number for record in records] == list(range(5, 17))
    found = report(0, records, shown=0)
    assert found["problems"] == 12
    assert found["searched"] + sum(bool(record.refused) for record in records) == 12
    assert sum(found["parts"]["depth"].values()) == sum(found["parts"]["models"].values()) == 12
    write(found, 0, tmp_path)
    kept = json.loads((tmp_path / "fuzz.json").read_text())
    assert kept["provenance"]["seed"] == 0
    assert kept["provenance"]["commit"]
    assert kept["broken"] == found["broken"]
    assert "| always an answer | 0 |" in (tmp_path / "fuzz.md").read_text()


def test_failures_of_one_kind_are_told_once_with_a_script():
    broken = (Broken(4, "an answer", "raised E at line 7"), Broken(5, "loss", "1, is 2"))
    records = [
        Record(k, "", broken if k == 3 else broken[:1] if k == 8 else (), 0.1) for k in range(10)
    ]
    found = failures(0, records, most=0)
    assert [(each["check"], each["times"], each["number"]) for each in found] == [
        ("an answer", 2, 3),
        ("loss", 1, 3),
    ]
    compile(found[0]["script"], "<script>", "exec")
    assert "# promise 4, an answer: raised E at line 7" in found[0]["script"]
    assert report(0, records, shown=0)["broken"]["always an answer"] == 2
