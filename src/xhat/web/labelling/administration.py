"""What the administrator's page asks for: how far, how well, by whom; and to stop somebody."""

import hmac
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from xhat import labels
from xhat.labels import Agreement, Database, GoldCheck, Settings
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
        database: of the votes.
        settings: of the collection.
        secret: of the administrator's link.
        clock: seconds since 1970.
    """

    def __init__(
        self, database: Database, settings: Settings, secret: str, clock: Callable[[], float]
    ) -> None:
        self.database, self.settings = database, settings
        self.secret, self.clock = secret, clock
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

    def _agreement(self, connection: Connection) -> Figures | None:
        """Return the figures of agreement, at most once in a while: it reads every vote."""
        now = self.clock()
        if self._known is None or now - self._known[0] > _OFTEN:
            votes = labels.read_votes(connection, self.settings)
            self._known = now, _figures(labels.agreement(votes))
        return self._known[1]

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
                annotators=[_told(each) for each in labels.check_golds(people)],
                agreement=self._agreement(connection),
                simulated=len(machines),
                csrf=csrf_of(self.secret),
            )


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
