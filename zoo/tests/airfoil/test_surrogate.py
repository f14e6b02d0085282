import json
from pathlib import Path

import pytest
import torch

from xhat.core import UnreadableFileError
from xhat_zoo.airfoil import SIZES, card, catalogue, surrogate
from xhat_zoo.airfoil.surrogate import MATERIAL, material

REFERENCE = json.loads((Path(__file__).parent / "reference.json").read_text())
CASES = REFERENCE["cases"]


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("size", SIZES)
def test_the_forward_pass_is_that_of_neuralfoil_itself(size):
    for case in CASES:
        seen = surrogate(size)(
            tensor([case["parameters"]]), tensor([case["alpha"]]), tensor([case["Re"]]),
            case["n_crit"],
        )  # fmt: skip
        found = torch.stack(
            [
                seen.confidence, seen.lift, seen.drag, seen.moment, seen.upper_transition,
                seen.lower_transition,
            ]
        )  # fmt: skip
        expected = tensor(case["said"][size])
        assert (found.flatten() - expected).abs().max() < 1e-12
        assert float((seen.drag[0, 0] / expected[2]).log().abs()) < 1e-12


def test_the_reference_is_not_one_number():
    drags = [case["said"]["xlarge"][2] for case in CASES]
    assert len(CASES) == 40
    assert max(drags) > 10 * min(drags)


def test_an_airfoil_upside_down_flies_at_the_opposite_angle():
    cambered = catalogue().of("s1223")
    turned = torch.cat(
        [-cambered[:, 8:16], -cambered[:, :8], -cambered[:, 16:17], cambered[:, 17:]], 1
    )
    up = surrogate()(cambered, tensor([4.0]), tensor([5e5]))
    down = surrogate()(turned, tensor([-4.0]), tensor([5e5]))
    torch.testing.assert_close(up.lift, -down.lift)
    torch.testing.assert_close(up.drag, down.drag)
    torch.testing.assert_close(up.upper_transition, down.lower_transition)


def test_gradients_are_those_of_finite_differences():
    model = surrogate("xlarge")
    shape = catalogue().of("naca2412").clone().requires_grad_()

    def drag(parameters):
        return model(parameters, tensor([3.0]), tensor([1e6])).drag.log()

    assert torch.autograd.gradcheck(drag, shape, eps=1e-6, atol=1e-5)


def test_batches_are_airfoil_by_condition():
    both = catalogue().of("naca0012", "naca2412")
    angles = tensor([[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]])
    seen = surrogate("xlarge")(both, angles, tensor([1e6]))
    assert seen.lift.shape == (2, 3)
    alone = surrogate("xlarge")(both[1:], angles[1:, 2:], tensor([1e6]))
    torch.testing.assert_close(seen.lift[1, 2], alone.lift[0, 0])


def test_confidence_falls_away_from_airfoils():
    real = catalogue().of("naca2412")
    strange = real.clone()
    strange[:, :16:2] += 0.8
    model = surrogate()
    assert model(real, tensor([2.0]), tensor([1e6])).confidence > 0.95
    assert model(strange, tensor([2.0]), tensor([1e6])).confidence < 0.2


def test_the_cards_say_where_the_files_come_from():
    for size in SIZES:
        told = card(f"neuralfoil-{size}")
        assert told["licence"].startswith("MIT")
        assert told["versions"]["neuralfoil"] == REFERENCE["neuralfoil"] == "0.3.3"
    assert len(card("catalogue")["names"]) == len(catalogue()) > 1_600


def test_a_changed_file_is_noticed(tmp_path):
    for end in ("json", "safetensors"):
        data = (MATERIAL / f"catalogue.{end}").read_bytes()
        (tmp_path / f"catalogue.{end}").write_bytes(data if end == "json" else data[:-1] + b"\1")
    with pytest.raises(UnreadableFileError, match="truncated or was changed"):
        material("catalogue", tmp_path)
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        material("nothing", tmp_path)
    (tmp_path / "catalogue.json").write_text("{")
    with pytest.raises(UnreadableFileError, match="not a card"):
        material("catalogue", tmp_path)


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match="size must be one of xlarge, xxlarge"):
        surrogate("huge")
    with pytest.raises(ValueError, match=r"no airfoil 'naca0017'.*naca0018"):
        catalogue().of("naca0017")
