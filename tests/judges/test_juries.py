"""Laws of default juries over kinds of data: they learn, know how sure to be, and load."""

import math
import sys

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits

from xhat.core import generator
from xhat.judges.fitting import default_jury, learnt, split_reference
from xhat.judges.lessons import NEGATIVES, Lesson
from xhat.metrics import expected_calibration_error
from xhat.surrogates.unlike import KINDS as OUTLIERS
from xhat.surrogates.unlike import Outliers

NEW = 200


def fields(n, shape=(2, 9, 13)):
    """Waves of two directions, of any phase, in noise; of two channels, not square."""
    draws, labels = generator(0, "fields"), torch.arange(n) % 2
    phase = 2 * math.pi * torch.rand(n, 1, 1, 1, generator=draws)
    across = torch.linspace(0, 6, shape[2]).expand(shape)
    down = torch.linspace(0, 6, shape[1])[:, None].expand(shape)
    clean = torch.where(labels[:, None, None, None] == 0, across, down) + phase
    return clean.sin() + 0.7 * torch.randn(n, *shape, generator=draws), labels


def signals(n, length=130):
    """Sines and saw teeth of any phase, in noise; longer than what networks see unfolded."""
    draws, labels = generator(0, "signals"), torch.arange(n) % 2
    t = (torch.rand(n, 1, generator=draws) + torch.linspace(0, 3, length)) % 1
    clean = torch.where(labels[:, None] == 0, (2 * math.pi * t).sin(), 2 * t - 1)
    return (clean + 0.3 * torch.randn(n, length, generator=draws))[:, None], labels


def images(_):
    x, y = load_digits(return_X_y=True)
    few = y < 3
    return torch.tensor(x[few]).float().reshape(-1, 1, 8, 8) / 16, torch.tensor(y[few])


def table(_):
    x, y = load_breast_cancer(return_X_y=True)
    return torch.tensor(x).float(), torch.tensor(y)


KINDS = {"fields": fields, "signals": signals, "images": images, "table": table}


@pytest.fixture(scope="module", params=KINDS)
def world(request):
    """Parts, their jury, and samples that neither has seen."""
    x, labels = KINDS[request.param](500)
    order = torch.randperm(len(x), generator=generator(0, "order"))
    new, known = order[:NEW], order[NEW:]
    parts = split_reference(x[known], labels[known], 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xhat.judges.juries._STEPS", 400)  # enough for so easy a world
        return parts, default_jury(parts, 0), x[new], labels[new]


def test_two_families_or_more_beat_the_frequencies_each_and_together(world):
    _, jury, x, labels = world
    votes = jury.probabilities(x)
    ignorant = math.log(jury.classes)
    assert len({type(member.fits[0]) for member in jury.members} | set(jury.names)) >= 2
    for seen in (*votes.unbind(1), jury.together(votes)):
        assert float(-seen.gather(1, labels[:, None]).log().mean()) < 0.5 * ignorant


def test_probabilities_mean_something(world):
    _, jury, x, labels = world
    votes = jury.probabilities(x)
    for seen in votes.unbind(1):
        assert expected_calibration_error(seen.log(), labels) < 0.1


def test_noise_is_none(world):
    parts, jury, x, _ = world
    far = x + 4 * parts.scale[1] * torch.randn(x.shape, generator=generator(1))
    none = jury.together(jury.probabilities(far))[:, -1]
    real = jury.together(jury.probabilities(x))[:, -1]
    assert float(none.median()) > float(real.quantile(0.95))


def test_its_state_makes_the_same_jury_again(world):
    parts, jury, x, _ = world
    state = {name: value.clone() for name, value in learnt((), jury).items()}
    again = default_jury(parts, 0, state=state)
    assert again.names == jury.names
    assert torch.equal(again.probabilities(x), jury.probabilities(x))
    assert all(not p.requires_grad for member in again.members for p in member.parameters())


def test_tables_without_scikit_learn_have_two_members_and_say_so(monkeypatch):
    parts = split_reference(*table(0), 0)
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    jury = default_jury(parts, 0)
    assert jury.names == ("network", "kernel")
    assert "pip install 'xhat[trees]'" in jury.note
    assert default_jury(parts, 0, state=learnt((), jury)).names == jury.names


def test_fields_of_more_axes_are_read_by_their_values():
    x, labels = fields(300, (2, 3, 4))
    x = x.reshape(300, 2, 3, 2, 2)
    jury = default_jury(split_reference(x, labels, 0), 0)
    assert jury.names == ("trees", "network", "kernel")
    assert jury.probabilities(x[:5]).shape == (5, 3, 3)


@pytest.mark.parametrize("shape", [(1, 90, 50), (3, 8, 8)])
def test_grids_of_any_size(shape, monkeypatch):
    monkeypatch.setattr("xhat.judges.families._EPOCHS", 2)
    x, labels = fields(120, shape)
    jury = default_jury(split_reference(x, labels, 0), 0)
    assert jury.probabilities(x[:5]).shape == (5, 2, 3)


def test_judges_and_surrogates_learn_from_other_kinds_of_samples_of_no_class():
    assert not set(NEGATIVES) & set(Outliers.kinds)
    assert {f.__doc__ for f in NEGATIVES.values()}.isdisjoint(f.__doc__ for f in OUTLIERS.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("negative", NEGATIVES)
def test_samples_of_no_class_are_no_known_ones_and_made_of_two_classes(kind, negative):
    x, labels = KINDS[kind](60)
    lesson = Lesson(x, labels, int(labels.max()) + 1, (x.mean(dim=0), x.std(dim=0)))
    made = NEGATIVES[negative](lesson, 25, generator(0, "made"))
    assert made.shape == (25, *x.shape[1:])
    apart = torch.cdist(made.flatten(1), x.flatten(1)).amin(dim=1)
    assert float((apart > 0).double().mean()) > 0.9
    if negative in ("spliced", "superposed"):  # every value is that of a known sample
        flat = made.flatten(1)
        assert all(bool(torch.isin(flat[:, k], x.flatten(1)[:, k]).all()) for k in range(0, 30, 7))
