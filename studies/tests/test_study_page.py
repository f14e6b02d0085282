import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studies.report.page import save_study_page, study_markdown
from studies.report.records import ArmRow, ClaimRow
from studies.tests.studies import make_arms, make_page
from xhat.core import UnreadableFileError
from zoo.tests.digits.report.test_page import Page

EVIL = "<script>alert(1)</script>\"'& | `x` _y_ *z* [w](v) {u} \\"


@pytest.fixture
def pictures(tmp_path) -> tuple[tuple[Path, str], ...]:
    made = []
    for name, side in (("main", 40), ("other", 24)):
        noise = np.random.default_rng(side).integers(0, 255, (side, 2 * side), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
        made.append((tmp_path / f"{name}.png", f"the {name} figure"))
    return tuple(made)


@pytest.fixture
def save(tmp_path):
    def save(page):
        return save_study_page(tmp_path / "study.html", page).read_text("utf-8")

    return save


def evil_page():
    arms = make_arms()
    arms = (ArmRow(EVIL, EVIL, arms[0].estimates), *arms[1:])
    gap = make_page().claims[0].difference
    claim = ClaimRow(EVIL, "robust", EVIL, "genuine", 0.05, gap, "supported")
    return make_page(
        name=EVIL, question=EVIL, protocol=(EVIL,), arms=arms, claims=(claim,),
        shown={"genuine": EVIL}, remarks=(EVIL,), facts={EVIL: EVIL},
    )  # fmt: skip


def test_the_page_stands_alone_and_holds_its_pictures(save, pictures):
    text = save(make_page(pictures=pictures))
    page = Page(text)
    assert "://" not in text
    assert "@import" not in text
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "script")]
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [image["alt"] for image in images] == ["the main figure", "the other figure"]
    assert [(image["width"], image["height"]) for image in images] == [("80", "40"), ("48", "24")]
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in images)


def test_question_answer_protocol_claims_arms_and_facts_are_told(save):
    text = save(make_page())
    for words in (
        "Does robust training steer the search?", "Train three networks.", "Two of five collapse.",
        "1 of 3 claims is supported", "Study “steering”: 3 arms, 3 seeds each.", "a1b2c3d",
        "+40.0 points", "+20.0 to +60.0", "5 points", "A helps.", "less is better",
        "what robust is", "50.0", "49.0 to 51.0", "1,234", "genuine among reached, %",
    ):  # fmt: skip
        assert words in text
    header = text[: text.index("</header>")]
    assert re.search(r'class="answer not-supported"><i aria-hidden="true">✗</i> not supp', header)
    assert text.count('class="answer undecided"') == 2  # of the claim, and what it means
    assert text.count('<span class="tag">baseline</span>') == 1


def test_every_table_scrolls_in_a_box_of_its_own(save, pictures):
    text = save(make_page(pictures=pictures))
    assert len(re.findall(r'<div class="scroll"[^>]*>\s*<table', text)) == text.count("<table") == 2
    assert len(re.findall(r'<div class="scroll"[^>]*><img', text)) == 2
    assert "prefers-color-scheme: dark" in text


def test_a_claim_is_drawn_between_zero_and_its_margin(save):
    text = save(make_page())
    first = text[text.index("A helps.") : text.index("B helps.")]
    places = [float(p) for p in re.findall(r"(?:left|width):([\d.]+)%", first)]
    zero, margin, low, width, mean = places
    assert zero == 8.0  # at the left end, since all else is above it
    assert low + width == pytest.approx(92.0)
    assert margin - zero == pytest.approx(84 * 0.05 / 0.6, abs=0.1)
    assert mean == pytest.approx((low + low + width) / 2, abs=0.1)


def test_one_seed_has_no_interval_and_a_missing_number_is_a_dash(save):
    page = make_page(1)
    text = save(page)
    assert "<td>no interval</td>" in text
    assert "inf" not in re.sub(r"<style>.*?</style>", "", text, flags=re.S)
    assert "<td>–</td>" in text
    assert "inf" not in study_markdown(page)


def test_a_study_may_have_arms_alone(save):
    page = make_page(claims=(), protocol=(), remarks=(), facts={}, answer="undecided")
    text = save(page)
    assert 'id="claims"' not in text
    assert 'id="arms"' in text
    assert "The claims" not in study_markdown(page)


def test_what_comes_from_outside_is_escaped(save):
    text = save(evil_page())
    page = Page(text)
    assert "<script" not in text
    assert not [tag for tag, _ in page.tags if tag == "script"]


def test_the_document_says_what_the_page_says(pictures):
    text = study_markdown(make_page(pictures=pictures), "a folder/steering.png")
    assert text.startswith("# Does robust training steer the search?\n\n**Answer: not supported.**")
    assert "![the main figure](a%20folder/steering.png)" in text
    assert "| robust | 50.0 (49.0 to 51.0) | 970 (952 to 988) |" in text
    assert "| plain | 10.0 (9.0 to 11.0) | 1,234 (1,216 to 1,252) |" in text
    assert "| ensemble of five | 98.7 (97.7 to 99.7) | – |" in text
    assert "| +40.0 points | +20.0 to +60.0 | 5 points | **supported** |" in text
    assert "- hours: 5.3" in text
    assert "- **robust**: what robust is" in text
    assert "<" not in text
    assert study_markdown(make_page(), level=3).startswith("### Does")


def test_words_from_outside_are_shown_in_a_document_as_they_are():
    text = study_markdown(evil_page(), "a.png")
    assert "<" not in text
    html = pytest.importorskip("markdown").markdown(text, extensions=["tables"])
    assert html.count("<table>") == 2
    assert (
        html.count("&lt;script&gt;alert(1)&lt;/script&gt;\"'&amp; | `x` _y_ *z* [w](v) {u} \\")
        >= 10
    )
    assert "<em>z" not in html
    assert "<a " not in html


def test_words_that_would_begin_a_list_do_not():
    text = study_markdown(make_page(remarks=("- one", "2. two", "+ 3", "-4.5")))
    html = pytest.importorskip("markdown").markdown(text)
    for words in ("<li>- one</li>", "<li>2. two</li>", "<li>+ 3</li>", "<li>-4.5</li>"):
        assert words in html


def test_a_picture_that_moves_is_embedded_as_what_it_is(save, tmp_path):
    frames = [Image.new("L", (8, 6), value) for value in (0, 255)]
    frames[0].save(tmp_path / "moves.gif", save_all=True, append_images=frames[1:])
    html = save(make_page(pictures=((tmp_path / "moves.gif", "It moves."),)))
    assert "data:image/gif;base64," in html
    assert "data:image/png;base64," not in html


def test_the_same_study_gives_the_same_bytes(save, pictures):
    page = make_page(pictures=pictures)
    assert save(page) == save(page)


def test_bad_requests_are_refused_before_anything_is_written(tmp_path):
    out = tmp_path / "out" / "study.html"
    (tmp_path / "no.png").write_bytes(b"GIF89a")
    for name in ("no.png", "missing.png"):
        with pytest.raises(UnreadableFileError, match=rf"{name} cannot be read as a PNG"):
            save_study_page(out, make_page(pictures=((tmp_path / name, "a"),)))
    with pytest.raises(TypeError, match="StudyPage"):
        save_study_page(out, "steering")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="StudyPage"):
        study_markdown("steering")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="level must be from 1 to 5"):
        study_markdown(make_page(), level=6)
    assert not out.parent.exists()
