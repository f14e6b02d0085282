"""What is said of starts, goals and domains that do not go together."""

import json
import warnings

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import xhat
from tests.domains import FILE, cultivar, wine
from tests.door.test_values import known, rows
from xhat.core import InputWarning, UnreadableFileError
from xhat.domain.files import _digest


def model(x):
    return 3 * x[:, 0] + x[:, 1].square()


@pytest.mark.parametrize("which", [0, 1], ids=["values", "nothing"])
def test_a_goal_that_no_sample_comes_near_is_told(which):
    domain, x0 = known()[which], rows(4, 3)[0]
    with pytest.warns(InputWarning, match=r"no reference sample comes near Value\(90, 1\): they "):
        xhat.optimize(model, x0, xhat.Value(90.0, 1.0), domain=domain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xhat.optimize(model, x0, xhat.Value(4.0, 1.0), domain=domain)


def test_a_start_that_is_not_of_the_domain_is_told_first():
    domain = known()[0]
    x0 = rows(20, 4)[0].clamp(-2, 2)
    goal = xhat.Value(4.0, 1.0)
    assert not any(
        "not like" in note for note in xhat.optimize(model, x0, goal, domain=domain).notes
    )
    x0[3] = 40.0
    said = xhat.optimize(model, x0, goal, domain=domain).notes
    assert any("1 of 20 starts are not like the samples of the domain (3)" in note for note in said)


def test_a_domain_too_small_for_a_prior_falls_back_to_the_nearest_sample():
    whole = wine()
    some = torch.arange(0, len(whole), 5)
    few = xhat.Domain(whole.x[some], whole.labels[some])
    found = xhat.optimize(cultivar, whole.x[:2], 1, domain=few)
    assert found.method == "nearest"
    assert any("takes 12 samples or more, but searches know 11" in note for note in found.notes)


def test_a_prior_of_another_make_is_refused_in_one_sentence(tmp_path):
    with safe_open(FILE, "pt") as file:
        about = file.metadata()["xhat.domain"]
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    name = next(key for key in tensors if key.startswith("network.robust"))
    tensors[f"{name}.more"] = tensors.pop(name)
    path = tmp_path / "other.safetensors"
    save_file(tensors, path, {"xhat.domain": about, "digest": _digest(about, tensors)})
    with pytest.raises(UnreadableFileError, match=r"network 'robust' in .* has other layers"):
        xhat.Domain.load(path)
    other = json.dumps(json.loads(about) | {"version": 1})
    save_file(tensors, path, {"xhat.domain": other, "digest": _digest(other, tensors)})
    with pytest.raises(UnreadableFileError, match="of version 1, but this xhat reads version"):
        xhat.Domain.load(path)
