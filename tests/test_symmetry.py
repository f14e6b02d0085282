import inspect
import math
import pickle
from itertools import permutations, product

import pytest
import torch

from tests.laws.registry import Entry
from xhat import symmetry
from xhat.core import generator
from xhat.learning import rotate
from xhat.symmetry import (
    GROUPS,
    Dihedral,
    Group,
    MatrixGroup,
    Mirror,
    Permutations,
    Rotations,
    SignFlips,
    Translations,
    average,
    group,
)

SHAPE = (1, 6, 6)
EXCHANGES = [(*row, 3, 4, 5) for row in permutations(range(3))]  # S3, which does not commute
SHIFTS = torch.stack([torch.arange(36).roll(12 * k) for k in range(3)])

SWAP = torch.stack([torch.eye(6), torch.eye(6).flip(0)])

ENTRIES: list[Entry] = [
    *(Entry(name, lambda n, name=name: group(name), (type(group(name)),)) for name in GROUPS),
    Entry("c1", lambda n: Rotations(1)),
    Entry("c3", lambda n: Rotations(3)),
    Entry("top-bottom", lambda n: Mirror(1)),
    Entry("shifts", lambda n: Permutations(SHIFTS), (Permutations,)),
    Entry("exchanges", lambda n: Permutations(EXCHANGES, axis=-1)),
    Entry("negation", lambda n: SignFlips([[1] * 36, [-1] * 36]), (SignFlips,)),
    Entry("translations", lambda n: Translations((6, 6), (3, 2)), (Translations,)),
    Entry("swap", lambda n: MatrixGroup(SWAP, axis=-1), (MatrixGroup,)),
    Entry("signs", lambda n: SignFlips.independent([0, 7, 20], 36)),
]
EXACT = [entry for entry in ENTRIES if entry.make(1).exact]
every_group = pytest.mark.parametrize("entry", ENTRIES, ids=str)
every_exact = pytest.mark.parametrize("entry", EXACT, ids=str)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed, "groups"), dtype=torch.float64)


def asymmetry(g: Group, x: torch.Tensor) -> float:
    """The most that an element changes ``x``."""
    return max(float((g.act(k, x) - x).abs().max()) for k in range(g.order))


def exact_part(g: Group) -> Group:
    """The subgroup under which averages are symmetric: the quarter turns, if it interpolates."""
    return g if g.exact else Rotations(math.gcd(g.order, 4))


def test_every_public_group_is_tried():
    things = [getattr(symmetry, name) for name in symmetry.__all__]
    kinds = {thing for thing in things if inspect.isclass(thing) and not inspect.isabstract(thing)}
    covered = [kind for entry in ENTRIES for kind in entry.covers]
    assert kinds == set(covered)
    assert all(isinstance(entry.make(1), Group) for entry in ENTRIES)
    assert kinds != set(covered[1:-1])  # the check would notice one that is missing


@every_group
def test_products_are_those_of_a_group(entry):
    g = entry.make(1)
    elements = range(g.order)
    assert len(g) == g.order == len({g.inverse(k) for k in elements})
    for a in elements:
        assert g.product(0, a) == g.product(a, 0) == a
        assert g.product(a, g.inverse(a)) == g.product(g.inverse(a), a) == 0
    for a, b, c in product(elements, repeat=3):
        assert g.product(a, g.product(b, c)) == g.product(g.product(a, b), c)


@every_exact
def test_exact_groups_act_as_their_products_say_to_the_last_bit(entry):
    g, x = entry.make(1), normal(3, *SHAPE)
    assert torch.equal(g.act(0, x), x)
    for a, b in product(range(g.order), repeat=2):
        assert torch.equal(g.act(a, g.act(b, x)), g.act(g.product(a, b), x))
        assert torch.equal(g.act(a, x), g.act(b, x)) == (a == b)  # all act differently
    for k in range(g.order):
        assert torch.equal(g.act(g.inverse(k), g.act(k, x)), x)


def test_interpolation_is_no_group_action_but_for_quarter_turns():
    g, x = Rotations(8), normal(2, 1, 7, 7)
    assert not g.exact
    for a, b in product(range(8), repeat=2):
        same = torch.equal(g.act(a, g.act(b, x)), g.act(g.product(a, b), x))
        assert same == bool({a, b} & {0, 2, 4, 6})  # interpolation commutes with quarter turns
        if not same:
            difference = g.act(a, g.act(b, x)) - g.act(g.product(a, b), x)
            assert difference.abs().max() > 0.1


@pytest.mark.parametrize("side", [6, 7])
@pytest.mark.parametrize("count", [3, 4, 8])
def test_rotations_are_those_of_the_augmentation(count, side):
    g, x = Rotations(count), normal(2, 3, side, side)
    for k in range(count):
        turned = rotate(x, torch.tensor([360 * k / count], dtype=x.dtype))
        assert torch.allclose(g.act(k, x), turned, atol=1e-12)


def test_hand_checked_images():
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    seen = [Dihedral().act(k, x)[0].int().tolist() for k in range(8)]
    assert seen[:4] == [[[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]]]
    assert seen[4:] == [[[2, 1], [4, 3]], [[1, 3], [2, 4]], [[3, 4], [1, 2]], [[4, 2], [3, 1]]]
    assert Dihedral().symmetrize(x)[0].tolist() == [[2.5, 2.5], [2.5, 2.5]]
    assert Mirror(0).act(1, x)[0].int().tolist() == [[3, 4], [1, 2]]
    assert Mirror().symmetrize(x)[0].tolist() == [[1.5, 1.5], [3.5, 3.5]]
    assert Rotations(8).act(2, x)[0].int().tolist() == seen[1]


def test_hand_checked_tables():
    x = torch.tensor([[1.0, 2.0, 3.0]])
    exchange = Permutations([[0, 1, 2], [1, 0, 2]])
    assert exchange.symmetrize(x).tolist() == [[1.5, 1.5, 3.0]]
    turn = Permutations([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    assert turn.act(1, x).tolist() == [[2.0, 3.0, 1.0]]
    assert (turn.inverse(1), turn.product(1, 1)) == (2, 2)
    flips = SignFlips.independent([0, 2], 3)
    assert sorted(flips.act(k, x).tolist()[0] for k in range(4)) == [
        [-1.0, 2.0, -3.0], [-1.0, 2.0, 3.0], [1.0, 2.0, -3.0], [1.0, 2.0, 3.0],
    ]  # fmt: skip
    assert flips.symmetrize(x).tolist() == [[0.0, 2.0, 0.0]]
    on_rows = Permutations([[0, 1], [1, 0]], axis=0)
    assert on_rows.act(1, torch.tensor([[[1.0], [2.0]]])).tolist() == [[[2.0], [1.0]]]


@every_group
def test_gradients_go_back_by_the_transpose_and_twice(entry):
    g = entry.make(1)
    x, y = normal(2, *SHAPE).requires_grad_(True), normal(2, *SHAPE, seed=1).requires_grad_(True)
    for k in range(g.order):
        assert torch.allclose((g.act(k, x) * y).sum(), (x * g.move_back(k, y)).sum())
        (gradient,) = torch.autograd.grad((g.act(k, x) ** 2 * y).sum(), x, create_graph=True)
        (mixed,) = torch.autograd.grad(gradient.square().sum(), y)
        assert torch.allclose(gradient, g.move_back(k, 2 * g.act(k, x) * y))
        assert float(mixed.abs().max()) > 0.01


@every_group
def test_symmetrize_projects_once_and_for_all(entry):
    g, x = entry.make(1), 3 * normal(4, *SHAPE)
    once = g.symmetrize(x)
    assert asymmetry(exact_part(g), once) == 0
    by_hand = sum(g.act(k, x) for k in range(g.order)) / g.order
    assert torch.allclose(once, by_hand, atol=1e-14)
    if g.exact:
        assert torch.equal(g.symmetrize(once), once)
        assert abs(float(((x - once) * once).sum())) < 1e-12  # so it is the nearest
        assert g.order == 1 or asymmetry(g, x) > 0.1
    assert torch.equal(g.symmetrize(x[2:3]), once[2:3])


@every_group
def test_equal_gradients_of_an_orbit_come_back_symmetric(entry):
    g = entry.make(1)
    part = exact_part(g)
    x = part.symmetrize(normal(2, *SHAPE)).requires_grad_(True)
    pulls = normal(2, *SHAPE, seed=2)
    (gradient,) = torch.autograd.grad(sum((y * pulls).sum() for y in g.orbit(x)), x)
    assert asymmetry(part, gradient) == 0
    assert torch.allclose(gradient, sum(g.move_back(k, pulls) for k in range(g.order)))


@every_group
def test_results_keep_type_and_are_of_their_own_memory(entry):
    g, x = entry.make(1), normal(2, *SHAPE).float()
    before = x.clone()
    for image in g.orbit(x):
        assert (image.dtype, image.shape) == (torch.float32, x.shape)
        assert image.is_contiguous()
        image.zero_()
    assert torch.equal(x, before)
    again = pickle.loads(pickle.dumps(g))  # noqa: S301 - our own
    assert torch.equal(again.act(g.order - 1, x), g.act(g.order - 1, x))
    assert str(again) == str(g)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 17])
def test_an_average_does_not_depend_on_the_order(count):
    terms = [normal(50, seed=k) * 10.0**k for k in range(count)]
    mean = average(terms)
    assert torch.allclose(mean, sum(terms) / count)
    for seed in range(5):
        mixed = torch.randperm(count, generator=generator(seed)).tolist()
        assert torch.equal(average([terms[i] for i in mixed]), mean)
    assert torch.equal(average([-term for term in terms]), -mean)
    assert torch.equal(average(terms[:1] * count), terms[0])
    assert (average([*terms, *(-term for term in terms)]) == 0).all()
    if count > 2:  # the check would notice
        assert not torch.equal(sum(terms), sum(terms[::-1]))


def test_an_average_keeps_to_its_own_feature_and_refuses_what_it_cannot_add():
    nan, one = torch.tensor([1.0, torch.nan]), torch.ones(2)
    assert average([one, nan])[0] == 1
    assert average([one, nan])[1].isnan()
    with pytest.raises(ValueError, match="at least one tensor"):
        average([])
    with pytest.raises(ValueError, match=r"one shape.*\(2,\) and \(3,\)"):
        average([one, torch.ones(3)])
    with pytest.raises(TypeError, match=r"floating-point.*int64"):
        average([one.long()])
    with pytest.raises(TypeError, match="float came"):
        average([1.0])


REFUSED_SHAPES = {
    "a wide image": (Rotations(4), (1, 4, 6), r"Rotations\(4\).*square.*4 high and 6 wide.*pad"),
    "a wide image mirrored": (Dihedral(), (4, 6), "Dihedral acts on square images"),
    "no image": (Rotations(2), (5,), r"images \(\.\.\., height, width\).*\(5,\); reshape"),
    "no candidates": (Rotations(2), (), r"shape \(\)"),
    "too few axes": (Mirror(-3), (4, 6), r"Mirror\(-3\).*axis -3.*\(4, 6\).*2 axes"),
    "another length": (Permutations([[0, 1]]), (3,), r"2 values, but one has.*\(3,\), 3 values"),
    "another axis": (Permutations([[0, 1]], 1), (2, 3), r"2 entries on axis 1.*\(2, 3\)"),
    "other signs": (SignFlips([[1, 1]]), (2, 2), "SignFlips of 2 needs inputs of 2 values.*4"),
}


@pytest.mark.parametrize(("g", "shape", "words"), REFUSED_SHAPES.values(), ids=REFUSED_SHAPES)
def test_shapes_that_a_group_does_not_act_on_are_refused(g, shape, words):
    for call in (g.symmetrize, g.orbit, lambda x: g.act(0, x)):
        with pytest.raises(ValueError, match=words):
            call(torch.ones(3, *shape))


def test_half_turns_and_mirrors_take_images_that_are_not_square():
    x = normal(2, 1, 3, 5)
    assert torch.equal(Rotations(2).act(1, x), x.flip(2, 3))
    assert torch.equal(Mirror().act(1, x), x.flip(3))


REFUSED = {
    "no elements": (lambda: Rotations(0), ValueError, "count must be a whole number from 1"),
    "half an axis": (lambda: Mirror(0.5), TypeError, "axis must be a whole number, not float"),
    "a name": (lambda: group("c6"), ValueError, "one of c2, c4, c8, d4, mirror, but is 'c6'"),
    "an element": (lambda: Mirror().inverse(2), ValueError, "from 0 to 1, but is 2"),
    "a negative element": (lambda: Mirror().product(-1, 0), ValueError, "but is -1"),
    "integers": (lambda: Mirror().act(0, torch.ones(1, 2).long()), TypeError, "torch.int64"),
    "a list": (lambda: Mirror().orbit([1.0]), TypeError, "floating-point tensors, but list"),
    "fractions": (lambda: Permutations([[0.5, 1]]), TypeError, "whole numbers"),
    "truths": (lambda: SignFlips([[True]]), TypeError, r"whole numbers, but is torch\.bool"),
    "one row": (lambda: Permutations([0, 1]), ValueError, r"\(order, m\), but has shape \(2,\)"),
    "an axis": (lambda: Permutations([[0]], "x"), TypeError, "whole number or None, not str"),
    "no permutation": (lambda: Permutations([[0, 1], [1, 1]]), ValueError, "row 1 does not"),
    "no identity": (lambda: Permutations([[1, 0], [0, 1]]), ValueError, "first row.*identity"),
    "twice": (lambda: Permutations([[0, 1], [1, 0], [1, 0]]), ValueError, "one comes twice"),
    "open": (
        lambda: Permutations([[0, 1, 2], [1, 2, 0]]),
        ValueError,
        "closed, but row 1 and then row 1 together",
    ),
    "no signs": (lambda: SignFlips([[1, 1], [1, 2]]), ValueError, "1 or -1"),
    "open signs": (lambda: SignFlips([[1, 1], [1, -1], [-1, 1]]), ValueError, "closed"),
    "a feature": (lambda: SignFlips.independent([3], 3), ValueError, r"0 to 2, but are \[3\]"),
    "features": (lambda: SignFlips.independent([1, 1], 3), ValueError, "different numbers"),
}


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_group_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
