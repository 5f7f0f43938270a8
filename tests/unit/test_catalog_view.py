"""Live rows, and which contents have a vector."""

import uuid
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdray.catalog.catalog import Catalog
from pdray.catalog.merging import Merger
from pdray.catalog.planner import Planner
from pdray.catalog.view import (
    carried,
    connect,
    known_contents,
    live_by_part,
    live_records,
    live_versions,
    load_live,
)
from pdray.records import ImageRecord, Status, content_id
from tests.handmade import SPEC

KEYS = ["uri", "seq", "status", "image_id"]


def fresh() -> Catalog:
    return Catalog.open(f"memory://{uuid.uuid4().hex}", create=True)


def row(name: str, seq: int = 1, status: Status = "ok", run: str = "r") -> ImageRecord:
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    return ImageRecord(
        f"file:///{name}", 1, f"v{seq}", seq, status, run, identity, content_id(name.encode())
    )


def test_a_collection_that_was_never_indexed_has_no_rows() -> None:
    assert live_records(fresh(), "c") == []
    assert list(live_versions(fresh(), "c")) == []


def test_the_highest_sequence_number_of_a_uri_is_live() -> None:
    catalog = fresh()
    catalog.commit("c", "a" * 32, [row("x", 2), row("y", 1)], {})
    catalog.commit("c", "b" * 32, [row("x", 1), row("y", 3, "deleted"), row("y", 2)], {})
    assert live_records(catalog, "c") == [row("x", 2)]
    assert live_records(catalog, "c", "deleted") == [row("y", 3, "deleted")]
    assert live_records(catalog, "c", "failed") == []


def test_of_two_attempts_with_one_number_every_reader_takes_the_same() -> None:
    catalog = fresh()
    catalog.commit("c", "a" * 32, [row("x", run="first")], {})
    catalog.commit("c", "b" * 32, [row("x", run="second")], {})
    (kept,) = live_records(catalog, "c")
    with connect() as con:
        load_live(con, catalog, "c", KEYS)
        ((part,),) = con.execute("SELECT part FROM live").fetchall()
    assert [r.run_id for r in catalog.read_part(part).records] == [kept.run_id] == ["second"]


def test_the_live_rows_are_given_part_by_part_in_one_pass() -> None:
    catalog = fresh()
    catalog.commit("c", "a" * 32, [row("x", 1), row("y", 1)], {})
    catalog.commit("c", "b" * 32, [row("x", 2), row("x", 3)], {})
    catalog.commit("c", "d" * 32, [row("y", 2, "failed")], {})
    catalog.commit("c", "e" * 32, [row("z", 1)], {})
    parts = catalog.parts("c")
    with connect() as con:
        load_live(con, catalog, "c", KEYS)
        found = dict(live_by_part(con, parts))
        assert list(found.values()) == [set(), {("file:///x", 3)}, set(), {("file:///z", 1)}]
        assert list(live_by_part(con, parts[2:])) == list(found.items())[2:]


def test_every_row_is_of_its_own_part_however_many_parts_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pdray.catalog.view._FILES", 2)
    catalog = fresh()
    for number in range(5):
        catalog.commit("c", f"{number:032d}", [row(f"x{number}")], {})
    with connect() as con:
        parts = load_live(con, catalog, "c", KEYS)
        found = dict(con.execute("SELECT uri, part FROM live").fetchall())
    assert found == {f"file:///x{number}": parts[number] for number in range(5)}


def test_ids_of_live_whole_rows_are_carried() -> None:
    catalog = fresh()
    catalog.commit("c", "a" * 32, [row("x"), row("y"), row("z")], {})
    catalog.commit("c", "b" * 32, [row("y", 2, "failed"), row("z", 2, "deleted")], {})
    with connect() as con:
        load_live(con, catalog, "c", KEYS)
        ids = [str(row(name).image_id) for name in "xyz"]
        assert carried(con, ids) == {ids[0]}
        assert carried(con, []) == set()


def test_versions_are_those_of_the_live_whole_rows() -> None:
    catalog = fresh()
    catalog.commit("c", "a" * 32, [row("x", 4), row("y", 1, "failed")], {})
    one = row("x", 4)
    assert list(live_versions(catalog, "c")) == [
        (one.image_id, one.uri, one.version, 4, one.content_id)
    ]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.lists(
            st.binary(min_size=1, max_size=1).map(lambda b: (b * 15 + b"\x00").hex())
            | st.binary(min_size=16, max_size=16).map(bytes.hex),
            min_size=1,
            max_size=5,
            unique=True,
        ),
        max_size=3,
    )
)
def test_every_content_with_a_vector_is_found_in_the_first_part_that_has_it(
    parts: list[list[str]],
) -> None:
    catalog = fresh()
    paths = [
        catalog.write_embeddings(f"{n:032x}", "a", SPEC, ids, np.ones((len(ids), 4), np.float32))
        for n, ids in enumerate(parts)
    ]
    known = known_contents(catalog, SPEC.space)
    wanted = {c: path for ids, path in reversed(list(zip(parts, paths, strict=True))) for c in ids}
    assert len(known) == len(wanted)
    assert {content: known.find(content) for content in wanted} == wanted
    assert known.find("f" * 30 + "0e") is None


def test_a_space_without_vectors_knows_nothing() -> None:
    known = known_contents(fresh(), SPEC.space)
    assert (len(known), known.find("0" * 32), known.nbytes) == (0, None, 0)


@pytest.mark.parametrize("name", ["a-b.c_d", "0", "x" * 63, "a..b"])
def test_collections_keep_apart_whatever_their_names(name: str) -> None:
    catalog = fresh()
    catalog.commit(name, "a" * 32, [row("x")], {})
    catalog.commit("other", "b" * 32, [row("y")], {})
    assert live_records(catalog, name) == [row("x")]
    assert catalog.collections() == sorted([name, "other"])


@pytest.mark.parametrize("plans", [False, True])
@pytest.mark.parametrize("where", ["folder", "memory"])
def test_readers_list_again_when_a_compaction_takes_the_parts_that_they_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, plans: bool
) -> None:
    url = str(tmp_path) if where == "folder" else f"memory://{uuid.uuid4().hex}"
    catalog = Catalog.open(url, create=True)
    for name in "abc":
        catalog.commit("c", name * 32, [row(name)], {})
        catalog.write_embeddings(
            name * 32, "x", SPEC, [content_id(name.encode())], np.ones((1, 4), np.float32)
        )
    before = live_records(catalog, "c")
    old: dict[str, list[str]] = {
        "parts": catalog.parts("c"),
        "embedding_parts": catalog.embedding_parts(SPEC.space),
    }
    with Merger(catalog, "c") as merger:
        merged_rows = merger.write()
        for path in merger.merge.replaced[:2]:  # it is in the middle of its deletions
            catalog.store.delete(path)
    assert catalog.settled_parts("c") == merged_rows != catalog.parts("c")
    merged = catalog.embedding_table(old["embedding_parts"][0])
    catalog.write_merged_contents(f"embeddings/{SPEC.space}", merged)
    catalog.store.delete(old["embedding_parts"][0])
    for name, listed in old.items():
        answers = chain(
            [listed], repeat(getattr(catalog, name)("c" if name == "parts" else SPEC.space))
        )
        monkeypatch.setattr(catalog, name, lambda _, answers=answers: next(answers))
    if plans:
        with Planner(catalog, "c", SPEC.space, None) as planner:
            planner.listed("file:///")
            assert len(planner.plan().vanished) == 3
        return
    assert live_records(catalog, "c") == before
    assert len(known_contents(catalog, SPEC.space)) == 3
