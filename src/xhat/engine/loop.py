"""The loop: from starts to a ``Result``, one batch of live candidates at a time."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from xhat.core import (
    check_choice,
    check_count,
    check_tensor,
    evaluation_mode,
    own_randomness,
    restored_buffers,
)
from xhat.engine.answers import ANSWERED, Answers
from xhat.engine.batch import Setup
from xhat.engine.claims import ask_again, certified, settled
from xhat.engine.first_look import Nature, probe_model
from xhat.engine.lagrangian import AugmentedLagrangian
from xhat.engine.problem import Problem
from xhat.engine.result import Result
from xhat.engine.rounds import Rounds
from xhat.engine.run import Progress, Restarts, Run
from xhat.engine.status import Ending, Status
from xhat.engine.steppers import LBFGS, Adam, Stepper
from xhat.engine.stopping import MaxSteps, StopRule

__all__ = ["Compute", "solve"]


@dataclass(frozen=True)
class Compute:
    """How the arithmetic is done; what is found does not depend on it (to float tolerance).

    Attributes:
        chunk: the most candidates in the batch at once; bounds the memory.
        precision: of the search. ``"bfloat16"`` runs the model under autocast; the final loss and
            every claim that a target is reached are recomputed in float32.
        device: where to compute; None for where the starts are. The models must be there already.
        compile: a ``torch.compile`` backend such as ``"inductor"``; None does not compile.

    Raises:
        ValueError: a value is out of range.
    """

    chunk: int = 256
    precision: Literal["float32", "float64", "bfloat16"] = "float32"
    device: str | torch.device | None = None
    compile: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        check_count("chunk", self.chunk)
        check_choice("precision", self.precision, ("float32", "float64", "bfloat16"))
        if self.device is not None:
            _check_device(self.device)
        if self.compile is not None:
            check_choice("compile", self.compile, torch.compiler.list_backends(exclude_tags=()))

    @property
    def dtype(self) -> torch.dtype:
        """The type of search variables and inputs."""
        return torch.float64 if self.precision == "float64" else torch.float32


def solve(
    problem: Problem,
    x0: Tensor,
    *,
    stepper: Stepper | None = None,
    stop: StopRule | tuple[StopRule, ...] = (),
    max_steps: int = 200,
    multipliers: AugmentedLagrangian | None = None,
    restarts: Restarts | None = None,
    seed: int = 0,
    compute: Compute | None = None,
    trace: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Search from every start at once, and return the best of each.

    Args:
        problem: what is wanted. Its torch modules, also those behind methods, closures, partials
            and objects, are put into evaluation mode for the time of the search.
        x0: ``(n, *x_shape)``, the starts.
        stepper: how to step; if None ``Adam()``, or ``LBFGS()`` where constraints are kept by
            multipliers.
        stop: rules that end a candidate's search early. With multipliers, one that claims success
            does so only where the constraints hold, and a ``Plateau`` ends a round.
        max_steps: the step budget of every try, or of every round of multipliers.
        multipliers: how constraints without a projection are kept; ``AugmentedLagrangian()`` if
            None.
        restarts: further tries; None for one try from the start.
        seed: of the restarts' noise, and of what a model draws from torch's global generators,
            which are left as they were.
        compute: chunk size, precision, device.
        trace: record every candidate's ``x`` each ``trace`` steps; 0 for not at all. Costs
            ``max_steps / trace`` times the memory of ``x0``.
        on_progress: called after every step with a ``Progress``, which shows the live candidates.
            An exception that it raises ends the search: models are left as they were, and the
            caller gets the exception.

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

    compute = Compute() if compute is None else compute
    _check_kinds(problem, stepper, restarts, compute, multipliers)
    _check_numbers(seed, trace)
    if on_progress is not None and not callable(on_progress):
        raise TypeError(
            f"on_progress must be callable with a Progress, not {type(on_progress).__name__}."
        )
    x0 = _checked_starts(problem, x0, compute.chunk)
    device = torch.device(compute.device or x0.device)
    _check_models(set(problem.modules()), device, compute)
    modules = tuple({id(module): module for module in problem.hidden_modules()}.values())
    if compute.compile is not None:
        problem = problem.compiled(compute.compile)
    rules = _ordered(stop, max_steps)
    autocast = compute.precision == "bfloat16"
    stepper = stepper or (LBFGS() if problem.general else Adam())
    setup = Setup(problem, stepper, rules, device, compute.dtype, autocast, clock)
    run = Run(setup, x0, restarts, seed, compute.chunk, trace, on_progress)
    with (
        evaluation_mode(*modules),
        restored_buffers(modules),
        own_randomness(seed, device),
        torch.inference_mode(mode=False),
        torch.enable_grad(),
    ):
        try:
            nature = probe_model(setup, x0, compute.chunk)
        except KeyboardInterrupt:
            setup.stopped.set()
            nature = Nature()
        run = replace(run, chunk=1) if nature.mixes else run
        run = run.averaging(_PASSES) if nature.random else run
        how = AugmentedLagrangian() if multipliers is None else multipliers
        answers, agrees = _all_tries(run, how, max_steps)
        if not agrees and not nature.random:  # what looked the same a few times is not
            nature = replace(nature, random=True)
            nature.warn()
            run = run.averaging(_PASSES)
            ask_again(run.setup, answers, torch.arange(len(x0)), run.chunk)
        return _told(run, answers, nature, clock)


_PASSES = 16  # over which a random model's answers are averaged before they count


def _all_tries(run: Run, how: AugmentedLagrangian, max_steps: int) -> tuple[Answers, bool]:
    """Return the best of all tries, each asked about once more, and whether all of it agreed."""
    setup, restarts, agrees = run.setup, run.restarts, True
    search = Rounds(run, how, max_steps) if setup.problem.general else run
    claims = {rule.ending for rule in setup.rules if rule.certain}
    answers, todo = Answers(len(run.x0), run.trace), torch.arange(len(run.x0))
    for number in range(restarts.tries if restarts else 1):
        further = _interruptible(run, lambda: search.once(todo, number), todo)  # noqa: B023
        agrees &= ask_again(setup, further, todo, run.chunk)
        if number == 0:
            answers = further
        else:
            answers.keep_better(further, todo, setup.problem.tolerance)
            answers.cut_short(further, todo)
        todo = answers.unsuccessful(claims)
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
    answers = Answers(len(run.x0), run.trace)
    answers.leave_out(dict.fromkeys(ids.tolist(), Ending(Status.INTERRUPTED)), run.starts)
    return answers


def _told(run: Run, answers: Answers, nature: Nature, clock: Callable[[], float]) -> Result:
    """Return the answers as a result in which nothing contradicts anything."""
    found = {name: answers.columns[name] for name in ANSWERED}
    certificate = certified(run.setup.problem, answers, run.chunk)
    found["violation"] = certificate.worst
    endings = settled(answers, run.setup, certificate)
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
        notes=nature.notes,
        trajectory=answers.trajectory(),
    )


def _check_device(device: str | torch.device) -> None:
    if not isinstance(device, str | torch.device):
        raise TypeError(f"device must be a name such as 'cpu', not {type(device).__name__}.")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter: torch built without it
        said = str(error).splitlines()[0]
        raise ValueError(
            f"device must be one that this machine has, not {device} ({said})."
        ) from error


def _check_kinds(problem: Any, stepper: Any, restarts: Any, compute: Any, multipliers: Any) -> None:
    wanted = {
        "problem": (problem, Problem),
        "stepper": (Adam() if stepper is None else stepper, Stepper),
        "restarts": (Restarts(1, 1.0) if restarts is None else restarts, Restarts),
        "compute": (compute, Compute),
        "multipliers": (
            AugmentedLagrangian() if multipliers is None else multipliers,
            AugmentedLagrangian,
        ),
    }
    for name, (value, kind) in wanted.items():
        if not isinstance(value, kind):
            came = value.__name__ if isinstance(value, type) else type(value).__name__
            raise TypeError(f"{name} must be a {kind.__name__}, not {came}.")


def _check_numbers(seed: Any, trace: Any) -> None:
    for name, value in (("seed", seed), ("trace", trace)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an integer, not {type(value).__name__}.")
    if trace < 0:
        raise ValueError(f"trace must be 0 (never) or a number of steps, but is {trace}.")


def _checked_starts(problem: Problem, x0: Tensor, chunk: int) -> Tensor:
    x0 = check_tensor("the start", x0).detach()
    if x0.ndim < 2:
        raise ValueError(
            f"the start must have one row per candidate, (n, *x_shape), but has shape "
            f"{tuple(x0.shape)}; for one candidate use x0[None]."
        )
    problem.check_count(len(x0))
    dtype = torch.promote_types(x0.dtype, torch.float32)
    for ids in torch.arange(len(x0)).split(chunk):
        problem.select(ids).space.to(x0.device, dtype).check(x0[ids])
    return x0


def _check_models(modules: Collection[nn.Module], device: torch.device, compute: Compute) -> None:
    for module in modules:
        name = type(module).__name__
        for tensor in module.parameters():
            if tensor.device.type != device.type:
                raise ValueError(
                    f"{name} is on {tensor.device} but the search runs on {device}; move the "
                    f"model first, or pass Compute(device=...)."
                )
            wanted = "double" if compute.dtype == torch.float64 else "float"
            if tensor.is_floating_point() and tensor.dtype != compute.dtype:
                raise ValueError(
                    f"{name} has {str(tensor.dtype)[6:]} parameters but precision "
                    f"{compute.precision!r} needs {str(compute.dtype)[6:]}; convert the model "
                    f"by model.{wanted}(), or pass Compute(precision=...)."
                )


def _ordered(stop: StopRule | tuple[StopRule, ...], max_steps: int) -> tuple[StopRule, ...]:
    rules = stop if isinstance(stop, tuple | list) else (stop,)
    for rule in rules:
        if not isinstance(rule, StopRule):
            came = rule.__name__ if isinstance(rule, type) else type(rule).__name__
            raise TypeError(f"stop must hold stop rules such as TargetReached(), not {came}.")
    return tuple(sorted((*rules, MaxSteps(max_steps)), key=lambda rule: not rule.certain))
