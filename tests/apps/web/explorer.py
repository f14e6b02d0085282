"""The explorer's application, small."""

from xhat.apps.explorer import explorer_part
from xhat.apps.explorer.gallery import Gallery
from xhat.apps.web import build
from xhat.apps.web.security import Rate
from zoo.tests.digits import small

FREELY = Rate(per_second=1000, burst=10_000)


def application(gallery: Gallery | None = None, **options):
    options = {"rates": ()} | options
    return build(explorer_part(small.explorer(), gallery, **options), rate=FREELY)
