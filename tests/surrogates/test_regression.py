import pytest
import torch

from xhat.core import generator
from xhat.surrogates import RegressionEnsemble, train_regression

X = torch.rand(80, 2, generator=generator(0)) * 2 - 1
TEST = torch.rand(400, 2, generator=generator(1)) * 2 - 1


def wave(x):
    return 100 + 20 * torch.sin(2 * x[:, 0]) * x[:, 1]


def test_it_learns_a_function_in_its_own_units():
    records = []
    net = train_regression(X, wave(X), seed=0, steps=400, on_epoch=records.append)
    error = (net(TEST) - wave(TEST)).square().mean().sqrt()
    assert float(error.detach()) < 0.1 * float(wave(TEST).std())
    assert records[-1].loss < 0.01 < records[0].loss
    assert len(records) == 400
    assert not net.training
    again = train_regression(X, wave(X), seed=0, steps=400)
    assert torch.equal(net(TEST), again(TEST))
    assert not torch.equal(net(TEST), train_regression(X, wave(X), seed=1, steps=400)(TEST))


def test_members_disagree_where_there_were_no_data():
    near = X[:, 0] < 0
    net = train_regression(X[near], wave(X[near]), seed=0, steps=300)
    spread = net.spread(TEST).detach()
    assert float(spread[TEST[:, 0] > 0.5].median()) > 3 * float(spread[TEST[:, 0] < 0].median())
    far = torch.tensor([[0.9, 0.9]], requires_grad=True)
    (slope,) = torch.autograd.grad(net.spread(far).sum(), far)
    assert bool(slope.isfinite().all())


def test_shapes_follow_the_table_and_a_constant_output_is_kept():
    y = torch.stack([wave(X), torch.full((80,), 7.0)], dim=1).reshape(80, 1, 2)
    net = RegressionEnsemble(X.reshape(80, 2, 1), y, seed=0, members=3, hidden=(8,))
    assert net(TEST.reshape(400, 2, 1)).shape == (400, 1, 2)
    assert net.members(TEST).shape == (3, 400, 1, 2)
    torch.testing.assert_close(net(TEST), net.members(TEST).mean(dim=0))
    expected = (net.standard(TEST) - net.standard(TEST).mean(dim=0)).square().sum(dim=0) / 2
    torch.testing.assert_close(net.spread(TEST), expected.mean(dim=1).sqrt())
    trained = train_regression(X, y, seed=0, steps=300)
    torch.testing.assert_close(trained(X)[:, 0, 1], torch.full((80,), 7.0), atol=0.2, rtol=0)
    assert bool(torch.allclose(net(TEST[:3]), net(TEST)[:3], atol=1e-4))


def test_bad_tables_are_refused():
    for error, words, x, y, options in (
        (ValueError, "finite", X, torch.full((80,), torch.nan), {}),
        (ValueError, "of one length", X, wave(X)[:5], {}),
        (ValueError, "of one length", X[:, 0], wave(X), {}),
        (ValueError, "of one length", X[:1], wave(X)[:1], {}),
        (TypeError, "floating", (X > 0).long(), wave(X), {}),
        (ValueError, "at least 2 members", X, wave(X), {"members": 1}),
        (ValueError, "steps must be", X, wave(X), {"steps": 0}),
    ):
        with pytest.raises(error, match=words):
            train_regression(x, y, seed=0, **options)
