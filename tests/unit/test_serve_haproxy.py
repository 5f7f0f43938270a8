"""HAProxy as `pdray serve` has Ray start it, with what Ray writes for it, before real servers."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from pdray.serve.haproxy import environment, inherited
from tests.ports import free_port
from tests.waiting import until

# As Ray's own proxy actor does it, on a node named "node".
_RENDER = """
import sys
from ray.serve._private import haproxy, constants
from ray.serve.config import HTTPOptions
front, fallback, *behind = map(int, sys.argv[2:])
place = sys.argv[1]
config = haproxy.HAProxyConfig(
    http_options=HTTPOptions(host="127.0.0.1", port=front),
    socket_path=f"{place}/admin.sock", server_state_file=f"{place}/state", server_state_base=place,
    health_check_inter="200ms",
)
servers = [haproxy.ServerConfig(f"replica-{port}", "127.0.0.1", port) for port in behind]
last = haproxy.ServerConfig("fallback", "127.0.0.1", fallback) if fallback else None
backend = haproxy.BackendConfig(
    "http-pdray", "/", servers=servers, app_name="pdray", fallback_server=last
)
api = haproxy.HAProxyApi(config, {"http-pdray": backend}, f"{place}/haproxy.cfg")
api._generate_config_file_internal()
print(haproxy.get_haproxy_binary())
"""
_CALL = "import subprocess, sys; subprocess.call(sys.argv[1:])"


class Replica(BaseHTTPRequestHandler):
    """Answers with its port; one that is dying takes a request and says nothing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Replicas = self.server.replicas  # type: ignore[attr-defined]
        port = self.server.server_address[1]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/-/healthz":
            server.asked.append((port, self.command, self.path))
            if port in server.dying:
                self.close_connection = True
                return
        body = str(port).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass
class Replicas:
    ports: list[int] = field(default_factory=list)
    dying: set[int] = field(default_factory=set)
    asked: list[tuple[int, str, str]] = field(default_factory=list)
    servers: list[ThreadingHTTPServer] = field(default_factory=list)

    def end(self) -> None:
        """From here on connections are refused, and whoever has one gets no answer."""
        self.dying = set(self.ports)
        for server in self.servers:
            server.shutdown()
            server.server_close()


@contextmanager
def replicas(count: int) -> Iterator[Replicas]:
    """That many servers."""
    found = Replicas()
    for _ in range(count):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Replica)
        server.replicas = found  # type: ignore[attr-defined]
        found.ports.append(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.servers.append(server)
    try:
        yield found
    finally:
        found.end()


@dataclass
class Front:
    """A HAProxy that runs."""

    port: int
    configuration: str
    process: psutil.Process
    behind: Replicas

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes, str | None]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body or None)
        answer = connection.getresponse()
        told = answer.status, answer.read(), answer.getheader("Retry-After")
        connection.close()
        return told


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    with replicas(2) as behind, running(behind) as found:
        yield found


@contextmanager
def running(behind: Replicas, fallback: int = 0) -> Iterator[Front]:
    """A HAProxy before these; `fallback` is the port of what it asks where none is left."""
    with environment() as values:
        place = Path(values["RAY_SERVE_HAPROXY_CONFIG_FILE_LOC"]).parent / "node"
        place.mkdir()
        port = free_port()
        ports = (port, fallback, *behind.ports)
        asked = [sys.executable, "-c", _RENDER, str(place), *map(str, ports)]
        rendered = subprocess.run(
            asked, env=os.environ | values, check=True, capture_output=True, text=True
        )
        program = rendered.stdout.split()[-1]
        # Its parent is a process of its own, so that it can be killed.
        parent = subprocess.Popen(
            [sys.executable, "-c", _CALL, program, "-db", "-f", f"{place}/haproxy.cfg"],
            env=os.environ | values,
        )

        def started() -> psutil.Process | None:
            below = psutil.Process(parent.pid).children(recursive=True)
            return next((one for one in below if one.name() == "haproxy"), None)

        process = until(started, "HAProxy")
        configuration = (place / "haproxy.cfg").read_text("utf-8")
        found = Front(port, configuration, process, behind)

        def answers() -> bool:
            try:
                return found.ask("GET", "/")[0] == 200
            except OSError:
                return False

        try:
            until(answers, "an answer")
            yield found
        finally:
            parent.kill()
            parent.wait()
        # What Ray starts must not outlive it.
        assert not psutil.wait_procs([process], 10)[1]


def test_nothing_is_open_but_the_one_address(front: Front):
    listening = {one.laddr for one in front.process.net_connections("inet") if not one.raddr}
    assert {tuple(address) for address in listening} == {("127.0.0.1", front.port)}
    (socket,) = re.findall(r"stats socket (\S+) mode (\d+)", front.configuration)
    assert socket[1] == "600"
    assert Path(socket[0]).parent.parent.stat().st_mode & 0o077 == 0
    assert not re.search(r"^\s*log \S+ local", front.configuration, re.MULTILINE)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/api/v1/images", b""), ("POST", "/api/v1/search", b'{"text": "a"}')],
)
def test_what_changes_nothing_is_asked_of_another(
    front: Front, method: str, path: str, body: bytes
):
    dying, other = front.behind.ports
    front.behind.dying = {dying}
    front.behind.asked.clear()
    until(
        lambda: (
            front.ask(method, path, body)[1] == str(other).encode()
            and dying in {port for port, *_ in front.behind.asked}
        ),
        "one that the dying replica was asked before",
    )
    front.behind.dying = set()


def test_what_may_have_changed_something_is_503_and_not_asked_again(front: Front):
    front.behind.dying = set(front.behind.ports)
    front.behind.asked.clear()
    status, body, again = front.ask("POST", "/api/v1/runs", b"{}")
    front.behind.dying = set()
    assert len(front.behind.asked) == 1
    assert (status, json.loads(body)["code"]) == (503, "replica-lost")
    assert again == "5"


def test_a_connection_that_is_kept_outlives_the_only_replica():
    with (
        replicas(1) as fallback,
        replicas(1) as behind,
        running(behind, fallback.ports[0]) as front,
    ):
        connection = HTTPConnection("127.0.0.1", front.port, timeout=30)

        def ask() -> bytes:
            connection.request("POST", "/api/v1/search", b"{}")
            return connection.getresponse().read()

        assert ask() == str(behind.ports[0]).encode()
        behind.end()
        assert ask() == str(fallback.ports[0]).encode()
        connection.close()


def test_large_bodies_stream(front: Front):
    assert front.ask("POST", "/api/v1/search", b"x" * 1_000_000)[0] == 200


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_SERVE_SET", "by somebody")
    with inherited({"RAY_SERVE_SET": "by us", "RAY_SERVE_NEW": "by us"}):
        assert (os.environ["RAY_SERVE_SET"], os.environ["RAY_SERVE_NEW"]) == (
            "by somebody",
            "by us",
        )
    assert os.environ["RAY_SERVE_SET"] == "by somebody"
    assert "RAY_SERVE_NEW" not in os.environ


def test_the_files_are_gone_afterwards():
    with environment() as values:
        folder = Path(values["RAY_SERVE_HAPROXY_CONFIG_FILE_LOC"]).parent
        assert folder.is_dir()
    assert not folder.exists()
