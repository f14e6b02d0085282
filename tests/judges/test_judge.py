from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.judges.world import (
    ELSEWHERE,
    NATURAL,
    NEITHER,
    NONE,
    OFF,
    OTHER,
    SEEN,
    Centres,
    Reader,
    gaussians,
    place,
    readable,
    readable_judge,
    reader,
    sample,
    twice,
)
from xhat.constraints import LinfBall
from xhat.core import InputWarning, generator
from xhat.judges import Judge, Jury, Likelihood, Neighbours, Outcome, Penultimate, Truth
from xhat.judges.inputs import check_labelled

WIDE, NARROW = LinfBall(torch.zeros(1, 2), 100.0), LinfBall(torch.zeros(1, 2), 0.01)


@pytest.fixture(scope="module")
def judge():
    return readable_judge()


def judged(judge, where, seen, **known):
    return judge.judge(sample(where, seen), 0, **known).outcomes[0]


# The outcomes


@pytest.mark.parametrize(
    ("where", "seen", "outcome"),
    [
        (NATURAL, SEEN, Outcome.GENUINE),
        (NATURAL, NEITHER, Outcome.AMBIGUOUS),
        (NATURAL, OTHER, Outcome.MISTAKEN),
        (NATURAL, NONE, Outcome.OUT_OF_DISTRIBUTION),
        (OFF, SEEN, Outcome.OFF_MANIFOLD),
        (OFF, NEITHER, Outcome.ADVERSARIAL),
        (OFF, OTHER, Outcome.ADVERSARIAL),
        (OFF, NONE, Outcome.OUT_OF_DISTRIBUTION),
        (ELSEWHERE, NEITHER, Outcome.OUT_OF_DISTRIBUTION),
        (ELSEWHERE, NONE, Outcome.OUT_OF_DISTRIBUTION),
        (ELSEWHERE, SEEN, Outcome.OFF_MANIFOLD),  # far, but a class is seen clearly
        (ELSEWHERE, OTHER, Outcome.ADVERSARIAL),
        (10.0, SEEN, Outcome.GENUINE),  # another class's place is natural too
    ],
)
def test_each_outcome_has_its_case_and_the_surrogate_is_asked_first(judge, where, seen, outcome):
    yes, no = torch.tensor([True]), torch.tensor([False])
    assert judged(judge, where, seen) is outcome
    assert judged(judge, where, seen, reached=yes, constraints=[WIDE]) is outcome
    assert judged(judge, where, seen, reached=no) is Outcome.UNREACHED
    assert judged(judge, where, seen, constraints=[WIDE, NARROW]) is Outcome.INFEASIBLE
    assert judged(judge, where, seen, reached=no, constraints=NARROW) is Outcome.INFEASIBLE


def test_every_outcome_has_a_case():
    mark = test_each_outcome_has_its_case_and_the_surrogate_is_asked_first.pytestmark[0]
    covered = {outcome for *_, outcome in mark.args[1]} | {Outcome.UNREACHED, Outcome.INFEASIBLE}
    assert covered == set(Outcome) - {Outcome.UNDECIDED}  # in test_meaning


def classes(x):
    """What is written in a sample, as the truth."""
    return x[:, 1].floor().long() % 4


def always(x):
    return torch.zeros(len(x), dtype=torch.int64)


def never(x):
    return torch.ones(len(x), dtype=torch.int64)


def fails(x):
    return torch.full((len(x),), torch.nan)


@pytest.mark.parametrize(
    ("where", "seen", "truth", "outcome"),
    [
        (NATURAL, SEEN, classes, Outcome.GENUINE),
        (NATURAL, OTHER, always, Outcome.GENUINE),
        (NATURAL, NONE, always, Outcome.GENUINE),
        (NATURAL, NEITHER, always, Outcome.GENUINE),
        (OFF, OTHER, always, Outcome.OFF_MANIFOLD),
        (OFF, NONE, always, Outcome.OFF_MANIFOLD),
        (ELSEWHERE, NEITHER, always, Outcome.OFF_MANIFOLD),
        (ELSEWHERE, NEITHER, never, Outcome.OUT_OF_DISTRIBUTION),
        (NATURAL, SEEN, never, Outcome.MISTAKEN),
        (NATURAL, SEEN, fails, Outcome.MISTAKEN),
        (NATURAL, NONE, never, Outcome.OUT_OF_DISTRIBUTION),
        (OFF, SEEN, never, Outcome.ADVERSARIAL),
    ],
)
def test_the_truth_overrules_the_jury(judge, where, seen, truth, outcome):
    assert judged(judge, where, seen, truth=Truth(truth)) is outcome
    found = judge.judge(sample(where, seen), 0, truth=Truth(truth), surrogate=always)
    assert found.truth.holds.tolist() == [truth in (always, classes)]


def test_without_labels_there_is_a_manifold_and_perhaps_a_truth():
    x, _ = readable(300, 1)
    axes = (Neighbours("place", x, place), Likelihood("likelihood", x, place))
    judge = Judge.assemble(None, axes, (x, None), (readable(400, 2)[0], None))
    found = judge.judge(torch.cat([sample(w, OTHER) for w in (NATURAL, OFF, ELSEWHERE)]))
    wanted = (Outcome.GENUINE, Outcome.OFF_MANIFOLD, Outcome.OUT_OF_DISTRIBUTION)
    assert found.outcomes == wanted
    assert found.target is found.votes is found.seen is found.near_labels is None
    assert {axis.group for axis in found.axes} == {"manifold"}
    truth = Truth(lambda x: x[:, 0], tolerance=1.0, name="place")
    x = torch.cat([sample(w, OTHER) for w in (0.5, 2.0, OFF)])
    assert judge.judge(x, 0.0, truth=truth).outcomes == (
        Outcome.GENUINE,
        Outcome.MISTAKEN,
        Outcome.ADVERSARIAL,
    )


def constant(x):
    return torch.zeros(len(x), 1)


@pytest.mark.parametrize(
    ("ways", "outcome"),
    [
        ((place,), Outcome.OUT_OF_DISTRIBUTION),
        ((place, constant), Outcome.ADVERSARIAL),
        ((place, twice, constant), Outcome.OUT_OF_DISTRIBUTION),
        ((place, constant, constant), Outcome.ADVERSARIAL),
    ],
)
def test_one_unusual_representation_is_off_but_elsewhere_takes_most_of_them(ways, outcome):
    x, labels = readable(300, 1)
    axes = [Neighbours(f"way {i}", x, way, labels) for i, way in enumerate(ways)]
    judge = Judge.assemble(reader(), axes, (x, labels), readable(400, 2))
    assert judged(judge, ELSEWHERE, NEITHER) is outcome
    assert judged(judge, NATURAL, SEEN) is Outcome.GENUINE


def test_what_is_as_near_as_real_samples_is_never_elsewhere(judge):
    # classes that overlap so much that others are as near as one's own
    near = replace(judge.usual, fars=dict.fromkeys(judge.usual.fars, 0.0))
    mixed = replace(judge, usual=near)
    assert judged(mixed, 0.3, SEEN) is Outcome.GENUINE
    assert judged(mixed, OFF, NEITHER) is Outcome.OUT_OF_DISTRIBUTION


def test_noise_where_real_samples_have_none_is_unlikely():
    def quiet(n, seed):
        x, labels = gaussians(n, seed, apart=30.0)
        return torch.cat([x, torch.zeros(n, 1)], dim=1), labels

    x, labels = quiet(600, 1)
    jury = Jury((Centres(30 * torch.eye(3, 7), none=-90.0).eval(),), ("centres",), 3)
    axes = (Neighbours("pixels", x, labels=labels), Likelihood("likelihood", x))
    judge = Judge.assemble(jury, axes, (x, labels), quiet(400, 2))
    x, labels = quiet(200, 3)
    assert judge.judge(x, labels).counts()[Outcome.GENUINE] > 180
    x[:, 6] = 1.5  # nearer than neighbours are, but real samples never go there
    assert judge.judge(x, labels).counts()[Outcome.OFF_MANIFOLD] > 180


class Broken(nn.Module):
    def forward(self, x):
        return torch.full((len(x), 3), torch.nan)


def test_what_gives_no_number_does_not_call_anything_genuine(judge):
    assert judged(judge, NATURAL, SEEN) is Outcome.GENUINE
    blind = replace(judge, jury=Jury((Broken().eval(),), ("broken",), classes=2))
    assert judged(blind, NATURAL, SEEN) is Outcome.OUT_OF_DISTRIBUTION
    axes = [Likelihood("likelihood", readable(300, 1)[0], place) for _ in range(2)]
    axes[1]._gaussian = torch.tensor([torch.nan]), axes[1]._gaussian[1]
    judge = Judge.assemble(None, axes[:1], (readable(300, 1)[0], None), (readable(400, 2)[0], None))
    assert judged(judge, NATURAL, SEEN) is Outcome.GENUINE
    assert judged(replace(judge, manifold=(axes[1],)), NATURAL, SEEN) is Outcome.OFF_MANIFOLD
    with pytest.raises(ValueError, match="calibration must be finite"):
        Judge.assemble(None, axes[1:], (readable(300, 1)[0], None), (readable(400, 2)[0], None))


# What is refused


@pytest.mark.parametrize(("alpha", "needed"), [(0.05, 19), (0.1, 9), (0.32, 3)])
def test_too_few_calibration_samples_leave_everything_undecided(alpha, needed):
    few = readable_judge(alpha, calibration=2 * needed - 1)
    assert judged(few, ELSEWHERE, NEITHER) is Outcome.UNDECIDED
    judge = readable_judge(alpha, calibration=2 * needed)
    assert judged(judge, ELSEWHERE, NEITHER) is Outcome.OUT_OF_DISTRIBUTION  # just enough to tell
    verdicts = judge.judge(sample(ELSEWHERE, NEITHER), 0, alpha=0.01)
    assert verdicts.outcomes == (Outcome.UNDECIDED,)
    assert f"{needed} real samples tell what is usual, and it takes 99" in verdicts[0].rule
    with pytest.raises(ValueError, match="at least 4 calibration samples, but has 3"):
        readable_judge(alpha, calibration=3)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 2, float("nan")])
def test_alpha_is_a_share(judge, alpha):
    with pytest.raises(ValueError, match="alpha must"):
        readable_judge(alpha)
    with pytest.raises(ValueError, match="alpha must"):
        judge.judge(sample(NATURAL, SEEN), 0, alpha=alpha)


def assembled(**changes):
    x, labels = readable(50, 1)
    parts = {
        "jury": reader(),
        "manifold": (Neighbours("place", x, place, labels),),
        "reference": (x, labels),
        "calibration": readable(100, 2),
    }
    return Judge.assemble(**{**parts, **changes})


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"reference": (readable(50, 1)[0], readable(49, 1)[1])}, ValueError, "49 came for 50"),
        ({"reference": (readable(50, 1)[0], None)}, ValueError, "must have labels"),
        ({"calibration": (readable(100, 2)[0], None)}, ValueError, "must have labels"),
        ({"calibration": (readable(100, 2)[0], torch.rand(100))}, TypeError, "must be classes"),
        ({"calibration": (readable(100, 2)[0], torch.full((100,), 2))}, ValueError, "2 came"),
        ({"calibration": (torch.zeros(50, 2).long(), None)}, TypeError, "be floating point"),
        ({"calibration": (torch.full((50, 2), torch.nan), None)}, ValueError, "must be finite"),
        ({"jury": None, "reference": (torch.ones(9, 2), torch.rand(9))}, TypeError, "be classes"),
        ({"jury": Jury((Reader().eval(),), ("reader",), 3)}, ValueError, "must give 4 logits"),
        ({"manifold": ()}, ValueError, "at least one manifold axis"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes, kind, message):
    assert assembled().alpha == 0.05
    with pytest.raises(kind, match=message):
        assembled(**changes)


@pytest.mark.parametrize(
    ("x", "target", "kind", "message"),
    [
        (torch.zeros(2, 5), [0], ValueError, r"shape \(n, 2\), like the reference.*\(2, 5\)"),
        (torch.zeros(4), [0], ValueError, r"have \(4,\)"),
        (torch.zeros(0, 2), [0], ValueError, "the samples is empty"),
        (torch.full((2, 2), float("nan")), [0], ValueError, "samples must be finite.*NaN"),
        (torch.full((2, 2), float("inf")), [0], ValueError, "samples must be finite.*infinity"),
        (torch.zeros(2, 2, dtype=torch.long), [0], TypeError, "must be floating point"),
        ("nothing", [0], TypeError, "must be a tensor or array of numbers, not str"),
        (torch.zeros(2, 2), [2], ValueError, "a class from 0 to 1, but 2 came"),
        (torch.zeros(2, 2), [0, -1], ValueError, "but -1 came"),
        (torch.zeros(2, 2), [0, 1, 0], ValueError, r"one row per candidate \(2\)"),
        (torch.zeros(2, 2), [0.0, 1.0], TypeError, "must be classes, so integers, but is float32"),
        (torch.zeros(2, 2), [True, False], TypeError, "so integers, but is bool"),
        (torch.zeros(2, 2), [[0], [1]], ValueError, "the target must have 1 axes"),
    ],
)
def test_bad_samples_and_targets_are_refused(judge, x, target, kind, message):
    with pytest.raises(kind, match=message):
        judge.judge(x, torch.tensor(target))


def test_a_jury_needs_a_target(judge):
    with pytest.raises(ValueError, match=r"fitted with labels .* needs the target"):
        judge.judge(torch.zeros(2, 2))


@pytest.mark.parametrize("known", [torch.tensor([True]), torch.ones(2), torch.ones(2, 1).bool()])
def test_what_is_known_of_the_search_has_one_boolean_per_sample(judge, known):
    x = torch.zeros(2, 2)
    with pytest.raises(ValueError, match="reached must be a boolean for each of the 2"):
        judge.judge(x, 0, reached=known)
    with pytest.raises(TypeError, match="reached must be a boolean tensor, not list"):
        judge.judge(x, 0, reached=[True, True])
    assert len(judge.judge(x, 0, reached=torch.tensor([True, False]))) == 2


def test_one_target_serves_all_samples(judge):
    x = torch.cat([sample(NATURAL, SEEN), sample(NATURAL, OTHER)])
    found = [judge.judge(x, target) for target in (1, torch.tensor([1]), torch.tensor([1, 1]))]
    assert {one.outcomes for one in found} == {(Outcome.MISTAKEN, Outcome.GENUINE)}
    assert all(one.target.tolist() == [1, 1] for one in found)


def test_arrays_and_double_precision_are_taken(judge):
    x = torch.cat([sample(NATURAL, SEEN), sample(OFF, SEEN)])
    assert judge.judge(x.double(), 0).outcomes == judge.judge(x, 0).outcomes
    assert judge.judge(x.numpy(), 0).outcomes == judge.judge(x, 0).outcomes


# What judging leaves behind, and what it does not depend on


def noisy_judge():
    net = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 4)).eval()
    jury = Jury((Centres(8 * torch.eye(3, 6)).eval(), net), ("centres", "net"), 3)
    x, labels = gaussians(300, 0)
    axes = (
        Neighbours("pixels", x, labels=labels, k_dimension=20),
        Neighbours("features", x, Penultimate(net), labels),
        Neighbours("logits", x, net, labels),
        Likelihood("likelihood", x, typicality=True),
    )
    return Judge.assemble(jury, axes, (x, labels), gaussians(400, 1)), net


def test_verdicts_do_not_depend_on_the_batch():
    judge, _ = noisy_judge()
    x, labels = gaussians(1201, 5)
    x = x + torch.randn(x.shape, generator=generator(6))
    whole = judge.judge(x, labels)
    assert len(set(whole.outcomes)) >= 2
    for rows in (slice(0, 1), slice(499, 502), slice(1200, 1201)):
        part = judge.judge(x[rows], labels[rows])
        assert part.outcomes == whole.outcomes[rows]
        torch.testing.assert_close(part.confidence, whole.confidence[rows])
        torch.testing.assert_close(part.surprise, whole.surprise[rows], rtol=1e-3, atol=1e-3)
        for one, all_of in zip(part.axes, whole.axes, strict=True):
            torch.testing.assert_close(one.value, all_of.value[rows], rtol=1e-3, atol=1e-3)
    turned = judge.judge(x.flip(0), labels.flip(0))
    assert turned.outcomes == whole.outcomes[::-1]


@pytest.mark.filterwarnings("ignore::xhat.core.InputWarning")
def test_networks_are_left_as_they_were_found():
    judge, net = noisy_judge()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x, labels = gaussians(30, 5)
    expected = judge.judge(x, labels)
    net.train()
    x.requires_grad_(True)
    found = judge.judge(x, labels)
    assert found.outcomes == expected.outcomes  # evaluation mode was used all along
    torch.testing.assert_close(found.surprise, expected.surprise)
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert x.grad is None
    assert not found.votes.requires_grad


def test_training_mode_is_warned_of():
    judge, net = noisy_judge()
    net.train()
    with pytest.warns(InputWarning, match="training mode"):
        judge.judge(*gaussians(30, 5))


def test_the_same_parts_give_the_same_judge():
    first, second = readable_judge(), readable_judge()
    x = torch.cat([sample(float(where), SEEN) for where in torch.linspace(-5, 5, 50)])
    assert torch.equal(first.judge(x, 0).p, second.judge(x, 0).p)
    assert first.jury.weights == second.jury.weights


def test_what_was_learnt_once_need_not_be_learnt_again(judge):
    x, labels = readable(300, 1)
    parts = reader(), [Neighbours("place", x, place, labels)], (x, labels), readable(400, 2)
    first = Judge.assemble(*parts)
    again = Judge.assemble(*parts, 0.1, usual=first.usual)
    some = readable(50, 3)
    assert torch.equal(first.judge(*some).p, again.judge(*some).p)
    assert (first.alpha, again.alpha) == (0.05, 0.1)
    other = replace(first.usual, scores=first.usual.scores + 1)
    assert not torch.equal(Judge.assemble(*parts, usual=other).judge(*some).p, first.judge(*some).p)


def test_without_a_jury_labels_may_be_of_any_classes():
    x, labels = torch.zeros(3, 2), torch.tensor([2, 7, 0])
    assert check_labelled("samples", x, labels, None)[1].tolist() == [2, 7, 0]
    with pytest.raises(ValueError, match="labels of samples"):
        check_labelled("samples", x, labels - 1, None)
