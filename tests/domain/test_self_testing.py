"""Self-tests: controls of every kind of data, what is counted, and what is said of it."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import xhat
from tests.domains import small_classifier, small_digits, wine
from xhat.domain import Controlled, Domain, SelfTest, Share
from xhat.domain.controls import kinds
from xhat.domain.opponents import Attacks, Opponent
from xhat.domain.self_testing import _material
from xhat.domain.tested import (
    ATTACK,
    FOREIGN,
    GROUPS,
    MISREAD,
    NOT_TESTED,
    REAL,
    SPOILT,
    WRONG,
    WRONG_VALUE,
)
from xhat.judges import Outcome

GENERATOR = torch.Generator().manual_seed(0)
SHAPES = {"table": (6,), "signal": (2, 24), "image": (1, 12, 10), "field": (2, 9, 12)}


class Stub:
    """A judge that says one and the same, or what ``says`` makes of samples and targets."""

    def __init__(self, domain, says, jury=True, reads=None):
        self.alpha, self.beta, self.says, self.reads = 0.05, 0.05, says, reads
        self.jury, self.values = object() if jury else None, None
        self.reference, self.labels = domain.x[:50], domain.labels[:50] if jury else None

    def judge(self, x, target, goal=None, surrogate=None):
        said = self.says(x) if callable(self.says) else (self.says,) * len(x)
        read = target if self.reads is None else self.reads[: len(x)]
        seen = None if target is None else torch.eye(4)[read]  # the last: none of three
        return SimpleNamespace(outcomes=said, seen=seen)


def blobs(kind, n=240, apart=2.0):
    """Return a domain of three classes, each with its own mean."""
    labels = torch.arange(n) % 3
    means = torch.randn(3, *SHAPES[kind], generator=GENERATOR) * apart
    x = means[labels] + 0.5 * torch.randn(n, *SHAPES[kind], generator=GENERATOR)
    if kind == "image":
        x = (x - x.min()) / (x.max() - x.min())
    return Domain(x, labels, kind=kind)


def given(domain, says, jury=True, reads=None):
    """Return the same domain with a stub for a judge."""
    made = Domain(domain.x, domain.labels, kind=domain.kind)
    made.judge = lambda *_: Stub(domain, says, jury, reads)
    return made


@functools.cache
def material(kind, n=20):
    domain = blobs(kind)
    stub = Stub(domain, Outcome.GENUINE)
    return _material(domain, stub, None, {}, None, n, 0, lambda *_: None)


@functools.cache
def proved_wine():
    domain = wine()
    domain.self_test(n=60, foreign={"half": domain.x[:40] / 2})
    return domain


@pytest.mark.parametrize("kind", SHAPES)
def test_controls_are_what_they_are_called(kind):
    of = material(kind)
    low, high = of.limits
    made = {each.name: (each, list(each.make(of))) for each in kinds(of)}
    for each, parts in made.values():
        assert each.group in GROUPS
        for control in parts:
            assert control.x.shape[1:] == of.x.shape[1:]
            assert control.x.isfinite().all()
            assert len(control.x) == len(control.target) <= of.n
            if each.group in (ATTACK, MISREAD) and len(control):
                assert torch.equal(control.model(control.x).argmax(dim=1), control.target)
            if each.group in (ATTACK, SPOILT) and kind != "table":
                assert (control.x >= low - 1e-5).all()
                assert (control.x <= high + 1e-5).all()
    (own,) = made["real, own class"][1]
    (wrong,) = made["real, wrong class"][1]
    place = {row.numpy().tobytes(): k for k, row in enumerate(of.x)}
    labels = of.labels[[place[row.numpy().tobytes()] for row in wrong.x]]
    assert (wrong.target != labels).all()
    assert len(set(wrong.target.tolist())) == 3
    assert torch.equal(own.target, of.labels[: of.n])
    (noisy,), span = made["noise, 30 %"][1], of.span
    moved = ((noisy.x - own.x) / span).std()
    assert 0.1 < float(moved) < 0.35  # limits cut some of it
    patches = "shuffled columns" if kind == "table" else "shuffled patches"
    assert patches in made
    assert ("checkerboard" in made) == (kind != "table")
    assert ("near class means" in made) == (kind == "table")


def test_attacks_leave_the_meaning_and_fool():
    of = material("image")
    attacks = {each.name: list(each.make(of)) for each in kinds(of) if each.group == ATTACK}
    assert set(attacks) == {
        "PGD in L∞, stand-in", "PGD in L2, stand-in", "minimum norm, stand-in",
    }  # fmt: skip
    reach = of.attacks.reach["l2"]
    for parts in attacks.values():
        for control in parts:
            assert not of.attacks.still(control.x, control.target).any()
            starts = torch.cdist(control.x.flatten(1), of.x.flatten(1)).amin(dim=1)
            assert (starts <= reach).all()
    smallest = [
        torch.cdist(c.x.flatten(1), of.x.flatten(1)).amin(dim=1) for c in attacks.popitem()[1]
    ]
    assert max(map(len, smallest)) > 0
    assert (torch.cat(smallest) <= 0.5 * reach).all()


def test_what_came_to_lie_in_another_class_is_no_attack():
    x = torch.tensor([[0.0], [0.1], [1.0], [1.1]])
    labels = torch.tensor([0, 0, 1, 1])
    attacks = Attacks.of(x, labels, torch.ones(1, 1), (0.0, 2.0), 0)
    moved = torch.tensor([[0.4], [0.7]])
    assert attacks.still(moved, torch.zeros(2, dtype=torch.long)).tolist() == [True, False]


def test_a_stand_in_is_asked_only_what_it_has_not_seen():
    domain = blobs("table", 900)
    stub, tell = Stub(domain, Outcome.GENUINE), lambda *_: None
    few = _material(domain, stub, None, {}, None, 60, 0, tell)
    first, second = (set(each.rows.tolist()) for each in few.opponents)
    assert not first & second
    assert len(first | second) == len(few.x) == len(domain.halves[0])
    many = _material(domain, stub, None, {}, None, 20, 0, tell)
    assert len(many.opponents) == 1
    assert len(many.x) == 100
    seen = {row.numpy().tobytes() for row in domain.x[domain.halves[1]]}
    assert not seen & {row.numpy().tobytes() for row in many.x}


def test_a_judge_that_believes_everything_is_found_out():
    found = given(blobs("table"), Outcome.GENUINE).self_test(n=50)
    assert found.share(WRONG) == Share(50, 50)
    assert not found.proven
    assert "up to 100 % of real samples of another class" in found.doubt
    assert found.word(Outcome.GENUINE) == "genuine, unproven"
    assert found.word(Outcome.OFF_MANIFOLD) == "off manifold"
    assert any(
        "Real samples of another class are called genuine in 100.0 %" in r for r in found.remarks
    )


def test_a_judge_that_believes_nothing_is_proven_and_useless():
    found = given(blobs("table"), Outcome.UNDECIDED).self_test(n=50)
    assert found.proven
    assert any("Only 0 % of real samples are called genuine" in r for r in found.remarks)
    wrong = next(row for row in found.rows if row.group == WRONG)
    least = next(row for row in found.rows if row.name == "minimum norm, stand-in")
    assert (wrong.named.value, least.named.value) == (1, 0)


def test_without_classes_there_is_less_to_ask():
    domain = blobs("field")
    found = given(domain, Outcome.GENUINE, jury=False).self_test(n=40)
    assert not {row.group for row in found.rows} & {WRONG, ATTACK, MISREAD}
    assert found.rows[0].name == "real"
    assert found.line.startswith(f"on these data, of {found.share(SPOILT).n} spoilt samples")
    assert "100 % of spoilt samples were called so" in found.doubt
    alone = Domain(domain.x.double().numpy(), kind="field")
    assert alone.self_test(n=40).share(REAL).n == 40


def test_the_real_judge_of_a_table():
    domain = proved_wine()
    found = domain.self_tested
    assert found.share(REAL).value > 0.8
    assert found.share(WRONG).value < 0.1
    assert found.share(FOREIGN).value < 0.2
    assert found.share(WRONG).n == 60
    assert found.share(REAL).n == found.held == 53
    assert f"of 60 wrong-class samples {found.share(WRONG).k} were called genuine" in found.line
    assert any("Only 53 real samples were held out" in remark for remark in found.remarks)
    assert not any("noise" in remark for remark in found.remarks)
    assert "<table>" in found._repr_html_()
    assert len(str(found).splitlines()) >= len(found.rows) + 2


def positive(x):
    """Say genuine of samples with a positive sum."""
    return tuple(
        Outcome.GENUINE if float(each) > 0 else Outcome.MISTAKEN for each in x.flatten(1).sum(dim=1)
    )


def test_the_same_seed_finds_the_same():
    domain = blobs("table")
    first, again, other = (given(domain, positive).self_test(n=12, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first.rows != other.rows


@pytest.mark.parametrize("noise", [True, False])
def test_labels_that_are_noise_are_said_to_be(noise):
    domain = blobs("table")
    guesses = torch.randint(3, (60,), generator=GENERATOR) if noise else None
    found = given(domain, Outcome.UNDECIDED, reads=guesses).self_test(n=60)
    assert any(remark.startswith("The labels may be noise") for remark in found.remarks) == noise


def test_images_and_a_users_model():
    domain = small_digits()
    net = small_classifier()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    grads = [parameter.grad.clone() for parameter in net.parameters()]  # of its own training
    stages = set()
    noise = np.random.default_rng(0).random((60, 8, 8))
    found = domain.self_test(
        n=30, model=net, foreign=noise, on_progress=lambda name, *_: stages.add(name)
    )
    assert {"stand-in", "controls"} <= stages
    assert {"PGD in L2, model", "minimum norm, stand-in", "foreign data"} <= {
        row.name for row in found.rows
    }
    assert found.share(WRONG).value <= 0.1
    assert found.share(FOREIGN).value <= 0.1
    assert found.share(ATTACK).value <= 0.1
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in before.items())
    assert all(map(torch.equal, (parameter.grad for parameter in net.parameters()), grads))
    domain.self_tested = None  # others share this domain


def test_held_out_rows_of_ones_own():
    whole = wine()
    keep = torch.arange(len(whole)) % 6 > 0
    domain = Domain(whole.x[keep], whole.labels[keep], names=whole.names)
    own = whole.x[~keep], whole.labels[~keep]
    domain.judge = lambda *_: Stub(domain, Outcome.GENUINE)
    found = domain.self_test(held=own, n=25)
    assert found.held == len(own[0]) == 30
    assert found.share(REAL).n == 25
    with pytest.raises(ValueError, match=r"2 of the 2 held-out samples are in the domain"):
        domain.self_test(held=(whole.x[keep][:2], [0, 0]))


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"held": torch.rand(5, 13)}, TypeError, r"held must be \(samples, labels\)"),
        ({"held": (torch.rand(5, 13), None)}, ValueError, "held must have the classes"),
        ({"held": (torch.rand(5, 13), [0] * 4)}, ValueError, "one for each of the 5"),
        ({"held": (torch.rand(5, 4), [0] * 5)}, ValueError, r"held-out samples must be \(n, 13\)"),
        ({"held": (torch.rand(1, 13), [0])}, ValueError, "two samples or more"),
        ({"foreign": torch.rand(5, 2)}, ValueError, r"'foreign data' must be \(n, 13\)"),
        ({"foreign": {"ales": torch.rand(5, 2)}}, ValueError, r"'ales' must be \(n, 13\)"),
        ({"model": 3}, TypeError, "the model must be a function or module, not int"),
        ({"model": lambda x: x.sum(1)}, ValueError, r"logits \(n, 3\), .* it gave \(2,\)"),
        ({"n": 0}, ValueError, "n must"),
    ],
)
def test_bad_input_is_one_sentence(options, error, said):
    domain = wine()
    domain.judge = lambda *_: Stub(domain, Outcome.GENUINE)
    with pytest.raises(error, match=said):
        domain.self_test(**options)
    assert domain.self_tested is None


def test_a_model_needs_classes():
    with pytest.raises(ValueError, match="attacked by its classes, but the domain has none"):
        Domain(torch.rand(200, 3)).self_test(model=torch.nn.Linear(3, 2))


def test_the_result_stays_with_the_domain(tmp_path):
    domain = proved_wine()
    domain.save(tmp_path / "d.safetensors")
    again = Domain.load(tmp_path / "d.safetensors")
    assert again.self_tested == domain.self_tested
    wine().save(tmp_path / "e.safetensors")
    assert Domain.load(tmp_path / "e.safetensors").self_tested is None


def row(group, genuine, n):
    return Controlled(group, group, (), {Outcome.GENUINE: genuine, Outcome.MISTAKEN: n - genuine})


@pytest.mark.parametrize(
    ("rows", "proven"),
    [
        ([row(WRONG, 8, 200), row(ATTACK, 0, 100)], True),
        ([row(WRONG, 10, 200), row(ATTACK, 0, 100)], False),  # the interval reaches .09
        ([row(WRONG, 0, 44), row(ATTACK, 0, 100)], False),  # too few to know: .0804
        ([row(WRONG, 0, 45), row(ATTACK, 0, 100)], True),  # .0787
        ([row(WRONG, 8, 200), row(ATTACK, 5, 100)], True),
        ([row(WRONG, 8, 200), row(ATTACK, 6, 100)], False),
        ([row(SPOILT, 5, 100)], True),
        ([row(SPOILT, 6, 100)], False),
    ],
)
def test_what_is_proven_follows_from_the_counts(rows, proven):
    found = SelfTest(tuple(rows), 0.05, 0.05, 200, 500, 0)
    assert found.proven == proven
    assert bool(found.doubt) != proven


def test_every_verdict_says_what_it_is_worth(tmp_path):
    domain = proved_wine()
    fresh = domain.within(lambda space, _: space)
    fresh.self_tested = None
    x, target = domain.x[domain.halves[0]][:6], 1
    before = xhat.audit(None, x, target, domain=fresh)
    assert before.summary().endswith(NOT_TESTED)
    after = xhat.audit(None, x, target, domain=domain)
    assert after.summary().endswith(domain.self_tested.line)
    after.save(tmp_path / "a.parquet")
    kept = xhat.Judged.load(tmp_path / "a.parquet")
    assert kept.self_tested == domain.self_tested
    assert kept.worth() == after.worth()
    page = before.report(tmp_path / "b").read_text()
    assert NOT_TESTED in page
    assert "unproven" not in page


def test_without_the_promised_power_the_page_does_not_say_genuine(tmp_path):
    domain = proved_wine().within(lambda space, _: space)  # the same with another self-test
    own = domain.halves[0][domain.labels[domain.halves[0]] == 1][:5]
    domain.self_tested = SelfTest((row(WRONG, 60, 200),), 0.05, 0.05, 200, 200, 0)
    found = xhat.audit(None, domain.x[own], 1, domain=domain)
    assert found.trusted.any()
    assert f"{int(found.trusted.sum())} genuine, unproven" in repr(found)
    page = found.report(tmp_path).read_text()
    assert "Genuine is unproven here" in page
    assert "genuine, unproven: on the manifold" in page
    assert "<li>genuine: " not in page
    domain.self_tested = SelfTest((row(WRONG, 0, 200),), 0.05, 0.05, 200, 200, 0)
    assert "unproven" not in found.report(tmp_path).read_text()


def test_an_opponent_of_no_samples_says_nothing():
    silent = Opponent(small_classifier(), torch.arange(0), "model")
    assert silent.read(torch.empty(0, 1, 8, 8)).shape == (0,)


@functools.cache
def proved_line():
    """Return a tested domain of values that follow from two of four columns, and more rows."""
    x = torch.randn(700, 4, generator=torch.Generator().manual_seed(1))
    y = 2 * x[:, 0] + x[:, 1].abs() + 0.1 * torch.randn(700, generator=GENERATOR)
    domain = Domain(x[:500], values=y[:500])
    domain.self_test(n=100)
    return domain, x[500:], y[500:]


def test_a_domain_of_values_is_asked_for_own_and_wrong_ones():
    domain, x, y = proved_line()
    found = domain.self_tested
    names = {row.name: row for row in found.rows}
    own, wrong = names["real, own value"], names["real, wrong value"]
    assert own.genuine.value > 0.6
    assert own.named.high > 0.95
    assert wrong.genuine.low <= 0.05
    assert wrong.named.value > 0.9
    assert wrong.group == WRONG_VALUE
    assert names["noise, 30 %"].genuine.value < 0.3
    assert "100 wrong-value samples" in found.line
    held = domain.self_test(n=60, held=(x, y))
    assert held.held == 200
    with pytest.raises(ValueError, match="one row for each of the 200"):
        domain.self_test(held=(x, y[1:]))


def test_values_that_judges_cannot_tell_leave_genuine_unproven():
    rows = (
        Controlled(
            "real, wrong value", WRONG_VALUE, (), {Outcome.GENUINE: 30, Outcome.MISTAKEN: 170}
        ),
    )
    found = SelfTest(rows, 0.05, 0.05, 200, 200, 0)
    assert not found.proven
    assert "real samples of another value are called so" in found.doubt
    assert found.line == "on these data, of 200 wrong-value samples 30 were called genuine"
