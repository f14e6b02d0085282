import copy
import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.judges.world import (
    NEITHER,
    NONE,
    OTHER,
    SEEN,
    Centres,
    Reader,
    gaussians,
    place,
    readable,
    readable_panel,
    sample,
    twice,
)
from xhat.core import InputWarning, generator
from xhat.judges import Jury, Outcome, Panel, Penultimate, pixels

NATURAL, OFF, ELSEWHERE = 0.0, 4.5, 60.0


@pytest.fixture(scope="module")
def panel():
    return readable_panel()


def judged(panel, where, seen, *, reached=True, feasible=True):
    found = panel.judge(
        sample(where, seen),
        torch.tensor([0]),
        reached=torch.tensor([reached]),
        feasible=torch.tensor([feasible]),
    )
    return found.outcomes[0]


@pytest.mark.parametrize(
    ("where", "seen", "outcome"),
    [
        (NATURAL, SEEN, Outcome.GENUINE),
        (NATURAL, NEITHER, Outcome.AMBIGUOUS),
        (NATURAL, OTHER, Outcome.MISTAKEN),
        (NATURAL, NONE, Outcome.MISTAKEN),
        (OFF, SEEN, Outcome.OFF_MANIFOLD),
        (OFF, NEITHER, Outcome.ADVERSARIAL),
        (OFF, OTHER, Outcome.ADVERSARIAL),
        (ELSEWHERE, SEEN, Outcome.OUT_OF_DISTRIBUTION),
        (ELSEWHERE, OTHER, Outcome.OUT_OF_DISTRIBUTION),
        (10.0, SEEN, Outcome.GENUINE),  # another class's place is natural too
    ],
)
def test_each_outcome_has_its_case_and_the_surrogate_is_asked_first(panel, where, seen, outcome):
    assert judged(panel, where, seen) is outcome
    assert judged(panel, where, seen, reached=False) is Outcome.UNREACHED
    assert judged(panel, where, seen, feasible=False) is Outcome.INFEASIBLE
    assert judged(panel, where, seen, reached=False, feasible=False) is Outcome.INFEASIBLE
    unknown = panel.judge(sample(where, seen), torch.tensor([0]))
    assert unknown.outcomes == (outcome,)


def test_every_outcome_has_a_case():
    mark = test_each_outcome_has_its_case_and_the_surrogate_is_asked_first.pytestmark[0]
    covered = {outcome for *_, outcome in mark.args[1]} | {Outcome.UNREACHED, Outcome.INFEASIBLE}
    assert covered == set(Outcome)


def constant(x):
    return torch.zeros(len(x), 1)


@pytest.mark.parametrize(
    ("ways", "outcome"),
    [
        ({"a": place}, Outcome.OUT_OF_DISTRIBUTION),
        ({"a": place, "b": constant}, Outcome.OFF_MANIFOLD),
        ({"a": place, "b": twice, "c": constant}, Outcome.OUT_OF_DISTRIBUTION),
        ({"a": place, "b": constant, "c": constant}, Outcome.OFF_MANIFOLD),
    ],
)
def test_one_unusual_representation_is_off_but_elsewhere_takes_most_of_them(ways, outcome):
    jury = Jury((Reader().eval(),), ("reader",), classes=2)
    panel = Panel.fit(jury, ways, readable(300, 1), readable(400, 2), 0.05)
    assert judged(panel, ELSEWHERE, SEEN) is outcome
    assert judged(panel, NATURAL, SEEN) is Outcome.GENUINE


def test_what_is_as_near_as_real_samples_is_never_elsewhere(panel):
    # classes that overlap so much that others are as near as one's own
    overlapping = tuple(
        axis if axis.far is None else replace(axis, far=0.0) for axis in panel.manifold
    )
    mixed = replace(panel, manifold=overlapping)
    assert judged(mixed, 0.3, SEEN) is Outcome.GENUINE
    assert judged(mixed, OFF, SEEN) is Outcome.OUT_OF_DISTRIBUTION


def test_noise_where_real_samples_have_none_is_unlikely():
    def quiet(n, seed):
        x, labels = gaussians(n, seed, apart=30.0)
        return torch.cat([x, torch.zeros(n, 1)], dim=1), labels

    jury = Jury((Centres(30 * torch.eye(3, 7), none=-90.0).eval(),), ("centres",), 3)
    panel = Panel.fit(jury, {"pixels": pixels}, quiet(600, 1), quiet(400, 2))
    x, labels = quiet(200, 3)
    assert panel.judge(x, labels).counts()[Outcome.GENUINE] > 180
    x[:, 6] = 1.5  # nearer than neighbours are, but real samples never go there
    assert panel.judge(x, labels).counts()[Outcome.OFF_MANIFOLD] > 180


def test_the_first_choice_decides_what_the_jury_sees():
    halves = nn.Module()
    halves.forward = lambda x: torch.cat([x, 1 - x.sum(1, keepdim=True)], dim=1).log()
    shares = torch.rand(600, 2, generator=generator(0)) * 0.5
    labels = torch.arange(600) % 2  # a jury that knows nothing, so every share is usual
    jury = Jury((halves.eval(),), ("halves",), classes=2)
    panel = Panel.fit(
        jury, {"pixels": pixels}, (shares[::2], labels[:300]), (shares[1::2], labels[:300])
    )
    assert panel.judge(torch.zeros(1, 2) + 0.2, torch.tensor([0])).meaning.limit < 0.1
    for share, outcome in (
        ((0.45, 0.3), Outcome.GENUINE),
        ((0.3, 0.45), Outcome.AMBIGUOUS),
        ((0.4, 0.42), Outcome.AMBIGUOUS),
        ((0.2, 0.2), Outcome.MISTAKEN),  # the majority is for none of them
    ):
        assert panel.judge(torch.tensor([share]), torch.tensor([0])).outcomes == (outcome,)


def test_a_judge_that_gives_nan_does_not_call_anything_genuine(panel):
    assert judged(panel, NATURAL, SEEN) is Outcome.GENUINE
    nan = nn.Module()
    nan.forward = lambda x: torch.full((len(x), 3), float("nan"))
    broken = replace(panel, jury=Jury((nan.eval(),), ("nan",), classes=2))
    assert judged(broken, NATURAL, SEEN) is Outcome.AMBIGUOUS
    blind = replace(panel.manifold[0], represent=lambda x: x[:, :1] * float("nan"))
    broken = replace(panel, manifold=(blind,))
    assert judged(broken, NATURAL, SEEN) is Outcome.OFF_MANIFOLD


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.32])
def test_too_few_calibration_samples_are_counted(alpha):
    with pytest.raises(ValueError, match=r"needs at least \d+ calibration samples") as error:
        readable_panel(alpha, calibration=5)
    needed = int(re.search(r"at least (\d+)", str(error.value))[1])
    with pytest.raises(ValueError, match=f"at least {needed} .* but {needed - 1} came"):
        readable_panel(alpha, calibration=needed - 1)
    panel = readable_panel(alpha, calibration=needed)
    assert judged(panel, ELSEWHERE, SEEN) is Outcome.OUT_OF_DISTRIBUTION  # just enough to tell
    assert judged(panel, NATURAL, OTHER) is Outcome.MISTAKEN
    assert judged(panel, NATURAL, SEEN) is Outcome.GENUINE


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 2, float("nan")])
def test_alpha_is_a_share(alpha):
    with pytest.raises(ValueError, match="alpha must"):
        readable_panel(alpha)


def fitted(reference=None, calibration=None, classes=2, members=None, ways=None):
    jury = Jury(members or (Reader().eval(),), ("reader",), classes)
    ways = {"place": place} if ways is None else ways
    return Panel.fit(jury, ways, reference or readable(50, 1), calibration or readable(100, 2))


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"reference": (readable(50, 1)[0], readable(49, 1)[1])}, ValueError, "50.*|49 came"),
        ({"calibration": (readable(100, 2)[0], torch.rand(100))}, TypeError, "must be classes"),
        ({"calibration": (readable(100, 2)[0], torch.full((100,), 2))}, ValueError, "2 came"),
        ({"classes": 3}, ValueError, "the judge reader must give 4 logits.*gives shape"),
        ({"members": (Reader().eval(), Reader().eval())}, ValueError, "2 members and 1 names"),
        ({"ways": {}}, ValueError, "at least one representation"),
    ],
)
def test_a_panel_that_does_not_fit_together_is_refused(change, kind, message):
    assert fitted().level == pytest.approx(0.05 / 3)
    with pytest.raises(kind, match=message):
        fitted(**change)


@pytest.mark.parametrize(
    ("x", "target", "kind", "message"),
    [
        (torch.zeros(2, 5), [0], ValueError, r"shape \(n, 2\), like the reference.*\(2, 5\)"),
        (torch.zeros(4), [0], ValueError, r"have \(4,\)"),
        (torch.zeros(0, 2), [0], ValueError, "the samples is empty"),
        (torch.full((2, 2), float("nan")), [0], ValueError, "samples must be finite.*NaN"),
        (torch.full((2, 2), float("inf")), [0], ValueError, "samples must be finite.*infinity"),
        (torch.zeros(2, 2, dtype=torch.long), [0], TypeError, "must be floating point"),
        (torch.zeros(2, 2), [2], ValueError, "a class from 0 to 1, but 2 came"),
        (torch.zeros(2, 2), [0, -1], ValueError, "but -1 came"),
        (torch.zeros(2, 2), [0, 1, 0], ValueError, r"one row per candidate \(2\)"),
        (torch.zeros(2, 2), [0.0, 1.0], TypeError, "must be classes, so integers, but is float32"),
        (torch.zeros(2, 2), [True, False], TypeError, "so integers, but is bool"),
        (torch.zeros(2, 2), [[0], [1]], ValueError, "the target must have 1 axes"),
    ],
)
def test_bad_samples_and_targets_are_refused(panel, x, target, kind, message):
    with pytest.raises(kind, match=message):
        panel.judge(x, torch.tensor(target))


@pytest.mark.parametrize("name", ["reached", "feasible"])
@pytest.mark.parametrize("known", [torch.tensor([True]), torch.ones(2), torch.ones(2, 1).bool()])
def test_what_is_known_of_the_search_has_one_boolean_per_sample(panel, name, known):
    x, target = torch.zeros(2, 2), torch.tensor([0])
    with pytest.raises(ValueError, match=f"{name} must be a boolean for each of the 2"):
        panel.judge(x, target, **{name: known})
    assert len(panel.judge(x, target, **{name: torch.tensor([True, False])})) == 2


def test_one_class_serves_all_and_what_is_known_is_a_tensor(panel):
    x = torch.zeros(2, 2)
    assert panel.judge(x, 1).outcomes == panel.judge(x, torch.tensor([1, 1])).outcomes
    with pytest.raises(TypeError, match="reached must be a boolean tensor, not list"):
        panel.judge(x, 1, reached=[True, True])


def test_what_was_searched_is_a_module_or_several(panel):
    x = torch.zeros(2, 2)
    assert panel.judge(x, 1, searched=net(9)).outcomes == panel.judge(x, 1).outcomes
    with pytest.raises(TypeError, match="must hold torch modules, not function"):
        panel.judge(x, 1, searched=[lambda x: x])


# Judges that took part in the search


def net(seed):
    torch_generator = generator(seed, "net")
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data = torch.randn(parameter.shape, generator=torch_generator)
        else:
            parameter.data = torch.full_like(parameter, 0.5)  # alike in every net
    return model


def shares_a_part(judge):
    return nn.Sequential(judge[0], nn.Linear(8, 2))


def shares_a_tensor(judge):
    tied = nn.Linear(8, 3)
    tied.weight = judge[3].weight
    return tied


def shares_memory(judge):
    tied = nn.Linear(8, 1)
    tied.weight = nn.Parameter(judge[3].weight.detach()[1:2])  # a view of its middle
    return tied


@pytest.mark.parametrize(
    "related", [lambda judge: judge, shares_a_part, shares_a_tensor, shares_memory, copy.deepcopy]
)
@pytest.mark.parametrize("place_of_judge", ["jury", "representation"])
def test_a_judge_that_shares_weights_with_the_searched_model_is_refused(related, place_of_judge):
    judge, other = net(0), net(1)
    x, labels = readable(200, 2)
    member, seen = (judge, pixels) if place_of_judge == "jury" else (other, Penultimate(judge))
    panel = Panel.fit(
        Jury((net(2), member), ("first", "second"), 2),
        {"features": seen},
        readable(50, 1),
        (x, labels),
    )
    named = "the judge second" if place_of_judge == "jury" else "the representation features"
    with pytest.raises(ValueError, match=f"{named} shares weights with a model that was searched"):
        panel.judge(x, labels, searched=(net(4), related(judge)))
    assert len(panel.judge(x, labels, searched=(net(4), related(net(5))))) == 200


# What judging leaves behind, and what it does not depend on


def noisy_panel():
    judge = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 4)).eval()
    jury = Jury((Centres(8 * torch.eye(3, 6)).eval(), judge), ("centres", "net"), 3)
    ways = {"pixels": pixels, "features": Penultimate(judge)}
    return Panel.fit(jury, ways, gaussians(300, 0), gaussians(200, 1)), judge


def test_verdicts_do_not_depend_on_the_batch():
    panel, _ = noisy_panel()
    x, labels = gaussians(1201, 5)
    x = x + 2 * torch.randn(x.shape, generator=generator(6))
    whole = panel.judge(x, labels)
    assert len(set(whole.outcomes)) >= 2
    for rows in (slice(0, 1), slice(499, 502), slice(1200, 1201)):
        part = panel.judge(x[rows], labels[rows])
        assert part.outcomes == whole.outcomes[rows]
        torch.testing.assert_close(part.confidence, whole.confidence[rows])
        torch.testing.assert_close(part.jury, whole.jury[rows])
        for one, all_of in zip(part.manifold, whole.manifold, strict=True):
            torch.testing.assert_close(one.value, all_of.value[rows], rtol=1e-4, atol=1e-3)
    turned = panel.judge(x.flip(0), labels.flip(0))
    assert turned.outcomes == whole.outcomes[::-1]


def test_one_target_serves_all_samples(panel):
    x = torch.cat([sample(NATURAL, SEEN), sample(NATURAL, OTHER)])
    shared, each = panel.judge(x, torch.tensor([1])), panel.judge(x, torch.tensor([1, 1]))
    assert shared.outcomes == each.outcomes == (Outcome.MISTAKEN, Outcome.GENUINE)


def test_networks_are_left_as_they_were_found():
    panel, judge = noisy_panel()
    judge.train()
    before = {name: value.clone() for name, value in judge.state_dict().items()}
    x, labels = gaussians(30, 5)
    x.requires_grad_(True)
    with pytest.warns(InputWarning, match="training mode"):
        found = panel.judge(x, labels)
    expected = panel.judge(x, labels) if not judge.eval().training else None
    assert found.outcomes == expected.outcomes  # evaluation mode was used all along
    assert all(torch.equal(value, before[name]) for name, value in judge.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in judge.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in judge.modules())
    assert x.grad is None
    assert not found.jury.requires_grad
    judge.train()
    with pytest.warns(InputWarning):
        panel.judge(x, labels)
    assert all(module.training for module in judge.modules())
