"""Sessions in cookies, and what a change must carry besides.

A session's secret travels in a cookie that no script can read and no other site can make a browser
send. A change must also carry a token that is derived from that secret: a page of ours is told it,
and another site's page, were a browser ever to send the cookie for it, is not.

Source: OWASP, "Cross-Site Request Forgery Prevention Cheat Sheet", signed double-submit cookie.
"""

import hashlib
import hmac

from fastapi import HTTPException, Request, Response

__all__ = [
    "ADMIN",
    "LABEL",
    "SENT_ELSEWHERE",
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
