import numpy as np
import pytest
from PIL import Image, ImageFont

from xhat.report import COLOURS
from xhat.report.drawing import enlarge, shorten, wrap
from xhat.report.palette import FAINT, rgb
from xhat_zoo.digits.report import save_grid_png
from xhat_zoo.digits.report.board import panels_across
from xhat_zoo.digits.report.grids import board_of


def test_the_border_of_every_cell_has_the_colour_of_its_verdict(tmp_path, make_grid):
    grids = [make_grid("plain"), make_grid("latent")]
    path = save_grid_png(tmp_path / "grid.png", grids, title="Two methods", width=900)
    board = board_of(grids, title="Two methods", width=900)
    with Image.open(path) as image:
        image.load()
    assert image.size == board.size
    for k, i, j in board.places():
        left, top, right, bottom = board.cell(k, i, j)
        thin = board.border - 1 if grids[k].diagonal[i, j] else 0
        wanted = rgb(COLOURS[grids[k].outcome(i, j)])
        assert image.getpixel((left + thin, top + thin)) == wanted
        assert image.getpixel((right - 1 - thin, bottom - 1 - thin)) == wanted
    assert image.getpixel(board.cell(0, 0, -1)[:2]) == rgb(FAINT)


def test_every_pixel_of_a_candidate_is_shown(tmp_path, make_grid):
    grid = make_grid()
    path = save_grid_png(tmp_path / "grid.png", [grid], width=800)
    board = board_of([grid], title="", width=800)
    with Image.open(path) as image:
        shown = np.array(image.convert("L").crop(board.inside(0, 1, 2)))
    scale = shown.shape[0] // 6
    assert scale >= 2
    assert np.array_equal(shown[::scale, ::scale], np.rint(grid.images[1, 2] * 255))


@pytest.mark.parametrize("count", [1, 2, 4, 6, 7])
def test_any_number_of_methods_fits_without_overlap(make_grid, count):
    board = board_of([make_grid(f"m{n}") for n in range(count)], title="t", width=1200)
    boxes = [board.panel(k) for k in range(count)]
    for n, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        assert top >= 0
        assert right <= board.size[0]
        assert bottom <= board.size[1]
        for other in boxes[:n]:
            assert other[2] <= left or other[3] <= top or other[0] >= right
    assert all(board.cell(k, i, j)[2] <= boxes[k][2] for k, i, j in board.places())


def test_six_methods_of_ten_by_ten_digits_are_about_as_wide_as_asked(make_grid):
    digits = {
        "starts": np.zeros((10, 28, 28)),
        "images": np.zeros((10, 10, 28, 28)),
        "outcomes": [["genuine"] * 10] * 10,
        "evidence": [[""] * 10] * 10,
        "row_labels": range(10),
        "column_labels": range(10),
        "frames": None,
    }
    board = board_of([make_grid(f"m{n}", **digits) for n in range(6)], title="t", width=2400)
    assert panels_across(6) == 3
    assert 2000 <= board.size[0] <= 2900
    assert board.tile == (56, 56)


def test_pictures_larger_than_their_place_are_shrunk(make_grid):
    big = {"starts": np.zeros((2, 300, 200)), "images": np.zeros((2, 3, 300, 200)), "frames": None}
    board = board_of([make_grid(**big)], title="", width=600)
    assert board.tile[0] < 200
    assert board.size[0] <= 700


def test_an_error_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path, make_grid, monkeypatch):
    path = tmp_path / "grid.png"
    path.write_text("before")

    def interrupted(self, temporary, **_):
        temporary.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_grid_png(path, [make_grid()], width=600)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_bad_requests_are_refused_before_anything_is_written(tmp_path, make_grid):
    with pytest.raises(ValueError, match="empty"):
        save_grid_png(tmp_path / "a.png", [])
    with pytest.raises(ValueError, match="width"):
        save_grid_png(tmp_path / "a.png", [make_grid()], width=0)
    assert not list(tmp_path.iterdir())


def test_other_sizes_are_resampled():
    pictures = np.ones((2, 3, 4, 4), dtype=np.float32)
    assert enlarge(pictures, (6, 7)).shape == (2, 3, 7, 6)
    assert enlarge(pictures, (6, 7)).min() == 255


def test_words_are_broken_and_shortened_to_their_room():
    font = ImageFont.load_default(12)
    words = "an adversarially trained surrogate and a latent space"
    lines = wrap(words, font, 120, lines=2)
    assert len(lines) == 2
    assert all(font.getlength(line) <= 120 for line in lines)
    assert lines[1].endswith("…")
    assert shorten("short", font, 120) == "short"
    assert shorten("nothing fits", font, 3) == ""
    assert wrap("", font, 120, lines=2) == []
