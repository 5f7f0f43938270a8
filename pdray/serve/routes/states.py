"""Whether the server lives, and whether it can answer."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.responses import PlainTextResponse

from pdray.serve import metrics
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

    @api.get("/metrics", response_class=PlainTextResponse)
    async def prometheus() -> PlainTextResponse:
        """Figures of all the server's processes on this machine, as Prometheus reads them."""
        text = metrics.render(await in_thread(metrics.left, engine.meeting))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    return api
