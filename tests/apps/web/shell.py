"""A small application, and what a page of it sends."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Body, Request
from starlette.testclient import TestClient

from xhat.apps.web import Part, build
from xhat.apps.web.security import Rate

PAGE = "http://localhost"
OURS = {"X-Xhat": "1", "Origin": PAGE, "Sec-Fetch-Site": "same-origin"}


def part(name="hello", folder: Path | None = None, **options) -> Part:
    router = APIRouter()

    @router.post(f"/api/{name}/double")
    def double(number: float = Body(embed=True)):
        return {"number": 2 * number}

    @router.post(f"/api/{name}/count")
    async def count(request: Request):
        return {"bytes": len(await request.body())}

    @router.get(f"/api/{name}/broken")
    def broken():
        raise RuntimeError("the secret is 42")

    pages = {} if folder is None else {f"/{name}": "page.html"}
    return Part(name, name.title(), router, static=folder, pages=pages, **options)


def client(*parts: Part, **options) -> TestClient:
    options = {"rate": Rate(1000, 1000)} | options
    app = build(*(parts or (part(),)), **options)
    return TestClient(app, base_url=PAGE, raise_server_exceptions=False)


def awaited(coroutine) -> Any:
    """Run a coroutine in a thread of its own; a browser's loop may run in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
