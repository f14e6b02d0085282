"""People's votes: who may give them, of which images, and what they say together."""

from xhat.labels.ballots import Outcome, Receipt, Ticket, answered, cast, last, undo, upcoming
from xhat.labels.collection import (
    Item,
    Settings,
    add_images,
    create,
    digest_of,
    is_paused,
    pause,
    settings_of,
)
from xhat.labels.database import Database
from xhat.labels.order import interleave, take_back
from xhat.labels.people import (
    Invitation,
    Person,
    enter,
    invite,
    leave,
    revoke,
    set_paused,
    who,
)
from xhat.labels.tallies import (
    ImageRow,
    PersonRow,
    Progress,
    image_rows,
    person_rows,
    progress,
    read_votes,
)
from xhat.labels.votes import Ballot, Votes

__all__ = [
    "Ballot",
    "Database",
    "ImageRow",
    "Invitation",
    "Item",
    "Outcome",
    "Person",
    "PersonRow",
    "Progress",
    "Receipt",
    "Settings",
    "Ticket",
    "Votes",
    "add_images",
    "answered",
    "cast",
    "create",
    "digest_of",
    "enter",
    "image_rows",
    "interleave",
    "invite",
    "is_paused",
    "last",
    "leave",
    "pause",
    "person_rows",
    "progress",
    "read_votes",
    "revoke",
    "set_paused",
    "settings_of",
    "take_back",
    "undo",
    "upcoming",
    "who",
]
