"""From parts to an application: routes, static files, and the guard before them."""

import html
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xhat import __version__
from xhat.apps.web import security
from xhat.apps.web.assets import Asset, Assets
from xhat.apps.web.part import Part
from xhat.apps.web.security import Rate
from xhat.apps.web.security.origins import LOCAL

__all__ = ["Heads", "Problem", "build"]

STATIC = Path(__file__).parent / "static"
"""The folder with what all pages share."""

EVERYTHING = Rate(per_second=100, burst=400)
"""What one address may ask for in all; of single routes, parts say more."""

_UNKNOWN = "There is no such page."


class Problem(BaseModel):
    """An answer that is an error: one sentence."""

    error: str


class Health(BaseModel):
    """The answer where all is well."""

    status: Literal["ok"] = "ok"


def build(
    *parts: Part, hosts: Iterable[str] = (), rate: Rate = EVERYTHING, title: str = "xhat"
) -> FastAPI:
    """Return the application of these parts.

    Args:
        parts: at least one; ``/`` leads to the first page of the first of them.
        hosts: names that it answers to besides ``localhost``, ``127.0.0.1`` and ``[::1]``.
        rate: what one address may ask for in all.
        title: of the schema at ``/api/openapi.json``.

    Raises:
        ValueError: no part, two of one name, or a page whose file does not exist.

    Example:
        >>> from fastapi import APIRouter
        >>> app = build(Part("hello", "Hello", APIRouter()))
        >>> any(route.path == "/api/openapi.json" for route in app.routes)
        True
    """
    names = [part.name for part in parts]
    if not parts or len(set(names)) < len(names):
        raise ValueError(f"an application needs parts of different names, but has {names}.")
    app = FastAPI(
        title=title,
        version=__version__,
        docs_url=None,  # those pages would load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=_closing(parts),
        middleware=_guard(parts, hosts, rate),
        responses=_PROBLEMS,
    )
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _misread)
    for part in parts:
        app.include_router(part.router)
    app.add_api_route("/api/health", _health(parts), tags=["health"])
    _add_files(app, parts)
    return app


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 403, 404, 408, 413, 415, 421, 422, 429, 503)
}


def _closing(parts: Sequence[Part]) -> Any:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for part in parts:
            part.close()

    return lifespan


def _health(parts: Sequence[Part]) -> Any:
    async def health() -> Health:
        """Say whether every part can do what it is for; 503 where one cannot."""
        for part in parts:
            await part.check()
        return Health()

    return health


def _guard(parts: Sequence[Part], hosts: Iterable[str], rate: Rate) -> list[Middleware]:
    sizes = {prefix: most for part in parts for prefix, most in part.sizes.items()}
    rates = [rate, *(each for part in parts for each in part.rates)]
    return [
        Middleware(security.Headers),
        Middleware(security.Errors),
        Middleware(security.Hosts, names=(*LOCAL, *hosts)),
        Middleware(security.Rates, rates=rates),
        Middleware(security.SameOrigin),
        Middleware(security.Sizes, sizes=sizes),
        Middleware(Heads),
    ]


def _add_files(app: FastAPI, parts: Sequence[Part]) -> None:
    assets = app.state.assets = Assets()
    assets.add_folder(STATIC)
    for part in parts:
        if part.static is not None:
            assets.add_folder(part.static, f"{part.name}/")
            for path, name in part.pages.items():
                app.add_api_route(path, _page(part, parts, name), include_in_schema=False)

    async def static(name: str, request: Request) -> Response:
        asset = assets.get(name)
        if asset is None or name.endswith(".html"):
            raise HTTPException(404, _UNKNOWN)
        return asset.answer(request)

    app.add_api_route("/static/{name:path}", static, include_in_schema=False)
    home = next((part.home for part in parts if part.home is not None), None)
    if home not in (None, "/"):
        app.add_api_route("/", lambda: RedirectResponse(home), include_in_schema=False)


def _page(part: Part, parts: Sequence[Part], name: str) -> Any:
    if part.static is None or not (part.static / name).is_file():
        raise ValueError(f"the part {part.name} has no file {name} for a page.")
    text = (part.static / name).read_text(encoding="utf-8")
    asset = Asset.of(text.replace("{{nav}}", _nav(part, parts)).encode(), ".html")

    async def page(request: Request) -> Response:
        return asset.answer(request)

    return page


def _nav(here: Part, parts: Sequence[Part]) -> str:
    """Return links to all parts that are listed; nothing where that is one."""
    listed = [part for part in parts if part.listed and part.home is not None]
    if len(listed) < 2:
        return ""
    links = "".join(
        f'<a href="{html.escape(str(part.home))}"{" aria-current=page" * (part is here)}>'
        f"{html.escape(part.title)}</a>"
        for part in listed
    )
    return f'<nav class="parts" aria-label="Pages">{links}</nav>'


async def _told(_: Request, error: Exception) -> Response:
    status, detail = getattr(error, "status_code", 500), str(getattr(error, "detail", error))
    detail = {"Not Found": _UNKNOWN, "Method Not Allowed": "That cannot be done here."}.get(
        detail, detail
    )
    return JSONResponse({"error": detail}, status, headers=getattr(error, "headers", None))


async def _misread(_: Request, error: Exception) -> Response:
    """Say of a request that does not fit its route what is wrong first."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    where = ".".join(str(place) for place in first.get("loc", ())[1:]) or "the request"
    said = str(first.get("msg", "it cannot be read")).strip().rstrip(".")
    return JSONResponse({"error": f"{where}: {said}."}, 422)


class Heads:
    """Asks the routes for ``GET`` where a client asks for ``HEAD``, and keeps the body back."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"}, receive, without_body)
