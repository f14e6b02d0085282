"""What is shipped of digits, in the cache of the library."""

from dataclasses import replace

import torch

from xhat.core.cache import cached
from xhat_zoo import digits
from xhat_zoo.digits import judging, references, tested
from xhat_zoo.digits.domain import digits_domain
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.networks import PRECOMPUTED


def test_what_is_shipped_is_of_these_data_weights_and_rooms():
    """If not, ``make remembered`` makes it anew."""
    wanted = {f"judge-usual-{judging._made_from(digits.WEIGHTS)[:32]}.safetensors"}
    wanted |= {f"exemplars-0.8-0.5-{references._made_from()[:32]}.safetensors"}
    assert {path.name for path in PRECOMPUTED.iterdir()} == wanted


def test_a_first_judge_computes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XHAT_CACHE", str(tmp_path))
    for place in (judging, references):
        monkeypatch.setattr(place, "cached", _only_shipped)
    judging._digits_judge.__wrapped__(0.05, digits.WEIGHTS)
    references.digits_references.__wrapped__()
    assert not list(tmp_path.iterdir())


def _only_shipped(name, made_from, make, *, shipped):
    def forbidden():
        raise AssertionError(f"{name} was computed")

    return cached(name, made_from, forbidden, shipped=shipped)


def test_what_is_shipped_is_what_the_judge_would_learn():
    judge, real = digits_judge(), digits.split("calibration")
    seen = judge.look(real.images[:60], real.labels[:60])
    assert torch.allclose(seen.scores, judge.usual.scores[:60], rtol=5e-3, atol=1e-4)
    others = judge.look(real.images[:60], real.labels[:60].roll(1))
    assert not torch.allclose(others.scores, judge.usual.scores[:60], rtol=5e-3, atol=1e-4)


def test_the_domain_tells_the_self_test_that_is_shipped():
    """If not, ``make remembered`` makes it anew."""
    found = digits_domain().self_tested
    assert found is not None
    assert found.proven
    assert {"clothes", "letters"} <= {row.name for row in found.rows}
    assert tested.shipped(digits_judge(), 0.1) is None  # tested at .05
    other = replace(digits_judge().usual, scores=digits_judge().usual.scores + 1)
    assert tested.shipped(replace(digits_judge(), usual=other), 0.05) is None
