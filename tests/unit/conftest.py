"""A small served workspace, drawn once; each module of tests has a copy of it and a server."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from pdray.ingest.target import index_target
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from tests.served import Made, copied, make, settings_of


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Scenes, committed and not yet in any index. Nobody may change the workspace."""
    return make(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def made(drawn: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The scenes in a workspace of the module's own."""
    return copied(drawn, tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def client(made: Made) -> Iterator[TestClient]:
    """The API over it, without Ray."""
    settings = settings_of(made, ingest_encoders=1)
    with (
        Engine(settings, index_target(settings)) as engine,
        TestClient(build_app(engine), base_url="http://127.0.0.1") as client,
    ):
        yield client
