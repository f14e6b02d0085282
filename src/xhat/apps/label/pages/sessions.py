"""Who is behind a cookie: annotators, so that each is counted alone; and the administrator.

The administrator's link opens a session of its own in a browser; the link's secret is in no
cookie. Sessions are kept in memory, as hashes: they end with the server, whose next start prints
another link.

Source: OWASP, "Session Management Cheat Sheet": renewal, time-outs, ending on the server.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection
from starlette.types import Scope

from xhat.apps.label.pages.cookies import LABEL
from xhat.apps.label.tokens import Secret, matches, new_secret, split_token
from xhat.apps.web.security import client_address

__all__ = ["AdminSession", "AdminSessions", "Annotators"]

_HOUR = 3_600.0
_IDLE, _WHOLE = 12 * _HOUR, 7 * 24 * _HOUR  # seconds after which a session ends
_RENEWED = _HOUR  # seconds after which it gets another secret
_OVERLAP = 60.0  # seconds for which the former one is still good: some requests are on their way
_MOST = 50  # sessions at once; the one that has been away longest ends


class Annotators:
    """The sessions of annotators, to tell who asks before the database is asked.

    Args:
        sessions: number → hash of the secret, and whose it is.
    """

    def __init__(self, sessions: dict[int, tuple[str, int]]) -> None:
        self._sessions = sessions

    def add(self, token: str, annotator: int) -> None:
        """Know a session that has begun."""
        number, secret = split_token(token)
        self._sessions[number] = secret.hashed, annotator

    def counted(self, scope: Scope) -> str | None:
        """Return who is counted for a request: the annotator, or else the address.

        Whoever opens an invitation is one of a class, all behind one address; that is counted
        elsewhere.
        """
        number, secret = split_token(HTTPConnection(scope).cookies.get(LABEL))
        hashed, annotator = self._sessions.get(number, (None, -1))
        if matches(secret, hashed):
            return f"annotator {annotator}"
        entering = scope["method"] == "POST" and scope["path"].endswith("/session")
        return None if entering else client_address(scope)


@dataclass
class AdminSession:
    """The administrator in one browser.

    Attributes:
        number: that its cookie begins with.
        hashed: of the secret in the cookie.
        begun, used, renewed: seconds since 1970.
        csrf: what a change must carry.
        former: hash of the secret before this one.
        seen: since when the browser is known to have this one.
    """

    number: int
    hashed: str
    begun: float
    used: float
    renewed: float
    csrf: str = field(default_factory=new_secret)
    former: str | None = None
    seen: float | None = None


class AdminSessions:
    """All sessions of the administrator.

    Args:
        link: the secret of the administrator's link.
        clock: seconds since 1970.

    Example:
        >>> sessions = AdminSessions("secret", clock=lambda: 0.0)
        >>> token = sessions.enter("secret")
        >>> sessions.enter("guess") is None, sessions.recognise("1.guess") is None
        (True, True)
        >>> sessions.end(sessions.recognise(token))
        >>> sessions.recognise(token) is None
        True
    """

    def __init__(self, link: str, clock: Callable[[], float]) -> None:
        self._link, self._clock = Secret(link).hashed, clock
        self._open: dict[int, AdminSession] = {}
        self._last = 0

    def enter(self, token: str) -> str | None:
        """Open the link: return the token of a new session; None if it is another link."""
        if not matches(Secret(token), self._link):
            return None
        while len(self._open) >= _MOST:
            self.end(min(self._open.values(), key=lambda each: each.used))
        now, secret = self._clock(), new_secret()
        self._last += 1
        self._open[self._last] = AdminSession(self._last, secret.hashed, now, now, now)
        return f"{self._last}.{secret}"

    def recognise(self, token: str) -> AdminSession | None:
        """Return the session of this token; None if there is none, or it has ended."""
        number, secret = split_token(token)
        found, now = self._open.get(number), self._clock()
        if found is None:
            return None
        if now - found.used > _IDLE or now - found.begun > _WHOLE:
            self.end(found)
            return None
        if matches(secret, found.hashed):
            found.seen = now if found.seen is None else found.seen
        elif not matches(secret, found.former) or _outdated(found, now):
            return None
        found.used = now
        return found

    def renew(self, session: AdminSession) -> str | None:
        """Return another token for a session whose secret is old; None while it is not."""
        now = self._clock()
        lost = session.seen is None and session.former is not None  # the answer with the cookie
        if now - session.renewed < (_OVERLAP if lost else _RENEWED):
            return None
        secret = new_secret()
        session.former = session.former if lost else session.hashed
        session.hashed, session.renewed, session.seen = secret.hashed, now, None
        return f"{session.number}.{secret}"

    def end(self, session: AdminSession) -> None:
        """End a session for good."""
        self._open.pop(session.number, None)


def _outdated(session: AdminSession, now: float) -> bool:
    return session.seen is not None and now - session.seen > _OVERLAP
