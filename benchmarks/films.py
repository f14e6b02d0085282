"""Films of searches along the data: every frame is a state that the search went through.

    python benchmarks/films.py

Rotated MNIST, 8 x 8 digits, signals (GunPoint, JapaneseVowels) and a table (wine: each bar is a
column, in standard deviations from its mean), from held-out starts to other classes. The border of
each last frame tells the verdict, and beside it stands the nearest real sample of the target.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from methods import _model
from torch import Tensor
from verdict_data import DATA
from verdicts import _domain, _first

from xhat.core import generator
from xhat.methods import Flow, Nearest, Options
from xhat.objectives.goals import Class
from xhat_zoo import digits

IMAGE = Path(__file__).resolve().parents[1] / "docs" / "images" / "films.png"
FIELDS = {"rotated MNIST": 6, "8x8 digits": 4, "GunPoint": 3, "JapaneseVowels": 3, "wine": 3}
FRAMES = (0, 1, 2, 3, 4, 6, 10)
GREEN, RED = "#2a9d4a", "#c8463c"


def film(name: str, count: int) -> tuple[Tensor, Tensor, list[bool], list[str]]:
    """Return frames ``(frames, count, ...)``, nearest real samples, verdicts and titles."""
    data, draws = DATA[name](), generator(1, "films", name)
    labels = data.labels
    if labels is None:
        raise ValueError(f"{name} has no classes.")
    order = torch.randperm(len(data.x), generator=draws)
    order = order[_first(data.x[order])]
    known, held = order[: data.known], order[data.known :][:count]
    domain = _domain(name, data, known, 0)
    x0, own = data.x[held], labels[held]
    classes = int(labels.max()) + 1
    target = (own + torch.randint(1, classes, own.shape, generator=draws)) % classes
    model = digits.surrogate("plain") if name == "rotated MNIST" else _model(domain, 0)
    goal = Class(target)
    found = Flow().search(model, goal, x0, domain, options=Options(trace=1))
    if found.trajectory is None:
        raise ValueError("the search recorded no states.")
    near = Nearest().search(model, goal, x0, domain).x
    genuine = [str(each) == "genuine" for each in domain.judge().judge(found.x, target).outcomes]
    frames = found.trajectory.x
    if data.x.ndim == 2:
        mean, spread = domain.x.mean(dim=0), domain.x.std(dim=0)
        frames, near = (frames - mean) / spread, (near - mean) / spread
    titles = [f"{a} → {b}" for a, b in zip(own.tolist(), target.tolist(), strict=True)]
    return frames, near, genuine, titles


def main() -> None:
    """Draw all of them."""
    torch.set_num_threads(1)
    rows = sum(FIELDS.values())
    figure, axes = plt.subplots(
        rows, len(FRAMES) + 1, figsize=(8, 0.92 * rows), squeeze=False,
        gridspec_kw={"wspace": 0.06, "hspace": 0.06},
    )  # fmt: skip
    row = 0
    for name, count in FIELDS.items():
        frames, near, genuine, titles = film(name, count)
        for k in range(count):
            shown = [frames[step][k] for step in FRAMES] + [near[k]]
            low, high = float(frames[:, k].min()), float(frames[:, k].max())
            for column, x in enumerate(shown):
                axis = axes[row, column]
                axis.set_xticks([])
                axis.set_yticks([])
                if x.ndim == 3:
                    axis.imshow(x[0], cmap="gray", vmin=0, vmax=1)
                elif x.ndim == 1:
                    axis.bar(range(len(x)), x, color="#30508a")
                    axis.set_ylim(-3, 3)
                else:
                    axis.plot(x.T, color="#30508a", linewidth=0.8)
                    axis.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
                if column == len(FRAMES) - 1:
                    for side in axis.spines.values():
                        side.set_color(GREEN if genuine[k] else RED)
                        side.set_linewidth(2.5)
            said = f"{name}\n{titles[k]}" if k == 0 else titles[k]
            axes[row, 0].set_ylabel(said, fontsize=7, rotation=0, ha="right", va="center")
            row += 1
    for column, step in enumerate(FRAMES):
        axes[0, column].set_title("start" if step == 0 else f"step {step}", fontsize=8)
    axes[0, -1].set_title("nearest real", fontsize=8)
    figure.savefig(IMAGE, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
