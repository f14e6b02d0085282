"""Laws of every method: what it says of its results is so, and what it does not use is refused."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.domains import cultivar, small_classifier, small_digits, wine
from xhat import methods
from xhat.constraints import Inequality
from xhat.domain import Domain
from xhat.engine import Compute, Restarts
from xhat.methods import (
    Method,
    Options,
    Plan,
    Surroundings,
    default_method,
    known_methods,
    method,
    registry,
)
from xhat.objectives.goals import Class, Most, Value

EVERY = sorted(known_methods())
N = 8


@pytest.fixture(scope="module")
def question():
    domain = small_digits()
    rows = domain.halves[1][:N]
    return small_classifier(), Class((domain.labels[rows] + 1) % 10), domain.x[rows], domain


@pytest.mark.parametrize("name", EVERY)
def test_what_a_result_says_is_so(question, name):
    model, goal, x0, domain = question
    found = method(name).search(model, goal, x0, domain)
    assert torch.equal(found.x0, x0)
    assert found.x.shape == x0.shape
    assert bool(found.feasible.all())
    assert ((found.x >= -1e-6) & (found.x <= 1 + 1e-6)).all()
    measured = goal.objective(model).measure(found.x, found.x)
    sure = measured.confidence
    assert (measured.reached | ~found.reached).all()
    if not found.confidence.isnan().any():
        objective = method(name).plan(model, goal, x0, domain).problem.objective
        least = objective.measure(found.x, found.z).confidence
        assert torch.allclose(found.confidence, sure if least is None else least, atol=1e-4)
    assert found.reached.any()  # no start is what is wanted
    assert len(found.status) == N


@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_gives_the_same(question, name):
    model, goal, x0, domain = question
    one, same = (
        method(name).search(model, goal, x0, domain, options=Options(seed=3)).x for _ in "ab"
    )
    assert torch.equal(one, same)


@pytest.mark.parametrize("name", EVERY)
def test_budgets_traces_and_progress_are_obeyed(question, name):
    model, goal, x0, domain = question
    how, seen = method(name), []
    given = {"max_steps": 3, "trace": 1, "on_progress": seen.append}
    used = {option: value for option, value in given.items() if option in how.options}
    found = how.search(model, goal, x0, domain, options=Options(**used))
    if "max_steps" in used:
        assert (found.steps <= 3).all()
    if "trace" in used:
        assert found.trajectory is not None
        assert found.trajectory.x.shape[1:] == x0.shape
        assert torch.equal(found.trajectory.x[-1], found.x)
    if "on_progress" in used:
        assert seen
        assert (seen[-1].done, seen[-1].total) == (N, N)


@pytest.mark.parametrize("name", EVERY)
def test_what_a_method_does_not_use_is_refused(question, name):
    model, goal, x0, domain = question
    how = method(name)
    values = {
        "confidence": 0.5, "max_steps": 2, "restarts": Restarts(2, 0.1), "seed": 1,
        "compute": Compute(chunk=4), "trace": 1, "on_progress": print,
        "evaluations": 100,
    }  # fmt: skip
    for option, value in values.items():
        if option not in how.options:
            with pytest.raises(TypeError, match=f"{name!r} does not use {option}; it takes"):
                how.search(model, goal, x0, domain, options=Options(**{option: value}))
    assert set(how.options) <= set(values)


@pytest.mark.parametrize("name", EVERY)
def test_a_constraint_holds(question, name):
    model, goal, x0, domain = question
    ink = Inequality(lambda x: x.flatten(1).mean(dim=1) - 0.45)
    found = method(name).search(model, goal, x0, domain, (ink,))
    assert torch.equal(found.feasible, ink.violation(found.x.double()) <= 1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_a_method_has_no_field_that_it_ignores(question, name):
    model, goal, x0, domain = question
    how = method(name)
    before = how.search(model, goal, x0, domain).x
    for field in dataclasses.fields(how):
        value = getattr(how, field.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        for other in (value / 7, 3 * value + 1) if isinstance(value, float) else (1, 3):
            changed = dataclasses.replace(how, **{field.name: other})
            if not torch.equal(changed.search(model, goal, x0, domain).x, before):
                break
        else:
            pytest.fail(f"{name}: {field.name} changes nothing")


def test_frozen_pixels_stay_in_every_method(question):
    model, goal, x0, domain = question
    fixed = torch.zeros(domain.shape, dtype=torch.bool)
    fixed[:, :2] = True
    held = Domain(domain.x, domain.labels, fixed=fixed, networks=domain.trained())
    for name in EVERY:
        found = method(name).search(model, goal, x0, held)
        assert torch.equal(found.x[:, :, :2], x0[:, :, :2]), name


def test_tables_are_served_by_those_that_need_no_images():
    domain = wine()
    goal, x0 = Class([1, 2, 0]), domain.x[[0, 60, 150]]
    served = [name for name in EVERY if method(name).missing(domain, goal) is None]
    assert served == [
        "distilled",
        "edited",
        "flow",
        "label-free",
        "nearest",
        "pgd",
        "plain",
        "proximal",
    ]
    for name in served:
        if name == "distilled":  # which is for models without gradients
            continue
        found = method(name).search(cultivar, goal, x0, domain)
        assert found.feasible.all()
        if name not in ("edited", "flow", "label-free", "pgd"):
            assert found.reached.all(), name
    bound = domain.scale * 0.3
    found = method("pgd").search(cultivar, goal, x0, domain)
    assert ((found.x - x0).abs() <= bound + 1e-3).all()


def test_features_of_any_unit_are_searched_alike():
    domain = Domain(wine().x, wine().labels)  # numbers all: no unit keeps whole ones whole
    goal, x0 = Class([1, 2, 0]), domain.x[[0, 60, 150]]
    unit = torch.where(torch.arange(13) % 2 == 0, 1024.0, 1.0)
    scaled = Domain(domain.x * unit, domain.labels)
    one = method("proximal").search(cultivar, goal, x0, domain)
    other = method("proximal").search(lambda x: cultivar(x / unit), goal, x0 * unit, scaled)
    assert torch.allclose(one.x, other.x / unit, atol=1e-3)
    one = method("nearest").search(cultivar, goal, x0, domain)
    other = method("nearest").search(lambda x: cultivar(x / unit), goal, x0 * unit, scaled)
    assert torch.equal(one.x, other.x / unit)


def test_the_default_is_for_the_kind_of_data():
    images, table = small_digits(), wine()
    assert default_method(images, Class(1)).name == "flow"
    assert default_method(images, Most()).name == "plain"
    assert default_method(table, Class(1)).name == "flow"
    many = Domain(np.random.default_rng(0).random((2_500, 8, 8)), np.arange(2_500) % 2)
    assert default_method(many, Class(1)).name == "retrieval"
    unknown = Domain(table.x)
    assert default_method(unknown, Class(1)).name == "proximal"
    few = Domain(table.x[::9], table.labels[::9])
    assert default_method(few, Class(1)).name == "nearest"
    assert "takes 12 samples or more" in str(method("flow").missing(few, Class(1)))
    assert default_method(Surroundings(torch.rand(1, 3)), Class(1)).name == "proximal"


@pytest.mark.parametrize(
    ("name", "domain", "goal", "said"),
    [
        ("retrieval", wine, Class(1), "is for images and fields, but these samples are tables"),
        ("latent", lambda: Surroundings(torch.rand(1, 3)), Class(1), "give a domain"),
        ("nearest", lambda: Domain(np.random.default_rng(0).random((30, 3))), Class(1), "labels="),
        ("retrieval", small_digits, Value(1.0, 0.1), "not for Value(1, 0.1)"),
    ],
)
def test_what_a_domain_cannot_serve_is_said_with_what_to_do(name, domain, goal, said):
    assert said in str(method(name).missing(domain(), goal))


def test_a_strangers_method_is_one_class_and_one_line(monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Halfway(Method):
        name = "halfway"
        caption = "stays where it is"
        max_steps: int = 5

        def plan(self, model, goal, x0, domain, constraints=()):
            space = domain.space(x0)
            problem = methods.Pixels().plan(model, goal, x0, domain, constraints).problem
            return Plan(dataclasses.replace(problem, space=space), {"max_steps": self.max_steps})

    class Entry:
        value = "theirs:Halfway"

        def load(self):
            return Halfway

    registry.known_methods.cache_clear()
    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry()])
    try:
        assert method("halfway") == Halfway()
        domain = wine()
        found = method("halfway").search(cultivar, Class(1), domain.x[:2], domain)
        assert (found.steps <= 5).all()
        Entry.load = lambda self: print
        registry.known_methods.cache_clear()
        with pytest.raises(TypeError, match="is no class of the kind Method"):
            known_methods()
        Entry.load = lambda self: methods.Pixels
        registry.known_methods.cache_clear()
        with pytest.raises(ValueError, match="there is one already"):
            known_methods()
    finally:
        monkeypatch.undo()
        registry.known_methods.cache_clear()


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match="method must be one of flow, label-free, edited, nearest"):
        method("magic")
    with pytest.raises(ValueError, match="the method 'xhat' is called 'retrieval' now"):
        method("xhat")


def test_every_method_says_what_it_is():
    for name in EVERY:
        told = method(name).describe()
        assert told["name"] == name
        assert known_methods()[name].caption
        assert known_methods()[name].__doc__
