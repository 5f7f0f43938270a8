"""A Qdrant server of the tests' own: the part of its REST API that pdray speaks, on loopback.

Behind it is the client's in-memory mode, so points are really stored and found. What a test adds is
trouble: `trouble(number)` says for each write (from 1) what becomes of it. Stopped and started
again it has its port and its points as before.
"""

import json
import re
import socket
import threading
import warnings
from collections.abc import Callable
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from pydantic import BaseModel
from qdrant_client import QdrantClient, models


class Fate(Enum):
    """What becomes of a write."""

    ANSWERED = auto()
    REFUSED = auto()  # 503, and nothing is written
    LOST = auto()  # written, but the connection breaks before the answer
    LATE = auto()  # written, but the answer waits until the client has gone away
    DOWN = auto()  # the server goes away, and nothing is written
    DOWN_AFTER = auto()  # written, then the server goes away without an answer


class _Refusal(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a handler may be the one that stops the server
    allow_reuse_address = True

    def __init__(self, home: "QdrantHttp", port: int) -> None:
        self.home = home
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is what the tests are about."""

    def go_away(self) -> None:
        """Nobody listens afterwards, and no open connection gets an answer."""
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            _break(connection)


def _break(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class QdrantHttp:
    """The server: `with QdrantHttp() as server:`, then `server.url`."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.client = QdrantClient(":memory:")
        self.trouble: Callable[[int], Fate] = lambda number: Fate.ANSWERED
        self.writes = 0  # all that came in, refused ones too
        self.asked: list[str] = []  # the paths of all requests, in their order
        self.down = threading.Event()
        self.keys: dict[str, bool] = {}  # key: whether it may write; none: whoever comes may
        self._asked: dict[str, models.CreateCollection] = {}
        self._indexes: dict[str, dict[str, str]] = {}
        self._lock = threading.RLock()
        self._port = 0
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """The same through every stop and start."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listens."""
        self._server = _Server(self, self._port)
        self._port = self._server.server_address[1]
        self.down.clear()
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Goes away; the points stay."""
        server, self._server = self._server, None
        if server is not None:
            server.go_away()
            self.down.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()
        self.client.close()

    def fate(self) -> Fate:
        """Counts a write and says what becomes of it."""
        with self._lock:
            self.writes += 1
            return self.trouble(self.writes)

    def answer(self, method: str, path: str, body: Any) -> Any:
        """What Qdrant answers under "result"."""
        for verb, pattern, action in _ROUTES:
            found = re.fullmatch(pattern, path)
            if verb == method and found:
                with self._lock, warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    return _plain(action(self, body, **found.groupdict()))
        raise _Refusal(404, f"no such route: {method} {path}")

    # --- collections

    def aliases(self, body: Any) -> Any:
        return self.client.get_aliases()

    def collections(self, body: Any) -> Any:
        return self.client.get_collections()

    def exists(self, body: Any, name: str) -> Any:
        return {"exists": self.client.collection_exists(name)}

    def collection(self, body: Any, name: str) -> Any:
        found = self.client.get_collection(name).model_dump(mode="json")
        fields = self._indexes.get(self._real(name), {})
        # What the in-memory mode leaves out.
        asked = self._asked[self._real(name)]
        found["config"]["params"] |= asked.model_dump(mode="json", include=_LAYOUT)
        schema = {field: {"data_type": kind, "points": 0} for field, kind in fields.items()}
        return {**found, "payload_schema": schema}

    def create(self, body: Any, name: str) -> Any:
        asked = self._asked[name] = models.CreateCollection.model_validate(body)
        return self.client.create_collection(
            name, vectors_config=asked.vectors, metadata=asked.metadata
        )

    def drop(self, body: Any, name: str) -> Any:
        self._indexes.pop(name, None)
        return self.client.delete_collection(name)

    def change_aliases(self, body: Any) -> Any:
        asked = models.ChangeAliasesOperation.model_validate(body)
        return self.client.update_collection_aliases(asked.actions)

    def index(self, body: Any, name: str) -> Any:
        asked = models.CreateFieldIndex.model_validate(body)
        kind = getattr(asked.field_schema, "type", asked.field_schema)
        self._indexes.setdefault(self._real(name), {})[asked.field_name] = getattr(
            kind, "value", kind
        )
        return self._done()

    def _real(self, name: str) -> str:
        aliases = {a.alias_name: a.collection_name for a in self.client.get_aliases().aliases}
        return aliases.get(name, name)

    def _indexed(self, name: str, field: str) -> None:
        """The engine wants an index where the in-memory mode wants none."""
        if field not in self._indexes.get(self._real(name), {}):
            raise _Refusal(400, f"Bad request: Index required but not found for {field}")

    # --- points

    def update(self, body: Any, name: str) -> Any:
        asked = models.UpdateOperations.model_validate(body)
        self.client.batch_update_points(name, asked.operations)
        return [self._done() for _ in asked.operations]

    def retrieve(self, body: Any, name: str) -> Any:
        asked = models.PointRequest.model_validate(body)
        return self.client.retrieve(
            name,
            asked.ids,
            with_payload=True if asked.with_payload is None else asked.with_payload,
            with_vectors=asked.with_vector or False,
        )

    def query_batch(self, body: Any, name: str) -> Any:
        asked = models.QueryRequestBatch.model_validate(body)
        return self.client.query_batch_points(name, asked.searches)

    def scroll(self, body: Any, name: str) -> Any:
        asked = models.ScrollRequest.model_validate(body)
        if asked.order_by is not None:
            order = asked.order_by
            self._indexed(name, order if isinstance(order, str) else order.key)
        points, following = self.client.scroll(
            name,
            scroll_filter=asked.filter,
            limit=asked.limit or 10,
            offset=asked.offset,
            order_by=asked.order_by,
            with_payload=True if asked.with_payload is None else asked.with_payload,
            with_vectors=asked.with_vector or False,
        )
        return {"points": _plain(points), "next_page_offset": following}

    def count(self, body: Any, name: str) -> Any:
        asked = models.CountRequest.model_validate(body)
        return self.client.count(name, count_filter=asked.filter, exact=True)

    def facet(self, body: Any, name: str) -> Any:
        asked = models.FacetRequest.model_validate(body)
        self._indexed(name, asked.key)
        return self.client.facet(
            name, asked.key, facet_filter=asked.filter, limit=asked.limit or 10, exact=True
        )

    def _done(self) -> dict[str, Any]:
        return {"operation_id": self.writes, "status": "completed"}


_LAYOUT = {"vectors", "shard_number", "replication_factor", "write_consistency_factor"}
_READS = ("", "/query/batch", "/scroll", "/count")  # what is asked of /points by POST
_ONE = "/collections/(?P<name>[^/]+)"
_ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/aliases", QdrantHttp.aliases),
    ("GET", "/collections", QdrantHttp.collections),
    ("POST", "/collections/aliases", QdrantHttp.change_aliases),
    ("GET", _ONE, QdrantHttp.collection),
    ("GET", f"{_ONE}/exists", QdrantHttp.exists),
    ("PUT", _ONE, QdrantHttp.create),
    ("DELETE", _ONE, QdrantHttp.drop),
    ("PUT", f"{_ONE}/index", QdrantHttp.index),
    ("POST", f"{_ONE}/points/batch", QdrantHttp.update),
    ("POST", f"{_ONE}/points", QdrantHttp.retrieve),
    ("POST", f"{_ONE}/points/query/batch", QdrantHttp.query_batch),
    ("POST", f"{_ONE}/points/scroll", QdrantHttp.scroll),
    ("POST", f"{_ONE}/points/count", QdrantHttp.count),
    ("POST", f"{_ONE}/facet", QdrantHttp.facet),
]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""

    def _serve(self) -> None:
        home = self.server.home
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        home.asked.append(path)
        fate = home.fate() if path.endswith("/points/batch") else Fate.ANSWERED
        if fate is Fate.DOWN:
            home.stop()
            return
        status, reply = self._answer(fate, path, json.loads(raw) if raw else None)
        if fate is Fate.DOWN_AFTER:
            home.stop()
        elif fate is Fate.LATE:
            self.connection.recv(1)  # returns when the client has closed its end
            self.close_connection = True
        elif fate is Fate.LOST:
            _break(self.connection)
        else:
            self._send(status, reply)

    def _answer(self, fate: Fate, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        if fate is Fate.REFUSED:
            return 503, {"status": {"error": "Service unavailable: overloaded"}, "time": 0.0}
        if not self._allowed(path):
            return 403, {"status": {"error": "Forbidden"}, "time": 0.0}
        try:
            result = self.server.home.answer(self.command, path, body)
        except _Refusal as error:
            return error.status, {"status": {"error": str(error)}, "time": 0.0}
        except ValueError as error:  # the in-memory mode's own, for one: no such collection
            status = 404 if "not found" in str(error) else 400
            return status, {"status": {"error": str(error)}, "time": 0.0}
        return 200, {"result": result, "status": "ok", "time": 0.0}

    def _allowed(self, path: str) -> bool:
        keys = self.server.home.keys
        may_write = keys.get(self.headers.get("api-key", ""))
        reads = path.partition("/points")[2] in _READS and "/points" in path
        reads |= path.endswith("/facet") or self.command == "GET"
        return not keys or may_write is True or (may_write is False and reads)

    def _send(self, status: int, reply: dict[str, Any]) -> None:
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815  the library's names


__all__ = ["Fate", "QdrantHttp"]
