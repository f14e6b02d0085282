import copy
import io
import pickle

import pytest
import torch
from torch import nn

from tests.laws.registry import STEPPERS, ConvNet, mlp
from tests.test_symmetry import (
    EXACT,
    SHAPE,
    asymmetry,
    every_exact,
    every_group,
    exact_part,
    normal,
)
from xhat.constraints import L2Ball
from xhat.engine import Compute, Problem, Watch, solve
from xhat.objectives import CrossEntropy, Match, Proximity
from xhat.spaces import Box
from xhat.surrogates.symmetric import Equivariant, Invariant
from xhat.symmetry import Dihedral, Group, Mirror, Permutations, Rotations, SignFlips, group

N, CLASSES = 2, 4
every_stepper = pytest.mark.parametrize("stepper", STEPPERS, ids=str)
ELEMENTWISE = ("gradient", "momentum", "sign", "adam")  # each feature is moved by its own numbers


def classifier(seed: int = 0) -> nn.Module:
    return mlp((36, 9, CLASSES), nn.Identity(), seed).double()


def painter(seed: int = 0) -> nn.Module:
    """A model whose outputs have the shape of its inputs."""
    layers = (mlp((36, 8, 36), nn.Identity(), seed), nn.Unflatten(1, SHAPE))
    return nn.Sequential(*layers).double().eval()


class Naive(nn.Module):
    """The mean over a group as one would write it: one large batch, and a plain sum."""

    def __init__(self, model: nn.Module, g: Group) -> None:
        super().__init__()
        self.model, self.g = model, g

    def forward(self, x):
        images = torch.cat([self.g.move(k, x) for k in range(self.g.order)])
        return self.model(images).reshape(self.g.order, len(x), -1).mean(dim=0)


def start(g: Group, n: int = N) -> torch.Tensor:
    """Symmetric starts in [-1, 1], some features on the bounds."""
    return g.symmetrize(2 * normal(n, *SHAPE)).clamp(-1, 1)


def searched(objective, x0, stepper, steps=10, **parts):
    """The answer and every point on the way, between bounds that are symmetric under all groups."""
    problem = Problem(objective, Box(-1, 1), **parts)
    options = {"max_steps": steps, "compute": Compute(precision="float64", chunk=2)}
    return solve(problem, x0, stepper=stepper.make(len(x0)), watch=Watch(trace=1), **options)


def worst_asymmetry(g: Group, result) -> float:
    """Over the whole search."""
    points = torch.cat((*result.trajectory.x, result.x))
    return asymmetry(g, points[~points.flatten(1).isnan().any(dim=1)])


@every_group
@pytest.mark.parametrize("make", [classifier, lambda: ConvNet().double()], ids=["mlp", "conv"])
def test_invariance_is_exact(make, entry):
    g, plain = entry.make(1), make()
    model, x, part = Invariant(plain, g, SHAPE).eval(), normal(N, *SHAPE), exact_part(entry.make(1))
    logits = model(x)
    for k in range(part.order):
        assert torch.equal(model(part.act(k, x)), logits)
    if part.order > 1:  # the check would notice
        assert (plain(part.act(1, x)) - plain(x)).abs().max() > 1e-3
    by_hand = sum(plain(g.act(k, x)) for k in range(g.order)) / g.order
    assert torch.allclose(logits, by_hand, atol=1e-13)
    assert logits.shape == (N, CLASSES)


def test_a_group_that_interpolates_gives_its_quarter_turns_only():
    model, eighths, x = Invariant(classifier(), group("c8")), Rotations(8), normal(N, *SHAPE)
    assert torch.equal(model(eighths.act(2, x)), model(x))
    assert (model(eighths.act(1, x)) - model(x)).abs().max() > 1e-3


@every_group
def test_gradients_are_those_of_the_mean(entry):
    g, model = entry.make(1), classifier()
    ours, x = Invariant(model, g), normal(N, *SHAPE).requires_grad_(True)
    wanted = (x, *model.parameters())
    pulls = normal(N, CLASSES, seed=3)
    found = torch.autograd.grad((ours(x) * pulls).sum(), wanted)
    # by plain operations throughout, which the interpolation's own gradient is checked against
    theirs = torch.autograd.grad((Naive(model, g)(x) * pulls).sum(), wanted)
    for a, b in zip(found, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-13)


@pytest.mark.parametrize("name", ["c8", "d4"])
def test_second_derivatives_are_there(name):
    small = nn.Sequential(nn.Flatten(), nn.Linear(4, 1), nn.Tanh()).double()
    x = normal(1, 1, 2, 2).requires_grad_(True)
    assert torch.autograd.gradgradcheck(Invariant(small, group(name)), x)


@every_exact
@every_stepper
def test_a_symmetric_start_stays_symmetric(stepper, entry):
    g = entry.make(1)
    objective = CrossEntropy(Invariant(classifier(), g).eval(), torch.arange(N)) + 0.1 * Proximity(
        start(g).roll(1, 0)
    )
    result = searched(objective, start(g), stepper)
    assert worst_asymmetry(g, result) == 0
    moved = (result.x - start(g)).abs().amax(dim=(1, 2, 3))
    if entry.name == "negation":  # only 0 is symmetric: a plain mean would leave it
        assert (moved == 0).all()
    else:
        assert (moved > 1e-3).all()


@pytest.mark.parametrize("stepper", [s for s in STEPPERS if s.name in ("sign", "lbfgs")], ids=str)
def test_quarter_turns_are_kept_by_eighths_and_in_a_ball(stepper):
    g, x0 = Rotations(4), start(Rotations(4))
    model = Invariant(classifier(), Rotations(8)).eval()
    result = searched(
        CrossEntropy(model, torch.arange(N)), x0, stepper, 8, constraints=(L2Ball(x0, 0.9),)
    )
    assert worst_asymmetry(g, result) == 0


@pytest.mark.parametrize("stepper", [s for s in STEPPERS if s.name in ("sign", "adam")], ids=str)
@pytest.mark.filterwarnings("ignore:the gradient towards the goal vanishes")
def test_what_the_group_cancels_is_noise_to_a_plain_mean_but_not_here(stepper):
    g, weights = Dihedral(), normal(CLASSES, *SHAPE)
    odd = nn.Sequential(nn.Flatten(), nn.Linear(36, CLASSES), nn.Tanh(), nn.Linear(CLASSES, 4))
    odd = odd.double().eval()
    odd[1].weight.data = (weights - g.symmetrize(weights)).flatten(1)  # no symmetric part
    wanted = torch.arange(N)
    ours = searched(CrossEntropy(Invariant(odd, g).eval(), wanted), start(g), stepper)
    assert worst_asymmetry(g, ours) == 0
    naive = searched(CrossEntropy(Naive(odd, g).eval(), wanted), start(g), stepper)
    assert worst_asymmetry(g, naive) > 1e-3


@every_stepper
@pytest.mark.parametrize("entry", [e for e in EXACT if e.name in ("d4", "exchanges")], ids=str)
def test_a_moved_start_leads_to_the_moved_answer(entry, stepper):
    """To the last bit where steps are elementwise; a norm or product sums in another order."""
    g, x0 = entry.make(1), normal(N, *SHAPE).clamp(-1, 1)
    objective = CrossEntropy(Invariant(classifier(), g).eval(), torch.arange(N))
    answer = searched(objective, x0, stepper)
    k = g.order - 1
    moved = searched(objective, g.act(k, x0), stepper)
    error = (moved.x - g.act(k, answer.x)).abs().max()
    assert error <= (0 if stepper.name in ELEMENTWISE else 1e-9)
    assert (moved.x - answer.x).abs().max() > 1e-2


@every_exact
def test_equivariance_is_exact(entry):
    g, plain, x = entry.make(1), painter(), normal(N, *SHAPE)
    model = Equivariant(plain, g, shape=SHAPE)
    for k in range(g.order):
        assert torch.equal(model(g.act(k, x)), g.act(k, model(x)))
    by_hand = sum(g.act(g.inverse(k), plain(g.act(k, x))) for k in range(g.order)) / g.order
    assert torch.allclose(model(x), by_hand, atol=1e-13)
    assert g.order == 1 or (plain(g.act(1, x)) - g.act(1, plain(x))).abs().max() > 1e-2


def test_outputs_may_move_in_a_way_of_their_own():
    quarter = torch.stack([torch.arange(4).roll(k) for k in range(4)])
    inputs, outputs, x = Rotations(4), Permutations(quarter), normal(N, *SHAPE)
    model = Equivariant(classifier(), inputs, outputs)
    for k in range(4):
        assert torch.equal(model(inputs.act(k, x)), outputs.act(k, model(x)))
    odd = Equivariant(classifier(), Mirror(), SignFlips([[1] * CLASSES, [-1] * CLASSES]))
    assert torch.equal(odd(x.flip(3)), -odd(x))
    assert (odd(Mirror().symmetrize(x)) == 0).all()


@every_stepper
@pytest.mark.parametrize("entry", [e for e in EXACT if e.name in ("d4", "signs")], ids=str)
def test_a_search_through_an_equivariant_model_keeps_symmetry(entry, stepper):
    g = entry.make(1)
    model = Equivariant(painter(), g).eval()
    wanted = g.symmetrize(normal(N, *SHAPE, seed=5))
    result = searched(Match(model, wanted), start(g), stepper)
    assert worst_asymmetry(g, result) == 0
    assert (result.loss < result.trajectory.loss[0]).all()


def test_training_reaches_the_weights_and_keeps_the_symmetry():
    model = Invariant(classifier().train(), Dihedral())
    x, y = normal(16, *SHAPE), torch.arange(16) % CLASSES
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.95 * losses[0]
    assert torch.equal(model(x.transpose(2, 3)), model(x))


@pytest.mark.parametrize("kind", [Invariant, Equivariant])
def test_it_is_a_module_like_any_other(kind):
    model = kind(painter(), Rotations(4)).float().eval()
    x = normal(2, *SHAPE).float()
    with torch.no_grad():
        y = model(x)
    assert (y.dtype, y.requires_grad) == (torch.float32, False)
    twins = (pickle.loads(pickle.dumps(model)), copy.deepcopy(model))  # noqa: S301 - our own
    other = kind(painter(1), Rotations(4)).float()
    assert not torch.equal(other(x), y)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for twin in (*twins, other):
        assert torch.equal(twin(x), y)
    assert "Rotations(4)" in repr(model)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own
def test_it_compiles():
    model = Equivariant(painter(), Mirror())
    x = normal(2, *SHAPE).requires_grad_(True)
    y, compiled = model(x), torch.compile(model, backend="eager", fullgraph=True)(x)
    assert torch.equal(compiled, y)
    gradients = [torch.autograd.grad(out.square().sum(), x)[0] for out in (y, compiled)]
    assert torch.equal(*gradients)


def test_candidates_are_their_own():
    model, x = Invariant(classifier(), Dihedral()), normal(3, *SHAPE)
    clean = model(x)
    x[1, 0, 0, 0] = torch.nan
    assert torch.allclose(model(x)[[0, 2]], clean[[0, 2]], atol=1e-14)
    assert model(x)[1].isnan().all()
    assert torch.allclose(model(x[2:]), clean[2:], atol=1e-14)


REFUSED = {
    "a function": (lambda: Invariant(lambda x: x, Mirror()), TypeError, "nn.Module, not function"),
    "a class": (lambda: Equivariant(nn.Linear, Mirror()), TypeError, "nn.Module, not Linear"),
    "a name": (lambda: Invariant(painter(), "c4"), TypeError, r'not str.*group\("c4"\)'),
    "a class of groups": (lambda: Invariant(painter(), Dihedral), TypeError, "not Dihedral"),
    "a name of outputs": (
        lambda: Equivariant(painter(), Mirror(), "c2"), TypeError, "output_group must be a Group"
    ),
    "a wide image": (
        lambda: Invariant(painter(), Rotations(4), (1, 4, 6)), ValueError, "square images"
    ),
    "a wide image later": (
        lambda: Equivariant(painter(), Dihedral())(normal(2, 1, 4, 6)), ValueError, "square images"
    ),
    "outputs that are no images": (
        lambda: Equivariant(classifier(), Rotations(4))(normal(2, *SHAPE)),
        ValueError,
        r"acts on images.*shape \(4,\)",
    ),
    "another order": (
        lambda: Equivariant(painter(), Rotations(4), Mirror()),
        ValueError,
        r"Mirror\(-1\) \(2 elements\) does not multiply as Rotations\(4\) \(4\)",
    ),
    "another product": (
        lambda: Equivariant(painter(), Rotations(4), SignFlips.independent([0, 1], 36)),
        ValueError,
        "must multiply as group does",
    ),
    "two outputs": (
        lambda: Invariant(nn.LSTM(6, 2).double(), Mirror())(normal(2, 5, 6)), TypeError, "tuple"
    ),
    "classes": (
        lambda: Equivariant(Classes(), Mirror())(normal(2, *SHAPE)), TypeError, "torch.int64 came"
    ),
}  # fmt: skip


class Classes(nn.Module):
    """Returns what cannot be averaged."""

    def forward(self, x):
        return x.flatten(1).argmax(dim=1)


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
