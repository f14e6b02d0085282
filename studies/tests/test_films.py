import numpy as np
import pytest
from PIL import Image

from studies.report.films import Film, save_films_gif, save_films_png
from xhat.judges.outcomes import Outcome
from xhat.report import COLOURS
from xhat.report.palette import rgb
from xhat_zoo import digits

FRAMES = 5
ALONG = ["genuine", "ambiguous", "out_of_distribution", "off_manifold", "genuine"]


def film(name="straight in pixels", pairs=2):
    images = digits.split("test").images[: pairs + 1, 0].numpy()
    share = np.linspace(0, 1, FRAMES)[None, :, None, None]
    frames = images[:-1, None] * (1 - share) + images[1:, None] * share
    return Film(name, "a blend of both", frames, [ALONG] * pairs)


def shown(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def count(picture, colour):
    return int((picture == np.array(rgb(colour))).all(axis=-1).sum())


def test_every_frame_has_a_border_in_the_colour_of_its_verdict(tmp_path):
    films = [film(), film("latent")]
    drawn = shown(save_films_png(tmp_path / "films.png", films, ["a", "b"], title="Ways"))
    border = (56 + 10) ** 2 - 56**2
    legend = 22**2
    for outcome in ("ambiguous", "out_of_distribution", "off_manifold"):
        found = count(drawn, COLOURS[Outcome(outcome)])
        assert found == 2 * 2 * border + legend
    assert count(drawn, COLOURS[Outcome.GENUINE]) == 2 * 2 * 2 * border + legend


def test_pairs_stand_side_by_side_and_films_below_each_other(tmp_path):
    def size(films, pairs):
        return shown(save_films_png(tmp_path / "x.png", films, pairs)).shape[:2]

    one, two = size([film(pairs=1)], ["a"]), size([film()], ["a", "b"])
    assert two[1] > 1.5 * one[1]
    assert size([film(), film("b")], ["a", "b"])[0] > two[0]
    assert size([film(pairs=4)], list("abcd"))[0] > 1.5 * two[0]


def test_the_animation_goes_there_and_back(tmp_path):
    path = save_films_gif(tmp_path / "films.gif", [film()], ["a", "b"], title="Ways")
    with Image.open(path) as image:
        assert image.n_frames == 2 * FRAMES - 2
        assert image.info["loop"] == 0
        pictures = []
        for k in range(image.n_frames):
            image.seek(k)
            pictures.append(np.asarray(image.convert("RGB")).astype(int))
    assert np.abs(pictures[1] - pictures[-1]).max() == 0
    border, legend = (56 + 10) ** 2 - 56**2, 22**2
    assert count(pictures[1], COLOURS[Outcome.AMBIGUOUS]) == 2 * border + legend
    assert count(pictures[2], COLOURS[Outcome.AMBIGUOUS]) == legend
    assert np.abs(pictures[0] - pictures[FRAMES - 1]).max() > 100
    assert path.stat().st_size < 300_000


def test_the_same_films_give_the_same_bytes(tmp_path):
    a, b = (save_films_png(tmp_path / name, [film()], ["a", "b"]) for name in ("a.png", "b.png"))
    assert a.read_bytes() == b.read_bytes()


def test_bad_films_are_refused_before_anything_is_written(tmp_path):
    out = tmp_path / "new" / "films.png"
    with pytest.raises(ValueError, match="films is empty"):
        save_films_png(out, [], [])
    with pytest.raises(TypeError, match="must be Film records, not str"):
        save_films_png(out, ["line"], ["a"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="name each of 2 pairs, but has 1 names"):
        save_films_png(out, [film()], ["a"])
    with pytest.raises(ValueError, match="frames of the film 'other'"):
        save_films_gif(out, [film(), film("other", pairs=1)], ["a", "b"])
    with pytest.raises(ValueError, match="duration must be above 0"):
        save_films_gif(out, [film()], ["a", "b"], duration=0)
    with pytest.raises(ValueError, match="outcomes of the film"):
        Film("x", "", np.zeros((1, 2, 4, 4)), [["genuine"]])
    with pytest.raises(ValueError, match="one is 'fine'"):
        Film("x", "", np.zeros((1, 1, 4, 4)), [["fine"]])
    with pytest.raises(TypeError, match="floating point"):
        Film("x", "", np.zeros((1, 1, 4, 4), dtype=int), [["genuine"]])
    assert not out.parent.exists()
