"""Applications over the library: the explorer, and pages where people label images.

What their pages share stands in ``xhat.apps.web``. Nothing below the command line knows of them.
"""
