"""Queries over a tiny exact index: the hits, how words and image mix, and how texts are batched."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pdray.errors import UsageError
from pdray.index.filters import AnyOf, Filter, Range, Words
from pdray.records import Thumbnail
from pdray.search import Query, Towers, search, search_many

Vector = NDArray[np.float32]
Find = Callable[[Sequence[tuple[Vector, int, Filter]]], list[list[Any]]]


@dataclass(frozen=True)
class Point:
    id: str
    score: float
    payload: dict[str, Any]


def each(find: Callable[[Vector, int, Filter], list[Point]]) -> Find:
    """What finds many, by what finds one."""
    return lambda wanted: [find(*one) for one in wanted]


class Space:
    """An exact index over 2-d points named by their angle; texts and images are angles too."""

    def __init__(self, angles: Sequence[float]) -> None:
        self.angles = angles
        self.batches: list[int] = []
        self.asked: list[int] = []
        self.filters: list[Filter] = []
        self.said: dict[str, list[Point]] = {}  # what holds these words
        self.values: dict[str, dict[str, int]] = {}

    def encode_texts(self, texts: Sequence[str]) -> Vector:
        self.batches.append(len(texts))
        return np.stack([self.at(float(text)) for text in texts])

    def numbers(self, texts: Sequence[str]) -> Vector:
        return self.encode_texts([text.split()[-1] for text in texts])

    def encode_image(self, data: bytes) -> Vector:
        return self.at(float(data))[np.newaxis]

    @staticmethod
    def at(degrees: float) -> Vector:
        turn = np.deg2rad(degrees)
        return np.array([np.cos(turn), np.sin(turn)], np.float32)

    def find(self, vector: Vector, limit: int, where: Filter) -> list[Point]:
        assert vector.shape == (2,)
        self.filters.append(where)
        if any(isinstance(each, Words) for each in where.must):
            said = next(each.text for each in where.must if isinstance(each, Words))
            return self.said.get(said, [])[:limit]
        self.asked.append(limit)
        scored = [(float(self.at(angle) @ vector), angle) for angle in self.angles]
        best = sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:limit]
        return [Point(str(a), s, {"uri": f"file:///{a}.jpg"}) for s, a in best]

    @property
    def towers(self) -> Towers:
        return Towers(
            self.encode_texts,
            self.encode_image,
            each(self.find),
            lambda limit, where: self.find(self.at(0), limit, where),
            lambda field: self.values.get(field, {}),
            "pets",
        )


def test_words_find_their_neighbours_by_cosine() -> None:
    answer = search(Query("31", limit=3), Space(range(0, 180, 10)).towers)
    assert [(hit.rank, hit.id, hit.uri) for hit in answer.hits] == [
        (1, "30", "file:///30.jpg"),
        (2, "40", "file:///40.jpg"),
        (3, "20", "file:///20.jpg"),
    ]
    assert answer.hits[0].score == pytest.approx(np.cos(np.deg2rad(1)), abs=1e-6)


def test_an_image_alone_finds_its_neighbours() -> None:
    answer = search(Query(image=b"92", limit=1), Space(range(0, 180, 10)).towers)
    assert [hit.id for hit in answer.hits] == ["90"]


def test_words_and_image_mean_both() -> None:
    # 0 and 90 lead one list each and stand too deep in the other; 45 is second in both.
    crowd = [50 + step / 10 for step in range(250)]
    space = Space([0, 45, 90, *(-far for far in crowd), *(90 + far for far in crowd)])
    answer = search(Query("0", b"90", limit=3), space.towers)
    assert answer.hits[0].id == "45"
    assert {hit.id for hit in answer.hits[1:]} == {"0", "90"}
    assert [hit.score for hit in answer.hits] == pytest.approx([2 / 62, 1 / 61, 1 / 61])


@pytest.mark.parametrize(("limit", "depth"), [(5, 200), (50, 500)])
def test_a_mixed_query_fuses_deep_lists_and_answers_no_more_than_the_limit(
    limit: int, depth: int
) -> None:
    space = Space(range(360))
    answer = search(Query("10", b"20", limit=limit), space.towers)
    assert space.asked == [depth, depth]
    assert len(answer.hits) == limit
    assert [hit.rank for hit in answer.hits] == list(range(1, limit + 1))


def test_many_texts_are_encoded_together_and_answered_in_order() -> None:
    space = Space(range(0, 360, 10))
    queries = [Query(str(n), limit=1) for n in range(0, 50, 10)] + [Query(image=b"70", limit=1)]
    answers = list(search_many(iter(queries), space.towers, batch=4))
    assert [answer.hits[0].id for answer in answers] == ["0", "10", "20", "30", "40", "70"]
    assert space.batches == [4, 1]


def test_mixed_and_plain_queries_in_one_batch_keep_their_own_vectors() -> None:
    space = Space(range(0, 360, 10))
    queries = [Query(image=b"100", limit=1), Query("50", b"50", 1), Query("20", limit=1)]
    found = [answer.hits[0].id for answer in search_many(queries, space.towers)]
    assert found == ["100", "50", "20"]


def test_a_payload_becomes_a_hit_with_what_it_has() -> None:
    payload = {
        "uri": "file:///a.jpg",
        "size": 5,
        "width": 4,
        "height": 3,
        "taken_at": "2020-01-01T09:00:00Z",
        "taken_local": "2020-01-01T10:00:00",
        "thumb": {"pack": "thumbs/x", "offset": 7, "length": 9},
        "tags": ["kept out"],
    }

    def find(*_: object) -> list[Point]:
        return [Point("id", 0.5, payload), Point("bare", 0.4, {"uri": "file:///b.jpg"})]

    full, bare = search(Query("1"), replace(Space([]).towers, find=each(find))).hits
    assert (full.size, full.width, full.height) == (5, 4, 3)
    assert full.taken_at == "2020-01-01T10:00:00"
    assert full.thumbnail == Thumbnail("thumbs/x", 7, 9)
    assert (bare.size, bare.taken_at, bare.thumbnail) == (None, None, None)


def test_the_json_document_has_the_shape_that_others_build_on() -> None:
    answer = search(Query(" 30 ", limit=1), Space([30]).towers)
    document = json.loads(json.dumps(answer.to_json()))
    assert set(document) == {"query", "hits", "took_ms"}
    assert document["query"] == "30"
    assert set(document["took_ms"]) == {"encode", "index", "total"}
    assert document["hits"][0].items() >= {"rank": 1, "uri": "file:///30.jpg", "id": "30"}.items()


def test_nothing_indexed_means_no_hits() -> None:
    assert search(Query("1"), Space([]).towers).hits == ()
    assert search(Query("1", b"2"), Space([]).towers).hits == ()


@pytest.mark.parametrize(("text", "image"), [(None, None), ("", None), (" \n", None), ("", b"")])
def test_an_empty_query_is_wrong_usage(text: str | None, image: bytes | None) -> None:
    with pytest.raises(UsageError, match="empty"):
        Query(text, image)


def test_a_limit_below_one_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        Query("a", limit=0)


def test_conditions_narrow_and_their_words_are_not_encoded() -> None:
    space = Space(range(0, 90, 10))
    space.values["camera"] = {"canon eos r5": 3, "nikon d750": 2}
    search(Query("30 camera:canon iso:>=800 -camera:nikon", limit=2), space.towers)
    assert space.filters[0] == Filter(
        "pets",
        (AnyOf("camera", ("canon eos r5",)), Range("iso", gte=800.0)),
        (AnyOf("camera", ("nikon d750",)),),
    )
    assert space.batches == [1]


def test_conditions_alone_browse() -> None:
    space = Space(range(0, 90, 10))
    answer = search(Query("iso:100", limit=3), space.towers)
    assert len(answer.hits) == 3
    assert space.batches == []
    assert {hit.score for hit in answer.hits} == {0.0}


def test_no_image_with_the_very_tag_is_lost_behind_look_alikes() -> None:
    space = Space(range(0, 180, 1))
    tagged = [Point(f"tagged-{n}", 0.1, {"uri": "file:///x.jpg"}) for n in range(30)]

    def find(vector: Vector, limit: int, where: Filter) -> list[Point]:
        if any(isinstance(each, AnyOf) for each in where.must):
            return tagged[:limit]
        return space.find(vector, limit, where)

    def values(field: str) -> dict[str, int]:
        return {"keywords": {"31": 30, "other": 2}}[field]

    towers = replace(space.towers, find=each(find), values=values)
    found = [hit.id for hit in search(Query("31", limit=40), towers).hits]
    assert found[:30] == [one.id for one in tagged]
    assert found[30] == "31"
    # As one of several words it is a hint, beside what looks like all of them.
    mixed = [hit.id for hit in search(Query("31 of 31", limit=20), numbered(towers)).hits]
    assert {"tagged-0", "31"} <= set(mixed[:4])


def numbered(towers: Towers) -> Towers:
    """The same, where a text means the number at its end."""
    encode = towers.encode_texts
    return replace(towers, encode_texts=lambda texts: encode([t.split()[-1] for t in texts]))


def test_unwanted_words_push_away() -> None:
    space = Space(range(-90, 180, 10))
    assert search(Query("40", limit=1), space.towers).hits[0].id == "40"
    # 40 less half of 90 points to 0.643 + ..., below 40 and away from 90.
    assert float(search(Query("40 -90", limit=1), space.towers).hits[0].id) < 20


def test_what_says_the_words_stands_beside_what_looks_so() -> None:
    space = Space(range(0, 180, 10))
    space.said["30"] = [Point("170", 0.1, {"uri": "file:///170.jpg"})]
    hits = search(Query("the 30", limit=2), replace(space.towers, encode_texts=space.numbers)).hits
    assert [hit.id for hit in hits] == ["170", "30"] or [hit.id for hit in hits] == ["30", "170"]
    words_alone = [where.must for where in space.filters if where.must]
    assert words_alone == [(Words("text", "30"),)]


def test_lists_are_deep_only_where_some_image_says_the_words() -> None:
    space = Space(range(0, 180, 10))
    space.said["30"] = [Point("170", 0.1, {"uri": "file:///170.jpg"})]
    queries = [Query(text, limit=2) for text in ("20", "30", "40")]
    near = list(search_many(queries, space.towers))
    assert space.asked == [2, 2, 2, 200]
    space.asked.clear()
    far = list(search_many(queries, replace(space.towers, far=True)))
    assert space.asked == [200, 200, 200]  # in one go
    assert [one.hits for one in far] == [one.hits for one in near]


def test_empty_words_are_not_looked_for_by_word() -> None:
    space = Space(range(0, 180, 10))
    towers = replace(space.towers, encode_texts=lambda texts: space.numbers(["1"]))
    search(Query("of the", limit=2), towers)
    assert [where.must for where in space.filters] == [()]


def test_a_tag_that_the_words_name_has_a_list_of_its_own() -> None:
    space = Space(range(0, 180, 10))
    space.values["keywords"] = {"30": 1, "60": 5}
    search(Query("30", limit=5), space.towers)
    assert (AnyOf("keywords", ("30",)),) in [where.must for where in space.filters]


def test_what_says_an_unwanted_word_is_left_out() -> None:
    space = Space(range(0, 180, 10))
    search(Query("10 -60", limit=5), space.towers)
    assert {where.must_not for where in space.filters} == {(Words("text", "60"),)}
