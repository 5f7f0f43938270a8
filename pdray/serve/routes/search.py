"""Search, facets, and what the search box needs."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.datastructures import UploadFile
from starlette.responses import Response

from pdray.serve import asking, counting, suggesting
from pdray.serve.answering import respond
from pdray.serve.batching import Batcher
from pdray.serve.engine import Engine
from pdray.serve.given import Images
from pdray.serve.problems import Problem
from pdray.serve.routes.documents import Conditions, Name, routes
from pdray.serve.shapes import (
    PARTS,
    Answer,
    BatchAnswer,
    BatchRequest,
    FacetAnswer,
    SearchRequest,
    Suggestions,
)
from pdray.serve.web_image import fetch

_MOST_URLS = 8
# Threads that answer: while one waits for the index, another has the next texts go through the
# model. With a thread a request, and texts alone together, 16 at once got two thirds as much.
_NEAR, _FAR = 2, 8  # a Qdrant server may be slow, and answers several at a time
_TOGETHER = 16  # questions
_DOCUMENTS = ("mix", "filters", "weights")  # fields of a form that are JSON

_SCHEMAS = "#/components/schemas/{model}"  # where the document keeps them: batches name them all


def router(engine: Engine) -> APIRouter:
    """The routes of search."""
    api = routes("search", 415)

    def answer_all(asked: Sequence[SearchRequest]) -> list[Answer | Exception]:
        return engine.settled(asking.answer_together, asked)

    together = Batcher(answer_all, _TOGETHER, _NEAR if engine.embedded else _FAR)
    engine.at_close(together.close)

    @api.post(
        "/search", openapi_extra={"requestBody": body_of(SearchRequest)}, response_model=Answer
    )
    async def search(request: Request) -> Response:
        """Searches by text in the query language, by images that are known, uploaded or at a URL,
        by weighted mixes of these, or by conditions alone, which answer newest first.
        """
        asked, uploads = await read(request, SearchRequest)
        if not uploads and asking.is_light(engine, asked):
            (answer,) = await asyncio.wrap_future(together.submit([asked]))
            if isinstance(answer, Exception):
                raise answer
        else:
            images = Images(uploads, await fetched(engine, [asked]))
            answer = await in_thread(engine.settled, asking.answer, asked, images)
        return respond(request, asked, not uploads, answer)

    @api.post("/search/batch")
    async def search_batch(request: BatchRequest) -> BatchAnswer:
        """Answers many questions at once: their texts go through the model together, and a Qdrant
        server is asked in one request. A question that is wrong has its problem as its answer.
        """
        by_url = await fetched(engine, request.searches)
        return await in_thread(engine.settled, asking.answer_many, request.searches, by_url)

    @api.get("/suggest")
    async def suggest(
        q: Annotated[
            str, Query(max_length=2_000, description="What is typed so far.", examples=["cam"])
        ] = "",
        collection: Name = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 12,
    ) -> Suggestions:
        """What the last word of a text may become: fields, and values that images have."""
        return await in_thread(suggesting.suggest, engine, q, collection, limit)

    @api.get("/facets")
    async def facets(
        q: Conditions = None,
        collection: Name = None,
        field: Annotated[list[str], Query(description="Which to count; all by default.")] = [],  # noqa: B006
        find: Annotated[
            str | None, Query(max_length=200, description="Values with words that begin so.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=10_000, description="Most values of a field.")] = 200,
    ) -> FacetAnswer:
        """Counts the values of fields among what fulfils the conditions of `q`."""
        return await in_thread(counting.facets, engine, q, collection, field, find, limit)

    return api


def body_of(kind: type[SearchRequest]) -> dict[str, Any]:
    """The two kinds of body that a question comes in, as OpenAPI says them."""
    schema = kind.model_json_schema(ref_template=_SCHEMAS)
    schema.pop("$defs", None)  # the document has them, since batches name them
    image = {
        "type": "array",
        "maxItems": PARTS,
        "items": {"type": "string", "format": "binary"},
        "description": "An image to look for, or several: those that the mix names by `upload`.",
    }
    form = {"type": "object", "properties": {**schema["properties"], "image": image}}
    form |= {"required": schema["required"]} if "required" in schema else {}
    kinds = {"application/json": {"schema": schema}, "multipart/form-data": {"schema": form}}
    return {"required": True, "content": kinds}


async def fetched(engine: Engine, asked: Sequence[SearchRequest]) -> dict[str, bytes]:
    """What the URLs of these questions lead to."""
    urls = {one.image_url for one in asked} | {part.image_url for one in asked for part in one.mix}
    some = sorted(url for url in urls if url is not None)
    if len(some) > _MOST_URLS:
        raise Problem(400, "too-many-urls", f"A request names {_MOST_URLS} URLs at most.")
    found = await asyncio.gather(*(fetch(engine.settings, url) for url in some))
    return dict(zip(some, found, strict=True))


Asked = TypeVar("Asked", bound=SearchRequest)


async def read(request: Request, kind: type[Asked]) -> tuple[Asked, tuple[bytes, ...]]:
    """The question in either of the two kinds of body, and the images that came with it."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent in ("application/json", ""):
        return _checked(await request.body() or b"{}", kind), ()
    if sent != "multipart/form-data":
        raise Problem(415, "bad-content", "Send application/json or multipart/form-data.")
    async with request.form(max_files=PARTS, max_fields=20) as form:
        uploads: list[bytes] = []
        fields: dict[str, Any] = {}
        for name, value in form.multi_items():
            if name == "facets":
                fields.setdefault(name, []).append(str(value))
            elif name in _DOCUMENTS:
                fields[name] = _document(name, value)
            elif name != "image":
                fields[name] = str(value)
            elif isinstance(value, UploadFile):
                uploads.append(await value.read())
            else:
                raise Problem(422, "invalid", "image: send it as a file.", "image")
        return _checked(json.dumps(fields).encode(), kind), tuple(uploads)


def _document(name: str, value: UploadFile | str) -> Any:
    try:
        return json.loads(value if isinstance(value, str) else "")
    except (ValueError, RecursionError) as error:
        raise Problem(422, "invalid", f"{name}: send it as JSON.", name) from error


def _checked(body: bytes, kind: type[Asked]) -> Asked:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from error
