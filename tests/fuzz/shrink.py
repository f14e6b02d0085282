"""A failure made small: the same broken promise with fewer candidates, features and parts."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.fuzz.problems import CALL, TAIL, Case
from tests.fuzz.promises import checked
from tests.fuzz.searching import Broken, Outcome

_TRIES = 60
SIMPLE = {
    "stop": (),
    "restarts": "None",
    "trace": 0,
    "told": 0,
    "off": False,
    "model": "plain",
    "precision": "float32",
    "dtype": "float32",
    "tolerance": 1e-5,
    "stepper": "engine.GradientDescent(0.1)",
    "chunk": 256,
}


def shrunk(
    outcome: Outcome, check: Callable[[Case], Outcome] = checked, tries: int = _TRIES
) -> Outcome:
    """The smallest case found in which the first broken promise is still broken in the same check.

    Every simplification that keeps the failure is kept, until none is left.
    """
    kind, smallest = outcome.broken[0].kind, outcome
    while tries > 0:
        for case in simpler(smallest.case):
            tries -= 1
            found = check(case)
            same = [broken for broken in found.broken if broken.kind == kind]
            if same:
                smallest = replace_broken(found, same)
                break
            if tries <= 0:
                break
        else:
            break
    return smallest


def replace_broken(outcome: Outcome, broken: list[Broken]) -> Outcome:
    """The outcome with some of its broken promises."""
    return Outcome(outcome.case, broken, outcome.refused, outcome.seconds)


def simpler(case: Case) -> Iterator[Case]:
    """Cases that are simpler in one way, the largest steps first."""
    for count in (1, 2, case.n // 2, case.n - 1):
        if 0 < count < case.n:
            yield replace(case, n=count)
    for name, plain in SIMPLE.items():
        if getattr(case, name) != plain and (name != "model" or not case.at or not case.told):
            yield replace(case, **{name: plain})
    for i in range(len(case.conditions)):
        yield replace(case, conditions=case.conditions[:i] + case.conditions[i + 1 :])
    if len(case.terms) > 1:
        for i in range(len(case.terms)):
            yield replace(case, terms=case.terms[:i] + case.terms[i + 1 :])
    if len(case.space) > 1:
        for i in range(len(case.space)):
            yield replace(case, space=case.space[:i] + case.space[i + 1 :])
    if len(case.stop) > 1:
        for i in range(len(case.stop)):
            yield replace(case, stop=case.stop[:i] + case.stop[i + 1 :])
    for shape in smaller(case.shape):
        yield replace(case, shape=shape)
    for steps in (1, case.steps // 2, case.steps - 1):
        if 0 < steps < case.steps:
            yield replace(case, steps=steps)
    if case.rounds > 1:
        yield replace(case, rounds=1)


def smaller(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Shapes with as many axes, and fewer features."""
    least = 1 if len(shape) < 3 else 4
    for axis, size in enumerate(shape):
        for fewer in dict.fromkeys((2, size // 2, size - 1)):
            if least < fewer < size or (len(shape) < 3 and 1 < fewer < size):
                yield (*shape[:axis], fewer, *shape[axis + 1 :])


def script(outcome: Outcome) -> str:
    """What to run to see it, from the root of the repository."""
    said = "".join(f"# {broken}\n" for broken in outcome.broken)
    return f"# problem {outcome.case.name}\n{said}{outcome.case.script()}{CALL}{TAIL}"
