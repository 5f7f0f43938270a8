"""An index is closed, opened again and made anew, alike in every kind."""

import pytest

from tests.contract.doors import Door
from tests.contract.given import name, points, vectors


def test_points_and_ledger_survive_reopening(door: Door) -> None:
    with door.open() as index:
        index.upsert(points(20))
        index.annotate({name(0): {"tags": ["cat"]}})
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
