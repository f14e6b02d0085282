"""The explorer: draw an image or take one, say what it should become, and watch the search.

``Explorer`` searches and judges, in any domain of images with classes, by any model and any method
of ``xhat.methods``; ``explorer_part`` is the part for ``xhat.apps.web.build``. A ``Gallery`` shows
the results of earlier searches.
"""

from xhat.apps.explorer.exploring import Explorer, Finding, Frame
from xhat.apps.explorer.gallery import Gallery
from xhat.apps.explorer.part import explorer_part
from xhat.apps.explorer.question import Question
from xhat.apps.explorer.searches import Busy, Searches

__all__ = [
    "Busy",
    "Explorer",
    "Finding",
    "Frame",
    "Gallery",
    "Question",
    "Searches",
    "explorer_part",
]
