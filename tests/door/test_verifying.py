import math

import pytest
import torch

from xhat.door.verifying import verify
from xhat.engine import Problem, Result, solve
from xhat.judges import Simulator, Truth
from xhat.objectives import Match
from xhat.spaces import Box

WANTED = torch.tensor([2.0, 1.9, -1.0])


def half(x):
    return x[:, 0] / 2  # the square root's tangent at 1 is x / 2 + 1 / 2; this one meets it at 4


def found():
    problem = Problem(Match(half, WANTED, tolerance=1e-3), Box(-9.0, 9.0))
    return solve(problem, torch.full((3, 1), 3.0), max_steps=400)


def root(x):
    return math.sqrt(x[0])


def test_the_truth_speaks_of_every_candidate():
    truth = Truth(Simulator(root), tolerance=0.02, name="sqrt")
    checked = verify(found(), truth, WANTED, half)
    evidence = checked.evidence
    assert checked.confirmed.tolist() == [True, False, False]
    assert evidence.failed.tolist() == [False, False, True]
    x = checked.result.x[:2, 0].double()
    torch.testing.assert_close(evidence.y[:2], x.sqrt(), atol=1e-9, rtol=0)
    torch.testing.assert_close(evidence.gap[:2], (x / 2 - x.sqrt()).abs(), atol=1e-6, rtol=0)
    torch.testing.assert_close(evidence.error[:2], (x.sqrt() - WANTED[:2]).abs(), atol=1e-6, rtol=0)
    assert checked.reasons == (None, None, "ValueError: math domain error")
    assert checked.explain(2) == (
        "The truth (sqrt) failed on this candidate, so it does not confirm the target. "
        "Why: ValueError: math domain error."
    )
    lines = str(checked).splitlines()
    assert lines[0].startswith("1 of 3 candidates confirmed by sqrt, 1 failed; median gap of the")
    assert [line[:2] for line in lines[1:]] == ["0:", "1:", "2:"]
    assert checked.explain(-1) == checked.explain(2)
    with pytest.raises(IndexError):
        checked.explain(3)


def test_constraints_that_only_the_truth_can_tell():
    truth = Truth(Simulator(root), tolerance=0.2)
    checked = verify(
        found(),
        truth,
        WANTED,
        constraints={
            "area": lambda x, y: x[:, 0] * y - 8.005,
            "both": lambda x, y: torch.stack([y - 3, 3 - x[:, 0]], dim=1),
        },
        tolerance=1e-2,
    )
    assert checked.structure.names == ("area", "both")
    assert checked.feasible.tolist() == [True, True, False]  # where it failed nothing is known
    assert bool(checked.structure.violation[2].isnan().all())
    assert "area holds to 0.01" in checked.explain(0)
    strict = verify(found(), truth, WANTED, constraints={"root": lambda x, y: y - 1.96})
    assert strict.feasible.tolist() == [False, True, False]
    assert strict.confirmed.tolist() == [False, True, False]
    assert strict.evidence.holds.tolist() == [True, True, False]
    assert "root is violated by 0.04" in strict.explain(0)
    assert "1 on target but infeasible" in str(strict)


def test_it_is_saved_beside_the_result(tmp_path):
    checked = verify(
        found(),
        Truth(Simulator(root), tolerance=0.02),
        WANTED,
        half,
        constraints={"root": lambda x, y: y - 1.96},
    )
    table = checked.to_table()
    assert table["truth_holds"].to_pylist() == [True, False, False]
    assert table["truth_failed"].to_pylist() == [False, False, True]
    assert table["truth_reason"].to_pylist() == [None, None, "ValueError: math domain error"]
    assert table["truth_feasible"].to_pylist() == [False, True, False]
    assert table["truth_y"].to_pylist()[0] == [pytest.approx(2.0, abs=1e-3)]
    assert {"truth_error", "truth_gap", "truth_violation", "status", "x"} <= set(table.column_names)
    checked.result.save(tmp_path / "found.parquet", checked.columns())
    assert torch.equal(Result.load(tmp_path / "found.parquet").x, checked.result.x)


def test_a_truth_without_a_simulator_tells_less_and_bad_arguments_are_refused():
    result = found()
    plain = verify(result, Truth(lambda x: x[:, 0].sqrt(), tolerance=0.02), WANTED)
    assert plain.reasons == (None, None, "it gave NaN")
    assert plain.evidence.gap is None
    assert "truth_gap" not in plain.columns()
    odd = Truth(lambda x: x[:, 0], error=lambda y, target: y.where(y > 0, math.nan))
    assert verify(result, odd).reasons[2] == "its error is NaN"
    truth = Truth(Simulator(root))
    with pytest.raises(TypeError, match="takes a Result, not Tensor; for inputs use ask"):
        verify(result.x, truth, WANTED)
    with pytest.raises(TypeError, match="must be a Truth"):
        verify(result, root, WANTED)
    with pytest.raises(TypeError, match="mapping from names"):
        verify(result, truth, WANTED, constraints=[lambda x, y: y])
    with pytest.raises(TypeError, match="constraint 'peak' must be a function"):
        verify(result, truth, WANTED, constraints={"peak": 3.0})
    with pytest.raises(ValueError, match="constraint 'peak' must give one row per input"):
        verify(result, truth, WANTED, constraints={"peak": lambda x, y: y.sum()})
    with pytest.raises(ValueError, match="needs a target"):
        verify(result, truth)
    with pytest.raises(ValueError, match="tolerance must be 0 or more"):
        verify(result, truth, WANTED, tolerance=-1.0)
