"""Points are written, changed, taken away and read, alike in every index."""

import numpy as np
import pytest

from pdray.index.filters import Filter
from pdray.index.points import MACHINE_KEYS, Point
from pdray.index.protocol import Index
from tests.contract.given import DIM, name, points, vectors


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


def test_collections_are_apart(index: Index) -> None:
    index.upsert(points(4, collection="pets"))
    index.upsert([Point(name(10), vectors(1)[0], {"collection": "cars"})])
    assert (index.count(), index.count("pets"), index.count("cars")) == (5, 4, 1)
    assert index.count("boats") == 0
    hits = index.search(vectors(1)[0], limit=10, where=Filter("pets"))
    assert {hit.payload["collection"] for hit in hits} == {"pets"}
    assert [point for point, _ in index.scroll("cars")] == [name(10)]


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
