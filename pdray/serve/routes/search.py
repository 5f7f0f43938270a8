"""Search, facets, and what the search box needs."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.datastructures import UploadFile

from pdray.serve import asking
from pdray.serve.engine import Engine
from pdray.serve.problems import Problem
from pdray.serve.routes.documents import Conditions, Name, routes
from pdray.serve.shapes import Answer, FacetAnswer, SearchRequest


def router(engine: Engine) -> APIRouter:
    """The routes of search."""
    api = routes("search", 415)
    multipart = SearchRequest.model_json_schema()["properties"] | {
        "image": {"type": "string", "format": "binary", "description": "An image to look for."}
    }
    schema = {"type": "object", "properties": multipart}
    body = {
        "required": True,
        "content": {
            "application/json": {"schema": SearchRequest.model_json_schema()},
            "multipart/form-data": {"schema": schema},
        },
    }

    @api.post("/search", openapi_extra={"requestBody": body})
    async def search(request: Request) -> Answer:
        """Searches by text in the query language, by an image that is known or uploaded, or by
        both. A query of conditions alone answers newest first.
        """
        asked, upload = await _asked(request)
        return await in_thread(asking.answer, engine, asked, upload)

    @api.get("/facets")
    async def facets(
        q: Conditions = None,
        collection: Name = None,
        field: Annotated[list[str], Query(description="Which to count; all by default.")] = [],  # noqa: B006
    ) -> FacetAnswer:
        """Counts the values of fields among what fulfils the conditions of `q`."""
        return await in_thread(asking.facets, engine, q, collection, field)

    return api


async def _asked(request: Request) -> tuple[SearchRequest, bytes | None]:
    """The question in either of the two kinds of body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/json", ""):
        return _checked(await request.body() or b"{}"), None
    if kind != "multipart/form-data":
        raise Problem(415, "bad-content", "Send application/json or multipart/form-data.")
    async with request.form(max_files=1, max_fields=20) as form:
        upload = None
        fields: dict[str, Any] = {}
        for name, value in form.multi_items():
            if name == "facets":
                fields.setdefault(name, []).append(str(value))
            elif name != "image":
                fields[name] = str(value)
            elif isinstance(value, UploadFile):
                upload = await value.read()
            else:
                raise Problem(422, "invalid", "image: send it as a file.", "image")
        return _checked(json.dumps(fields).encode()), upload


def _checked(body: bytes) -> SearchRequest:
    try:
        return SearchRequest.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from error
