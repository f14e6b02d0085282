"""What is drawn of a latent space of two dimensions, computed in a cell and kept as JSON."""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from studies.latents import InOwnLatent, encoded, limit_of, surprise
from studies.report.latent_maps import LatentMap
from xhat.judges import Judge
from xhat.learning import VAE
from xhat.methods import Options
from xhat_zoo import digits
from xhat_zoo.digits.steering import steer

__all__ = ["drawn_map", "map_of"]

_GRID, _TILE = 22, 14  # places along a side of the mosaic, and pixels of each
_SHOWN = 700  # real digits
_EVERY = 3  # steps between two points of a path
_WAYS = ((0, 6), (1, 7), (3, 8), (4, 9), (7, 2), (5, 0))  # searches: from which digit to which
_ROUND = 3  # digits after the point


def map_of(vae: VAE, box: tuple[Tensor, Tensor], judge: Judge, seed: int) -> dict[str, Any]:
    """Return mosaic, verdicts, data and paths of a latent space of two dimensions, as JSON.

    Args:
        vae: whose latent space; of two values.
        box: its lower and upper ends, ``(2,)`` each; the map shows it and nothing else.
        judge: of digits.
        seed: of the searches.

    Raises:
        ValueError: another number of dimensions.
    """
    if vae.latent != 2:
        raise ValueError(f"a map has two dimensions, but the latent space has {vae.latent}.")
    low, high = box
    middles = (torch.arange(_GRID) + 0.5) / _GRID
    up, right = torch.meshgrid(middles, middles, indexing="ij")
    places = low + torch.stack((right, up), dim=-1).reshape(-1, 2) * (high - low)
    with torch.no_grad():
        x = vae.decode(places)
    natural = surprise(judge, x) <= limit_of(judge)
    tiles = F.interpolate(x, (_TILE, _TILE), mode="area").mul(255).round().to(torch.uint8)
    test = digits.split("test")
    return {
        "low": _rounded(low),
        "high": _rounded(high),
        "mosaic": base64.b64encode(zlib.compress(tiles.numpy().tobytes(), 9)).decode(),
        "natural": natural.reshape(_GRID, _GRID).int().tolist(),
        "data": _rounded(encoded(vae, test.images[:_SHOWN])),
        "labels": test.labels[:_SHOWN].tolist(),
        "paths": _paths(vae, box, judge, seed),
    }


def drawn_map(title: str, kept: Mapping[str, Any]) -> LatentMap:
    """Return the record that is drawn, from what a cell kept."""
    pixels = np.frombuffer(zlib.decompress(base64.b64decode(kept["mosaic"])), dtype=np.uint8)
    side = len(kept["natural"])
    return LatentMap(
        title,
        tuple(kept["low"]),
        tuple(kept["high"]),
        pixels.reshape(side, side, _TILE, _TILE) / 255,
        kept["natural"],
        kept["data"],
        kept["labels"],
        [(path["places"], path["verdict"]) for path in kept["paths"]],
    )


def _paths(vae: VAE, box: tuple[Tensor, Tensor], judge: Judge, seed: int) -> list[dict[str, Any]]:
    every = digits.pairs(1)
    rows = [start * digits.CLASSES + target for start, target in _WAYS]
    some = digits.Pairs(every.index[rows], every.start_label[rows], every.target[rows])
    model = digits.surrogate("robust")
    found = steer(
        InOwnLatent(vae=vae, box=box),
        model,
        some,
        judge,
        options=Options(seed=seed, trace=_EVERY),
    )
    trajectory = found.result.trajectory
    if trajectory is None:
        raise RuntimeError("a trace was asked for.")
    ways = []
    for k, outcome in enumerate(found.verdicts.outcomes):
        places = encoded(vae, trajectory.x[1:, k])  # the start itself is not what is decoded
        places = torch.cat((encoded(vae, found.result.x0[k : k + 1]), places))
        places[-1] = found.result.z[k]
        ways.append(
            {
                "from": int(some.start_label[k]),
                "to": int(some.target[k]),
                "verdict": str(outcome),
                "places": _rounded(torch.minimum(torch.maximum(places, box[0]), box[1])),
            }
        )
    return ways


def _rounded(values: Tensor) -> Any:
    return values.double().mul(10**_ROUND).round().div(10**_ROUND).tolist()
