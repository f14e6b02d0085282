"""A page in a real browser, whose console is listened to."""

from collections.abc import Iterator
from contextlib import contextmanager


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
