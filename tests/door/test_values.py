"""Goals on a value through the door: a domain with values, and one without."""

import functools

import pytest
import torch

import xhat
from xhat.core import generator
from xhat.domain import Domain
from xhat.judges import Outcome, regressors


def rows(n, seed):
    x = torch.randn(n, 3, generator=generator(seed, "rows"))
    return x, 3 * x[:, 0] + x[:, 1].square()


@functools.cache
def known():
    x, y = rows(400, 0)
    return Domain(x, values=y), Domain(x)


GOAL = xhat.AtLeast(4.0)


@functools.cache
def checked():
    x, y = rows(300, 1)
    return xhat.audit(None, x, GOAL, domain=known()[0], fdr=0.2), y


def test_samples_are_judged_by_their_value_and_some_are_trusted():
    found, y = checked()
    genuine = torch.tensor([each is Outcome.GENUINE for each in found.verdicts.outcomes])
    assert float((y[genuine] >= 4).double().mean()) > 0.8
    assert int(genuine.sum()) > 0.5 * int((y >= 4).sum())
    assert 0 < int(found.trusted.sum()) <= int(genuine.sum())
    assert float((y[found.trusted] < 4).double().mean()) <= 0.3
    # a search that ends in what the model takes for the value: here one that adds what is not there
    fooled = xhat.audit(lambda x: 3 * x[:, 0] + 9, rows(50, 2)[0], GOAL, domain=known()[0])
    assert fooled.verdicts.counts()[Outcome.MISTAKEN] > 10


def test_tables_and_files_show_what_was_predicted(tmp_path):
    found, y = checked()
    columns = found.columns()
    error = abs(columns["predicted"] - y.numpy())
    assert 0.3 < (error <= columns["predicted_error"]).mean() < 0.7
    found.save(tmp_path / "found.npz")
    told = xhat.Judged.load(tmp_path / "found.npz").verdicts[0].explain()
    assert "Held-out regressors predict" in told


def test_without_values_nothing_is_genuine_until_a_truth_is_asked():
    x, y = rows(60, 1)
    domain = known()[1]
    found = xhat.audit(None, x, GOAL, domain=domain)
    assert found.verdicts.counts()[Outcome.GENUINE] == 0
    assert any("Nobody was asked whether AtLeast(4)" in each.rule for each in found.verdicts)
    true = xhat.audit(None, x, GOAL, domain=domain, truth=lambda x: 3 * x[0] + x[1] ** 2)
    genuine = torch.tensor([each is Outcome.GENUINE for each in true.verdicts.outcomes])
    assert bool(genuine.any())
    assert bool((y[genuine] >= 4).all())


def test_a_saved_domain_keeps_its_regressors(tmp_path, monkeypatch):
    found, _ = checked()
    known()[0].save(tmp_path / "domain.xhat")
    monkeypatch.setattr(regressors, "_fitted", None)
    again = Domain.load(tmp_path / "domain.xhat")
    told = xhat.audit(None, found.x[:40], GOAL, domain=again)
    assert told.verdicts.outcomes == found.verdicts.outcomes[:40]


def test_a_goal_for_other_outputs_is_refused():
    goal = xhat.Value(torch.zeros(1, 3), 1.0)
    with pytest.raises(ValueError, match="names other values than the 1"):
        xhat.audit(None, rows(5, 1)[0], goal, domain=known()[0])
