import numpy as np
import pytest
from PIL import Image

from xhat.report import COLOURS
from xhat.report.palette import rgb
from xhat_zoo.digits.report import save_morph_gif
from xhat_zoo.digits.report.morph import _board


def frames_of(path):
    with Image.open(path) as animation:
        loop, found = animation.info.get("loop"), []
        for n in range(animation.n_frames):
            animation.seek(n)
            found.append((animation.info["duration"], animation.convert("RGB")))
    return loop, found


def test_it_goes_from_the_starts_to_the_verdicts_and_loops(tmp_path, make_grid):
    grids = [make_grid("plain"), make_grid("latent", frames=None)]
    path = save_morph_gif(tmp_path / "m.gif", grids, title="t", duration=1, pause=3, max_frames=6)
    loop, found = frames_of(path)
    board = _board(grids, "t")
    assert loop == 0
    assert len(found) == 7
    assert found[-1][0] == 3000
    first, last = found[0][1], found[-1][1]
    assert first.size == board.size
    for k, i, j in board.places():
        thin = board.border - 1 if grids[k].diagonal[i, j] else 0
        place = tuple(v + thin for v in board.cell(k, i, j)[:2])
        assert last.getpixel(place) == rgb(COLOURS[grids[k].outcome(i, j)])
        assert first.getpixel(place) != last.getpixel(place)
        begun = grids[k].images[i, j] if grids[k].frames is None else grids[k].starts[i]
        for image, pictures in ((first, begun), (last, grids[k].images[i, j])):
            shown = np.array(image.convert("L").crop(board.inside(k, i, j)), dtype=float)
            step = shown.shape[0] // 6
            assert np.abs(shown[::step, ::step] / 255 - pictures).max() < 0.5 / 23 + 0.01


def test_movement_in_between_stays_near_the_recorded_frames(tmp_path, make_grid):
    grid = make_grid()
    path = save_morph_gif(tmp_path / "m.gif", [grid], max_frames=9)
    _, found = frames_of(path)
    box = _board([grid], "").inside(0, 0, 2)
    for moment in range(1, 9):
        shown = np.array(found[moment][1].convert("L").crop(box), dtype=float)
        step = shown.shape[0] // 6
        assert np.abs(shown[::step, ::step] / 255 - grid.frames[moment, 0, 2]).max() < 1.6 / 23


def test_what_has_no_way_from_the_start_is_shown_still_and_named_so(tmp_path, make_grid):
    grids = [make_grid("flow"), make_grid("nearest", frames=None)]
    path = save_morph_gif(tmp_path / "m.gif", grids, max_frames=5)
    _, found = frames_of(path)
    board = _board(grids, "")
    shown = [[np.array(frame.crop(board.inside(k, 1, 1))) for _, frame in found] for k in (0, 1)]
    assert all(np.array_equal(frame, shown[1][-1]) for frame in shown[1])
    assert not np.array_equal(shown[0][0], shown[0][-1])
    assert [grid.caption.endswith("shown still)") for grid in board.grids] == [False, True]


def test_a_coarser_movement_is_drawn_if_the_file_would_be_too_large(tmp_path, make_grid):
    whole = save_morph_gif(tmp_path / "a.gif", [make_grid()]).stat().st_size
    small = save_morph_gif(tmp_path / "b.gif", [make_grid()], max_bytes=whole * 2 // 3)
    assert small.stat().st_size <= whole * 2 // 3
    with pytest.raises(ValueError, match="at its coarsest"):
        save_morph_gif(tmp_path / "c.gif", [make_grid()], max_bytes=100)
    assert not (tmp_path / "c.gif").exists()


def test_bad_requests_are_refused(tmp_path, make_grid):
    with pytest.raises(ValueError, match="no grid has frames"):
        save_morph_gif(tmp_path / "m.gif", [make_grid(frames=None)])
    with pytest.raises(ValueError, match="duration"):
        save_morph_gif(tmp_path / "m.gif", [make_grid()], duration=-1)
    assert not list(tmp_path.iterdir())
