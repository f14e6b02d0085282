"""The explorer: draw a digit, or take one, and watch it become another.

``explorer_part`` is the part for ``xhat.web.build``; what it shows is composed in
``xhat.study.exploring``.
"""

from xhat.web.explorer.part import explorer_part
from xhat.web.explorer.searches import Busy, Searches

__all__ = ["Busy", "Searches", "explorer_part"]
