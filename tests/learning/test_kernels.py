import numpy as np
import pytest
import torch

from xhat.core import generator
from xhat.learning import KernelClassifier, build, load_checkpoint, save_checkpoint
from xhat.learning.checkpoints import Card

KNOWN = torch.randn(30, 2, 3, generator=generator(0))
LABELS = torch.arange(30) % 3
X = torch.randn(7, 2, 3, generator=generator(1))


def classifier(classes=3, **arguments):
    options = {"classes": classes, "inputs": 6, "dimensions": 4, "known": 30, **arguments}
    model = build("KernelClassifier", seed=0, **options)
    assert isinstance(model, KernelClassifier)
    with torch.no_grad():
        model.weight.copy_(torch.linspace(-1, 1, classes))
    model.remember(KNOWN, LABELS)
    return model.eval()


def by_hand(model, x, known, labels):
    project = model.projection.detach().double().numpy()
    u, r = (values.flatten(1).double().numpy() @ project for values in (x, known))
    squared = ((u[:, None] - r[None]) ** 2).sum(axis=2)
    logits = np.full((len(x), model.classes), -np.inf)
    for c in range(model.classes):
        if (labels == c).any():
            mean = np.exp(-squared[:, labels == c]).mean(axis=1)
            logits[:, c] = np.log(mean) + model.weight[c].item()
    return logits


def test_logits_are_the_formula():
    model = classifier()
    expected = by_hand(model, X, KNOWN, LABELS.numpy())
    np.testing.assert_allclose(model(X).detach(), expected, atol=1e-4)


def test_nearness_is_the_formula_for_other_places():
    model = classifier()
    at, places = model.project(X), model.project(KNOWN[:12])
    found = model.nearness(at, places, LABELS[:12])
    expected = by_hand(model, X, KNOWN[:12], LABELS[:12].numpy())
    np.testing.assert_allclose(found.detach(), expected, atol=1e-4)


def test_a_class_without_known_samples_is_out_of_the_question():
    model = classifier(classes=4)
    found = model(X)
    assert bool(found.isfinite().all())
    assert bool((found[:, 3] < found[:, :3].amin(dim=1) - 20).all())


def test_far_from_everything_there_is_a_number_and_the_nearest_kind_wins():
    model = classifier()
    far = 1e3 * KNOWN[:3]
    assert bool(model(far).isfinite().all())
    places = model.project(KNOWN)
    nearest = LABELS[torch.cdist(model.project(far), places).argmin(dim=1)]
    assert torch.equal(model(far).argmax(dim=1), nearest)
    leaf = far.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(model(leaf).log_softmax(1)[:, 0].sum(), leaf)
    assert bool(gradient.isfinite().all())


def test_what_is_remembered_is_projected_once():
    model = classifier()
    torch.testing.assert_close(model.places, KNOWN.flatten(1) @ model.projection.detach())
    assert torch.equal(model.labels, LABELS)
    assert not model.places.requires_grad
    alone = model(X[2:3])
    torch.testing.assert_close(alone, model(X)[2:3], atol=1e-5, rtol=0)


@pytest.mark.parametrize("n", [29, 31])
def test_it_remembers_as_many_as_it_was_made_for(n):
    model = classifier()
    with pytest.raises(ValueError, match=f"remembers 30 known samples .* but {n} samples"):
        model.remember(torch.zeros(n, 6), torch.zeros(n).long())
    with pytest.raises(ValueError, match=f"30 samples and {n} labels came"):
        model.remember(KNOWN, torch.zeros(n).long())


def test_it_is_saved_and_loaded_with_what_it_remembers(tmp_path):
    model = classifier()
    card = Card(
        name="kernel",
        task="digits",
        architecture="KernelClassifier",
        arguments={"classes": 3, "inputs": 6, "dimensions": 4, "known": 30},
        recipe="judge",
        hyperparameters={},
        seed=0,
        split="judge_train",
        split_size=30,
        metrics={},
        seconds=1.0,
        command="xhat train digits",
    )
    save_checkpoint(tmp_path, model, card)
    loaded, _ = load_checkpoint(tmp_path, "kernel")
    assert torch.equal(loaded(X), model(X))
