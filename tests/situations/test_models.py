"""Models as they come: outputs, inputs, types, batches and layers that are not plain.

Each stands for what somebody met elsewhere; beside the situation stand its relatives.
"""

import copy
import warnings
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from sklearn.datasets import load_wine
from torch import nn
from torch.utils.checkpoint import checkpoint

import xhat
from tests.laws.test_models import portrait, same
from xhat import (
    Adam,
    Box,
    Compute,
    CrossEntropy,
    Match,
    Maximize,
    Model,
    Problem,
    Rounded,
    TargetReached,
    solve,
)  # fmt: skip
from xhat.core import InputWarning

STEPS = 8
Output = namedtuple("Output", "logits hidden")


def network(seed=0, sizes=(6, 16, 3)):
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(*sizes[:2]), nn.Tanh(), nn.Linear(*sizes[1:])).eval()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.7)
    return net


NET = network()
X = torch.rand(5, 6, generator=torch.Generator().manual_seed(1))


def searched(objective, x=X, space=None, **options):
    return solve(Problem(objective, space or Box(0, 1)), x, max_steps=STEPS, **options)


PLAIN = searched(CrossEntropy(NET, 1))


def like_plain(function, **options):
    found = searched(CrossEntropy(function, 1, **options))
    return torch.allclose(found.x, PLAIN.x, atol=1e-5)


@dataclass
class Record:
    scores: torch.Tensor
    text: Any = None


class Plainly:
    def __init__(self, x):
        self.scores, self.seconds = NET(x), 3.0


OUTPUTS = {
    "named tuple": lambda x: Output(NET(x), x),
    "dict": lambda x: {"out": NET(x)},
    "dict with logits": lambda x: {"hidden": x, "logits": NET(x)},
    "dict with decisions": lambda x: {"label": NET(x).argmax(1), "scores": NET(x)},
    "tuple and nothing": lambda x: (NET(x), None),
    "tuple and loss": lambda x: (x.sum(), NET(x)),
    "list": lambda x: [NET(x)],
    "record": lambda x: Record(NET(x)),
    "object": Plainly,
}


@pytest.mark.parametrize("how", OUTPUTS)
def test_the_output_that_is_meant_is_found(how):
    output = OUTPUTS[how]
    assert like_plain(lambda x: output(x))


@pytest.mark.parametrize(
    ("function", "output"),
    [
        (lambda x: (x, NET(x)), 1),
        (lambda x: {"a": x, "b": NET(x)}, "b"),
        (lambda x: Output(NET(x), x), 0),
        (lambda x: Record(x, NET(x)), "text"),
    ],
)
def test_an_output_can_be_named(function, output):
    assert like_plain(function, output=output)
    assert like_plain(Model(function, output=output))


@pytest.mark.parametrize(
    ("function", "output", "said"),
    [
        (lambda x: (NET(x), x), None, r"0 of shape \(1, 3\), 1 of shape.*output=0"),
        (lambda x: {"a": x, "b": x}, "logits", r"output='logits' names nothing.*'a' of shape"),
        (NET, 0, r"output=0 names nothing.*one tensor"),
        (lambda x: (x,), 3, r"output=3 names nothing"),
    ],
)
def test_an_output_that_cannot_be_told_is_asked_for(function, output, said):
    with pytest.raises(ValueError, match=said):
        searched(CrossEntropy(function, 1, output=output))


def test_scores_and_values_are_found_as_well():
    score = searched(Maximize(lambda x: (NET(x)[:, 0], 0)))
    assert torch.equal(score.x, searched(Maximize(lambda x: NET(x)[:, 0])).x)
    value = searched(Match(lambda x: (NET(x), 0), 1.0, column=2))
    assert torch.equal(value.x, searched(Match(NET, 1.0, column=2)).x)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(7, 3)

    def forward(self, image, table):
        return self.head(torch.cat([self.conv(image).amax((2, 3)), table], 1))


@pytest.fixture
def two():
    torch.manual_seed(0)
    return Two().eval(), torch.rand(3, 1, 6, 6), torch.rand(3, 3)


def test_parts_are_searched_together_and_come_back_as_they_were(two):
    model, image, table = two
    named = searched(CrossEntropy(model, 1), {"table": table, "image": image})
    assert {name: part.shape for name, part in named.parts.items()} == {
        "table": table.shape,
        "image": image.shape,
    }
    assert torch.allclose(named.confidence, model(**named.parts).softmax(1)[:, 1])
    ordered = searched(CrossEntropy(model, 1), (image, table))
    for one, other in zip(ordered.parts, (named.parts["image"], named.parts["table"]), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
        assert (one != (image if one.ndim > 2 else table)).any()
    together = CrossEntropy(lambda parts: model(parts["image"], parts["table"]), 1)
    assert torch.allclose(searched(together, {"table": table, "image": image}).x, named.x)


def test_constraints_and_losses_get_the_parts_too(two):
    model, image, table = two
    light = xhat.Inequality(lambda image, table: table.sum(dim=1) - 1.0)
    objective = CrossEntropy(model, 1) + (lambda image, table: image.flatten(1).sum(dim=1))
    found = solve(
        Problem(objective, Box(0, 1), light), {"image": image, "table": table}, max_steps=STEPS
    )
    assert bool(found.feasible.all())
    assert (found.parts["table"].sum(dim=1) <= 1 + 1e-4).all()


def test_parts_are_kept_in_a_file(two, tmp_path):
    model, image, table = two
    found = searched(CrossEntropy(model, 1), {"image": image, "table": table})
    found.save(tmp_path / "found.npz")
    again = xhat.Result.load(tmp_path / "found.npz")
    assert torch.equal(again.parts["image"], found.parts["image"])


@pytest.mark.parametrize("wrong", ["rows", "whole numbers", "nothing"])
def test_parts_that_do_not_fit_are_refused(two, wrong):
    model, image, table = two
    parts, kind, said = {
        "rows": ((image, table[:2]), ValueError, "the same number"),
        "whole numbers": ((image, table.long()), TypeError, "part 1.*not searched.*given="),
        "nothing": ({}, ValueError, "one row per candidate"),
    }[wrong]
    with pytest.raises(kind, match=said):
        searched(CrossEntropy(model, 1), parts)


def test_conditions_are_narrowed_with_the_candidates(two):
    model, image, table = two
    rule = TargetReached(0.5)
    objective = CrossEntropy(model, torch.tensor([0, 1, 2]), given={"table": table})
    found = searched(objective, image, compute=Compute(chunk=2), stop=rule)
    assert torch.allclose(found.confidence, model(found.x, table).softmax(1).diagonal(), atol=1e-6)
    for i in range(3):
        alone = CrossEntropy(model, i, given={"table": table[i : i + 1].numpy()})
        assert torch.allclose(
            searched(alone, image[i : i + 1], stop=rule).x, found.x[i : i + 1], atol=1e-5
        )


def test_conditions_of_any_kind(two):
    model, image, table = two

    def scaled(x, ids, mode, table):
        assert mode == "fast"
        return model(x, table.sub_(0.5)) * ids[:, None]

    before = table.clone()
    given = {"ids": torch.arange(1, 4), "mode": "fast", "table": table}
    found = searched(CrossEntropy(scaled, 1, given=given), image)
    assert torch.equal(table, before)
    ids = torch.arange(1, 4)[:, None]
    p = (model(found.x, table - 0.5) * ids).softmax(1)[:, 1]
    assert torch.allclose(found.confidence, p, atol=1e-6)


def test_a_condition_in_a_closure_is_told_where_it_belongs(two):
    model, image, table = two
    with pytest.raises(ValueError, match=r"belongs to each candidate.*given="):
        searched(CrossEntropy(lambda x: model(x, table), 1), image)
    with pytest.raises(ValueError, match=r"made for 2 candidates.*3 starts"):
        searched(CrossEntropy(model, 1, given={"table": table[:2]}), image)
    with pytest.raises(TypeError, match=r"given must name"):
        CrossEntropy(model, 1, given=[table])


def test_the_front_door_takes_parts_conditions_and_outputs(two):
    model, image, table = two
    found = xhat.optimize(model, {"image": image, "table": table}, 1, limits=(0, 1), max_steps=5)
    assert torch.allclose(found.confidence, model(**found.parts).softmax(1)[:, 1])
    some = xhat.optimize(
        lambda image, table: (model(image, table), image), image, 1,
        output=0, given={"table": table}, limits=(0, 1), max_steps=5,
    )  # fmt: skip
    assert torch.allclose(some.confidence, model(some.x, table).softmax(1)[:, 1])
    with pytest.raises(ValueError, match="conditions for 2 candidates, but 3"):
        xhat.optimize(model, image, 1, given={"table": table[:2]}, limits=(0, 1))


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_weights_of_another_type(dtype, precision):
    net = copy.deepcopy(NET).to(dtype)
    before = portrait(net)
    found = searched(CrossEntropy(lambda x: net(x), 1), compute=Compute(precision=precision))
    assert found.notes == ()
    assert found.x.dtype == (torch.float64 if precision == "float64" else torch.float32)
    assert (found.loss < CrossEntropy(NET, 1)(X)).all()
    p = net(found.x.to(dtype)).double().softmax(1)[:, 1]
    assert torch.allclose(found.confidence.double(), p, atol=1e-2)  # its own claim, not another's
    assert same(before, portrait(net))


def test_tiny_gradients_of_half_precision_do_not_vanish():
    net = copy.deepcopy(NET)
    with torch.no_grad():
        net[0].weight.mul_(1e-3)
        net[2].bias.copy_(torch.tensor([0.0, 12.0, 0.0]))
    x = X.clone().requires_grad_(True)
    grads = []
    for model in (net, copy.deepcopy(net).half()):
        objective = CrossEntropy(model, 1)
        (gradient,) = torch.autograd.grad(objective(x).sum(), x)
        grads.append(gradient)
    exact, half = grads
    assert 0 < float(exact.abs().max()) < 2e-7  # half precision knows nothing below 6e-8
    assert torch.allclose(half, exact, rtol=0.02, atol=0.02 * float(exact.abs().max()))


class Normalises(nn.Module):
    def forward(self, x):
        return NET(x.sub_(0.3).div_(0.2))


def shifts(x):
    x[:, 0] += 0.1
    return NET(x)


IN_PLACE = {
    "rectifier": nn.Sequential(nn.ReLU(inplace=True), NET).eval(),
    "normalisation": Normalises().eval(),
    "assignment": shifts,
    "clamp": lambda x: NET(x.clamp_(0.2, 0.8)),
    "view": lambda x: NET(x.reshape(-1, 2, 3).mul_(2.0).reshape(-1, 6)),
}


@pytest.mark.parametrize("how", IN_PLACE)
def test_layers_that_work_in_place(how):
    model = IN_PLACE[how]
    found, copied = (searched(CrossEntropy(f, 1)) for f in (model, lambda x: model(x.clone())))
    assert torch.equal(found.x, copied.x)
    start = X.clone()
    CrossEntropy(model, 1)(start)
    assert torch.equal(start, X)


def inner(x):
    return checkpoint(NET, x, use_reentrant=True)


CHECKPOINTS = {
    "one": inner,
    "nested": lambda x: checkpoint(inner, x, use_reentrant=True),
    "two": lambda x: checkpoint(NET[2], checkpoint(NET[:2], x, use_reentrant=True),
                                use_reentrant=True),
    "in a dict": lambda x: {"y": inner(x)},
}  # fmt: skip


@pytest.mark.parametrize("how", CHECKPOINTS)
def test_reentrant_checkpoints(how):
    before = portrait(NET)
    assert like_plain(CHECKPOINTS[how])
    assert same(before, portrait(NET))


def test_complex_outputs_are_compared_by_both_parts():
    wanted = torch.fft.rfft(X.flip(0))
    found = solve(
        Problem(Match(torch.fft.rfft, wanted, 0.05), Box(0, 1)), X, max_steps=300,
        stop=TargetReached(),
    )  # fmt: skip
    assert bool(found.reached.all())
    parts = torch.view_as_real(torch.fft.rfft(found.x) - wanted)
    assert float(parts.abs().max()) <= 0.05
    one = Match(torch.fft.rfft, 1.0)(X)
    by_hand = torch.view_as_real(torch.fft.rfft(X) - 1.0).flatten(1).square().mean(1)
    assert torch.allclose(one, by_hand)


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (lambda: searched(Maximize(lambda x: torch.fft.rfft(x)[:, 1])), r"real numbers.*y\.abs"),
        (lambda: searched(CrossEntropy(NET, 1), X + 1j), r"start is complex.*view_as_real"),
    ],
)
def test_what_has_no_order_is_refused_in_a_sentence(attempt, said):
    with pytest.raises(TypeError, match=said):
        attempt()


@pytest.fixture(scope="module")
def made():
    """The same network as torch's tools make others of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(NET)
        batch = {n: torch.export.export(NET, (torch.rand(n, 6),)) for n in (1, 4)}
        any_size = {0: torch.export.Dim("n")}
        return {
            "scripted": scripted,
            "frozen": torch.jit.freeze(scripted),
            "traced": torch.jit.trace(NET, X),
            "compiled": torch.compile(NET, backend="eager"),
            "exported": torch.export.export(
                NET, (torch.rand(4, 6),), dynamic_shapes=(any_size,)
            ).module(),
            "exported for 4": batch[4],
            "exported for 1": batch[1].module(),
        }


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch looks, while tracing
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(
    "how",
    ["scripted", "frozen", "traced", "compiled", "exported", "exported for 4", "exported for 1"],
)
def test_what_torch_makes_of_a_module(made, how, hidden):
    model = made[how]
    if hidden:
        model = model.module() if how == "exported for 4" else model
        assert like_plain(lambda x: model(x))
        return
    found = searched(CrossEntropy(model, 1))
    assert torch.allclose(found.x, PLAIN.x, atol=1e-5)
    said = {"exported for 4": "batches of 4", "exported for 1": "one sample at a time"}.get(how)
    assert (found.notes == ()) if said is None else (said in found.notes[0])


W = NET[0].weight.detach()


def only_one(x):
    if len(x) > 1:
        raise RuntimeError("batches are not supported")
    return NET(x)


SINGLE = {
    "one sample": (lambda x: NET[2](torch.tanh(W @ x + NET[0].bias)), NET),
    "flattened": (lambda x: NET(x.flatten()), NET),
    "batches of 1": (only_one, NET),
    "squeezed": (lambda x: NET(x).squeeze(0) if len(x) == 1 else only_one(x), NET),
    "a view": (lambda x: NET(x.reshape(4, 6)), NET),
}


@pytest.mark.parametrize("how", SINGLE)
def test_models_of_one_sample_or_of_a_fixed_batch(how):
    model, _ = SINGLE[how]
    found = searched(CrossEntropy(model, 1))
    assert torch.allclose(found.x, PLAIN.x, atol=1e-5)
    assert any(said in found.notes[0] for said in ("one sample at a time", "batches of 4"))


def test_a_model_that_fails_for_one_start_is_not_asked_otherwise():
    def picky(x):
        if bool((x[:, 0] > 0.9).any()):
            raise RuntimeError("too large")
        return NET(x)

    x = X.clone()
    x[:, 0] = 0.2
    x[2, 0] = 0.95
    found = searched(CrossEntropy(picky, 1), x, stepper=Adam())
    assert found.notes == ()
    assert [status.startswith("the model failed") for status in found.sentences] == [
        i == 2 for i in range(5)
    ]


PROBABILITIES = {
    "softmax": nn.Sequential(NET, nn.Softmax(dim=1)).eval(),
    "by hand": lambda x: NET(x).exp() / NET(x).exp().sum(dim=1, keepdim=True),
    "in a dict": lambda x: {"p": NET(x).softmax(dim=1)},
}


@pytest.mark.parametrize("how", PROBABILITIES)
def test_probabilities_are_noticed_said_and_right(how):
    with pytest.warns(InputWarning, match="probabilities, not logits") as told:
        found = searched(CrossEntropy(PROBABILITIES[how], 1))
    assert len(told) == 1
    assert torch.allclose(found.x, PLAIN.x, atol=1e-4)
    assert torch.allclose(found.confidence, NET(found.x).softmax(1)[:, 1], atol=1e-5)
    assert "probabilities, not logits" in found.notes[0]


@pytest.mark.parametrize("shape", ["(n, 1)", "(n,)"])
@pytest.mark.parametrize("kind", ["logit", "probability"])
def test_a_single_output_for_two_classes(kind, shape):
    def model(x):
        y = 2 * NET(x)[:, :1]
        y = y.sigmoid() if kind == "probability" else y
        return y if shape == "(n, 1)" else y[:, 0]

    both = CrossEntropy(lambda x: torch.cat([0 * NET(x)[:, :1], 2 * NET(x)[:, :1]], 1), 1)
    with pytest.warns(InputWarning, match=f"one {'number' if kind == 'logit' else kind}"):
        found = searched(CrossEntropy(model, 1))
    assert torch.allclose(found.x, searched(both).x, atol=1e-4)
    assert torch.allclose(found.confidence, (2 * NET(found.x)[:, 0]).sigmoid(), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (nn.Sequential(NET, nn.LogSoftmax(dim=1)).eval(), X),
        (lambda x: x, X / X.sum(dim=1, keepdim=True)),  # logits that sum to 1 at the starts
        (lambda x: x[:, :2], torch.tensor([[0.0, 1.0], [0.5, 0.5]])),
        (lambda x: 0.2 + 0.01 * NET(x), X),
    ],
)
def test_logits_that_look_like_probabilities_are_logits(model, x):
    assert searched(CrossEntropy(model, 1), x).notes == ()


def test_values_between_0_and_1_stay_values():
    found = searched(Match(PROBABILITIES["softmax"], torch.tensor([[0.2, 0.5, 0.3]])))
    assert found.notes == ()


def test_a_plain_model_is_asked_with_nothing_around_it():
    for model in (NET, lambda x: NET(x)):
        objective = CrossEntropy(model, 1)
        objective(X)
        assert objective.settled().model is model


class MonteCarloDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = network(3, (6, 32, 3))

    def forward(self, x):
        hidden = nn.functional.dropout(self.net[1](self.net[0](x)), 0.5, training=True)
        return self.net[2](hidden)


def test_a_random_model_is_believed_by_its_means_only():
    model = MonteCarloDropout().eval()
    x = torch.rand(16, 6, generator=torch.Generator().manual_seed(2))
    with pytest.warns(InputWarning, match="differently each time"):
        found = solve(Problem(CrossEntropy(model, 1), Box(0, 1)), x, stop=TargetReached(0.9))
    with torch.no_grad():
        p = torch.stack([model(found.x).softmax(1)[:, 1] for _ in range(300)]).mean(0)
    claimed = found.reached
    assert (p[claimed] > 0.85).all()
    assert float((p - found.confidence).abs().max()) < 0.25


def test_every_part_has_a_space_of_its_own(two):
    model, image, table = two
    table = (9 * table).round()
    spaces = {"image": Box(0, 1), "table": Rounded(Box(0, 9))}
    problem = Problem(CrossEntropy(model, 1), spaces)
    found = solve(problem, {"image": image, "table": table}, max_steps=20)
    assert found.parts["image"].shape == image.shape
    assert 0 <= float(found.parts["image"].min()) <= float(found.parts["image"].max()) <= 1
    assert torch.equal(found.parts["table"], found.parts["table"].round())
    in_order = solve(Problem(CrossEntropy(model, 1), tuple(spaces.values())), (image, table),
                     max_steps=20)  # fmt: skip
    assert torch.equal(in_order.x, found.x)
    for wrong, starts, said in (
        ({"image": Box(0, 1)}, {"image": image, "table": table}, "for each part of the starts"),
        (spaces, image, "the starts are one tensor"),
    ):
        with pytest.raises(ValueError, match=said):
            solve(Problem(CrossEntropy(model, 1), wrong), starts)
    with pytest.raises(TypeError, match="the space of part 'table' must be a Space"):
        Problem(CrossEntropy(model, 1), {"image": Box(0, 1), "table": 3})


def test_parts_are_searched_and_judged_with_a_domain_and_a_truth(tmp_path):
    wine = load_wine()
    x, y = torch.tensor(wine.data).float(), torch.tensor(wine.target)
    parts = {"colour": x[:, 9:11], "chemistry": x[:, :9]}  # another order than the model's
    mean, spread = x[:, :11].mean(dim=0), x[:, :11].std(dim=0)
    torch.manual_seed(0)
    net = nn.Linear(11, 3)
    adam = torch.optim.Adam(net.parameters(), 0.05)
    for _ in range(150):
        adam.zero_grad()
        nn.functional.cross_entropy(net((x[:, :11] - mean) / spread), y).backward()
        adam.step()
    net.eval()

    def model(chemistry, colour):
        return net((torch.cat([chemistry, colour], dim=1) - mean) / spread)

    domain = xhat.Domain(parts, y)
    starts = {"chemistry": parts["chemistry"][:4], "colour": parts["colour"][:4]}
    found = xhat.optimize(model, starts, 1, domain=domain, method="proximal")
    assert bool(found.reached.all())
    assert list(found.parts) == ["colour", "chemistry"]
    with torch.no_grad():
        sure = model(**found.parts).softmax(1)[:, 1]
    assert torch.allclose(found.confidence, sure, atol=1e-5)
    asked = list[dict[str, Any]]()

    def strength(sample):
        asked.append({name: part.shape for name, part in sample.items()})
        return sample["chemistry"][0]

    checked = xhat.audit(
        None,
        found.parts,
        xhat.AtMost(13),
        truth=strength,
        domain=xhat.Domain(parts, values=x[:, 0]),
    )
    assert asked[0] == {"colour": (2,), "chemistry": (9,)}
    held = checked.verdicts.truth.holds
    assert torch.equal(held, found.parts["chemistry"][:, 0] <= 13)
    assert xhat.audit(model, found.parts, 1, domain=domain).reached.all()
    domain.save(tmp_path / "domain.safetensors")
    assert xhat.Domain.load(tmp_path / "domain.safetensors").layout == domain.layout
    with pytest.raises(ValueError, match="one tensor; give it the same parts"):
        xhat.optimize(model, starts, 1, domain=xhat.Domain(x[:, :11], y))
    with pytest.raises(ValueError, match="must have the parts colour"):
        xhat.optimize(model, {"colour": starts["colour"]}, 1, domain=domain)
