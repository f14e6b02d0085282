"""Domains: what is seen from the data, what follows from it, and what is refused."""

import time

import numpy as np
import pandas as pd
import pytest
import torch

from tests.domains import cultivar, small_digits, wine
from xhat.core import UnreadableFileError
from xhat.domain import PARTS, Domain, networks
from xhat.domain import files as domain_files
from xhat.spaces import Box, Masked

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "said", "kind", "x_shape"),
    [
        ((30, 5), None, "table", (5,)),
        ((30, 40), "signal", "signal", (1, 40)),
        ((30, 2, 40), None, "signal", (2, 40)),
        ((30, 8, 8), None, "image", (1, 8, 8)),
        ((30, 1, 8, 9), None, "image", (1, 8, 9)),
        ((30, 8, 9, 3), None, "image", (3, 8, 9)),
        ((30, 3, 8, 9), "field", "field", (3, 8, 9)),
        ((30, 2, 8, 9), None, "field", (2, 8, 9)),
    ],
)
def test_the_kind_is_seen_or_said(shape, said, kind, x_shape):
    domain = Domain(RANDOM.random(shape), kind=said)
    assert (domain.kind, domain.shape) == (kind, x_shape)


def test_values_beyond_pixels_are_a_field():
    assert Domain(RANDOM.normal(size=(30, 1, 8, 8))).kind == "field"
    assert Domain(RANDOM.integers(0, 255, (30, 1, 8, 8))).kind == "image"


def test_limits_and_units_follow_from_the_data():
    pixels = Domain(RANDOM.random((30, 8, 8)))
    assert (float(pixels.low), float(pixels.high), float(pixels.scale)) == (0, 1, 1)
    bytes_ = Domain(RANDOM.integers(0, 255, (30, 8, 8)))
    assert (float(bytes_.high), float(bytes_.scale)) == (255, 255)
    table = Domain(np.stack([RANDOM.random(50), 1000 * RANDOM.random(50)], axis=1))
    assert torch.allclose(table.scale, 3.5 * table.x.std(dim=0))
    assert torch.equal(table.low[0], table.x.amin(dim=0))


def test_the_space_keeps_limits_and_what_is_fixed():
    domain = Domain(wine().x, names=wine().names)
    start = domain.x[:2] * 1.5  # beyond what the samples span, but limits were not declared
    space = domain.space(start)
    assert (space.violation(start) == 0).all()
    strict = Domain(domain.x, limits=(0.0, 2000.0), names=domain.names, fixed=["ash"])
    space = strict.space(domain.x[:2])
    assert isinstance(space, Masked)
    moved = space.decode(space.project(space.begin(domain.x[:2]) + 1.0))
    ash = domain.names.index("ash")
    assert torch.equal(moved[:, ash], domain.x[:2, ash])
    assert (moved[:, :ash] != domain.x[:2, :ash]).all()
    assert isinstance(Domain(RANDOM.random((9, 8, 8))).space(torch.rand(1, 1, 8, 8)), Box)


def test_halves_share_nothing_and_hold_nothing_twice():
    x = torch.rand(300, 4)
    domain = Domain(torch.cat((x, x[:50])))
    first, second = domain.halves
    assert len(first) + len(second) == 300
    seen = {tuple(row) for row in domain.x[first].tolist()}
    assert not seen & {tuple(row) for row in domain.x[second].tolist()}
    assert torch.equal(first, Domain(torch.cat((x, x[:50]))).halves[0])
    assert not torch.equal(first, Domain(torch.cat((x, x[:50])), seed=1).halves[0])


def test_a_judge_is_fitted_once_and_judges():
    domain = wine()
    judge = domain.judge()
    assert domain.judge() is judge
    mine = domain.x[domain.halves[0]]
    verdicts = judge.judge(mine, domain.labels[domain.halves[0]])
    assert verdicts.counts()["genuine"] >= 0.7 * len(mine)
    assert judge.judge(3 * mine, 0).counts()["genuine"] == 0


def test_one_fit_serves_every_level():
    domain = wine()
    judge, other = domain.judge(), domain.judge(0.1, 0.2)
    assert (judge.alpha, judge.beta) == (0.05, 0.05)
    assert (other.alpha, other.beta) == (0.1, 0.2)
    assert other.manifold is judge.manifold  # fitted once
    assert domain.judge(0.1, 0.2) is other
    with pytest.raises(ValueError, match="beta must"):
        domain.judge(beta=1.5)
    given = Domain(domain.x, domain.labels, judge=other)
    assert given.judge(0.1).beta == 0.2  # its own
    assert given.judge(0.1, 0.3).beta == 0.3
    with pytest.raises(ValueError, match=r"was made for alpha = 0\.1"):
        given.judge()


def test_a_file_keeps_samples_judge_and_networks(tmp_path):
    domain = small_digits()
    x = domain.x[:20]
    before = domain.judge().judge(x, domain.labels[:20])
    domain.save(tmp_path / "d.safetensors")
    began = time.process_time()
    again = Domain.load(tmp_path / "d.safetensors")
    after = again.judge().judge(x, domain.labels[:20])
    assert time.process_time() - began < 5  # nothing is trained again
    assert torch.equal(before.p, after.p)
    assert repr(again) == repr(domain)
    assert again.classes == domain.classes
    z = domain.network("autoencoder").encode(x)
    assert torch.equal(z, again.network("autoencoder").encode(x))
    assert torch.equal(domain.network("robust")(x), again.network("robust")(x))
    noisy = (x, torch.tensor([0.3]), domain.labels[:20])
    assert torch.equal(domain.network("denoiser")(*noisy), again.network("denoiser")(*noisy))


@pytest.mark.parametrize("damage", ["missing", "truncated", "another", "version", "changed"])
def test_a_damaged_file_is_told(tmp_path, damage, monkeypatch):
    path = tmp_path / "d.safetensors"
    if damage == "version":
        monkeypatch.setattr(domain_files, "VERSION", 7)
    if damage != "missing":
        wine().save(path)
    monkeypatch.undo()
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    if damage == "another":
        path.write_bytes(b"\x00" * 100)
    if damage == "changed":
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    said = {"version": "version 7", "changed": "damaged"}.get(damage, "cannot be read as a domain")
    with pytest.raises(UnreadableFileError, match=said):
        Domain.load(path)


def test_what_was_given_is_not_pretended_to_be_in_a_file(tmp_path):
    domain = Domain(RANDOM.random((300, 8, 8)), networks={"robust": torch.nn.Identity()})
    with pytest.raises(ValueError, match="was given its robust"):
        domain.save(tmp_path / "d.safetensors")


def test_classes_by_name_and_number():
    domain = wine()
    assert (domain.class_of("b"), domain.class_of(2)) == (1, 2)
    assert Domain(RANDOM.random((30, 3)), [True, False] * 15).classes == ("False", "True")
    assert Domain(RANDOM.random((30, 3)), [7, 9] * 15).classes[-1] == "9"
    named = Domain(RANDOM.random((4, 3)), ["no", "yes"] * 2, classes=["yes", "no"])
    assert named.labels.tolist() == [1, 0, 1, 0]
    assert Domain(RANDOM.random((4, 3)), [0, 1] * 2, classes=["yes", "no"]).class_of("no") == 1
    with pytest.raises(ValueError, match="'d' is none of the classes a, b, c"):
        domain.class_of("d")


def test_inputs_must_be_like_the_samples():
    domain = wine()
    frame = pd.DataFrame(domain.x[:2].numpy(), columns=domain.names)
    turned = frame[list(reversed(domain.names))]
    assert torch.equal(domain.check_inputs("the starts", turned), domain.x[:2])
    assert torch.equal(domain.check_inputs("the starts", turned[:1]), domain.x[:1])
    with pytest.raises(ValueError, match="lacks ash and has sugar, which the domain does not know"):
        domain.check_inputs("the starts", frame.rename(columns={"ash": "sugar"}))
    with pytest.raises(ValueError, match=r"for one input use x\[None\]"):
        domain.check_inputs("the starts", domain.x[0])


@pytest.mark.parametrize("part", PARTS)
def test_a_network_learns_what_it_is_for(part, monkeypatch):
    monkeypatch.setattr(networks, "_STEPS", dict.fromkeys(PARTS, 40))
    told, known = [], small_digits()
    domain = Domain(known.x[:400], known.labels[:400])
    net = domain.network(part, lambda *said: told.append(said))
    assert told[-1] == ("robust" if part == "prior" else part, told[-1][2], told[-1][2])
    assert domain.network(part) is net
    x, y = known.x[800:900], known.labels[800:900]
    if part == "robust":
        assert (net(x).argmax(dim=1) == y).float().mean() > 0.5
    elif part == "autoencoder":
        assert (net.decode(net.encode(x)) - x).square().mean() < x.var()
    elif part == "prior":
        u = net.coordinates.into(x)
        noisy = u + 2 * torch.randn(u.shape, generator=torch.Generator().manual_seed(0))
        assert (net.denoised(noisy, 2.0, y, None) - u).square().mean() < 0.7 * u.var()
    else:
        noisy = x + 0.5 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        assert (net(noisy, torch.tensor([0.5]), y) - x).square().mean() < 0.15


def test_networks_serve_images_of_any_size_and_range():
    x = RANDOM.random((60, 3, 9, 13)) * 200 + 20
    domain = Domain(x, np.arange(60) % 2, kind="image", limits=(0, 255))
    frame = domain.frame
    assert frame.side == 16
    assert torch.allclose(frame.out(frame.into(domain.x)), domain.x, atol=1e-4)
    assert 0 <= float(frame.into(domain.x).min()) <= float(frame.into(domain.x).max()) <= 1


@pytest.mark.parametrize(
    ("made", "error", "said"),
    [
        (lambda: Domain([["a", "b"], ["c", "d"]]), TypeError, "must be numbers"),
        (lambda: Domain(3.0), ValueError, "at least two"),
        (lambda: Domain([[1.0, np.nan], [0.0, 1.0]]), ValueError, "must be finite"),
        (lambda: Domain(RANDOM.random((5, 3)), [1, 2]), ValueError, "one for each of the 5"),
        (lambda: Domain(RANDOM.random((4, 3)), [1] * 4), ValueError, "at least two classes"),
        (lambda: Domain(RANDOM.random((2, 3)), [0.5, 1.5]), TypeError, "as values"),
        (
            lambda: Domain(RANDOM.random((2, 3)), ["a", "b"], classes=["a", "c"]),
            ValueError,
            "'b' is none of the classes a, c",
        ),
        (
            lambda: Domain(RANDOM.random((2, 3)), [0, 2], classes=["a", "c"]),
            ValueError,
            "numbers from 0 to 1",
        ),
        (lambda: Domain(RANDOM.random((5, 3)), values=[1.0]), ValueError, "one row for each"),
        (lambda: Domain(RANDOM.random((5, 3)), kind="image"), ValueError, "of the kind image"),
        (lambda: Domain(RANDOM.random((5, 3)), kind="sound"), ValueError, "must be one of image"),
        (lambda: Domain(RANDOM.random((5, 2, 2, 2, 2))), ValueError, "of no kind that is known"),
        (lambda: Domain(RANDOM.random((5, 2)), names=["a"]), ValueError, "2 different words"),
        (lambda: Domain(RANDOM.random((5, 2)), fixed=["a"]), ValueError, "which is no column"),
        (lambda: Domain(RANDOM.random((5, 2)), limits=(1, 0)), ValueError, "below for low"),
        (lambda: Domain(RANDOM.random((5, 2)), limits=3), ValueError, "must be (low, high)"),
        (lambda: wine().network("denoiser"), ValueError, "images and fields only"),
        (lambda: wine().network("oracle"), ValueError, "must be one of prior, robust"),
        (lambda: Domain(RANDOM.random((50, 8, 8))).network("robust"), ValueError, "no classes"),
        (lambda: Domain(RANDOM.random((9, 3))).judge(), ValueError, "needs at least 12 real"),
    ],
)
def test_bad_domains_are_refused_in_one_sentence(made, error, said):
    with pytest.raises(error, match=r"\.$") as told:
        made()
    assert said in str(told.value)


def test_the_helper_of_these_tests_tells_cultivars_apart():
    domain = wine()
    assert (cultivar(domain.x).argmax(dim=1) == domain.labels).float().mean() > 0.9
