"""The explorer's application, small."""

from tests.apps.explorer import small
from xhat.apps.explorer import Explorer, explorer_part
from xhat.apps.explorer.gallery import Gallery
from xhat.apps.web import build
from xhat.apps.web.security import Rate

FREELY = Rate(per_second=1000, burst=10_000)


def application(gallery: Gallery | None = None, explorer: Explorer | None = None, **options):
    options = {"rates": ()} | options
    return build(explorer_part(explorer or small.explorer(), gallery, **options), rate=FREELY)
