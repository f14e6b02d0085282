import json
from dataclasses import dataclass

import numpy as np
import torch

from xhat.constraints import Invariance, certify
from xhat.judges import Outcome
from xhat.symmetry import Mirror, Rotations
from xhat_zoo.digits import ambigrams
from xhat_zoo.digits.ambigrams import Ambigrams, Gallery, all_pairs, half_turned
from xhat_zoo.digits.structures import Structured, symmetric_digits

GOOD, BAD = Outcome.GENUINE, Outcome.MISTAKEN


@dataclass
class Said:
    outcomes: tuple
    confidence: torch.Tensor


def test_symmetric_digits_are_symmetric_to_the_last_bit():
    found = symmetric_digits("Mirror", Mirror(-1), (8,), seed=0)
    assert torch.equal(found.x, found.x.flip(-1))
    assert found.target.tolist() == [8]
    assert float(certify(found.constraint, found.x).worst) == 0
    assert not bool(certify(Invariance(Rotations(2)), found.x).feasible)


def test_the_demo_writes_what_was_found(tmp_path):
    upright, turned = all_pairs()
    x = torch.rand(55, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = Ambigrams(upright, turned, x, torch.zeros(55))
    said = Said((GOOD,) * 54 + (BAD,) + (GOOD,) * 55, torch.ones(110))
    image = torch.ones(1, 1, 28, 28)
    structured = Structured(
        "Mirror", "Kept.", image, torch.tensor([8]), ("8",), certify(Invariance(Mirror()), image),
        Said((GOOD,), torch.ones(1)),
    )  # fmt: skip
    gallery = Gallery(found, said, (structured,), 3, 1.0)
    page = ambigrams.write(gallery, tmp_path, command="xhat demo --task ambigrams")
    assert "99 of 100 pairs" in page.read_text("utf-8")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["ambigrams"]["genuine in both readings"] == 99
    assert summary["ambigrams"]["which"] == ["9/9"]
    assert summary["structures"][0]["largest violation, float64"] == 0
    images = torch.from_numpy(np.load(tmp_path / "ambigrams.npy"))
    assert torch.equal(images[3, 7, None, None], half_turned(images[7, 3, None, None]))
    assert torch.equal(images[0, 1], x[1, 0])
    assert (tmp_path / "ambigrams.png").exists()
    assert (tmp_path / "structures.png").exists()
    assert "99 of 100" in ambigrams.said(gallery)
    assert "violation at most 0." in ambigrams.said(gallery)
