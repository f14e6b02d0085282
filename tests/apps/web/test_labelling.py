import base64
import json
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from tests.apps.web.labelling_pages import OURS, SECRET, Collection, strokes
from xhat.apps import label as labels
from xhat.apps.label import Settings
from xhat.apps.label.pages.sessions import AdminSessions
from xhat.apps.web.security import Buckets, rates


@pytest.fixture
def collection(tmp_path):
    found = Collection.at(tmp_path)
    yield found
    found.database.close()


def test_an_annotator_sees_the_images_and_nothing_else(collection):
    browser = collection.annotator()
    first = browser.state["tickets"][0]
    pixels = np.frombuffer(base64.b64decode(first["pixels"]), np.uint8).reshape(28, 28)
    assert (pixels == strokes(0).pixels).all()
    assert set(first) == {"ticket", "revision", "height", "width", "pixels"}
    assert "adversarial" not in json.dumps(browser.state)


def test_a_vote_is_recorded_and_the_next_image_comes(collection):
    browser = collection.annotator()
    before = [each["ticket"] for each in browser.state["tickets"]]
    assert browser.vote().json()["outcome"] == "recorded"
    after = [each["ticket"] for each in browser.state["tickets"]]
    assert after[:2] == before[1:]
    assert browser.state["done"] == 1
    assert collection.votes().shares[0, 0] == 1


def test_a_replayed_vote_is_one_vote(collection):
    browser = collection.annotator()
    ticket = browser.state["tickets"][0]
    body = {"ticket": ticket["ticket"], "revision": 0, "shares": [1.0] + [0.0] * 10}
    said = [browser.send("POST", "/api/label/votes", body).json()["outcome"] for _ in range(3)]
    assert said == ["recorded", "already recorded", "already recorded"]
    assert len(collection.votes()) == 1


def test_two_tabs_and_two_browsers_show_the_same_and_the_first_counts(collection):
    one, two = collection.annotator(), collection.annotator()
    assert one.state["tickets"] == two.state["tickets"]
    one.vote()
    answer = two.vote([0.0, 1.0] + 9 * [0.0]).json()
    assert answer["outcome"].startswith("another answer was recorded before")
    assert collection.votes().shares[:, 0].tolist() == [1.0]


def test_undoing_shows_the_image_again(collection):
    browser = collection.annotator()
    first = browser.state["tickets"][0]
    browser.vote()
    assert browser.undo().json()["outcome"] == "undone"
    again = browser.state["tickets"][0]
    assert (again["ticket"], again["revision"]) == (first["ticket"], 1)
    assert again["pixels"] == first["pixels"]
    assert len(collection.votes()) == 0
    assert browser.vote(None).json()["outcome"] == "recorded"


def test_cannot_tell_is_null(collection):
    browser = collection.annotator()
    ticket = browser.state["tickets"][0]["ticket"]
    answer = browser.send(
        "POST", "/api/label/votes", {"ticket": ticket, "revision": 0, "shares": None}
    )
    assert answer.json()["outcome"] == "recorded"
    assert collection.votes().unsure.tolist() == [True]


def test_a_wrong_clock_of_the_browser_does_not_matter(collection):
    browser = collection.annotator()
    browser.vote(seconds=1e12)
    collection.clock.now += 3.0
    browser.vote(seconds=2.0)
    assert collection.votes().seconds.tolist() == [0.0, 2.0]


def test_the_servers_clock_may_be_set_back(collection):
    browser = collection.annotator()
    collection.clock.now -= 500.0
    assert browser.vote().json()["outcome"] == "recorded"


@pytest.mark.parametrize(
    "shares",
    [
        [1.0],
        [2.0, -1.0] + 9 * [0.0],
        [0.2] * 11,
        [0.0] * 11,
        [1.0] * 512,
        [1.0] * 513,
        "1",
        {"0": 1},
        [None] * 11,
        [[1.0]] * 11,
        ["a"] * 11,
    ],
)
def test_what_is_no_distribution_is_refused(collection, shares):
    browser = collection.annotator()
    answer = browser.vote(shares)
    assert answer.status_code == 422
    assert "shares" in answer.json()["error"]
    assert len(collection.votes()) == 0


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + 400 * "0"])
def test_numbers_that_are_none_are_refused(collection, number):
    browser = collection.annotator()
    ticket = browser.state["tickets"][0]["ticket"]
    body = f'{{"ticket": {ticket}, "revision": 0, "shares": [{number}{10 * ", 0"}]}}'
    headers = OURS | {"X-CSRF-Token": browser.state["csrf"], "content-type": "application/json"}
    answer = browser.client.post("/api/label/votes", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert len(collection.votes()) == 0


@pytest.mark.parametrize("ticket", [-1, 10**12, "1", 1.5, None, "1; DROP TABLE votes", [1]])
def test_tickets_that_are_none_are_refused_or_unknown(collection, ticket):
    browser = collection.annotator()
    answer = browser.vote(ticket=ticket)
    if answer.status_code == 200:
        assert ticket in ("1", 1)
    else:
        assert answer.status_code == 422
    assert len(collection.votes()) <= 1


def test_nobody_reads_answers_or_undoes_what_another_was_given(collection):
    one, two = collection.annotator(0), collection.annotator(1)
    theirs = one.state["tickets"][0]["ticket"]
    one.vote()
    assert all(each["ticket"] != theirs for each in two.state["tickets"])
    body = {"ticket": theirs, "revision": 0, "shares": [1.0] + 10 * [0.0]}
    unknown = "no such image was given to you"
    assert two.send("POST", "/api/label/votes", body).json()["outcome"] == unknown
    body = {"ticket": theirs, "revision": 0}
    assert two.send("POST", "/api/label/undo", body).json()["outcome"] == unknown
    assert len(collection.votes()) == 1


@pytest.mark.parametrize("token", ["", "1.x", "x", "1." + 43 * "A", "99.y", "' OR 1=1 --", 7, None])
def test_forged_invitations_open_nothing(collection, token):
    answer = collection.browser().enter(token)
    assert answer.status_code in (403, 422)
    assert "set-cookie" not in answer.headers


def test_an_expired_invitation_opens_nothing_and_ends_its_sessions(collection):
    browser = collection.annotator()
    collection.clock.now += 91 * 86_400
    assert collection.browser().enter(collection.invitations[0].token).status_code == 403
    assert browser.vote().status_code == 401


def test_a_session_ends_by_itself(collection):
    browser = collection.annotator()
    collection.clock.now += 15 * 86_400
    assert browser.send("GET", "/api/label/state").status_code == 401
    assert collection.browser().enter(collection.invitations[0].token).status_code == 200


def test_a_revoked_annotator_is_out_at_once(collection):
    browser = collection.annotator()
    collection.database.write(lambda c: labels.revoke(c, "annotator 1", collection.clock()))
    assert browser.vote().status_code == 401
    assert browser.send("GET", "/api/label/state").status_code == 401
    assert collection.browser().enter(collection.invitations[0].token).status_code == 403


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(collection):
    answer = collection.browser().enter(collection.invitations[0].token)
    cookie = answer.headers["set-cookie"].lower()
    for word in ("httponly", "samesite=strict", "path=/"):
        assert word in cookie
    assert collection.invitations[0].token.split(".")[1].lower() not in cookie


@pytest.mark.parametrize("csrf", [None, "", "0" * 64, "ü"])
def test_a_change_without_its_token_is_refused(collection, csrf):
    browser = collection.annotator()
    headers = {"X-CSRF-Token": csrf.encode("latin-1") if csrf else csrf}
    ticket = browser.state["tickets"][0]["ticket"]
    body = {"ticket": ticket, "revision": 0, "shares": None}
    assert browser.send("POST", "/api/label/votes", body, **headers).status_code == 403
    assert browser.send("POST", "/api/label/undo", body, **headers).status_code in (403, 422)
    assert browser.send("DELETE", "/api/label/session", **headers).status_code == 403
    assert len(collection.votes()) == 0


def test_one_sessions_token_for_changes_is_not_anothers(collection):
    one, two = collection.annotator(0), collection.annotator(0)
    two.state["csrf"] = one.state["csrf"]
    assert two.vote().status_code == 403


def test_another_site_cannot_vote(collection):
    browser = collection.annotator()
    ticket = browser.state["tickets"][0]["ticket"]
    body = {"ticket": ticket, "revision": 0, "shares": None}
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert browser.send("POST", "/api/label/votes", body, **foreign).status_code == 403


def test_leaving_ends_the_session(collection):
    browser = collection.annotator()
    assert browser.send("DELETE", "/api/label/session").status_code == 200
    assert browser.send("GET", "/api/label/state").status_code == 401


def test_large_bodies_are_refused(collection):
    browser = collection.annotator()
    answer = browser.vote(seconds=1.0, shares=["x" * 20_000])
    assert answer.status_code == 413


@pytest.fixture
def still(monkeypatch):
    """Let no time pass for the limits of rate, so that they are the same on every machine."""
    monkeypatch.setattr(rates, "Buckets", partial(Buckets, clock=lambda: 0.0))


def look(browser, times, **headers):
    return [browser.send("GET", "/api/label/state", **headers).status_code for _ in range(times)]


def test_a_flood_of_one_annotator_is_slowed_and_others_are_not(still, collection):
    one, two = collection.annotator(0), collection.annotator(1)
    assert look(one, 62) == [200] * 60 + [429] * 2
    assert look(two, 1) == [200]


@pytest.mark.parametrize("cookie", ["junk={}", "xhat-label={}.x", "xhat-label=1.{}", "{}"])
def test_a_flood_behind_junk_cookies_is_counted_by_its_address(still, collection, cookie):
    one, stranger = collection.annotator(0), collection.browser()
    codes = [look(stranger, 1, Cookie=cookie.format(k))[0] for k in range(62)]
    assert codes == [401] * 60 + [429] * 2
    assert look(one, 1) == [200]


def test_further_sessions_and_cookies_of_one_annotator_are_counted_together(still, collection):
    codes = []
    for k in range(4):
        browser = collection.annotator(0)
        browser.client.cookies["junk"] = str(k)
        codes += look(browser, 16)
    assert codes == [200] * 60 + [429] * 4


def test_sessions_are_known_again_after_a_restart(still, collection):
    people = [collection.annotator(k % 3) for k in range(66)]
    collection.start()
    again = [collection.browser() for _ in people]
    for browser, before in zip(again, people, strict=True):
        browser.client.cookies.update(before.client.cookies)
    # of one address only 60 could ask, were they strangers
    assert [look(browser, 1) for browser in again] == [[200]] * 66


def test_a_class_behind_one_address_enters_at_once(collection):
    made = collection.database.write(lambda c: labels.invite(c, 120, collection.clock()))
    codes = {collection.browser().enter(each.token).status_code for each in made}
    assert codes == {200}


def test_a_pause_is_told_and_votes_that_are_open_are_taken(collection):
    browser, admin = collection.annotator(), administrator(collection)
    admin.send("POST", "/api/admin/paused", {"paused": True})
    assert browser.vote().json()["paused"] is True
    for _ in range(2):
        assert browser.vote().json()["outcome"] == "recorded"
    assert browser.state["tickets"] == []


def administrator(collection):
    browser = collection.browser()
    assert browser.enter(SECRET, "admin").status_code == 200
    return browser


def test_the_administrator_sees_how_it_goes(collection):
    browser, admin = collection.annotator(), administrator(collection)
    collection.clock.now += 2
    browser.vote(seconds=1.5)
    overview = admin.send("GET", "/api/admin/overview").json()
    assert overview["progress"] == {"images": 60, "complete": 0, "votes": 1, "wanted": 120}
    first = overview["annotators"][0]
    assert (first["state"], first["votes"], first["seconds"]) == ("active", 1, 1.5)


def test_the_administrator_sees_how_far_people_agree(collection):
    one, two = collection.annotator(0), collection.annotator(1)
    for k in range(6):
        for browser, digit in ((one, k % 2), (two, 0)):
            browser.vote([float(digit == j) for j in range(11)])
    figures = administrator(collection).state["agreement"]
    told = {name.split(" (")[0]: value for value, name in figures["tiles"]}
    assert told["could not tell"] == "0"
    # of three images they agree on, and of three they do not: nominal alpha is 1 - 11/18
    assert float(told["alpha"]) == pytest.approx(1 - (6 / 12) / (2 * 9 * 3 / (12 * 11)), abs=0.006)


def test_the_administrator_pauses_resumes_and_revokes(collection):
    browser, admin = collection.annotator(), administrator(collection)

    def act(what):
        body = {"name": "annotator 1", "act": what}
        overview = admin.send("POST", "/api/admin/annotators", body).json()
        return overview["annotators"][0]["state"]

    browser.vote()
    assert [act("pause"), act("resume"), act("revoke")] == ["paused", "active", "revoked"]
    assert browser.vote().status_code == 401
    nobody = {"name": "eve", "act": "revoke"}
    assert admin.send("POST", "/api/admin/annotators", nobody).status_code == 404


def test_the_administrator_invites(collection):
    admin = administrator(collection)
    made = admin.send("POST", "/api/admin/invitations", {"count": 2}).json()["invitations"]
    assert [each["name"] for each in made] == ["annotator 4", "annotator 5"]
    assert collection.browser().enter(made[1]["token"]).status_code == 200


def admin_token(browser):
    return browser.client.cookies["xhat-admin"]


def test_the_administrators_link_is_in_no_cookie_and_its_session_ends(collection):
    admin, thief = administrator(collection), collection.browser()
    assert SECRET not in admin_token(admin)
    thief.client.cookies["xhat-admin"] = admin_token(admin)
    assert thief.send("GET", "/api/admin/overview").status_code == 200
    assert admin.send("DELETE", "/api/admin/session").status_code == 200
    assert thief.send("GET", "/api/admin/overview").status_code == 401
    thief.client.cookies["xhat-admin"] = SECRET
    assert thief.send("GET", "/api/admin/overview").status_code == 401
    assert administrator(collection).send("GET", "/api/admin/overview").status_code == 200


def test_opening_the_administrators_link_again_ends_the_session_before(collection):
    admin, other = administrator(collection), administrator(collection)
    former = admin_token(admin)
    assert admin.enter(SECRET, "admin").status_code == 200
    assert admin_token(admin) != former
    stale = collection.browser()
    stale.client.cookies["xhat-admin"] = former
    assert stale.send("GET", "/api/admin/overview").status_code == 401
    assert other.send("GET", "/api/admin/overview").status_code == 200


def test_the_administrators_session_gets_another_secret_every_hour(collection):
    admin = administrator(collection)
    former = admin_token(admin)
    collection.clock.now += 3_601
    assert admin.send("GET", "/api/admin/overview").status_code == 200
    assert admin_token(admin) != former
    assert admin.send("POST", "/api/admin/paused", {"paused": True}).status_code == 200
    tab = collection.browser()
    tab.client.cookies["xhat-admin"] = former
    assert tab.send("GET", "/api/admin/overview").status_code == 200  # it was on its way
    collection.clock.now += 61
    assert tab.send("GET", "/api/admin/overview").status_code == 401
    assert admin.send("GET", "/api/admin/overview").status_code == 200


def test_an_answer_with_another_secret_may_be_lost(collection):
    admin = administrator(collection)
    former = admin_token(admin)
    for _ in range(3):
        collection.clock.now += 3_601
        answer = admin.send("GET", "/api/admin/overview")
        assert "set-cookie" in answer.headers
        admin.client.cookies.clear()
        admin.client.cookies["xhat-admin"] = former  # as if it had never come
    assert admin.send("GET", "/api/admin/overview").status_code == 200


@pytest.mark.parametrize(("pause", "times"), [(12 * 3600 + 1, 1), (11 * 3600, 16)])
def test_the_administrators_session_ends_by_itself(collection, pause, times):
    admin = administrator(collection)
    codes = []
    for _ in range(times):
        collection.clock.now += pause
        codes.append(admin.send("GET", "/api/admin/overview").status_code)
    assert codes == [200] * (times - 1) + [401]


def test_only_so_many_sessions_of_the_administrator_are_open():
    sessions = AdminSessions("link", clock=lambda: 0.0)
    tokens = [sessions.enter("link") for _ in range(51)]
    assert sessions.recognise(tokens[0]) is None
    assert all(sessions.recognise(each) for each in tokens[1:])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "overview", None),
        ("POST", "paused", {"paused": True}),
        ("POST", "annotators", {"name": "annotator 1", "act": "revoke"}),
        ("POST", "invitations", {"count": 1}),
    ],
)
def test_annotators_and_strangers_are_no_administrators(collection, method, path, body):
    for browser in (collection.annotator(), collection.browser()):
        answer = browser.send(method, f"/api/admin/{path}", body)
        assert answer.status_code in (401, 403)
    stranger = collection.browser()
    assert stranger.enter(collection.invitations[0].token, "admin").status_code == 403
    assert "set-cookie" not in stranger.enter("x", "admin").headers


def test_guessing_the_administrators_link_is_slowed(collection):
    browser = collection.browser()
    codes = [browser.enter(f"guess {k}", "admin").status_code for k in range(40)]
    assert 429 in codes


def test_names_are_text_however_they_look(collection):
    name = "<img src=x onerror=alert(1)>'; DROP TABLE votes;--"
    collection.database.write(lambda c: labels.invite(c, 1, 0.0, names=[name]))
    admin = administrator(collection)
    overview = admin.send("GET", "/api/admin/overview")
    assert overview.headers["content-type"] == "application/json"
    assert overview.json()["annotators"][-1]["name"] == name
    assert len(collection.votes()) == 0


@pytest.mark.parametrize("path", ["/label", "/admin"])
def test_pages_are_light_and_hold_nothing_inline(collection, path):
    client = collection.browser().client
    page = client.get(path)
    text = page.text
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "<style" not in text
    assert " style=" not in text
    assert " onclick=" not in text
    for opened, closed in pairwise(text.split("<script")[1:]):
        assert opened.endswith("</script>") or closed
    files = [part.split('"')[0] for part in text.replace('src="', 'href="').split('href="')[1:]]
    sizes = [len(client.get(file).content) for file in files if file.startswith("/static")]
    assert len(sizes) >= 3
    assert len(page.content) + sum(sizes) < 100_000


@pytest.mark.parametrize(
    "path", ["/static/../label.sqlite", "/static/%2e%2e/x", "/static/labelling/label.html", "/x"]
)
def test_no_path_leads_out_of_the_folders(collection, path):
    assert collection.browser().client.get(path).status_code == 404


def test_the_quota_and_the_classes_are_those_of_the_collection(tmp_path):
    settings = Settings(classes=("cat", "dog"), quota=3, purpose="results", repeats=0, golds=0)
    collection = Collection.at(tmp_path, settings=settings)
    browser = collection.annotator()
    assert browser.state["classes"] == ["cat", "dog"]
    assert (browser.state["quota"], browser.state["purpose"]) == (3, "results")
    assert browser.vote([0.5, 0.5, 0.0]).json()["outcome"] == "recorded"
    collection.database.close()
