"""Promise 8: bad input is one sentence that says what was expected and what came."""

import warnings

import pytest
import torch
from torch import nn

from tests.laws.registry import SHAPE, ConvNet, autoencoder, ink, mask, mlp, starts
from xhat import constraints as c
from xhat import objectives as o
from xhat import spaces as s
from xhat.attacks import pgd
from xhat.engine import (
    LBFGS,
    Adam,
    Compute,
    GradientDescent,
    LossBelow,
    MaxEvaluations,
    MaxSeconds,
    MaxSteps,
    NormalizedDescent,
    Plateau,
    Problem,
    Restarts,
    SignDescent,
    TargetReached,
    Watch,
    solve,
)


def search(objective=ink, space=None, ball=(), x0=None, **options):
    """A search of two candidates that is fine but for what a test breaks in it."""
    x0 = starts(2) if x0 is None else x0
    return solve(Problem(objective, space or s.Box(), ball), x0, **({"max_steps": 2} | options))


def marked(value: float) -> torch.Tensor:
    x = starts(2)
    x[1, 0, 2, 3] = value
    return x


def detached(x: torch.Tensor) -> torch.Tensor:
    return ConvNet()(x.detach())


NET = ConvNet()
BAD = {
    # shapes
    "a start without rows": (lambda: search(x0=torch.rand(4)), r"\(n, \*x_shape\).*\(4,\)"),
    "a start the model cannot take": (
        lambda: search(o.CrossEntropy(NET, 1), x0=torch.rand(2, 36)),
        r"cannot take a start of shape \(36,\)",
    ),
    "a start the encoder cannot take": (
        lambda: search(space=s.Latent(*autoencoder()), x0=torch.rand(2, 5)),
        r"start.*shape \(5,\)",
    ),
    "a start of another shape than the bounds": (
        lambda: search(space=s.Box(torch.zeros(5), 1.0)),
        r"bounds are for inputs of shape \(5,\).*\(1, 6, 6\)",
    ),
    "a decoder of other shapes": (
        lambda: search(space=s.Latent(autoencoder()[0], lambda z: z)),
        r"decodes to inputs of shape \(5,\).*starts have shape \(1, 6, 6\)",
    ),
    "a decoder of another number of rows": (
        lambda: search(
            space=s.Latent(autoencoder()[0], lambda z: autoencoder()[1](z).repeat(2, 1, 1, 1))
        ),
        r"decode every search variable to one input.*\(2, 1, 6, 6\)",
    ),
    "a decoder for longer codes": (
        lambda: search(space=s.Latent(lambda x: autoencoder()[0](x)[:, :4], autoencoder()[1])),
        r"Latent cannot decode a search variable of shape \(4,\).*start of shape \(1, 6, 6\)",
    ),
    "a model for other inputs than the decoder makes": (
        lambda: search(o.CrossEntropy(nn.Linear(36, 4).eval(), 1), space=s.Latent(*autoencoder())),
        r"model cannot take a start of shape \(1, 6, 6\) and type float32; it says",
    ),
    "a space without encoder": (
        lambda: search(space=s.Latent(None, autoencoder()[1])),
        r"has no encoder.*Inversion\(decoder, size\)",
    ),
    "a prior of another latent space": (
        lambda: search(
            o.Custom(ink) + o.InLatent(nn.Linear(7, 1).eval()), space=s.Latent(*autoencoder())
        ),
        r"InLatent cannot take a search variable of shape \(5,\); make it for the latent space",
    ),
    "a latent prior that knows other features": (
        lambda: search(
            o.Custom(ink) + o.InLatent(o.NearReal(lambda z: z, torch.zeros(9, 7))),
            space=s.Latent(*autoencoder()),
        ),
        r"real samples by 7 features, but of the candidate come \(5,\)",
    ),
    "a prior that knows other features": (
        lambda: search(o.NearReal(lambda x: x.flatten(1), torch.zeros(9, 7))),
        r"real samples by 7 features, but of the candidate come \(36,\)",
    ),
    "a temperature of 0": (lambda: o.Energy(NET, 0.0), r"temperature must be above 0, but is 0"),
    "an energy without classes": (
        lambda: search(o.Energy(lambda x: ink(NET(x)))),
        r"logits of shape \(n, classes\).*\(1,\)",
    ),
    "an encoder that averages": (
        lambda: search(space=s.Latent(lambda x: x.mean(), lambda z: z)),
        r"one latent vector per input",
    ),
    "a centre of another shape": (
        lambda: search(ball=c.LinfBall(torch.zeros(1, 4), 0.1)),
        r"LinfBall is made for inputs of shape \(4,\).*\(1, 6, 6\)",
    ),
    "a reference of another shape": (
        lambda: search(o.Proximity(torch.zeros(1, 4))),
        r"\(1, 6, 6\) \(the candidate\) and \(4,\)",
    ),
    "a mask of another shape": (
        lambda: s.Masked(s.Box(), torch.ones(4, dtype=torch.bool), starts(2)),
        r"mask must have the shape of one input, \(1, 6, 6\), but has \(4,\)",
    ),
    "a start of another shape than the mask": (
        lambda: search(space=s.Masked(s.Box(), mask(), starts(2)), x0=torch.rand(2, 4)),
        r"Masked is made for inputs of shape \(1, 6, 6\).*\(4,\)",
    ),
    "bounds of two shapes": (
        lambda: s.Box(torch.zeros(2), torch.ones(3)),
        r"one shape, but have \(2,\) and \(3,\)",
    ),
    "too few axes for neighbours": (
        lambda: search(o.TotalVariation(3), x0=torch.rand(2, 4)),
        r"TotalVariation\(axes=3\).*\(4,\)",
    ),
    "a wanted value of another length": (
        lambda: search(o.Match(NET, torch.zeros(1, 3))),
        r"3 numbers per candidate.*returns 4",
    ),
    "a wanted vector without its row": (
        lambda: search(o.Match(NET, torch.zeros(2))),
        r"one number for each candidate.*returns 4 outputs; a value per output.*\(1, 4\)",
    ),
    "logits without rows": (
        lambda: search(o.CrossEntropy(lambda x: NET(x).sum(), 1)),
        r"logits of shape \(n, classes\).*\(\)",
    ),
    "a model that returns no tensor": (
        lambda: search(o.Match(lambda x: 1.0, 1.0)),
        r"one row per input, but for one gave float",
    ),
    "a loss over all candidates": (
        lambda: search(lambda x: x.mean()),
        r"one loss per candidate, shape \(1,\).*\(\)",
    ),
    "a radius of two axes": (
        lambda: c.L2Ball(starts(2), torch.ones(2, 2)),
        r"a number or \(n,\) numbers.*\(2, 2\)",
    ),
    # numbers of candidates
    "more starts than targets": (
        lambda: search(o.CrossEntropy(NET, [1, 2]), x0=starts(5)),
        r"made for 2 candidates.*5 starts",
    ),
    "more targets than starts": (
        lambda: search(o.CrossEntropy(NET, [1, 2, 3])),
        r"made for 3 candidates.*2 starts",
    ),
    "parts for different numbers": (
        lambda: search(o.CrossEntropy(NET, [1, 2]) + o.Proximity(starts(3))),
        r"different numbers of candidates.*2.*3|different numbers.*3.*2",
    ),
    "terms of one kind for different numbers": (
        lambda: search(o.Proximity(starts(2)) + o.Proximity(starts(3))),
        r"different numbers of candidates",
    ),
    "more radii than centres": (
        lambda: c.LinfBall(starts(2), torch.ones(3)),
        r"one row per candidate \(2\).*3 rows",
    ),
    # ranges
    "a start outside the bounds": (lambda: search(x0=255 * starts(2)), r"in \[0, 1\].*to 254"),
    "empty bounds": (lambda: s.Box(1, 1), r"low must be below high"),
    "infinite bounds": (lambda: s.Logit(0, torch.inf), r"high must be finite.*infinity"),
    "a bound of NaN": (lambda: s.Box(0, torch.nan), r"high must be finite.*NaN"),
    "a mask of nothing": (
        lambda: s.Masked(s.Box(), torch.zeros(SHAPE, dtype=torch.bool), starts(2)),
        r"lets no feature change",
    ),
    "an inset beyond the middle": (lambda: s.Logit(0, 1, 0.6), r"below 0\.5, but is 0\.6"),
    "a latent box of no width": (lambda: s.Latent(ink, ink, 0.0), r"limit must be above 0"),
    "a radius of 0": (lambda: c.L1Ball(starts(2), 0.0), r"radius must be above 0, but is 0"),
    "a class that is not there": (
        lambda: search(o.CrossEntropy(NET, [1, 4])),
        r"from 0 to 3, but 4 came",
    ),
    "a negative class": (lambda: search(o.Margin(NET, -1)), r"from 0 to 3, but -1 came"),
    "too few probabilities": (
        lambda: search(o.CrossEntropy(NET, [0.5, 0.5])),
        r"each of the model's 4 classes, but has 2",
    ),
    "a soft target that does not sum to 1": (
        lambda: o.CrossEntropy(NET, [[0.5, 0.5], [0.5, 0.4]]),
        r"sum to 1, but row 1 sums to 0\.9",
    ),
    "a negative probability": (lambda: o.CrossEntropy(NET, [1.5, -0.5]), r"least value -0\.5"),
    "a soft target of three axes": (
        lambda: search(o.CrossEntropy(NET, torch.ones(1, 1, 1))),
        r"map of distributions, \(1, 1, 1\), but.*\(n, classes\)",
    ),
    "classes of two axes": (
        lambda: search(o.CrossEntropy(NET, [[1, 2]])),
        r"map of classes, \(1, 2\), but.*one class for each input, \(n,\)",
    ),
    "two ones in a row": (
        lambda: search(o.CrossEntropy(NET, [[1, 1, 0, 0]])),
        r"rows of 0 and 1.*did you mean several labels.*Labels",
    ),
    "two ones in a row of probabilities": (
        lambda: o.CrossEntropy(NET, [[1.0, 1.0, 0.0, 0.0]]),
        r"row 0 sums to 2 .*did you mean several labels.*Labels",
    ),
    "too few labels": (
        lambda: search(o.BinaryCrossEntropy(NET, [1, 0])),
        r"for each of the model's 4 logits, but there are 2",
    ),
    "a label of 2": (lambda: o.BinaryCrossEntropy(NET, [2, 0]), r"0, 1 or NaN \(any\), but 2"),
    "a mask of nothing that counts": (
        lambda: o.BinaryCrossEntropy(NET, [1, 0], mask=[False, False]),
        r"something must count, but in row 0",
    ),
    "a mask of positions for one answer": (
        lambda: search(o.CrossEntropy(NET, 1, mask=[True, False])),
        r"for positions, but the model gives one answer for the whole input",
    ),
    "an output beyond the last": (
        lambda: search(o.Match(NET, 1.0, column=4)),
        r"column=4 is the place of an output, from 0 to 3",
    ),
    "a score of several outputs": (
        lambda: search(o.Score(NET)),
        r"returns 4 outputs, of which one number.*column=0 … 3, or weight=",
    ),
    "one number for each candidate, and a tolerance for each output": (
        lambda: o.Match(NET, torch.ones(4), torch.ones(4)),
        r"a value per output: shape \(1, 4\)",
    ),
    "a soft target for a margin": (
        lambda: o.Margin(NET, [0.5, 0.5]),
        r"class index or one-hot rows",
    ),
    "a negative lead": (lambda: o.Margin(NET, 1, kappa=-1.0), r"kappa must be 0 or more"),
    "a negative weight": (lambda: -1 * o.Custom(ink), r"weight of an objective must be 0 or more"),
    "an unknown norm": (lambda: o.Proximity(starts(1), "l3"), r"squared, l2, l1, but is 'l3'"),
    "an unknown ball": (lambda: pgd(NET, starts(2), 1, norm="l0"), r"linf, l2, l1, but is 'l0'"),
    "an attack of no steps": (lambda: pgd(NET, starts(2), 1, steps=0), r"step budget.*but is 0"),
    "no axes": (lambda: o.TotalVariation(0), r"axes must be a whole number from 1, but is 0"),
    "a tolerance of 0": (lambda: o.Match(NET, 1.0, 0.0), r"tolerance must be above 0"),
    "a negative tolerance": (
        lambda: Problem(ink, s.Box(), (), -1.0),
        r"tolerance must be 0 or more, but is -1",
    ),
    "a negative rate": (lambda: GradientDescent(-1.0), r"rate must be above 0, but is -1"),
    "a momentum of 1": (lambda: GradientDescent(0.1, 1.0), r"momentum must be.*below 1"),
    "a sign rate of 0": (lambda: SignDescent(0.0), r"rate must be above 0"),
    "an infinite rate": (lambda: NormalizedDescent(float("inf")), r"rate must be.*inf"),
    "a decay of 1": (lambda: Adam(beta2=1.0), r"beta2 must be.*below 1"),
    "no history": (lambda: LBFGS(history=0), r"history must be a whole number from 1"),
    "a shrink of 1": (lambda: LBFGS(shrink=1.0), r"shrink must lie between 0 and 1"),
    "a confidence of 1": (lambda: TargetReached(1.0), r"confidence must lie between 0 and 1"),
    "a confidence in percent": (lambda: TargetReached(90), r"between 0 and 1, but is 90"),
    "no patience": (lambda: Plateau(0), r"patience must be a whole number from 1"),
    "no loss at all": (lambda: LossBelow(float("nan")), r"wanted loss must be finite, but is nan"),
    "no steps": (lambda: search(max_steps=0), r"step budget must be a whole number from 1"),
    "half a step": (lambda: MaxSteps(0.5), r"step budget must be a whole number.*0\.5"),
    "no evaluations": (lambda: MaxEvaluations(0), r"evaluation budget must be a whole number"),
    "no time": (lambda: MaxSeconds(0.0), r"time budget must be above 0"),
    "no tries": (lambda: Restarts(0, 0.1), r"tries must be a whole number from 1"),
    "no noise": (lambda: Restarts(2, 0.0), r"radius must be above 0"),
    "an empty chunk": (lambda: Compute(chunk=0), r"chunk must be a whole number from 1, but is 0"),
    "an unknown precision": (lambda: Compute(precision="half"), r"float32.*but is 'half'"),
    "an unknown device": (lambda: Compute(device="abacus"), r"device must be one.*abacus"),
    "an unknown compiler": (lambda: Compute(compile="gcc"), r"compile must be one of.*'gcc'"),
    "a negative trace": (lambda: Watch(trace=-1), r"trace must be 0.*-1"),
    # not finite, empty
    "NaN in a start": (lambda: search(x0=marked(torch.nan)), r"start.*NaN at index \(1, 0, 2, 3\)"),
    "infinity in a start": (lambda: search(x0=marked(torch.inf)), r"start.*infinity at index"),
    "an empty batch": (
        lambda: search(x0=torch.zeros(0, *SHAPE)),
        r"start is empty.*\(0, 1, 6, 6\)",
    ),
    "NaN in a target": (lambda: o.CrossEntropy(NET, [torch.nan, 1.0]), r"target must be finite"),
    "no target": (lambda: o.CrossEntropy(NET, []), r"target is empty"),
    "NaN in a wanted value": (lambda: o.Match(NET, torch.nan), r"wanted value must be finite"),
    "NaN in a reference": (lambda: o.Proximity(marked(torch.nan)), r"reference must be finite"),
    "NaN in a radius": (lambda: c.LinfBall(starts(2), torch.nan), r"radius must be finite"),
    "NaN in held values": (
        lambda: s.Masked(s.Box(), mask(), marked(torch.nan)),
        r"frozen features must be finite",
    ),
    # what does not go together
    "a model of another device": (
        lambda: search(o.CrossEntropy(mlp((36, 4), nn.Identity(), 0).to("meta"), 1)),
        r"is on meta but the search runs on cpu",
    ),
    "a target rule without a target": (
        lambda: search(stop=TargetReached()),
        r"TargetReached needs an objective with a target.*LossBelow or Plateau",
    ),
    "a confidence without a distribution": (
        lambda: search(o.Match(NET, torch.ones(1, 4), 0.1), stop=TargetReached(0.9)),
        r"needs a model with class probabilities.*tolerance",
    ),
}
WRONG_KIND = {
    "a loss that is no tensor": (lambda: search(lambda x: 1.0), r"must return a tensor, not float"),
    "bytes": (lambda: search(x0=torch.ones(2, 4, dtype=torch.uint8)), r"uint8.*float\(\) / 255"),
    "a start of words": (lambda: search(x0=["a"]), r"start must be a tensor.*not list"),
    "no start": (lambda: solve(Problem(ink, s.Box()), None), r"start must be a tensor.*NoneType"),
    "ragged targets": (lambda: o.CrossEntropy(NET, [[1, 2], [3]]), r"target must be.*not list"),
    "a target in words": (lambda: o.CrossEntropy(NET, "cat"), r"target must be.*not str"),
    "target None": (lambda: o.CrossEntropy(NET, None), r"target must be.*not NoneType"),
    "a target of booleans": (lambda: o.CrossEntropy(NET, [True]), r"class indices or prob.*bool"),
    "a wanted word": (lambda: o.Match(NET, "fast"), r"wanted value must be.*not str"),
    "wanted integers": (lambda: o.Match(NET, torch.ones(1, 4, dtype=torch.int)), r"int32"),
    "a radius in words": (lambda: c.L2Ball(starts(2), "wide"), r"radius must be.*not str"),
    "a class instead of a model": (
        lambda: o.CrossEntropy(nn.Linear, 1),
        r"must be an instance, but Linear is a class",
    ),
    "a number instead of a constraint": (
        lambda: Problem(ink, s.Box(), 3),
        r"constraints must be Constraints, not int",
    ),
    "one bound": (lambda: pgd(NET, starts(2), 1, bounds=0.5), r"a pair \(low, high\).*0\.5"),
    "a bound in words": (lambda: s.Box("0", 1), r"low must be a number or a tensor, not str"),
    "a mask of numbers": (
        lambda: s.Masked(s.Box(), torch.ones(SHAPE), starts(2)),
        r"mask must be boolean.*float32",
    ),
    "a mask on no space": (lambda: s.Masked("box", mask(), starts(2)), r"wraps a Space, not str"),
    "an encoder that is no function": (lambda: s.Latent(1, ink), r"encoder must be callable.*int"),
    "a model that is no function": (lambda: o.CrossEntropy("net", 1), r"model must be callable"),
    "a matched model that is no function": (lambda: o.Match(3, 1.0), r"model must be callable"),
    "a score that is no function": (lambda: o.Maximize(3), r"score must be callable, not int"),
    "a custom number": (lambda: o.Custom(3), r"function must be callable, not int"),
    "a term that is no objective": (lambda: o.Custom(ink) + 3, r"Objective or a callable.*int"),
    "a weight in words": (lambda: o.Custom(ink) * "2", r"weight of an objective must be a number"),
    "an objective that is none": (lambda: Problem(3, s.Box()), r"Objective or a callable.*int"),
    "a space that is none": (lambda: Problem(ink, "box"), r"space must be a Space, not str"),
    "a constraint that is none": (lambda: Problem(ink, s.Box(), (ink,)), r"Constraints, not func"),
    "a problem that is none": (lambda: solve(ink, starts(2)), r"problem must be a Problem, not f"),
    "a stepper that is none": (lambda: search(stepper="adam"), r"stepper must be a Stepper.*str"),
    "a stepper's class": (lambda: search(stepper=Adam), r"stepper must be a Stepper, not Adam"),
    "a rule that is none": (lambda: search(stop=0.9), r"stop must hold stop rules.*not float"),
    "a rule's class": (lambda: search(stop=LossBelow), r"stop must hold stop rules.*LossBelow"),
    "restarts that are a number": (lambda: search(restarts=3), r"restarts must be a Restarts"),
    "a watch that is a number": (lambda: search(watch=1), r"watch must be a Watch, not int"),
    "progress to nobody": (lambda: Watch(on_progress=3), r"callable with a Progress, not int"),
    "compute that is a device": (lambda: search(compute="cpu"), r"compute must be a Compute"),
    "a seed in words": (lambda: Compute(seed="lucky"), r"seed must be an integer, not str"),
    "a trace of true": (lambda: Watch(trace=True), r"trace must be an integer, not bool"),
    "a rate in words": (lambda: Adam(rate="fast"), r"rate must be a number, not str"),
    "an output without gradient": (
        lambda: search(o.CrossEntropy(lambda x: NET(x).detach(), 1)),
        r"cannot be differentiated with respect to the input; remove no_grad",
    ),
    "an input cut off from the output": (
        lambda: search(o.CrossEntropy(detached, 1)),
        r"cannot be differentiated with respect to the input",
    ),
    "a score cut off": (lambda: search(o.Maximize(lambda x: ink(x.detach()))), r"differentiated"),
    "a match cut off": (
        lambda: search(o.Match(detached, 1.0, column=0)),
        r"cannot be differentiated",
    ),
    "a decoder cut off": (
        lambda: search(space=s.Latent(autoencoder()[0], lambda z: autoencoder()[1](z.detach()))),
        r"cannot be differentiated",
    ),
    "a decoder that returns several things": (
        lambda: search(space=s.Latent(autoencoder()[0], lambda z: (autoencoder()[1](z), z))),
        r"decoder must return a tensor of inputs, not tuple; .*vae\.decode",
    ),
    "a decoder that rounds": (
        lambda: search(
            space=s.Latent(autoencoder()[0], lambda z: autoencoder()[1](z).round().long())
        ),
        r"must decode to floating point, but makes int64",
    ),
    "a decoder that is none": (lambda: s.Latent(ink, None), r"decoder must be callable, not None"),
    "two aims": (lambda: pgd(NET, starts(2), 1, label=2), r"exactly one of target= .* and label="),
    "no aim": (lambda: pgd(NET, starts(2)), r"exactly one of target= .* and label="),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_value_is_one_sentence(name):
    attempt, said = BAD[name]
    with pytest.raises(ValueError, match=said) as caught:
        attempt()
    assert sentence(caught)


@pytest.mark.parametrize("name", WRONG_KIND)
def test_a_wrong_kind_is_one_sentence(name):
    attempt, said = WRONG_KIND[name]
    with pytest.raises(TypeError, match=said) as caught:
        attempt()
    assert sentence(caught)


def sentence(caught: pytest.ExceptionInfo) -> bool:
    """Whether it is one line, and raised by us rather than from inside a library."""
    return "\n" not in str(caught.value) and "/src/xhat/" in str(caught.traceback[-1].path)


def test_the_same_searches_are_accepted_when_nothing_is_wrong():
    net = ConvNet()
    good = [
        {"objective": o.CrossEntropy(net, [1, 2])},
        {"objective": o.CrossEntropy(net, torch.tensor([1, 2], dtype=torch.uint8))},
        {"objective": o.CrossEntropy(net, [[1, 0, 0, 0], [0, 0, 0, 1]])},
        {"objective": o.CrossEntropy(net, [0.25, 0.25, 0.25, 0.25])},
        {"objective": o.Match(net, torch.zeros(1, 4)), "ball": c.L2Ball(starts(1), 9)},
        {
            "objective": o.Match(net, 2, column=0),
            "ball": [c.L2Ball(starts(2), 1), c.LinfBall(starts(2), 1)],
        },
        {"objective": o.Maximize(o.CrossEntropy(net, 1)), "stop": [Plateau(), LossBelow(-99)]},
        {"space": s.Latent(*autoencoder()), "restarts": Restarts(2, 0.1)},
        {"space": s.Masked(s.Logit(), mask(), starts(1)), "compute": Compute(seed=4)},
        {"watch": Watch(trace=1)},
        {"x0": starts(2).double(), "compute": Compute(device="cpu")},
        {"x0": starts(2).numpy()},
        {"x0": starts(2).half()},
        {"x0": starts(2).requires_grad_(True), "stepper": LBFGS()},
        {"x0": starts(2) * (1 + 1e-7)},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options in good:
            result = search(**options)
            assert torch.isfinite(result.loss).all()
