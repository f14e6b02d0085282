"""Sessions: their cookies, what a change must carry besides, and who is behind them.

A session's secret travels in a cookie that no script can read and no other site can make a browser
send. A change must also carry a token that is derived from that secret: a page of ours is told it,
and another site's page, were a browser ever to send the cookie for it, is not.

Annotators are told apart, so that each is counted alone. The administrator's link opens a session
of its own in a browser; the link's secret is in no cookie. Those sessions are kept in memory, as
hashes: they end with the server, whose next start prints another link.

Sources: OWASP, "Cross-Site Request Forgery Prevention Cheat Sheet", signed double-submit cookie;
"Session Management Cheat Sheet": renewal, time-outs, ending on the server.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import HTTPException, Request, Response
from starlette.requests import HTTPConnection
from starlette.types import Scope

from xhat.apps.label.people import Secret, matches, new_secret, split_token
from xhat.apps.web.security import client_address

__all__ = [
    "ADMIN",
    "LABEL",
    "SENT_ELSEWHERE",
    "AdminSession",
    "AdminSessions",
    "Annotators",
    "begin_session",
    "check_change",
    "check_csrf",
    "csrf_of",
    "end_session",
]

LABEL, ADMIN = "xhat-label", "xhat-admin"
"""The cookies of annotators and of the administrator."""

SENT_ELSEWHERE = "This page is out of date; reload it."

_DAYS = 14


def begin_session(request: Request, response: Response, name: str, token: str) -> None:
    """Give the browser a cookie that holds ``token``."""
    response.set_cookie(
        name,
        token,
        max_age=_DAYS * 86_400,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def end_session(response: Response, name: str) -> None:
    """Take the cookie away."""
    response.delete_cookie(name, httponly=True, samesite="strict")


def csrf_of(token: str) -> str:
    """Return what a change must carry, of the secret in the cookie.

    Example:
        >>> csrf_of("1.secret") == csrf_of("1.secret"), len(csrf_of("1.secret"))
        (True, 64)
    """
    return hmac.digest(token.encode(), b"xhat: a change", hashlib.sha256).hex()


def check_change(request: Request, cookie: str) -> str:
    """Return the secret in the cookie of a request that changes something.

    Raises:
        HTTPException: 401 without a cookie, 403 where the token of the change does not fit.
    """
    token = request.cookies.get(cookie, "")
    if not token:
        raise HTTPException(401, "Open your link first.")
    check_csrf(request, csrf_of(token))
    return token


def check_csrf(request: Request, wanted: str) -> None:
    """Check what a change carries.

    Raises:
        HTTPException: 403 where that is something else.
    """
    carried = request.headers.get("x-csrf-token", "")
    if not hmac.compare_digest(carried.encode(), wanted.encode()):
        raise HTTPException(403, SENT_ELSEWHERE)


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
