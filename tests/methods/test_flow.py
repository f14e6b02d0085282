"""Searches along the data: where they begin, what they pass, and whom they answer to."""

import pytest
import torch
from sklearn.datasets import load_diabetes

from tests.domains import cultivar, small_classifier, small_digits, wine
from xhat.constraints import Inequality
from xhat.domain import Domain
from xhat.engine import Status
from xhat.methods import Flow, Options, Pixels, default_method
from xhat.methods.acceptance import Acceptance, known_of
from xhat.objectives.goals import Class, Most, Value, Within
from xhat.priors import KernelPrior
from xhat.spaces import Held


@pytest.fixture(scope="module")
def digits():
    domain = small_digits()
    rows = domain.halves[1][:60]
    target = (domain.labels[rows] + 3) % 10
    found = Flow().search(
        small_classifier(), Class(target), domain.x[rows], domain, options=Options(trace=1)
    )
    return domain, rows, target, found


def test_results_are_genuine_and_nearer_than_the_nearest_real_sample(digits):
    domain, rows, target, found = digits
    verdicts = domain.judge().judge(found.x, target)
    assert sum(str(outcome) == "genuine" for outcome in verdicts.outcomes) >= 52
    known = domain.halves[0]
    far = torch.cdist(domain.x[rows].flatten(1), domain.x[known].flatten(1))
    far[target[:, None] != domain.labels[known]] = torch.inf
    moved = (found.x - found.x0).flatten(1).norm(dim=1)
    assert float((moved / far.amin(dim=1)).median()) < 1.05


def test_every_frame_is_a_state_of_the_search_and_on_the_manifold(digits):
    domain, _, _, found = digits
    path = found.trajectory
    assert path.steps == tuple(range(11))
    assert torch.equal(path.x[0], found.x0)
    assert torch.equal(path.x[-1], found.x)
    manifold = domain.judge().without_jury()
    middle = path.x[5]
    on = [str(outcome) == "genuine" for outcome in manifold.judge(middle).outcomes]
    blend = manifold.judge(found.x0 + 0.5 * (found.x - found.x0)).outcomes
    assert sum(on) >= 50
    assert sum(on) >= sum(str(outcome) == "genuine" for outcome in blend)


def test_what_is_the_target_already_stays(digits):
    domain, rows, _, _ = digits
    found = Flow().search(small_classifier(), Class(domain.labels[rows]), domain.x[rows], domain)
    assert float((found.x == found.x0).flatten(1).all(dim=1).float().mean()) > 0.6


def test_tables_are_searched_along_their_rows():
    domain = wine()
    x0 = domain.x[domain.halves[1]][:20]
    target = (domain.labels[domain.halves[1]][:20] + 1) % 3
    found = Flow().search(cultivar, Class(target), x0, domain)
    assert int(found.reached.sum()) >= 18
    assert {status is Status.TARGET_REACHED for status in found.status} >= {True}
    genuine = domain.judge().judge(found.x, target).outcomes
    assert sum(str(outcome) == "genuine" for outcome in genuine) >= 16


def test_a_value_is_reached_where_the_data_have_it():
    data = load_diabetes()
    x, y = torch.tensor(data.data).float(), torch.tensor(data.target).float()
    domain = Domain(x, values=y)
    weights = torch.linalg.lstsq(torch.cat((x, torch.ones(len(x), 1)), 1), y[:, None]).solution

    def model(rows):
        return rows @ weights[:-1, 0] + weights[-1, 0]

    x0 = x[domain.halves[1]][model(x[domain.halves[1]]) < 120][:20]
    goal = Within(180.0, 220.0)
    found = Flow().search(model, goal, x0, domain)
    assert float(found.reached.float().mean()) > 0.9
    off = goal.off(model(found.x)[:, None])
    assert float(off[found.reached].max()) < 1e-3  # the rounding that an interval allows


def test_a_goal_that_the_domain_does_not_know_is_steered_by_the_model_alone():
    domain = wine()
    x0 = domain.x[domain.halves[1]][:20]
    found = Flow().search(lambda x: x[:, 0], Most(), x0, domain)
    assert float((found.x[:, 0] > x0[:, 0]).float().mean()) > 0.8


def slant(x):
    """Columns by which ink moves from row to row, by its second moments."""
    ink = x[:, 0] / x[:, 0].sum(dim=(1, 2), keepdim=True)
    places = torch.arange(8.0)
    rows = places[None, :, None] - (ink.sum(dim=2) @ places)[:, None, None]
    columns = places[None, None] - (ink.sum(dim=1) @ places)[:, None, None]
    return -(ink * rows * columns).sum(dim=(1, 2)) / (ink * rows.square()).sum(dim=(1, 2))


@pytest.fixture(scope="module")
def turned():
    """Digits, of which nobody says what they are, to be slanted otherwise."""
    whole = small_digits()
    known = Domain(whole.x, kind="image")
    x0 = whole.x[whole.halves[1]][:60]
    middle, spread = slant(whole.x).median(), float(slant(whole.x).std())
    wanted = slant(x0) + spread * (middle - slant(x0)).sign()
    return known, x0, Value(wanted[:, None], 0.1 * spread)


def test_without_labels_and_values_a_value_is_reached_along_the_data(turned):
    domain, x0, goal = turned
    found = Flow().search(slant, goal, x0, domain)
    assert float(found.reached.float().mean()) >= 0.8
    manifold = small_digits().judge().without_jury()

    def real(x):
        return sum(str(each) == "genuine" for each in manifold.judge(x).outcomes)

    assert real(found.x) >= 52
    assert real(Pixels().search(slant, goal, x0, domain).x) <= 20
    known = domain.x[domain.halves[0]]
    far = torch.cdist(x0.flatten(1), known.flatten(1))
    far[(slant(known)[None] - goal.value).abs() > goal.tolerance] = torch.inf
    moved = (found.x - x0).flatten(1).norm(dim=1)
    assert float((moved < far.amin(dim=1)).float().mean()) > 0.9


def test_a_value_is_reached_within_the_class_of_the_start(turned):
    _, x0, goal = turned
    domain = small_digits()
    labels = domain.labels[domain.halves[1]][:60]
    assert default_method(domain, goal).name == "flow"
    found = Flow().search(slant, goal, x0, domain)
    assert float(found.reached.float().mean()) >= 0.75
    outcomes = domain.judge().judge(found.x, labels).outcomes
    assert sum(str(each) == "genuine" for each in outcomes) >= 50


def test_no_start_knows_of_the_others_on_the_way_to_a_value(turned):
    domain, x0, goal = turned
    some = Value(goal.value[:12], goal.tolerance)
    whole = Flow().search(slant, some, x0[:12], domain).x
    alone = Flow().search(slant, Value(goal.value[3:4], goal.tolerance), x0[3:4], domain).x
    assert torch.allclose(whole[3:4], alone, atol=1e-3)


def test_an_interrupt_leaves_an_answer():
    domain, calls = wine(), []

    def model(x):
        calls.append(len(x))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return cultivar(x)

    x0 = domain.x[[0, 60]]
    found = Flow().search(model, Class([1, 2]), x0, domain)
    assert found.x.shape == x0.shape
    assert set(found.status) <= {Status.INTERRUPTED, Status.TARGET_REACHED}
    assert Status.INTERRUPTED in found.status


@pytest.mark.parametrize(
    "wrong",
    [{"noise": 0.0}, {"levels": 0}, {"share": 1.0}, {"sureness": ()}, {"sureness": (0.0, -1.0)}],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Flow(**wrong)


def test_the_model_is_left_as_it_was_and_asked_in_evaluation_mode():
    domain = wine()
    net = torch.nn.Sequential(
        torch.nn.BatchNorm1d(13), torch.nn.Dropout(0.5), torch.nn.Linear(13, 3)
    ).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.warns(UserWarning, match="training mode"):
        Flow().search(lambda x: net(x), Class(1), domain.x[:3], domain)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_model_that_gives_no_logits_is_refused_in_one_sentence():
    domain = wine()
    with pytest.raises(ValueError, match=r"must return logits of shape \(n, classes\)"):
        Flow().search(lambda x: x.sum(), Class(1), domain.x[:3], domain)


def test_a_constraint_that_cannot_be_projected_onto_holds_in_the_end():
    domain = wine()
    x0 = domain.x[domain.halves[1]][:20]
    target = (domain.labels[domain.halves[1]][:20] + 1) % 3
    free = Flow().search(cultivar, Class(target), x0, domain)
    ratio = Inequality(lambda x: x[:, 0] - 6.2 * x[:, 2] + 0 * x[:, 1].square())
    assert not bool((ratio.violation(free.x) <= 0).all())
    found = Flow().search(cultivar, Class(target), x0, domain, (ratio,))
    assert int(found.feasible.sum()) >= 19
    assert int((found.feasible & found.reached).sum()) >= 17


def mirrored(x):
    return (x + x.flip(-1)) / 2


def upper_changes(x, starts):
    return torch.cat((x[..., :4, :], starts[..., 4:, :]), dim=-2)


@pytest.mark.parametrize(
    ("space", "holds"),
    [
        (lambda inner, x0: Held(inner, mirrored), lambda x, x0: mirrored(x)),
        (lambda inner, x0: Held(inner, upper_changes, x0), upper_changes),
    ],
    ids=["mirror", "frozen"],
)
def test_what_must_hold_holds_in_every_state(space, holds):
    domain = small_digits()
    rows = domain.halves[1][:40]
    target = torch.where(domain.labels[rows] == 0, 8, 0)
    found = Flow().search(
        small_classifier(), Class(target), domain.x[rows], domain.within(space),
        options=Options(trace=1),
    )  # fmt: skip
    assert torch.equal(found.trajectory.x[0], found.x0)
    for state in found.trajectory.x[1:]:
        assert torch.allclose(holds(state, found.x0), state, atol=1e-5)
    assert torch.equal(holds(found.x, found.x0), found.x)


@pytest.mark.parametrize("far", [False, True])
def test_a_start_that_is_moved_far_is_hidden_from_the_prior(far, monkeypatch):
    shown, denoised = [], KernelPrior.denoised

    def asked(self, u, sigma, wanted, start):
        shown.append(start is not None)
        return denoised(self, u, sigma, wanted, start)

    monkeypatch.setattr(KernelPrior, "denoised", asked)
    domain = small_digits()
    x0 = domain.x[domain.halves[1][:4]]
    held = domain.within(
        lambda inner, x0: Held(inner, lambda x, x0: 0.5 + 0 * x if far else x0 + 0 * x, x0)
    )
    target = (domain.labels[domain.halves[1][:4]] + 1) % 10
    Flow(nearness=0.0, sureness=(0.0,)).search(small_classifier(), Class(target), x0, held)
    assert set(shown) == {not far}


def test_a_class_of_which_searches_know_no_sample_is_told():
    domain = wine()
    rare = Domain(domain.x, domain.labels)
    rare.labels = domain.labels.clone()
    rare.labels[rare.halves[0][rare.labels[rare.halves[0]] == 2]] = 1
    with pytest.raises(ValueError, match="know no real sample of the class '2'"):
        Flow().search(cultivar, Class(2), domain.x[:2], rare)


def test_results_are_not_more_average_than_real_samples():
    domain = small_digits()
    prior = domain.network("prior")
    known = known_of(domain, prior.coordinates, 0.8, 0.2)
    mine = domain.halves[0]
    x, labels = domain.x[mine], domain.labels[mine]
    assert float((known.middle(x, labels) < known.centre[labels]).float().mean()) == pytest.approx(
        0.2, abs=0.03
    )
    means = torch.stack([x[labels == k].mean(dim=0) for k in range(10)])
    content = Acceptance(Class(torch.arange(10)).objective(small_classifier()), 0.5,
                         torch.arange(10), known)  # fmt: skip
    accepted, lacking = content(means, torch.arange(10))
    assert not accepted.any()
    tolerated, less = content(means, torch.arange(10), average=True)
    assert int(tolerated.sum()) >= 8
    assert bool((less < lacking).all())


def test_of_several_tries_the_nearest_accepted_one_is_taken():
    domain = small_digits()
    rows = domain.halves[1][:40]
    target = Class((domain.labels[rows] + 3) % 10)
    far = [
        (Flow(churn=0.3, tries=tries, sureness=(1.0,)).search(
            small_classifier(), target, domain.x[rows], domain
        ).x - domain.x[rows]).flatten(1).norm(dim=1)
        for tries in (1, 3)
    ]  # fmt: skip
    assert float(far[1].mean()) < float(far[0].mean())
    assert int((far[1] <= far[0] + 1e-6).sum()) >= 36
