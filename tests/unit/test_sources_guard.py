"""Private addresses are reached by http only with the user's word, whatever way leads there."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pdray.errors import SourceError
from pdray.records import ImageRef
from pdray.sources import Content, failure, guard, open_source
from pdray.sources.storage import Storage


class Handler(BaseHTTPRequestHandler):
    """Shows bytes at any path; /away leads to the same server under 127.0.0.2."""

    def do_GET(self) -> None:
        self._head()
        if not self.path.startswith("/away"):
            self.wfile.write(b"these bytes")

    def do_HEAD(self) -> None:
        self._head()

    def _head(self) -> None:
        if self.path.startswith("/away"):
            self.send_response(302)
            port = self.server.server_address[1]
            self.send_header("Location", f"http://127.0.0.2:{port}/inside.png")
        else:
            self.send_response(200)
            self.send_header("Content-Length", "11")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A web server on every address of this machine's own network."""
    with ThreadingHTTPServer(("0.0.0.0", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield web.server_port
        web.shutdown()
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3", "0.0.0.0"])
def test_a_private_address_is_refused_however_it_is_written(port: int, host: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(f"http://{host}:{port}/a.png")
    assert "sources.private_hosts" in str(caught.value)


def test_a_private_address_is_read_with_the_users_word(port: int) -> None:
    source = open_source(f"http://127.0.0.1:{port}/a.png", storage=Storage(private_hosts=True))
    (ref,) = source.list()
    assert isinstance(ref, ImageRef)
    assert source.read(ref.uri) == b"these bytes"


def test_urls_in_a_table_are_guarded_too(port: int, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{port}/a.png"
    pq.write_table(pa.table({"url": [url]}), tmp_path / "t.parquet")
    source = open_source(str(tmp_path))
    (ref,) = source.list()
    assert isinstance(ref, ImageRef)
    (refused,) = source.fetch([ref])
    assert isinstance(refused, OSError)
    assert failure(ref.uri, "read", refused).kind == "private-host"
    (found,) = open_source(str(tmp_path), storage=Storage(private_hosts=True)).fetch([ref])
    assert isinstance(found, Content)
    assert found.data == b"these bytes"


def test_a_redirect_from_a_public_to_a_private_address_is_refused(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "is_public", lambda address: address == "127.0.0.1")
    fresh = Storage({"http": {"skip_instance_cache": True}})
    assert open_source(f"http://127.0.0.1:{port}/a.png", storage=fresh).root
    with pytest.raises(SourceError, match=r"sources\.private_hosts"):
        open_source(f"http://127.0.0.1:{port}/away.png", storage=fresh)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("10.0.0.1", False),
        ("169.254.169.254", False), ("192.168.1.1", False), ("100.64.0.1", False),
        ("0.0.0.0", False), ("224.0.0.1", False),
        ("::1", False), ("fe80::1%eth0", False), ("fd00::1", False), ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False), ("2002:a00:1::", False), ("nonsense", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert guard.is_public(address) is public
