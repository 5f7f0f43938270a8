"""What every index does: one body over the embedded one, here and in another process, and the
server's.

The server's class runs against the client's in-memory mode, directly and through HTTP, and against
a real server where PDRAY_TEST_QDRANT_URL names one (`-m server`).
"""

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from qdrant_client import QdrantClient

from pdray.index.connection import Connection
from pdray.index.filters import (
    AnyOf,
    Box,
    Condition,
    Dates,
    Equals,
    Filter,
    Missing,
    Near,
    Order,
    Range,
    Spot,
    Words,
)
from pdray.index.opening import open_index, rebuild_index
from pdray.index.points import MACHINE_KEYS, Point
from pdray.index.protocol import Index
from pdray.index.server import open_server, rebuild_server
from pdray.index.target import IndexTarget
from pdray.serve.meeting import place
from pdray.serve.shared import SOCKET, SharedIndex, offer
from pdray.serve.wire import Caller
from tests.qdrant_http import QdrantHttp

DIM = 16
SPACE = "test-0123456789ab"


class Door:
    """Opens (and reopens, and rebuilds) the same index through one implementation."""

    def __init__(
        self,
        opened: Callable[[], Index],
        rebuilt: Callable[[], AbstractContextManager[Index]],
    ) -> None:
        self.open, self.rebuild = opened, rebuilt


class Shared(SharedIndex):
    """An embedded index, asked over the socket of whoever holds it."""

    def __init__(self, target: IndexTarget) -> None:
        self._held = open_index(target, SPACE, DIM)
        meeting = place(target)
        self._listener = offer(meeting, lambda _: self._held, lambda _: (None, {}))
        super().__init__(Caller(meeting / SOCKET, patience=0.0), SPACE)

    def close(self) -> None:
        self._listener.close()
        self._held.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is room: making a shard syncs hundreds of small files, and a
    busy disk turns that into seconds. What a killed process leaves behind is the same.
    """
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    with tempfile.TemporaryDirectory(dir=memory if roomy else None) as made:
        yield Path(made)


@pytest.fixture(
    params=["edge", "shared", "memory", "http", pytest.param("server", marks=pytest.mark.server)],
)
def door(request: pytest.FixtureRequest, folder: Path) -> Iterator[Door]:
    if request.param == "edge":
        target = IndexTarget(state_dir=folder)
        yield Door(
            lambda: open_index(target, SPACE, DIM), lambda: rebuild_index(target, SPACE, DIM)
        )
    elif request.param == "shared":
        target = IndexTarget(state_dir=folder)
        yield Door(lambda: Shared(target), lambda: rebuild_index(target, SPACE, DIM))
    elif request.param == "memory":
        target = IndexTarget(state_dir=folder, workspace=str(folder / "workspace"))
        client = QdrantClient(":memory:")
        ours = Connection(client, "memory")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(Payload indexes have|Local mode)")
            client.close, really = lambda: None, client.close  # type: ignore[method-assign]
            yield Door(
                lambda: open_server(ours, target, SPACE, DIM),
                lambda: rebuild_server(ours, target, SPACE, DIM),
            )
            really()
    elif request.param == "http":
        with QdrantHttp() as server:
            target = IndexTarget(folder, workspace=str(folder / "workspace"), url=server.url)
            yield Door(
                lambda: open_index(target, SPACE, DIM), lambda: rebuild_index(target, SPACE, DIM)
            )
    else:
        url = os.environ.get("PDRAY_TEST_QDRANT_URL")
        if not url:
            pytest.skip("PDRAY_TEST_QDRANT_URL names no server")
        target = IndexTarget(
            state_dir=folder,
            workspace=str(folder / "workspace"),
            url=url,
            api_key=os.environ.get("PDRAY_TEST_QDRANT_KEY"),
            prefix=f"t{uuid.uuid4().hex[:8]}-",
        )
        yield Door(
            lambda: open_index(target, SPACE, DIM), lambda: rebuild_index(target, SPACE, DIM)
        )
        client = QdrantClient(url, api_key=target.api_key)
        for each in client.get_collections().collections:
            if each.name.startswith(target.prefix):
                client.delete_collection(each.name)
        client.close()


@pytest.fixture
def index(door: Door) -> Iterator[Index]:
    with door.open() as opened:
        yield opened


def name(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))


def vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def points(count: int, collection: str = "pets", seed: int = 0, **keys: object) -> list[Point]:
    return [
        Point(name(i), row, {"collection": collection, "uri": f"file:///p/{i}.jpg", **keys})
        for i, row in enumerate(vectors(count, seed))
    ]


def nearest(query: NDArray[np.float32], rows: NDArray[np.float32], among: list[int]) -> list[str]:
    return [name(i) for i in sorted(among, key=lambda i: -float(rows[i] @ query))]


def test_upserting_twice_changes_nothing(index: Index) -> None:
    index.upsert(points(5))
    once = list(index.scroll())
    index.upsert(points(5))
    assert list(index.scroll()) == once
    assert index.count() == 5


def test_of_two_points_with_one_id_the_last_counts(index: Index) -> None:
    index.upsert([*points(1, version="old"), *points(1, version="new")])
    assert index.retrieve([name(0)])[0].payload["version"] == "new"
    assert index.count() == 1


def test_more_points_than_a_batch_all_arrive_twice(index: Index) -> None:
    index.upsert(points(1_100))
    index.upsert(points(1_100, seed=1))
    assert index.count("pets") == 1_100
    assert {point for point, _ in index.scroll()} == {name(i) for i in range(1_100)}
    last = index.retrieve([name(1_099)], with_vectors=True)[0].vector
    assert last is not None
    assert np.allclose(last, vectors(1_100, seed=1)[-1], atol=1e-3)


def test_an_upsert_replaces_machine_keys_and_keeps_library_keys(index: Index) -> None:
    index.upsert(points(2, camera="canon eos", title="wrong"))
    index.annotate([name(0)], {"tags": ["cat", "sofa"], "note": "mine"})
    index.upsert(points(2, seed=1, camera="nikon d750"))
    first, second = index.retrieve([name(0), name(1)], with_vectors=True)
    machine = {"collection": "pets", "uri": "file:///p/0.jpg", "camera": "nikon d750"}
    assert first.payload == {**machine, "tags": ["cat", "sofa"], "note": "mine"}
    assert "title" not in second.payload
    assert first.vector is not None
    assert np.allclose(first.vector, vectors(2, seed=1)[0], atol=1e-3)


def test_annotate_removes_a_key_refuses_machine_keys_and_makes_no_point(index: Index) -> None:
    index.upsert(points(1))
    index.annotate([name(0), name(9)], {"note": "mine", "tags": ["a"]})
    index.annotate([name(0)], {"note": None})
    assert index.retrieve([name(0)])[0].payload.keys() - MACHINE_KEYS == {"tags"}
    assert index.count() == 1
    with pytest.raises(ValueError, match="camera"):
        index.annotate([name(0)], {"camera": "x"})


def test_deleting_removes_and_forgives_unknown_ids(index: Index) -> None:
    index.upsert(points(3))
    index.delete([name(1), name(7)])
    index.delete([name(1)])
    index.delete([])
    assert {point for point, _ in index.scroll()} == {name(0), name(2)}
    assert name(1) not in {hit.id for hit in index.search(vectors(3)[1], limit=10)}


def test_search_gives_the_nearest_first_with_cosine_scores(index: Index) -> None:
    rows = vectors(300)
    index.upsert(points(300))
    for query in vectors(5, seed=9):
        hits = index.search(query * 3, limit=10)
        assert [hit.id for hit in hits] == nearest(query, rows, list(range(300)))[:10]
        expected = sorted((rows @ query).tolist(), reverse=True)[:10]
        assert [hit.score for hit in hits] == pytest.approx(expected, abs=1e-3)
        assert hits[0].payload["uri"].startswith("file:///p/")


def test_a_narrow_filter_finds_every_neighbour(index: Index) -> None:
    rows = vectors(2_000)
    index.upsert(
        [Point(name(i), row, {"collection": "pets", "iso": i % 100}) for i, row in enumerate(rows)]
    )
    index.optimise()
    kept = [i for i in range(2_000) if i % 100 < 15]
    for query in vectors(5, seed=9):
        hits = index.search(query, limit=10, where=Filter("pets", (Range("iso", lt=15),)))
        assert [hit.id for hit in hits] == nearest(query, rows, kept)[:10]


def test_collections_are_apart(index: Index) -> None:
    index.upsert(points(4, collection="pets"))
    index.upsert([Point(name(10), vectors(1)[0], {"collection": "cars"})])
    assert (index.count(), index.count("pets"), index.count("cars")) == (5, 4, 1)
    assert index.count("boats") == 0
    hits = index.search(vectors(1)[0], limit=10, where=Filter("pets"))
    assert {hit.payload["collection"] for hit in hits} == {"pets"}
    assert [point for point, _ in index.scroll("cars")] == [name(10)]


ROWS: list[dict[str, object]] = [
    {"iso": 100, "f_number": 1.8, "taken_at": "2020-01-01T00:00:00Z", "folders": ["f:/a", "f:/b"]},
    {"iso": 200, "f_number": 2.8, "taken_at": "2020-06-01T12:00:00Z", "folders": ["f:/a"]},
    {"iso": 400, "f_number": 5.6, "camera": "canon", "location": {"lon": 13.4, "lat": 52.5}},
    {"iso": 800, "camera": "nikon", "location": {"lon": 2.35, "lat": 48.86}},
]


CASES: list[tuple[tuple[Condition, ...], tuple[Condition, ...], set[int]]] = [
    ((Equals("iso", 200),), (), {1}),
    ((Equals("camera", "canon"),), (), {2}),
    ((Equals("folders", "f:/a"),), (), {0, 1}),
    ((AnyOf("iso", (100, 800)),), (), {0, 3}),
    ((AnyOf("camera", ("canon", "nikon")),), (), {2, 3}),
    ((AnyOf("camera", ()),), (), set()),
    ((Range("iso", gte=200, lt=800),), (), {1, 2}),
    ((Range("f_number", gt=1.8),), (), {1, 2}),
    ((Dates(gte="2020-03-01"),), (), {1}),
    ((Dates(gte="2020-06-01T14:00:00+02:00", lte="2020-06-01T12:00:00"),), (), {1}),
    ((Near(13.0, 52.0, 100_000),), (), {2}),
    ((Box(north=53.0, west=12.0, south=51.0, east=14.0),), (), {2}),
    ((Range("iso", gte=200),), (Equals("camera", "nikon"),), {1, 2}),
    ((), (Equals("folders", "f:/a"),), {2, 3}),
    ((Equals("iso", 200), Equals("camera", "canon")), (), set()),
]


def test_a_filter_keeps_what_fulfils_it(index: Index) -> None:
    index.upsert(
        [
            Point(name(i), row, {"collection": "pets", **ROWS[i]})
            for i, row in enumerate(vectors(len(ROWS)))
        ]
    )
    for must, must_not, expected in CASES:
        where = Filter("pets", must, must_not)
        found = {hit.id for hit in index.search(vectors(1)[0], limit=10, where=where)}
        assert found == {name(i) for i in expected}, where


@pytest.mark.parametrize("descending", [True, False])
def test_pages_of_an_order_are_the_whole_of_it_also_where_values_are_the_same(
    index: Index, descending: bool
) -> None:
    mixed = [uuid.UUID(int=number * 7919 % 1009) for number in range(30)]
    index.upsert(
        [
            Point(
                str(each),
                row,
                {"collection": "pets", "uri": "x", **({"size": i // 6} if i >= 6 else {})},
            )
            for i, (each, row) in enumerate(zip(mixed, vectors(30), strict=True))
        ]
    )
    order, where = Order("size", descending), Filter("pets")
    sign = -1 if descending else 1
    expected = sorted(map(str, mixed), key=lambda id: (_size(mixed, id, 99 * sign) * sign, id))
    for limit in (1, 4, 7, 30, 31):
        seen: list[str] = []
        after: Spot | None = None
        while found := index.browse(where, limit=limit, order=order, after=after):
            seen += [one.id for one in found]
            after = Spot(found[-1].payload.get("size"), found[-1].id)
        assert seen == expected, limit


def _size(mixed: list[uuid.UUID], id: str, none: int) -> int:
    at = mixed.index(uuid.UUID(id))
    return at // 6 if at >= 6 else none


def test_a_date_that_is_none_is_refused(index: Index) -> None:
    with pytest.raises(ValueError, match="yesterday"):
        index.search(vectors(1)[0], limit=1, where=Filter(must=(Dates(gte="yesterday"),)))


def test_what_has_no_value_is_told_from_what_has_one(index: Index) -> None:
    index.upsert([*points(2, camera="canon"), *points(5)[2:]])
    for present, expected in ((True, 2), (False, 3)):
        found = index.browse(Filter("pets", (Missing("camera", present),)), limit=10)
        assert len(found) == expected


@pytest.mark.parametrize(
    ("words", "phrase", "expected"),
    [
        ("red circle", False, {0, 1}),
        ("circle RED", False, {0, 1}),
        ("red circle", True, {0}),
        ("circle blue", True, set()),
        ("img 1234", False, {2}),
    ],
)
def test_words_are_found_in_text(
    index: Index, words: str, phrase: bool, expected: set[int]
) -> None:
    texts = ["A red circle\non blue", "the circle is red", "IMG_1234", "blue"]
    index.upsert(
        [
            Point(name(i), row, {"collection": "pets", "uri": "x", "text": text})
            for i, (row, text) in enumerate(zip(vectors(4), texts, strict=True))
        ]
    )
    found = index.browse(Filter("pets", (Words("text", words, phrase),)), limit=9)
    assert {one.id for one in found} == {name(i) for i in expected}


def test_browsing_goes_from_new_to_old_and_ends_with_what_has_no_date(index: Index) -> None:
    dated = [
        Point(
            name(i), row, {"collection": "pets", "uri": "x", "taken_at": f"202{i}-01-01T00:00:00Z"}
        )
        for i, row in enumerate(vectors(3))
    ]
    index.upsert([*points(5), *dated, *points(9, "others")[5:]])
    late = sorted((name(3), name(4)), key=uuid.UUID)
    expected = [name(2), name(1), name(0), *late]
    assert [one.id for one in index.browse(Filter("pets"), limit=10)] == expected
    assert [one.id for one in index.browse(Filter("pets"), limit=4)] == expected[:4]
    assert [one.id for one in index.browse(Filter("pets"), limit=2)] == expected[:2]


def test_facets_count_the_values_of_the_matches(index: Index) -> None:
    index.upsert([*points(3, keywords=["sea", "sky"]), *points(5, keywords=["sky", "Ätna"])[3:]])
    assert index.facet("keywords", Filter("pets")) == {"sky": 5, "sea": 3, "Ätna": 2}
    assert index.facet("keywords", Filter("pets"), limit=1) == {"sky": 5}
    assert index.facet("keywords", Filter("others")) == {}


def test_scroll_visits_every_point_once_with_the_fields_asked_for(index: Index) -> None:
    index.upsert(points(2_300, version="v1"))
    seen = list(index.scroll("pets", fields=["version"]))
    assert len(seen) == len(dict(seen)) == 2_300
    assert all(payload == {"version": "v1"} for _, payload in seen)
    assert next(index.scroll(fields=()))[1] == {}


def test_retrieve_keeps_the_order_and_leaves_out_the_unknown(index: Index) -> None:
    index.upsert(points(3))
    found = index.retrieve([name(2), name(8), name(0)], with_vectors=True)
    assert [each.id for each in found] == [name(2), name(0)]
    assert found[0].vector is not None
    assert found[0].vector.dtype == np.float32
    assert float(found[0].vector @ vectors(3)[2]) > 0.9999
    assert index.retrieve([name(2)])[0].vector is None


def test_a_wrong_vector_is_refused_before_anything_is_written(index: Index) -> None:
    good = points(2)
    for bad in (np.full(DIM, np.nan, np.float32), np.ones(DIM + 1, np.float32)):
        with pytest.raises(ValueError, match=name(5)):
            index.upsert([*good, Point(name(5), bad, {"collection": "pets"})])
        with pytest.raises(ValueError, match="query"):
            index.search(bad, limit=1)
    assert index.count() == 0


def test_points_and_ledger_survive_reopening(door: Door) -> None:
    with door.open() as index:
        index.upsert(points(20))
        index.annotate([name(0)], {"tags": ["cat"]})
        index.ledger.mark(["part-1", "part-2"])
        before = list(index.scroll())
        top = [hit.id for hit in index.search(vectors(1)[0], limit=5)]
    with door.open() as index:
        assert list(index.scroll()) == before
        assert [hit.id for hit in index.search(vectors(1)[0], limit=5)] == top
        assert index.ledger.applied() == {"part-1", "part-2"}


def test_a_rebuild_replaces_points_and_ledger(door: Door) -> None:
    with door.open() as index:
        index.upsert(points(4))
        index.ledger.mark(["old"])
    with door.rebuild() as index:
        assert index.count() == 0
        assert index.ledger.applied() == set()
        index.upsert(points(2))
        index.ledger.mark(["new"])
    with door.open() as index:
        assert index.count() == 2
        assert index.ledger.applied() == {"new"}


def test_a_rebuild_that_fails_leaves_the_old_index(door: Door) -> None:
    with door.open() as index:
        index.upsert(points(4))
        index.ledger.mark(["old"])

    def rebuild() -> None:
        with door.rebuild() as index:
            index.upsert(points(1))
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        rebuild()
    with door.open() as index:
        assert index.count() == 4
        assert index.ledger.applied() == {"old"}


def test_indexes_built_from_the_same_points_answer_alike(door: Door) -> None:
    with door.open() as index:
        index.upsert(points(500))
        before = [index.search(query, limit=10) for query in vectors(20, seed=3)]
    with door.rebuild() as index:
        index.upsert(points(500)[::-1])
    with door.open() as index:
        after = [index.search(query, limit=10) for query in vectors(20, seed=3)]
    assert [[hit.id for hit in hits] for hits in after] == [
        [hit.id for hit in hits] for hits in before
    ]
