"""Copies of a workspace: whole while it changes, after kills, and when brought back."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from pdray.catalog import pointer
from pdray.catalog.catalog import Catalog
from pdray.catalog.copying import backup, restore
from pdray.catalog.merging import Merger
from pdray.catalog.packing import repack, wasteful
from pdray.catalog.store import Store, open_store
from pdray.catalog.view import known_contents, live_records
from pdray.errors import CatalogError
from pdray.records import ImageRecord, content_id, image_id
from tests.handmade import SPEC


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Gives places of one kind."""
    if request.param == "s3":
        request.getfixturevalue("s3")
        bucket = f"copies-{uuid.uuid4().hex}"
        fsspec.filesystem("s3").mkdir(bucket)
        return lambda: f"s3://{bucket}/{uuid.uuid4().hex}"
    if request.param == "memory":
        return lambda: f"memory://{uuid.uuid4().hex}"
    return lambda: str(tmp_path / uuid.uuid4().hex)


def add(catalog: Catalog, name: str) -> None:
    unit, content = uuid.uuid4().hex, content_id(name.encode())
    pointer.advance(catalog, "c", SPEC)
    path = catalog.write_embeddings(unit, "a", SPEC, [content], np.ones((1, 4), np.float32))
    (thumbnail,) = catalog.write_thumbnails(unit, "a", [name.encode()])
    uri = f"file:///p/{name}"
    row = ImageRecord(
        uri, 1, "v", 1, "ok", "r", image_id("c", uri, content), content, space=SPEC.space,
        thumbnail=thumbnail,
    )  # fmt: skip
    catalog.commit("c", unit, [row], {SPEC.space: [path]})


def workspace(url: str, names: str) -> Catalog:
    catalog = Catalog.open(url, create=True)
    for name in names:
        add(catalog, name)
    return catalog


def check(restored: str, names: str) -> None:
    """Every row is there with its thumbnail and its vector."""
    catalog = Catalog.open(restored)
    rows = live_records(catalog, "c")
    assert [row.uri[-1] for row in rows] == list(names)
    known = known_contents(catalog, SPEC.space)
    for row in rows:
        assert row.thumbnail is not None
        assert catalog.thumbnail(row.thumbnail) == row.uri[-1].encode()
        assert known.find(str(row.content_id)) is not None
    assert pointer.current(catalog, "c") == pointer.Pointer(1, SPEC)


def test_a_copy_comes_back_as_it_was_and_is_then_kept_current(place: Callable[[], str]) -> None:
    catalog, copy, back = workspace(place(), "ab"), place(), place()
    assert backup(catalog, copy).new == 7
    add(catalog, "d")
    done = backup(catalog, copy)
    assert (done.new, done.files, done.removed) == (3, 10, 0)
    assert restore(copy, back).files == 10
    check(back, "abd")
    with pytest.raises(CatalogError, match="holds a workspace already"):
        restore(copy, back)


def test_what_is_gone_goes_from_the_copy_too(place: Callable[[], str]) -> None:
    catalog, copy, back = workspace(place(), "abc"), place(), place()
    backup(catalog, copy)
    with Merger(catalog, "c", forgotten=["file:///p/b"]) as merger:
        merger.write()
        merger.delete(settle_seconds=0)
    assert backup(catalog, copy).removed == 3
    restore(copy, back)
    assert [part.rsplit("/", 1)[-1] for part in Catalog.open(back).parts("c")] == [
        part.rsplit("/", 1)[-1] for part in catalog.parts("c")
    ]


@pytest.mark.parametrize("merges", [True, False])
def test_a_copy_is_whole_whatever_happens_to_the_workspace_meanwhile(
    monkeypatch: pytest.MonkeyPatch, merges: bool
) -> None:
    at, held = 0, set()
    while at >= 0:
        catalog = workspace(f"memory://{uuid.uuid4().hex}", "ab")
        copy, back = f"memory://{uuid.uuid4().hex}", f"memory://{uuid.uuid4().hex}"
        left = [at]

        def counted(act: Callable[..., Any], left: list[int], of: Catalog) -> Callable[..., Any]:
            def meanwhile(*arguments: Any) -> Any:
                left[0] -= 1
                if left[0] == -1:
                    add(Catalog(catalog_store(of)), "d")
                    compact_all(Catalog(catalog_store(of)), merges)
                return act(*arguments)

            return meanwhile

        for name in ("walk", "read"):
            act = getattr(catalog.store, name)
            monkeypatch.setattr(catalog.store, name, counted(act, left, catalog))
        backup(catalog, copy)
        restore(copy, back)
        names = "".join(row.uri[-1] for row in live_records(Catalog.open(back), "c"))
        check(back, names)
        held.add(names)
        more = left[0] < 0 if merges else at < 13  # 13: all listings, and the first reads
        at = at + (3 if merges else 1) if more else -1
    assert held == {"ab", "abd"}


def catalog_store(catalog: Catalog) -> Store:
    """The same files, without what the test changed."""
    return open_store(catalog.store.url)


def compact_all(catalog: Catalog, merges: bool) -> None:
    """Thumbnails move to new packs, perhaps rows to one part, and all that they left goes."""
    old = [entry.path for entry in catalog.store.walk("thumbs")]
    rows = live_records(catalog, "c")
    sizes = {row.thumbnail.pack: 100 for row in rows if row.thumbnail}
    repack(catalog, "c", wasteful(catalog, "c", sizes))
    if merges:
        with Merger(catalog, "c") as merger:
            merger.write()
            merger.delete(settle_seconds=0)
    for path in old:
        catalog.store.delete(path)


def test_a_copy_that_was_cut_off_is_no_backup_until_it_went_on(
    place: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, copy, back = workspace(place(), "ab"), place(), place()
    read = catalog.store.read
    through = [4]

    def dying(path: str, *rest: Any) -> bytes:
        through[0] -= 1
        if through[0] < 0:
            raise ConnectionError("gone")
        return read(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(catalog.store, "read", dying)
        with pytest.raises(OSError, match="gone"):
            backup(catalog, copy)
    with pytest.raises(CatalogError, match="was cut off"):
        restore(copy, back)
    held = sum(1 for _ in open_store(copy).walk("")) - 1
    assert held > 0
    assert backup(catalog, copy).new == 7 - held
    restore(copy, back)
    check(back, "ab")


def test_a_file_cut_short_in_the_copy_is_copied_again(place: Callable[[], str]) -> None:
    catalog, copy, back = workspace(place(), "ab"), place(), place()
    backup(catalog, copy)
    open_store(copy).replace(catalog.parts("c")[0], b"half")
    assert backup(catalog, copy).new == 1
    restore(copy, back)
    check(back, "ab")


def test_places_that_would_lose_something_are_refused(place: Callable[[], str]) -> None:
    url = place()
    catalog = workspace(url, "a")
    with pytest.raises(CatalogError, match="is in the workspace"):
        backup(catalog, f"{url}/copy")
    other = place()
    workspace(other, "b")
    with pytest.raises(CatalogError, match="holds other files"):
        backup(catalog, other)
    with pytest.raises(CatalogError, match="is no backup"):
        restore(other, place())
