"""How often a client may ask: token buckets in memory, of bounded number.

A bucket holds up to ``burst`` tokens and gains ``per_second`` of them a second; a request takes
one, and waits its turn where there is none. Where there are too many clients to remember, the one
that has been away longest is forgotten, which only ever lets it do more.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from xhat.apps.web.security.errors import refuse
from xhat.core import check_count, check_positive

__all__ = ["Buckets", "Rate", "Rates", "client_address"]

_NETWORK = 64  # bits of an IPv6 address that one client cannot choose


def client_address(scope: Scope) -> str:
    """Return the address that a request comes from; of IPv6 the network, ``2001:db8::/64``."""
    host = (scope.get("client") or ("unknown", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.ip_network(f"{address}/{_NETWORK}", strict=False))


@dataclass(frozen=True)
class Rate:
    """One limit.

    Attributes:
        per_second: how often in the long run.
        burst: how often at once.
        key: who is counted, of a request; None where this request is not.
        prefix: of the paths that count.
        methods: that count; empty for all.
        most: how many clients are remembered.
    """

    per_second: float
    burst: int
    key: Callable[[Scope], str | None] = client_address
    prefix: str = "/"
    methods: tuple[str, ...] = ()
    most: int = 10_000

    def __post_init__(self) -> None:
        check_positive("per_second", self.per_second)
        check_count("burst", self.burst)
        check_count("most", self.most)

    def concerns(self, scope: Scope) -> str | None:
        """Return who is to be counted for this request; None for nobody."""
        if not scope["path"].startswith(self.prefix):
            return None
        if self.methods and scope["method"] not in self.methods:
            return None
        return self.key(scope)


class Buckets:
    """The tokens that are left to every client of one limit.

    Example:
        >>> clock = iter([0.0, 0.0, 0.0, 1.0])
        >>> buckets = Buckets(Rate(per_second=1, burst=2), clock=lambda: next(clock))
        >>> [buckets.wait("me") for _ in range(4)]
        [0.0, 0.0, 1.0, 0.0]
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self._clock = rate, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, who: str) -> float:
        """Take a token and return 0; or, where there is none, the seconds until there is."""
        now = self._clock()
        left, then = self._left.pop(who, (float(self.rate.burst), now))
        left = min(self.rate.burst, left + (now - then) * self.rate.per_second)
        taken = left >= 1
        self._left[who] = (left - 1 if taken else left, now)
        while len(self._left) > self.rate.most:
            self._left.popitem(last=False)
        return 0.0 if taken else (1 - left) / self.rate.per_second

    def __len__(self) -> int:
        return len(self._left)


class Rates:
    """Refuses requests of clients that ask too often, and says when to come back."""

    def __init__(self, app: ASGIApp, rates: Sequence[Rate] = ()) -> None:
        self.app, self.buckets = app, [Buckets(rate) for rate in rates]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "http":
            wait = self._wait(scope)
            if wait > 0:
                seconds = math.ceil(wait)
                sentence = f"Too many requests; try again in {seconds} s."
                await refuse(send, 429, sentence, {"retry-after": str(seconds)})
                return
        await self.app(scope, receive, send)

    def _wait(self, scope: Scope) -> float:
        for buckets in self.buckets:
            who = buckets.rate.concerns(scope)
            wait = 0.0 if who is None else buckets.wait(who)
            if wait > 0:
                return wait
        return 0.0
