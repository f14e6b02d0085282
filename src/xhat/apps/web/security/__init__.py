"""The guard before every route: layers of plain ASGI, from outermost to innermost.

| layer | refuses |
| --- | --- |
| ``Headers`` | nothing; tells browsers what a page may do: only what comes from this server |
| ``Errors`` | nothing; an unexpected exception becomes one sentence and a line in the log |
| ``Hosts`` | requests for another host name (DNS rebinding), and everything but HTTP |
| ``Rates`` | more requests than one client may send: 429 |
| ``SameOrigin`` | changes that another site asks for (cross-site request forgery): 403 |
| ``Sizes`` | bodies that are too large or come too slowly: 413, 408 |
"""

from xhat.apps.web.security.bodies import Sizes
from xhat.apps.web.security.errors import Errors
from xhat.apps.web.security.headers import POLICY, Headers
from xhat.apps.web.security.origins import Hosts, SameOrigin
from xhat.apps.web.security.rates import Buckets, Rate, Rates, client_address

__all__ = [
    "POLICY",
    "Buckets",
    "Errors",
    "Headers",
    "Hosts",
    "Rate",
    "Rates",
    "SameOrigin",
    "Sizes",
    "client_address",
]
