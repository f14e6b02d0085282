"""The explorer: draw a digit, or take one, and watch it become another.

``explorer_part`` is the part for ``xhat.apps.web.build``; who searches and judges is a ``Backend``,
which a task brings. A ``Gallery`` shows the results of earlier searches.
"""

from xhat.apps.explorer.backend import Backend
from xhat.apps.explorer.gallery import Gallery
from xhat.apps.explorer.part import explorer_part
from xhat.apps.explorer.searches import Busy, Searches

__all__ = ["Backend", "Busy", "Gallery", "Searches", "explorer_part"]
