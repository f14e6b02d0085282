"""Connections that are not waited for without end, and not too many of them.

uvicorn closes a connection that has been idle for a few seconds, but waits for ever for the rest
of what has begun: half a head, half a body, a client that does not read. Enough of these and no
one else gets in (Slowloris). Here each part of a request has its time; and where as many
connections are open as may, the one that has been asking for nothing longest gives way.
"""

import asyncio
import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["Patient"]


class Patient(H11Protocol):
    """uvicorn's protocol, with bounds.

    Attributes:
        head: seconds for the head of a request, from when it may begin.
        body: seconds for its body; those who read it give up before.
        reading: seconds for which a client may read nothing of what it is sent.
        most: connections at once, fewer than the 1,024 files that a process may usually open.
    """

    head, body, reading = 10.0, 40.0, 60.0
    most = 800
    _phase: object = None
    _since = 0.0
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, if there is room."""
        super().connection_made(transport)
        if len(self.connections) > self.most and not self._make_room():
            self._refuse(503, "Too many connections are open; try again in a few seconds.")
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        for timer in (self._timer, self._stalled):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, and wait for what comes next."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Give a client that does not read its time."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.reading, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on, since it reads."""
        if self._stalled is not None:
            self._stalled.cancel()
        super().resume_writing()

    def _watch(self) -> None:
        """Set the time for the part of a request that is waited for now, if it is another."""
        phase = self.conn.their_state
        if phase is self._phase:
            return
        self._phase, self._since = phase, self.loop.time()
        if self._timer is not None:
            self._timer.cancel()
        seconds = {h11.IDLE: self.head, h11.SEND_BODY: self.body}.get(phase)  # type: ignore[arg-type]
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if self._phase is h11.IDLE and self.conn.trailing_data[0]:  # half a head
            self._refuse(408, f"The head of a request must come within {self.head:g} seconds.")
        else:
            self.transport.abort()

    def _make_room(self) -> bool:
        idle = [
            each
            for each in self.connections
            if isinstance(each, Patient)
            and each is not self
            and each._phase is h11.IDLE
            and not each.transport.is_closing()
        ]
        if idle:
            min(idle, key=lambda each: each._since).transport.abort()
        return bool(idle)

    def _refuse(self, status: int, sentence: str) -> None:
        body = json.dumps({"error": sentence}).encode()
        head = f"HTTP/1.1 {status} \r\ncontent-type: application/json\r\nconnection: close\r\n"
        head += "retry-after: 5\r\n" * (status == 503) + f"content-length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()
