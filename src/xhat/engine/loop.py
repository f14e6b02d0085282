"""The loop: from starts to a ``Result``, one batch of live candidates at a time."""

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from xhat.core import (
    InputWarning,
    Layout,
    Parts,
    check_kind,
    check_tensor,
    evaluation_mode,
    own_randomness,
    restored_buffers,
)
from xhat.engine.answers import ANSWERED, Answers
from xhat.engine.choosing import falls_back, suited
from xhat.engine.claims import ask_again, certified, settled
from xhat.engine.compute import Compute, check_models, hooked, rounding
from xhat.engine.first_look import Nature, gains_by_half, probe_model
from xhat.engine.keeping import Keeping
from xhat.engine.neighbours import Neighbours
from xhat.engine.problem import Problem
from xhat.engine.result import Result
from xhat.engine.run import Restarts, Run, Watch
from xhat.engine.setup import Setup
from xhat.engine.shards import How, solve_in_shards
from xhat.engine.slopes import FLAT
from xhat.engine.status import Ending, Status
from xhat.engine.steppers import Stepper
from xhat.engine.stopping import MaxSteps, StopRule

__all__ = ["solve"]


def solve(
    problem: Problem,
    x0: Tensor | Parts,
    *,
    stepper: Stepper | None = None,
    stop: StopRule | tuple[StopRule, ...] = (),
    max_steps: int = 200,
    restarts: Restarts | None = None,
    compute: Compute | None = None,
    watch: Watch | None = None,
) -> Result:
    """Search from every start at once, and return the best of each.

    Args:
        problem: what is wanted. Its torch modules, also those behind methods, closures, partials
            and objects, are put into evaluation mode for the time of the search.
        x0: ``(n, *x_shape)``, the starts; or several parts of them, in a dict or a tuple, each
            ``(n, ...)``. Parts are searched side by side, as one tensor ``(n, d)``. Those of a dict
            are passed to models by name (or as one dict, where a model has no such parameters),
            those of a tuple one after the other. ``Result.parts`` gives them back.
        stepper: how to step; None for what suits the problem, which the result's ``stepper`` says:
            ``SQP()`` where constraints are not kept by projection; ``LBFGS()``, until nothing falls
            any more, where up to 100 entries of ``z`` in a smooth space are moved towards no target
            that ends the search; else ``Adam()``. An ``AugmentedLagrangian`` around another stepper
            keeps constraints by multipliers; ``AugmentedLagrangian(stepper)`` is what a plain one
            means there.
        stop: rules that end a candidate's search early. With multipliers, one that claims success
            does so only where the constraints hold, and a ``Plateau`` ends a round.
        max_steps: the step budget of every try, or of every round of multipliers. Where a space is
            countable (``Rounded``, ``OneHot``, ``Sparse``), the neighbours of what was found are
            tried next, with ten times as many passes at most.
        restarts: further tries; None for one try from the start.
        compute: chunk size, precision, device, seed; and where, on how many workers.
        watch: what is recorded and told as the search goes on; None for nothing.

    Returns:
        A ``Result``, always. Numerical misfortune of a candidate, a model that raises for it, or
        Ctrl-C are told in its ``status``; what was best until then is the answer. A model that
        answers differently each time, or lets a candidate change another, is told in ``notes``.

    Warns:
        InputWarning: a model is in training mode, random, or mixes candidates.

    Raises:
        TypeError: a part is of the wrong kind, or cannot be differentiated.
        ValueError: shapes, ranges, or numbers do not fit together.

    Example:
        >>> from xhat.engine import LossBelow
        >>> from xhat.spaces import Box
        >>> bowl = Problem(lambda x: (x - 0.3).square().sum(dim=1), Box(0, 1))
        >>> result = solve(bowl, torch.zeros(2, 3), stop=LossBelow(1e-6))
        >>> result.status[0], bool((result.x - 0.3).abs().max() < 1e-3)
        ('loss below the wanted value', True)
    """
    started = time.perf_counter()

    def clock() -> float:
        return time.perf_counter() - started

    check_kind("problem", problem, Problem)
    if stepper is not None:
        check_kind("stepper", stepper, Stepper)
    compute, watch = Compute.of(compute), Watch() if watch is None else watch
    check_kind("watch", watch, Watch)
    if compute.divided:
        how = How(stepper, stop, max_steps, restarts, compute, watch.trace)
        return solve_in_shards(problem, x0, how, watch.on_progress)
    if restarts is not None:
        check_kind("restarts", restarts, Restarts)
    layout = Layout.of(x0) if Layout.meant(x0) else None
    if layout is not None:
        problem, x0 = problem.laid_out(layout), layout.pack(x0)
    if stepper is None or stepper.open:
        problem = replace(problem, space=problem.space.in_ranges())
    x0 = _checked_starts(problem, x0)  # pyright: ignore[reportArgumentType]
    device = torch.device(compute.device or x0.device)
    check_models(set(problem.modules()), device)
    modules = tuple({id(module): module for module in problem.hidden_modules()}.values())
    if compute.compile is not None:
        problem = problem.compiled(compute.compile)
    rules, chosen = _ordered(stop, max_steps), stepper is None
    if stepper is None:
        stepper, rules = suited(problem, x0, rules)
    autocast = compute.precision == "bfloat16"
    setup = Setup(
        problem,
        stepper,
        rules,
        device,
        compute.dtype,
        autocast,
        clock,
        rounding=rounding(modules),
        every=compute.steps_unseen(device),
        plain=compute.compile is None and not hooked(modules),
    )
    run = Run(setup, x0, restarts, compute.seed, compute.chunk or len(x0), watch)
    with (
        evaluation_mode(*modules),
        restored_buffers(modules),
        own_randomness(compute.seed, device),
        torch.inference_mode(mode=False),
        torch.enable_grad(),
    ):
        try:
            nature = probe_model(setup, x0, compute.chunk or len(x0), max_steps)
        except KeyboardInterrupt:
            setup.stopped.set()
            nature = Nature()
        run = replace(run, setup=falls_back(setup, nature)) if chosen else run
        run = run.settled(nature.weight)
        chunk = compute.chosen_chunk(nature.weight, device)
        run = replace(run, chunk=1 if nature.mixes else chunk)
        if compute.precision == "auto" and not (nature.random or nature.mixes):
            autocast = gains_by_half(run.setup, x0, nature.weight)
            run = replace(run, setup=replace(run.setup, autocast=autocast))
        run = run.averaging(_PASSES) if nature.random else run
        answers, agrees = _all_tries(run, max_steps)
        if not agrees and not nature.random:  # what looked the same a few times is not
            nature = replace(nature, random=True)
            nature.warn()
            run = run.averaging(_PASSES)
            ask_again(run.setup, answers, torch.arange(len(x0)), run.chunk)
        return replace(_told(run, answers, nature, clock), layout=layout)


_STARTS = 1024  # that are checked together
_PASSES = 16  # over which a random model's answers are averaged before they count


def _all_tries(run: Run, max_steps: int) -> tuple[Answers, bool]:
    """Return the best of all tries, each asked about once more, and whether all of it agreed."""
    setup, restarts, agrees = run.setup, run.restarts, True
    search = Keeping(run, max_steps) if setup.problem.general else run
    claims = {rule.ending for rule in setup.rules if rule.certain}
    answers, todo = Answers(len(run.x0), run.watch.trace), torch.arange(len(run.x0))
    for number in range(restarts.tries if restarts else 1):
        further = _interruptible(run, lambda: search.once(todo, number), todo)  # noqa: B023
        if not setup.stopped.is_set():
            Neighbours(run, max_steps).improve(further, todo)
        agrees &= ask_again(setup, further, todo, run.chunk)
        if number == 0:
            answers = further
        else:
            answers.keep_better(further, todo, setup.problem.tolerance)
            answers.cut_short(further, todo)
        todo = answers.unsuccessful(claims)
        status = answers.status  # a list that is made each time
        todo = todo[[status[i] is not Status.BEST_OF_ALL for i in todo.tolist()]]
        if not len(todo) or setup.stopped.is_set():
            break
    return answers, agrees or setup.passes > 1


def _interruptible(run: Run, once: Callable[[], Answers], ids: Tensor) -> Answers:
    """Return the answers of one try; of an interrupted one before its first step, the starts."""
    if not run.setup.stopped.is_set():
        try:
            return once()
        except KeyboardInterrupt:
            run.setup.stopped.set()
    answers = Answers(len(run.x0), run.watch.trace)
    answers.leave_out(dict.fromkeys(ids.tolist(), Ending(Status.INTERRUPTED)), run.starts)
    return answers


def _told(run: Run, answers: Answers, nature: Nature, clock: Callable[[], float]) -> Result:
    """Return the answers as a result in which nothing contradicts anything."""
    found: dict[str, Any] = {name: answers.columns[name] for name in ANSWERED}
    certificate = certified(run.setup.problem, answers, run.chunk)
    endings = settled(answers, run.setup, certificate)
    flat = [
        i for i, ending in enumerate(endings) if ending.status in (Status.FLAT_START, Status.FLAT)
    ]
    if answers.targeted and not bool(answers.columns["reached"][flat].all()):
        run.setup.noticed.further.append(FLAT)
    for note in run.setup.noticed.warnings:
        warnings.warn(f"{note}.", InputWarning, stacklevel=3)
    found["violation"] = certificate.worst
    return Result(
        x0=run.x0.cpu(),  # where all columns are
        **found,
        feasible=certificate.feasible,
        certificate=certificate,
        status=tuple(ending.status for ending in endings),
        details=tuple(ending.detail for ending in endings),
        targeted=answers.targeted,
        seed=run.seed,
        seconds=clock(),
        stepper=repr(run.setup.stepper),
        notes=(*nature.notes, *run.setup.noticed.notes),
        trajectory=answers.trajectory(),
    )


def _checked_starts(problem: Problem, x0: Tensor) -> Tensor:
    if isinstance(x0, Tensor) and x0.is_complex():
        raise TypeError(
            "the start is complex, but what is searched must be real: search real and imaginary "
            "parts, start = torch.view_as_real(x), and let the model take "
            "torch.view_as_complex(x)."
        )
    x0 = check_tensor("the start", x0).detach()
    if x0.ndim < 2:
        raise ValueError(
            f"the start must have one row per candidate, (n, *x_shape), but has shape "
            f"{tuple(x0.shape)}; for one candidate use x0[None]."
        )
    problem.check_count(len(x0))
    dtype = torch.promote_types(x0.dtype, torch.float32)
    for ids in torch.arange(len(x0)).split(_STARTS):
        problem.select(ids).space.to(x0.device, dtype).check(x0[ids])
    return x0


def _ordered(stop: StopRule | tuple[StopRule, ...], max_steps: int) -> tuple[StopRule, ...]:
    rules = stop if isinstance(stop, tuple | list) else (stop,)
    for rule in rules:
        if not isinstance(rule, StopRule):
            came = rule.__name__ if isinstance(rule, type) else type(rule).__name__
            raise TypeError(f"stop must hold stop rules such as TargetReached(), not {came}.")
    return tuple(sorted((*rules, MaxSteps(max_steps)), key=lambda rule: not rule.certain))
