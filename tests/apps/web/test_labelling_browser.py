import time

import pytest
from playwright.sync_api import expect

from tests.apps.conftest import running
from tests.apps.web.labelling_pages import SECRET, Collection
from xhat.apps.label import Settings

PHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}


@pytest.fixture
def collection(tmp_path):
    return Collection.at(tmp_path)


@pytest.fixture
def address(collection):
    collection.clock.now += 1000  # so that what a browser says of its time can be true
    with running(collection.app) as url:
        yield url


@pytest.fixture
def label(collection, address, open_page):
    """Open an invitation, and read the instructions."""

    def opened(k=0, **options):
        page = open_page(f"{address}/label#{collection.invitations[k].token}", **options)
        page.click("#begin")
        page.wait_for_selector("#work:visible")
        return page

    return opened


def count(page, words):
    expect(page.locator("#count")).to_have_text(words)


def sent(page):
    """Wait until nothing is left in the outbox."""
    until = time.monotonic() + 120  # a request that hangs is given up after 8 s, then sent again
    while page.evaluate("JSON.parse(localStorage.getItem('xhat-label-outbox') ?? '[]').length"):
        assert time.monotonic() < until
        page.wait_for_timeout(30)


def test_ten_images_by_keyboard(collection, label):
    page = label()
    for k in range(10):
        expect(page.locator("#work")).to_be_visible()  # the server may be three answers behind
        page.keyboard.press(str(k))
        page.keyboard.press("Enter")
        count(page, f"{k + 1} of 50")
    sent(page)
    votes = collection.votes()
    assert votes.shares.argmax(1).tolist() == list(range(10))
    assert votes.image.tolist() == list(range(10))
    assert (votes.seconds < 30).all()


def test_ten_images_by_mouse(collection, label):
    page = label()
    for k in range(10):
        page.click(f"#keys button:nth-child({k + 1})")
        if k % 2:
            page.click("#none")
        page.click("#next")
        count(page, f"{k + 1} of 50")
    sent(page)
    votes = collection.votes()
    assert votes.shares[::2].max(1).tolist() == [1.0] * 5
    assert votes.shares[1::2, 10].tolist() == [0.5] * 5


def test_several_presses_share_and_backspace_takes_one_back(collection, label):
    page = label()
    for key in ("4", "4", "9", "7", "Backspace"):
        page.keyboard.press(key)
    assert page.inner_text("#said") == "4: 67 %, 9: 33 %"
    page.keyboard.press("Enter")
    count(page, "1 of 50")
    sent(page)
    assert collection.votes().shares[0, [4, 9]].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_sliders_hand_out_points(collection, label):
    page = label()
    page.keyboard.press("f")
    page.locator("#sliders input").nth(3).fill("7")
    page.locator("#sliders input").nth(8).fill("3")
    page.keyboard.press("Enter")
    count(page, "1 of 50")
    page.keyboard.press("5")  # the keys go on working while a slider has the focus
    page.keyboard.press("Enter")
    count(page, "2 of 50")
    sent(page)
    shares = collection.votes().shares
    assert shares[0, [3, 8]].tolist() == pytest.approx([0.7, 0.3])
    assert shares[1, 5] == 1


def test_none_of_them_and_cannot_tell(collection, label):
    page = label()
    for key in ("n", "Enter", "?", "Enter"):
        page.keyboard.press(key)
    count(page, "2 of 50")
    sent(page)
    votes = collection.votes()
    assert votes.shares[0, 10] == 1
    assert votes.unsure.tolist() == [False, True]


def test_nothing_is_sent_without_an_answer(collection, label):
    page = label()
    page.keyboard.press("Enter")
    assert page.is_disabled("#next")
    count(page, "0 of 50")
    assert len(collection.votes()) == 0


def test_undo_brings_the_image_back(collection, label):
    page = label()
    first = page.evaluate("document.getElementById('image').toDataURL()")
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    count(page, "1 of 50")
    sent(page)
    page.keyboard.press("Backspace")
    count(page, "0 of 50")
    assert page.evaluate("document.getElementById('image').toDataURL()") == first
    page.keyboard.press("8")
    page.keyboard.press("Enter")
    count(page, "1 of 50")
    sent(page)
    assert collection.votes().shares.argmax(1).tolist() == [8]


def test_a_reload_goes_on_where_it_was(collection, label):
    page = label()
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    count(page, "1 of 50")
    sent(page)
    shown = page.evaluate("document.getElementById('image').toDataURL()")
    page.reload()
    page.wait_for_selector("#work:visible")  # the instructions were read before
    count(page, "1 of 50")
    assert page.evaluate("document.getElementById('image').toDataURL()") == shown


def test_a_lost_connection_loses_no_vote(collection, label):
    page = label()
    page.context.set_offline(True)
    for key in ("1", "Enter", "2", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector("#offline:visible")
    page.wait_for_function(
        "document.getElementById('offline').innerText.includes('2 answers wait here')"
    )
    assert len(collection.votes()) == 0
    page.context.set_offline(False)
    page.wait_for_selector("#offline", state="hidden")
    sent(page)
    assert collection.votes().shares.argmax(1).tolist() == [1, 2]
    count(page, "2 of 50")


def test_votes_that_wait_survive_a_reload(collection, label):
    page = label()
    page.route("**/api/label/votes", lambda route: route.abort())
    page.keyboard.press("6")
    page.keyboard.press("Enter")
    page.wait_for_selector("#offline:visible")
    page.reload()
    page.unroute("**/api/label/votes")
    sent(page)
    count(page, "1 of 50")
    assert collection.votes().shares.argmax(1).tolist() == [6]


def test_an_answer_that_was_lost_on_its_way_back_is_not_counted_twice(collection, label):
    page = label()

    def lose(route):
        route.fetch()  # the server has it, the page never hears of it
        route.abort()

    page.route("**/api/label/votes", lose)
    page.keyboard.press("6")
    page.keyboard.press("Enter")
    page.wait_for_selector("#offline:visible")
    page.unroute("**/api/label/votes")
    sent(page)
    count(page, "1 of 50")
    assert len(collection.votes()) == 1


def test_two_tabs_of_one_person(collection, label):
    page = label()
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector("#work:visible")
    for tab, key in ((page, "1"), (other, "2")):
        tab.keyboard.press(key)
        tab.keyboard.press("Enter")
        sent(tab)
    other.wait_for_selector("#toast")
    assert "the first answer counts" in other.inner_text("#toast")
    assert collection.votes().shares.argmax(1).tolist() == [1]


def test_the_secret_leaves_the_address(collection, label):
    page = label()
    assert page.url.endswith("/label")
    assert collection.invitations[0].token not in page.content()
    assert page.evaluate("document.cookie") == ""


def test_on_a_phone_by_touch(collection, label):
    page = label(**PHONE)
    for k in range(3):
        page.tap(f"#keys button:nth-child({k + 1})")
        page.tap("#next")
        count(page, f"{k + 1} of 50")
    page.tap("#undo")
    count(page, "2 of 50")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    sent(page)
    assert collection.votes().shares.argmax(1).tolist() == [0, 1]


def test_a_link_that_does_not_open_says_so(address, open_page):
    page = open_page(f"{address}/label#1.forged")
    page.wait_for_selector("#rest:visible")
    assert "cannot be opened" in page.inner_text("#rest")
    page = open_page(f"{address}/label")
    page.wait_for_selector("#rest:visible")
    assert "personal link" in page.inner_text("#rest")


def test_the_end_is_told_and_more_is_offered(tmp_path, open_page):
    collection = Collection.at(tmp_path, settings=Settings(quota=2, repeats=0, golds=0))
    with running(collection.app) as url:
        page = open_page(f"{url}/label#{collection.invitations[0].token}")
        page.click("#begin")
        for key in ("1", "Enter", "2", "Enter"):
            page.keyboard.press(key)
        page.wait_for_selector("#go-on:visible")
        assert "Thank you" in page.inner_text("#rest")
        page.click("#go-on")
        page.wait_for_selector("#work:visible")
        page.keyboard.press("3")
        page.keyboard.press("Enter")
        count(page, "3 answered")


def test_the_administrator_pauses_and_revokes(collection, address, label, open_page):
    page, admin = label(), open_page(f"{address}/admin#{SECRET}")
    admin.wait_for_selector("#open:visible")
    assert admin.url.endswith("/admin")
    admin.click("#pause")
    expect(admin.locator("#pause")).to_have_text("Go on")
    for key in ("1", "Enter", "2", "Enter", "3", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#rest-title")).to_have_text("A break")
    admin.on("dialog", lambda dialog: dialog.accept())
    admin.click("[aria-label='Revoke annotator 1']")
    expect(admin.locator("#who")).to_contain_text("revoked")
    assert "3 of 120" in admin.inner_text("#tiles")
    page.reload()
    expect(page.locator("#rest-title")).to_contain_text("Open")


def test_the_administrator_makes_links_that_open(collection, address, open_page):
    admin = open_page(f"{address}/admin#{SECRET}")
    admin.wait_for_selector("#open:visible")
    admin.fill("#count", "2")
    admin.click("#invite button")
    admin.wait_for_selector("#links:visible")
    links = admin.locator("#list li").all_inner_texts()
    assert len(links) == 2
    page = open_page(links[1])
    page.wait_for_selector("#begin:visible")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(collection, address, label, open_page, least_contrast, scheme):
    page = label(color_scheme=scheme)
    for key in ("4", "9", "f"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert least_contrast(page)[0] >= 4.5
    page.keyboard.press("h")
    assert least_contrast(page)[0] >= 4.5
    admin = open_page(f"{address}/admin#{SECRET}", color_scheme=scheme)
    admin.wait_for_selector("#open:visible")
    assert least_contrast(admin)[0] >= 4.5


def test_the_whole_page_by_tab_alone(collection, label):
    page = label()
    seen = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.innerText[0]"))
    assert {*"0123456789", "none", "unsure", "fine", "help"} <= seen
