"""Edits by a denoiser of one's own: told classes, or told nothing."""

import pytest
import torch

from tests.domains import small_classifier, small_digits, wine
from xhat.domain import Domain
from xhat.methods import Edited, LabelFree, Options, Pixels
from xhat.objectives.goals import Class
from xhat.priors import DenoiserPrior

UNTOLD = "a denoiser that is told no class"


@pytest.fixture(scope="module")
def brought():
    """Return the small digits with what blurs their real samples as somebody's denoiser."""
    known = small_digits()
    mine, exact = known.halves[0], known.network("prior")
    x, labels = known.x[mine], known.labels[mine]
    unit = float(exact.coordinates.spread)

    def denoiser(x, sigma, label=None):
        u = exact.coordinates.into(x)
        known_label = None if label is None or int(label[0]) == 10 else label
        return exact.coordinates.out(exact.denoised(u, float(sigma[0]) / unit, known_label, None))

    priors = {"told": DenoiserPrior(denoiser, x, labels), UNTOLD: DenoiserPrior(denoiser, x)}
    robust = known.network("robust")
    return {
        name: Domain(x, labels, judge=known.judge(), networks={"prior": prior, "robust": robust})
        for name, prior in priors.items()
    }


def asked():
    domain = small_digits()
    rows = domain.halves[1][:60]
    return domain.x[rows], Class((domain.labels[rows] + 3) % 10)


@pytest.mark.parametrize(
    ("name", "how"), [("told", Edited()), (UNTOLD, Edited()), (UNTOLD, LabelFree())]
)
def test_a_denoiser_serves_without_training(brought, name, how):
    domain = brought[name]
    x0, goal = asked()
    found = how.search(small_classifier(), goal, x0, domain, options=Options(trace=1))
    bare = Pixels().search(small_classifier(), goal, x0, domain)
    genuine, of_bare = (
        sum(str(each) == "genuine" for each in domain.judge().judge(x, goal.labels).outcomes)
        for x in (found.x, bare.x)
    )
    assert genuine >= of_bare + len(x0) / 3
    assert torch.equal(found.trajectory.x[0], x0)
    assert torch.equal(found.trajectory.x[-1], found.x)


def test_what_both_have_in_common_stays(brought):
    domain = brought["told"]
    x0, goal = asked()
    far = [
        (how.search(small_classifier(), goal, x0, domain).x - x0).flatten(1).norm(dim=1).median()
        for how in (Edited(noise=0.2), Edited(noise=1.5))
    ]
    assert far[0] < 0.9 * far[1]


def test_tables_are_edited_by_their_prior():
    domain = wine()
    x0, goal = domain.x[[0, 60, 150]], Class([1, 2, 0])
    centres = torch.stack([domain.x[domain.labels == k].mean(dim=0) for k in range(3)])

    def model(x):
        return -((x[:, None] - centres) / domain.scale).square().sum(dim=2)

    found = Edited().search(model, goal, x0, domain)
    outcomes = domain.judge().judge(found.x, goal.labels).outcomes
    assert [str(outcome) for outcome in outcomes] == ["genuine"] * 3


@pytest.mark.parametrize(
    ("made", "error", "says"),
    [
        (lambda x: DenoiserPrior(3, x), TypeError, "must be callable"),
        (lambda x: DenoiserPrior(lambda x, s: x, x[:, 0, 0]), ValueError, "of signals"),
        (lambda x: DenoiserPrior(lambda x, s: x[:, :, 1:], x), ValueError, "of the shape"),
        (lambda x: DenoiserPrior(lambda x: x, x), ValueError, "cannot take images"),
    ],
)
def test_what_is_no_denoiser_is_refused_in_one_sentence(made, error, says):
    with pytest.raises(error, match=says):
        made(small_digits().x)
