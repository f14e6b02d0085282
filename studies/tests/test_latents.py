"""The latent spaces that a study compares: what is trained, measured, searched and drawn."""

import dataclasses
import json
from functools import partial

import pytest
import torch

from studies import STUDIES, latents
from studies.latents import (
    QUICK,
    InOwnLatent,
    LatentPlan,
    declared_box,
    limit_of,
    measured,
    natural_share,
    own_vae,
    searched,
    surprise,
)
from studies.maps import drawn_map, map_of
from studies.report.latent_maps import save_latent_maps_png
from studies.runner.experiment import Context
from xhat.core import generator
from xhat.judges import Judge, Jury, Neighbours
from xhat.methods import Guided
from xhat.objectives.goals import Class
from xhat.spaces import Latent
from xhat_zoo import digits
from xhat_zoo.digits.domain import digits_domain

TEST = digits.split("test")


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    return Context(quick=True, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def judge():
    known, usual = digits.split("judge_train"), digits.split("calibration")
    x, labels = known.images[:600], known.labels[:600]
    jury = Jury((digits.judge("judge-mlp"),), ("judge-mlp",), digits.CLASSES)
    axes = (Neighbours("distance in pixels", x, labels=labels),)
    return Judge.assemble(jury, axes, (x, labels), (usual.images[:400], usual.labels[:400]), 0.1)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(latents, "InOwnLatent", partial(InOwnLatent, max_steps=12))


@pytest.fixture(scope="module")
def vae(context):
    return own_vae(LatentPlan(2), 0, context)


def test_an_autoencoder_is_trained_once_for_its_plan_and_seed(context, vae):
    kept = sorted(context.cache.glob("*.safetensors"))
    again = own_vae(LatentPlan(2), 0, context)
    assert sorted(context.cache.glob("*.safetensors")) == kept
    z = torch.randn(3, 2, generator=generator(0))
    assert torch.equal(vae.decode(z), again.decode(z))
    assert not torch.equal(vae.decode(z), own_vae(LatentPlan(2, beta=4.0), 0, context).decode(z))
    assert not any(weight.requires_grad for weight in vae.parameters())


def test_the_method_differs_from_latent_robust_in_where_it_searches_alone(vae):
    box = declared_box(vae)
    own, base = InOwnLatent(vae=vae, box=box), Guided()
    for each in dataclasses.fields(base):
        assert getattr(own, each.name) == getattr(base, each.name)
    asked = (digits.surrogate("robust"), Class(3), TEST.images[:1], digits_domain())
    space = own.plan(*asked).problem.space
    assert isinstance(space, Latent)
    assert torch.equal(space.project(torch.full((1, 2), 99.0))[0], box[1])
    with pytest.raises(ValueError, match="latent-robust needs an autoencoder and a box"):
        InOwnLatent().plan(*asked)


def test_what_is_natural_is_what_the_judge_calls_genuine(judge):
    x = torch.cat((TEST.images[:80], digits.fashion()[:40]))
    votes = judge.jury.together(judge.jury.probabilities(x))
    outcomes = judge.judge(x, votes[:, :-1].argmax(1)).outcomes
    natural = surprise(judge, x) <= limit_of(judge)
    assert natural.tolist() == [outcome == "genuine" for outcome in outcomes]
    assert 0.7 < natural[:80].double().mean() < 1
    assert natural[80:].double().mean() < 0.2


def test_the_shipped_space_keeps_digits_and_one_of_two_values_does_not(judge, vae):
    extent = dataclasses.replace(QUICK, judged=60)
    good, bad = (measured(each, judge, extent, 0) for each in (digits.vae(), vae))
    assert good["error"] < 10 < 50 < bad["error"]
    assert good["class kept"] > 0.9 > bad["class kept"]
    assert good["within tolerance"] > 0.9 > 0.1 > bad["within tolerance"]
    assert 1 < good["classes per place"] < bad["classes per place"] < 10


def test_the_shipped_space_is_fuller_than_one_that_was_hardly_trained(judge, vae):
    good, bad = (
        natural_share(each, declared_box(each), judge, QUICK, 0) for each in (digits.vae(), vae)
    )
    assert good.value > 0
    assert bad.value < good.value
    assert bad.low <= bad.value <= bad.high


def test_a_search_is_measured(judge, quick):
    found, steering = searched(digits.vae(), declared_box(digits.vae()), judge, QUICK, 0)
    assert len(steering.pairs) == 100
    assert set(found) >= {"genuine", "off manifold", "unreached", "frechet", "coverage", "ratio"}
    assert all(value == value for value in found.values())
    assert 0.05 < found["genuine"] <= 1


def test_a_map_is_kept_as_json_and_drawn_from_it(judge, vae, quick, tmp_path):
    kept = json.loads(json.dumps(map_of(vae, declared_box(vae), judge, 0)))
    shown = drawn_map("two values", kept)
    assert torch.as_tensor(shown.mosaic).shape == (22, 22, 14, 14)
    assert {verdict for _, verdict in shown.paths} <= {path["verdict"] for path in kept["paths"]}
    low, high = declared_box(vae)
    corner = (low + (high - low) * torch.tensor([0.5 / 22, 21.5 / 22]))[None]  # left and above
    wanted = torch.nn.functional.interpolate(vae.decode(corner), (14, 14), mode="area")[0, 0]
    assert torch.allclose(torch.as_tensor(shown.mosaic)[21, 0].float(), wanted, atol=0.01)
    assert save_latent_maps_png(tmp_path / "map.png", [shown]).stat().st_size > 10_000
    with pytest.raises(ValueError, match="a map has two dimensions, but the latent space has 16"):
        map_of(digits.vae(), (low, high), judge, 0)


def test_the_study_says_all_that_its_cells_depend_on():
    study = STUDIES["latent-size"]
    settings = [arm.settings for arm in study.arms]
    assert [told["plan"]["latent"] for told in settings] == [1, 2, 4, 8, 12, 16, 24, 32, 64]
    assert all(told["method"]["name"] == "latent-robust" for told in settings)
    json.dumps(settings)
