"""Whether the server lives, and whether it can answer."""

from fastapi import APIRouter

from pdray.serve.engine import Engine
from pdray.serve.problems import Problem
from pdray.serve.routes.documents import failures
from pdray.serve.shapes import State


def router(engine: Engine) -> APIRouter:
    """The routes that ask for no key."""
    api = APIRouter(tags=["state"], responses=failures())

    @api.get("/healthz")
    async def healthz() -> State:
        """Whether the process lives."""
        return State(status="ok")

    @api.get("/readyz")
    async def readyz() -> State:
        """Whether every collection can be searched; 503 with the reason while not."""
        if why := engine.why_not_ready:
            raise Problem(503, "not-ready", why)
        return State(status="ready")

    return api
