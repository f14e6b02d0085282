"""People's votes: who may give them, of which images, and what they say together."""

from xhat.apps.label.agreement import (
    Agreement,
    Alpha,
    Consistency,
    agreement,
    alpha,
    entropy,
    mean_shares,
    pairwise,
    self_consistency,
)
from xhat.apps.label.asking import Asking
from xhat.apps.label.ballots import Outcome, Ticket, answered, cast, last, undo, upcoming
from xhat.apps.label.collection import (
    Item,
    Settings,
    add_images,
    create,
    digest_of,
    is_paused,
    pause,
    settings_of,
    touch,
)
from xhat.apps.label.database import Database
from xhat.apps.label.datasheet import datasheet
from xhat.apps.label.dawid_skene import DawidSkene, dawid_skene
from xhat.apps.label.exporting import export
from xhat.apps.label.importing import Imported, import_folder
from xhat.apps.label.order import interleave, take_back
from xhat.apps.label.people import (
    Invitation,
    Person,
    enter,
    invite,
    leave,
    open_sessions,
    revoke,
    set_paused,
    who,
)
from xhat.apps.label.plain_votes import import_plain
from xhat.apps.label.queries import (
    GoldCheck,
    ImageRow,
    PersonRow,
    Progress,
    check_golds,
    image_rows,
    person_rows,
    progress,
    read_votes,
    wilson,
)
from xhat.apps.label.simulated import Annotator, draw_annotator, simulate
from xhat.apps.label.tables import Gathered, gather
from xhat.apps.label.votes import Ballot, Votes
from xhat.apps.label.writer import UnavailableError

__all__ = [
    "Agreement",
    "Alpha",
    "Annotator",
    "Asking",
    "Ballot",
    "Consistency",
    "Database",
    "DawidSkene",
    "Gathered",
    "GoldCheck",
    "ImageRow",
    "Imported",
    "Invitation",
    "Item",
    "Outcome",
    "Person",
    "PersonRow",
    "Progress",
    "Settings",
    "Ticket",
    "UnavailableError",
    "Votes",
    "add_images",
    "agreement",
    "alpha",
    "answered",
    "cast",
    "check_golds",
    "create",
    "datasheet",
    "dawid_skene",
    "digest_of",
    "draw_annotator",
    "enter",
    "entropy",
    "export",
    "gather",
    "image_rows",
    "import_folder",
    "import_plain",
    "interleave",
    "invite",
    "is_paused",
    "last",
    "leave",
    "mean_shares",
    "open_sessions",
    "pairwise",
    "pause",
    "person_rows",
    "progress",
    "read_votes",
    "revoke",
    "self_consistency",
    "set_paused",
    "settings_of",
    "simulate",
    "take_back",
    "touch",
    "undo",
    "upcoming",
    "who",
    "wilson",
]
