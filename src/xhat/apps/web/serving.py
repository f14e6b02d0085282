"""Running an application: one process, one address, a clean end."""

import errno
import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from xhat.apps.web.connections import Patient

__all__ = ["listen", "own_names", "serve"]

HOST, PORT = "127.0.0.1", 8000
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - only compared with
_LOOPBACK = ("127.", "::1", "localhost")
_GRACE = 2  # seconds that answers in progress are given at the end
_WAITING = 2048  # connections that may wait to be accepted


def listen(host: str = HOST, port: int = PORT) -> socket.socket:
    """Return a socket that listens; port 0 takes any that is free.

    Raises:
        ValueError: the port is taken or not allowed, or the address is not this machine's.
    """
    if not 0 <= port <= 65_535:
        raise ValueError(f"port must lie from 0 to 65535, but is {port}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ValueError(_why(error, host, port)) from error
    found = socket.socket(family, kind, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(_WAITING)
    except OSError as error:
        found.close()
        raise ValueError(_why(error, host, port)) from error
    return found


def own_names(host: str) -> tuple[str, ...]:
    """Return the names that a server at ``host`` answers to, besides those of this machine.

    At every address (``0.0.0.0``, ``::``) those are the machine's name and its addresses; they are
    no way in for another site, since what points at them is ours.

    Example:
        >>> own_names("192.0.2.7"), own_names("2001:db8::1")
        (('192.0.2.7',), ('[2001:db8::1]',))
    """
    if host not in _EVERYWHERE:
        return (_bracketed(host),)
    name = socket.gethostname()
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        found = []
    addresses = dict.fromkeys(_bracketed(str(each[4][0])) for each in found)
    return (name, *addresses)


def serve(
    app: ASGIApp,
    host: str = HOST,
    port: int = PORT,
    *,
    say: Callable[[str], None],
    paths: tuple[str, ...] = ("/",),
    show: bool = False,
    proxied: bool = False,
) -> None:
    """Serve until interrupted; an interrupt is raised again as ``KeyboardInterrupt``.

    Args:
        app: of ``build``.
        host: address to listen at.
        port: likewise; 0 for any that is free.
        say: takes the lines that a person is told.
        paths: of the pages whose addresses are told.
        show: whether to open the first of them in a browser.
        proxied: whether a proxy on this machine stands before it; then the address of the client
            and TLS are what the proxy says.

    Raises:
        ValueError: as ``listen``.
    """
    with listen(host, port) as listening:
        shown = "localhost" if host in _EVERYWHERE else _bracketed(host)
        base = f"http://{shown}:{listening.getsockname()[1]}"
        lines = [base + path for path in paths]
        if not host.startswith(_LOOPBACK):
            lines.append(_OPEN)
        lines.append("Press Ctrl-C to stop.")

        def begun() -> None:
            for line in lines:
                say(line)
            if show:
                threading.Thread(target=webbrowser.open, args=(lines[0],), daemon=True).start()

        config = uvicorn.Config(app, **_QUIET, proxy_headers=proxied)
        _Server(config, begun).run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that says when it has begun; from then on it ends cleanly."""

    def __init__(self, config: uvicorn.Config, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._begun()


_OPEN = (
    "Anyone who can reach this machine over the network can use these pages, and what is sent can "
    "be read on the way; put a proxy with TLS before it where that matters."
)
_QUIET: dict[str, Any] = {
    "log_level": "warning",
    "access_log": False,
    "server_header": False,
    "ws": "none",
    "lifespan": "on",
    "http": Patient,
    "timeout_graceful_shutdown": _GRACE,
    "backlog": _WAITING,
}


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; choose another by --port, or 0 for any that is free."
    if error.errno == errno.EACCES:
        return f"port {port} may not be used by this user; choose one from 1024 by --port."
    return f"host {host} is no address of this machine ({error.strerror or error})."


def _bracketed(host: str) -> str:
    """Return a host as it stands in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
