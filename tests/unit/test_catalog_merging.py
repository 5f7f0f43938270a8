"""Row compaction: what stays, what goes, and that a kill at any step loses nothing."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pdray.catalog import view
from pdray.catalog.catalog import Catalog
from pdray.catalog.merging import Merger, inherits, is_merged
from pdray.records import Failure, ImageRecord, Metadata, Status, Thumbnail, content_id, image_id


def row(name: str, seq: int = 1, status: Status = "ok", identity: str | None = None) -> ImageRecord:
    uri, content = f"file:///p/{name}", content_id(name.encode())
    whole = status == "ok"
    return ImageRecord(
        uri, 7, f"v{seq}", seq, status, "r", identity or image_id("c", uri, content),
        content if whole else None, phash="00" * 8 if whole else None, space="s",
        metadata=Metadata(iso=100, keywords=("a", "b"), caption=name) if whole else Metadata(),
        thumbnail=Thumbnail("thumbs/x.pack", seq, 3) if whole else None,
        failure=Failure(uri, "read", "gone", "No.") if status == "failed" else None,
    )  # fmt: skip


@pytest.fixture
def catalog() -> Catalog:
    return Catalog.open(f"memory://{uuid.uuid4().hex}", create=True)


def commit(catalog: Catalog, *rows: ImageRecord, names: Any = None) -> str:
    unit = uuid.uuid4().hex
    catalog.commit("c", unit, rows, names or {})
    return catalog.part_path("c", unit)


def live(catalog: Catalog) -> list[ImageRecord]:
    return view.live_records(catalog, "c")


def everything(catalog: Catalog) -> list[ImageRecord]:
    return [r for part in catalog.parts("c") for r in catalog.read_part(part).records]


def compact(catalog: Catalog, **options: Any) -> Merger:
    with Merger(catalog, "c", **options) as merger:
        merger.write()
        merger.delete(settle_seconds=0)
        return merger


def test_many_parts_become_one_sorted_by_uri_with_the_same_rows(catalog: Catalog) -> None:
    for name in "dbacfe":
        commit(catalog, row(name), row(f"{name}-bad", status="failed"))
    before = live(catalog)
    compact(catalog)
    (part,) = catalog.parts("c")
    assert is_merged(part)
    assert live(catalog) == before == everything(catalog)


def test_superseded_rows_go_and_the_end_of_every_id_stays(catalog: Catalog) -> None:
    other = str(uuid.uuid4())
    commit(catalog, row("a"), row("b"), row("gone"), row("taken"))
    commit(catalog, row("a", 2), row("gone", 2, "deleted"))
    commit(catalog, row("taken", 2, "deleted"), row("taken", 3, identity=other))
    before = live(catalog)
    compact(catalog)
    assert live(catalog) == before
    kept = {(r.uri[-5:], r.seq, r.status) for r in everything(catalog)}
    assert kept == {
        ("///p/a"[-5:], 2, "ok"), ("///p/b"[-5:], 1, "ok"), ("/gone", 2, "deleted"),
        ("taken", 2, "deleted"), ("taken", 3, "ok"),
    }  # fmt: skip


def test_a_row_of_a_former_id_that_no_tombstone_ended_stays_as_one(catalog: Catalog) -> None:
    commit(catalog, row("a"))
    commit(catalog, row("a", 2, identity=str(uuid.uuid4())))
    compact(catalog)
    former, _ = everything(catalog)
    wanted = replace(
        row("a"), status="deleted", content_id=None, phash=None, space=None,
        metadata=Metadata(), thumbnail=None,
    )  # fmt: skip
    assert former == wanted


def test_a_part_holds_at_most_so_many_rows_and_full_ones_are_left_alone(catalog: Catalog) -> None:
    for number in range(10):
        commit(catalog, row(f"{number}a"), row(f"{number}b"))
    compact(catalog, rows_a_part=8)
    parts = catalog.parts("c")
    assert [len(catalog.read_part(p).records) for p in parts] == [8, 8, 4]
    again = compact(catalog, rows_a_part=8)
    assert (again.merge.groups, again.merge.dead) == ([], [])
    assert catalog.parts("c") == parts


def test_a_large_part_with_many_dead_rows_is_written_anew(catalog: Catalog) -> None:
    names = "abcdefgh"
    part = commit(catalog, *(row(n) for n in names))
    commit(catalog, row("a", 2))
    assert compact(catalog, rows_a_part=8).merge.groups == []
    commit(catalog, row("b", 2))
    compact(catalog, rows_a_part=8)
    assert part not in catalog.parts("c")
    assert len(everything(catalog)) == len(live(catalog)) == len(names)


def test_an_index_that_applied_the_old_parts_has_the_merged_one(catalog: Catalog) -> None:
    a, b = commit(catalog, row("a")), commit(catalog, row("b"))
    compact(catalog)
    (first,) = catalog.parts("c")
    c = commit(catalog, row("c"))
    compact(catalog)
    (second,) = catalog.parts("c")
    document = catalog.document(second)
    assert inherits(second, document, {a, b, c})
    assert inherits(second, document, {first, c})
    assert not inherits(second, document, {first})
    assert not inherits(second, document, {a, c})
    assert not inherits(a, {}, {a})


def test_merged_parts_name_the_embeddings_of_those_before(catalog: Catalog) -> None:
    commit(catalog, row("a"), names={"s": ["e/1", "e/2"]})
    commit(catalog, row("b"), names={"s": ["e/3"], "t": ["f/1"]})
    with Merger(catalog, "c") as merger:
        (path,) = merger.write({"e/1": ["e/9"], "e/3": ["e/9"]})
    assert catalog.read_part(path).embeddings == {"s": ["e/2", "e/9"], "t": ["f/1"]}


class Killed(BaseException):
    """Stands for the process's end."""


def killing(catalog: Catalog, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Lets so many writes and deletes through, then dies before the next."""
    left = [after]

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def maybe(*arguments: Any) -> Any:
            if not left[0]:
                raise Killed
            left[0] -= 1
            return act(*arguments)

        return maybe

    for name in ("create", "delete"):
        monkeypatch.setattr(catalog.store, name, counted(getattr(catalog.store, name)))


def test_killed_after_any_step_no_row_is_lost_and_the_next_one_ends_the_same(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(8):
        for number in range(4):
            commit(catalog, row(f"{number}", step + 1), row(f"{step}-{number}"))
        commit(catalog, row(f"{step}-0", 2, "deleted"))
        before = live(catalog)
        with monkeypatch.context() as patch:
            killing(catalog, patch, step)
            with pytest.raises(Killed):
                compact(catalog, rows_a_part=16)
        assert live(catalog) == before
    compact(catalog, rows_a_part=100)
    assert live(catalog) == before
    (_,) = catalog.parts("c")
    rows = everything(catalog)
    assert len(rows) == len({(r.uri, r.seq) for r in rows}) == len(before) + 8
