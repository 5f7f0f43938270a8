"""Images in a Google Cloud Storage bucket, against an emulator of it on this machine."""

import uuid
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest

from pdray.records import Failure, ImageRef
from pdray.sources import Content, open_source
from pdray.sources.storage import Storage


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    host, port = server._api._httpd.server_address
    with pytest.MonkeyPatch.context() as patch:
        # As gcsfs is imported; it asks for a bucket's kind by gRPC, which no emulator speaks.
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://{host}:{port}")
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(emulator: str) -> tuple[str, Any, Storage]:
    """(name, file system, how to reach it): two images and a text."""
    options = {"token": "anon", "project": "tests"}
    system = fsspec.filesystem("gs", **options)
    name = f"b{uuid.uuid4().hex}"
    system.mkdir(name)
    for path in ("b/2 ä.png", "a.png", "b/notes.txt"):
        system.pipe_file(f"{name}/{path}", path.encode())
    return name, system, Storage({"gs": options, "gcs": options})


def test_a_bucket_is_listed_and_read(bucket: tuple[str, Any, Storage]) -> None:
    name, system, storage = bucket
    source = open_source(f"gs://{name}", storage=storage)
    listing = source.list()
    refs = [entry for entry in listing if isinstance(entry, ImageRef)]
    assert [ref.uri for ref in refs] == [f"gs://{name}/a.png", f"gs://{name}/b/2%20%C3%A4.png"]
    assert [ref.size for ref in refs] == [5, len("b/2 ä.png".encode())]
    assert listing.ignored == 1
    assert list(source.fetch(refs)) == [Content(b"a.png"), Content("b/2 ä.png".encode())]
    system.pipe_file(f"{name}/a.png", b"other")
    again = [entry for entry in source.list() if isinstance(entry, ImageRef)]
    same = [new.version == old.version for new, old in zip(again, refs, strict=True)]
    assert same == [False, True]


def test_an_object_that_is_gone_is_a_missing_one(bucket: tuple[str, Any, Storage]) -> None:
    name, _, storage = bucket
    source = open_source(f"gs://{name}", storage=storage)
    (found,) = source.fetch([ImageRef(f"gs://{name}/none.png", 1, "v")])
    assert isinstance(found, FileNotFoundError)
    assert not any(isinstance(entry, Failure) for entry in source.list())
