"""Collections: list, create, describe, delete; and images that are sent to one."""

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.datastructures import UploadFile

from pdray.serve import collecting, uploading
from pdray.serve.collection_shapes import (
    CollectionDetails,
    CollectionRequest,
    Deleted,
    Deletion,
    Uploaded,
)
from pdray.serve.engine import Engine
from pdray.serve.launching import Launcher
from pdray.serve.problems import Problem
from pdray.serve.routes.documents import WRITES, routes
from pdray.serve.shapes import PREFIX, Collections
from pdray.serve.uploading import Sent

_MOST_FILES = 100
_DELETE_SECONDS = 60.0
_LOOK_SECONDS = 0.1

_FILES = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["files"],
                "properties": {
                    "files": {"type": "array", "items": {"type": "string", "format": "binary"}}
                },
            }
        }
    },
}

CollectionPath = Annotated[str, Path(max_length=64, examples=["default"])]


def router(engine: Engine, launcher: Launcher) -> APIRouter:
    """The routes of collections."""
    api = routes("collections", 409, 415)

    @api.get("/collections")
    async def collections() -> Collections:
        """All collections."""
        return await in_thread(collecting.listed, engine)

    @api.post("/collections", status_code=201, dependencies=WRITES)
    async def create_collection(
        request: CollectionRequest, response: Response
    ) -> CollectionDetails:
        """Makes an empty collection, for images that are sent to it or that runs index."""
        made = await in_thread(collecting.create, engine, request)
        response.headers["Location"] = f"{PREFIX}/collections/{made.name}"
        return made

    @api.get("/collections/{name}")
    async def show_collection(name: CollectionPath) -> CollectionDetails:
        """What a collection holds, and what was done last to it."""
        return await in_thread(collecting.describe, engine, name)

    _deletion(api, engine, launcher)
    _sending(api, engine, launcher)
    return api


def _deletion(api: APIRouter, engine: Engine, launcher: Launcher) -> None:
    """Deleting takes two steps."""

    @api.post("/collections/{name}/deletion", dependencies=WRITES)
    async def prepare_deletion(name: CollectionPath) -> Deletion:
        """What deleting the collection would take, and the token that confirms it. Images that
        were sent to it go too; those that lie elsewhere stay where they are.
        """
        return await in_thread(collecting.deletion, engine, name)

    @api.delete("/collections/{name}", dependencies=WRITES, responses={202: {"model": Deleted}})
    async def delete_collection(
        name: CollectionPath,
        response: Response,
        token: Annotated[str, Query(max_length=64, description="Of the deletion.")],
    ) -> Deleted:
        """Deletes a collection for good. 202 where that goes on after the answer."""
        await in_thread(collecting.confirm, engine, name, token)
        started = await in_thread(launcher.forget, name)
        end = time.monotonic() + _DELETE_SECONDS
        while started.alive and time.monotonic() < end:
            await asyncio.sleep(_LOOK_SECONDS)
        if started.alive:
            response.status_code = 202
            return Deleted(collection=name, state="deleting")
        await in_thread(engine.refresh)
        if name in engine.collections():
            raise Problem(409, "not-deleted", started.complaint)
        return Deleted(collection=name, state="deleted")


def _sending(api: APIRouter, engine: Engine, launcher: Launcher) -> None:
    """Images that come over the network."""

    @api.post(
        "/collections/{name}/images",
        status_code=202,
        dependencies=WRITES,
        openapi_extra={"requestBody": _FILES},
    )
    async def send_images(name: CollectionPath, request: Request) -> Uploaded:
        """Sends images to a collection, up to 100 a request as `files` of a form. The same bytes
        are kept once, whatever their names. A run indexes what is new.
        """
        sent = await _files(request)
        images = await in_thread(uploading.store, engine, name, sent)
        if all(one.state == "refused" for one in images):
            raise Problem(400, "no-image", images[0].reason or "It is no image.", "files")
        run = None
        if any(one.state == "stored" for one in images):
            wish = uploading.wish(engine, name)
            run = await in_thread(launcher.start_later, engine.catalog, wish)
        queued = run is None and any(one.state == "stored" for one in images)
        return Uploaded(collection=name, images=images, run=run, queued=queued)


async def _files(request: Request) -> list[Sent]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Problem(415, "bad-content", "Send multipart/form-data with files.")
    async with request.form(max_files=_MOST_FILES, max_fields=0) as form:
        found = [
            Sent(one.filename or "image", await one.read())
            for name, one in form.multi_items()
            if name == "files" and isinstance(one, UploadFile)
        ]
    if not found:
        raise Problem(422, "invalid", "files: send at least one file.", "files")
    return found
