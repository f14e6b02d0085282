"""What is checked of one search: every promise of the engine, as far as one search can show it.

The campaign reads the answer by its own formulas (``spaces``, ``conditions``, ``goals``), on
networks of its own that it puts into evaluation mode itself.
"""

import linecache
import re
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

import xhat
from tests.fuzz.beside import again
from tests.fuzz.goals import Reading
from tests.fuzz.problems import FIRST_CALLS, RANDOM, Case
from tests.fuzz.readings import DRAWS, MANY, Answered, answered
from tests.fuzz.searching import Broken, Outcome, Search, searched
from tests.fuzz.state import State
from xhat import engine
from xhat.core import InputWarning, SearchFailedError
from xhat.engine import Result

LIBRARY = str(Path(xhat.__file__).parent)
TOO_LONG = 20.0
SUCCESS = (
    "target reached",
    "loss below the wanted value",
    "constraints hold and the loss no longer falls",
)
AGAIN = "what the search claimed did not hold when asked again: "
DENIED = AGAIN + SUCCESS[0]
VIOLATED = "a constraint is violated beyond the tolerance"
NONE_FOUND = "no feasible point was found"
ZERO = "the gradient is zero"
BUDGETS = ("step budget spent", "evaluation budget spent", "time budget spent")
SENTENCES = re.compile(
    "|".join(
        (
            *SUCCESS,
            *BUDGETS,
            *(AGAIN + success for success in SUCCESS[:2]),
            VIOLATED,
            NONE_FOUND,
            "round budget spent",
            "no more progress",
            r"(loss|gradient) became non-finite at step \d+",
            f"{ZERO}.*",
            "the step is too small.*",
            "interrupted.*",
            r"the model failed( at step \d+)?: .+",
        )
    )
)


def checked(case: Case) -> Outcome:
    """Search, and check everything."""
    begun, outcome = time.process_time(), Outcome(case)
    search = searched(case)
    outcome.broken = [*left_alone(search), *_judged(search, outcome)]
    outcome.seconds = time.process_time() - begun
    if outcome.seconds > TOO_LONG:
        outcome.broken.append(Broken(9, "effort", f"took {outcome.seconds:.0f} processor seconds"))
    return outcome


def left_alone(search: Search) -> Iterator[Broken]:
    """Promises 1 and 8, and no word from inside torch or numpy."""
    for what in search.changed:
        yield Broken(8 if what in State.NAMES else 1, "left as it was", f"{what} was changed")
    for told in search.told:
        if not issubclass(told.category, InputWarning):
            said = str(told.message).splitlines()[0]
            yield Broken(10, "warnings", f"{told.category.__name__}: {said[:150]}")


def _judged(search: Search, outcome: Outcome) -> Iterator[Broken]:
    if search.error is not None:
        yield from refused(search, outcome)
    elif search.case.wrong:
        yield Broken(10, "bad input", f"{search.case.wrong} was taken")
    elif not isinstance(search.result, Result):
        yield Broken(4, "an answer", f"solve returned {type(search.result).__name__}")
    else:
        yield from answer(search, search.result)
        if not one_row_each(search, search.result):
            return
        found = answered(search.case, search.names, search.result)
        yield from claims(search, search.result, found)
        yield from structure(search, search.result, found)
        yield from notes(search, search.result, found)
        yield from effort(search, search.result)
        yield from again(search, search.result)


def refused(search: Search, outcome: Outcome) -> Iterator[Broken]:
    """Promises 4 and 10: what is raised is a refusal, in one sentence, and for a reason."""
    error, case = search.error, search.case
    assert error is not None
    if isinstance(error, KeyboardInterrupt):
        when = case.told or case.at
        if case.told or case.at > FIRST_CALLS:
            yield Broken(4, "an answer", f"Ctrl-C at call {when} lost everything")
        outcome.refused = "Ctrl-C in the first checks"
        return
    outcome.refused = f"{type(error).__name__}: {str(error)[:300]}"
    where = traceback.extract_tb(error.__traceback__)[-1]
    if not isinstance(error, ValueError | TypeError):
        yield Broken(4, "an answer", f"raised {outcome.refused[:200]} ({_place(where)})")
        return
    line = linecache.getline(where.filename, where.lineno or 0).strip()
    if not where.filename.startswith(LIBRARY) or not line.startswith("raise"):
        yield Broken(10, "bad input", f"raw {outcome.refused[:160]} ({_place(where)})")
    elif "\n" in str(error) or not str(error).strip():
        yield Broken(10, "bad input", f"not one sentence: {str(error)[:160]!r}")
    if case.sound and starts_fit(search):
        yield Broken(6, "needlessly refused", outcome.refused[:240])
    if "licence server" in str(error) and case.at > FIRST_CALLS:
        yield Broken(4, "an answer", f"the model failed late: {outcome.refused[:160]}")


def starts_fit(search: Search) -> bool:
    """Whether the starts lie in the space, as the harness sees it."""
    if "x0" not in search.names:
        return False
    return bool((begun(search).off(start=True) < 1e-6).all())


def begun(search: Search) -> Answered:
    """Look at the starts."""
    z = search.result.z if search.result is not None else None
    return Answered.of(search.case, search.names, search.names["x0"].double(), z)


def _place(where: traceback.FrameSummary) -> str:
    return f"{Path(where.filename).name}:{where.lineno}"


def answer(search: Search, result: Result) -> Iterator[Broken]:
    """Promises 3 and 4: an answer for everybody, in the caller's order, with a sentence."""
    case, x0 = search.case, search.names["begin"]
    if not one_row_each(search, result):
        yield Broken(4, "an answer", "not one row per candidate")
        return
    if not torch.equal(result.x0, x0):
        yield Broken(3, "order", "x0 is not what was given")
    if not bool(result.x.isfinite().all()):
        yield Broken(4, "an answer", "x is not finite")
    for status in dict.fromkeys(result.sentences):
        if not SENTENCES.fullmatch(status):
            yield Broken(4, "an answer", f"an unknown status: {status!r}")
    interrupts = case.model == "interrupted" or case.told
    if not interrupts and any(s.startswith("interrupted") for s in result.sentences):
        yield Broken(4, "an answer", "interrupted, but nobody did")
    tries = search.names["options"]["restarts"]
    budget = case.steps * (tries.tries if tries else 1) * (2 * case.rounds if case.general else 1)
    if int(result.steps.max()) > budget:
        yield Broken(3, "budget", f"{int(result.steps.max())} steps of {budget}")
    if result.trajectory is not None:
        yield from trajectory(search, result)


def one_row_each(search: Search, result: Result) -> bool:
    """Whether every candidate has a row in everything."""
    x0 = search.names["begin"]
    each = (result.z, result.loss, result.reached, result.feasible, result.steps, result.status)
    return result.x.shape == x0.shape and all(len(rows) == len(x0) for rows in each)


def trajectory(search: Search, result: Result) -> Iterator[Broken]:
    """The frames end with the answer, which is no worse than where the search began."""
    path, case = result.trajectory, search.case
    assert path is not None
    if not torch.equal(path.x[-1], result.x):
        yield Broken(4, "trajectory", "its last frame is not x")
    plain = case.model in ("plain", "method") and case.precision != "bfloat16"
    if not plain or case.conditions or search.names["options"]["restarts"]:
        return
    begun, ended = path.loss[0].double(), result.loss.double()
    free = torch.tensor([status not in SUCCESS for status in result.status])
    worse = free & (ended > begun + 1e-4 * (1 + begun.abs()))
    if bool(worse.any()):
        i = int(worse.nonzero()[0])
        yield Broken(4, "best so far", f"loss {float(ended[i]):.5g}, from {float(begun[i]):.5g}")


def claims(search: Search, result: Result, found: Answered) -> Iterator[Broken]:
    """Promise 5: what is claimed holds when asked again, and nothing contradicts."""
    case, claim = search.case, result.feasible
    for i, status in enumerate(result.sentences):
        feasible, reached = bool(claim[i]), bool(result.reached[i])
        wrong = (
            (status in SUCCESS and not feasible)
            or (status == SUCCESS[0] and not reached)
            or (status == DENIED and reached)
            or (status in (VIOLATED, NONE_FOUND) and feasible)
        )
        if wrong:
            yield Broken(5, "contradiction", f"{status}, feasible {feasible}, reached {reached}")
    beyond, off = found.beyond(), found.off()
    slack = found.rounding()
    false = claim & ~(beyond <= 3 * case.tolerance + slack)
    if bool(false.any()):
        i = int(false.nonzero()[0])
        yield Broken(5, "feasible", f"claimed, but a constraint is off by {float(beyond[i]):.3g}")
    denied = ~claim & (torch.maximum(beyond, off) + slack <= case.tolerance) & found.settled
    if bool(denied.any()):
        i = int(denied.nonzero()[0])
        yield Broken(5, "feasible", f"denied, but nothing is off: {result.status[i]}")
    told = list(disagreements(search, result, found, DRAWS))
    if told and case.model in RANDOM:  # a few draws of a loss that is mostly clipped mislead
        told = list(disagreements(search, result, found, MANY))
    yield from told
    fine = claim & result.loss.isfinite() & (result.reached | (not result.targeted))
    fine &= torch.tensor([not s.startswith(("interrupted", "the model")) for s in result.sentences])
    try:
        result.raise_if_failed()
        raised = False
    except SearchFailedError:
        raised = True
    if raised == bool(fine.all()):
        yield Broken(5, "raise_if_failed", f"raised {raised}, fine {fine.tolist()}")


def disagreements(search: Search, result: Result, found: Answered, count: int) -> Iterator[Broken]:
    """Loss, confidence and ``reached`` against the campaign's own reading of ``x``."""
    case, (read, spread) = search.case, found.read(count)
    size = found.logits().abs().amax(dim=1).nan_to_num(0.0)
    draws = 0.4 if case.model in RANDOM else 0.0  # of a standard deviation: 16 draws, and ours
    lost = case.model in ("late", "interrupted") or bool(case.told)
    unseen = result.evaluations == 0  # the time was up before it was its turn
    low = 0.05 if lost and case.precision == "bfloat16" else 1e-3  # nobody could ask again

    def off(name: str, got: Tensor, wanted: Tensor, near: Tensor) -> Iterator[Broken]:
        same = (got.double() - wanted).abs() <= near
        same |= got.isnan() & (wanted.isnan() | torch.tensor(lost) | unseen)
        same |= found.brink() & (got.isnan() | wanted.isnan())
        if not bool(same.all()):
            i = int((~same).nonzero()[0])
            yield Broken(
                5, name, f"{float(got[i]):.6g}, is {float(wanted[i]):.6g} ({result.status[i]})"
            )

    near = low * (1 + read.loss.abs()) + 2e-5 * size + 5 * draws * spread.loss
    yield from off("loss", result.loss, read.loss, near)
    if read.confidence is not None and spread.confidence is not None:
        rare = (
            0.1 if case.model in RANDOM else 0.0
        )  # a few draws in a hundred are far from all others
        near = rare + 2 * low + 1e-6 * size + 5 * draws * spread.confidence
        yield from off("confidence", result.confidence, read.confidence, near)
    if read.clear is not None and spread.clear is not None:
        near = 1e-4 * (1 + size) + 5 * draws * spread.clear
        yield from reached(search, result, (read, spread), near)


def reached(
    search: Search, result: Result, readings: tuple[Reading, Reading], near: Tensor
) -> Iterator[Broken]:
    """Whether the target is reached, where that is clear."""
    (read, spread), rules = readings, search.names["options"]["stop"]
    assert read.clear is not None
    least = [r.confidence or 0.0 for r in rules if isinstance(r, engine.TargetReached)]
    yes, no = read.clear > near, ~(read.clear >= -near)
    if least and read.confidence is not None and spread.confidence is not None:
        slack = 2e-3 + 2 * spread.confidence
        yes &= read.confidence > min(least) + slack
        no |= read.confidence < min(least) - slack
    for i in ((yes & ~result.reached) | (no & result.reached)).nonzero()[:, 0].tolist():
        lost = search.case.model in ("late", "interrupted") or search.case.told
        lost = lost or int(result.evaluations[i]) == 0
        if bool(result.reached[i]) or not lost:
            claim = "claimed" if bool(result.reached[i]) else "denied"
            sure = (
                "" if read.confidence is None else f", confidence {float(read.confidence[i]):.3g}"
            )
            what = f"{claim}, but it leads by {float(read.clear[i]):.3g}{sure}"
            yield Broken(5, "reached", f"{what} ({result.status[i]})")


def structure(search: Search, result: Result, found: Answered) -> Iterator[Broken]:
    """Promise 6: the space, and every space in it, holds of what is returned."""
    if not starts_fit(search):
        return  # where a start does not lie in the space, there may be no way into it
    still = (result.x == result.x0.to(result.x)).flatten(1).all(dim=1)
    waiting = still & torch.tensor([s.startswith("interrupted") for s in result.sentences])
    for kind, off in found.layers():
        bad = ~(off <= found.rounding() + 1e-5) & ~waiting
        honest = kind == "HeldByFunction" or "HeldByFunction" in search.case.kinds
        if bool((bad & (result.feasible | (not honest))).any()):
            i = int(bad.nonzero()[0])
            spaces = "(".join(search.case.kinds) + ")" * (len(search.case.kinds) - 1)
            said = "feasible" if bool(result.feasible[i]) else "infeasible"
            yield Broken(
                6, "structure", f"{kind} of {spaces} is off by {float(off[i]):.3g}, {said}"
            )


def notes(search: Search, result: Result, found: Answered) -> Iterator[Broken]:
    """Promise 7: a search that cannot work says so."""
    case = search.case
    said = " ".join(getattr(result, "notes", ()))
    told = [str(w.message) for w in search.told]
    read, spread = found.read()
    differs = bool((spread.loss > 5e-3 * (1 + read.loss.abs())).any())
    crowded = case.model == "across" and min(len(result), case.chunk) > 1
    # where the objective says the same whoever is beside, there is nothing to notice
    if differs or (crowded and (found.crowded() or begun(search).crowded())):
        word = "differently|random" if case.model in RANDOM else "another|batch"
        if not re.search(word, said):
            yield Broken(7, "notes", f"nothing said of a model that is {case.model}")
        elif not any(re.search(word, one) for one in told):
            yield Broken(7, "notes", f"no warning of a model that is {case.model}")
    if case.model in ("plain", "method") and re.search("differently|another", said):
        yield Broken(7, "notes", f"a false alarm: {said[:150]}")
    dead = case.model in ("dead", "rounding") and all(goal.models for goal in case.goals)
    if dead and not case.conditions and not case.told:
        fair = (ZERO, *SUCCESS, VIOLATED, *BUDGETS[1:])
        for i, status in enumerate(result.sentences):
            if not status.startswith(fair) or int(result.steps[i]) > 2:
                yield Broken(7, "zero gradient", f"{status!r} after {int(result.steps[i])} steps")
                return


def effort(search: Search, result: Result) -> Iterator[Broken]:
    """Promises 3 and 9: batches within the chunk, and no work for who has finished."""
    case, net = search.case, search.names["net"]
    if any(part.kind == "Network" for part in case.conditions):
        return
    if net.most > max(case.chunk, 2):
        yield Broken(9, "memory", f"a batch of {net.most} with chunk {case.chunk}")
    calm = case.model in ("plain", "method", "training") and not case.conditions
    if not calm or case.told:
        return
    passes = sum(goal.models for goal in case.goals)
    spent = passes * (int(result.evaluations.sum()) + 3 * len(result) + 24)
    if net.rows > spent:
        yield Broken(3, "effort", f"{net.rows} rows shown, {spent} accounted for")
