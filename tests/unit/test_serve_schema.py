"""The OpenAPI document against the server: whatever it allows, and what it doesn't, is answered by
what it promises, and never by a fault.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pdray.ingest.target import index_target
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from tests.served import Made, settings_of

EXAMPLES = 10  # an operation, of right requests and of wrong ones
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
        app = build_app(engine)
        schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HERE)
        schema.hooks.apply(_nothing_begins, name="map_body")
        known = engine.index("default").browse(limit=1)[0].id

        def known_image(context: Any, given: Any) -> Any:
            """Of an id that nobody has there is little to say."""
            if "/images/" in context.operation.path and isinstance(given, dict):
                return {**given, "id": known if _is_id(given.get("id")) else given.get("id")}
            return given

        schema.hooks.apply(known_image, name="map_path_parameters")
        yield schema


def _is_id(value: Any) -> bool:
    try:
        return bool(UUID(value))
    except (ValueError, AttributeError, TypeError):
        return False


def _nothing_begins(context: Any, body: Any) -> Any:
    """No run is started on what happens to be on this machine, or was sent."""
    if isinstance(body, dict) and isinstance(body.get("sources"), list):
        sources = body["sources"]
        body["sources"] = [f"/none/{one}" if isinstance(one, str) else one for one in sources]
    if isinstance(body, dict) and "files" in body:
        body["files"] = [b"no image"]
    return body


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_request_is_answered_as_the_document_says(
    document: Any, mode: GenerationMode
) -> None:
    faults: dict[str, str] = {}
    seen: Counter[int] = Counter()
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
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            answer = case.call(headers=HERE)
            seen[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        try:
            ask()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # what takes nothing takes nothing wrong
        except Exception as error:
            faults[operation.label] = str(error)
    assert not faults, "\n\n".join(f"{label}\n{said}" for label, said in faults.items())
    assert seen[200] > EXAMPLES
    assert seen[422] > EXAMPLES
