"""Collections: list."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool as in_thread

from pdray.serve import asking
from pdray.serve.engine import Engine
from pdray.serve.routes.documents import routes
from pdray.serve.shapes import Collections


def router(engine: Engine) -> APIRouter:
    """The routes of collections."""
    api = routes("collections", 409)

    @api.get("/collections")
    async def collections() -> Collections:
        """All collections."""
        return await in_thread(asking.collections, engine)

    return api
