"""Questions to answers, over an engine. Everything here blocks: call it from threads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from uuid import UUID

from numpy import float32
from numpy.typing import NDArray

from pdray.errors import PdrayError
from pdray.index.filters import NEWEST, Filter, Order, Spot
from pdray.index.protocol import Stored
from pdray.records import Hit as FoundHit
from pdray.records import ModelSpec
from pdray.search.language import Parsed, parse, unmatched
from pdray.search.mixing import EQUAL, Weights
from pdray.search.query import FUSION_DEPTH, Part, Query, narrowing, search, search_many
from pdray.search.query import Answer as Found
from pdray.serve import cursor as cursors
from pdray.serve.browsing import ORDERS, WRITTEN, page, read, written
from pdray.serve.counting import counted
from pdray.serve.engine import Engine, no_image
from pdray.serve.given import NONE, Images
from pdray.serve.problems import Problem, document_of, problem_of
from pdray.serve.shapes import (
    SORTED,
    Answer,
    BatchAnswer,
    Facets,
    Hit,
    SearchRequest,
    image_fields,
)

DEEPEST = 10_000  # the last hit that pages of a search lead to
_LIGHT = 100  # hits
_AWAY = 503

Payloads = dict[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Question:
    """A request, checked. `query` is None where there are conditions alone, which browse."""

    asked: SearchRequest
    collection: str
    spec: ModelSpec  # the model that answers
    said: Parsed
    digest: str
    start: int
    depth: int
    after: Spot | None
    query: Query | None

    @property
    def by_relevance(self) -> bool:
        """Whether hits stay in the order in which they are found."""
        return self.asked.sort == "relevance"


def answer(engine: Engine, asked: SearchRequest, images: Images = NONE) -> Answer:
    """The hits of one page."""
    (found,) = answer_together(engine, [asked], images)
    if isinstance(found, Exception):
        raise found
    return found


def answer_many(
    engine: Engine, asked: Sequence[SearchRequest], by_url: Mapping[str, bytes]
) -> BatchAnswer:
    """The answers to many questions, and problems in the place of those that are wrong; what is no
    question's fault is raised. A Qdrant server is asked once for each collection, and once before
    that for all images that are named.
    """
    began = perf_counter()
    named = dict.fromkeys(str(id) for one in asked for id in _named(one))
    images = Images((), by_url, engine.images(list(named)))
    answers: list[Any] = []
    for one in answer_together(engine, asked, images):
        if isinstance(one, Exception):
            problem = problem_of(one)
            if problem.status >= 500:
                raise one
            answers.append(document_of(problem))
        else:
            answers.append(one)
    took = round(1000 * (perf_counter() - began), 3)
    return BatchAnswer(answers=answers, took_ms=took)


def is_light(engine: Engine, asked: SearchRequest) -> bool:
    """Whether it is a question of words to a model that is loaded, and nothing more: each takes
    about as long as any other, so that they may be answered together.
    """
    more = asked.image_id or asked.image_url or asked.mix or asked.facets
    if more or asked.sort != "relevance" or asked.limit > _LIGHT:
        return False
    try:
        said = parse(asked.text or "")
    except PdrayError:
        return False
    return bool(said.words or said.without) and engine.is_loaded(asked.collection)


def answer_together(
    engine: Engine, asked: Sequence[SearchRequest], images: Images = NONE
) -> list[Answer | Exception]:
    """The answer to each question, or why there is none: their texts go through the model together,
    and the index is asked for all of them at once.
    """
    answers: list[Any] = [None] * len(asked)
    by_model: dict[tuple[str, str], list[tuple[int, Question]]] = {}
    for number, one in enumerate(asked):
        try:
            question = prepare(engine, one, images)
            if question.query is None:
                answers[number] = _browsed(engine, question)
            else:
                by = (question.collection, question.spec.space)
                by_model.setdefault(by, []).append((number, question))
        except Exception as error:  # a fault too is its own question's
            answers[number] = error
    for questions in by_model.values():
        found = _answers_of(engine, [question for _, question in questions])
        for (number, _), one_found in zip(questions, found, strict=True):
            answers[number] = one_found
    return answers


def _answers_of(engine: Engine, questions: Sequence[Question]) -> list[Answer | Exception]:
    """Of questions of one collection to one model. Where one of them is wrong, each goes alone;
    where the index is away or the model can't be loaded, none needs to.
    """
    first, queries = questions[0], [one.query for one in questions if one.query is not None]
    seen: Payloads = {}
    try:
        found = search_many(queries, engine.towers(first.collection, seen, first.spec))
        return [
            _answered(engine, question, one_found, seen)
            for question, one_found in zip(questions, found, strict=True)
        ]
    except Exception as error:
        if len(questions) == 1 or problem_of(error).status == _AWAY:
            return [error for _ in questions]
        return [answer for one in questions for answer in _answers_of(engine, [one])]


def _named(asked: SearchRequest) -> Iterator[UUID]:
    """The known images that a question names."""
    for id in (asked.image_id, *(part.image_id for part in asked.mix)):
        if id is not None:
            yield id


def prepare(engine: Engine, asked: SearchRequest, images: Images) -> Question:
    """Raises Problem and UsageError for what is wrong with a request."""
    collection = engine.named(asked.collection)
    said = parse(asked.text or "")
    rest = asked.model_dump_json(exclude={"limit", "cursor", "facets"})
    sent = [cursors.digest(upload) for upload in images.uploads]
    # The next page comes from the model that gave the last one.
    by = {
        cursors.digest("search", collection, rest, *sent, spec.space): spec
        for spec in engine.models(collection)
    }
    digest = next(iter(by))
    if asked.cursor and (said_by := cursors.question(asked.cursor)) in by:
        digest = said_by
    spec = by[digest]
    upload = images.beside_mix(asked)
    vectors = said.words or said.without or asked.image_id or asked.image_url or asked.mix
    if vectors or upload:
        start, depth = 0, min(max(10 * asked.limit, FUSION_DEPTH), DEEPEST)
        if asked.cursor:
            given = cursors.read(asked.cursor, digest, {"start": int, "depth": int})
            start, depth = given["start"], min(given["depth"], DEEPEST)
        if start >= DEEPEST:
            raise Problem(400, "too-deep", f"A search shows {DEEPEST} hits at most.", "cursor")
        limit = min(start + asked.limit + 1, DEEPEST)
        if asked.sort != "relevance":
            limit = depth = SORTED
        query = _query(engine, spec, asked, images, upload, limit, depth)
        return Question(asked, collection, spec, said, digest, start, depth, None, query)
    if not (asked.text or "").strip() and not asked.filters and asked.sort == "relevance":
        raise Problem(400, "bad-query", "The query is empty: give words, an image or filters.")
    after, start = None, 0
    if asked.cursor:
        given = cursors.read(asked.cursor, digest, {**WRITTEN, "start": int})
        after, start = read(_order(asked), given["at"], given["id"]), given["start"]
    return Question(asked, collection, spec, said, digest, start, 0, after, None)


def _order(asked: SearchRequest) -> Order:
    """Of a question of conditions alone."""
    return NEWEST if asked.sort == "relevance" else ORDERS[asked.sort]


def _query(
    engine: Engine,
    spec: ModelSpec,
    asked: SearchRequest,
    images: Images,
    upload: bytes | None,
    limit: int,
    depth: int,
) -> Query:
    near = None
    if asked.image_id is not None:
        near = _vector(engine, spec, str(asked.image_id), images.known)
    mix = [
        Part(
            one.weight,
            one.text,
            images.bytes_of(one),
            _vector(engine, spec, str(one.image_id), images.known) if one.image_id else None,
        )
        for one in asked.mix
    ]
    weights = Weights(**asked.weights.model_dump()) if asked.weights else EQUAL
    if asked.image_url:
        mix.append(Part(weights.image, image=images.by_url[asked.image_url]))
    return Query(
        asked.text,
        upload,
        limit,
        near=near,
        depth=depth,
        mix=tuple(mix),
        where=asked.filters.conditions() if asked.filters else (),
        weights=weights,
    )


def _vector(
    engine: Engine, spec: ModelSpec, id: str, known: Mapping[str, Stored] | None
) -> NDArray[float32] | None:
    stored = engine.image(id, spec) if known is None else known.get(id)
    if stored is None:
        raise no_image(id)
    other = stored.payload["collection"]
    if spec.space not in (one.space for one in engine.models(other)):
        raise Problem(
            400,
            "other-model",
            f"Image {id} is in collection {other!r}, which has another model: look for it there.",
            "image_id",
        )
    return stored.vector


def _answered(engine: Engine, question: Question, found: Found, seen: Payloads) -> Answer:
    asked, start = question.asked, question.start
    hits = list(found.hits)
    if asked.sort != "relevance":
        hits = _sorted(hits, seen, question)
    shown = hits[start : start + asked.limit]
    more = len(hits) > start + asked.limit
    place = {"start": start + asked.limit, "depth": question.depth}
    return Answer(
        query=asked.text,
        collection=question.collection,
        hits=[
            Hit(**image_fields(hit.id, seen[hit.id]), rank=rank, score=hit.score)
            for rank, hit in enumerate(shown, start + 1)
        ],
        notes=list(found.notes),
        took_ms={stage: round(ms, 3) for stage, ms in found.took_ms.items()},
        next_cursor=cursors.write(question.digest, **place) if more else None,
        facets=_facets_of(engine, question),
    )


def _sorted(hits: list[FoundHit], seen: Payloads, question: Question) -> list[FoundHit]:
    """The most relevant in another order; what lacks its field comes last."""
    order = _order(question.asked)
    having = [hit for hit in hits if order.field in seen[hit.id]]
    rest = [hit for hit in hits if order.field not in seen[hit.id]]
    having.sort(key=lambda hit: seen[hit.id][order.field], reverse=order.descending)
    return having + rest


def _browsed(engine: Engine, question: Question) -> Answer:
    """Conditions alone: all that fulfils them, in order."""
    began = perf_counter()
    asked, name = question.asked, question.collection
    towers = engine.towers(name, {})
    where, start = _where(engine, question), question.start
    shown, after = page(engine.index(name), where, _order(asked), question.after, asked.limit)
    place = {"start": start + len(shown), **written(after)} if after else None
    took = 1000 * (perf_counter() - began)
    return Answer(
        query=asked.text,
        collection=name,
        hits=[
            Hit(**image_fields(one.id, one.payload), rank=rank, score=0.0)
            for rank, one in enumerate(shown, start + 1)
        ],
        notes=list(unmatched(question.said.must, towers.values)),
        took_ms={"encode": 0.0, "index": round(took, 3), "total": round(took, 3)},
        next_cursor=cursors.write(question.digest, **place) if place else None,
        facets=_facets_of(engine, question),
    )


def _where(engine: Engine, question: Question) -> Filter:
    asked = question.asked
    more = asked.filters.conditions() if asked.filters else ()
    return narrowing(question.said, engine.towers(question.collection, {}), more)


def _facets_of(engine: Engine, question: Question) -> Facets | None:
    fields = question.asked.facets
    if not fields:
        return None
    return counted(engine, question.collection, _where(engine, question), fields)


def similar(engine: Engine, id: str, limit: int) -> Answer:
    """What is like an image of its own collection, without itself."""
    collection = engine.image(id).payload["collection"]
    stored = engine.image(id, engine.collections()[collection])
    seen: Payloads = {}
    towers = engine.towers(collection, seen)
    found = search(Query(near=stored.vector, limit=limit + 1), towers)
    others = [hit for hit in found.hits if hit.id != id][:limit]
    return Answer(
        query=None,
        collection=collection,
        hits=[
            Hit(**image_fields(hit.id, seen[hit.id]), rank=rank, score=hit.score)
            for rank, hit in enumerate(others, 1)
        ],
        took_ms={stage: round(ms, 3) for stage, ms in found.took_ms.items()},
    )
