"""A real browser: Debian's chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no chromium; apt-get install chromium to try the pages in it"
)


@contextmanager
def browser() -> Iterator:
    """Yield a browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield found
        finally:
            found.close()


@contextmanager
def page_of(found, address: str, expected: str | None = None, **options) -> Iterator:
    """Yield a page; afterwards, fail if its console told of an error that was not expected."""
    context = found.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    try:
        page.goto(address)
        page.wait_for_selector("html[data-ready=yes]")
        yield page
        assert [each for each in wrong if expected is None or expected not in each] == []
    finally:
        context.close()
