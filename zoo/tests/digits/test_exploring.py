import numpy as np
import pytest
import torch

from xhat_zoo import digits
from xhat_zoo.digits.drawing import centred
from xhat_zoo.digits.exploring import digits_explorer

THREE = 18  # the place of a 3 among the test digits


class TestDrawing:
    def test_a_drawing_fills_the_box_and_is_centred_by_its_mass(self):
        drawing = torch.zeros(200, 200)
        drawing[10:110, 10:30] = 1  # the stem of an L
        drawing[90:110, 10:60] = 1
        image = centred(drawing)[0, 0]
        rows, columns = (image > 0.05).nonzero().T
        assert rows.max() - rows.min() + 1 == 20
        assert columns.max() - columns.min() + 1 == 10
        mass = image.sum()
        middle = [float((image.sum(1 - k) * torch.arange(28)).sum() / mass) for k in (0, 1)]
        assert all(abs(place - 14) <= 0.5 for place in middle)

    def test_where_it_is_drawn_and_how_large_does_not_matter(self):
        one = torch.zeros(280, 280)
        one[40:240, 120:150] = 1
        other = torch.zeros(140, 140)
        other[10:110, 5:20] = 1
        assert torch.allclose(centred(one), centred(other), atol=0.02)

    def test_real_digits_come_back_as_they_were(self):
        """Those of MNIST are centred already: to the pixel, by the same rule."""
        upright = digits.split("test").upright[:300]
        again = torch.cat([centred(x[0]) for x in upright])
        changed = (again - upright).flatten(1).norm(dim=1) / upright.flatten(1).norm(dim=1)
        assert changed.max() < 0.02  # faint ink at the rim is cut, and the darkest made black

    @pytest.mark.parametrize(
        ("drawing", "said"),
        [
            (torch.zeros(100, 100), "empty"),
            (torch.zeros(100, 100).index_fill(0, torch.tensor([50]), 0.01), "empty"),
            (
                torch.zeros(280, 280).index_put(
                    (torch.tensor([9]), torch.tensor([9])), torch.ones(1)
                ),
                "too small",
            ),
            (torch.full((100, 100), 2.0), r"\[0, 1\]"),
            (torch.full((100, 100), torch.nan), "finite"),
            (torch.zeros(27, 100), "sides from 28"),
            (torch.zeros(1, 100, 100), "2 axes"),
        ],
    )
    def test_what_is_no_drawing_is_refused(self, drawing, said):
        with pytest.raises(ValueError, match=said):
            centred(drawing)


@pytest.fixture(scope="module")
def explorer():
    return digits_explorer()


class TestExploring:
    def test_the_default_turns_a_digit_into_another(self, explorer):
        frames = []
        explorer.warm()
        found = explorer.explore(explorer.ask(THREE, 8), frames.append)
        assert frames[-1].surrogate[8] > 0.9
        assert frames[-1].jury[8] > 0.5
        assert found.result.method == explorer.default == "flow"
        assert found.nearest.shape == (3, 1, 28, 28)
        assert found.columns["start_label"] == [3]

    def test_it_begins_at_test_digits_or_at_what_was_drawn(self, explorer):
        index, x = explorer.sample(3, 0)
        assert index == THREE
        assert torch.equal(x, digits.split("test").images[[THREE]])
        stem = torch.zeros(1, 140, 140)
        stem[:, 20:120, 60:72] = 1
        one = explorer.drawn(stem)
        assert np.argmax(explorer.reading(one)) == 1
        assert torch.equal(explorer.drawn(1 - stem), one)  # ink on white paper

    def test_its_code_runs_and_finds_the_same(self, explorer, capsys):
        question = explorer.ask(THREE, 8, method="proximal", weights={"proximity": 0.2})
        found, scope = explorer.explore(question, lambda _: None), {}
        exec(compile(explorer.code(question), "code", "exec"), scope)  # noqa: S102
        assert torch.equal(scope["found"].x, found.result.x)
        assert capsys.readouterr().out.strip() == found.verdicts[0].explain()
