"""From words, an image or both to hits. What encodes and what finds neighbours is passed in."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pdray.errors import UsageError
from pdray.records import Hit, Thumbnail
from pdray.search.fusion import reciprocal_rank_fusion

Vector = NDArray[np.float32]

# One list must be deep enough to hold what stands high in the other.
FUSION_DEPTH = 200
BATCH = 256


class Found(Protocol):
    """One neighbour, as every index answers it. `score` is cosine similarity."""

    @property
    def id(self) -> str: ...

    @property
    def score(self) -> float: ...

    @property
    def payload(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. Text and image together mean both. `image` is the bytes of a file."""

    text: str | None = None
    image: bytes | None = None
    limit: int = 10

    def __post_init__(self) -> None:
        if not (self.text or "").strip() and not self.image:
            raise UsageError("The query is empty; give words, an image or both.")
        if self.limit < 1:
            raise UsageError(f"The limit of a query is at least 1, not {self.limit}.")

    @property
    def words(self) -> str | None:
        """The text without surrounding space, or None where there is none."""
        return (self.text or "").strip() or None


@dataclass(frozen=True, slots=True)
class Towers:
    """What turns a query into vectors of one space, and finds their neighbours.

    `encode_texts`: n texts to float32 (n, dim). `encode_image`: the bytes of a file to (dim,).
    `find`: a vector and a number to at most so many neighbours, best first.
    """

    encode_texts: Callable[[Sequence[str]], Vector]
    encode_image: Callable[[bytes], Vector]
    find: Callable[[Vector, int], Sequence[Found]]


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, best first, and the milliseconds that went into "encode", "index" and "total".

    In a batch, "encode" is the query's share of the texts encoded together.
    """

    query: Query
    hits: tuple[Hit, ...]
    took_ms: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The document that `pdray search --json` prints: query, hits, took_ms."""
        return {
            "query": self.query.words,
            "hits": [asdict(hit) for hit in self.hits],
            "took_ms": {stage: round(ms, 2) for stage, ms in self.took_ms.items()},
        }


def search(query: Query, towers: Towers) -> Answer:
    """The answer to one query."""
    return next(search_many([query], towers))


def search_many(
    queries: Iterable[Query], towers: Towers, *, batch: int = BATCH
) -> Iterator[Answer]:
    """Answers in the order of the queries, lazily. The texts of `batch` queries go together."""
    waiting = iter(queries)
    while block := list(islice(waiting, batch)):
        yield from _answer_block(block, towers)


def _answer_block(block: Sequence[Query], towers: Towers) -> Iterator[Answer]:
    texts = [query.words for query in block if query.words]
    began = perf_counter()
    vectors = iter(towers.encode_texts(texts)) if texts else iter(())
    share = (perf_counter() - began) / len(texts) if texts else 0.0
    for query in block:
        began = perf_counter()
        wanted = [next(vectors)] if query.words else []
        if query.image:
            wanted.append(np.asarray(towers.encode_image(query.image)).reshape(-1))
        encoded = perf_counter()
        hits = _find(wanted, query.limit, towers.find)
        ended = perf_counter()
        own = share if query.words else 0.0
        seconds = {
            "encode": own + encoded - began,
            "index": ended - encoded,
            "total": own + ended - began,
        }
        yield Answer(query, tuple(hits), {stage: 1000 * took for stage, took in seconds.items()})


def _find(
    vectors: Sequence[Vector], limit: int, find: Callable[[Vector, int], Sequence[Found]]
) -> list[Hit]:
    """One vector: its neighbours by cosine. Several: their deep lists, fused by rank, because
    similarities to words and to images lie on different scales.
    """
    if len(vectors) == 1:
        found = find(vectors[0], limit)
        return [hit(rank, one.score, one) for rank, one in enumerate(found, start=1)]
    depth = max(10 * limit, FUSION_DEPTH)
    lists = [find(vector, depth) for vector in vectors]
    by_id = {one.id: one for ranked in lists for one in ranked}
    fused = reciprocal_rank_fusion([[one.id for one in ranked] for ranked in lists])[:limit]
    return [hit(rank, score, by_id[key]) for rank, (key, score) in enumerate(fused, start=1)]


def hit(rank: int, score: float, found: Found) -> Hit:
    """A Hit from a neighbour's payload; keys that it lacks are None."""
    payload = found.payload
    thumb = payload.get("thumb")
    return Hit(
        rank=rank,
        score=float(score),
        uri=payload["uri"],
        id=found.id,
        size=payload.get("size"),
        width=payload.get("width"),
        height=payload.get("height"),
        taken_at=payload.get("taken_local") or payload.get("taken_at"),
        thumbnail=Thumbnail(thumb["pack"], thumb["offset"], thumb["length"]) if thumb else None,
    )
