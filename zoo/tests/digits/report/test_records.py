import numpy as np
import pytest

from xhat.judges.outcomes import Outcome
from xhat_zoo.digits.report import Summary, SummaryRow, typical_pair
from xhat_zoo.digits.report.records import check_alike


def test_shares_leave_out_cells_whose_start_is_of_the_target(make_grid):
    grid = make_grid()
    assert grid.diagonal.tolist() == [[True, False, False], [False, True, False]]
    assert grid.counts() == {
        Outcome.OFF_MANIFOLD: 1,
        Outcome.ADVERSARIAL: 2,
        Outcome.UNREACHED: 1,
    }
    assert grid.share("genuine") == 0
    assert grid.share("adversarial") == 0.5


def test_the_diagonal_follows_the_labels_and_not_the_position(make_grid):
    grid = make_grid(row_labels=[2, 2])
    assert grid.diagonal.tolist() == [[False, False, True]] * 2


def test_a_grid_of_the_diagonal_alone_has_no_share(make_grid):
    grid = make_grid(row_labels="aa", column_labels="aaa")
    assert grid.share("genuine") is None


def test_arrays_of_outcomes_and_float64_pictures_are_taken(make_grid):
    words = np.array([["genuine"] * 3] * 2)
    grid = make_grid(outcomes=words, frames=None)
    assert grid.outcome(1, 2) is Outcome.GENUINE
    assert grid.images.dtype == np.float32


def test_rounding_beyond_the_range_is_clipped(make_grid):
    images = np.full((2, 3, 6, 5), 1 + 1e-6)
    assert make_grid(images=images).images.max() == 1


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"images": np.zeros((2, 3, 6))}, "images of .* must have 4 axes"),
        ({"starts": np.zeros((3, 6, 5))}, r"starts of .* must have shape \(2, 6, 5\)"),
        ({"starts": np.zeros((2, 5, 6))}, r"starts of .* must have shape \(2, 6, 5\)"),
        ({"frames": np.zeros((4, 2, 2, 6, 5))}, "frames of .* must have shape"),
        ({"frames": np.zeros((0, 2, 3, 6, 5))}, "frames of .* none of them empty"),
        ({"outcomes": [["genuine"] * 3]}, "outcomes of .* must have 2 rows of 3"),
        ({"outcomes": ["genuine"] * 2}, "outcomes of .* must have 2 rows of 3"),
        ({"outcomes": [["real"] * 3] * 2}, "one is 'real'"),
        ({"evidence": [["a", "b", "c"], ["a"]]}, "evidence of .* 2 rows of 1 or 3"),
        ({"row_labels": ["0"]}, "row_labels of"),
        ({"column_labels": ["0"]}, "column_labels of"),
        ({"images": np.full((2, 3, 6, 5), 2.0)}, r"must lie in \[0, 1\]"),
        ({"images": np.full((2, 3, 6, 5), np.nan)}, r"must lie in \[0, 1\]"),
        ({"images": np.full((2, 3, 6, 5), np.inf)}, r"must lie in \[0, 1\]"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(make_grid, changed, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        make_grid(**changed)
    assert "plain" in str(caught.value)
    assert str(caught.value).endswith(".")


def test_bytes_are_refused_with_advice(make_grid):
    with pytest.raises(TypeError, match="x / 255"):
        make_grid(images=np.zeros((2, 3, 6, 5), dtype=np.uint8))


def test_grids_side_by_side_must_be_alike(make_grid):
    grid = make_grid()
    assert check_alike([grid, make_grid("latent")])[1].method == "latent"
    with pytest.raises(ValueError, match="empty"):
        check_alike([])
    with pytest.raises(ValueError, match="once"):
        check_alike([grid, grid])
    with pytest.raises(ValueError, match="same labels"):
        check_alike([grid, make_grid("latent", row_labels=["5", "6"])])
    small = make_grid(
        "latent", images=np.zeros((2, 3, 4, 4)), starts=np.zeros((2, 4, 4)), frames=None
    )
    with pytest.raises(ValueError, match="one shape"):
        check_alike([grid, small])
    with pytest.raises(TypeError, match="MethodGrid"):
        check_alike(["plain"])  # pyright: ignore[reportArgumentType]


def test_the_typical_pair_shows_the_usual_verdict_of_most_methods(make_grid):
    good = make_grid("latent", outcomes=[["genuine", "mistaken", "genuine"], ["genuine"] * 3])
    assert typical_pair([make_grid(), good]) == (1, 2)  # adversarial there, genuine here


def test_the_typical_pair_of_a_diagonal_is_its_first_cell(make_grid):
    assert typical_pair([make_grid(row_labels="aa", column_labels="aaa")]) == (0, 0)


def test_a_row_counts_every_outcome():
    row = SummaryRow("plain", 3, {"genuine": 1, Outcome.UNREACHED: 2})
    assert row.share("unreached") == pytest.approx(2 / 3)
    assert set(row.counts) == set(Outcome)
    assert SummaryRow.tally("plain", []).share("genuine") is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"counts": {"genuine": 2}}, "sum to n = 3"),
        ({"counts": {"genuine": 4, "unreached": -1}}, "0 or more"),
        ({"counts": {"good": 3}}, "one is 'good'"),
        ({"reached": 1.5}, r"reached of 'plain' must lie in \[0, 1\]"),
        ({"confidence": float("nan")}, "confidence"),
        ({"seconds": -1.0}, "seconds of 'plain' must be 0 or more"),
        ({"moved": -1.0}, "moved of 'plain' must be 0 or more"),
    ],
)
def test_impossible_numbers_are_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        SummaryRow(**{"method": "plain", "n": 3, "counts": {"genuine": 3}, **fields})


def test_a_summary_finds_the_row_of_a_target(summary):
    row = summary.of_target("1", "latent")
    assert row is not None
    assert row.n == 4
    assert summary.of_target("7", "latent") is None
    with pytest.raises(ValueError, match="at least one method"):
        Summary([])
