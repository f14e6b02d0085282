"""How much may be sent, and how slowly."""

import asyncio
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xhat.apps.web.security.errors import header, refuse

__all__ = ["Sizes"]

_KILO = 1024


class Sizes:
    """Refuses bodies that are larger than their route allows, as soon as that is known.

    What a client says of the length is checked before anything is read; what it does not say is
    counted while it comes.

    Args:
        app: what comes after.
        most: bytes, for every path that ``sizes`` says nothing of.
        sizes: prefix of a path → bytes; the longest prefix counts.
        seconds: that a whole body may take.
    """

    def __init__(
        self,
        app: ASGIApp,
        most: int = 64 * _KILO,
        sizes: Mapping[str, int] | None = None,
        seconds: float = 30.0,
    ) -> None:
        self.app, self.most, self.seconds = app, most, seconds
        self.sizes = sorted((sizes or {}).items(), key=lambda each: -len(each[0]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with a ``receive`` that counts; or refuse."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self._most(scope["path"])
        said = header(scope, "content-length") or "0"
        if not said.isdigit():
            await refuse(send, 400, "The content length must be a whole number.")
        elif int(said) > most:
            await refuse(send, 413, _too_large(most), {"connection": "close"})
        else:
            await self.app(scope, self._counted(receive, most), send)

    def _most(self, path: str) -> int:
        return next((most for prefix, most in self.sizes if path.startswith(prefix)), self.most)

    def _counted(self, receive: Receive, most: int) -> Receive:
        loop = asyncio.get_running_loop()
        left, whole, until = most, False, loop.time() + self.seconds

        async def counted() -> Message:
            nonlocal left, whole
            if whole:  # what comes now is only that the client is gone, whenever that is
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError as error:
                sentence = f"The body must come within {self.seconds:g} seconds."
                raise HTTPException(408, sentence, {"connection": "close"}) from error
            if message["type"] == "http.request":
                left -= len(message.get("body", b""))
                whole = not message.get("more_body", False)
            if left < 0:
                raise HTTPException(413, _too_large(most), {"connection": "close"})
            return message

        return counted


def _too_large(most: int) -> str:
    return f"The body is too large: at most {most // _KILO} kB are taken here."
