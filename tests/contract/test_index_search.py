"""The nearest points are found, alike in every index."""

import pytest

from pdray.index.filters import Filter, Range
from pdray.index.points import Point
from pdray.index.protocol import Index
from tests.contract.given import name, nearest, points, vectors


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


def test_many_searches_find_what_each_would_alone(index: Index) -> None:
    assert index.search_many([]) == []
    index.upsert(
        [
            Point(name(i), row, {"collection": "pets", "iso": i % 7})
            for i, row in enumerate(vectors(300))
        ]
    )
    conditions = (Filter("pets"), Filter("pets", (Range("iso", lt=2),)), Filter("nobody's"))
    wanted = [
        (query, 3 + number % 2, conditions[number % 3])
        for number, query in enumerate(vectors(12, seed=9))
    ]
    together = index.search_many(wanted)
    alone = [index.search(vector, limit=limit, where=where) for vector, limit, where in wanted]
    assert together == alone
    assert [len(found) for found in together] == 2 * [3, 4, 0, 4, 3, 0]
