"""The small trainings that studies share: what a plan says is what is trained."""

import dataclasses
import json

import pytest
import torch

from studies import STUDIES
from studies.runner.experiment import Context
from studies.surrogates import Plan, _Training, surrogate
from xhat.learning import predict
from xhat.surrogates import Adversarial, Corrupted, LabelSmoothing, OutlierExposure
from xhat_zoo import digits
from xhat_zoo.digits.appraisal import STEERED

SMALL = Plan(images=200, epochs=1)
X = digits.split("test").images[:20]


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    return Context(quick=True, cache=tmp_path_factory.mktemp("cache"))


def training(plan, context, seed=0):
    return _Training(plan.small(), seed, context)


def test_a_surrogate_is_trained_once_and_kept(context):
    first = surrogate(SMALL, 0, context)
    kept = sorted(context.cache.glob("*.safetensors"))
    again = surrogate(SMALL, 0, context)
    assert sorted(context.cache.glob("*.safetensors")) == kept
    assert torch.equal(predict(first, X), predict(again, X))
    assert not torch.equal(predict(first, X), predict(surrogate(SMALL, 1, context), X))
    other = surrogate(dataclasses.replace(SMALL, turned=False), 0, context)
    assert not torch.equal(predict(first, X), predict(other, X))


def test_seeds_see_different_images_and_arms_the_same(context):
    a, b = training(Plan(), context), training(Plan(outliers=True), context)
    assert torch.equal(a.rows, b.rows)
    assert not torch.equal(a.rows, training(Plan(), context, seed=1).rows)
    assert torch.equal(a.labels, digits.split("surrogate_train").labels[a.rows])


@pytest.mark.parametrize(
    ("plan", "kinds"),
    [
        (Plan(), []),
        (Plan(damage="hard"), [Corrupted]),
        (Plan(damage="even"), [Corrupted, LabelSmoothing]),
        (Plan(damage="proportional"), [Corrupted]),
        (Plan(outliers=True, terms=(Adversarial(1.0),)), [OutlierExposure, Adversarial]),
        (Plan(turned=False, targets="as soft as machine"), [LabelSmoothing]),
    ],
)
def test_signals_are_those_of_the_plan(plan, kinds, context):
    terms = training(plan, context).terms()
    assert [type(signal) for signal in terms] == kinds
    if plan.damage is not None:
        assert (terms[0].softness is not None) == (plan.damage == "proportional")


def test_even_smoothing_is_as_strong_as_machine_labels_are_soft(context):
    plan = Plan(images=400, turned=False, targets="as soft as machine")
    of = _Training(plan, 0, Context(quick=False, cache=context.cache))
    (smoothing,) = of.terms()
    kept = float(of.machine().gather(1, of.labels[:, None]).mean())
    assert 1 - smoothing.amount + smoothing.amount / 10 == pytest.approx(kept, abs=1e-5)


def test_machine_labels_by_class_are_the_same_within_a_class(context):
    of = training(Plan(turned=False, targets="machine by class"), context)
    p = of.targets()
    assert torch.allclose(p.sum(1), torch.ones(len(p)), atol=1e-5)
    for k in range(10):
        assert len(p[of.labels == k].unique(dim=0)) == 1


def test_an_average_over_a_group_is_invariant(context):
    model = surrogate(dataclasses.replace(SMALL, group="c4"), 0, context)
    turned = torch.rot90(X, 1, (2, 3))
    assert torch.allclose(predict(model, X), predict(model, turned), atol=1e-5)


def test_turns_are_of_whole_quarters(context):
    of = training(Plan(turns=True), context)
    plain = training(Plan(), context).images
    hit = torch.stack([(torch.rot90(plain, k, (2, 3)) == of.images) for k in range(4)])
    assert hit.flatten(2).all(2).any(0).all()


@pytest.mark.parametrize("name", ["soft-labels", "easy-targets", "equivariance"])
def test_a_quick_cell_of_a_study_has_all_that_is_shown(name, context, monkeypatch):
    short = dataclasses.replace(STEERED["robust"], max_steps=20)  # no search must arrive
    monkeypatch.setitem(STEERED, "robust", short)
    study = STUDIES[name]
    cell = study.arms[-1].run(0, context)
    assert set(study.shown) | {c.metric for c in study.claims} <= set(cell.metrics)
    assert json.dumps({"m": cell.metrics, "d": cell.details}, allow_nan=False)
