import math

import pytest
import torch

from xhat.core import generator
from xhat.learning import build
from xhat_zoo.digits.invariant import TurnInvariantCNN

X = torch.rand(5, 1, 28, 28, generator=generator(0))


def net(**arguments):
    return build("TurnInvariantCNN", seed=0, classes=11, **arguments).eval()


@pytest.mark.parametrize("quarters", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [28, 27])
def test_quarter_turns_change_nothing(quarters, size):
    x = X[..., :size, :size].contiguous()
    model = net(size=size)
    turned = torch.rot90(x, quarters, (2, 3))
    torch.testing.assert_close(model(turned), model(x), atol=1e-5, rtol=0)
    with torch.no_grad():  # in double precision nothing but the order of a sum is left
        exact = model.double()
        torch.testing.assert_close(exact(turned.double()), exact(x.double()), atol=1e-13, rtol=0)


def test_other_changes_are_seen():
    model = net()
    for other in (X.flip(3), X.roll(3, 3), X.transpose(2, 3)):
        assert not torch.allclose(model(other), model(X), atol=1e-4)


def test_alike_classes_have_one_logit_and_the_rest_is_as_it_was():
    plain, alike = net(), net(alike=((6, 9), (2, 5)))
    alike.load_state_dict(plain.state_dict())
    before, after = plain(X), alike(X)
    for a, b in ((6, 9), (2, 5)):
        assert torch.equal(after[:, a], after[:, b])
        shared = (before[:, a].exp() + before[:, b].exp()).log() - math.log(2)
        torch.testing.assert_close(after[:, a], shared)
    others = [0, 1, 3, 4, 7, 8, 10]
    assert torch.equal(before[:, others], after[:, others])
    # the two share what they had together, and nobody else gains by it
    torch.testing.assert_close(after.softmax(1)[:, others], before.softmax(1)[:, others])


def test_alike_comes_from_a_card_as_lists():
    assert net(alike=[[6, 9]]).alike == ((6, 9),)
    assert TurnInvariantCNN().alike == ()


def test_gradients_turn_with_the_input():
    model = net(alike=((6, 9),))

    def gradient(x):
        leaf = x.clone().requires_grad_(True)
        return torch.autograd.grad(model(leaf)[:, 3].sum(), leaf)[0]

    turned = torch.rot90(gradient(X), 1, (2, 3))
    torch.testing.assert_close(gradient(torch.rot90(X, 1, (2, 3))), turned, atol=1e-5, rtol=0)


def test_channels_and_batches():
    model = build("TurnInvariantCNN", seed=0, classes=3, channels=2, size=16).eval()
    x = torch.rand(4, 2, 16, 16, generator=generator(1))
    assert model(x).shape == (4, 3)
    torch.testing.assert_close(model(x[2:3]), model(x)[2:3], atol=1e-5, rtol=0)
