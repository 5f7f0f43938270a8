"""Browsing has an order and pages, alike in every index."""

import uuid

import pytest

from pdray.index.filters import Filter, Order, Spot
from pdray.index.points import Point
from pdray.index.protocol import Index
from tests.contract.given import name, points, vectors


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
