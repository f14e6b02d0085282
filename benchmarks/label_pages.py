"""The pictures of the labelling pages in the docs: `python benchmarks/label_pages.py`.

Serves a collection from a temporary folder, lets a random model of annotators fill it, and takes
pictures in Debian's chromium, on a desktop and on a phone. What the administrator's page shows is
therefore made up; the images are MNIST's.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from xhat.apps import label as labels
from xhat.apps.label import Ballot, Database
from xhat.apps.label.schema import tickets

SEED = 4
IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
XHAT = str(Path(sys.executable).with_name("xhat"))
DESKTOP: dict[str, Any] = {"viewport": {"width": 1180, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 760},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
    "color_scheme": "dark",
}


def fill(path: Path) -> None:
    """Let annotators answer: mostly the label, sometimes what it may be confused with."""
    draw = np.random.default_rng(SEED)
    with Database(f"sqlite:///{path}") as database:
        with database.read() as connection:
            settings = labels.settings_of(connection)
            rows = {row.id: row for row in labels.image_rows(connection)}
        if settings is None:
            raise SystemExit("the server made no collection")
        now = time.time() - 3000

        def answer(connection: Any, person: int, careless: float) -> None:
            nonlocal now
            for ticket in labels.upcoming(
                connection, person, settings, now, ahead=1, draw=draw.random
            ):
                image = connection.execute(tickets.select().where(tickets.c.id == ticket.id)).one()
                shares = np.zeros(11)
                shares[rows[image.image].label or 0] = 1.0
                if draw.random() < 0.2:
                    shares[draw.integers(10)] += draw.choice([0.5, 1.0])
                if draw.random() < careless:
                    shares = np.eye(11)[draw.integers(10)]
                took = float(draw.lognormal(0.5, 0.4))
                now += took
                ballot = Ballot.of((shares / shares.sum()).tolist(), 10)
                labels.cast(
                    connection, person, ticket.id, ticket.revision, ballot, now, seconds=took
                )

        for person, count, careless in ((1, 150, 0.02), (2, 120, 0.02), (3, 130, 0.5), (4, 40, 0)):
            for _ in range(count):
                database.write(lambda c, p=person, e=careless: answer(c, p, e))


def take(page: Page, name: str) -> None:
    """Take one picture."""
    page.wait_for_timeout(400)
    page.screenshot(path=IMAGES / f"{name}.png", full_page=name == "label-admin")
    print(IMAGES / f"{name}.png")


def main() -> None:
    """Serve, fill and take pictures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.sqlite"
        command = [XHAT, "label", "serve", "--db", f"sqlite:///{path}", "--port", "0"]
        command += ["--images", "digits:test", "--limit", "150", "--invite", "5", "--golds", "0.15"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        links = []
        for line in server.stdout or ():
            links += re.findall(r"http://\S+", line)
            if "Ctrl-C" in line:
                break
        try:
            fill(path)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path="/usr/bin/chromium", args=["--no-sandbox"]
                )
                page = browser.new_context(**DESKTOP).new_page()
                page.goto(links[3])
                page.click("#begin")
                for key in ("6", "5", "6"):
                    page.keyboard.press(key)
                take(page, "label-desktop")
                page = browser.new_context(**PHONE).new_page()
                page.goto(links[4])
                page.wait_for_selector("#begin:visible")
                take(page, "label-phone-instructions")
                page.tap("#begin")
                page.tap("#keys button:nth-child(8)")
                take(page, "label-phone")
                page = browser.new_context(**DESKTOP).new_page()
                page.goto(links[-1])
                page.wait_for_selector("#open:visible")
                take(page, "label-admin")
                browser.close()
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
