"""Minimum-norm attacks of this library, of adv-lib and of foolbox, on three nets, in one run.

    python benchmarks/minimum_norm.py [--n 200] [--first 0] [--nets plain robust-linf clothes]

Each net and norm is one run, kept in ``benchmarks/results/minimum_norm`` once it is finished, so
that a stopped benchmark goes on; delete a file to measure it again.

Everyone looks for the nearest input that is misread, untargeted, of the same ``n`` test images in
one batch, on one thread, called as its documentation or its paper says, at the step counts that its
paper reports. What comes out is judged here: misread, within [0, 1], and how far from the image.
An image that was not fooled counts with an infinite norm, one that is misread as it is with 0.
Medians are over all images. Time is processor time; a search is timed once, by order of its row.

No setting was chosen on these images: ours were chosen on others (``--first 2000``).
"""

import argparse
import importlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from record import HERE, RESULTS, provenance, table, write
from torch import Tensor, nn

PACKAGES = ("xhat", "torch", "numpy", "foolbox", "adv-lib")
P = {"linf": float("inf"), "l2": 2.0, "l1": 1.0}
NETS = ("plain", "robust-linf", "clothes")
PEERS = Path(sys.prefix) / "peers"
SLACK = 1.01  # of the least median norm, within which a peer counts as as good

Attack = Callable[[Tensor, Tensor], Tensor]


def workload(net: str, n: int, first: int) -> tuple[nn.Module, Tensor, Tensor]:
    """Return a net and ``n`` images that it was not trained on, with their labels."""
    from xhat.learning import load_checkpoint
    from xhat_zoo import digits

    if net == "clothes":
        return clothes_net(), *(part[first : first + n] for part in clothes(test=True))
    test = digits.split("test")
    images = test.images if net == "plain" else test.upright
    model = (
        digits.surrogate("plain") if net == "plain" else load_checkpoint(HERE / "weights", net)[0]
    )
    return model, images[first : first + n], test.labels[first : first + n]


def clothes(*, test: bool) -> tuple[Tensor, Tensor]:
    """Return the Fashion-MNIST images of this repository, 4,000 to test and 6,000 to train on."""
    from xhat_zoo.digits.mnist import read_idx

    parts = (f"fashion-mnist/t10k-{part}-ubyte.xz" for part in ("images-idx3", "labels-idx1"))
    images, labels = (read_idx(HERE / "data", part) for part in parts)
    rows = slice(0, 4000) if test else slice(4000, None)
    return (images[rows, None].float() / 255), labels[rows].long()


def clothes_net() -> nn.Module:
    """Return a small convolutional net, trained on the clothes in 8 epochs."""
    x, y = clothes(test=False)
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 49, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    adam = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(8):
        for rows in torch.randperm(len(x)).split(100):
            adam.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            adam.step()
    for parameter in net.parameters():
        parameter.grad = None
    return net.eval()


def ours(model: nn.Module, norm: str) -> Attack:
    """This library, as it comes."""
    from xhat.attacks import minimum_norm
    from xhat.engine import Compute

    def attack(x: Tensor, y: Tensor) -> Tensor:
        return minimum_norm(model, x, label=y, norm=norm, compute=Compute(chunk=len(x))).x

    return attack


@cache
def adv_lib() -> Any:
    """Return its attacks, which import torchvision for a distance that nobody here asks for."""
    for name in ("nms", "qnms"):  # which torchvision wants to exist, and a CPU build has not
        torch.library.define(f"torchvision::{name}", "(Tensor a, Tensor b, float c) -> Tensor")
    sys.path.append(str(PEERS))
    return importlib.import_module("adv_lib.attacks")


def in_adv_lib(model: nn.Module, norm: str) -> dict[str, Attack]:
    """Return what adv-lib has, by name and steps."""
    lib = adv_lib()
    p, found = P[norm], {}
    for steps in (100, 1000):
        found[f"FMN {steps}"] = partial(lib.fmn, model, norm=p, steps=steps)
        if norm == "l2":
            found[f"DDN {steps}"] = partial(lib.ddn, model, steps=steps)
        if norm != "linf":
            found[f"ALMA {steps}"] = partial(
                lib.alma, model, distance=norm, num_steps=steps, α=0.9 if steps == 1000 else 0.5,
                init_lr_distance={"l2": 0.1, "l1": 0.5}[norm],
            )  # fmt: skip
    found["PDPGD 500"] = partial(lib.pdpgd, model, norm=p, num_steps=500)
    found["FAB 100"] = partial(lib.fab, model, norm=p, n_iter=100)
    if norm == "linf":
        found["APGD, bisected"] = partial(
            lib.auto_pgd.minimal_apgd, model, norm=p, max_eps=1.0, n_iter=100
        )
    return {f"adv-lib {name}": attack for name, attack in found.items()}


def in_foolbox(model: nn.Module, norm: str) -> dict[str, Attack]:
    """Foolbox, by name and steps."""
    import foolbox
    from foolbox import attacks

    bounded = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    name = {"linf": "LInf", "l2": "L2", "l1": "L1"}[norm]
    found = {"FMN 1000": getattr(attacks, f"{name}FMNAttack")(steps=1000)}
    if norm == "l2":
        found["DDN 1000"] = attacks.DDNAttack(steps=1000)

    def as_attack(search: Any) -> Attack:
        return lambda x, y: search(bounded, x, y, epsilons=None)[0]

    return {f"foolbox {name}": as_attack(search) for name, search in found.items()}


@torch.no_grad()
def judged(model: nn.Module, norm: str, x: Tensor, x0: Tensor, y: Tensor) -> Tensor:
    """Return the norm of every change that fools the net within [0, 1], infinite elsewhere."""
    size = torch.linalg.vector_norm((x - x0).flatten(1), ord=P[norm], dim=1)
    fooled = model(x).argmax(dim=1) != y
    inside = ((x >= -1e-6) & (x <= 1 + 1e-6)).flatten(1).all(dim=1)
    return torch.where(fooled & inside, size, torch.inf)


def measure(net: str, norm: str, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Run everyone once."""
    model, x, y = workload(net, options.n, options.first)
    everyone = {"xhat": ours(model, norm)}
    peers = in_adv_lib(model, norm) | in_foolbox(model, norm)
    everyone |= {name: peer for name, peer in peers.items() if name not in options.without}
    rows: dict[str, dict[str, Any]] = {}
    for name, attack in everyone.items():
        torch.manual_seed(options.seed)
        began = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = attack(x.clone(), y.clone()).detach()
        except Exception as error:  # noqa: BLE001 - a peer that cannot do it is told
            print(f"{net} {norm} {name}: {type(error).__name__}: {error}", flush=True)
            continue
        seconds = time.process_time() - began
        size = judged(model, norm, found, x, y)
        rows[name] = {
            "median": float(size.median()),
            "mean": float(size[size.isfinite()].mean()),
            "success": float(size.isfinite().float().mean()),
            "seconds": seconds,
            "norms": [round(each, 5) for each in size.tolist()],
        }
        told = {key: round(rows[name][key], 4) for key in ("median", "mean", "success", "seconds")}
        print(net, norm, name, told, flush=True)
    return rows


def finished(net: str, norm: str, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return one net and norm, all of one run; from its file where it was measured before."""
    path = options.out / "minimum_norm" / f"{net}-{norm}-{options.first}-{options.n}.json"
    if not path.exists() and options.kept:
        return {}
    if not path.exists():
        rows = measure(net, norm, options)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".tmp").write_text(json.dumps(rows) + "\n")
        path.with_suffix(".tmp").replace(path)
    return json.loads(path.read_text())


def verdict(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return our median norm and time beside those of the best peer.

    The best median norm of any peer counts, and the time of the fastest peer that comes within 1 %
    of it.
    """
    peers = {name: row for name, row in rows.items() if not name.startswith("xhat")}
    least = min(row["median"] for row in peers.values())
    good = {name: row for name, row in peers.items() if row["median"] <= SLACK * least}
    fastest = min(good, key=lambda name: good[name]["seconds"])
    best = min(peers, key=lambda name: peers[name]["median"])
    mine = rows["xhat"]
    return {
        "best": best,
        "norm": mine["median"] / least,
        "fastest": fastest,
        "time": mine["seconds"] / good[fastest]["seconds"],
        "success": mine["success"] - max(row["success"] for row in peers.values()),
    }


def main() -> None:
    """Measure, and write ``minimum_norm.json`` and ``minimum_norm.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--nets", nargs="*", default=list(NETS))
    parser.add_argument("--norms", nargs="*", default=list(P))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kept", action="store_true", help="only what was measured before")
    parser.add_argument("--without", nargs="*", default=[], help="peers that are left out")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {
        net: {norm: rows for norm in options.norms if (rows := finished(net, norm, options))}
        for net in options.nets
    }
    verdicts = {
        net: {norm: verdict(rows) for norm, rows in norms.items()} for net, norms in found.items()
    }
    head = ("net", "norm", "attack", "median norm", "mean norm", "fooled", "CPU s")
    body = [
        (
            net, norm, name, f"{row['median']:.4f}", f"{row['mean']:.4f}",
            f"{row['success']:.1%}", f"{row['seconds']:.1f}",
        )
        for net, norms in found.items()
        for norm, rows in norms.items()
        for name, row in sorted(rows.items(), key=lambda item: item[1]["median"])
    ]  # fmt: skip
    ratios = [
        (
            net, norm, f"{told['norm']:.3f}", told["best"], f"{told['time']:.2f}", told["fastest"],
            f"{told['success']:+.1%}",
        )
        for net, norms in verdicts.items()
        for norm, told in norms.items()
    ]  # fmt: skip
    top = table(
        ("net", "norm", "median norm / least", "of", "time / fastest as good", "of", "fooled less"),
        ratios,
    )
    record = {
        "provenance": provenance(options.seed, PACKAGES),
        "setting": {key: str(value) for key, value in vars(options).items() if key != "out"},
        "attacks": found,
        "verdicts": verdicts,
    }
    write("minimum_norm", record, f"{top}\n{table(head, body)}", options.out)


if __name__ == "__main__":
    main()
