import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from xhat.report import save_judged_page
from xhat.report.judged import Chosen, ChosenRow
from xhat.report.judged_page import MOST
from xhat.report.pages import LESS, MORE, Sprites
from xhat.report.palette import luminance, rgb

VOID = {"meta", "img", "br", "input", "link"}
PLAIN = {"pictures": None, "nearest": None, "starts": None}


class Page(HTMLParser):
    """Checks that tags nest, and keeps every tag, every identifier and the words of each reason."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.reasons: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open
        ids = [a["id"] for _, a in self.tags if "id" in a]
        assert len(ids) == len(set(ids))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "article":
            self.reasons.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "article" in self.open:
            self.reasons[-1] += data

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.tags if name in (a.get("class") or "").split()]


@pytest.fixture
def save(tmp_path, make_samples):
    def save(samples=None, **changed):
        fields = {"title": "Five digits", "lead": "Three are genuine.", "facts": {"seed": 0}}
        path = save_judged_page(
            tmp_path / "judged.html", samples or make_samples(), **(fields | changed)
        )
        return path.read_text("utf-8")

    return save


def test_the_page_stands_alone(save):
    text = save()
    page = Page(text)
    assert "://" not in text
    assert "@import" not in text
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("data:image/", "#"))
    assert all(u.startswith("data:image/png;base64,") for u in re.findall(r"url\((.*?)\)", text))
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object")]


def test_every_sample_leads_to_its_reasons(save):
    page = Page(save())
    picks = page.of("pick")
    assert [a["href"] for a in picks] == [f"#s-{i}" for i in range(5)]
    assert picks[2]["aria-label"] == "sample 2: adversarial, target 7"
    assert [a.get("id") for t, a in page.tags if t == "article"] == [f"s-{i}" for i in range(5)]
    for i, words in enumerate(page.reasons):
        for told in (f"rule {i} decides", f"the judges see {i}", f"second line {i}", f"real {i}1"):
            assert told in words
    assert "minus the start" in page.reasons[0]
    assert "unusual" not in page.reasons[0]
    assert page.reasons[2].count("unusual") == 1
    assert "0.0002" in page.reasons[2]


def test_samples_can_be_filtered_by_outcome_and_by_target(save):
    text = save()
    page = Page(text)
    assert [a["data-o"] for a in page.of("chip") if "data-o" in a] == [
        "genuine",
        "off_manifold",
        "adversarial",
    ]
    options = re.findall(r'<option value="(\d)">(.*?)</option>', text)
    assert options == [("0", "7 (2)"), ("1", "9 (1)"), ("2", "10 (2)")]  # by size, not by letters
    places = [a for t, a in page.tags if t == "li" and "data-t" in a]
    assert [(a["data-o"], a["data-t"]) for a in places][:3] == [
        ("genuine", "0"),
        ("genuine", "2"),
        ("adversarial", "0"),
    ]


def test_votes_show_the_target_and_leave_out_what_is_nothing(save):
    text = save()
    assert text.count('<tr class="wanted">') == 5
    table = text.split('<table class="votes">')[1].split("</table>")[0]
    assert table.count("<td></td>") == 1 + 2 * 2  # the corner, and two classes of two judges
    assert table.count("--p:0.90") == 2


def test_of_many_classes_those_that_matter_are_listed(save, make_samples):
    votes = np.zeros((5, 2, 101))
    votes[..., 40] = 1.0
    classes = [*map(str, range(100)), "none"]
    text = save(make_samples(classes=classes, votes=votes, targets=["99"] * 5))
    table = text.split('<table class="votes">')[1].split("</table>")[0]
    names = re.findall(r'<th scope="row">(\w+)', table)
    assert {"40", "99", "none"} <= set(names)
    assert len(names) == 16
    assert names.index("40") < names.index("99") < names.index("none")


def test_the_chart_places_p_values_by_their_logarithm(save, make_samples):
    text = save(make_samples(p_values=np.tile([0.0, 0.01, 1.0], (5, 1)), level=0.0001))
    assert re.findall(r'<b(?: class="low")? style="left:(.*?)"', text)[:3] == [
        "0.0%",
        "50.0%",
        "100.0%",
    ]
    assert '<i style="width:0.0%">' in text


def test_more_samples_than_fit_are_selected_evenly_and_told(save, make_samples):
    n = 2000
    fields = {
        "outcomes": ["genuine"] * 1900 + ["adversarial"] * 90 + ["infeasible"] * 10,
        "rules": ["r"] * n,
        "evidence": ["e"] * n,
        "targets": ["7"] * n,
        "p_values": np.full((n, 3), 0.5),
        "votes": None,
        "nearest_names": (),
    }
    page = Page(text := save(make_samples(**PLAIN, **fields)))
    assert f"<strong>{MOST} of 2,000 shown</strong>" in text
    assert len(page.reasons) == MOST
    assert "#s-1990" in text
    assert "<td>1,900</td><td>95.0" in text
    assert "shown</strong>" not in save()


def test_every_target_has_a_line_of_its_own_unless_there_is_one(save, make_samples):
    text = save()
    table = text.split('<table class="numbers targets">')[1].split("</table>")[0]
    assert re.findall(r'<th scope="row">(\w+)</th><td>(\d)</td>', table) == [
        ("7", "2"),
        ("9", "1"),
        ("10", "2"),
    ]
    assert "By target" not in save(make_samples(targets=["7"] * 5))


def test_samples_that_are_no_pictures_stand_in_a_table(save, make_samples):
    text = save(make_samples(**PLAIN, nearest_names=[["row 12"]] * 5))
    page = Page(text)
    assert 'class="gallery"' not in text
    assert "url(" not in text
    assert len([a for t, a in page.tags if t == "tr" and "data-o" in a]) == 5
    assert "row 12" in page.reasons[0]


def test_what_is_not_known_is_left_out(save, make_samples):
    fields = {"starts": None, "nearest": None, "nearest_names": (), "targets": None}
    text = save(
        make_samples(**fields, votes=None, axes=[], p_values=np.zeros((5, 0)), evidence=[""] * 5)
    )
    page = Page(text)
    for words in ("target", "nearest real", "judge sees", "p-value", "The evidence", "orange"):
        assert not any(words in reason for reason in page.reasons), words
    assert '<select id="target">' not in text


def test_what_comes_from_outside_is_escaped(save, make_samples):
    evil = "<script>alert(1)</script>\"'&"
    samples = make_samples(
        rules=[evil] * 5,
        evidence=[evil] * 5,
        targets=[evil, *"abcd"],
        axes=[evil, "b", "c"],
        members=[evil, "b"],
        classes=[evil, "b", "c", "none"],
        nearest_names=[[evil, evil]] * 5,
    )
    page = Page(text := save(samples, title=evil, lead=evil, facts={evil: evil}, notes=[evil]))
    assert "<script>alert" not in text
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert page.reasons[0].count(evil) >= 6


def test_a_change_is_drawn_from_blue_over_nothing_to_orange():
    changes = np.array([[[-1.0, 0.0, 1.0, 0.5]]], dtype=np.float32)
    sprite = Sprites().add_changes(changes)
    data = base64.b64decode(sprite.uri.partition(",")[2])
    drawn = np.array(Image.open(io.BytesIO(data)).convert("RGBA"))[1, 1:-1]
    assert drawn[0].tolist() == [*rgb(LESS), 255]
    assert drawn[1, 3] == 0
    assert drawn[2].tolist() == [*rgb(MORE), 255]
    assert 120 <= drawn[3, 3] <= 135


@pytest.mark.parametrize("colour", [MORE, LESS])
@pytest.mark.parametrize("paper", ["#ffffff", "#111418"])
def test_changes_stand_out_on_light_and_dark(colour, paper):
    high, low = sorted((luminance(colour), luminance(paper)), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= 3


def test_many_pictures_make_a_square_sheet_and_keep_their_places():
    pictures = np.arange(7 * 4, dtype=np.float32).reshape(7, 2, 2) / 28
    sprite = Sprites().add_list(pictures)
    assert sprite.shape == (3, 3, 2, 2)
    assert sprite.at(5) == sprite.place(1, 2)


def test_large_pictures_are_shrunk(save, make_samples, tmp_path):
    noise = np.random.default_rng(0).random((5, 300, 200))
    save(make_samples(pictures=noise, starts=noise, nearest=noise[:, None], nearest_names=()))
    assert (tmp_path / "judged.html").stat().st_size < 300_000


def test_something_else_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(TypeError, match="JudgedRecord"):
        save_judged_page(tmp_path / "a.html", ["genuine"], title="", lead="")  # pyright: ignore[reportArgumentType]
    assert not list(tmp_path.iterdir())


def test_what_may_be_believed_is_told_with_its_gaps_and_in_a_few_rows(save):
    rows = [ChosenRow(i, i == 0, np.nan if i == 0 else 0.03, -1.0, 2.0) for i in range(30)]
    left = [ChosenRow(77, False, 0.4, -np.inf, np.inf), ChosenRow(78, False, 0.5, np.nan, np.nan)]
    text = save(chosen=Chosen("Thirty are believed.", "At most 10 % are false.", rows, left))
    page = Page(text)
    assert "Thirty are believed." in text
    assert "At most 10 % are false." in text
    tables = page.of("believed")
    assert len(tables) == 2
    assert "The first 20 of 30; the table beside this page has all." in text
    assert text.count("-1 … 2") == 20
    assert text.count(">unknown<") == 1
    assert text.count("the truth</td>") == 1
    without = save(chosen=Chosen("None.", "", [], []))
    assert without.count('<p class="sub">None.</p>') == 2
    assert "gap of the surrogate" not in without
    alone = save(chosen=Chosen("None.", "", [], None))
    assert "Which to believe</h2>" in alone
    assert "imulate next" not in alone
    assert "simulate next" not in save()
