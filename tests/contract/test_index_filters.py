"""Conditions keep what fulfils them, alike in every index."""

import pytest

from pdray.index.filters import (
    AnyOf,
    Box,
    Condition,
    Dates,
    Equals,
    Filter,
    Missing,
    Near,
    Range,
    Words,
)
from pdray.index.points import Point
from pdray.index.protocol import Index
from tests.contract.given import name, points, vectors

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


def test_facets_count_the_values_of_the_matches(index: Index) -> None:
    index.upsert([*points(3, keywords=["sea", "sky"]), *points(5, keywords=["sky", "Ätna"])[3:]])
    assert index.facet("keywords", Filter("pets")) == {"sky": 5, "sea": 3, "Ätna": 2}
    assert index.facet("keywords", Filter("pets"), limit=1) == {"sky": 5}
    assert index.facet("keywords", Filter("others")) == {}
