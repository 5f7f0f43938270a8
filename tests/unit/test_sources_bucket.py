"""Listing and reading through fsspec, over its in-memory file system."""

import functools
import io
import os
import pickle
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pdray.errors import SourceError
from pdray.records import Failure, ImageRef
from pdray.sources import Unreadable, open_source
from pdray.sources.bucket import BucketSource, without_credentials
from pdray.sources.storage import Storage


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def uris(location: str, **options: Any) -> list[str]:
    return [e.uri for e in open_source(location, **options).list() if isinstance(e, ImageRef)]


def test_a_bucket_is_listed_like_a_folder(memory: Any) -> None:
    for name in ("b/2.png", "b/1.JPG", "c.tiff", ".hidden.png", "b/@eaDir/x.png", "notes.txt"):
        memory.pipe_file(f"/bucket/in/{name}", b"bytes")
    memory.pipe_file("/bucket/inside/other.png", b"bytes")
    listing = open_source("memory://bucket/in").list()
    assert [entry.uri for entry in listing if isinstance(entry, ImageRef)] == [
        "memory://bucket/in/c.tiff",
        "memory://bucket/in/b/1.JPG",
        "memory://bucket/in/b/2.png",
    ]
    assert listing.ignored == 1


def test_odd_keys_survive_the_way_to_a_uri_and_back(memory: Any) -> None:
    key = "/bucket/a b/100%25 #1?é.png"
    memory.pipe_file(key, b"these bytes")
    source = open_source("memory://bucket/a b")
    (ref,) = source.list()
    assert isinstance(ref, ImageRef)
    assert ref.uri == "memory://bucket/a%20b/100%2525%20%231%3F%C3%A9.png"
    assert source.read(ref.uri) == b"these bytes"
    assert source.covers(ref.uri)
    assert ref.size == 11


def test_one_root_by_several_spellings(memory: Any) -> None:
    memory.pipe_file("/bucket/in/a.png", b"x")
    spellings = ("memory://bucket/in", "memory://bucket/in/", "memory:///bucket/in")
    assert {open_source(spelling).root for spelling in spellings} == {"memory://bucket/in/"}


def test_one_object_is_a_source(memory: Any) -> None:
    memory.pipe_file("/bucket/a.png", b"x")
    memory.pipe_file("/bucket/b.png", b"x")
    assert uris("memory://bucket/a.png") == ["memory://bucket/a.png"]
    assert uris("memory://bucket") == ["memory://bucket/a.png", "memory://bucket/b.png"]


def test_patterns_hold_for_buckets_too(memory: Any) -> None:
    for name in ("keep/a.png", "keep/b.gif", "drop/c.png"):
        memory.pipe_file(f"/bucket/{name}", b"x")
    source = open_source("memory://bucket", include=["keep"], exclude=["*.gif"])
    (ref,) = source.list()
    assert isinstance(ref, ImageRef)
    assert ref.uri == "memory://bucket/keep/a.png"
    assert not source.covers("memory://bucket/drop/c.png")
    assert not source.covers("memory://bucket2/keep/a.png")


def test_new_bytes_under_an_old_key_have_another_version(memory: Any) -> None:
    memory.pipe_file("/bucket/a.png", b"x")
    source = open_source("memory://bucket")
    (before,) = source.list()
    memory.pipe_file("/bucket/a.png", b"y")
    (after,) = source.list()
    assert isinstance(before, ImageRef)
    assert isinstance(after, ImageRef)
    assert before.version != after.version


def test_a_source_pickles_with_its_options_and_shows_none_of_them(memory: Any) -> None:
    memory.pipe_file("/bucket/a.png", b"x")
    source = BucketSource.at("memory://bucket", options={"secret": "hunter2"})
    assert "hunter2" not in repr(source)
    copy = pickle.loads(pickle.dumps(source))
    assert copy.options["secret"] == "hunter2"
    assert list(copy.list()) == list(source.list())


def test_reading_a_missing_object_raises_file_not_found(memory: Any) -> None:
    memory.pipe_file("/bucket/a.png", b"x")
    with pytest.raises(FileNotFoundError):
        open_source("memory://bucket").read("memory://bucket/none.png")


class Grumpy(MemoryFileSystem):  # type: ignore[misc]
    """A store that refuses one prefix with an error of its own, as bucket clients do."""

    protocol = "grumpy"
    store: dict[str, Any] = {}  # noqa: RUF012 (fsspec's way)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.replace("grumpy://", "memory://"))

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        if path.endswith("bad"):
            raise RuntimeError("the signature is stale")
        return super().ls(path, detail=detail, **kwargs)

    def cat_file(self, path: str, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("the signature is stale")


@pytest.fixture
def grumpy() -> Any:
    fsspec.register_implementation("grumpy", Grumpy, clobber=True)
    return fsspec.filesystem("grumpy")


def test_a_prefix_that_cannot_be_listed_is_said_and_the_rest_is_listed(grumpy: Any) -> None:
    for name in ("bad/a.png", "good/b.png"):
        grumpy.pipe_file(f"/bucket/{name}", b"x")
    entries = list(open_source("grumpy://bucket").list())
    assert entries[0] == Unreadable(
        "grumpy://bucket/bad/",
        "The folder could not be listed: it could not be read: the signature is stale.",
    )
    assert [e.uri for e in entries[1:] if isinstance(e, ImageRef)] == ["grumpy://bucket/good/b.png"]


def test_a_clients_own_error_is_an_os_error_to_the_reader(grumpy: Any) -> None:
    grumpy.pipe_file("/bucket/a.png", b"x")
    with pytest.raises(OSError, match="signature is stale"):
        open_source("grumpy://bucket").read("grumpy://bucket/a.png")


def test_a_file_url_gives_the_uris_of_the_plain_path(tmp_path: Path) -> None:
    (tmp_path / "a b.jpg").write_bytes(b"x")
    assert uris(tmp_path.as_uri()) == uris(str(tmp_path)) != []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The URL of a folder that a real web server shows."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}/"
        web.shutdown()
        thread.join()


def test_a_web_folder_is_listed_and_read(server: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a b%20.png").write_bytes(b"these bytes")
    source = open_source(server, storage=Storage(private_hosts=True))
    (ref,) = source.list()
    assert isinstance(ref, ImageRef)
    assert ref.uri == f"{server}sub/a%20b%2520.png"
    assert ref.size == 11
    assert source.covers(ref.uri)
    assert source.read(ref.uri) == b"these bytes"
    os.utime(tmp_path / "sub/a b%20.png", (1, 1))
    (touched,) = source.list()
    assert isinstance(touched, ImageRef)
    assert touched.version != ref.version


def test_a_shard_on_a_server_that_sends_no_parts_is_a_failure(server: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        for name in ("a.png", "b.png"):
            info = tarfile.TarInfo(name)
            info.size = 2_000_000
            tar.addfile(info, io.BytesIO(bytes(2_000_000)))
    entries = list(open_source(f"{server}s.tar", storage=Storage(private_hosts=True)).list())
    assert isinstance(entries[-2], Failure)
    assert isinstance(entries[-1], Unreadable)
    assert "\n" not in entries[-2].reason


@pytest.mark.parametrize(
    "location",
    [
        "memory://nowhere/at/all",
        "unheard-of://bucket/x",
        "zip://a::memory://bucket/x.zip",
    ],
)
def test_a_url_that_cannot_be_opened_is_one_sentence(memory: Any, location: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(location)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_password_in_a_url_is_never_shown() -> None:
    assert without_credentials("ftp://me:secret@host/a@b/c") == "ftp://host/a@b/c"
    with pytest.raises(SourceError) as caught:
        open_source("unheard-of://me:secret@host/x")
    assert "secret" not in str(caught.value)
