"""What the administrator's page asks for: how far, how well, by whom; and to stop somebody."""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from xhat.apps import label as labels
from xhat.apps.label import Agreement, GoldCheck, Settings
from xhat.apps.label.pages.sessions import (
    ADMIN,
    AdminSession,
    AdminSessions,
    begin_session,
    check_csrf,
    end_session,
)
from xhat.apps.label.pages.store import Store

__all__ = ["Administration"]

_CLOSED = "This is not the administrator's link; it is printed where the server was started."
_ENDED = "Open the administrator's link again; it is printed where the server was started."


class Entering(BaseModel):
    """The administrator's token."""

    token: str = Field(max_length=80)


class Pausing(BaseModel):
    """Whether images are given out."""

    paused: bool


class Act(BaseModel):
    """What to do with an annotator."""

    name: str = Field(max_length=80)
    act: Literal["pause", "resume", "revoke"]


class Inviting(BaseModel):
    """How many to invite."""

    count: Annotated[int, Field(ge=1, le=200)] = 1
    days: Annotated[float, Field(gt=0, le=3650)] = 90.0


class Invited(BaseModel):
    """Invitations; the tokens are told once."""

    invitations: list[dict[str, str]]


class Figures(BaseModel):
    """Figures with their names, and what they mean."""

    tiles: list[tuple[str, str]]
    note: str


class Overview(BaseModel):
    """All that the page shows."""

    settings: dict[str, Any]
    paused: bool
    progress: dict[str, int]
    annotators: list[dict[str, Any]]
    agreement: Figures | None
    simulated: int
    csrf: str


_OFTEN = 20.0  # seconds between two looks at how far people agree


class Administration:
    """The routes of the administrator.

    Args:
        store: of the votes.
        settings: of the collection.
        secret: of the administrator's link.
        clock: seconds since 1970.
    """

    def __init__(
        self, store: Store, settings: Settings, secret: str, clock: Callable[[], float]
    ) -> None:
        self.store, self.settings, self.clock = store, settings, clock
        self.sessions = AdminSessions(secret, clock)
        self._known: tuple[float, Figures | None] | None = None

    def router(self) -> APIRouter:
        """Return the routes."""
        routes = APIRouter(prefix="/api/admin", tags=["admin"])
        routes.add_api_route("/session", self.enter, methods=["POST"])
        routes.add_api_route("/session", self.leave, methods=["DELETE"])
        routes.add_api_route("/overview", self.overview, methods=["GET"])
        routes.add_api_route("/paused", self.pause, methods=["POST"])
        routes.add_api_route("/annotators", self.act, methods=["POST"])
        routes.add_api_route("/invitations", self.invite, methods=["POST"])
        return routes

    async def enter(self, body: Entering, request: Request, response: Response) -> Overview:
        """Open the administrator's link in this browser; a session that it had there ends."""
        token = self.sessions.enter(body.token)
        session = None if token is None else self.sessions.recognise(token)
        if token is None or session is None:
            raise HTTPException(403, _CLOSED)
        former = self.sessions.recognise(request.cookies.get(ADMIN, ""))
        if former is not None:
            self.sessions.end(former)
        begin_session(request, response, ADMIN, token)
        return await self._overview(session)

    async def leave(self, request: Request, response: Response) -> None:
        """End the session of this browser."""
        self.sessions.end(self._session(request, response, change=True))
        end_session(response, ADMIN)

    async def overview(self, request: Request, response: Response) -> Overview:
        """Return how the collection stands."""
        return await self._overview(self._session(request, response))

    async def pause(self, body: Pausing, request: Request, response: Response) -> Overview:
        """Give out no further images, or do so again."""
        session = self._session(request, response, change=True)
        await self.store.write(lambda connection: labels.pause(connection, paused=body.paused))
        return await self._overview(session)

    async def act(self, body: Act, request: Request, response: Response) -> Overview:
        """Pause, resume or revoke an annotator."""
        session = self._session(request, response, change=True)

        def work(connection: Connection) -> None:
            if body.act == "revoke":
                labels.revoke(connection, body.name, self.clock())
            else:
                labels.set_paused(connection, body.name, paused=body.act == "pause")

        try:
            await self.store.write(work)
        except ValueError as error:
            raise HTTPException(404, str(error)) from error
        return await self._overview(session)

    async def invite(self, body: Inviting, request: Request, response: Response) -> Invited:
        """Invite further annotators."""
        self._session(request, response, change=True)
        made = await self.store.write(
            lambda c: labels.invite(c, body.count, self.clock(), days=body.days)
        )
        return Invited(invitations=[{"name": each.name, "token": each.token} for each in made])

    def _session(
        self, request: Request, response: Response, *, change: bool = False
    ) -> AdminSession:
        session = self.sessions.recognise(request.cookies.get(ADMIN, ""))
        if session is None:
            raise HTTPException(401, _ENDED)
        if change:
            check_csrf(request, session.csrf)
        fresh = self.sessions.renew(session)
        if fresh is not None:
            begin_session(request, response, ADMIN, fresh)
        return session

    def _agreement(self, connection: Connection) -> Figures | None:
        """Return the figures of agreement, at most once in a while: it reads every vote."""
        now = self.clock()
        if self._known is None or now - self._known[0] > _OFTEN:
            votes = labels.read_votes(connection, self.settings)
            self._known = now, _figures(labels.agreement(votes))
        return self._known[1]

    async def _overview(self, session: AdminSession) -> Overview:
        def look(connection: Connection) -> Overview:
            people = labels.person_rows(connection, self.clock())
            machines = labels.person_rows(connection, self.clock(), simulated=True)
            return Overview(
                settings=asdict(self.settings),
                paused=labels.is_paused(connection),
                progress=asdict(labels.progress(connection)),
                annotators=[_told(each) for each in labels.check_golds(people)],
                agreement=self._agreement(connection),
                simulated=len(machines),
                csrf=session.csrf,
            )

        return await self.store.read(look)


def _told(check: GoldCheck) -> dict[str, Any]:
    row = check.person
    seconds = None if math.isnan(row.seconds) else round(row.seconds, 2)
    return asdict(row) | {"seconds": seconds, "careless": check.careless}


def _figures(found: Agreement) -> Figures | None:
    if not found.votes:
        return None
    tiles = []
    if found.alpha is not None:
        alpha = found.alpha
        tiles.append((f"{alpha.value:.2f}", f"alpha ({alpha.low:.2f} to {alpha.high:.2f})"))
    if found.entropy is not None:
        tiles.append((f"{found.entropy:.2f}", "mean entropy, nats"))
    if found.consistency is not None and found.consistency.pairs:
        same = f"{100 * found.consistency.same:.0f}\u202f%"
        tiles.append((same, f"the same, of {found.consistency.pairs} seen twice"))
    tiles.append((f"{found.unsure}", "could not tell"))
    return Figures(tiles=tiles, note=_NOTE)


_NOTE = (
    "Krippendorff's alpha: 1 is full agreement, 0 what chance gives. Disagreement about ambiguous "
    "images is what is being collected, not an error. Gold images are left out."
)
