"""The explorer's application, small."""

from xhat.web import build
from xhat.web.explorer import explorer_part
from xhat.web.explorer.gallery import Gallery
from xhat.web.security import Rate
from zoo.tests.digits import small

FREELY = Rate(per_second=1000, burst=10_000)


def application(gallery: Gallery | None = None, **options):
    options = {"rates": ()} | options
    return build(explorer_part(small.explorer(), gallery, **options), rate=FREELY)
