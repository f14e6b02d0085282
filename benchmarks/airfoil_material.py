"""What the task ``airfoil`` ships: NeuralFoil's weights, a catalogue, and references for the tests.

    pip install neuralfoil==0.3.3 torch safetensors
    python benchmarks/airfoil_material.py

It runs in an environment of its own: NeuralFoil needs AeroSandbox, which needs CasADi. Written are
``neuralfoil-SIZE.safetensors`` (the last layer keeps the outputs confidence, CL, CD, CM and the two
transitions), ``catalogue.safetensors`` (Kulfan parameters of the UIUC database by AeroSandbox's own
fit), a card beside each, and ``reference.json``: what NeuralFoil itself says of 40 random cases.
"""

import hashlib
import json
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aerosandbox as asb
import neuralfoil as nf
import numpy as np
import torch
from safetensors.torch import save

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "src" / "xhat" / "tasks" / "weights" / "airfoil"
SIZES, SEED, CASES = ("xlarge", "xxlarge"), 0, 40
OUTPUTS = ("analysis_confidence", "CL", "CD", "CM", "Top_Xtr", "Bot_Xtr")
MISS = 0.002  # of the chord, by which a fit may miss the coordinates
COMMAND = "python benchmarks/airfoil_material.py"


def weights(size: str) -> None:
    """Convert the weights of one size."""
    folder = Path(nf.__file__).parent / "nn_weights_and_biases"
    stored = np.load(folder / f"nn-{size}.npz")
    inputs = np.load(folder / "scaled_input_distribution.npz")
    layers = sorted({int(name.split(".")[1]) for name in stored})
    tensors = {
        "mean": torch.from_numpy(inputs["mean_inputs_scaled"]),
        "precision": torch.from_numpy(inputs["inv_cov_inputs_scaled"]),
    }
    for place, layer in enumerate(layers):
        rows = len(OUTPUTS) if layer == layers[-1] else None
        for part in ("weight", "bias"):
            kept = np.ascontiguousarray(stored[f"net.{layer}.{part}"][:rows])
            tensors[f"layers.{place}.{part}"] = torch.from_numpy(kept)
    keep(
        f"neuralfoil-{size}",
        tensors,
        {
            "source": "NeuralFoil, https://github.com/peterdsharpe/NeuralFoil",
            "author": "Peter Sharpe",
            "licence": "MIT; the notice stands in NOTICE",
            "changes": "of the last layer's 198 outputs the first 6 are kept",
            "outputs": OUTPUTS,
            "parameters": sum(t.numel() for name, t in tensors.items() if "layers" in name),
        },
    )


def catalogue() -> None:
    """Fit every airfoil of the database, and keep those that are fitted well."""
    folder = Path(asb.__file__).parent / "geometry" / "airfoil" / "airfoil_database"
    found, left = {}, 0
    for path in sorted(folder.glob("*.dat"), key=lambda path: path.stem.lower()):
        parameters = fitted(path.stem)
        if parameters is None:
            left += 1
        else:
            found[path.stem.lower()] = parameters
    keep(
        "catalogue",
        {"parameters": torch.tensor(np.array(list(found.values())), dtype=torch.float32)},
        {
            "source": "UIUC Airfoil Coordinates Database, as carried by AeroSandbox",
            "author": "Michael Selig and others; AeroSandbox: Peter Sharpe",
            "licence": "AeroSandbox: MIT; the notice stands in NOTICE",
            "changes": "8 + 8 Kulfan weights, leading-edge weight and trailing-edge thickness, "
            "fitted by AeroSandbox to the normalised coordinates",
            "left out": f"{left} that could not be read, cross themselves, or are missed by more "
            f"than {MISS} chords",
            "names": list(found),
        },
    )


def fitted(name: str) -> np.ndarray | None:
    """Return the 18 parameters, or None where they do not describe the airfoil."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn = asb.Airfoil(name).normalize()
            fit = drawn.to_kulfan_airfoil(n_weights_per_side=8)
            x = (1 - np.cos(np.linspace(0, np.pi, 101)[1:-1])) / 2
            thick = fit.local_thickness(x)
            inner = x[(x > 0.01) & (x < 0.99)]  # where coordinates are dense enough to compare
            miss = max(
                np.abs(drawn.local_thickness(inner) - fit.local_thickness(inner)).max(),
                np.abs(drawn.local_camber(inner) - fit.local_camber(inner)).max(),
            )
    except Exception as error:  # noqa: BLE001 - some files of the database are broken
        print(f"{name}: {type(error).__name__}: {error}")
        return None
    parameters = np.array(
        [*fit.upper_weights, *fit.lower_weights, fit.leading_edge_weight, fit.TE_thickness]
    )
    fine = np.isfinite(parameters).all() and miss <= MISS and thick.min() > 0
    return parameters if fine and fit.TE_thickness >= 0 else None


def reference() -> None:
    """Write what NeuralFoil itself says of random airfoils, with all digits."""
    noise = np.random.default_rng(SEED)
    real = [asb.KulfanAirfoil("naca2412"), asb.KulfanAirfoil("dae11"), asb.KulfanAirfoil("s1223")]
    cases = []
    for k in range(CASES):
        base = real[k % len(real)]
        rough = 0.05 * (k // len(real) % 3)
        parameters = {
            "upper_weights": base.upper_weights + rough * noise.normal(size=8),
            "lower_weights": base.lower_weights + rough * noise.normal(size=8),
            "leading_edge_weight": float(base.leading_edge_weight + rough * noise.normal()),
            "TE_thickness": float(base.TE_thickness + 0.005 * noise.random()),
        }
        at = {
            "alpha": float(noise.uniform(-15, 18)),
            "Re": float(10 ** noise.uniform(4, 7.5)),
            "n_crit": float(noise.choice([5.0, 9.0, 12.0])),
        }
        said = {
            size: [
                float(nf.get_aero_from_kulfan_parameters(parameters, **at, model_size=size)[o][0])
                for o in OUTPUTS
            ]
            for size in SIZES
        }
        flat = np.concatenate([np.atleast_1d(value) for value in parameters.values()])
        cases.append({"parameters": flat.tolist(), **at, "said": said})
    path = ROOT / "tests" / "tasks" / "airfoil" / "reference.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"neuralfoil": version("neuralfoil"), "cases": cases}) + "\n")


def keep(name: str, tensors: dict[str, torch.Tensor], card: dict[str, Any]) -> None:
    """Write tensors and their card."""
    OUT.mkdir(parents=True, exist_ok=True)
    data = save(tensors)
    (OUT / f"{name}.safetensors").write_bytes(data)
    card = {
        "name": name,
        **card,
        "command": COMMAND,
        "versions": {p: version(p) for p in ("neuralfoil", "aerosandbox", "numpy")},
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    (OUT / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n")
    print(name, len(data), "bytes")


if __name__ == "__main__":
    for each in SIZES:
        weights(each)
    reference()
    catalogue()
