"""The study on ways between digits, piece by piece; the committed cells say what it found."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from studies import STUDIES
from studies import interpolation as study
from studies.paths import WAYS, Ends
from xhat.metrics import straight
from xhat_zoo import digits

STUDY = STUDIES["interpolation"]


@pytest.fixture(scope="module")
def pairs():
    every = digits.pairs(1)
    chosen = torch.tensor([1, 38])  # from 0 to 1, from 3 to 8
    return digits.Pairs(every.index[chosen], every.start_label[chosen], every.target[chosen])


@pytest.fixture(scope="module")
def path(pairs):
    others = digits.split("test").images[:2]
    return straight(pairs.starts, others, 11)


def outcomes(*inner):
    return np.array([["genuine", *row, "genuine"] for row in inner])


def test_a_frame_counts_as_on_the_manifold_when_it_is_neither_off_nor_foreign(pairs, path):
    said = outcomes(
        ["genuine"] * 3
        + ["ambiguous"] * 3
        + ["off_manifold", "adversarial", "out_of_distribution"],
        ["genuine"] * 9,
    )
    seen = pairs.start_label[:, None].expand(-1, 11).clone()
    seen[1, 1:5] = 7  # neither the start nor the target
    found = study._metrics(path, said, seen, pairs)
    assert found["on the manifold"] == pytest.approx((6 + 9) / 18)
    assert found["whole paths"] == 0.5
    assert found["start or target"] == pytest.approx((3 + 5) / 18)
    assert found["another digit"] == pytest.approx(4 / 18)
    assert found["detour"] == pytest.approx(1, abs=1e-4)
    assert found["detour in features"] > 1
    steps_alike = found["way on the manifold"]  # weighed by length, of two paths of other lengths
    assert 0.7 < steps_alike < 0.9


def test_the_ends_count_for_nothing(pairs, path):
    said = outcomes(["genuine"] * 9, ["genuine"] * 9)
    said[:, 0] = said[:, -1] = "adversarial"
    seen = pairs.target[:, None].expand(-1, 11)
    found = study._metrics(path, said, seen, pairs)
    assert found["on the manifold"] == found["whole paths"] == found["start or target"] == 1


def test_a_search_that_ends_where_it_began_leaves_the_mean_detour_finite(pairs, path):
    back = torch.cat((path[:, :6], path[:, :5].flip(1)), dim=1)
    back[1] = path[1]
    said, seen = outcomes(*[["genuine"] * 9] * 2), pairs.target[:, None].expand(-1, 11)
    found = study._metrics(back, said, seen, pairs)
    assert found["detour"] == pytest.approx(1, abs=1e-4)
    assert all(np.isfinite(value) for value in found.values())


def test_films_survive_being_kept_as_json(pairs, path, tmp_path):
    said = outcomes(["genuine"] * 9, ["off_manifold"] * 9)
    kept = json.loads(json.dumps(study._examples(path, said, pairs)))
    assert kept["pairs"] == ["from 3 to 8", "from 0 to 1"]  # in the order that was fixed
    assert kept["outcomes"][0][1] == "off_manifold"
    again = study._frames(kept["films"][1])
    assert again.dtype == np.float32
    assert np.abs(again - path[0, :, 0].numpy()).max() <= 0.5 / 255 + 1e-6
    cells = {arm.name: {0: kept, 1: {}} for arm in STUDY.arms}
    drawn = study._draw({}, cells, tmp_path)
    assert [file.name for file, _ in drawn] == ["films.png", "films.gif"]
    with Image.open(drawn[0][0]) as image:
        assert image.width > image.height / 2


def test_lines_and_arcs_have_the_same_ends(path):
    vae = digits.vae()
    with torch.no_grad():
        first, last = vae.encode(path[:, 0]), vae.encode(path[:, -1])
    ends = Ends(None, torch.arange(2), first, last)  # pyright: ignore[reportArgumentType]
    ways = [WAYS[name][1](ends) for name in ("pixels", "latent", "spherical")]
    for other in ways[1:]:
        assert torch.allclose(other[:, (0, -1)], ways[0][:, (0, -1)], atol=1e-5)
        assert not torch.allclose(other[:, 5], ways[0][:, 5], atol=1e-2)


def test_claims_compare_kinds_that_have_the_same_ends():
    others = [{"search flow", "pixels flow"}, {"search retrieval"}]
    for claim in STUDY.claims:
        assert any({claim.arm, claim.baseline} <= each for each in others) or not any(
            {claim.arm, claim.baseline} & each for each in others
        )
