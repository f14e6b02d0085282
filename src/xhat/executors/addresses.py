"""Whether anybody listens at an address; clients of clusters take minutes to find out."""

import re
import socket

__all__ = ["listens"]

_CONNECT = 10.0  # seconds
_PLACE = re.compile(r"^(?:\w+://)?(?P<host>\[[^\]]+\]|[^:/\[\]]+):(?P<port>\d{1,5})(?:/.*)?$")


def listens(address: str) -> bool:
    """Return whether somebody listens at ``host:port`` or ``protocol://host:port``.

    Example:
        >>> listens("tcp://127.0.0.1:1"), listens("nonsense")
        (False, False)
    """
    told = _PLACE.match(address)
    if told is None:
        return False
    try:
        with socket.create_connection((told["host"].strip("[]"), int(told["port"])), _CONNECT):
            return True
    except (OSError, OverflowError):
        return False
