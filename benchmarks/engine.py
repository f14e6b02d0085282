"""What a step of the engine costs beside loops written by hand, scipy and BoTorch, in one run.

Everyone works on one thread, on the same starts and models; bare loops keep the best they have
seen, as a search must. Each pair is measured in turns, and the medians of processor seconds are
compared. A cost per step is the difference of a long and a short search, divided by the steps
between, so that what is looked at before and after is left out; the whole searches stand beside.
Memory is the peak of a process of its own, less what it had when the model was ready.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from attacks import RADIUS, STEP, STEPS, bare_loop, batched, in_xhat, workload
from record import RESULTS, provenance, table, write
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

PACKAGES = ("xhat", "torch", "numpy", "scipy", "botorch", "gpytorch")
READS = ("_local_scalar_dense", "is_nonzero", "nonzero", "equal", "masked_select")
IMAGES, SIDE, IMAGE_STEPS = 32, 224, 10
MANY, FEW, MANY_STEPS = 1_000_000, 10_000, 10


def surrogate() -> nn.Module:
    """A small surrogate of 8 inputs."""
    torch.manual_seed(0)
    layers = (nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    return nn.Sequential(*layers).eval()


def large() -> nn.Module:
    """A network of convolutions for images of 3 x 224 x 224."""
    torch.manual_seed(0)
    widths = (3, 32, 64, 128, 128)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)).eval()


def bare_adam(net: nn.Module, x0: Tensor, steps: int) -> Tensor:
    """Adam by hand in the unit box, with the best of each candidate."""
    x = x0.clone().requires_grad_(True)
    stepper = torch.optim.Adam([x], 0.05)
    best, kept = torch.full((len(x),), torch.inf), x0.clone()
    for _ in range(steps):
        loss = net(x)[:, 0]
        (x.grad,) = torch.autograd.grad(loss.sum(), x)
        with torch.no_grad():
            better = loss < best
            best = torch.where(better, loss.detach(), best)
            kept = torch.where(better[:, None], x, kept)
            stepper.step()
            x.clamp_(0, 1)
    return kept


def xhat_adam(net: nn.Module, x0: Tensor, steps: int, **options: Any) -> Any:
    """The same in this engine."""
    from xhat.engine import Adam, Problem, solve
    from xhat.spaces import Box

    problem = Problem(lambda x: net(x)[:, 0], Box(0, 1))
    return solve(problem, x0, **{"stepper": Adam(0.05), "max_steps": steps, **options})


def bare_images(net: nn.Module, x0: Tensor, target: Tensor, steps: int = IMAGE_STEPS) -> Tensor:
    """Targeted Linf PGD by hand, with the best of each candidate."""
    low, high = (x0 - 8 / 255).clamp(min=0), (x0 + 8 / 255).clamp(max=1)
    x, kept, best = x0, x0, torch.full((len(x0),), torch.inf)
    for _ in range(steps):
        x = x.detach().requires_grad_()
        loss = nn.functional.cross_entropy(net(x), target, reduction="none")
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        with torch.no_grad():
            better = loss < best
            best = torch.where(better, loss, best)
            kept = torch.where(better[:, None, None, None], x, kept)
            x = torch.clamp(x - 2 / 255 * gradient.sign(), low, high)
    return kept


def xhat_images(net: nn.Module, x0: Tensor, target: Tensor, steps: int = IMAGE_STEPS) -> Tensor:
    """The same in this engine."""
    from xhat.attacks import pgd

    return pgd(net, x0, target, radius=8 / 255, rate=2 / 255, steps=steps).x


def seconds(*runs: Callable[[], Any], repetitions: int) -> list[float]:
    """Return the median processor seconds of each, measured in turns; the first turn warms up."""
    found: list[list[float]] = [[] for _ in runs]
    for repetition in range(repetitions + 1):
        for number, run in enumerate(runs):
            begun = time.process_time()
            run()
            if repetition:
                found[number].append(time.process_time() - begun)
    return [median(each) for each in found]


def small_steps(n: int, short: int, long: int, repetitions: int) -> dict[str, float]:
    """Measure a step of the small surrogate with ``n`` candidates, and the long search whole."""
    net = surrogate()
    x0 = torch.rand(n, 8, generator=torch.Generator().manual_seed(1))
    runs = [
        lambda run=run, steps=steps: run(net, x0, steps)
        for run in (bare_adam, xhat_adam)
        for steps in (short, long)
    ]
    bare_short, bare, ours_short, ours = seconds(*runs, repetitions=repetitions)
    return {
        "bare": (bare - bare_short) / (long - short),
        "xhat": (ours - ours_short) / (long - short),
        "bare_whole": bare,
        "xhat_whole": ours,
        "steps": long,
    }


def attack_times(pairs: int, repetitions: int) -> dict[str, float]:
    """Measure targeted PGD on the shipped classifier: all the work, and until the target."""
    model, x0, target = workload(pairs, 0)
    model.eval()
    batch = min(250, pairs)
    runs = {
        "bare": batched(bare_loop(model), batch),
        "fixed": in_xhat(model, batch, None, stops=False),
        "fixed_auto": in_xhat(model, batch, None, stops=False, precision="auto"),
        "stop": in_xhat(model, batch, None),
        "stop_auto": in_xhat(model, batch, None, precision="auto"),
    }
    calls = [lambda attack=attack: attack(x0, target) for attack in runs.values()]
    return dict(zip(runs, seconds(*calls, repetitions=repetitions), strict=True))


def image_inputs() -> tuple[nn.Module, Tensor, Tensor]:
    """Return the large network, random images and targets."""
    random = torch.Generator().manual_seed(0)
    x0 = torch.rand(IMAGES, 3, SIDE, SIDE, generator=random)
    return large(), x0, torch.randint(0, 10, (IMAGES,), generator=random)


def curvature(repetitions: int) -> dict[str, float]:
    """Measure L-BFGS on 100 candidates: ours, scipy one by one, and BoTorch's batch."""
    from botorch.generation.gen import gen_candidates_scipy
    from scipy.optimize import minimize

    from xhat.engine import LBFGS, Plateau, Problem, solve
    from xhat.spaces import Box

    net = surrogate().double()
    x0 = torch.rand(100, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    hollow = torch.linspace(0.2, 0.8, 8, dtype=torch.float64)

    def losses(x: Tensor) -> Tensor:
        return net(x)[..., 0] + (x - hollow).square().sum(dim=-1)

    def with_slope(flat: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.from_numpy(flat).requires_grad_(True)
        loss = losses(x[None])[0]
        (slope,) = torch.autograd.grad(loss, x)
        return float(loss.detach()), slope.numpy()

    def one_by_one() -> Tensor:
        found = [
            minimize(with_slope, x.numpy(), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * 8).x
            for x in x0
        ]
        return losses(torch.from_numpy(np.stack(found)))

    def in_botorch() -> Tensor:
        x, _ = gen_candidates_scipy(
            x0[:, None], lambda x: -losses(x[:, 0]), lower_bounds=0.0, upper_bounds=1.0
        )
        return losses(x[:, 0])

    def in_engine() -> Tensor:
        found = solve(
            Problem(losses, Box(0, 1)), x0, stepper=LBFGS(), stop=Plateau(6, 1e-7), max_steps=200,
            compute=_double(),
        )  # fmt: skip
        return losses(found.x)

    runs = {"xhat": in_engine, "scipy": one_by_one, "botorch": in_botorch}
    times = dict(zip(runs, seconds(*runs.values(), repetitions=repetitions), strict=True))
    ends = {f"loss_{name}": float(run().detach().mean()) for name, run in runs.items()}
    return times | ends


def _double() -> Any:
    from xhat.engine import Compute

    return Compute(precision="float64")


class Counting(TorchDispatchMode):
    """Counts operations, and those among them that the host waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()
        self.reads = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        chooses = name.startswith("index") and any(
            isinstance(one, Tensor) and one.dtype == torch.bool
            for one in (args[1] if len(args) > 1 and isinstance(args[1], list | tuple) else ())
        )
        self.names[name] += 1
        self.reads += name in READS or chooses
        return func(*args, **(kwargs or {}))


def operations(every: int | None) -> dict[str, dict[str, float]]:
    """Count operations and reads of the host in a step, of every stepper and of the bare loop."""
    from xhat import engine
    from xhat.engine import Compute

    net = surrogate()
    x0 = torch.rand(4, 8, generator=torch.Generator().manual_seed(3))
    steppers = (
        engine.GradientDescent(1e-6), engine.SignDescent(1e-6), engine.NormalizedDescent(1e-6),
        engine.Adam(1e-6), engine.VectorAdam(1e-6), engine.LBFGS(first=1e-6),
    )  # fmt: skip
    runs: dict[str, Callable[[int], Any]] = {"bare Adam": lambda n: bare_adam(net, x0, n)}
    for one in steppers:
        runs[type(one).__name__] = lambda n, one=one: xhat_adam(
            net, x0, n, stepper=one, compute=Compute(every=every)
        )
    found = {}
    for name, run in runs.items():
        counts = []
        for steps in (80, 208):
            with Counting() as counting:
                run(steps)
            counts.append((counting.names.total(), counting.reads))
        (few, few_reads), (many, many_reads) = counts
        found[name] = {"operations": (many - few) / 128, "reads": (many_reads - few_reads) / 128}
    return found


def child(what: str) -> dict[str, float]:
    """Run one thing in this process, and return its seconds and its own peak of memory."""

    def peak() -> float:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    torch.set_num_threads(1)
    kind, size = what.split(":")
    if kind.endswith("images"):
        net, x0, target = image_inputs()
        run = {"bare-images": bare_images, "xhat-images": xhat_images}[kind]
        run(net, x0[:1], target[:1], 2)
        work = partial(run, net, x0, target)
    else:
        net = surrogate()
        x0 = torch.rand(int(size), 8, generator=torch.Generator().manual_seed(4))
        xhat_adam(net, x0[:300], 3)
        work = partial(xhat_adam, net, x0, MANY_STEPS)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, begun = peak(), time.process_time()
    kept = work()
    spent = time.process_time() - begun
    del kept
    return {"seconds": spent, "mebibytes": peak() - before}


def in_process(what: str) -> dict[str, float]:
    """Return what a process of its own measures."""
    call = [sys.executable, __file__, "--child", what]
    return json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)


def measure(quick: bool) -> dict[str, Any]:
    """Measure everything."""
    turns = 1 if quick else 3
    images = {name: [in_process(f"{name}:{IMAGES}") for _ in range(turns)]
              for name in ("bare-images", "xhat-images")}  # fmt: skip
    return {
        "one": small_steps(1, 400, 1200, turns + 2),
        "many": small_steps(FEW, 40, 200, 1 if quick else 2),
        "operations": operations(None),
        "attacks": attack_times(250 if quick else 500, turns),
        "images": {
            name: {key: median(run[key] for run in runs) for key in runs[0]}
            for name, runs in images.items()
        },
        "curvature": curvature(turns),
        "million": {str(n): in_process(f"small:{n}") for n in (FEW, MANY // 10 if quick else MANY)},
    }


def demands(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what must be reached, what is, and whether it holds."""
    one, many, attacks, images = (found[k] for k in ("one", "many", "attacks", "images"))
    bent, reads = found["curvature"], found["operations"]
    few, most = (found["million"][n] for n in found["million"])
    sizes = [int(n) for n in found["million"]]
    per_candidate = (most["seconds"] / sizes[1]) / (few["seconds"] / sizes[0])
    memory = images["xhat-images"]["mebibytes"] / images["bare-images"]["mebibytes"]
    faster = min(bent["scipy"], bent["botorch"])
    loss = bent["loss_xhat"] - min(bent["loss_scipy"], bent["loss_botorch"])
    entries = (
        ("step, 1 candidate, small network / bare loop", one["xhat"] / one["bare"], 0.5),
        (f"the same, {one['steps']} steps whole", one["xhat_whole"] / one["bare_whole"], None),
        (f"{FEW} candidates, {many['steps']} steps whole / bare loop",
         many["xhat_whole"] / many["bare_whole"], 1.1),
        ("reads of the host in a step, worst stepper",
         max(row["reads"] for name, row in reads.items() if name != "bare Adam"), 1 / 8),
        ("PGD, fixed work, default / bare loop", attacks["fixed"] / attacks["bare"], 1.02),
        ("PGD, fixed work, precision='auto' / bare loop",
         attacks["fixed_auto"] / attacks["bare"], 0.65),
        ("PGD until the target, default / bare loop", attacks["stop"] / attacks["bare"], 0.22),
        ("PGD until the target, precision='auto' / bare loop",
         attacks["stop_auto"] / attacks["bare"], None),
        ("32 images of 3×224×224, 10 steps: time / bare loop",
         images["xhat-images"]["seconds"] / images["bare-images"]["seconds"], 1.1),
        ("the same: memory / bare loop", memory, 1.1),
        ("L-BFGS, 100 candidates / the faster of scipy and BoTorch", bent["xhat"] / faster, 0.5),
        ("the same: mean loss less theirs", loss, 1e-5),
        (f"{sizes[1]} candidates: time of one / of {sizes[0]}", per_candidate, 1.1),
    )  # fmt: skip
    return [
        {"what": what, "found": value, "wanted": limit, "holds": limit is None or value <= limit}
        for what, value, limit in entries
    ]


def report(found: dict[str, Any], wanted: list[dict[str, Any]]) -> str:
    """Return the tables as Markdown."""
    checks = [
        (c["what"], f"{c['found']:.3g}", "" if c["wanted"] is None else f"≤ {c['wanted']:.3g}",
         "" if c["wanted"] is None else "yes" if c["holds"] else "**no**")
        for c in wanted
    ]  # fmt: skip
    steps = [
        (name, f"{row['operations']:.0f}", f"{row['reads']:.2f}")
        for name, row in found["operations"].items()
    ]
    times = [
        ("bare Adam, 1 candidate, a step", f"{1e6 * found['one']['bare']:.0f} µs"),
        ("xhat Adam, 1 candidate, a step", f"{1e6 * found['one']['xhat']:.0f} µs"),
        *((f"PGD, {name}", f"{spent:.2f} s") for name, spent in found["attacks"].items()),
        *((f"L-BFGS, {name}", f"{found['curvature'][name]:.3f} s, mean loss "
           f"{found['curvature'][f'loss_{name}']:.6f}") for name in ("xhat", "scipy", "botorch")),
        *((f"{name}", f"{row['seconds']:.2f} s, {row['mebibytes']:.0f} MiB")
          for name, row in found["images"].items()),
        *((f"{n} small candidates, {MANY_STEPS} steps",
           f"{row['seconds']:.2f} s, {row['mebibytes']:.0f} MiB")
          for n, row in found["million"].items()),
    ]  # fmt: skip
    return (
        "Processor seconds on one thread, medians of alternating runs; everyone keeps the best of "
        f"what it has seen. PGD: the shipped digits classifier, radius {RADIUS}, step {STEP}, "
        f"{STEPS} steps.\n\n"
        f"{table(('what', 'found', 'wanted', 'holds'), checks)}\n"
        f"{table(('a step of', 'torch operations', 'reads of the host'), steps)}\n"
        f"{table(('measured', 'median'), times)}"
    )


def main() -> None:
    """Measure, check and write ``engine.json`` and ``engine.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and candidates")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child)))
        return
    torch.set_num_threads(1)
    found = measure(options.quick)
    wanted = demands(found)
    record = {"provenance": provenance(0, PACKAGES), "quick": options.quick} | found
    write("engine", record | {"demands": wanted}, report(found, wanted), options.out)
    raise SystemExit(0 if all(check["holds"] for check in wanted) else 1)


if __name__ == "__main__":
    main()
