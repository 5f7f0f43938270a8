"""From what is typed, an image or both to hits. What encodes and what finds is passed in."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pdray.errors import UsageError
from pdray.index.filters import AnyOf, Filter, Words
from pdray.records import Hit, Thumbnail
from pdray.search.fusion import reciprocal_rank_fusion
from pdray.search.language import TEXT, Parsed, bind, parse, tagged, telling, unmatched

Vector = NDArray[np.float32]

# One list must be deep enough to hold what stands high in the other.
FUSION_DEPTH = 200
# How far "-people" pushes away, in lengths of what is looked for. At 1 the query itself is lost.
PUSH = 0.5
TAGS = "keywords"
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
    """What is looked for. Text and image together mean both. `text` is in the query language
    (search/language.py), `image` the bytes of a file, `near` the vector of an image that is known.

    `depth` is how many of each list are fused, None: by the limit. Answers of one depth agree:
    a longer one begins as a shorter one does.
    """

    text: str | None = None
    image: bytes | None = None
    limit: int = 10
    near: Vector | None = field(default=None, compare=False, repr=False)
    depth: int | None = None

    def __post_init__(self) -> None:
        if not (self.text or "").strip() and not self.image and self.near is None:
            raise UsageError("The query is empty; give words, an image or both.")
        if self.limit < 1:
            raise UsageError(f"The limit of a query is at least 1, not {self.limit}.")

    @property
    def words(self) -> str | None:
        """The text as it was typed, without surrounding space, or None where there is none."""
        return (self.text or "").strip() or None

    @property
    def needs_model(self) -> bool:
        """Whether a vector is looked for; conditions alone need none."""
        return bool(self.image or _texts(parse(self.words or "")))


@dataclass(frozen=True, slots=True)
class Towers:
    """What turns a query into vectors of one space, and finds their neighbours.

    `encode_texts`: n texts to float32 (n, dim). `encode_image`: the bytes of a file to (dim,).
    `find`: a vector and a number to at most so many neighbours, best first. `browse`: without a
    vector, newest first. `values`: a field to its values, each with its count. `scope` is the
    collection that all of them are in.
    """

    encode_texts: Callable[[Sequence[str]], Vector]
    encode_image: Callable[[bytes], Vector]
    find: Callable[[Vector, int, Filter], Sequence[Found]]
    browse: Callable[[int, Filter], Sequence[Found]]
    values: Callable[[str], Mapping[str, int]]
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, best first, and the milliseconds that went into "encode", "index" and "total".

    In a batch, "encode" is the query's share of the texts encoded together. `notes` are sentences
    on parts of the query that match nothing.
    """

    query: Query
    hits: tuple[Hit, ...]
    took_ms: Mapping[str, float]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The document that `pdray search --json` prints: query, hits, took_ms, notes if any."""
        return {
            "query": self.query.words,
            "hits": [asdict(hit) for hit in self.hits],
            "took_ms": {stage: round(ms, 2) for stage, ms in self.took_ms.items()},
            **({"notes": list(self.notes)} if self.notes else {}),
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
    parsed = [parse(query.words or "") for query in block]
    texts = [text for one in parsed for text in _texts(one)]
    began = perf_counter()
    vectors = iter(towers.encode_texts(texts)) if texts else iter(())
    share = (perf_counter() - began) / len(texts) if texts else 0.0
    for query, said in zip(block, parsed, strict=True):
        began = perf_counter()
        own = [next(vectors) for _ in _texts(said)]
        wanted = [_towards(own, said)] if own else []
        if query.image:
            wanted.append(np.asarray(towers.encode_image(query.image)).reshape(-1))
        if query.near is not None:
            wanted.append(query.near)
        encoded = perf_counter()
        hits = _find(wanted, said, query, towers)
        ended = perf_counter()
        spent = share * len(own)
        seconds = {
            "encode": spent + encoded - began,
            "index": ended - encoded,
            "total": spent + ended - began,
        }
        took = {stage: 1000 * one for stage, one in seconds.items()}
        yield Answer(query, tuple(hits), took, tuple(unmatched(said.must, towers.values)))


def _texts(said: Parsed) -> list[str]:
    """What the model has to read."""
    return [*([said.words] if said.words else []), *said.without]


def _towards(vectors: Sequence[Vector], said: Parsed) -> Vector:
    """One direction: the words', less a part of each that is unwanted."""
    away = vectors[1:] if said.words else vectors
    if not away:
        return vectors[0]
    towards = vectors[0] if said.words else np.zeros_like(vectors[0])
    direction: Vector = towards - PUSH * np.sum(away, axis=0)
    # Words that take all of themselves back leave nothing to look for but the words.
    return direction / np.linalg.norm(direction) if np.any(direction) else vectors[0]


def narrowing(said: Parsed, towers: Towers) -> Filter:
    """The conditions of a query, in the towers' scope."""
    return Filter(towers.scope, bind(said.must, towers.values), bind(said.must_not, towers.values))


def _find(vectors: Sequence[Vector], said: Parsed, query: Query, towers: Towers) -> list[Hit]:
    """One list: its order. Several: deep lists, fused by rank, because similarities to words and to
    images lie on different scales. What says all of the words has a list of its own, and so has
    what carries a tag that they name, so that look-alikes never hide it.

    All of the words, because part of them misleads where few images have captions: with half of
    1,000 scenes captioned, fusing with BM25 took R@1 from 0.89 to 0.51, this to 0.90; for queries
    of two or three words precision@10 rose from 0.26 to 0.48 (with all captioned: 0.54 either way).
    """
    where, limit = narrowing(said, towers), query.limit
    if not vectors:
        return [hit(rank, 0.0, one) for rank, one in enumerate(towers.browse(limit, where), 1)]
    depth = query.depth or max(10 * limit, FUSION_DEPTH)
    literal = [towers.find(vectors[0], depth, narrow) for narrow in _literal(said, where, towers)]
    literal = [found for found in literal if found]
    if len(vectors) == 1 and not literal:
        found = towers.find(vectors[0], limit, where)
        return [hit(rank, one.score, one) for rank, one in enumerate(found, start=1)]
    lists = [*(towers.find(vector, depth, where) for vector in vectors), *literal]
    by_id = {one.id: one for ranked in lists for one in ranked}
    fused = reciprocal_rank_fusion([[one.id for one in ranked] for ranked in lists])[:limit]
    return [hit(rank, score, by_id[key]) for rank, (key, score) in enumerate(fused, start=1)]


def _literal(said: Parsed, where: Filter, towers: Towers) -> Iterator[Filter]:
    """Narrower filters: what says all the words that tell something, what carries a tag of them."""
    words = telling(said.words)
    if words:
        yield Filter(where.collection, (*where.must, Words(TEXT, words)), where.must_not)
        if tags := tagged(said.words, towers.values(TAGS)):
            yield Filter(where.collection, (*where.must, AnyOf(TAGS, tags)), where.must_not)


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
