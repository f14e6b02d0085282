"""Pages where people say what they see, and where somebody watches over it.

| path | for |
| --- | --- |
| ``/label#TOKEN`` | an annotator; the token stays in the browser: no log or proxy sees it |
| ``/admin#TOKEN`` | the administrator: progress, agreement, annotators, pausing, revoking |

The invitation is exchanged for a session in a cookie. No page shows an annotator a model's opinion,
a label, or what others said.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter

from xhat.apps.label import Database, Settings, open_sessions
from xhat.apps.label.pages.administration import Administration
from xhat.apps.label.pages.sessions import Annotators
from xhat.apps.label.pages.store import Store
from xhat.apps.label.pages.voting import Voting
from xhat.apps.web.part import Part
from xhat.apps.web.security import Rate

__all__ = ["CLASSROOM", "labelling"]

STATIC = Path(__file__).parent / "static"

CLASSROOM = Rate(per_second=400, burst=2_000)
"""What one address may ask for in all, since a whole class may sit behind one."""

_TRIES = Rate(per_second=5, burst=250, prefix="/api/label/session", methods=("POST",))
_ADMIN_TRIES = Rate(per_second=0.5, burst=20, prefix="/api/admin/session", methods=("POST",))


def labelling(
    database: Database,
    settings: Settings,
    *,
    administrator: str,
    clock: Callable[[], float] = time.time,
    seconds: float = 6.0,
) -> Part:
    """Return the pages of a collection.

    Args:
        database: with a collection in it.
        settings: of the collection.
        administrator: the secret of the administrator's link.
        clock: seconds since 1970.
        seconds: that a request waits for the database, before it is told to come again.
    """
    with database.read() as connection:
        known = Annotators(open_sessions(connection, clock()))
    store = Store(database, seconds)
    draw = random.Random().random  # noqa: S311 - which image is repeated is no secret
    router = APIRouter()
    router.include_router(Voting(store, known, settings, clock, draw).router())
    router.include_router(Administration(store, settings, administrator, clock).router())
    return Part(
        "labelling",
        "Label",
        router,
        static=STATIC,
        pages={"/label": "label.html", "/admin": "admin.html"},
        sizes={"/api/label/": 16_384, "/api/admin/": 16_384},
        rates=(
            _TRIES,
            _ADMIN_TRIES,
            Rate(per_second=10, burst=60, key=known.counted, prefix="/api/label/"),
        ),
        check=store.check,
        close=database.close,
    )
