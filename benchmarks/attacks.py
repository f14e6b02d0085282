"""Targeted Linf PGD in this engine, in bare loops and in other libraries, in one run.

Everyone attacks the same classifier from the same starts, in batches of the same size (the one at
which the bare loop is fastest), on the same number of threads: radius 0.3, step 0.02, 40 steps, no
random start. Each repetition runs everyone once, in an order that changes from one to the next.
Passes through the model are counted by hooks in a run of their own that is not timed. What comes
out is judged here, never by who made it: the target reached, the confidence in it, the bounds kept.

A run that stops at the decision boundary ends with a lower confidence than one that does all 40
steps; so the confidence stands beside every time.
"""

import argparse
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from record import RESULTS, provenance, table, write
from torch import Tensor, nn
from torch.nn import functional as F

RADIUS, STEP, STEPS = 0.3, 0.02, 40
PACKAGES = ("xhat", "torch", "numpy", "foolbox", "torchattacks", "adversarial-robustness-toolbox")
PEERS = ("foolbox", "torchattacks", "ART")
FIXED, REACHED, CONFIDENT = "xhat, fixed work", "xhat, target reached", "xhat, confidence ≥ 0.9"
XHAT = (FIXED, REACHED, CONFIDENT)
LOOP, DROPPING = "bare loop", "bare loop that drops solved samples"

Attack = Callable[[Tensor, Tensor], Tensor]


def workload(n: int, seed: int) -> tuple[nn.Module, Tensor, Tensor]:
    """Return the shipped classifier, ``n`` test digits and for each another digit as target."""
    from xhat.core import generator
    from xhat_zoo import digits

    test = digits.split("test")
    random = generator(seed, "benchmark")
    index = torch.randperm(len(test), generator=random)[:n]
    shift = torch.randint(1, 10, (n,), generator=random)
    return digits.surrogate("plain"), test.images[index], (test.labels[index] + shift) % 10


def bare_loop(model: nn.Module) -> Attack:
    """The loop that a person writes by hand, with the gradient taken for the input only."""

    def attack(x0: Tensor, target: Tensor) -> Tensor:
        low, high = (x0 - RADIUS).clamp(min=0), (x0 + RADIUS).clamp(max=1)
        x = x0
        for _ in range(STEPS):
            x = x.detach().requires_grad_()
            loss = F.cross_entropy(model(x), target, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, x)
            x = torch.clamp(x.detach() - STEP * gradient.sign(), low, high)
        return x

    return attack


def dropping_loop(model: nn.Module) -> Attack:
    """The same loop; a sample that has met its target leaves the batch."""

    def attack(x0: Tensor, target: Tensor) -> Tensor:
        result = x0.clone()
        place = torch.arange(len(x0))
        low, high = (x0 - RADIUS).clamp(min=0), (x0 + RADIUS).clamp(max=1)
        x = x0
        for _ in range(STEPS):
            x = x.detach().requires_grad_()
            y = model(x)
            going = y.argmax(1) != target
            if not bool(going.all()):
                result[place[~going]] = x.detach()[~going]
                if not bool(going.any()):
                    return result
            loss = F.cross_entropy(y[going], target[going], reduction="sum")
            (gradient,) = torch.autograd.grad(loss, x)
            place, target, low, high = place[going], target[going], low[going], high[going]
            x = torch.clamp(x.detach()[going] - STEP * gradient[going].sign(), low, high)
        result[place] = x
        return result

    return attack


def in_xhat(
    model: nn.Module,
    batch: int,
    confidence: float | None,
    *,
    stops: bool = True,
    precision: str = "float32",
) -> Attack:
    """This engine: all the work, or with the stop rule "target reached"."""
    from xhat.attacks import pgd
    from xhat.engine import Compute, TargetReached

    stop = TargetReached(confidence=confidence) if stops else ()
    compute = Compute(chunk=batch, precision=precision)

    def attack(x0: Tensor, target: Tensor) -> Tensor:
        result = pgd(
            model, x0, target, radius=RADIUS, rate=STEP, steps=STEPS, stop=stop, compute=compute
        )
        return result.x

    return attack


def in_foolbox(model: nn.Module) -> Attack:
    """Foolbox, called as its documentation shows."""
    import foolbox

    bounded = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    search = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=STEPS, random_start=False)

    def attack(x0: Tensor, target: Tensor) -> Tensor:
        criterion = foolbox.criteria.TargetedMisclassification(target)
        return search(bounded, x0, criterion, epsilons=RADIUS)[1]

    return attack


def in_torchattacks(model: nn.Module) -> Attack:
    """Torchattacks, called as its documentation shows."""
    import torchattacks

    search = torchattacks.PGD(model, eps=RADIUS, alpha=STEP, steps=STEPS, random_start=False)
    search.set_mode_targeted_by_label(quiet=True)
    return search


def in_art(model: nn.Module, batch: int) -> Attack:
    """The Adversarial Robustness Toolbox, with its PyTorch implementation."""
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    estimator = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), (1, 28, 28), 10, clip_values=(0, 1), device_type="cpu"
    )
    search = ProjectedGradientDescentPyTorch(
        estimator, norm=np.inf, eps=RADIUS, eps_step=STEP, max_iter=STEPS, targeted=True,
        num_random_init=0, batch_size=batch, verbose=False,
    )  # fmt: skip

    def attack(x0: Tensor, target: Tensor) -> Tensor:
        return torch.from_numpy(search.generate(x0.numpy(), y=target.numpy()))

    return attack


def attacks(model: nn.Module, batch: int) -> dict[str, Attack]:
    """Return everyone, by the name in the table; each takes all pairs and batches them."""
    return {
        FIXED: in_xhat(model, batch, None, stops=False),
        LOOP: batched(bare_loop(model), batch),
        REACHED: in_xhat(model, batch, None),
        DROPPING: batched(dropping_loop(model), batch),
        CONFIDENT: in_xhat(model, batch, 0.9),
        "foolbox": batched(in_foolbox(model), batch),
        "torchattacks": batched(in_torchattacks(model), batch),
        "ART": in_art(model, batch),
    }


def batched(attack: Attack, batch: int) -> Attack:
    """Return the attack run batch by batch, for those that have no batches of their own."""

    def run(x0: Tensor, target: Tensor) -> Tensor:
        pairs = zip(x0.split(batch), target.split(batch), strict=True)
        return torch.cat([attack(x, t).detach() for x, t in pairs])

    return run


def passes(
    model: nn.Module, attack: Attack, x0: Tensor, target: Tensor
) -> tuple[float, float, Tensor]:
    """Return forward and backward passes per sample, and what came out.

    The hooks sit on the first layer: one library calls the layers itself, not the whole model.
    """
    first = next(module for module in model.modules() if not any(module.children()))
    count = {"forward": 0, "backward": 0}

    def backward(gradient: Tensor) -> None:
        count["backward"] += len(gradient)

    def forward(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        count["forward"] += len(inputs[0])
        if output.requires_grad:
            output.register_hook(backward)

    hook = first.register_forward_hook(forward)
    try:
        x = attack(x0, target)
    finally:
        hook.remove()
    return count["forward"] / len(x0), count["backward"] / len(x0), x


@torch.no_grad()
def judge(model: nn.Module, x: Tensor, x0: Tensor, target: Tensor) -> dict[str, float]:
    """Re-check what an attack gave: success, confidence, and whether the bounds hold."""
    y = model(x).softmax(1)
    confidence = y.gather(1, target[:, None])[:, 0]
    slack = 1e-6
    kept = ((x - x0).abs() <= RADIUS + slack) & (x >= -slack) & (x <= 1 + slack)
    return {
        "success": float((y.argmax(1) == target).float().mean()),
        "mean_confidence": float(confidence.mean()),
        "share_confident": float((confidence >= 0.9).float().mean()),
        "bounds_kept": float(kept.flatten(1).all(1).float().mean()),
    }


def clear_gradients(model: nn.Module) -> None:
    """Drop the parameter gradients that some libraries leave, so that nobody pays for others."""
    for parameter in model.parameters():
        parameter.grad = None


def measure(
    model: nn.Module, x0: Tensor, target: Tensor, *, repetitions: int, batch: int
) -> dict[str, dict[str, Any]]:
    """Count, judge and time everyone."""
    everyone = attacks(model, batch)
    rows: dict[str, dict[str, Any]] = {}
    for name, attack in everyone.items():
        forward, backward, x = passes(model, attack, x0, target)
        rows[name] = {"forward": forward, "backward": backward, "cpu": [], "wall": []}
        rows[name] |= judge(model, x, x0, target)
    names = list(everyone)
    for repetition in range(repetitions):
        turn = repetition // 2 % len(names)
        order = names[turn:] + names[:turn]
        for name in order if repetition % 2 == 0 else reversed(order):
            clear_gradients(model)
            wall, cpu = time.perf_counter(), time.process_time()
            x = everyone[name](x0, target)
            rows[name]["cpu"].append(time.process_time() - cpu)
            rows[name]["wall"].append(time.perf_counter() - wall)
            if judge(model, x, x0, target)["success"] != rows[name]["success"]:
                warnings.warn(f"{name} does not repeat its own result", stacklevel=1)
    for row in rows.values():
        row["median_cpu"], row["median_wall"] = median(row["cpu"]), median(row["wall"])
    return rows


def demands(rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what must be reached, what is, and whether it holds; all in CPU seconds."""
    cpu = {name: row["median_cpu"] for name, row in rows.items()}
    peer = min(cpu[name] for name in PEERS)
    best = max(rows[name]["success"] for name in PEERS)
    entries = (
        ("fixed work / bare loop", cpu[FIXED] / cpu[LOOP], "<=", 1.05),
        ("target reached / fastest peer", cpu[REACHED] / peer, "<=", 1 / 3),
        ("target reached: success less the best peer's", rows[REACHED]["success"] - best, ">=", 0),
        ("confidence ≥ 0.9 / fastest peer", cpu[CONFIDENT] / peer, "<=", 1.0),
        ("bounds kept by xhat", min(rows[n]["bounds_kept"] for n in XHAT), ">=", 1.0),
    )
    return [
        {
            "what": what,
            "found": found,
            "wanted": f"{sign} {limit:.3g}",
            "holds": found <= limit if sign == "<=" else found >= limit,
        }
        for what, found, sign, limit in entries
    ]


def report(rows: dict[str, dict[str, Any]], wanted: list[dict[str, Any]], setting: str) -> str:
    """Return both tables as Markdown."""
    head = (
        "attack", "CPU s", "wall s", "forwards", "backwards", "success", "mean confidence",
        "share ≥ 0.9", "in bounds",
    )  # fmt: skip
    body = [
        (
            name, f"{row['median_cpu']:.2f}", f"{row['median_wall']:.2f}", f"{row['forward']:.1f}",
            f"{row['backward']:.1f}", f"{row['success']:.1%}", f"{row['mean_confidence']:.3f}",
            f"{row['share_confident']:.1%}", f"{row['bounds_kept']:.1%}",
        )
        for name, row in sorted(rows.items(), key=lambda item: item[1]["median_cpu"])
    ]  # fmt: skip
    checks = [
        (c["what"], f"{c['found']:.3f}", c["wanted"], "yes" if c["holds"] else "**no**")
        for c in wanted
    ]
    return (
        f"{setting}\n\n{table(head, body)}\n"
        f"{table(('what must hold', 'found', 'wanted', 'holds'), checks)}"
    )


def main() -> None:
    """Measure, check and write ``attacks.json`` and ``attacks.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    logging.getLogger("art").setLevel(logging.ERROR)
    model, x0, target = workload(options.pairs, options.seed)
    model.eval()
    rows = measure(
        model, x0, target, repetitions=options.repetitions, batch=min(options.batch, options.pairs)
    )
    wanted = demands(rows)
    setting = (
        f"Targeted Linf PGD: radius {RADIUS}, step {STEP}, {STEPS} steps, no random start, "
        f"{options.pairs} pairs in batches of {options.batch}, {options.threads} thread(s) for "
        f"everyone; medians of {options.repetitions} alternating repetitions; passes are per "
        f"sample."
    )
    record = {
        "provenance": provenance(options.seed, PACKAGES),
        "setting": vars(options) | {"out": None, "radius": RADIUS, "step": STEP, "steps": STEPS},
        "attacks": rows,
        "demands": wanted,
    }
    del record["setting"]["out"]
    write("attacks", record, report(rows, wanted, setting), options.out)
    raise SystemExit(0 if all(check["holds"] for check in wanted) else 1)


if __name__ == "__main__":
    main()
