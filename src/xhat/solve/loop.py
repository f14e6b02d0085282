"""The loop: from starts to a ``Result``, one batch of live candidates at a time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from xhat.core import (
    candidate_noise,
    check_choice,
    check_count,
    check_positive,
    check_tensor,
    evaluation_mode,
)
from xhat.problem import Problem
from xhat.result import Result
from xhat.solve.answers import Answers
from xhat.solve.batch import LiveBatch, Setup
from xhat.solve.steppers import Adam, Stepper
from xhat.solve.stopping import MaxSeconds, MaxSteps, StopRule

__all__ = ["Compute", "Progress", "Restarts", "solve"]


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


@dataclass(frozen=True)
class Restarts:
    """Further tries, from random points around the start, for candidates that have not succeeded.

    Of all tries of a candidate, a feasible one is kept over one that is not, then one that reached
    the target over one that did not, then the lower loss. Budgets count for each try.

    Attributes:
        tries: how many, the first included.
        radius: of the uniform noise added to the start, in the unit of ``x``.
        from_start: whether the first try begins at the start itself.
    """

    tries: int
    radius: float
    from_start: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        check_count("tries", self.tries)
        check_positive("radius", self.radius)


@dataclass(frozen=True)
class Progress:
    """How far a search is: ``done`` of ``total`` candidates, after ``seconds``."""

    done: int
    total: int
    seconds: float


def solve(
    problem: Problem,
    x0: Tensor,
    *,
    stepper: Stepper | None = None,
    stop: StopRule | tuple[StopRule, ...] = (),
    max_steps: int = 200,
    restarts: Restarts | None = None,
    seed: int = 0,
    compute: Compute | None = None,
    trace: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Search from every start at once, and return the best of each.

    Args:
        problem: what is wanted. Its torch modules (also behind a bound method) are put into
            evaluation mode for the time of the search; those hidden in a closure are the caller's.
        x0: ``(n, *x_shape)``, the starts.
        stepper: how to step; ``Adam()`` if None.
        stop: rules that end a candidate's search early.
        max_steps: the step budget of every try.
        restarts: further tries; None for one try from the start.
        seed: of the restarts' noise, the only randomness.
        compute: chunk size, precision, device.
        trace: record every candidate's ``x`` each ``trace`` steps; 0 for not at all. Costs
            ``max_steps / trace`` times the memory of ``x0``.
        on_progress: called after every step with a ``Progress``.

    Returns:
        A ``Result``, always: numerical misfortune of a candidate is told in its ``status``.

    Raises:
        TypeError: a part is of the wrong kind, or cannot be differentiated.
        ValueError: shapes, ranges, or numbers do not fit together.

    Example:
        >>> from xhat.solve import LossBelow
        >>> from xhat.spaces import Box
        >>> bowl = Problem(lambda x: (x - 0.3).square().sum(dim=1), Box(0, 1))
        >>> result = solve(bowl, torch.zeros(2, 3), stop=LossBelow(1e-6))
        >>> result.status[0], bool((result.x - 0.3).abs().max() < 1e-3)
        ('loss below the wanted value', True)
    """
    started = time.perf_counter()

    def clock() -> float:
        return time.perf_counter() - started

    compute = compute or Compute()
    _check_kinds(problem, stepper, restarts, compute)
    _check_numbers(seed, trace)
    x0 = _checked_starts(problem, x0, compute.chunk)
    modules = tuple({id(module): module for module in problem.modules()}.values())
    device = torch.device(compute.device or x0.device)
    _check_models(modules, device, compute)
    if compute.compile is not None:
        problem = problem.compiled(compute.compile)
    rules = _ordered(stop, max_steps)
    autocast = compute.precision == "bfloat16"
    setup = Setup(problem, stepper or Adam(), rules, device, compute.dtype, autocast, clock)
    run = _Run(setup, x0, restarts, seed, compute.chunk, trace, on_progress)
    with evaluation_mode(*modules), torch.inference_mode(mode=False), torch.enable_grad():
        run.check()
        answers = run.once(torch.arange(len(x0)), 0)
        for number in range(1, restarts.tries if restarts else 1):
            todo = answers.unsuccessful({rule.sentence for rule in rules if rule.certain})
            if len(todo):
                answers.keep_better(run.once(todo, number), todo, problem.tolerance)
    return answers.result(problem, x0, seed, clock())


@dataclass(frozen=True)
class _Run:
    """All that one pass over the candidates needs."""

    setup: Setup
    x0: Tensor
    restarts: Restarts | None
    seed: int
    chunk: int
    trace: int
    on_progress: Callable[[Progress], None] | None

    def check(self) -> None:
        """Try the problem on the first candidate."""
        device, dtype = self.setup.device, self.setup.dtype
        self.setup.problem.to(device, dtype).check(self.x0[:1].to(device, dtype))

    def once(self, ids: Tensor, number: int) -> Answers:
        """Return the answers of one try of the candidates ``ids``."""
        answers = Answers(len(self.x0), self.trace)
        batch = LiveBatch(self.setup, answers)
        waiting, total = ids, len(self.x0)
        while len(waiting) or len(batch):
            room = self.chunk - len(batch)
            entering, waiting = waiting[:room], waiting[room:]
            if len(entering):
                x0 = self.x0[entering]
                if self._time_is_up():
                    LiveBatch(self.setup, answers).leave_waiting(entering, x0, MaxSeconds.sentence)
                else:
                    batch.admit(entering, x0, self._noise(x0, number))
            if len(batch):
                batch.advance()
            if self.on_progress is not None:
                done = total - len(waiting) - len(batch)
                self.on_progress(Progress(done, total, self.setup.clock()))
        return answers

    def _noise(self, x0: Tensor, number: int) -> Tensor | None:
        if self.restarts is None or (number == 0 and self.restarts.from_start):
            return None
        return self.restarts.radius * candidate_noise(x0, self.seed, "restart", number)

    def _time_is_up(self) -> bool:
        limits = [rule.seconds for rule in self.setup.rules if isinstance(rule, MaxSeconds)]
        return bool(limits) and self.setup.clock() >= min(limits)


def _check_device(device: str | torch.device) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter: torch built without it
        said = str(error).splitlines()[0]
        raise ValueError(
            f"device must be one that this machine has, not {device} ({said})."
        ) from error


def _check_kinds(problem: Any, stepper: Any, restarts: Any, compute: Any) -> None:
    wanted = {
        "problem": (problem, Problem),
        "stepper": (stepper or Adam(), Stepper),
        "restarts": (restarts or Restarts(1, 1.0), Restarts),
        "compute": (compute, Compute),
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


def _check_models(modules: tuple[nn.Module, ...], device: torch.device, compute: Compute) -> None:
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
