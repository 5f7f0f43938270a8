"""Result sets as files."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.responses import Response, StreamingResponse

from pdray.serve import exporting
from pdray.serve.engine import Engine
from pdray.serve.given import Images
from pdray.serve.routes.documents import failures, routes
from pdray.serve.routes.search import body_of, fetched, read
from pdray.serve.shapes import ExportRequest


def router(engine: Engine) -> APIRouter:
    """The one route."""
    api = routes("search")
    kinds = ("text/csv", "application/vnd.apache.parquet", "application/zip")
    files: dict[int | str, dict[str, Any]] = {
        200: {"description": "The file", "content": {kind: {} for kind in kinds}}
    }

    @api.post(
        "/export",
        response_class=Response,
        responses={**failures(415), **files},
        openapi_extra={"requestBody": body_of(ExportRequest)},
    )
    async def export(request: Request) -> Response:
        """What a search finds as a file: csv, parquet (with embeddings), or zip (the originals, at
        most 1,000 and 4 GB; what can't be reached is listed in left-out.txt).
        """
        asked, uploads = await read(request, ExportRequest)
        images = Images(uploads, await fetched(engine, [asked]))
        found = await in_thread(exporting.export, engine, asked, images)
        name = f'attachment; filename="{found.name}"'
        return StreamingResponse(
            found.body, media_type=found.kind, headers={"Content-Disposition": name}
        )

    return api
