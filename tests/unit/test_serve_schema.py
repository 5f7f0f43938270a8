"""The OpenAPI document against the server: whatever it allows, and what it doesn't, is answered by
what it promises, and never by a fault.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pdray.ingest.run import index_target
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from tests.served import Made, settings_of

EXAMPLES = 12  # an operation
HERE = {"Host": "127.0.0.1"}  # the server answers to no other name
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.fixture(scope="module")
def document(made: Made) -> Iterator[Any]:
    """The API of a server that may be written to."""
    ours = settings_of(made)
    with Engine(ours, index_target(ours)) as engine:
        schema = schemathesis.openapi.from_asgi("/openapi.json", build_app(engine), headers=HERE)
        schema.hooks.apply(_nowhere, name="map_body")
        yield schema


def _nowhere(context: Any, body: Any) -> Any:
    """No run is started on what happens to be on this machine."""
    if isinstance(body, dict) and isinstance(body.get("sources"), list):
        body["sources"] = [
            f"/nowhere/{one}" if isinstance(one, str) else one for one in body["sources"]
        ]
    return body


def test_every_request_is_answered_as_the_document_says(document: Any) -> None:
    faults: dict[str, str] = {}
    for found in document.get_all_operations():
        operation = found.ok()

        @seed(1)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(checks=CHECKS, headers=HERE)

        try:
            ask()
        except Exception as error:
            faults[operation.label] = str(error)
    assert not faults, "\n\n".join(f"{label}\n{said}" for label, said in faults.items())
