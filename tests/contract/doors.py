"""The ways to an index: the embedded one, here and in another process, and the server's.

The server's class runs against the client's in-memory mode, directly and through REST and gRPC, and
against a real server, by both, where PDRAY_TEST_QDRANT_URL names one (`-m server`).
"""

import os
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from pdray.index.connection import Connection
from pdray.index.opening import open_index, rebuild_index
from pdray.index.protocol import Index
from pdray.index.server import open_server, rebuild_server
from pdray.index.target import IndexTarget
from pdray.serve.meeting import place
from pdray.serve.shared import SOCKET, SharedIndex, offer
from pdray.serve.wire import Caller
from tests.contract.given import DIM
from tests.qdrant_grpc import QdrantGrpc
from tests.qdrant_http import QdrantHttp

SPACE = "test-0123456789ab"


class Door:
    """Opens (and reopens, and rebuilds) the same index through one implementation."""

    def __init__(
        self,
        opened: Callable[[], Index],
        rebuilt: Callable[[], AbstractContextManager[Index]],
    ) -> None:
        self.open, self.rebuild = opened, rebuilt


class Shared(SharedIndex):
    """An embedded index, asked over the socket of whoever holds it."""

    def __init__(self, target: IndexTarget) -> None:
        self._held = open_index(target, SPACE, DIM)
        meeting = place(target)
        self._listener = offer(meeting, lambda _: self._held, lambda _: (None, {}))
        super().__init__(Caller(meeting / SOCKET, patience=0.0), SPACE)

    def close(self) -> None:
        self._listener.close()
        self._held.close()


@contextmanager
def embedded(folder: Path) -> Iterator[Door]:
    target = IndexTarget(state_dir=folder)
    yield Door(lambda: open_index(target, SPACE, DIM), lambda: rebuild_index(target, SPACE, DIM))


@contextmanager
def shared(folder: Path) -> Iterator[Door]:
    target = IndexTarget(state_dir=folder)
    yield Door(lambda: Shared(target), lambda: rebuild_index(target, SPACE, DIM))


@contextmanager
def in_memory(folder: Path) -> Iterator[Door]:
    target = IndexTarget(state_dir=folder, workspace=str(folder / "workspace"))
    client = QdrantClient(":memory:")
    ours = Connection(client, "memory")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(Payload indexes have|Local mode)")
        client.close, really = lambda: None, client.close  # type: ignore[method-assign]
        yield Door(
            lambda: open_server(ours, target, SPACE, DIM),
            lambda: rebuild_server(ours, target, SPACE, DIM),
        )
        really()


@contextmanager
def over_http(folder: Path) -> Iterator[Door]:
    with QdrantHttp() as server:
        target = IndexTarget(folder, workspace=str(folder / "workspace"), url=server.url)
        yield Door(
            lambda: open_index(target, SPACE, DIM), lambda: rebuild_index(target, SPACE, DIM)
        )


@contextmanager
def over_grpc(folder: Path) -> Iterator[Door]:
    with QdrantHttp() as home, QdrantGrpc(home) as server:
        workspace = str(folder / "workspace")
        target = IndexTarget(folder, workspace, home.url, server.port)
        yield Door(
            lambda: open_index(target, SPACE, DIM), lambda: rebuild_index(target, SPACE, DIM)
        )
        assert server.asked
        assert not home.asked  # nothing went by REST


def on_a_server_by_grpc(folder: Path) -> AbstractContextManager[Door]:
    port = os.environ.get("PDRAY_TEST_QDRANT_GRPC_PORT")
    if not port:
        pytest.skip("PDRAY_TEST_QDRANT_GRPC_PORT names no port")
    return on_a_server(folder, int(port))


@contextmanager
def on_a_server(folder: Path, grpc_port: int | None = None) -> Iterator[Door]:
    url = os.environ.get("PDRAY_TEST_QDRANT_URL")
    if not url:
        pytest.skip("PDRAY_TEST_QDRANT_URL names no server")
    target = IndexTarget(
        grpc_port=grpc_port,
        state_dir=folder,
        workspace=str(folder / "workspace"),
        url=url,
        api_key=os.environ.get("PDRAY_TEST_QDRANT_KEY"),
        prefix=f"t{uuid.uuid4().hex[:8]}-",
    )
    yield Door(lambda: open_index(target, SPACE, DIM), lambda: rebuild_index(target, SPACE, DIM))
    client = QdrantClient(url, api_key=target.api_key)
    for each in client.get_collections().collections:
        if each.name.startswith(target.prefix):
            client.delete_collection(each.name)
    client.close()
