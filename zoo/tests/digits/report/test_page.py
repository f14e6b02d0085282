import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from xhat.core import UnreadableFileError
from xhat.report.pages import Sprite
from xhat_zoo.digits.report import save_morph_gif, save_page

VOID = {"meta", "img", "source", "br", "input", "link"}


class Page(HTMLParser):
    """Checks that tags nest, and keeps every tag and the words of every cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "button" and "cell" in (dict(attrs).get("class") or ""):
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "button" in self.open and "td" in self.open:
            self.cells[-1] += data


@pytest.fixture
def save(tmp_path, make_grid, summary):
    def save(grids=None, **changed):
        fields = {
            "title": "What methods make of a digit",
            "lead": "Plain descent adds noise.",
            "grids": grids or [make_grid("plain"), make_grid("latent")],
            "summary": summary,
            "facts": {"seed": 0, "command": "xhat demo"},
        }
        return save_page(tmp_path / "report.html", **(fields | changed)).read_text("utf-8")

    return save


def test_the_page_stands_alone(save, tmp_path, make_grid):
    gif = save_morph_gif(tmp_path / "m.gif", [make_grid()], max_frames=3)
    text = save(morph=gif)
    page = Page(text)
    assert "://" not in text
    assert "@import" not in text
    for _, attributes in page.tags:
        for name in ("src", "srcset", "href"):
            assert (attributes.get(name) or "#").startswith(("data:image/", "#"))
    assert all(
        uri.startswith("data:image/png;base64,") for uri in re.findall(r"url\((.*?)\)", text)
    )
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object")]
    assert "data:image/gif;base64," in text


def test_every_cell_can_be_focused_and_tells_its_verdict_and_evidence(save):
    page = Page(save())
    cells = [a for t, a in page.tags if t == "button" and "cell" in (a.get("class") or "")]
    assert len(cells) == len(page.cells) == 2 * 2 * 3
    assert cells[1]["data-o"] == "adversarial"
    assert "0 → 1: adversarial" in page.cells[1]
    assert "cell 0 1\nsecond line" in page.cells[1]
    assert "cell same" in (cells[0]["class"] or "")
    assert not [a for a in cells if "tabindex" in a]


def test_what_comes_from_outside_is_escaped(save, make_grid):
    evil = "<script>alert(1)</script>\"'&"
    grid = make_grid(
        method=evil,
        caption=evil,
        evidence=[[evil] * 3] * 2,
        row_labels=[evil, "1"],
        column_labels=["0", evil, "2"],
    )
    text = save([grid], title=evil, lead=evil, facts={evil: evil}, notes=[evil])
    page = Page(text)
    assert "<script>alert" not in text
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert all(evil in words for words in page.cells)


def test_numbers_targets_diagonal_and_facts_are_told(save, summary):
    text = save()
    for words in ("The numbers", "The diagonal, apart", "Genuine, by target", "How to read this"):
        assert words in text
    assert "1,234" in text
    assert "50\u202f%" in text
    assert "xhat demo" in text
    assert 'aria-label="genuine 25\u202f%, adversarial 50\u202f%, unreached 25\u202f%"' in text


def test_equal_pictures_travel_once(save, make_grid):
    starts = np.zeros((2, 6, 5))
    grids = [make_grid(m, starts=starts) for m in ("plain", "latent")]
    assert len(re.findall(r"url\(data:", save(grids))) == 4  # one of them a way


def test_a_sprite_shows_the_right_part(save, make_grid):
    grid = make_grid()
    uri = re.findall(r"url\(data:image/png;base64,(.*?)\)", save([grid]))[0]
    sheet = np.array(Image.open(io.BytesIO(base64.b64decode(uri))))
    sprite = Sprite("s0", "", (2, 3, 6, 5))
    width, height = (float(v.rstrip("%")) / 100 for v in sprite.size.split())
    assert np.allclose([width * 5, height * 6], sheet.shape[::-1])
    x, y = (float(v.rstrip("%")) / 100 for v in sprite.place(1, 2).split())
    left, top = x * (sheet.shape[1] - 5), y * (sheet.shape[0] - 6)  # how CSS places a background
    assert np.allclose([left, top], [2 * 7 + 1, 8 + 1], atol=1e-3)
    part = sheet[round(top) : round(top) + 6, round(left) : round(left) + 5]
    assert np.array_equal(part, np.rint(grid.images[1, 2] * 255))


def test_the_pair_on_top_can_be_chosen(save):
    assert "from “1” to “0”" in save(pair=(1, 0))
    with pytest.raises(ValueError, match="pair must lie within 2 starts and 3 targets"):
        save(pair=(2, 0))


def test_the_way_of_the_first_search_that_has_one_is_shown_state_by_state(
    save, make_grid, tmp_path
):
    grids = [make_grid("nearest", frames=None), make_grid("flow"), make_grid("plain")]
    gif = save_morph_gif(tmp_path / "m.gif", grids, max_frames=3)
    text = save(grids, pair=(0, 2), morph=gif)
    Page(text)
    assert "The way that flow went" in text
    assert len(re.findall(r"state \d of 9<", text)) == 9
    assert "what nearest found, so that is shown still" in text
    assert "The way that" not in save([make_grid(frames=None)])


def test_a_page_of_six_grids_stays_small(save, make_grid, tmp_path):
    noise = np.random.default_rng(0).random((10, 10, 28, 28))
    fields = {
        "starts": noise[0],
        "images": noise,
        "outcomes": [["adversarial"] * 10] * 10,
        "evidence": [["the surrogate says 8 with 0.99, the judges say 3\n" * 4] * 10] * 10,
        "row_labels": range(10),
        "column_labels": range(10),
        "frames": None,
    }
    save([make_grid(f"m{n}", **fields) for n in range(6)])
    assert (tmp_path / "report.html").stat().st_size < 1_500_000


def test_a_broken_animation_is_named_and_nothing_is_written(save, tmp_path):
    with pytest.raises(UnreadableFileError, match=r"missing\.gif cannot be read"):
        save(morph=tmp_path / "missing.gif")
    (tmp_path / "bad.gif").write_bytes(b"GIF89a")
    with pytest.raises(UnreadableFileError, match=r"bad\.gif cannot be read"):
        save(morph=tmp_path / "bad.gif")
    assert not (tmp_path / "report.html").exists()
