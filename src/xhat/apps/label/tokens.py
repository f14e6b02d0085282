"""Secrets that admit whoever has them: unguessable, and kept only as their hashes.

A token is ``NUMBER.SECRET``: the number finds the row, the secret (256 random bits) is compared
with the stored hash in constant time. A slow hash is for passwords that people choose; of 256
random bits nothing can be guessed, however fast the hash.
"""

import hashlib
import hmac
import secrets

__all__ = ["Secret", "matches", "new_secret", "split_token"]

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
