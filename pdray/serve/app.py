"""The HTTP API as a FastAPI app over an engine. No Ray in it: `compose.py` places it."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

import pdray
from pdray.serve import asking, page, problems
from pdray.serve.engine import Engine
from pdray.serve.gate import Gate
from pdray.serve.originals import original
from pdray.serve.problems import Problem, ProblemDocument
from pdray.serve.shapes import (
    PREFIX,
    Answer,
    Collections,
    FacetAnswer,
    Image,
    Limit,
    Page,
    SearchRequest,
    State,
    edition,
    image_fields,
)

_FOREVER = "private, max-age=31536000, immutable"
_FAILURES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": said,
        "content": {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}},
    }
    for status, said in {
        400: "The query is wrong",
        403: "Not this server's name",
        404: "There is no such thing",
        422: "The request is wrong",
        503: "Not available now; try again after Retry-After seconds",
    }.items()
}
Conditions = Annotated[
    str | None,
    Query(
        max_length=2_000, description="In the query language.", examples=["taken:2024 iso:>=800"]
    ),
]
Name = Annotated[str | None, Query(description="The server's own where it is left out.")]


def build_app(engine: Engine, dist: Path | None = None) -> FastAPI:
    """The app; `dist` is the folder of the built page, found in the package where it is None."""
    app = FastAPI(
        title="pdray",
        version=pdray.__version__,
        description="Image search by words, by example, by metadata.",
        responses=_FAILURES,
    )
    app.state.engine = engine
    problems.install(app)
    app.add_middleware(Gate, settings=engine.settings)
    _add_states(app, engine)
    _add_search(app, engine)
    _add_images(app, engine)
    page.add(app, dist)
    return app


def _add_states(app: FastAPI, engine: Engine) -> None:
    @app.get("/healthz", tags=["state"])
    async def healthz() -> State:
        """Whether the process lives."""
        return State(status="ok")

    @app.get("/readyz", tags=["state"])
    async def readyz() -> State:
        """Whether every collection can be searched; 503 with the reason while not."""
        if why := engine.why_not_ready:
            raise Problem(503, "not-ready", why)
        return State(status="ready")


def _add_search(app: FastAPI, engine: Engine) -> None:
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

    @app.post(f"{PREFIX}/search", tags=["search"], openapi_extra={"requestBody": body})
    async def search(request: Request) -> Answer:
        """Searches by text in the query language, by an image that is known or uploaded, or by
        both. A query of conditions alone answers newest first.
        """
        asked, upload = await _asked(request)
        return await in_thread(asking.answer, engine, asked, upload)

    @app.get(f"{PREFIX}/facets", tags=["search"])
    async def facets(
        q: Conditions = None,
        collection: Name = None,
        field: Annotated[list[str], Query(description="Which to count; all by default.")] = [],  # noqa: B006
    ) -> FacetAnswer:
        """Counts the values of fields among what fulfils the conditions of `q`."""
        return await in_thread(asking.facets, engine, q, collection, field)

    @app.get(f"{PREFIX}/collections", tags=["collections"])
    async def collections() -> Collections:
        """All collections."""
        return await in_thread(asking.collections, engine)


def _add_images(app: FastAPI, engine: Engine) -> None:
    @app.get(f"{PREFIX}/images", tags=["images"])
    async def images(
        q: Conditions = None,
        collection: Name = None,
        limit: Annotated[Limit, Query()] = 100,
        cursor: str | None = None,
    ) -> Page:
        """Browses: what fulfils the conditions of `q`, newest first."""
        return await in_thread(asking.browse, engine, q, collection, limit, cursor)

    @app.get(f"{PREFIX}/images/{{id}}", tags=["images"])
    async def image(id: UUID) -> Image:
        """All that is known of one image."""
        stored = await in_thread(engine.image, str(id))
        return Image(**image_fields(stored.id, stored.payload))

    @app.get(f"{PREFIX}/images/{{id}}/similar", tags=["images"])
    async def similar(id: UUID, limit: Annotated[Limit, Query()] = 50) -> Answer:
        """What looks like it in its collection, nearest first, without itself."""
        return await in_thread(asking.similar, engine, str(id), limit)

    picture: dict[int | str, dict[str, Any]] = {
        200: {"content": {"image/jpeg": {}}},
        304: {"description": "Not modified"},
    }

    @app.get(
        f"{PREFIX}/images/{{id}}/thumbnail",
        tags=["images"],
        response_class=Response,
        responses={**_FAILURES, **picture},
    )
    async def thumbnail(id: UUID, request: Request, v: str | None = None) -> Response:
        """A small JPEG. At the URL that an image names it may be kept for ever."""
        return await in_thread(_thumbnail, engine, str(id), request.headers, v)

    original_or_not: dict[int | str, dict[str, Any]] = {
        200: {"content": {"image/*": {}}},
        409: {**_FAILURES[404], "description": "The original can't be reached, and why"},
    }

    @app.get(
        f"{PREFIX}/images/{{id}}/file",
        tags=["images"],
        response_class=Response,
        responses={
            **_FAILURES,
            **original_or_not,
        },
    )
    async def file(id: UUID) -> Response:
        """The original, whole or by ranges; 409 with the reason where it can't be reached."""
        return await in_thread(_file, engine, str(id))


def _thumbnail(engine: Engine, id: str, headers: Any, version: str | None) -> Response:
    payload = engine.image(id).payload
    place = payload.get("thumb")
    if not place:
        raise Problem(404, "no-thumbnail", "This image has no thumbnail.")
    named = f"{place['pack']} {place['offset']} {place['length']}"
    etag = f'"{hashlib.sha256(named.encode()).hexdigest()[:24]}"'
    current = version == edition(payload)
    more = {"ETag": etag, "Cache-Control": _FOREVER if current else "private, no-cache"}
    if etag in headers.get("if-none-match", ""):
        return Response(status_code=304, headers=more)
    try:
        data = engine.thumbnail(payload)
    except OSError as error:
        raise Problem(404, "no-thumbnail", f"The thumbnail can't be read: {error}.") from error
    more["X-Content-Type-Options"] = "nosniff"
    return Response(data, media_type="image/jpeg", headers=more)


def _file(engine: Engine, id: str) -> Response:
    payload = engine.image(id).payload
    found = original(engine.settings, payload)
    name = str(payload.get("name") or id)
    kind = f"image/{payload.get('format', 'jpeg')}"
    safe = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}
    if isinstance(found, bytes):
        return Response(found, media_type=kind, headers=safe)
    return FileResponse(
        found,
        media_type=kind,
        filename=name,
        content_disposition_type="inline",
        headers=safe,
    )


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
