"""Whatever fits the schema of the routes, and what does not, never ends in a server error."""

import itertools
from dataclasses import replace

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

from tests.apps.web.labelling_pages import OURS, SECRET, Collection
from xhat.apps.label.pages import labelling
from xhat.apps.web import build
from xhat.apps.web.security import Rate

FEW = hypothesis.settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
_turns = itertools.count()


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    found = Collection.at(tmp_path_factory.mktemp("schema"))
    part = labelling(found.database, found.settings, administrator=SECRET, clock=found.clock)
    found.app = build(replace(part, rates=()), rate=Rate(1e6, 10**6))
    yield found
    found.database.close()


@pytest.fixture(scope="module")
def api(collection):
    return schemathesis.openapi.from_asgi(
        "/api/openapi.json", collection.app, headers={"host": "localhost"}
    )


def insiders(collection):
    """Return the cookies and tokens of an annotator and of the administrator, both anew."""
    annotator, admin = collection.annotator(), collection.browser()
    admin.enter(SECRET, "admin")
    return [
        {
            "Cookie": "; ".join(f"{name}={value}" for name, value in each.client.cookies.items()),
            "X-CSRF-Token": each.state["csrf"],
        }
        for each in (annotator, admin)
    ]


def test_no_request_ends_in_a_server_error(api, collection):
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) >= 11
    for operation in operations:
        abuse(operation, insiders(collection)["admin" in operation.path])


def abuse(operation, inside):
    """Send what fits the operation's schema, and what does not, with and without its cookie."""
    cases = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

    @FEW
    @hypothesis.given(case=hypothesis.strategies.one_of(cases))
    def send(case):
        headers = OURS | {"host": "localhost"} | (inside if next(_turns) % 4 else {})
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=[not_a_server_error])
        assert answer.status_code < 500

    send()
