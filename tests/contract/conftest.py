"""One body of tests over every index: see doors.py for which there are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pdray.index.protocol import Index
from tests.contract import doors
from tests.contract.doors import Door


@pytest.fixture(
    params=[
        pytest.param(doors.embedded, id="edge"),
        pytest.param(doors.shared, id="shared"),
        pytest.param(doors.in_memory, id="memory"),
        pytest.param(doors.over_http, id="http"),
        pytest.param(doors.over_grpc, id="grpc"),
        pytest.param(doors.on_a_server, id="server", marks=pytest.mark.server),
        pytest.param(doors.on_a_server_by_grpc, id="server-grpc", marks=pytest.mark.server),
    ]
)
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """The way to an index of the test's own, with nothing in it."""
    with request.param(tmp_path) as way:
        yield way


@pytest.fixture
def index(door: Door) -> Iterator[Index]:
    with door.open() as opened:
        yield opened
