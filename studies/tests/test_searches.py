"""The searches that studies compare find today what their committed cells hold."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from studies.ablation import _WAYS
from studies.searches import _images, own_pairs
from xhat.methods import Options
from xhat.objectives.goals import Class
from xhat_zoo.digits.domain import digits_domain
from xhat_zoo.digits.steering import searched_through

CELLS = Path(__file__).parents[1] / "results" / "ablation" / "cells"
SOME = torch.tensor([3, 17, 38, 52, 71, 86])


@pytest.mark.parametrize(
    "name", ["retrieval", "not bent", "one lattice", "no energy", "latent-robust"]
)
def test_a_search_finds_what_the_committed_cell_holds(name):
    method = _WAYS[name][1]
    cell = json.loads((CELLS / f"{name.replace(' ', '-')}-0.json").read_text())
    pairs = own_pairs(0, 10)
    found = method.search(
        searched_through(method.name),
        Class(pairs.target[SOME]),
        pairs.starts[SOME],
        digits_domain(),
        options=Options(seed=0),
    )
    kept = _images(cell["details"]["images"], 100)[SOME]
    away = np.abs(found.finished().x[:, 0].numpy() - kept)
    assert away.max() < 0.01  # kept in 256 levels, and found on another processor
