"""Answers that are errors: always JSON, always one sentence, never a traceback."""

import json
import logging
from collections.abc import Mapping

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Errors", "header", "refuse"]

_log = logging.getLogger("xhat.apps.web")


async def refuse(
    send: Send, status: int, sentence: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with a status and one sentence, ``{"error": sentence}``."""
    body = json.dumps({"error": sentence}).encode()
    told = {"content-type": "application/json", "content-length": str(len(body))} | dict(
        headers or {}
    )
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def header(scope: Scope, name: str) -> str | None:
    """Return a header of a request; None where it is absent."""
    return HTTPConnection(scope).headers.get(name)


class Errors:
    """Turns what no route expected into a plain 500; what happened is logged, not told."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer for what fails."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, note)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            if begun:
                raise  # half an answer is out; the server must cut the connection
            await refuse(send, 500, "Something went wrong on the server; its log says what.")
