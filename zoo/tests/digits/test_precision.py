"""Every training there is, in float32 and in bfloat16, on whatever processor this is."""

import pytest
import torch

from xhat.core import generator
from xhat.judges.fitting import default_jury, split_reference
from xhat.learning import fit
from xhat.surrogates import train_regression
from xhat_zoo import digits
from xhat_zoo.conjunction.training import Recipe as Encounters
from xhat_zoo.conjunction.training import train as train_encounters
from xhat_zoo.digits.embeddings import EMBEDDINGS, train_embedding
from xhat_zoo.digits.recipes import PARTS, SHIPPED, recipe
from xhat_zoo.shapes.distances import train_distance

COMPOSED = ("robust+outliers+noise-soft", "trades+astray", "smooth+noise+consistent")
STILL = {"learning_rate": 1e-12}  # a training that leaves the weights where they began
FEW = {"epochs": 1, "average": None}


def by_recipe(name, **options):
    how = recipe(name)
    data = digits.split(how.split)
    told = how.hyperparameters | FEW
    if name == "judge-kernel":
        told |= {"digits": 100, "others": 40}
    return how.run(
        data.upright[:60], data.labels[:60], seed=5, on_epoch=None, **(told | options)
    ).model


def by_embedding(name, **options):
    data = digits.split("surrogate_train")
    told = FEW | {"seed": 5, "prior_steps": 2} | options
    return train_embedding(name, data.upright[:60], data.labels[:60], **told)


def distance(**options):
    x = torch.rand(64, 3, generator=generator(0)) * 2 - 1
    told = {"epochs": 1, "batch_size": 32, "learning_rate": 1e-2, "hidden": 8} | options
    length = x.norm(dim=1)
    region = (-torch.ones(3), torch.ones(3))
    return train_distance(x, length - 0.5, x / length[:, None], region=region, seed=0, **told)


TRAININGS = {
    **{name: (by_recipe, name) for name in (*PARTS, *SHIPPED, *COMPOSED)},
    **{f"embedding {name}": (by_embedding, name) for name in EMBEDDINGS},
    "distance": (distance,),
}


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("training", TRAININGS.values(), ids=TRAININGS)
def test_a_training_goes_the_same_way_in_either_precision(training):
    run, *name = training
    start, whole, half = (
        weights(run(*name, **options)) for options in (STILL, {}, {"autocast": True})
    )
    assert half.dtype == torch.float32
    assert bool(half.isfinite().all())
    assert torch.cosine_similarity(whole - start, half - start, dim=0) > 0.6
    # what the kernel judge learns by are no passes of a network, so nothing is short
    assert torch.equal(whole, half) == (name == ["judge-kernel"])


def encounters():
    return train_encounters(Encounters(encounters=8, manoeuvres=2, epochs=1), seed=0)


def ensemble():
    x = torch.rand(64, 2, generator=generator(0))
    return train_regression(x, x.square().sum(dim=1), seed=0, steps=20)


def jury():
    x = torch.rand(160, 1, 8, 8, generator=generator(0))
    labels = torch.arange(160) % 2
    x[labels == 1] = 1 - x[labels == 1] ** 4
    members = default_jury(split_reference(x, labels, seed=0), seed=0).members
    return torch.nn.ModuleList(members)


@pytest.mark.parametrize(
    ("train", "room", "passes"),
    [
        (encounters, "xhat_zoo.conjunction.training", True),
        (
            ensemble,
            "xhat.surrogates.regression",
            False,
        ),  # its loss asks the members, not the network
        (jury, "xhat.judges.families", True),
    ],
)
def test_trainings_without_a_choice_work_in_either_precision(train, room, passes, monkeypatch):
    trained = []
    for half in (False, True):

        def changed(*args, half=half, **options):
            return fit(*args, **options | {"epochs": 2, "autocast": half})

        monkeypatch.setattr(f"{room}.fit", changed)
        trained.append(weights(train()))
    assert bool(trained[1].isfinite().all())
    assert torch.equal(*trained) != passes
    assert torch.cosine_similarity(*trained, dim=0) > 0.95
