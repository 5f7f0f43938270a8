"""Requests to answers, over an engine. Everything here blocks: call it from threads."""

from collections.abc import Mapping, Sequence
from typing import Any

from pdray.errors import PdrayError
from pdray.index.filters import Filter
from pdray.search.language import parse
from pdray.search.query import FUSION_DEPTH, Query, narrowing, search
from pdray.serve import cursor as cursors
from pdray.serve.engine import Engine
from pdray.serve.problems import Problem
from pdray.serve.shapes import (
    FACETS,
    Answer,
    Collection,
    Collections,
    FacetAnswer,
    Facets,
    FacetValue,
    Hit,
    SearchRequest,
    image_fields,
)

DEEPEST = 10_000  # the last hit that pages of a search lead to
_MOST_VALUES = 200  # of a facet


def answer(engine: Engine, asked: SearchRequest, upload: bytes | None = None) -> Answer:
    """The hits of one page."""
    collection = engine.named(asked.collection)
    question = cursors.digest(
        "search", collection, asked.text, asked.image_id, upload and cursors.digest(upload)
    )
    start, depth = 0, max(10 * asked.limit, FUSION_DEPTH)
    if asked.cursor:
        place = cursors.read(asked.cursor, question, {"start": int, "depth": int})
        start, depth = place["start"], min(place["depth"], DEEPEST)
    if start >= DEEPEST:
        raise Problem(400, "too-deep", f"A search shows {DEEPEST} hits at most.", "cursor")
    seen: dict[str, Mapping[str, Any]] = {}
    towers = engine.towers(collection, seen)
    near = None
    if asked.image_id is not None:
        near = engine.image(str(asked.image_id), with_vector=True).vector
    wanted = min(start + asked.limit + 1, DEEPEST)
    query = Query(asked.text, upload, wanted, near=near, depth=depth)
    found = search(query, towers)
    hits = found.hits[start : start + asked.limit]
    more = len(found.hits) > start + asked.limit
    return Answer(
        query=query.words,
        collection=collection,
        hits=[
            Hit(**image_fields(hit.id, seen[hit.id]), rank=hit.rank, score=hit.score)
            for hit in hits
        ],
        notes=list(found.notes),
        took_ms={stage: round(ms, 3) for stage, ms in found.took_ms.items()},
        next_cursor=(
            cursors.write(question, start=start + asked.limit, depth=depth) if more else None
        ),
        facets=(
            _facets(engine, collection, narrowing(parse(query.words or ""), towers), asked.facets)
            if asked.facets
            else None
        ),
    )


def similar(engine: Engine, id: str, limit: int) -> Answer:
    """What is like an image of its own collection, without itself."""
    stored = engine.image(id, with_vector=True)
    collection = stored.payload["collection"]
    seen: dict[str, Mapping[str, Any]] = {}
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


def facets(
    engine: Engine, text: str | None, collection: str | None, fields: Sequence[str]
) -> FacetAnswer:
    """Counts among what fulfils the conditions of a query; its free words don't narrow."""
    name = engine.named(collection)
    where = narrowing(parse(text or ""), engine.towers(name, {}))
    return FacetAnswer(
        collection=name,
        total=engine.index(name).count(name),
        facets=_facets(engine, name, where, fields or FACETS),
    )


def _facets(engine: Engine, collection: str, where: Filter, fields: Sequence[str]) -> Facets:
    for field in fields:
        if field not in FACETS:
            known = ", ".join(FACETS)
            raise Problem(400, "bad-facet", f"{field!r} can't be counted: {known} can.", "facets")
    index = engine.index(collection)
    return {
        field: [
            FacetValue(value=value, count=count)
            for value, count in index.facet(field, where, limit=_MOST_VALUES).items()
        ]
        for field in dict.fromkeys(fields)
    }


def collections(engine: Engine) -> Collections:
    """Every collection with its searchable images."""
    found = []
    for name, spec in engine.collections().items():
        images, note = None, None
        try:
            images = engine.index(name).count(name)
        except PdrayError as error:
            note = str(error)
        found.append(Collection(name=name, images=images, model=spec.name, note=note))
    return Collections(default=engine.settings.collection, collections=found)
