"""Robust accuracy by our APGD and by pyautoattack's, at equal passes, on the same images.

    python benchmarks/apgd.py [--n 1000] [--steps 20 40 100] [--forms apgd-ce apgd-t]

The robust digits net, Linf 0.3. Both begin with one gradient and take as many steps, without
restarts: theirs at a random point of the ball, as it does, ours at the image. The targeted form
leads towards the nine likeliest other classes, each with these steps. Robust is who is right as it
is and whom no point in the ball fools; the points found are asked of the net again. Intervals are
exact 95 % ones. Forms and steps that were measured are kept, so that a stopped run goes on.
"""

import argparse
import json
import time
from typing import Any

import torch
from record import HERE, RESULTS, provenance, table, write
from torch import Tensor, nn

from xhat.attacks import apgd
from xhat.engine import Compute
from xhat.learning import load_checkpoint
from xhat.metrics.density import binomial_interval
from xhat_zoo import digits

RADIUS, BATCH, SEED = 0.3, 250, 0


def ours(model: nn.Module, x: Tensor, y: Tensor, form: str, steps: int) -> Tensor:
    """Return the points that this library finds."""
    more: dict[str, Any] = {} if form == "apgd-ce" else {"loss": "dlr", "rivals": 9}
    found = apgd(model, x, label=y, radius=RADIUS, steps=steps, compute=Compute(BATCH), **more)
    return found.x


def theirs(model: nn.Module, x: Tensor, y: Tensor, form: str, steps: int) -> Tensor:
    """Return the points that pyautoattack finds."""
    import pyautoattack

    attack = pyautoattack.AutoAttack(model, norm="Linf", eps=RADIUS, seed=SEED, device="cpu")
    attack.attacks_to_run = [form]
    for each in (attack.apgd, attack.apgd_targeted):
        each.n_iter, each.n_restarts = steps, 1
    attack.apgd_targeted.n_target_classes = 9
    worst, _ = attack.run_standard_evaluation(x, y, batch_size=BATCH)
    return worst


@torch.no_grad()
def robust(model: nn.Module, x: Tensor, x0: Tensor, y: Tensor) -> int:
    """Return how many images are right as they are and at the points found."""
    near = ((x - x0).abs() <= RADIUS + 1e-5).flatten(1).all(dim=1)
    right = model(x0).argmax(dim=1) == y
    return int((right & ((model(x).argmax(dim=1) == y) | ~near)).sum())


def measured(form: str, steps: int, n: int) -> dict[str, Any]:
    """Attack by both, and keep what came out."""
    path = RESULTS / "apgd" / f"{form}-{steps}-{n}.json"
    if path.exists():
        return json.loads(path.read_text())
    model = load_checkpoint(HERE / "weights", "robust-linf")[0].eval()
    test = digits.split("test")
    x, y = test.upright[:n], test.labels[:n]
    row: dict[str, Any] = {"form": form, "steps": steps, "n": n}
    for name, attack in (("ours", ours), ("theirs", theirs)):
        began = time.process_time()
        found = attack(model, x, y, form, steps)
        row[f"{name}_seconds"] = time.process_time() - began
        row[name] = robust(model, found, x, y)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(row) + "\n")
    print(row, flush=True)
    return row


def main() -> None:
    """Attack, and write ``apgd.json`` and ``apgd.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--steps", type=int, nargs="*", default=[20, 40, 100])
    parser.add_argument("--forms", nargs="*", default=["apgd-ce", "apgd-t"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [measured(f, steps, options.n) for f in options.forms for steps in options.steps]
    body = []
    for row in rows:
        share, low, high = binomial_interval(row["theirs"], row["n"], 0.95)
        mine = row["ours"] / row["n"]
        body.append(
            (
                row["form"], row["steps"], f"{mine:.1%}", f"{share:.1%}",
                f"{low:.1%} – {high:.1%}", "yes" if low <= mine <= high else "**no**",
                f"{row['ours_seconds']:.0f}", f"{row['theirs_seconds']:.0f}",
            )
        )  # fmt: skip
    head = ("attack", "steps", "xhat", "pyautoattack", "95 %", "within", "CPU s", "CPU s, theirs")
    record = {"provenance": provenance(SEED, ("torch", "numpy", "pyautoattack")), "rows": rows}
    write("apgd", record, table(head, body))


if __name__ == "__main__":
    main()
