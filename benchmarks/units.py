"""Whether one question in five units has one answer, found in the same steps.

    python benchmarks/units.py

A linear model and a small network, both trained on iris, are asked for another class from 100 real
flowers, with the default step and with L-BFGS. The features are measured in five units: shares of
their range, 0 to 255, 0 to 100,000, below 0, and one unit a feature from 1e-6 to 1e5. In float64.
"""

import torch
from record import provenance, table, write
from sklearn.datasets import load_iris
from torch import Tensor, nn

from xhat.engine import LBFGS, Compute, Plateau, Problem, Stepper, solve
from xhat.objectives import CrossEntropy, Proximity
from xhat.spaces import Box

SEED, STEPS = 0, 150
STEPPERS: dict[str, Stepper | None] = {"default": None, "L-BFGS": LBFGS()}


def units(features: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the low and high ends of every feature."""
    zero = torch.zeros(features).double()
    return {
        "0 … 1": (zero, zero + 1),
        "0 … 255": (zero, zero + 255),
        "0 … 100,000": (zero, zero + 1e5),
        "-3 … -1": (zero - 3, zero - 1),
        "1e-6 to 1e5": (zero, torch.logspace(-6, 5, features).double()),
    }


def trained(x: Tensor, y: Tensor, net: nn.Module) -> nn.Module:
    """Fit a classifier."""
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(400):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net.eval().requires_grad_(False)


def main() -> None:
    """Compare, print and write."""
    torch.manual_seed(SEED)
    data = load_iris()
    x, y = torch.tensor(data.data), torch.tensor(data.target)
    shares = (x - x.amin(dim=0)) / (x.amax(dim=0) - x.amin(dim=0))
    d = shares.shape[1]
    models = {
        "linear": trained(shares, y, nn.Linear(d, 3).double()),
        "network": trained(
            shares, y, nn.Sequential(nn.Linear(d, 32), nn.Tanh(), nn.Linear(32, 3)).double()
        ),
    }
    some = torch.randperm(len(x))[:100]
    target, rows, record = (y[some] + 1) % 3, [], {}
    for kind, model in models.items():
        for name, stepper in STEPPERS.items():
            first = None
            for unit, (low, high) in units(d).items():

                def scaled(x: Tensor, low: Tensor = low, high: Tensor = high) -> Tensor:
                    return model((x - low) / (high - low))  # noqa: B023 - used at once

                x0 = low + (high - low) * shares[some]
                wanted = CrossEntropy(scaled, target) + 0.5 * Proximity(x0)
                found = solve(
                    Problem(wanted, Box(low, high)),
                    x0,
                    stepper=stepper,
                    stop=Plateau(12, 1e-7),
                    max_steps=STEPS,
                    compute=Compute(precision="float64"),
                )
                seen = (found.x - low) / (high - low), found.steps.double()
                first = seen if first is None else first
                away = float((seen[0] - first[0]).abs().max())
                steps = float(((seen[1] - first[1]).abs() / first[1]).max())
                moved = float((seen[0] - shares[some]).abs().amax(dim=1).mean())
                record[f"{kind}, {name}, {unit}"] = {"away": away, "steps": steps, "moved": moved}
                rows.append([kind, name, unit, f"{moved:.3f}", f"{away:.1e}", f"{steps:.1%}"])
                print(rows[-1], flush=True)
    head = ["model", "stepper", "unit", "moved", "largest difference", "difference in steps"]
    text = table(head, rows)
    text += (
        "\n*moved*: the farthest feature of each flower, in the mean, as a share of its range. "
        "*largest difference*: of any feature of any answer from that in the unit 0 … 1, likewise. "
        "*difference in steps*: the largest of any candidate.\n"
    )
    write(
        "units", {"provenance": provenance(SEED, ["torch", "scikit-learn"]), "rows": record}, text
    )


if __name__ == "__main__":
    main()
