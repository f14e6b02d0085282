"""The web shell: what all pages share, and nothing of what they are about.

A *part* is one family of pages: its routes, its static files, its limits. ``build`` assembles
parts into one application and puts the same guard before all of them; ``serve`` runs it::

    part, part, … ──build──→ application ──serve──→ http://127.0.0.1:8000
                               │
      headers → errors → host → rates → origin → size → head → routes

Pages are plain HTML, CSS and ES modules that lie in the package; nothing is fetched from
elsewhere, and no script or style stands in a page (the policy in ``xhat.apps.web.security`` would
refuse it). Every error is JSON, ``{"error": "one sentence"}``. What they are about is brought by
tasks (``xhat.task``).
"""

from xhat.apps.web.assets import Assets
from xhat.apps.web.part import Part
from xhat.apps.web.server import build
from xhat.apps.web.serving import own_names, serve

__all__ = ["Assets", "Part", "build", "own_names", "serve"]
