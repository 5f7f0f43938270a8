"""Images: browse, show, thumbnail, original, similar."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.datastructures import Headers
from starlette.responses import Response

from pdray.serve import asking, browsing, editing
from pdray.serve.editing import Edited, ImageEdit, ImagesEdit
from pdray.serve.engine import Engine
from pdray.serve.originals import original, respond
from pdray.serve.problems import Problem
from pdray.serve.routes.documents import WRITES, Conditions, Name, failures, routes
from pdray.serve.shapes import Answer, Image, Limit, Page, Sort, Timeline, edition, image_fields

_FOREVER = "private, max-age=31536000, immutable"


def router(engine: Engine) -> APIRouter:
    """The routes of images."""
    api = routes("images")

    @api.get("/images")
    async def images(
        q: Conditions = None,
        collection: Name = None,
        sort: Sort = "newest",
        limit: Annotated[Limit, Query()] = 100,
        cursor: str | None = None,
    ) -> Page:
        """Browses: what fulfils the conditions of `q`. largest and smallest go by bytes."""
        return await in_thread(browsing.browse, engine, q, collection, sort, limit, cursor)

    @api.get("/timeline")
    async def timeline(q: Conditions = None, collection: Name = None) -> Timeline:
        """How many images were taken in each month, of those that fulfil the conditions of `q`."""
        return await in_thread(browsing.timeline, engine, q, collection)

    @api.get("/images/{id}")
    async def image(id: UUID) -> Image:
        """All that is known of one image."""
        stored = await in_thread(engine.image, str(id))
        return Image(**image_fields(stored.id, stored.payload))

    @api.patch("/images/{id}", dependencies=WRITES)
    async def edit_image(id: UUID, asked: ImageEdit) -> Image:
        """Changes tags, rating or caption, which every search goes by from then on."""
        return await in_thread(editing.edit_one, engine, str(id), asked)

    @api.post("/images/edit", dependencies=WRITES)
    async def edit_images(asked: ImagesEdit) -> Edited:
        """The same for many images: all that there are, or none."""
        ids = [str(id) for id in dict.fromkeys(asked.ids)]
        return await in_thread(editing.edit_many, engine, ids, asked)

    @api.get("/images/{id}/similar")
    async def similar(id: UUID, limit: Annotated[Limit, Query()] = 50) -> Answer:
        """What looks like it in its collection, nearest first, without itself."""
        return await in_thread(engine.settled, asking.similar, str(id), limit)

    _bytes_of(api, engine)
    return api


def _bytes_of(api: APIRouter, engine: Engine) -> None:
    """The routes that answer pictures."""
    picture: dict[int | str, dict[str, Any]] = {
        200: {"content": {"image/jpeg": {}}},
        304: {"description": "Not modified"},
    }

    @api.get("/images/{id}/thumbnail", response_class=Response, responses={**failures(), **picture})
    async def thumbnail(id: UUID, request: Request, v: str | None = None) -> Response:
        """A small JPEG. At the URL that an image names it may be kept for ever."""
        return await in_thread(_thumbnail, engine, str(id), request.headers, v)

    whole: dict[int | str, dict[str, Any]] = {
        200: {"content": {"image/*": {}}},
        206: {"description": "The range", "content": {"image/*": {}}},
        304: {"description": "Not modified"},
    }

    @api.get(
        "/images/{id}/file", response_class=Response, responses={**failures(409, 416), **whole}
    )
    async def file(id: UUID, request: Request) -> Response:
        """The original, whole or a range of it; 409 with the reason where it can't be reached."""
        return await in_thread(_file, engine, str(id), request.headers)


def _thumbnail(engine: Engine, id: str, headers: Any, version: str | None) -> Response:
    payload = engine.image(id).payload
    return picture(payload, headers, version, lambda: engine.thumbnail(payload))


def picture(
    payload: Mapping[str, Any],
    headers: Mapping[str, str],
    version: str | None,
    read: Callable[[], bytes],
) -> Response:
    """A thumbnail as it goes out. Raises Problem where there is none, or it can't be read."""
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
        data = read()
    except OSError as error:
        raise Problem(404, "no-thumbnail", f"The thumbnail can't be read: {error}.") from error
    more["X-Content-Type-Options"] = "nosniff"
    return Response(data, media_type="image/jpeg", headers=more)


def _file(engine: Engine, id: str, headers: Headers) -> Response:
    payload = engine.image(id).payload
    return respond(original(engine.settings, payload), payload, headers)
