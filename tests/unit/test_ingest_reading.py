"""What passes by itself is tried again and told from what is broken."""

import errno
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from pdray.catalog.units import Item
from pdray.ingest.reading import Patience, read
from pdray.records import Failure
from pdray.sources import Content, failure, open_source
from pdray.sources.storage import Storage
from pdray.sources.transient import TRANSIENT, transient_kind


class Faltering(BaseHTTPRequestHandler):
    """`/503-2.png` answers 503 twice, then bytes; `/reset-1.png` breaks the line off once."""

    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        name = self.path.strip("/")
        fault, _, times = name.removesuffix(".png").partition("-")
        self.asked[name] += 1
        if self.asked[name] > int(times):
            self._answer(200, b"these bytes")
        elif fault == "reset":
            # Closing with this option set sends a reset instead of an orderly end.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        else:
            self._answer(int(fault), b"")

    def do_HEAD(self) -> None:
        self._answer(200, b"these bytes")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Faltering) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()
        thread.join()


@pytest.fixture
def waits() -> list[float]:
    Faltering.asked.clear()
    return []


def outcome(server: str, name: str, patience: Patience) -> Content | Failure:
    url = f"{server}/{name}"
    source = open_source(url, storage=Storage(private_hosts=True))
    Faltering.asked.clear()
    ((_, found),) = read([source], [Item(source.root, 0, "v", 1, 0)], patience)
    return found


@pytest.mark.parametrize(
    "name", ["503-1.png", "503-3.png", "500-2.png", "429-1.png", "reset-2.png"]
)
def test_what_a_server_mends_is_read_in_the_end(server: str, name: str, waits: list[float]) -> None:
    found = outcome(server, name, Patience((1, 2, 4), sleep=waits.append))
    assert isinstance(found, Content)
    assert found.data == b"these bytes"
    assert waits
    pairs = zip(waits, (1, 2, 4), strict=False)
    assert all(0.5 * pause <= wait <= 1.5 * pause for wait, pause in pairs)


@pytest.mark.parametrize(
    ("name", "kind", "tries"),
    [
        ("503-9.png", "throttled", 4),
        ("502-9.png", "unavailable", 4),
        ("reset-9.png", "connection", 4),
        ("404-9.png", "missing", 1),
        ("403-9.png", "io", 1),
        ("501-9.png", "io", 1),
    ],
)
def test_what_stays_broken_says_whether_another_try_is_worth_it(
    server: str, name: str, kind: str, tries: int, waits: list[float]
) -> None:
    found = outcome(server, name, Patience((1, 2, 4), sleep=waits.append))
    assert isinstance(found, Failure)
    assert found.kind == kind
    assert (kind in TRANSIENT) is (tries > 1) is ("next run" in found.reason)
    assert Faltering.asked[name] == tries or name.startswith("reset")  # clients retry resets too
    assert len(waits) == tries - 1


def test_a_unit_waits_for_a_dead_server_only_so_long(server: str, waits: list[float]) -> None:
    source = open_source(f"{server}/503-99.png", storage=Storage(private_hosts=True))
    items = [Item(source.root, 0, "v", 1, 0)] * 12
    patience = Patience((1, 2, 4), left=20.0, sleep=waits.append)
    found = [one for _, one in read([source], items, patience)]
    assert [type(one) for one in found] == [Failure] * 12
    assert 10 < sum(waits) <= 20


def test_tries_that_take_long_count_too(server: str, waits: list[float]) -> None:
    source = open_source(f"{server}/503-99.png", storage=Storage(private_hosts=True))
    items = [Item(source.root, 0, "v", 1, 0)] * 12
    hours = iter(range(1000))  # by this clock each try takes one
    patience = Patience((1, 2, 4), sleep=waits.append, clock=lambda: 3600.0 * next(hours))
    found = [one for _, one in read([source], items, patience)]
    assert [type(one) for one in found] == [Failure] * 12
    assert len(waits) == 1


class _Client(Exception):
    def __init__(self, **known: Any) -> None:
        self.__dict__.update(known)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.EBUSY, "Please reduce your request rate"), "throttled"),
        (OSError(errno.ECONNREFUSED, "refused"), "connection"),
        (TimeoutError("slow"), "timeout"),
        (_Client(response={"ResponseMetadata": {"HTTPStatusCode": 500}}), "unavailable"),
        (_Client(response={"ResponseMetadata": {"HTTPStatusCode": 404}}), None),
        (_Client(status=504), "unavailable"),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), "connection"),
        (socket.gaierror(socket.EAI_NONAME, "no such name"), None),
        (OSError(errno.EIO, "a bad sector"), None),
        (FileNotFoundError("gone"), None),
        (PermissionError("no"), None),
        (json.JSONDecodeError("x", "y", 0), None),
    ],
)
def test_faults_that_pass_are_known_by_what_they_say(error: Exception, kind: str | None) -> None:
    assert transient_kind(error) == kind
    wrapped = OSError("the client gave up")
    wrapped.__cause__ = error
    if not isinstance(error, FileNotFoundError | PermissionError):
        assert transient_kind(wrapped) == kind
        assert failure("u", "read", wrapped).kind == (kind or "io")
