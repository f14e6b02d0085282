"""Who may vote: invitations, the browsers they were opened in, pausing and revoking.

An invitation is a link that ends in ``NUMBER.SECRET``. Opening it begins a session in that browser,
whose own token of the same form travels in a cookie. The number finds the row; of the secret, 256
random bits, only the hash is stored, and compared in constant time. A slow hash is for passwords
that people choose; of 256 random bits nothing can be guessed, however fast the hash. Invitations
and sessions end by time or by hand.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select, update

from xhat.apps.label.schema import annotators, sessions
from xhat.core import check_count, check_positive

__all__ = [
    "Invitation",
    "Person",
    "Secret",
    "enter",
    "invite",
    "leave",
    "matches",
    "new_secret",
    "open_sessions",
    "revoke",
    "set_paused",
    "split_token",
    "who",
]

_BYTES = 32
_LONGEST = 80  # characters that a token may have
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


class Secret(str):
    """A secret in plain text, shown once and stored nowhere; its ``repr`` does not tell it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(...)"

    @property
    def hashed(self) -> str:
        """What is stored."""
        return hashlib.sha256(self.encode()).hexdigest()


def new_secret() -> Secret:
    """Return a new secret of 43 characters that may stand in an address.

    Example:
        >>> new_secret()
        Secret(...)
        >>> len(new_secret())
        43
    """
    return Secret(secrets.token_urlsafe(_BYTES))


def split_token(token: object) -> tuple[int, Secret]:
    """Return the number and the secret of ``NUMBER.SECRET``; (-1, ...) if it is no such thing.

    Example:
        >>> split_token("7.abc")
        (7, Secret(...))
    """
    if not isinstance(token, str) or len(token) > _LONGEST:
        return -1, Secret("")
    number, dot, secret = token.partition(".")
    if not (dot and number.isascii() and number.isdecimal() and len(number) < 10):
        return -1, Secret("")
    return int(number), Secret(secret)


def matches(secret: Secret, hashed: str | None) -> bool:
    """Return whether ``secret`` is the one whose hash is stored; None is nobody's.

    Example:
        >>> secret = new_secret()
        >>> matches(secret, secret.hashed), matches(new_secret(), secret.hashed)
        (True, False)
    """
    same = hmac.compare_digest(secret.hashed, hashed or _NOBODY)
    return same and hashed is not None


_DAY = 86_400.0
_SESSION = 14 * _DAY
_AT_ONCE = 1_000


@dataclass(frozen=True)
class Invitation:
    """What an annotator is given: a name that the administrator knows, and the link's token."""

    id: int
    name: str
    token: str


@dataclass(frozen=True)
class Person:
    """An annotator whose session was recognised."""

    id: int
    name: str
    session: int
    paused: bool


def invite(
    connection: Connection,
    count: int,
    now: float,
    *,
    days: float = 90.0,
    names: Sequence[str] = (),
    simulated: bool = False,
) -> list[Invitation]:
    """Invite ``count`` people; their tokens are told here and never again.

    Args:
        connection: to write through.
        count: how many.
        now: seconds since 1970.
        days: for how long an invitation can be opened.
        names: what to call them, by default ``annotator 1`` and so on.
        simulated: whether they are models of annotators, which can never become human ones.

    Raises:
        ValueError: too many, or a name that is taken or given twice.
    """
    check_positive("days", days)
    if check_count("the number of invitations", count) > _AT_ONCE:
        raise ValueError(f"invite at most {_AT_ONCE} at once, not {count}.")
    had = connection.execute(select(func.coalesce(func.max(annotators.c.id), 0))).scalar_one()
    kind = "simulated" if simulated else "annotator"
    names = list(names) or [f"{kind} {had + 1 + k}" for k in range(count)]
    taken = set(connection.execute(select(annotators.c.name)).scalars())
    if len(names) != count or len({*names}) < count or taken & {*names}:
        raise ValueError(f"there must be {count} names, all different and none taken.")
    if not all(0 < len(name) <= 80 and name.isprintable() for name in names):
        raise ValueError("a name must have 1 to 80 printable characters.")
    made = []
    for name in names:
        secret = new_secret()
        values = {"name": name, "hashed": secret.hashed, "simulated": simulated}
        values |= {"created": now, "expires": now + days * _DAY}
        key = connection.execute(insert(annotators).values(values)).inserted_primary_key
        if key is not None:
            made.append(Invitation(key[0], name, f"{key[0]}.{secret}"))
    return made


def enter(connection: Connection, token: object, now: float) -> tuple[Person, str] | None:
    """Open an invitation: return who it is for, and the token of a new session.

    Returns:
        None if the token is of nobody, has expired, was revoked, or is of a simulated annotator:
        whoever tries is not told which.
    """
    number, secret = split_token(token)
    query = select(annotators).where(annotators.c.id == number)
    row = connection.execute(query).mappings().first()
    fits = matches(secret, None if row is None else row["hashed"])
    if row is None or not fits or not _may_enter(row, now) or row["simulated"]:
        return None
    own = new_secret()
    ends = min(now + _SESSION, row["expires"])
    key = connection.execute(
        insert(sessions).values(annotator=number, hashed=own.hashed, created=now, expires=ends)
    ).inserted_primary_key
    if key is None:
        return None
    return Person(number, row["name"], key[0], row["paused"]), f"{key[0]}.{own}"


def who(connection: Connection, token: object, now: float) -> Person | None:
    """Return whose session this is; None if it is nobody's, has ended, or was revoked."""
    number, secret = split_token(token)
    row = connection.execute(_SESSION_OF, {"number": number}).mappings().first()
    fits = matches(secret, None if row is None else row["session_hashed"])
    if row is None or not fits or not _may_enter(row, now) or row["session_expires"] <= now:
        return None
    return Person(row["id"], row["name"], number, row["paused"])


def open_sessions(connection: Connection, now: float) -> dict[int, tuple[str, int]]:
    """Return the sessions that have not ended: number → hash of the secret, and whose it is."""
    rows = connection.execute(
        select(sessions.c.id, sessions.c.hashed, sessions.c.annotator).where(
            sessions.c.expires > now
        )
    )
    return {row.id: (row.hashed, row.annotator) for row in rows}


def leave(connection: Connection, session: int, now: float) -> None:
    """End a session."""
    connection.execute(update(sessions).where(sessions.c.id == session).values(expires=now))


def revoke(connection: Connection, name: str, now: float) -> None:
    """End somebody's invitation and sessions at once; their votes stay.

    Raises:
        ValueError: there is nobody of that name.
    """
    number = _number(connection, name)
    connection.execute(update(annotators).where(annotators.c.id == number).values(revoked=now))
    connection.execute(update(sessions).where(sessions.c.annotator == number).values(expires=now))


def set_paused(connection: Connection, name: str, *, paused: bool) -> None:
    """Give somebody no further images, or do so again.

    Raises:
        ValueError: there is nobody of that name.
    """
    number = _number(connection, name)
    connection.execute(update(annotators).where(annotators.c.id == number).values(paused=paused))


def _may_enter(row: RowMapping, now: float) -> bool:
    return row["revoked"] is None and now < row["expires"]


def _number(connection: Connection, name: str) -> int:
    found = connection.execute(select(annotators.c.id).where(annotators.c.name == name)).scalar()
    if found is None:
        raise ValueError(f"there is no annotator {name!r}; `xhat label annotators` lists them.")
    return found


_SESSION_OF = (
    select(
        annotators,
        sessions.c.hashed.label("session_hashed"),
        sessions.c.expires.label("session_expires"),
    )
    .join(sessions, sessions.c.annotator == annotators.c.id)
    .where(sessions.c.id == bindparam("number"))
)
