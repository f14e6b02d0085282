"""Cards of embeddings: what is written, what is measured, and the box that a search is kept in."""

import json
import math

import pytest
import torch
from torch import nn

from xhat.engine import Adam, Problem, solve
from xhat.learning import load_checkpoint
from xhat.objectives import CrossEntropy, InLatent, PriorEnergy
from xhat.spaces import Latent
from xhat_zoo import digits
from xhat_zoo.digits.embeddings import EMBEDDINGS
from xhat_zoo.digits.embeddings.training import box_of, measure_embedding, train_digits_embedding

TEST = digits.split("test")
LIMIT = 90  # too few for an intrinsic dimension, which takes its time


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("weights")
    sizes = {"autoencoder": 4, "beta-vae": 4, "metric": 4, "flow": 4}
    cards = {
        name: train_digits_embedding(
            "digits", name, out=out, latent=sizes.get(name), epochs=1, limit=LIMIT
        )
        for name in EMBEDDINGS
    }
    return out, cards


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_a_card_is_true_of_its_weights_and_says_how_to_make_them(written, name):
    out, cards = written
    model, card = load_checkpoint(out, name)
    assert card == cards[name]
    again = measure_embedding(model, limit=LIMIT)
    assert json.dumps(again)
    for key, value in card.metrics.items():
        assert again[key] == pytest.approx(value, rel=1e-3, abs=1e-4), key
    assert card.command.startswith(f"xhat train digits --embedding {name}")
    assert all(math.isfinite(value) for value in card.metrics.values())
    assert ("squared_error_per_image" in card.metrics) == (name != "metric")
    assert ("nats_per_dimension" in card.metrics) == (name == "flow")


def test_a_search_stays_in_the_box_and_where_latents_are(written):
    out, _ = written
    model, card = load_checkpoint(out, "flow")
    space = Latent(model.encode, model.decode, box_of(card))
    energy = CrossEntropy(digits.surrogate("plain"), 3) + 0.1 * InLatent(PriorEnergy(model.prior))
    found = solve(Problem(energy, space), TEST.images[:4], stepper=Adam(0.5), max_steps=15)
    low, high = box_of(card)
    assert bool(((found.z >= low) & (found.z <= high)).all())
    assert torch.isfinite(found.loss).all()


def test_the_line_has_one_dimension_and_a_box_within_its_bins(written):
    _, cards = written
    low, high = box_of(cards["line"])
    assert low.shape == (1,)
    assert 0 <= float(low) < float(high) < 10
    assert cards["line"].metrics["dimension_high"] == 1.0


def test_the_shipped_space_is_measured_with_its_dimension():
    found = measure_embedding(digits.vae(), limit=250)
    assert 3 < found["dimension_low"] < found["dimension_high"] <= 16
    assert found["knn_accuracy"] > 0.6
    assert found["distance_within"] < found["distance_between"]
    assert found["squared_error_per_image"] < 10


def test_what_is_no_embedding_is_told(tmp_path):
    with pytest.raises(TypeError, match="an embedding must have encode, but Linear has none"):
        measure_embedding(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="plain has no latent box"):
        box_of(digits.card("plain"))
    with pytest.raises(ValueError, match="embedding must be one of"):
        train_digits_embedding("digits", "magic", out=tmp_path)
    with pytest.raises(ValueError, match="epochs must be above 0"):
        train_digits_embedding("digits", "line", out=tmp_path, epochs=0)
    assert list(tmp_path.iterdir()) == []
