"""Points are written, changed, taken away and read, alike in every index."""

from dataclasses import replace

import numpy as np
import pytest

from pdray.index.filters import Condition, Equals, Filter, Range
from pdray.index.overlay import machine_of, said_of
from pdray.index.points import Point
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


def test_an_upsert_replaces_machine_keys_and_keeps_what_people_say(index: Index) -> None:
    index.upsert(points(2, camera="canon eos", keywords=["cat"], caption="wrong", text="a\ncat"))
    index.annotate({name(0): {"tags": ["sofa"], "rating": 4}})
    index.upsert(points(2, seed=1, camera="nikon d750", keywords=["dog"], text="a\ndog"))
    first, second = index.retrieve([name(0), name(1)], with_vectors=True)
    machine = {"collection": "pets", "uri": "file:///p/0.jpg", "camera": "nikon d750"}
    own = {"keywords": ["dog"], "text": "a\ndog"}
    assert machine_of(first.payload) == machine | own
    assert said_of(first.payload) == {"tags": ["sofa"], "rating": 4}
    assert first.payload["keywords"] == ["dog", "sofa"]
    assert first.payload["text"] == "a\ndog\nsofa"
    assert (first.payload["rating"], "caption" in first.payload) == (4, False)
    assert second.payload == machine | own | {"uri": "file:///p/1.jpg"}
    assert first.vector is not None
    assert np.allclose(first.vector, vectors(2, seed=1)[0], atol=1e-3)


def test_what_people_say_is_found_taken_back_and_makes_no_point(index: Index) -> None:
    index.upsert(points(3, keywords=["cat"], rating=1))
    before = list(index.scroll())
    index.annotate({name(0): {"without": ["cat"], "rating": 5}, name(9): {"rating": 5}})
    index.annotate({})
    assert index.count() == 3

    def matching(condition: Condition) -> int:
        return index.matches(Filter("pets", (condition,)))

    assert matching(Range("rating", gte=4)) == 1
    assert matching(Equals("keywords", "cat")) == 2
    index.annotate({name(0): {}})
    assert list(index.scroll()) == before
    assert matching(Equals("keywords", "cat")) == 3


def test_a_point_that_is_new_has_what_people_said_of_it_before(index: Index) -> None:
    [point] = points(1, rating=1)
    index.upsert([replace(point, said={"rating": 5})])
    assert index.retrieve([name(0)])[0].payload["rating"] == 5
    index.annotate({name(0): {"rating": 3}})
    index.upsert([replace(point, said={"rating": 5})])  # read before the edit
    assert index.retrieve([name(0)])[0].payload["rating"] == 3


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
