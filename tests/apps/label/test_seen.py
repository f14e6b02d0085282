import numpy as np
import pytest
from PIL import Image

from xhat.apps.label.seen import SeenSample, save_seen_png
from xhat.report import COLOURS
from xhat.report.palette import rgb


def sample(outcome="genuine", **facts):
    picture = np.full((28, 28), 200, np.uint8)
    return SeenSample(picture, outcome, "for a 3", (outcome, "3 100 %"), **facts)


def colours_of(path):
    with Image.open(path) as image:
        return {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}


def test_every_sample_has_the_colour_of_its_verdict(tmp_path):
    path = save_seen_png(tmp_path / "a" / "seen.png", [sample(), sample("adversarial")])
    found = colours_of(path)
    assert rgb(COLOURS["genuine"]) in found
    assert rgb(COLOURS["adversarial"]) in found
    assert rgb(COLOURS["ambiguous"]) not in found
    assert (200, 200, 200) in found


def test_a_mark_is_drawn(tmp_path):
    one = save_seen_png(tmp_path / "one.png", [sample()])
    two = save_seen_png(tmp_path / "two.png", [sample(marked=True)])
    assert one.read_bytes() != two.read_bytes()


def test_rows_of_ten(tmp_path):
    sizes = []
    for n in (1, 10, 11, 20):
        with Image.open(save_seen_png(tmp_path / f"{n}.png", [sample()] * n)) as image:
            sizes.append(image.size)
    assert sizes[1][1] == sizes[0][1] < sizes[2][1] == sizes[3][1]
    assert sizes[0][0] < sizes[1][0] == sizes[2][0]


def test_bad_samples_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one sample or more"):
        save_seen_png(tmp_path / "a.png", [])
    with pytest.raises(ValueError, match="splendid"):
        save_seen_png(tmp_path / "a.png", [sample("splendid")])
    assert not (tmp_path / "a.png").exists()
