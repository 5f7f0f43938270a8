"""A bucket whose server throttles, fails and breaks off: what it mends is indexed in the same run,
what it does not mend in a later one; broken files are told apart.
"""

import http.client
import io
import socket
import struct
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
import pytest
from PIL import Image

from pdray.catalog.catalog import Catalog
from pdray.catalog.view import live_records
from tests.conftest import S3Server
from tests.faults.plain import Call, Ended, run
from tests.faults.points import Fault

SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
INTERNAL = b"<Error><Code>InternalError</Code><Message>We encountered an error.</Message></Error>"
ALWAYS = 10**6


class Trouble(ThreadingHTTPServer):
    """Stands before an S3 server; `faults` says of a key which fault and how often it has it."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Between)
        self.behind = urlsplit(behind).netloc
        self.faults: dict[str, tuple[str, int]] = {}
        self.asked: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks is what the tests are about."""


class _Between(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Trouble

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = urlsplit(self.path).path.rpartition("/")[2]
        if self.command == "GET" and name in self.server.faults:
            fault, times = self.server.faults[name]
            self.server.asked[name] += 1
            if self.server.asked[name] <= times:
                self._fail(fault)
                return
        behind = http.client.HTTPConnection(self.server.behind, timeout=30)
        headers = {key: value for key, value in self.headers.items() if key.lower() != "host"}
        behind.request(self.command, self.path, body, headers)
        answer = behind.getresponse()
        data = answer.read()
        sizes = dict(answer.getheaders()).get("Content-Length", "0")
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(key, value)
        self.send_header("Content-Length", sizes if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        behind.close()

    def _fail(self, fault: str) -> None:
        if fault == "reset":
            # Closing with this option set sends a reset instead of an orderly end.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
            return
        status, body = {"throttle": (503, SLOW_DOWN), "fail": (500, INTERNAL)}[fault]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = _pass_on  # noqa: N815  the library's names


@pytest.fixture
def trouble(s3: S3Server) -> Iterator[Trouble]:
    with Trouble(s3.endpoint) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def bucket(s3: S3Server) -> str:
    """Five images and a file that is none."""
    system = fsspec.filesystem("s3", **s3.options)
    name = f"trouble-{uuid.uuid4().hex}"
    system.mkdir(name)
    for number in range(5):
        data = io.BytesIO()
        Image.new("RGB", (40, 30), (40 * number, 90, 20)).save(data, "PNG")
        system.pipe_file(f"{name}/{number}.png", data.getvalue())
    system.pipe_file(f"{name}/broken.png", b"no picture")
    return name


def once(bucket: str, home: Path, trouble: Trouble, s3: S3Server) -> Ended:
    """A run over the bucket, by way of the trouble."""
    fault = Fault(str(home / f"fault-{len(list(home.iterdir()))}"))
    Path(fault.folder).mkdir()
    at = {**s3.environment, "PDRAY_SOURCES_S3_ENDPOINT": trouble.url}
    workspace, state = str(home / "workspace"), str(home / "state")
    return run(Call(f"s3://{bucket}", workspace, state, fault, at))


def failures(home: Path) -> dict[str, tuple[str, str]]:
    rows = live_records(Catalog.open(str(home / "workspace")), "default", "failed")
    found = [(row.uri.rpartition("/")[2], row.failure) for row in rows]
    return {name: (failure.stage, failure.kind) for name, failure in found if failure}


def test_what_a_bucket_mends_is_indexed_and_a_broken_file_is_not_asked_for_again(
    bucket: str, trouble: Trouble, s3: S3Server, tmp_path: Path
) -> None:
    trouble.faults = {
        "0.png": ("throttle", 3),
        "1.png": ("fail", 3),
        "2.png": ("reset", 3),
        "broken.png": ("throttle", 0),
    }
    ended = once(bucket, tmp_path, trouble, s3)
    assert (ended.report["indexed"], ended.report["failed"]) == (5, 1), ended
    assert failures(tmp_path) == {"broken.png": ("decode", "not-an-image")}
    assert trouble.asked == {"0.png": 4, "1.png": 4, "2.png": 4, "broken.png": 1}
    again = once(bucket, tmp_path, trouble, s3)
    assert (again.report["read"], again.report["retries"]) == (0, 0)


@pytest.mark.faults
def test_what_a_bucket_does_not_mend_is_listed_as_such_and_tried_by_the_next_run(
    bucket: str, trouble: Trouble, s3: S3Server, tmp_path: Path
) -> None:
    trouble.faults = {
        "0.png": ("throttle", ALWAYS),
        "1.png": ("fail", ALWAYS),
        "2.png": ("reset", ALWAYS),
    }
    ended = once(bucket, tmp_path, trouble, s3)
    assert (ended.report["indexed"], ended.report["failed"]) == (2, 4), ended
    assert failures(tmp_path) == {
        "0.png": ("read", "throttled"),
        "1.png": ("read", "unavailable"),
        "2.png": ("read", "connection"),
        "broken.png": ("decode", "not-an-image"),
    }
    trouble.faults = {}
    again = once(bucket, tmp_path, trouble, s3)
    assert (again.report["indexed"], again.report["failed"], again.report["retries"]) == (3, 0, 3)
    assert failures(tmp_path) == {"broken.png": ("decode", "not-an-image")}
