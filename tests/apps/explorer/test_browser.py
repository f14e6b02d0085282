"""The explorer in a real browser: what a newcomer does first."""

import time

import pyarrow.parquet as pq
import pytest

from tests.apps.conftest import running
from tests.apps.explorer.application import application
from tests.apps.explorer.test_gallery import save
from tests.apps.web.browser import page_of
from xhat.apps.explorer.gallery import Gallery

EVIL = "<img src=x onerror='document.title=1'>"
ROWS = 10_000


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    columns = {
        "verdict": [
            ("genuine", "adversarial", "mistaken", "off_manifold")[k % 4] for k in range(ROWS)
        ],
        "start_label": [k // 10 % 10 for k in range(ROWS)],
        "target": [k % 10 for k in range(ROWS)],
        "method": [EVIL if k == 1 else ("retrieval", "plain")[k % 2] for k in range(ROWS)],
    }
    path, _ = save(tmp_path_factory.mktemp("results"), rows=ROWS, columns=columns)
    with running(application(Gallery.open(path))) as address:
        yield address


def draw(page, points):
    """Draw a stroke on the sheet, in shares of its side."""
    box = page.locator("#pad").bounding_box()
    (x, y), *rest = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in points]
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in rest:
        page.mouse.move(x, y, steps=6)
    page.mouse.up()


def finish(page, seconds=30):
    """Wait for the verdict of every lane."""
    page.wait_for_selector("#go:visible", timeout=1000 * seconds)
    return page.locator(".verdict:visible h3").all_inner_texts()


def test_draw_a_one_by_mouse_and_turn_it_into_a_seven(site, chromium):
    with page_of(chromium, site + "/explore") as page:
        page.click("#clear")
        assert page.locator("#go").is_disabled()
        draw(page, [(0.5, 0.15), (0.5, 0.85)])
        page.wait_for_function(
            "() => document.getElementById('reading').textContent.includes('reads a 1')"
        )
        page.click("#targets >> text=7")
        assert page.locator("#go").inner_text() == "Turn it into a 7"
        page.click("#go")
        verdicts = finish(page)
        assert len(verdicts) == 1
        assert verdicts[0]
        shares = page.locator(".classifier .bar-row").get_attribute("aria-label")
        assert shares.startswith("7 with")
        assert page.locator(".near-row canvas").count() == 3
        assert page.locator(".f-moved").inner_text() != "0.0"


def test_scrub_and_play_again_and_see_what_changed(site, chromium):
    with page_of(chromium, site + "/explore") as page:
        page.click("#go")
        finish(page)
        at = page.locator(".at")
        last = int(at.input_value())
        assert page.locator(".f-step").inner_text() == str(last) == "10"  # the levels of flow
        picture = "document.querySelector('.now').toDataURL()"
        end = page.evaluate(picture)
        at.focus()
        page.keyboard.press("Home")
        assert page.locator(".f-moved").inner_text() == "0.0"
        start = page.evaluate(picture)
        assert start == page.evaluate("document.querySelector('.start').toDataURL()") != end
        page.keyboard.press("ArrowRight")
        assert at.input_value() == "1"
        page.keyboard.press("End")
        assert page.evaluate(picture) == end
        page.check(".changed")
        assert page.evaluate(picture) != end
        page.click(".play")
        page.wait_for_function(
            f"() => document.querySelector('.at').value === '{last}'", timeout=60_000
        )


def test_two_methods_side_by_side(site, chromium):
    with page_of(chromium, site + "/explore") as page:
        page.click("#compare")
        assert page.locator(".lane").count() == 2
        page.click("#go")
        assert len(finish(page)) == 2
        assert page.locator(".lane h2").all_inner_texts() == ["flow", "plain"]
        code = page.locator(".code code").all_text_contents()
        assert ['method="flow"' in code[0], 'method="plain"' in code[1]] == [True, True]
        page.click("#compare")
        assert page.locator(".lane").count() == 1


def test_nothing_is_shown_between_a_start_and_what_was_looked_up(site, chromium):
    with page_of(chromium, site + "/explore") as page:
        page.select_option("#method-Method", "retrieval")
        record = """
          window.seen = new Set();
          const now = document.querySelector('.now');
          const look = () => { seen.add(now.toDataURL()); requestAnimationFrame(look); };
          look();
        """
        page.evaluate(record)
        page.click("#go")
        finish(page)
        assert page.locator(".at").input_value() == "1"
        assert page.evaluate("seen.size") == 2  # the start and the result
        assert "no way leads there from the start" in page.locator(".lane-head").inner_text()


def test_weights_and_constraints_reach_the_search(site, chromium):
    with page_of(chromium, site + "/explore") as page:
        page.select_option("#method-Method", "plain")
        page.click(".method summary")
        page.select_option("#method-Method-structure", "left")
        assert page.locator("#method-Method-radius").is_disabled()
        page.locator("#method-Method-max_steps").fill("5")
        page.click("#go")
        finish(page)
        code = page.locator(".code code").text_content()
        assert "max_steps=5" in code
        assert "constraints=[xhat.Fixed(" in code
        rows = "[...document.querySelector('.now').getContext('2d').getImageData(0, 0, 4, 8).data]"
        was = rows.replace(".now", ".start")
        assert page.evaluate(rows) == page.evaluate(was)


def test_go_on_from_a_result_stop_and_download(site, chromium, tmp_path):
    with page_of(chromium, site + "/explore", accept_downloads=True) as page:
        page.select_option("#method-Method", "plain")
        page.click("#go")
        finish(page)
        with page.expect_download() as download:
            page.click(".parquet")
        download.value.save_as(tmp_path / "results.parquet")
        assert pq.read_table(tmp_path / "results.parquet")["target"].to_pylist() == [8]
        page.click(".onward")
        page.click("#targets >> text=0")
        page.select_option("#method-Method", "latent")
        page.click("#go")
        page.wait_for_function("() => Number(document.querySelector('.at').max) > 2")
        page.click("#stop")
        page.wait_for_selector("#go:visible")
        assert page.locator(".verdict:visible").count() == 0


def test_everything_by_keyboard(site, chromium):
    with page_of(chromium, site + "/explore") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        for _ in range(40):
            page.keyboard.press("Tab")
            if (
                page.evaluate("document.activeElement.getAttribute('aria-label')")
                == "Take a real 5"
            ):
                break
        page.keyboard.press("Enter")
        page.wait_for_selector("#takes [aria-pressed=true] >> text=5")
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.getAttribute('role')") == "radio":
                break
        page.keyboard.press("ArrowLeft")
        assert page.locator("#go").inner_text() == "Turn it into a 7"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert finish(page)


def test_what_is_wrong_is_said(site, chromium):
    with page_of(chromium, site + "/explore", expected="503") as page:
        refuse = {"status": 503, "body": '{"error": "24 searches are running."}'}
        page.route("**/api/explore/search", lambda route: route.fulfill(**refuse))
        page.click("#go")
        page.wait_for_selector("#banner >> text=24 searches are running.")
        page.unroute("**/api/explore/search")
        page.click("#go")
        assert finish(page)
        assert page.locator("#banner").count() == 0


def test_the_gallery_filters_and_only_what_is_in_sight_exists(site, chromium):
    with page_of(chromium, site + "/gallery") as page:
        assert page.locator("#count").inner_text() == "10,000 results"
        page.wait_for_selector(".tile >> text=0 → 1")
        assert page.locator(".tile").count() < 200
        assert page.title() == "xhat: gallery of results"
        assert page.locator("img").count() == 0  # what a file says is text
        page.mouse.wheel(0, 150_000)
        page.wait_for_function("() => document.querySelector('.tile')?.ariaPosInSet > 1000")
        assert page.locator(".tile").count() < 200
        page.select_option("#filter-verdict", "genuine")
        page.wait_for_function(
            "() => document.getElementById('count').textContent === '2,500 results'"
        )
        page.select_option("#filter-target", "4")
        page.wait_for_function(
            "() => document.getElementById('count').textContent === '500 results'"
        )
        page.reload()
        page.wait_for_selector("html[data-ready=yes]")
        assert page.locator("#count").inner_text() == "500 results"
        page.locator(".tile").first.click()
        title = page.locator("#one-title").inner_text()
        page.keyboard.press("ArrowRight")
        assert page.locator("#one-title").inner_text() != title
        assert "genuine" in page.locator("#one-facts").inner_text()
        page.keyboard.press("Escape")
        assert page.locator("#one").is_hidden()


@pytest.mark.parametrize("path", ["/explore", "/gallery"])
def test_a_phone_needs_no_sideways_scrolling(site, chromium, path):
    options = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with page_of(chromium, site + path, **options) as page:
        if path == "/explore":
            page.click("#compare")
            page.click("#go")
            finish(page)
        wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= 390


def test_the_first_page_is_light_and_quick(site, chromium):
    context = chromium.new_context()
    page, sizes = context.new_page(), []
    page.on("requestfinished", lambda r: sizes.append(r.sizes()["responseBodySize"]))
    began = time.perf_counter()
    page.goto(site + "/explore")
    page.wait_for_selector("html[data-ready=yes]")
    seconds = time.perf_counter() - began
    context.close()
    assert sum(sizes) < 300_000
    assert seconds < 60  # on a machine that does other things; benchmarks/explorer.py measures


CONTRAST = """
() => {
  const linear = (c) => (c <= 10.31 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const parse = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.8) return colour;
    }
    return parse(getComputedStyle(document.body).backgroundColor);
  };
  const written = (node) => node.nodeType === 3 && node.textContent.trim();
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    if (![...element.childNodes].some(written)) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(":disabled, .skip, .hint, .asleep, canvas")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push([element.className, element.textContent.slice(0, 30), ratio]);
  }
  return found;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(site, chromium, scheme):
    """WCAG 2.2, 1.4.3: at least 4.5:1."""
    with page_of(chromium, site + "/explore", color_scheme=scheme) as page:
        page.select_option("#method-Method", "plain")
        page.click("#go")
        finish(page)
        for summary in page.locator("summary").all():
            summary.click()
        page.wait_for_timeout(500)  # until what fades in has
        assert page.evaluate(CONTRAST) == []
        page.goto(site + "/gallery")
        page.wait_for_selector(".tile >> text=0 → 1")
        assert page.evaluate(CONTRAST) == []


NAMELESS = """
() => [...document.querySelectorAll("button, a, input, select, [role=img], canvas")]
  .filter((e) => e.checkVisibility())
  .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length))
  .map((e) => e.outerHTML.slice(0, 120))
"""


def test_everything_has_a_name(site, chromium):
    with page_of(chromium, site + "/explore") as page:
        page.select_option("#method-Method", "plain")
        page.click(".method summary")
        page.click("#go")
        finish(page)
        assert page.evaluate(NAMELESS) == []
