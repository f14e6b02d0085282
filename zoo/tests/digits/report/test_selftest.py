import itertools

import numpy as np
import pytest
from PIL import Image

from xhat.judges.outcomes import Outcome
from xhat.report import COLOURS
from xhat.report.drawing import exact_percent
from xhat.report.palette import rgb
from xhat_zoo.digits.report import save_selftest_png
from xhat_zoo.digits.report.confusion import _Board, _state, _widths


@pytest.mark.parametrize(
    ("asked", "met", "undecided", "state"),
    [
        (0.95, True, False, "met"),
        (0.99, True, True, "met"),
        (0.995, False, True, "close"),
        (0.999, False, False, "missed"),
    ],
)
def test_what_is_asked_is_met_close_or_missed(make_row, asked, met, undecided, state):
    row = make_row(asked=asked)
    assert (row.met, row.undecided, _state(row)) == (met, undecided, state)


def test_nothing_asked_is_neither_met_nor_missed(make_row):
    row = make_row(asked=None)
    assert row.met is None
    assert not row.undecided


def test_counts_stand_in_the_order_of_legends_without_zeros(make_row):
    row = make_row(counts={"adversarial": 198, Outcome.GENUINE: 2, "unreached": 0})
    assert list(row.counts) == [Outcome.GENUINE, Outcome.ADVERSARIAL]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"n": 0, "counts": {}}, "which is at least 1"),
        ({"counts": {"genuine": 2}}, "sum to n = 200"),
        ({"counts": {"genuine": 201, "unreached": -1}}, "0 or more"),
        ({"counts": {"good": 200}}, "one is 'good'"),
        ({"share": 1.2}, r"share of 'FGSM' must lie in \[0, 1\]"),
        ({"share": float("nan")}, r"share of 'FGSM' must lie in \[0, 1\]"),
        ({"asked": -0.1}, r"asked of 'FGSM' must lie in \[0, 1\]"),
        ({"interval": (0.2, 0.4)}, "around the share 0.99"),
        ({"interval": (0.995, 1.0)}, "around the share 0.99"),
        ({"interval": (float("nan"), 1.0)}, "around the share"),
        ({"wanted": "genuine"}, "by its counts 0.01 are genuine"),
        ({"wanted": "not off_manifold"}, "by its counts 0.96"),
        ({"pictures": np.zeros((3, 7))}, "pictures of 'FGSM' must have 3 axes"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(make_row, changed, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        make_row(**changed)
    assert str(caught.value).endswith(".")


def test_a_sentence_may_want_what_counts_do_not_tell(make_row):
    assert make_row(wanted="genuine for the right digit").share == 0.99
    with pytest.raises(TypeError, match="x / 255"):
        make_row(pictures=np.zeros((3, 7, 7), dtype=np.uint8))


def test_a_bar_has_every_colour_in_proportion_and_the_figure_the_pictures(tmp_path, make_row):
    rows = [make_row(), make_row(kind="PGD", group="other", pictures=None)]
    path = save_selftest_png(tmp_path / "s.png", rows, title="t", subtitle="u")
    board = _Board(rows, "t", "u")
    with Image.open(path) as image:
        image.load()
    assert image.size == board.size
    left, right = board.columns["bar"]
    widths = _widths(rows[0], right - left)
    assert sum(widths.values()) == right - left
    assert min(widths.values()) >= 5
    for _, y in board.places():
        x = left
        for outcome, width in widths.items():
            assert image.getpixel((x, y + 20)) == rgb(COLOURS[outcome])
            assert image.getpixel((x + width - 1, y + 20)) == rgb(COLOURS[outcome])
            x += width
    x, y = board.columns["pictures"][0], board.places()[0][1] + 8
    shown = np.array(image.convert("L").crop((x, y, x + 56, y + 56)))[::8, ::8]
    assert np.array_equal(shown, np.rint(rows[0].pictures[0] * 255))


def test_groups_gather_their_rows_and_thirty_fit(make_row):
    rows = [make_row(kind=f"kind {k}", group=f"group {k % 5}") for k in range(30)]
    board = _Board(rows, "t", "")
    assert [row.kind for row, _ in board.places()][:2] == ["kind 0", "kind 5"]
    tops = [y for _, y in board.places()]
    assert all(b - a >= 70 for a, b in itertools.pairwise(tops))
    assert tops[-1] + 70 < board.size[1] < 3200
    edges = list(board.columns.values())
    assert all(a[1] < b[0] for a, b in itertools.pairwise(edges))


def test_the_same_rows_give_the_same_bytes_also_without_pictures(tmp_path, make_row):
    rows = [make_row(pictures=None, kind="a name that is far too long for its column " * 3)]
    first = save_selftest_png(tmp_path / "a.png", rows, title="t").read_bytes()
    assert save_selftest_png(tmp_path / "b.png", rows, title="t").read_bytes() == first
    assert "pictures" not in _Board(rows, "t", "").columns


def test_shares_are_on_the_axis_and_rise(make_row):
    board = _Board([make_row()], "t", "")
    places = [board._place(share) for share in (0, 0.5, 0.9, 0.99, 0.999, 1)]
    left, right = board.columns["axis"]
    assert (places[0], places[-1]) == (left, right)
    assert places == sorted(places)
    assert places[3] - places[2] == pytest.approx((right - left) / 3, abs=1)


@pytest.mark.parametrize(
    ("share", "words"),
    [(1.0, "100 %"), (0.0, "0 %"), (0.999, "99.9 %"), (0.004, "0.4 %"), (0.87, "87 %")],
)
def test_only_all_is_called_a_hundred_percent(share, words):
    assert exact_percent(share) == words


def test_bad_requests_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="rows is empty"):
        save_selftest_png(tmp_path / "a.png", [], title="")
    with pytest.raises(TypeError, match="SelfTestRow"):
        save_selftest_png(tmp_path / "a.png", ["FGSM"], title="")  # pyright: ignore[reportArgumentType]
    assert not list(tmp_path.iterdir())
