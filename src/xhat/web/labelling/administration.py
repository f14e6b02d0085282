"""What the administrator's page asks for: how far, how well, by whom; and to stop somebody."""

import hmac
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field

from xhat import labels
from xhat.labels import Database, PersonRow, Settings
from xhat.web.labelling.doors import ADMIN, check_change, close_door, csrf_of, open_door

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


class Overview(BaseModel):
    """All that the page shows."""

    settings: dict[str, Any]
    paused: bool
    progress: dict[str, int]
    annotators: list[dict[str, Any]]
    simulated: int
    csrf: str


@dataclass(frozen=True)
class Administration:
    """The routes of the administrator.

    Attributes:
        database: of the votes.
        settings: of the collection.
        secret: of the administrator's link.
        clock: seconds since 1970.
    """

    database: Database
    settings: Settings
    secret: str
    clock: Callable[[], float]

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

    def enter(self, body: Entering, request: Request, response: Response) -> Overview:
        """Open the administrator's link in this browser."""
        self._check(body.token, 403, _CLOSED)
        open_door(request, response, ADMIN, body.token)
        return self._overview()

    def leave(self, request: Request, response: Response) -> None:
        """Forget the administrator in this browser."""
        self._check(check_change(request, ADMIN))
        close_door(response, ADMIN)

    def overview(self, request: Request) -> Overview:
        """Return how the collection stands."""
        self._check(request.cookies.get(ADMIN, ""))
        return self._overview()

    def pause(self, body: Pausing, request: Request) -> Overview:
        """Give out no further images, or do so again."""
        self._check(check_change(request, ADMIN))
        self.database.write(lambda connection: labels.pause(connection, paused=body.paused))
        return self._overview()

    def act(self, body: Act, request: Request) -> Overview:
        """Pause, resume or revoke an annotator."""
        self._check(check_change(request, ADMIN))
        try:
            if body.act == "revoke":
                self.database.write(lambda c: labels.revoke(c, body.name, self.clock()))
            else:
                paused = body.act == "pause"
                self.database.write(lambda c: labels.set_paused(c, body.name, paused=paused))
        except ValueError as error:
            raise HTTPException(404, str(error)) from error
        return self._overview()

    def invite(self, body: Inviting, request: Request) -> Invited:
        """Invite further annotators."""
        self._check(check_change(request, ADMIN))
        made = self.database.write(
            lambda c: labels.invite(c, body.count, self.clock(), days=body.days)
        )
        return Invited(invitations=[{"name": each.name, "token": each.token} for each in made])

    def _check(self, token: str, status: int = 401, said: str = _ENDED) -> None:
        if not hmac.compare_digest(token.encode(), self.secret.encode()):
            raise HTTPException(status, said)

    def _overview(self) -> Overview:
        with self.database.read() as connection:
            people = labels.person_rows(connection, self.clock())
            machines = labels.person_rows(connection, self.clock(), simulated=True)
            return Overview(
                settings=asdict(self.settings),
                paused=labels.is_paused(connection),
                progress=asdict(labels.progress(connection)),
                annotators=[_told(each) for each in people],
                simulated=len(machines),
                csrf=csrf_of(self.secret),
            )


def _told(row: PersonRow) -> dict[str, Any]:
    told = asdict(row)
    return told | {"seconds": None if row.seconds != row.seconds else round(row.seconds, 2)}
