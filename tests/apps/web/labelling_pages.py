"""A small collection behind its pages, and what an annotator's browser sends."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from httpx2 import Response
from starlette.testclient import TestClient

from xhat.apps import label as labels
from xhat.apps.label import Database, Invitation, Item, Settings
from xhat.apps.label.pages import CLASSROOM, labelling
from xhat.apps.web import build

PAGE = "http://localhost"
OURS = {"X-Xhat": "1", "Origin": PAGE, "Sec-Fetch-Site": "same-origin"}
SECRET = "the-administrators-secret"  # noqa: S105
SETTINGS = Settings(each=2, repeats=0.0, golds=0.0, quota=50)


class Clock:
    """Seconds since 1970 that stand still until they are moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def strokes(k: int) -> Item:
    """Return an image of 28 × 28 unlike that of any other ``k``; its label is a secret."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 6 + k % 14] = 255
    pixels[5 + k // 14, 5:23] = 200
    return Item(pixels, "made", k, label=7, details={"verdict": "adversarial"})


@dataclass
class Collection:
    """A collection, its application, and three invitations."""

    database: Database
    clock: Clock = field(default_factory=Clock)
    settings: Settings = SETTINGS
    seconds: float = 60.0  # that a request waits for the database; machines that run tests are busy

    def __post_init__(self) -> None:
        def fill(connection) -> list[Invitation]:
            labels.create(connection, self.settings, self.clock())
            labels.add_images(connection, [strokes(k) for k in range(60)], self.settings.each)
            return labels.invite(connection, 3, self.clock())

        self.invitations = self.database.write(fill)
        self.start()

    def start(self) -> None:
        """Make the application anew, as a server that is started again."""
        part = labelling(
            self.database,
            self.settings,
            administrator=SECRET,
            clock=self.clock,
            seconds=self.seconds,
        )
        self.app = build(part, rate=CLASSROOM)

    @classmethod
    def at(cls, folder: Path, wait: float = 60.0, **options) -> "Collection":
        url = f"sqlite:///{folder / 'labels.sqlite'}"
        return cls(Database(url, create=True, wait=wait), **options)

    def browser(self) -> "Browser":
        return Browser(TestClient(self.app, base_url=PAGE, raise_server_exceptions=False))

    def annotator(self, k: int = 0) -> "Browser":
        """Return a browser in which the invitation ``k`` was opened."""
        browser = self.browser()
        assert browser.enter(self.invitations[k].token).status_code == 200
        return browser

    def votes(self):
        with self.database.read() as connection:
            return labels.read_votes(connection, self.settings)


class Browser:
    """Sends what the pages send, and remembers the state."""

    def __init__(self, client: TestClient) -> None:
        self.client, self.state = client, {}

    def send(self, method: str, path: str, body: Any = None, **headers: str | None) -> Response:
        told = OURS | {"X-CSRF-Token": self.state.get("csrf", "")} | headers
        kept = {name: value for name, value in told.items() if value is not None}
        answer = self.client.request(method, path, json=body, headers=kept)
        if answer.status_code == 200 and isinstance(answer.json(), dict):
            self.state = answer.json()
        return answer

    def enter(self, token: object, door: str = "label") -> Response:
        return self.send("POST", f"/api/{door}/session", {"token": token})

    def vote(self, shares: Any = None, k: int = 0, **changes: Any) -> Response:
        ticket = self.state["tickets"][k]
        body = {"ticket": ticket["ticket"], "revision": ticket["revision"], "seconds": 1.0}
        body["shares"] = [1.0] + 10 * [0.0] if shares is None else shares
        return self.send("POST", "/api/label/votes", body | changes)

    def undo(self) -> Response:
        ticket, revision = self.state["last"]
        return self.send("POST", "/api/label/undo", {"ticket": ticket, "revision": revision})
