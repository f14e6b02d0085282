"""What lies on the way from a start to what a search made of it?"""

import base64
import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from studies.paths import FRAMES, ON, REAL, SEARCH, STEPS, WAYS, WEIGHT, Ends, describe, ends_of
from studies.report.films import Film, save_films_gif, save_films_png
from studies.runner.experiment import Arm, Cell, Claim, Context, Experiment, Pictures, Table
from studies.runner.paired import interval
from xhat.judges import Judge, Outcome, Penultimate
from xhat.metrics import path_shape
from xhat_zoo import digits
from xhat_zoo.digits.judging import digits_judge

__all__ = ["INTERPOLATION"]

_SHOWN = ((3, 8), (0, 1), (5, 6), (7, 2), (4, 9), (6, 0), (9, 4), (2, 7))  # the first four that can
_FILMS = 4
_FEATURES = "judge-residual"  # the judge in whose features paths are measured as well


def _cell(seed: int, context: Context, *, lay: Callable[[Ends], Tensor]) -> Cell:
    ends, judge = ends_of(seed, context.quick), digits_judge()
    path = lay(ends).clamp(0, 1)
    outcomes, seen = _judged(judge, path)
    metrics = _metrics(path, outcomes, seen, ends.pairs)
    metrics["pairs kept"] = float(len(path) / len(ends.found.pairs))
    return Cell(metrics, {} if seed else _examples(path, outcomes, ends.pairs))


def _judged(judge: Judge, path: Tensor) -> tuple[NDArray[Any], Tensor]:
    """Return the outcome of every frame, judged as the digit that is seen in it, and that digit."""
    x = path.flatten(0, 1)
    if judge.jury is None:
        raise ValueError("frames can only be judged by a judge with a jury.")
    seen = judge.jury.together(judge.jury.probabilities(x))[:, : digits.CLASSES].argmax(dim=1)
    outcomes = np.array([str(outcome) for outcome in judge.judge(x, seen).outcomes])
    return outcomes.reshape(path.shape[:2]), seen.reshape(path.shape[:2])


def _metrics(
    path: Tensor, outcomes: NDArray[Any], seen: Tensor, pairs: digits.Pairs
) -> dict[str, float]:
    inner = torch.from_numpy(np.isin(outcomes, [str(o) for o in ON]))[:, 1:-1]
    genuine = torch.from_numpy(outcomes == str(Outcome.GENUINE))[:, 1:-1]
    inside = seen[:, 1:-1]
    ours = (inside == pairs.start_label[:, None]) | (inside == pairs.target[:, None])
    steps = path.diff(dim=1).flatten(2).norm(dim=2)
    way = (steps[:, 1:] + steps[:, :-1]) / 2  # what lies nearer to this frame than to another
    features = Penultimate(digits.judge(_FEATURES))(path.flatten(0, 1)).unflatten(0, path.shape[:2])
    shape, felt = path_shape(path), path_shape(features)
    return {
        "on the manifold": float(inner.double().mean()),
        "way on the manifold": float((way * inner).sum() / way.sum()),
        "whole paths": float(inner.all(dim=1).double().mean()),
        "start or target": float((genuine & ours).double().mean()),
        "another digit": float((~ours).double().mean()),
        "length": float(shape.length.mean()),
        "detour": _mean(shape.detour),
        "unevenness": float(shape.unevenness.mean()),
        "length in features": float(felt.length.mean()),
        "detour in features": _mean(felt.detour),
        "unevenness in features": float(felt.unevenness.mean()),
    }


def _mean(detour: Tensor) -> float:
    """Return the mean over the paths whose ends lie apart: a search may end where it began."""
    return float(detour[detour.isfinite()].mean())


def _examples(path: Tensor, outcomes: NDArray[Any], pairs: digits.Pairs) -> dict[str, Any]:
    """Return a few films, the frames of each side by side in one PNG."""
    known = list(zip(pairs.start_label.tolist(), pairs.target.tolist(), strict=True))
    shown = [known.index(pair) for pair in _SHOWN if pair in known][:_FILMS]
    return {
        "pairs": [f"from {known[k][0]} to {known[k][1]}" for k in shown],
        "films": [_png(path[k]) for k in shown],
        "outcomes": [outcomes[k].tolist() for k in shown],
    }


def _png(frames: Tensor) -> str:
    strip = (frames[:, 0].permute(1, 0, 2).flatten(1) * 255).round().byte().numpy()
    stream = io.BytesIO()
    Image.fromarray(strip).save(stream, format="PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


def _frames(film: str) -> NDArray[np.float32]:
    with Image.open(io.BytesIO(base64.b64decode(film))) as image:
        strip = np.asarray(image, dtype=np.float32) / 255
    return np.stack(np.split(strip, FRAMES, axis=1)).astype(np.float32)


def _draw(table: Table, details: Mapping[str, Mapping[int, Any]], folder: Path) -> Pictures:
    del table
    films, pairs = [], []
    for arm, cells in details.items():
        if cells[0]["films"]:
            frames = np.stack([_frames(film) for film in cells[0]["films"]])
            films.append(Film(arm, _CAPTIONS[arm], frames, cells[0]["outcomes"]))
            pairs = cells[0]["pairs"]
    if not films:
        return ()
    still = save_films_png(
        folder / "films.png",
        films,
        pairs,
        title="Nine ways from a digit to what a search made of it",
        note="The border is the verdict on the frame, judged as the digit that the judges see in "
        "it: green and blue lie on the manifold.",
    )
    moving = save_films_gif(folder / "films.gif", films, pairs, title="Nine ways to a digit")
    return (
        (
            still,
            "Frames of every kind of path, for four pairs of the first seed; the border is the "
            "verdict. All but the last three rows have the same ends.",
        ),
        (moving, "The same paths, moving there and back."),
    )


def _remark(table: Table) -> tuple[str, ...]:
    def mean(arm: str, metric: str) -> float:
        return interval([cell[metric] for cell in table[arm].values()]).mean

    kept = (
        f"{100 * mean('pixels', 'pairs kept'):.0f} % of the pairs have both ends on the manifold "
        f"and are kept."
    )
    return (
        kept,
        *(
            f"{arm}: {100 * mean(arm, 'whole paths'):.0f} % of the paths lie on the manifold with "
            f"every frame; they are {mean(arm, 'detour'):.2f} times as long as straight in pixels "
            f"and {mean(arm, 'detour in features'):.2f} times in features."
            for arm in table
        ),
    )


_CAPTIONS = {arm: caption for arm, (caption, _) in WAYS.items()}


def _arm(name: str) -> Arm:
    caption, lay = WAYS[name]
    settings = {
        **describe(name),
        "shown": _SHOWN,
    }
    return Arm(name, caption, partial(_cell, lay=lay), settings)


INTERPOLATION = Experiment(
    name="interpolation",
    question=(
        "Between a digit and what a search made of it: does the way through a latent space stay on "
        "the manifold where a straight line in pixels leaves it, and the shortest such way best?"
    ),
    protocol=(
        "Ends: a test digit as the shipped autoencoder sees it (its reconstruction, where a search "
        f"in the latent space begins) and what the method {SEARCH} made of it. Every seed has a "
        "start of every digit of its own and the nine other digits as targets, 90 pairs; kept are "
        "those with both ends on the manifold. All kinds of path but the last three have these "
        "ends.",
        f"A path has {FRAMES} frames. Lines and arcs go in even steps of their own parameter; "
        f"geodesics are searched by {STEPS} steps of Adam from the straight line, all inner codes "
        "of a curve at once, so that the decoded curve has the least energy; searches are laid in "
        "even steps of pixels. The prior of the fifth kind costs what a code's mean distance to "
        f"its 5 nearest of {REAL:,} real codes exceeds the median of real ones, with weight "
        f"{WEIGHT:g}.",
        "Every frame between the ends is judged as the digit that the judges together see most in "
        "it; it is on the manifold if it is neither off the manifold nor out of distribution nor "
        "adversarial. The share of the way weighs each frame by the length in pixels that is "
        "nearest to it. A frame is start or target if it is a genuine sample of either digit.",
        "A detour is the length over the distance of the ends, where they lie apart; unevenness is "
        "the largest step over the mean one; features are what the last layer of the judge "
        f"{_FEATURES} sees.",
        "The search along the data, flow, begins at the digit itself and ends elsewhere; beside it "
        "stands the straight line in pixels between its own ends. Its states lie close together at "
        "the end, where all is decided, which even steps of pixels do not reward.",
        "The path of the method retrieval begins at a real sample of the target and other ends; it "
        "is shown and not claimed on. Its search starts from the same digits.",
        "Fixed before the run: the claims below and their margins.",
    ),
    arms=tuple(_arm(name) for name in WAYS),
    claims=(
        Claim(
            "straight through the latent space, more frames are on the manifold than straight in "
            "pixels",
            "latent",
            "pixels",
            "on the manifold",
            0.1,
        ),
        Claim(
            "the shortest decoded curve is on the manifold more often than the straight line of "
            "codes",
            "geodesic",
            "latent",
            "on the manifold",
        ),
        Claim(
            "and so is the shortest curve near real codes",
            "geodesic near real",
            "latent",
            "on the manifold",
        ),
        Claim(
            "the shortest curve is a smaller detour than the straight line of codes",
            "geodesic",
            "latent",
            "detour",
            0.05,
            lower=True,
        ),
        Claim(
            "the way that the search went is on the manifold more often than straight in pixels",
            "search",
            "pixels",
            "on the manifold",
            0.1,
        ),
        Claim(
            "and so is the way that the search along the data went, than straight in pixels "
            "between its own ends",
            "search flow",
            "pixels flow",
            "on the manifold",
            0.1,
        ),
    ),
    shown={
        "on the manifold": "on the manifold %",
        "way on the manifold": "of the way %",
        "whole paths": "whole paths %",
        "start or target": "genuine start or target %",
        "another digit": "another digit %",
        "length": "length, L2",
        "detour": "detour",
        "unevenness": "unevenness",
        "detour in features": "detour in features",
        "unevenness in features": "unevenness in features",
    },
    draw=_draw,
    remark=_remark,
)
