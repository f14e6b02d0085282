"""Server-sent events, whose sender learns at once that nobody listens any more."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

__all__ = ["EventStream", "event"]


def event(name: str, data: Any) -> bytes:
    r"""Return one event as it is sent.

    Raises:
        ValueError: a number that JSON does not have.

    Example:
        >>> event("frame", {"step": 1})
        b'event: frame\ndata: {"step":1}\n\n'
    """
    said = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return f"event: {name}\ndata: {said}\n\n".encode()


class EventStream(Response):
    """An answer of events, until there are no more or the client is gone.

    Args:
        events: pairs of a name and what becomes JSON.
        gone: called at the end, however it came.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[tuple[str, Any]], gone: Callable[[], None]) -> None:
        self.events, self.gone, self.background = events, gone, None
        self.status_code = 200
        self.init_headers(_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events; stop as soon as the client hangs up."""
        del scope
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        except OSError:
            pass  # sent to somebody who had just left
        finally:
            self.gone()
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        start: Message = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        async for name, data in self.events:
            body = event(name, data)
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


_HEADERS: Mapping[str, str] = {"cache-control": "no-store", "x-accel-buffering": "no"}


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
