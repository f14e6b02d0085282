"""The engine on a GPU: the same answers as on the processor, and what a step costs there.

Three tables in one run of a few minutes:
- every space with every objective and stepper of the laws' registry, and every constraint, searched
  on the processor and on the device in double precision: how far the answers are apart;
- the time of a step against the model's own forward and backward pass to the input;
- how often a step makes the host wait for the device (torch's own debug mode tells).

``python benchmarks/gpu.py`` needs a CUDA device. ``--device cpu`` runs the same script without one,
to see that it works; it leaves no result file.
"""

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from record import provenance, table, write
from torch import Tensor, nn

from tests.laws.problems import TRIPLES, make_problem
from tests.laws.registry import CONSTRAINTS, STEPPERS, ConvNet, Entry, targets
from xhat import Problem, solve
from xhat.engine import Compute, Result
from xhat.objectives import CrossEntropy, Match
from xhat.spaces import Box

N, STEPS = 3, 4
FEW, MANY, REPEATS = 20, 120, 5  # steps of a short and of a long search, and how often
SAME = 1e-6  # by which answers in double precision may differ after a few steps
SEED = 0
WAITS = "called a synchronizing"  # how torch begins to say that the host waited


def main() -> None:
    """Try, time, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda", help="such as cuda:1; cpu tries the script")
    parser.add_argument("--every", type=int, default=1, help="try every k-th combination only")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("no CUDA device is at hand here; --device cpu runs the same script without.")
    agreement = {"combinations": combinations(device, chosen.every), "constraints": kept(device)}
    speed = [step(name, *case, device) for name, case in cases(device).items()]
    text = told(agreement, speed)
    if device.type != "cuda":
        print(text)
        return
    source = provenance(SEED, ("xhat", "torch"))
    source["hardware"]["gpu"] = card = torch.cuda.get_device_name(device)
    record = {"provenance": source, "agreement": agreement, "speed": speed}
    write("gpu", record, f"On one {card}.\n\n{text}")


def combinations(device: torch.device, every: int) -> dict[str, Any]:
    """Search with every space, objective and stepper on both, and compare.

    Where a space rounds, an error of rounding may tip a feature over; what counts there is that
    the claims hold, which every result has checked again.
    """
    apart, jumped = {}, 0
    for space, objective, stepper in TRIPLES[::every]:

        def problem(space: Entry = space, objective: Entry = objective) -> Problem:
            return make_problem(space, objective)

        far = distance(problem, space.starts(N), stepper, device)
        jumped += space.jumps
        if not space.jumps:
            apart[f"{space}-{objective}-{stepper}"] = far
    return summary(apart) | {"of spaces that round, only run": jumped}


def kept(device: torch.device) -> dict[str, Any]:
    """Search under every constraint on both, and compare."""
    apart = {}
    for number, entry in enumerate(CONSTRAINTS):

        def problem(entry: Entry = entry) -> Problem:
            return Problem(CrossEntropy(ConvNet(), targets(N)), Box(), entry.make(N))

        stepper = STEPPERS[number % len(STEPPERS)]
        apart[f"{entry}-{stepper}"] = distance(problem, entry.starts(N), stepper, device)
    return summary(apart)


def distance(
    make: Callable[[], Problem], x0: Tensor, stepper: Entry, device: torch.device
) -> float:
    """Return how far the answers on the device are from those on the processor."""
    here, there = (
        searched(make(), x0, stepper.make(N), STEPS, where)
        for where in (torch.device("cpu"), device)
    )
    return float((here.x.cpu() - there.x.cpu()).abs().max())


def searched(
    problem: Problem, x0: Tensor, stepper: Any, steps: int, device: torch.device
) -> Result:
    """Return what a search in double precision finds on a device."""
    for module in problem.hidden_modules():
        module.to(device, torch.float64)
    compute = Compute(precision="float64", device=device)
    return solve(problem, x0.double(), stepper=stepper, max_steps=steps, compute=compute)


def summary(apart: dict[str, float]) -> dict[str, Any]:
    """Return how many were tried, how many agree, and by how much the others do not."""
    wrong = {name: far for name, far in apart.items() if not far <= SAME}
    return {"tried": len(apart), "the same": len(apart) - len(wrong), "not": wrong}


def cases(device: torch.device) -> dict[str, tuple[nn.Module, int, tuple[int, ...]]]:
    """Return models with how many candidates of which shape they are asked for at once."""
    torch.manual_seed(SEED)
    small, images, large = perceptron(), convolutions(1, 28), convolutions(3, 224)
    for model in (small, images, large):
        model.to(device).eval()
    found = {
        "perceptron 8-64-64-1": (small, 1, (8,)),
        "the same, many": (small, 10_000, (8,)),
        "convolutions, 1 x 28 x 28": (images, 256, (1, 28, 28)),
        "the same, many ": (images, 4096, (1, 28, 28)),
        "convolutions, 3 x 224 x 224": (large, 32, (3, 224, 224)),
    }
    return found if device.type == "cuda" else {name: found[name] for name in list(found)[:3]}


def perceptron() -> nn.Module:
    """Return a surrogate of eight numbers."""
    return nn.Sequential(
        nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
    )


def convolutions(channels: int, size: int) -> nn.Module:
    """A plain network that halves the picture three times."""
    widths, layers = [channels, 32, 64, 128], list[nn.Module]()
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(2048, 10))


def step(
    name: str, model: nn.Module, n: int, shape: tuple[int, ...], device: torch.device
) -> dict[str, Any]:
    """Return what a step costs: the difference between a long search and a short one."""
    x0 = torch.rand(n, *shape, generator=torch.Generator().manual_seed(SEED)).to(device)
    with torch.no_grad():
        outputs = model(x0[:1]).shape[1]
    objective = Match(model, 5.0) if outputs == 1 else CrossEntropy(model, 1)
    problem = Problem(objective, Box(0, 1))

    def search(steps: int) -> None:
        solve(problem, x0, max_steps=steps, compute=Compute(device=device))

    own = median(seconds(lambda: passes(model, x0, MANY), device) / MANY for _ in range(REPEATS))
    search(FEW)  # warm
    ours = median(
        (seconds(lambda: search(MANY), device) - seconds(lambda: search(FEW), device))
        / (MANY - FEW)
        for _ in range(REPEATS)
    )
    waits = None
    if device.type == "cuda":
        waits = (waited(lambda: search(MANY)) - waited(lambda: search(FEW))) / (MANY - FEW)
    return {"case": name, "n": n, "model": own, "step": ours, "ratio": ours / own, "waits": waits}


def passes(model: nn.Module, x: Tensor, times: int) -> None:
    """Run the model forwards and backwards to its input, as every search must."""
    for _ in range(times):
        leaf = x.detach().requires_grad_(True)
        torch.autograd.grad(model(leaf).sum(), leaf)


def seconds(run: Callable[[], None], device: torch.device) -> float:
    """Return how long a run takes, to the end of what it left to the device."""

    def settle() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    settle()
    began = time.perf_counter()
    run()
    settle()
    return time.perf_counter() - began


def waited(run: Callable[[], None]) -> int:
    """Return how often the host waited for the device."""
    with telling(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run()
    return sum(WAITS in str(each.message) for each in said)


@contextmanager
def telling() -> Iterator[None]:
    """Let torch warn whenever the host waits."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def told(agreement: dict[str, Any], speed: list[dict[str, Any]]) -> str:
    """Return the tables."""
    rows = [(what, found["tried"], found["the same"]) for what, found in agreement.items()]
    text = f"Answers in double precision after {STEPS} steps, the same to {SAME:g}:\n\n"
    text += table(("tried", "how many", "the same on both"), rows)
    steppers = Counter(
        name.rsplit("-", 1)[1] for found in agreement.values() for name in found["not"]
    )
    if steppers:
        text += "\nNot the same, by the end of their name: "
        text += ", ".join(f"{name} {count}" for name, count in steppers.items()) + ".\n"
    head = ("a step with Adam", "n", "model alone, µs", "step, µs", "ratio", "waits a step")
    lines = [
        (
            each["case"],
            each["n"],
            f"{1e6 * each['model']:.0f}",
            f"{1e6 * each['step']:.0f}",
            f"{each['ratio']:.2f}",
            "" if each["waits"] is None else f"{each['waits']:.2f}",
        )
        for each in speed
    ]
    return f"{text}\n{table(head, lines)}"


if __name__ == "__main__":
    main()
