"""The line to a server, against a real HTTP server that fails as servers do."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from pdray.errors import IndexUnavailable
from pdray.index.connection import connect
from pdray.index.ledger import Ledger
from pdray.index.points import Point
from pdray.index.retry import Retry
from pdray.index.server import ServerIndex
from pdray.index.target import IndexTarget

COUNTED = (200, {}, {"result": {"count": 3}, "status": "ok", "time": 0.0})
Answer = tuple[int, dict[str, str], object]


class Scripted:
    """A local server that gives the answers of a script, the last one for ever."""

    def __init__(self) -> None:
        self.script: list[Answer] = [COUNTED]
        self.requests: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the name that http.server looks for
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {key.lower(): value for key, value in self.headers.items()}
                outer.requests.append((self.path, headers))
                status, extra, body = (
                    outer.script.pop(0) if len(outer.script) > 1 else outer.script[0]
                )
                data = json.dumps(body).encode()
                self.send_response(status)
                for key, value in {**extra, "Content-Length": str(len(data))}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(data)

            do_PUT = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]

    def serve(self) -> None:
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()
    scripted.serve()
    yield scripted
    scripted.http.shutdown()
    scripted.http.server_close()


def fail(status: int, times: int = 1, **headers: str) -> list[Answer]:
    return [(status, headers, {"status": {"error": "not now"}, "time": 0.0})] * times


def index(server: Scripted, pauses: list[float], path: Path, **settings: object) -> ServerIndex:
    target = IndexTarget(path, url=f"http://127.0.0.1:{server.port}", **settings)  # type: ignore[arg-type]
    line = connect(target, Retry(4, sleep=pauses.append, jitter=lambda: 0.0))
    return ServerIndex(line, "pdray-x", 4, Ledger(str(path)))


def test_a_busy_server_is_asked_again(server: Scripted, tmp_path: Path) -> None:
    server.script = [*fail(503, 2), *fail(500), COUNTED]
    pauses: list[float] = []
    with index(server, pauses, tmp_path) as opened:
        assert opened.count() == 3
    assert pauses == [0.2, 0.4, 0.8]


def test_a_server_that_stays_busy_is_given_up_in_one_sentence(
    server: Scripted, tmp_path: Path
) -> None:
    server.script = fail(503)
    pauses: list[float] = []
    with index(server, pauses, tmp_path) as opened:
        with pytest.raises(IndexUnavailable, match="after 4 tries") as caught:
            opened.count()
        assert f"http://127.0.0.1:{server.port}" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert (len(server.requests), len(pauses)) == (4, 3)


def test_a_write_is_retried_like_a_read(server: Scripted, tmp_path: Path) -> None:
    known = (200, {}, {"result": [], "status": "ok", "time": 0.0})
    done = {"result": [{"operation_id": 1, "status": "completed"}], "status": "ok", "time": 0.0}
    server.script = [*fail(502), known, *fail(503), (200, {}, done)]
    with index(server, [], tmp_path) as opened:
        opened.upsert([Point("5f1f0b52-4be9-5a83-9d2b-8f2f6d1c7a10", np.ones(4, np.float32), {})])
    assert [path.split("?")[0] for path, _ in server.requests] == [
        *["/collections/pdray-x/points"] * 2,
        *["/collections/pdray-x/points/batch"] * 2,
    ]
    assert "wait=true" in server.requests[-1][0]


def test_a_pause_that_the_server_names_is_kept(server: Scripted, tmp_path: Path) -> None:
    server.script = [*fail(429, **{"Retry-After": "3"}), *fail(429), COUNTED]
    pauses: list[float] = []
    with index(server, pauses, tmp_path) as opened:
        assert opened.count() == 3
    assert pauses == [3.0, 0.4]


def test_a_refused_key_is_not_tried_again(server: Scripted, tmp_path: Path) -> None:
    server.script = fail(401)
    with (
        index(server, [], tmp_path, api_key="wrong") as opened,
        pytest.raises(IndexUnavailable, match="refused the API key"),
    ):
        opened.count()
    assert len(server.requests) == 1


def test_a_wrong_request_is_not_tried_again(server: Scripted, tmp_path: Path) -> None:
    server.script = fail(400)
    with index(server, [], tmp_path) as opened, pytest.raises(IndexUnavailable, match="not now"):
        opened.count()
    assert len(server.requests) == 1


def test_the_key_travels_in_the_header_and_never_in_a_message(
    server: Scripted, tmp_path: Path
) -> None:
    target = IndexTarget(
        tmp_path, url=f"http://user:hidden@127.0.0.1:{server.port}", api_key="secret"
    )
    assert "secret" not in repr(target)
    assert target.place == f"http://127.0.0.1:{server.port}"
    with index(server, [], tmp_path, api_key="secret") as opened:
        opened.count()
    assert server.requests[0][1]["api-key"] == "secret"


def test_a_server_that_is_not_there_is_named(server: Scripted, tmp_path: Path) -> None:
    with index(server, [], tmp_path) as opened:
        server.http.server_close()
        with pytest.raises(IndexUnavailable, match=rf"127.0.0.1:{server.port} .* 4 tries"):
            opened.count()


def test_a_key_over_plain_http_to_another_host_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logging.Logger.propagate", True, raising=False)
    for host, warned in (("127.0.0.1", False), ("qdrant.example", True)):
        caplog.clear()
        connect(IndexTarget(tmp_path, url=f"http://{host}:6333", api_key="k")).client.close()
        assert ("unencrypted" in caplog.text) == warned


def test_https_trusts_the_named_authority_and_no_stranger(
    tmp_path: Path, certificate: Callable[[], tuple[Path, Path]]
) -> None:
    authority, chain = certificate()
    stranger, _ = certificate()
    scripted = Scripted()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    scripted.http.socket = context.wrap_socket(scripted.http.socket, server_side=True)
    scripted.serve()
    url = f"https://127.0.0.1:{scripted.port}"

    def counted(**settings: object) -> int:
        target = IndexTarget(tmp_path, url=url, api_key="k", **settings)  # type: ignore[arg-type]
        line = connect(target, Retry(3, sleep=lambda _: None))
        with ServerIndex(line, "pdray-x", 4, Ledger(str(tmp_path))) as opened:
            return opened.count()

    assert counted(ca=authority) == 3
    assert counted(verify=False) == 3
    for ca in (None, stranger):
        with pytest.raises(IndexUnavailable, match="isn't trusted"):
            counted(ca=ca)
    with pytest.raises(IndexUnavailable, match=r"nowhere\.pem"):
        counted(ca=tmp_path / "nowhere.pem")
    scripted.http.shutdown()
    scripted.http.server_close()
