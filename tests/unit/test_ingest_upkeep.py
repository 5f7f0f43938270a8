"""Compaction of a whole workspace, over a catalog and a real embedded index."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest

from pdray.catalog import lease, pointer, store
from pdray.catalog.catalog import new_attempt
from pdray.catalog.view import known_contents, live_records
from pdray.errors import CatalogError, LeaseHeld
from pdray.index.opening import open_index
from pdray.ingest.maintain import rebuild, verify
from pdray.ingest.project import Projector
from pdray.ingest.upkeep import Compacted, compact
from pdray.records import (
    ImageRecord,
    Status,
    content_id,
    image_id,
)
from tests.handmade import DIM, SPEC, Workspace


class Place(Workspace):
    """A workspace whose units name images by a letter: "ab" is two new images."""

    def index(self, names: str, seq: int = 1, collection: str = "default") -> None:
        pointer.advance(self.catalog, collection, SPEC)
        unit = new_attempt() + new_attempt()
        paths, thumbs = self.leftovers(names, unit)
        rows = [row(n, seq, collection=collection) for n in names]
        rows = [_with(r, thumbnail=t) for r, t in zip(rows, thumbs, strict=True)]
        self.catalog.commit(collection, unit, rows, {SPEC.space: paths})

    def leftovers(self, names: str, unit: str) -> tuple[list[str], list[store.Any]]:
        """What an attempt writes before its commit."""
        contents = [content_id(n.encode()) for n in names]
        vectors = np.array([list(n.encode() * DIM) for n in names], np.float32)
        vectors += np.arange(DIM)
        path = self.catalog.write_embeddings(unit, "a", SPEC, contents, vectors)
        return [path], self.catalog.write_thumbnails(unit, "a", [n.encode() * 9 for n in names])

    def delete(self, name: str, seq: int = 2, collection: str = "default") -> None:
        gone = row(name, seq, "deleted", collection)
        self.catalog.commit(collection, new_attempt() + new_attempt(), [gone], {})

    def compact(self, collection: str | None = None, **options: Any) -> Compacted:
        return compact(
            self.settings, self.target, collection,
            **{"grace_seconds": 0, "settle_seconds": 0, **options},
        )  # fmt: skip

    def files(self) -> set[str]:
        folders = ("collections", "embeddings", "thumbs")
        return {
            str(p.relative_to(self.root))
            for folder in folders
            for p in (self.root / folder).rglob("*")
            if p.is_file() and p.parent.name != "pointer"
        }

    def vectors(self) -> dict[str, bytes]:
        with open_index(self.target, SPEC.space, DIM) as index:
            ids = [point for point, _ in index.scroll()]
            found = index.retrieve(ids, with_vectors=True)
        return {p.id: np.round(p.vector, 5).tobytes() for p in found if p.vector is not None}


def _with(record: ImageRecord, **changed: Any) -> ImageRecord:
    return replace(record, **changed)


def row(name: str, seq: int = 1, status: Status = "ok", collection: str = "default") -> ImageRecord:
    uri, content = f"file:///p/{name}", content_id(name.encode())
    return ImageRecord(
        uri, 1, f"v{seq}", seq, status, "r", image_id(collection, uri, content), content,
        space=SPEC.space,
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_many_files_become_few_and_the_index_notices_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcdef":
        place.index(name)
    place.delete("a")
    place.catch_up()
    before, vectors = live_records(place.catalog, "default"), place.vectors()
    with monkeypatch.context() as patch:
        patch.setattr(Projector, "_apply_all", _never)
        done = place.compact()
    assert done.collections["default"] == {
        "parts_before": 7, "parts_after": 1, "rows_before": 7, "rows_after": 6
    }  # fmt: skip
    assert (done.embeddings, done.notes) == ({"merged": 5, "into": 1}, [])
    assert done.removed["embeddings"] == done.removed["packs"] == 1
    assert live_records(place.catalog, "default") == before
    assert len(known_contents(place.catalog, SPEC.space)) == 5
    assert len(place.files()) == 1 + 1 + 5
    assert verify(place.settings, place.target).agrees
    rebuild(place.settings, place.target)
    assert place.vectors() == vectors


def _never(*_: object) -> int:
    raise AssertionError("a merged part was projected again")


def test_what_killed_attempts_left_goes_and_what_others_use_stays(place: Place) -> None:
    place.index("ab")
    place.index("b", collection="other")
    place.leftovers("xy", "e" * 32)
    (place.root / "thumbs" / ".tmp-1").write_bytes(b"half")
    place.delete("b")
    done = place.compact()
    # Of the embeddings also those of b that are elsewhere too.
    assert done.removed == {"embeddings": 2, "packs": 1, "temporary": 1, "bytes": ANY}
    known = known_contents(place.catalog, SPEC.space)
    assert known.find(content_id(b"b")) is not None
    assert known.find(content_id(b"x")) is None
    for name in ("default", "other"):
        for record in live_records(place.catalog, name):
            assert record.thumbnail is not None
            assert place.catalog.thumbnail(record.thumbnail) == record.uri[-1].encode() * 9


def test_young_files_are_left_for_a_later_time(place: Place) -> None:
    place.index("a")
    place.leftovers("x", "e" * 32)
    files = place.files()
    done = place.compact(grace_seconds=60)
    assert done.young == 3
    assert place.files() == files
    place.compact()
    assert len(place.files()) == len(files) - 2


def test_counting_changes_nothing_and_says_what_compaction_then_does(place: Place) -> None:
    for name in "abc":
        place.index(name)
    place.delete("c")
    files = place.files()
    counted = place.compact(dry_run=True)
    assert place.files() == files
    done = place.compact()
    assert (counted.collections, counted.embeddings, counted.removed) == (
        done.collections, done.embeddings, done.removed
    )  # fmt: skip


def test_while_a_run_is_at_work_its_collection_and_shared_files_stay(place: Place) -> None:
    for name in "abc":
        place.index(name)
        place.index(name, collection="other")
    place.leftovers("x", "e" * 32)
    shared = {f for f in place.files() if not f.startswith("collections")}
    theirs = set(place.catalog.parts("other"))
    with lease.hold(place.catalog, "other", "run"):
        done = place.compact()
        with pytest.raises(LeaseHeld):
            place.compact("other")
    assert len(done.notes) == 2
    assert len(place.catalog.parts("default")) == 1
    assert theirs | shared <= place.files()
    with pytest.raises(CatalogError, match="no collection 'nope'"):
        place.compact("nope")


class Killed(BaseException):
    """Stands for the process's end."""


def kill_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Lets so many writes and deletes of catalog files through, then dies before the next."""
    left = [steps]

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def maybe(self: Any, path: str, *rest: Any) -> Any:
            if not path.startswith("leases"):
                if not left[0]:
                    raise Killed
                left[0] -= 1
            return act(self, path, *rest)

        return maybe

    for name in ("create", "delete"):
        monkeypatch.setattr(store.LocalStore, name, counted(getattr(store.LocalStore, name)))


def test_killed_after_any_step_a_clean_compaction_ends_as_one_undisturbed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        place.index(name)
    place.index("c", collection="other")
    place.index("b", seq=2)
    place.delete("a")
    place.leftovers("x", "e" * 32)
    place.catch_up()
    place.catch_up("other")
    before, vectors = live_records(place.catalog, "default"), place.vectors()
    steps = 0
    while True:
        with monkeypatch.context() as patch:
            kill_after(patch, 1)
            try:
                place.compact()
                break
            except Killed:
                steps += 1
        assert live_records(place.catalog, "default") == before
        assert len(known_contents(place.catalog, SPEC.space)) >= 2
    assert steps >= 8
    assert verify(place.settings, place.target).agrees
    assert len([f for f in place.files() if f.startswith("collections")]) == 2
    assert len([f for f in place.files() if f.startswith("embeddings")]) == 1
    used = {r.thumbnail.pack for n in ("default", "other") for r in live_records(place.catalog, n)
            if r.thumbnail}  # fmt: skip
    assert {f for f in place.files() if f.startswith("thumbs")} == used
    rebuild(place.settings, place.target)
    assert place.vectors() == vectors


def test_a_pack_that_is_mostly_dead_is_written_anew(place: Place) -> None:
    place.index("abc")
    place.index("def")
    for name in "abd":
        place.delete(name)
    place.catch_up()
    packs = {f for f in place.files() if f.startswith("thumbs")}
    assert place.compact(dry_run=True).repacked == 1
    done = place.compact()
    assert (done.repacked, done.removed["packs"]) == (1, 1)
    assert done.collections["default"] == {
        "parts_before": 5, "parts_after": 1, "rows_before": 9, "rows_after": 6
    }  # fmt: skip
    left = {f for f in place.files() if f.startswith("thumbs")}
    assert len(left & packs) == len(left - packs) == 1
    shown = {r.uri[-1]: r.thumbnail for r in live_records(place.catalog, "default")}
    for name, where in shown.items():
        assert where is not None
        assert place.catalog.thumbnail(where) == name.encode() * 9
    assert (place.root / sorted(left - packs)[0]).stat().st_size == 9
    assert verify(place.settings, place.target).agrees
    assert place.compact().repacked == 0
