import base64
import io
import json
import threading
import time

import httpx2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from tests.apps.conftest import running
from tests.apps.explorer import small
from tests.apps.explorer.application import application
from tests.apps.explorer.small import THREE
from tests.apps.explorer.test_gallery import save
from tests.apps.web.shell import OURS, PAGE, awaited
from tests.domains import small_digits
from xhat.apps.explorer import Explorer, explorer_part, stream
from xhat.apps.explorer.gallery import Gallery
from xhat.apps.explorer.searches import Channel, Searches
from xhat.apps.web import build
from xhat.engine import Result
from xhat.judges import Outcome
from xhat.task import Cancelled

BYTES = OURS | {"content-type": "application/octet-stream"}
QUICK = {"index": THREE, "target": 8, "method": "plain"}


def client(gallery=None, **options):
    app = application(gallery, **options)
    return TestClient(app, base_url=PAGE, raise_server_exceptions=False)


def events(text):
    for part in text.strip().split("\n\n"):
        name, data = part.split("\n")
        yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def search(web, **asked):
    answer = web.post("/api/explore/search", json=QUICK | asked, headers=OURS)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return list(events(answer.text))


class TestSearch:
    def test_a_search_is_streamed_and_can_be_downloaded(self):
        web = client()
        told = search(web)
        names = [name for name, _ in told]
        assert names == ["begun", *["frame"] * (len(told) - 2), "found"]
        assert "import torch" in told[0][1]["code"]
        frames = [data for name, data in told if name == "frame"]
        first = np.frombuffer(base64.b64decode(frames[0]["x"]), np.uint8)
        start = small_digits().x[THREE, 0]
        assert np.array_equal(first, (255 * start).round().byte().numpy().ravel())
        assert frames[-1]["last"]
        assert frames[-1]["surrogate"][8] > 0.9
        found = told[-1][1]
        assert found["verdict"]
        assert found["evidence"]
        assert len(found["nearest"]) == 3
        raw = web.get(f"/api/explore/result/{found['name']}.parquet").content
        kept = pq.read_table(io.BytesIO(raw))
        assert kept["verdict"].to_pylist() == [found["verdict"]]
        assert kept["start_label"].to_pylist() == [3]
        png = web.get(f"/api/explore/result/{found['name']}.png")
        assert png.headers["content-disposition"] == 'attachment; filename="result.png"'
        picture = np.asarray(Image.open(io.BytesIO(png.content)))
        last = np.frombuffer(base64.b64decode(frames[-1]["x"]), np.uint8).reshape(8, 8)
        assert np.array_equal(picture[::35, ::35], last)

    def test_a_drawing_becomes_a_start(self, tmp_path):
        web = client()
        drawing = np.zeros((144, 144), np.uint8)
        drawing[18:126, 63:81] = 255
        sheet = {"content": drawing.tobytes(), "headers": BYTES}
        made = web.post("/api/explore/draw?width=144", **sheet).json()
        assert max(range(10), key=made["surrogate"].__getitem__) == 1
        told = search(web, index=None, pixels=made["pixels"], target=7)
        raw = web.get(f"/api/explore/result/{told[-1][1]['name']}.parquet").content
        (tmp_path / "r.parquet").write_bytes(raw)
        x0 = Result.load(tmp_path / "r.parquet").x0
        pixels = torch.tensor(list(base64.b64decode(made["pixels"])))
        assert torch.equal((255 * x0).round().long().flatten(), pixels)

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            ({"target": 10}, "target"),
            ({"target": "8"}, "target"),
            ({"target": 1.5}, "target"),
            ({"index": -1}, "index"),
            ({"index": 10_000}, "index"),
            ({"index": None}, "either the index"),
            ({"pixels": "AA"}, "either the index"),
            ({"index": None, "pixels": "AA=="}, "64 bytes"),
            ({"index": None, "pixels": "<script>"}, "base64"),
            ({"index": None, "pixels": "A" * 2000}, "64 bytes"),
            ({"method": "os.system"}, "method must be one of"),
            ({"weights": {"proximity": -1}}, "proximity"),
            ({"weights": {"proximity": "1"}}, "valid"),
            ({"weights": {"__class__": 1}}, "has no '__class__'"),
            ({"weights": {"max_steps": 1e5}}, "max_steps must lie"),
            ({"weights": {"max_steps": 10**400}}, "max_steps"),
            ({"weights": {"max_steps": True}}, "max_steps"),
            ({"weights": {str(i): 0 for i in range(21)}}, "20"),
            ({"structure": "<b>"}, "structure must be one of"),
            ({"model": "evil:net"}, "extra"),
        ],
    )
    def test_nonsense_is_answered_in_a_sentence(self, asked, said):
        web = client()
        answer = web.post("/api/explore/search", json=QUICK | asked, headers=OURS)
        assert answer.status_code == 422
        assert said.lower() in answer.json()["error"].lower()

    @pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
    def test_numbers_that_are_none_are_refused(self, value):
        body = (
            f'{{"index": 0, "target": 1, "method": "plain", "weights": {{"proximity": {value}}}}}'
        )
        headers = OURS | {"content-type": "application/json"}
        answer = client().post("/api/explore/search", content=body, headers=headers)
        assert answer.status_code == 422

    def test_beyond_the_cap_one_is_told_to_come_back(self):
        going, gate = threading.Event(), threading.Event()

        class Slow(Explorer):
            def explore(self, question, on_frame, cancelled=lambda: False):
                going.set()
                gate.wait(10)
                return super().explore(question, on_frame, cancelled)

        slow = small.make(Slow)
        web = TestClient(build(explorer_part(slow, most=1, rates=())), base_url=PAGE)
        first = threading.Thread(target=search, args=(web,))
        first.start()
        going.wait(10)
        answer = web.post("/api/explore/search", json=QUICK, headers=OURS)
        gate.set()
        first.join()
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "3"
        assert answer.json() == {"error": "1 searches are running; try again in a few seconds."}
        assert search(web)[-1][0] == "found"

    def test_a_search_that_fails_says_so_and_not_why(self, caplog):
        class Broken(Explorer):
            def explore(self, question, on_frame, cancelled=lambda: False):
                raise RuntimeError("the secret is 42")

        web = TestClient(build(explorer_part(small.make(Broken))), base_url=PAGE)
        told = search(web)
        assert told[-1] == ("failed", "The search failed on the server; its log says why.")
        assert "the secret is 42" in caplog.text

    def test_who_hangs_up_ends_the_search(self):
        steps = []

        class Watched(Explorer):
            def explore(self, question, on_frame, cancelled=lambda: False):
                def slowly(frame):
                    steps.append(frame.step)
                    time.sleep(0.02)
                    on_frame(frame)

                return super().explore(question, slowly, cancelled)

        part = explorer_part(small.make(Watched), rates=())
        asked = {"index": THREE, "target": 8, "method": "latent", "weights": {"max_steps": 300}}
        asked["weights"] |= {"confidence": 0.995, "rate": 0.01}
        with running(build(part)) as address, httpx2.Client() as web:
            with web.stream(
                "POST", address + "/api/explore/search", json=asked, headers={"X-Xhat": "1"}
            ) as answer:
                next(answer.iter_bytes())
            seen = -1
            while seen != len(steps):  # until nothing more comes
                seen = len(steps)
                time.sleep(1.0)
        assert seen < 250  # of 300

    def test_at_the_end_every_search_is_given_up(self):
        ended = []

        class Endless(Explorer):
            def explore(self, question, on_frame, cancelled=lambda: False):
                while not cancelled():
                    time.sleep(0.01)
                ended.append(question.target)
                raise Cancelled

        searches = Searches(small.make(Endless))

        async def run():
            for target in range(5):
                searches.begin(small.explorer().ask(THREE, target), lambda frame: frame)
            assert searches.running == 5
            searches.close()

        awaited(run())
        assert sorted(ended) == list(range(5))
        assert searches.running == 0


def test_coloured_images_of_any_shape_there_and_back():
    web = client(explorer=small.colours())
    about = web.get("/api/explore/about").json()
    assert (about["shape"], about["classes"]) == ([3, 12, 10], list(small.SHAPES))
    found = web.get("/api/explore/sample?label=2").json()
    pixels = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8).reshape(12, 10, 3)
    sheet = pixels.repeat(4, 0).repeat(4, 1).tobytes()
    drawn = web.post("/api/explore/draw?width=40", content=sheet, headers=BYTES).json()
    assert drawn["pixels"] == found["pixels"]
    told = search(web, index=None, pixels=found["pixels"], target=0)
    png = web.get(f"/api/explore/result/{told[-1][1]['name']}.png").content
    picture = np.asarray(Image.open(io.BytesIO(png)))
    last = np.frombuffer(base64.b64decode(told[-2][1]["x"]), np.uint8).reshape(12, 10, 3)
    assert np.array_equal(picture[::24, ::24], last)


class TestDraw:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "rows of 100 pixels of 1 byte"),
            (bytes(700), "8 x 8 pixels or more, but has 7 x 100"),
            (bytes(10_001), "rows of 100"),
            (b"\x89PNG\r\n\x1a\n" + bytes(1000), "rows of 100"),
        ],
    )
    def test_what_is_no_drawing_is_refused(self, content, said):
        answer = client().post("/api/explore/draw?width=100", content=content, headers=BYTES)
        assert answer.status_code == 422
        assert said in answer.json()["error"]

    def test_a_drawing_may_not_be_too_large(self):
        answer = client().post("/api/explore/draw", content=bytes(300_000), headers=BYTES)
        assert answer.status_code == 413


class TestSample:
    def test_samples_of_a_class_come_one_after_another(self):
        web = client()
        mine = small_digits().labels[small_digits().halves[0]]
        count = int((mine == 3).sum())
        found = [web.get(f"/api/explore/sample?label=3&number={k}").json() for k in (0, 1, count)]
        assert [small_digits().labels[each["index"]].item() for each in found] == [3, 3, 3]
        assert found[0]["index"] == found[2]["index"] != found[1]["index"]

    @pytest.mark.parametrize("query", ["label=10", "label=x", "", "label=1&number=-1"])
    def test_other_classes_are_refused(self, query):
        assert client().get(f"/api/explore/sample?{query}").status_code == 422


class TestGallery:
    @pytest.fixture
    def gallery(self, tmp_path):
        evil = "<img src=x onerror=alert(1)>"
        columns = {
            "verdict": ["genuine", "adversarial"] * 100,
            "target": [k % 10 for k in range(200)],
            "method": [evil] + ["retrieval"] * 199,
        }
        return Gallery.open(save(tmp_path, rows=200, columns=columns)[0])

    def test_pages_hold_what_fits(self, gallery):
        web = client(gallery)
        head = web.get("/api/explore/gallery?verdict=genuine").json()
        assert (head["total"], len(head["rows"]), head["page"]) == (100, 100, 120)
        assert head["facets"]["verdict"] == [["adversarial", 100], ["genuine", 100]]
        second = web.get("/api/explore/gallery?page=1").json()
        assert [row["row"] for row in second["rows"]] == list(range(120, 200))
        assert second["facets"] is None

    def test_a_sheet_holds_the_pictures_of_a_page(self, gallery):
        answer = client(gallery).get("/api/explore/gallery/sheet.png?verdict=genuine")
        assert answer.headers["content-type"] == "image/png"
        sheet = np.asarray(Image.open(io.BytesIO(answer.content)))
        assert sheet.shape == (10 * 28, 10 * 2 * 28)
        assert np.array_equal(
            sheet[:28, 28 * 3 : 28 * 4], gallery.pictures[2]
        )  # the second genuine

    @pytest.mark.parametrize("page", ["-1", "x", "1e3", "99999999", "²"])
    def test_a_page_must_be_a_number(self, gallery, page):
        assert client(gallery).get("/api/explore/gallery", params={"page": page}).status_code == 422

    def test_beyond_the_last_page_there_is_nothing(self, gallery):
        web = client(gallery)
        assert web.get("/api/explore/gallery?page=99").json()["rows"] == []
        assert web.get("/api/explore/gallery/sheet.png?page=99").status_code == 404

    def test_filters_that_are_none_are_ignored_and_values_are_only_values(self, gallery):
        web = client(gallery)
        assert web.get("/api/explore/gallery?colour=red").json()["total"] == 200
        for value in ("' OR 1=1 --", "../../etc/passwd", "<script>", "x" * 5000):
            assert web.get("/api/explore/gallery", params={"target": value}).json()["total"] == 0

    def test_without_a_file_one_is_told_how_to_open_one(self):
        answer = client().get("/api/explore/gallery")
        assert answer.status_code == 404
        assert "--results FILE" in answer.json()["error"]


def test_what_may_be_chosen_is_told(tmp_path):
    about = client(Gallery.open(save(tmp_path)[0])).get("/api/explore/about").json()
    assert {"plain", "retrieval", "diffused"} <= {method["name"] for method in about["methods"]}
    assert about["classes"] == [str(k) for k in range(10)]
    assert about["shape"] == [1, 8, 8]
    assert about["gallery"] == {"name": "results.parquet", "rows": 5}
    assert about["ready"]
    assert about["stage"]["name"] == "ready"
    assert len(about["verdicts"]) == len(Outcome)


@pytest.mark.parametrize("path", ["/explore", "/gallery"])
def test_a_page_is_light_and_has_nothing_inline(path):
    web = client()
    page = web.get(path, headers={"accept-encoding": "gzip"})
    text = page.text
    assert "style=" not in text
    assert "onclick" not in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert "<style" not in text
    assert "<script>" not in text
    names = [name for name in web.app.state.assets if not name.endswith(".html")]
    sent = sum(
        int(
            web.get(f"/static/{name}", headers={"accept-encoding": "gzip"}).headers[
                "content-length"
            ]
        )
        for name in names
    )
    assert sent + len(page.content) < 100_000


@pytest.mark.parametrize("name", ["x", "..%2f..%2fetc%2fpasswd", "a" * 500])
@pytest.mark.parametrize("kind", ["png", "parquet", "exe"])
def test_results_have_names_that_nobody_can_guess(name, kind):
    assert client().get(f"/api/explore/result/{name}.{kind}").status_code == 404


def test_a_full_channel_leaves_out_frames_and_never_the_end():
    async def run():
        channel = Channel(most=3)
        for k in range(10):
            channel.put("frame", k)
        channel.put("frame", "last", lasting=True)
        channel.put("found", "name", lasting=True)
        channel.close()
        return [data async for _, data in channel]

    assert awaited(run()) == [7, 8, 9, "last", "name"]


def test_events_hold_no_numbers_that_json_has_not():
    with pytest.raises(ValueError, match="JSON"):
        stream.event("frame", {"loss": float("nan")})
