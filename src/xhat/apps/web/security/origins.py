"""Who may ask: pages of this very server, under a name that it was given.

A page of another site can make a browser send requests here, with our cookies. It can neither set
a header of its own without being allowed to, nor hide where the request comes from; so a change
must carry ``X-Xhat: 1``, come as JSON or bytes, and come from the same origin. By a name that
points at 127.0.0.1 (DNS rebinding) another site could even pretend to be the same origin; so only
names that the server was given are answered.

Sources: OWASP, "Cross-Site Request Forgery Prevention Cheat Sheet"; West, "Fetch Metadata Request
Headers", W3C.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from xhat.apps.web.security.errors import header, refuse

__all__ = ["LOCAL", "Hosts", "SameOrigin"]

LOCAL = ("localhost", "127.0.0.1", "[::1]")
"""The names of this machine to itself."""

_SAFE = ("GET", "HEAD", "OPTIONS")
_KINDS = ("application/json", "application/octet-stream")


class Hosts:
    """Answers only requests for one of ``names``, whatever the port, and only HTTP."""

    def __init__(self, app: ASGIApp, names: Iterable[str] = LOCAL) -> None:
        self.app, self.names = app, frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http" and _name(header(scope, "host") or "") not in self.names:
            sentence = (
                "This server does not answer to that host name; start it with --allow-host NAME "
                "to let it."
            )
            await refuse(send, 421, sentence)
            return
        await self.app(scope, receive, send)


class SameOrigin:
    """Lets a change through only if a page of this server asks for it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            refused = self._refusal(scope)
            if refused is not None:
                await refuse(send, *refused)
                return
        await self.app(scope, receive, send)

    @staticmethod
    def _refusal(scope: Scope) -> tuple[int, str] | None:
        site, origin = header(scope, "sec-fetch-site"), header(scope, "origin")
        foreign = site is not None and site != "same-origin"
        if origin is not None:
            foreign = (
                foreign or urlsplit(origin).netloc.lower() != (header(scope, "host") or "").lower()
            )
        if foreign:
            return 403, "A change must come from a page of this server, not from another site."
        if header(scope, "x-xhat") != "1":
            return 403, "A change must carry the header X-Xhat: 1."
        empty = header(scope, "content-length") in (None, "0")
        if empty and header(scope, "transfer-encoding") is None:
            return None
        kind = (header(scope, "content-type") or "").split(";")[0].strip().lower()
        if kind not in _KINDS:
            return 415, f"The body must come as {' or '.join(_KINDS)}."
        return None


def _name(host: str) -> str:
    """Return a Host header without its port, ``[::1]:8000`` → ``[::1]``."""
    host = host.lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
