"""Whatever fits the schema of the explorer's routes, and what does not, is no server error."""

import schemathesis

from tests.apps.explorer import small
from tests.apps.explorer.application import FREELY
from tests.apps.explorer.test_gallery import save
from tests.apps.web.test_schema import abuse
from xhat.apps.explorer import Explorer, explorer_part
from xhat.apps.explorer.gallery import Gallery
from xhat.apps.web import build
from xhat.task import Cancelled


class Idle(Explorer):
    """Takes questions and gives them up at once; searching is tried elsewhere."""

    def explore(self, question, on_frame, cancelled=lambda: False):
        raise Cancelled


def test_no_request_ends_in_a_server_error(tmp_path):
    gallery = Gallery.open(save(tmp_path, columns={"verdict": ["genuine"] * 5})[0])
    part = explorer_part(small.make(Idle), gallery, most=1000, rates=())
    api = schemathesis.openapi.from_asgi(
        "/api/openapi.json", build(part, rate=FREELY), headers={"host": "localhost"}
    )
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) == 8
    for operation in operations:
        abuse(operation, {})
