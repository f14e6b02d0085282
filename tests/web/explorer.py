"""The explorer's application, small, and a server for it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tests.study import small
from xhat.study.exploring import Gallery
from xhat.web import build
from xhat.web.explorer import explorer_part
from xhat.web.security import Rate
from xhat.web.serving import listen

FREELY = Rate(per_second=1000, burst=10_000)


def application(gallery: Gallery | None = None, **options):
    options = {"rates": ()} | options
    return build(explorer_part(small.explorer(), gallery, **options), rate=FREELY)


@contextmanager
def served(app) -> Iterator[str]:
    """Yield the address of a server in a thread of its own."""
    with listen("127.0.0.1", 0) as listening:
        config = uvicorn.Config(app, log_level="error", http="h11", ws="none", lifespan="on")
        config.timeout_graceful_shutdown = 1
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
