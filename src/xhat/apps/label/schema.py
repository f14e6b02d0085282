"""The tables, for SQLite and PostgreSQL alike.

    about       one row: what is asked, and how
    images      what is shown
    annotators  who may answer, by the hash of their invitation
    sessions    a browser that an invitation was opened in
    tickets     an image that was given to somebody; a vote answers a ticket
    votes       what was said, also what was taken back since

That a ticket is answered once is a rule of the tables (``votes`` has one row for a ticket and its
revision), not of the code that writes to them: whatever is sent twice, replayed or pressed in two
tabs meets it. Undoing keeps the vote, marks it as withdrawn, and gives the ticket its next
revision. Times are seconds since 1970 by the server's clock; no client's clock is ever stored.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

__all__ = ["VERSION", "about", "annotators", "images", "metadata", "sessions", "tickets", "votes"]

VERSION = 1
"""Of these tables; a database of another version is refused."""

metadata = MetaData()

about = Table(
    "about",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("paused", Boolean, nullable=False, default=False),
    Column("created", Float, nullable=False),
)

images = Table(
    "images",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("source", String(200), nullable=False),
    Column("place", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("pixels", LargeBinary, nullable=False),
    Column("label", Integer),
    Column("gold", Boolean, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("details", JSON, nullable=False),
    Index(
        "images_next", "rank", sqlite_where=text("wanted > 0"), postgresql_where=text("wanted > 0")
    ),
)

annotators = Table(
    "annotators",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("hashed", String(64), nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("paused", Boolean, nullable=False, default=False),
    Column("revoked", Float),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("annotator", ForeignKey("annotators.id"), nullable=False, index=True),
    Column("hashed", String(64), nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
)

tickets = Table(
    "tickets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("annotator", ForeignKey("annotators.id"), nullable=False),
    Column("image", ForeignKey("images.id"), nullable=False, index=True),
    Column("repeat", Boolean, nullable=False),
    Column("revision", Integer, nullable=False, default=0),
    Column("answered", Boolean, nullable=False, default=False),
    Column("forgone", Boolean, nullable=False, default=False),
    Column("given", Float, nullable=False),
    UniqueConstraint("annotator", "image", "repeat"),
    Index("tickets_open", "annotator", "answered"),
)

votes = Table(
    "votes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("annotator", ForeignKey("annotators.id"), nullable=False),
    Column("image", ForeignKey("images.id"), nullable=False),
    Column("shares", JSON, nullable=False),
    Column("seconds", Float),
    Column("cast", Float, nullable=False),
    Column("withdrawn", Float),
    UniqueConstraint("ticket", "revision"),
    Index("votes_of", "annotator", "id"),
)
