"""Applications over the library: the explorer, and pages where people label images.

What their pages share stands in ``xhat.apps.web``. Nothing below the command line knows of them.

Needs the extra ``web``: ``pip install 'xhat[web]'``.
"""

from xhat.core import extra

with extra("web", "the web pages need"):  # asked for once, here, so that one sentence answers
    import fastapi as _fastapi  # noqa: F401
    import pyarrow as _pyarrow  # noqa: F401
    import sqlalchemy as _sqlalchemy  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401
    from PIL import Image as _Image  # noqa: F401
