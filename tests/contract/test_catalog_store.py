"""One body over both stores: a folder, and an object store: fsspec's in-memory one, and S3 on the
server that PDRAY_TEST_S3_ENDPOINT names (`-m server`), with the usual environment's keys.
"""

import errno
import os
import pickle
import threading
import time
import uuid
from pathlib import Path

import fsspec
import numpy as np
import pytest

from pdray.catalog.catalog import Catalog
from pdray.catalog.store import LocalStore, ObjectStore, Store, open_store
from pdray.catalog.view import known_contents, live_records
from pdray.errors import CatalogError
from pdray.records import ImageRecord, content_id
from tests.handmade import SPEC


@pytest.fixture(
    params=["folder", "odd folder", "memory", pytest.param("s3", marks=pytest.mark.server)]
)
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "s3":
        return f"s3://{bucket(monkeypatch)}/deep/er"
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}/deep/er"
    name = "plain" if request.param == "folder" else "ä b%20c #1?d"
    return str(tmp_path / name)


def bucket(monkeypatch: pytest.MonkeyPatch) -> str:
    """A new one on the server that the environment names."""
    endpoint = os.environ.get("PDRAY_TEST_S3_ENDPOINT")
    if not endpoint:
        pytest.skip("PDRAY_TEST_S3_ENDPOINT names no server")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    name = f"test-{uuid.uuid4().hex}"
    fsspec.filesystem("s3", endpoint_url=endpoint).mkdir(name)
    return name


@pytest.fixture
def store(url: str) -> Store:
    return open_store(url)


def test_a_file_is_created_once_and_read_whole_or_in_part(store: Store) -> None:
    assert store.create("a/b/c.bin", b"0123456789")
    assert not store.create("a/b/c.bin", b"other")
    assert store.read("a/b/c.bin") == b"0123456789"
    assert store.read("a/b/c.bin", 3, 4) == b"3456"
    assert store.read("a/b/c.bin", 0, 2) == b"01"
    assert store.read("a/b/c.bin", 8) == b"89"


def test_an_empty_file_is_a_file(store: Store) -> None:
    assert store.create("empty", b"")
    assert not store.create("empty", b"x")
    assert store.read("empty") == b""


def test_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.read("no/such")
    assert store.list("no") == []
    store.delete("no/such")


def test_a_listing_is_sorted_and_names_files_and_folders_of_one_level(store: Store) -> None:
    for path in ("f/b.json", "f/a.json", "f/c.beat", "f/deep/x.json", "g/y.json"):
        store.create(path, b"x")
    assert store.list("f") == ["f/a.json", "f/b.json", "f/c.beat", "f/deep"]
    assert store.list("f", ".json") == ["f/a.json", "f/b.json"]


def test_a_listing_shows_what_was_just_written_and_removed(store: Store) -> None:
    store.create("f/a", b"x")
    assert store.list("f") == ["f/a"]
    store.create("f/b", b"x")
    assert store.list("f") == ["f/a", "f/b"]
    store.delete("f/a")
    assert store.list("f") == ["f/b"]


def test_replace_overwrites(store: Store) -> None:
    store.replace("beat", b"1")
    store.replace("beat", b"22")
    assert store.read("beat") == b"22"


def test_a_store_is_the_same_when_opened_by_its_own_url(store: Store) -> None:
    store.create("x", b"1")
    assert open_store(store.url).read("x") == b"1"


def test_a_catalog_works_on_every_store_and_travels(url: str) -> None:
    catalog = Catalog.open(url, create=True)
    content = content_id(b"x")
    part = catalog.write_embeddings("1" * 32, "a", SPEC, [content], np.ones((1, 4), np.float32))
    row = ImageRecord("file:///a%20b/%C3%A9.jpg", 1, "v", 1, "ok", "r", str(uuid.uuid4()), content)
    assert catalog.commit("c", "1" * 32, [row], {SPEC.space: [part]})
    travelled: Catalog = pickle.loads(pickle.dumps(catalog))
    assert live_records(travelled, "c") == [row]
    assert known_contents(travelled, SPEC.space).find(content) == part
    assert travelled.read_part(travelled.parts("c")[0]).embeddings == {SPEC.space: [part]}
    assert travelled.collections() == ["c"]
    assert Catalog.open(catalog.store.url).parts("c") == catalog.parts("c")


def race(store: LocalStore, path: str) -> list[int]:
    """Who of eight threads created a file at once."""
    won: list[int] = []
    start = threading.Barrier(8)

    def create(number: int) -> None:
        start.wait()
        if store.create(path, str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


def test_of_many_threads_one_creates(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    (winner,) = race(store, "new/folder/claim")
    assert store.read("new/folder/claim") == str(winner).encode()
    assert store.list("new/folder") == ["new/folder/claim"]


def test_a_file_system_without_hard_links_creates_once_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    store = LocalStore(tmp_path)
    (winner,) = race(store, "claim")
    assert store.read("claim") == str(winner).encode()
    assert store.list("") == ["/claim"]


def test_a_half_written_file_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    store = LocalStore(tmp_path)
    with pytest.raises(OSError, match="No space"):
        store.create("f", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_whose_name_is_not_utf8_is_found_again(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    store = open_store(folder)
    store.create("x", b"1")
    assert open_store(store.url).read("x") == b"1"


def test_errors_of_a_client_are_oserrors(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore("memory://errors")

    def fail(*_: object, **__: object) -> None:
        raise ValueError("Unable to locate credentials.")

    monkeypatch.setattr(store.fs, "cat_file", fail, raising=True)
    with pytest.raises(OSError, match="Unable to locate credentials"):
        store.read("x")


def test_an_unknown_scheme_is_one_sentence_without_its_password() -> None:
    with pytest.raises(CatalogError, match="nosuch://host/x can't be opened") as caught:
        open_store("nosuch://me:secret@host/x")
    assert "secret" not in str(caught.value)


def test_a_walk_tells_every_file_below_with_size_and_age(store: Store) -> None:
    began = time.time()
    for path in ("f/b.json", "f/deep/er/a.pack", "g/x"):
        store.create(path, b"abc")
    found = list(store.walk("f"))
    assert [(e.path, e.size, e.temporary) for e in found] == [
        ("f/b.json", 3, False), ("f/deep/er/a.pack", 3, False)
    ]  # fmt: skip
    assert all(e.modified is not None and abs(e.modified - began) < 60 for e in found)
    assert list(store.walk("no")) == []
    store.delete("f/deep/er/a.pack")
    store.prune("f")
    assert store.list("f") in (["f/b.json"], ["f/b.json", "f/deep"])  # the in-memory one keeps it


def test_a_walk_of_a_folder_tells_of_unfinished_files_and_pruning_removes_empty_ones(
    tmp_path: Path,
) -> None:
    store = LocalStore(tmp_path)
    store.create("f/deep/a", b"abc")
    (tmp_path / "f" / ".tmp-1").write_bytes(b"ha")
    assert [e.path for e in store.walk("f") if e.temporary] == ["f/.tmp-1"]
    assert store.list("f") == ["f/deep"]
    store.delete("f/deep/a")
    store.prune("f/deep")
    assert store.list("f") == []
