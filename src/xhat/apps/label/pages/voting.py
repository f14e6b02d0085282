"""What an annotator's page asks for: the next images, votes, undoing.

Every answer tells the whole state that the page needs, so that a reload, a second tab or a lost
connection end in the same place. Nothing of a model, a judge or another person is ever in it.
"""

import base64
import math
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from xhat.apps import label as labels
from xhat.apps.label import Ballot, Person, Settings
from xhat.apps.label.pages.sessions import (
    LABEL,
    Annotators,
    begin_session,
    check_change,
    csrf_of,
    end_session,
)
from xhat.apps.label.pages.store import Store

__all__ = ["Voting"]

_Number = Annotated[int, Field(ge=0, lt=2**31)]

_CLOSED = (
    "This invitation cannot be opened: it is mistyped, has expired, or was revoked. Ask whoever "
    "sent it for another."
)
_ENDED = "Your session has ended; open your invitation again."


class Entering(BaseModel):
    """The token of an invitation."""

    token: str = Field(max_length=80)


class Vote(BaseModel):
    """An answer to an image; ``shares`` is null for "cannot tell"."""

    ticket: _Number
    revision: _Number
    shares: Annotated[list[float], Field(max_length=512)] | None
    seconds: Annotated[float, Field(ge=0)] | None = None


class Undoing(BaseModel):
    """A vote to take back."""

    ticket: _Number
    revision: _Number


class Shown(BaseModel):
    """An image to show; pixels in base64, row by row, a byte each or three in colours."""

    ticket: int
    revision: int
    height: int
    width: int
    pixels: str


class State(BaseModel):
    """All that the page needs to know."""

    classes: list[str]
    purpose: str
    quota: int
    done: int
    paused: bool
    tickets: list[Shown]
    last: tuple[int, int] | None
    outcome: str | None = None
    me: int
    csrf: str


_KEPT = 3_600.0  # seconds for which an image waits for the person it was given to
_OFTEN = 60.0  # seconds between looks for images that nobody answered


class Voting:
    """The routes of annotators.

    Args:
        store: of the votes.
        known: the sessions of annotators; those that begin are added.
        settings: of the collection.
        clock: seconds since 1970, by this server.
        draw: uniform numbers in [0, 1), called by the writer only.
    """

    def __init__(
        self,
        store: Store,
        known: Annotators,
        settings: Settings,
        clock: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        self.store, self.known, self.settings = store, known, settings
        self.clock, self.draw = clock, draw
        self._looked = -math.inf

    def router(self) -> APIRouter:
        """Return the routes."""
        routes = APIRouter(prefix="/api/label", tags=["label"])
        routes.add_api_route("/session", self.enter, methods=["POST"])
        routes.add_api_route("/session", self.leave, methods=["DELETE"])
        routes.add_api_route("/state", self.state, methods=["GET"])
        routes.add_api_route("/votes", self.vote, methods=["POST"])
        routes.add_api_route("/undo", self.undo, methods=["POST"])
        return routes

    async def enter(self, body: Entering, request: Request, response: Response) -> State:
        """Open an invitation in this browser."""

        def work(connection: Connection) -> tuple[str, State]:
            entered = labels.enter(connection, body.token, self.clock())
            if entered is None:
                raise HTTPException(403, _CLOSED)
            person, token = entered
            return token, self._state(connection, person, token)

        token, state = await self.store.write(work)
        self.known.add(token, state.me)
        begin_session(request, response, LABEL, token)
        return state

    async def leave(self, request: Request, response: Response) -> None:
        """End the session of this browser."""
        token = check_change(request, LABEL)

        def work(connection: Connection) -> None:
            labels.leave(connection, self._person(connection, token).session, self.clock())

        await self.store.write(work)
        end_session(response, LABEL)

    async def state(self, request: Request) -> State:
        """Return where this person is."""
        token = request.cookies.get(LABEL, "")

        def work(connection: Connection) -> State:
            return self._state(connection, self._person(connection, token), token)

        return await self.store.write(work)

    async def vote(self, body: Vote, request: Request) -> State:
        """Record a vote; the same vote again is acknowledged and changes nothing."""
        token = check_change(request, LABEL)
        try:
            ballot = Ballot.of(body.shares, len(self.settings.classes))
        except (TypeError, ValueError) as error:
            raise HTTPException(422, str(error)) from error

        def work(connection: Connection) -> State:
            person = self._person(connection, token)
            outcome = labels.cast(
                connection,
                person.id,
                body.ticket,
                body.revision,
                ballot,
                self.clock(),
                seconds=body.seconds,
            )
            return self._state(connection, person, token, outcome)

        return await self.store.write(work)

    async def undo(self, body: Undoing, request: Request) -> State:
        """Take back a vote, and show its image again."""
        token = check_change(request, LABEL)

        def work(connection: Connection) -> State:
            person = self._person(connection, token)
            outcome = labels.undo(connection, person.id, body.ticket, body.revision, self.clock())
            return self._state(connection, person, token, outcome)

        return await self.store.write(work)

    def _person(self, connection: Connection, token: str) -> Person:
        person = labels.who(connection, token, self.clock())
        if person is None:
            raise HTTPException(401, _ENDED)
        return person

    def _state(
        self, connection: Connection, person: Person, token: str, outcome: str | None = None
    ) -> State:
        now = self.clock()
        if now - self._looked > _OFTEN:  # only the writer comes here, so one at a time
            labels.take_back(connection, now - _KEPT)
            self._looked = now
        tickets = labels.upcoming(connection, person.id, self.settings, now, draw=self.draw)
        return State(
            classes=list(self.settings.classes),
            purpose=self.settings.purpose,
            quota=self.settings.quota,
            done=labels.answered(connection, person.id),
            paused=person.paused or labels.is_paused(connection),
            tickets=[
                Shown(
                    ticket=each.id,
                    revision=each.revision,
                    height=each.height,
                    width=each.width,
                    pixels=base64.b64encode(each.pixels).decode(),
                )
                for each in tickets
            ],
            last=labels.last(connection, person.id),
            outcome=outcome,
            me=person.id,
            csrf=csrf_of(token),
        )
