"""Promise 10: whatever is passed where, what is refused is refused by a sentence of ours."""

import functools
import inspect
import linecache
from pathlib import Path

import pytest
import torch

import xhat
from tests.laws.registry import ConvNet, mask, starts
from xhat import attacks, constraints, engine, objectives, spaces, symmetry
from xhat.engine import Problem

OURS = Path(xhat.__file__).parent
GARBAGE = ("a", None, [], {}, -1, 0, 3.5, float("nan"), float("inf"), True, 1j, object(), int,
           torch.tensor(2.0), torch.zeros(0), torch.full((1, 2), torch.nan), lambda: 1)  # fmt: skip
NET, X0 = ConvNet(), starts(2)

CALLS = {
    "Adam": lambda **k: engine.Adam(**k),
    "VectorAdam": lambda **k: engine.VectorAdam(**k),
    "LBFGS": lambda **k: engine.LBFGS(**k),
    "GradientDescent": lambda **k: engine.GradientDescent(**k),
    "SignDescent": lambda **k: engine.SignDescent(**k),
    "NormalizedDescent": lambda **k: engine.NormalizedDescent(**k),
    "TargetReached": lambda **k: engine.TargetReached(**k),
    "LossBelow": lambda **k: engine.LossBelow(**k),
    "Plateau": lambda **k: engine.Plateau(**k),
    "MaxSteps": lambda **k: engine.MaxSteps(**k),
    "MaxEvaluations": lambda **k: engine.MaxEvaluations(**k),
    "MaxSeconds": lambda **k: engine.MaxSeconds(**k),
    "Compute": lambda **k: engine.Compute(**k),
    "Restarts": lambda **k: engine.Restarts(**{"tries": 2, "radius": 0.1, **k}),
    "Watch": lambda **k: engine.Watch(**k),
    "AugmentedLagrangian": lambda **k: engine.AugmentedLagrangian(**k),
    "Problem": lambda **k: Problem(**{"objective": len, "space": spaces.Box(), **k}),
    "solve": lambda **k: engine.solve(
        **{
            "problem": Problem(lambda x: x.flatten(1).sum(dim=1), spaces.Box()),
            "x0": X0,
            "max_steps": 1,
            **k,
        }
    ),
    "pgd": lambda **k: attacks.pgd(**{"model": NET, "x0": X0, "target": 1, "steps": 1, **k}),
    "Box": lambda **k: spaces.Box(**k),
    "Logit": lambda **k: spaces.Logit(**k),
    "Latent": lambda **k: spaces.Latent(**{"encoder": len, "decoder": len, **k}),
    "Masked": lambda **k: spaces.Masked(
        **{"space": spaces.Box(), "mask": mask(), "values": X0, **k}
    ),
    "Held": lambda **k: spaces.Held(**{"space": spaces.Box(), "project": torch.abs, **k}),
    "Affine": lambda **k: spaces.Affine(
        **{"matrix": torch.ones(1, 3), "values": torch.ones(1), **k}
    ),
    "Ordered": lambda **k: spaces.Ordered(**k),
    "Normalized": lambda **k: spaces.Normalized(**k),
    "Squashed": lambda **k: spaces.Squashed(**{"center": X0, "radius": 1.0, **k}),
    "Softmax": lambda **k: spaces.Softmax(**k),
    "Summed": lambda **k: spaces.Summed(**{"low": 0.0, "high": 1.0, "total": 1.0, **k}),
    "Between": lambda **k: spaces.Between(**{"low": X0, "high": X0 + 1, **k}),
    "OneHot": lambda **k: spaces.OneHot(**k),
    "Parts": lambda **k: spaces.Parts(
        **{"parts": {"a": spaces.Box()}, "columns": {"a": slice(0, 2)}, **k}
    ),
    "Sparse": lambda **k: spaces.Sparse(**{"space": spaces.Box(), "start": X0, "most": 2, **k}),
    "Rounded": lambda **k: spaces.Rounded(**{"space": spaces.Box(), **k}),
    "Symmetric": lambda **k: spaces.Symmetric(
        **{"space": spaces.Box(), "group": symmetry.Mirror(), **k}
    ),
    "Tied": lambda **k: spaces.Tied(
        **{"space": spaces.Box(), "labels": torch.tensor([0, 0, 1]), **k}
    ),
    "Warped": lambda **k: spaces.Warped(**{"exemplars": torch.rand(1, 1, 8, 8), **k}),
    "LinfBall": lambda **k: constraints.LinfBall(**{"center": X0, "radius": 0.1, **k}),
    "L2Ball": lambda **k: constraints.L2Ball(**{"center": X0, "radius": 0.1, **k}),
    "L1Ball": lambda **k: constraints.L1Ball(**{"center": X0, "radius": 0.1, **k}),
    "Bounds": lambda **k: constraints.Bounds(**{"low": 0.0, **k}),
    "Halfspace": lambda **k: constraints.Halfspace(
        **{"normal": torch.ones(1, 3), "offset": 1.0, **k}
    ),
    "AffineEquality": lambda **k: constraints.AffineEquality(
        **{"matrix": torch.ones(1, 3), "values": torch.ones(1), **k}
    ),
    "Fixed": lambda **k: constraints.Fixed(**{"mask": mask(), "to": X0, **k}),
    "Invariance": lambda **k: constraints.Invariance(**{"group": symmetry.Mirror(), **k}),
    "Monotone": lambda **k: constraints.Monotone(**k),
    "Sphere": lambda **k: constraints.Sphere(**{"center": X0, "radius": 0.1, **k}),
    "SecondOrderCone": lambda **k: constraints.SecondOrderCone(**k),
    "Simplex": lambda **k: constraints.Simplex(**k),
    "SumWithin": lambda **k: constraints.SumWithin(**{"low": 0.0, "high": 1.0, "total": 1.0, **k}),
    "Inequality": lambda **k: constraints.Inequality(**{"function": len, **k}),
    "Equality": lambda **k: constraints.Equality(**{"function": len, **k}),
    "Intersection": lambda **k: constraints.Intersection(
        **{"parts": (constraints.Bounds(0.0), constraints.Bounds(high=1.0)), **k}
    ),
    "CrossEntropy": lambda **k: objectives.CrossEntropy(**{"model": NET, "target": 1, **k}),
    "Margin": lambda **k: objectives.Margin(**{"model": NET, "target": 1, **k}),
    "Untargeted": lambda **k: objectives.Untargeted(**{"model": NET, "target": 1, **k}),
    "Match": lambda **k: objectives.Match(**{"model": NET, "value": 1.0, **k}),
    "Maximize": lambda **k: objectives.Maximize(**{"score": len, **k}),
    "Energy": lambda **k: objectives.Energy(**{"model": NET, **k}),
    "Proximity": lambda **k: objectives.Proximity(**{"reference": X0, **k}),
    "TotalVariation": lambda **k: objectives.TotalVariation(**k),
    "Custom": lambda **k: objectives.Custom(**{"function": len, **k}),
}
WHERE = [attacks, engine, spaces, constraints, objectives]


def parameters(name: str) -> list[str]:
    thing = (
        Problem
        if name == "Problem"
        else next(getattr(room, name) for room in WHERE if hasattr(room, name))
    )
    return [p for p in inspect.signature(thing).parameters if p not in ("self", "_clipped")]


def is_ours(error: BaseException) -> bool:
    """Whether a ``raise`` of this package raised the error, and not torch or Python."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    file = trace.tb_frame.f_code.co_filename
    lines = (linecache.getline(file, trace.tb_lineno - back).strip() for back in range(8))
    return Path(file).is_relative_to(OURS) and any(line.startswith("raise ") for line in lines)


CASES = [(name, parameter) for name in CALLS for parameter in parameters(name)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "parameter"), CASES, ids=[f"{n}-{p}" for n, p in CASES])
def test_what_is_refused_is_refused_by_a_sentence(name, parameter):
    raw = []
    for value in GARBAGE:
        try:
            CALLS[name](**{parameter: value})
        except (TypeError, ValueError) as error:
            if not is_ours(error) or not str(error).rstrip().endswith("."):
                raw.append((value, repr(error)[:200]))
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            raw.append((value, repr(error)[:200]))
    assert not raw


def test_a_raw_error_is_noticed():
    with pytest.raises(TypeError) as told:
        functools.reduce(lambda a, b: a + b, ["a", 1])
    assert not is_ours(told.value)
    with pytest.raises(TypeError) as told:
        engine.Compute(device=3.5)
    assert is_ours(told.value)
