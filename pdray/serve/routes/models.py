"""Models: what serves, and what is known."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool as in_thread

from pdray.serve import modelling
from pdray.serve.collection_shapes import Models
from pdray.serve.engine import Engine
from pdray.serve.routes.documents import routes


def router(engine: Engine) -> APIRouter:
    """The one route."""
    api = routes("models")

    @api.get("/models")
    async def models() -> Models:
        """Models that serve or are on this machine, the precisions it has, and what they need."""
        return await in_thread(modelling.models, engine)

    return api
