import numpy as np
import pytest

from studies.tests.test_intervals import pixels
from xhat.report import save_matrices_png
from xhat.report.matrices import _cells, _Plan, _shade
from xhat.report.palette import ink_on, luminance, rgb


def test_cells_have_the_colour_of_their_share(tmp_path):
    share = np.array([[np.nan, 0.0], [1.0, 0.5]])
    matrices = {"plain": share, "robust": share.T}
    path = save_matrices_png(tmp_path / "a.png", matrices, labels=["3", "8"], title="t")
    picture, plan = pixels(path), _Plan(["plain", "robust"], 2, "t")
    assert picture.shape[:2] == (int(plan.height * 160), int(plan.width * 160))
    for k, matrix in enumerate(matrices.values()):
        left, top = plan.place(k)
        for i in range(2):
            for j in range(2):
                x = round(160 * (left + plan.cell * (j + 0.15)))
                y = round(160 * (top + plan.head + 0.5 + plan.cell * (i + 0.15)))
                assert np.abs(picture[y, x] - rgb(_shade(matrix[i, j]))).max() < 12
    again = save_matrices_png(tmp_path / "b.png", matrices, labels=["3", "8"], title="t")
    assert again.read_bytes() == path.read_bytes()


def test_means_leave_out_cells_without_a_number():
    share = np.array([[np.nan, 0.2], [0.6, 0.4]])
    cells = {(x, y): value for x, y, value in _cells(share, 2.3)}
    assert cells[2.3, 0.0] == 0.2
    assert cells[2.3, 1.0] == 0.5
    assert cells[0.0, 2.3] == 0.6
    assert cells[2.3, 2.3] == pytest.approx(0.4)
    assert all(np.isnan(value) for _, _, value in _cells(np.full((2, 2), np.nan), 2.3))


@pytest.mark.parametrize("share", np.linspace(0, 1, 21))
def test_numbers_can_be_read_on_every_shade(share):
    colour = _shade(float(share))
    own, ink = luminance(colour) + 0.05, luminance(ink_on(colour)) + 0.05
    assert max(own, ink) / min(own, ink) >= 4.5


def test_three_maps_of_ten_classes_fill_the_width_and_one_does_not():
    assert _Plan(["a", "b", "c"], 10, "").width == pytest.approx(12)
    assert _Plan(["a"], 10, "").width < 9
    four = _Plan(["a", "b", "c", "d"], 10, "")
    assert four.across == 2
    assert four.place(2)[0] == four.place(0)[0]
    assert four.place(2)[1] > four.place(0)[1] + four.side


@pytest.mark.parametrize(
    ("matrices", "labels", "sentence"),
    [
        ({}, None, "matrices is empty"),
        ({"a": np.zeros((2, 3))}, None, r"'a' has shape \(2, 3\)"),
        ({"a": np.zeros((2, 2)), "b": np.zeros((3, 3))}, None, r"'b' has shape \(3, 3\)"),
        ({"a": np.zeros((0, 0))}, None, "square"),
        ({"a": np.full((2, 2), 40.0)}, None, r"'a' must lie in \[0, 1\]"),
        ({"a": np.full((2, 2), np.inf)}, None, r"'a' must lie in \[0, 1\]"),
        ({"a": np.zeros((2, 2))}, ["0"], "labels must name 2 rows and columns, but there are 1"),
    ],
)
def test_what_is_no_matrix_of_shares_is_refused(tmp_path, matrices, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        save_matrices_png(tmp_path / "a.png", matrices, labels=labels)
    assert not list(tmp_path.iterdir())
