"""The explorer's routes; every one hands over to an explorer."""

import math
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from fastapi import APIRouter, HTTPException, Query, Request, Response

from xhat.apps.explorer import schemas
from xhat.apps.explorer.exploring import Explorer, Frame
from xhat.apps.explorer.gallery import Gallery
from xhat.apps.explorer.pictures import as_bytes, as_image, png
from xhat.apps.explorer.searches import Busy, Channel, Searches
from xhat.apps.explorer.stream import EventStream
from xhat.apps.web.part import Part
from xhat.apps.web.security import Rate

__all__ = ["explorer_part"]

STATIC = Path(__file__).parent / "static"
_DRAWING, _ASKED = 256 * 1024, 16 * 1024  # bytes, besides those of an image
_PAGE, _COLUMNS = 120, 10
_LARGE = 280  # pixels of a side of the picture that is downloaded, or more
_RATES = (
    Rate(per_second=5, burst=100, prefix="/api/explore/search"),
    Rate(per_second=20, burst=100, prefix="/api/explore/draw"),
)


def explorer_part(
    explorer: Explorer,
    gallery: Gallery | None = None,
    *,
    most: int = 24,
    rates: tuple[Rate, ...] = _RATES,
) -> Part:
    """Return the explorer, and the gallery of a results file where there is one.

    Args:
        explorer: what searches and judges.
        gallery: results of earlier searches; None for none.
        most: searches at once.
        rates: how often one client may search and draw.
    """
    searches, pixels = Searches(explorer, most), math.prod(explorer.shape)
    router = APIRouter(prefix="/api/explore", tags=["explore"])
    _add_starts(router, explorer)
    _add_searches(router, searches)
    _add_gallery(router, gallery)

    @router.get("/about")
    def about() -> dict[str, Any]:
        """Say what may be chosen."""
        return schemas.about(explorer) | {
            "gallery": None if gallery is None else {"name": gallery.name, "rows": len(gallery)},
        }

    return Part(
        "explore",
        "Explore",
        router,
        static=STATIC,
        pages={"/explore": "explore.html", "/gallery": "gallery.html"},
        sizes={
            "/api/explore/draw": max(_DRAWING, pixels),
            "/api/explore/search": _ASKED + 4 * pixels // 3,
        },
        rates=rates,
        close=searches.close,
    )


def _add_starts(router: APIRouter, explorer: Explorer) -> None:
    def told(x: torch.Tensor, **more: Any) -> dict[str, Any]:
        return {
            "pixels": schemas.encoded(x, explorer),
            "surrogate": [round(share, 4) for share in explorer.reading(x)],
            **more,
        }

    @router.get("/sample")
    def sample(
        label: Annotated[int, Query(ge=0, lt=2**31)],
        number: Annotated[int, Query(ge=0, le=10**6)] = 0,
    ) -> dict[str, Any]:
        """Return a real sample of a class; numbers beyond the last begin again."""
        try:
            index, x = explorer.sample(label, number)
        except ValueError as error:
            raise HTTPException(422, _sentence(error)) from error
        return told(x, index=index, label=label)

    @router.post("/draw")
    async def draw(
        request: Request, width: Annotated[int, Query(ge=1, le=4096)] = _LARGE
    ) -> dict[str, Any]:
        """Make an image of a drawing: row by row, a byte for each channel of a pixel."""
        raw, (c, *_) = await request.body(), explorer.shape
        if not raw or len(raw) % (c * width):
            raise HTTPException(422, f"A drawing must be rows of {width} pixels of {c} bytes.")
        try:
            shape = c, len(raw) // (c * width), width
            x = explorer.drawn(as_image(raw, shape, 0.0, 1.0)[0])
        except ValueError as error:
            raise HTTPException(422, _sentence(error)) from error
        return told(x)


def _add_searches(router: APIRouter, searches: Searches) -> None:
    explorer = searches.explorer

    def tell(frame: Frame) -> dict[str, Any]:
        return schemas.frame(frame, explorer)

    @router.post("/search", response_class=Response)
    async def search(asked: schemas.Asked) -> EventStream:
        """Search, and stream what every step looks at: server-sent events."""
        try:
            question = schemas.question(asked, explorer)
            channel = searches.begin(question, tell)
        except ValueError as error:
            raise HTTPException(422, _sentence(error)) from error
        except Busy as error:
            raise HTTPException(503, str(error), {"retry-after": "3"}) from error
        begun = {"code": explorer.code(question), "steps": question.steps}
        return EventStream(_events(searches, channel, begun), lambda: _leave(channel))

    @router.get("/result/{name}.{kind}", response_class=Response)
    def result(name: str, kind: str) -> Response:
        """Return what was found, as Parquet or PNG."""
        found = searches.finding(name)
        if found is None or kind not in ("parquet", "png"):
            raise HTTPException(404, "That result is not kept any more; search again.")
        if kind == "png":
            c, h, w = explorer.shape
            raw = np.frombuffer(as_bytes(found.result.x, *explorer.limits), np.uint8)
            picture = raw.reshape((h, w) if c == 1 else (h, w, c))
            large = png(picture, -(-_LARGE // max(h, w)))
            return _download(large, "image/png", "result.png")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "results.parquet"
            found.result.save(path, found.columns)
            raw = path.read_bytes()
        return _download(raw, "application/vnd.apache.parquet", "results.parquet")


async def _events(
    searches: Searches, channel: Channel, begun: dict[str, Any]
) -> AsyncIterator[tuple[str, Any]]:
    yield "begun", begun
    async for name, data in channel:
        if name == "found":
            found = searches.finding(data)
            if found is not None:
                yield "found", schemas.finding(data, found, searches.explorer)
        else:
            yield name, data


def _leave(channel: Channel) -> None:
    channel.unwanted = True


def _add_gallery(router: APIRouter, gallery: Gallery | None) -> None:
    def opened(request: Request) -> tuple[Gallery, dict[str, str], np.ndarray, int]:
        if gallery is None:
            raise HTTPException(404, "No results were opened; start with --results FILE.")
        wanted = {k: v[:200] for k, v in request.query_params.items() if k in gallery.values}
        page = request.query_params.get("page", "0")
        if not (page.isascii() and page.isdigit() and len(page) < 7):
            raise HTTPException(422, "page: it must be a whole number from 0.")
        return gallery, wanted, gallery.find(wanted), int(page)

    @router.get("/gallery")
    def rows(request: Request) -> dict[str, Any]:
        """Return one page of the rows that fit, and how many would fit other filters."""
        shown, wanted, found, page = opened(request)
        return {
            "name": shown.name,
            "total": len(found),
            "page": _PAGE,
            "columns": _COLUMNS,
            "size": [int(side) for side in shown.pictures.shape[1:3]],
            "starts": shown.starts is not None,
            "facets": shown.facets(wanted) if page == 0 else None,
            "rows": shown.rows(found[page * _PAGE : (page + 1) * _PAGE]),
        }

    @router.get("/gallery/sheet.png", response_class=Response)
    def sheet(request: Request) -> Response:
        """Return the pictures of one page, side by side."""
        shown, _, found, page = opened(request)
        some = found[page * _PAGE : (page + 1) * _PAGE]
        if not len(some):
            raise HTTPException(404, "There is no such page.")
        headers = {"cache-control": "private, max-age=300"}
        return Response(png(shown.sheet(some, _COLUMNS)), media_type="image/png", headers=headers)


def _download(raw: bytes, kind: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(raw, media_type=kind, headers=headers)


def _sentence(error: Exception) -> str:
    said = str(error)
    return said[:1].upper() + said[1:]
