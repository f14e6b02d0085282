"""The explorer's pictures in the docs: a real browser, on desktop and phone, light and dark.

Takes a server that runs already, ``xhat explore --results runs/demo/results.parquet``.
"""

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
}
PHONE["device_scale_factor"] = 2
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
STROKES = (  # a three, in shares of the sheet's side
    [(0.3, 0.22), (0.42, 0.14), (0.58, 0.15), (0.66, 0.27), (0.6, 0.4), (0.47, 0.46)],
    [(0.47, 0.46), (0.63, 0.5), (0.71, 0.64), (0.63, 0.8), (0.45, 0.86), (0.29, 0.78)],
)


@contextmanager
def opened(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """Yield a page that is ready."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("html[data-ready=yes]")
    yield page
    context.close()


def draw(page: Any) -> None:
    """Draw a three by mouse."""
    page.click("#clear")
    box = page.locator("#pad").bounding_box()
    for stroke in STROKES:
        points = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=8)
        page.mouse.up()
    page.wait_for_function("() => document.getElementById('reading').textContent.includes('reads')")


def searched(page: Any) -> None:
    """Search, and wait for the verdict; what passes by is gone."""
    page.click("#go")
    page.wait_for_selector("#go:visible", timeout=600_000)
    page.wait_for_selector("#toast", state="detached", timeout=60_000)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--out", type=Path, default=IMAGES)
    arguments = parser.parse_args()
    address, out = arguments.address, arguments.out
    from playwright.sync_api import sync_playwright

    def keep(page: Any, name: str, **options: Any) -> None:
        page.screenshot(path=out / f"explorer-{name}.png", **options)

    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with opened(browser, f"{address}/explore", **DESKTOP) as page:
            draw(page)
            searched(page)
            keep(page, "light", full_page=True)
            page.click("#compare")
            searched(page)
            keep(page, "two", full_page=True)
        with opened(browser, f"{address}/explore", **DESKTOP, color_scheme="dark") as page:
            page.select_option("#method-Method", "latent-robust")
            searched(page)
            keep(page, "dark")
        with opened(browser, f"{address}/explore", **PHONE) as page:
            searched(page)
            page.locator("#stage").evaluate("stage => stage.scrollIntoView()")
            keep(page, "phone")
        with opened(browser, f"{address}/gallery?start=3&method=flow", **DESKTOP) as page:
            page.wait_for_timeout(1000)
            keep(page, "gallery")
        browser.close()


if __name__ == "__main__":
    main()
