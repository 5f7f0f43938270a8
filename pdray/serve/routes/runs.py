"""Runs: start, list, show, pause, resume, cancel, failures, retry."""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from starlette.concurrency import run_in_threadpool as in_thread

from pdray.catalog import runs as records
from pdray.serve import running
from pdray.serve.engine import Engine
from pdray.serve.launching import Launcher, Wish
from pdray.serve.routes.documents import WRITES, routes
from pdray.serve.run_shapes import (
    RUN_ID,
    RunDocument,
    RunFailures,
    RunList,
    RunRequest,
)
from pdray.serve.shapes import PREFIX

_START_SECONDS = 20.0  # then the answer says that it is starting: it may fetch a model first
_HEED_SECONDS = 3.0
_LOOK_SECONDS = 0.1

_EARLY: dict[int | str, dict[str, Any]] = {202: {"model": RunDocument}}
RunId = Annotated[str, Path(pattern=RUN_ID, examples=["20250102T030405.678Z-abcdef"])]


def router(engine: Engine, launcher: Launcher) -> APIRouter:
    """The routes of runs."""
    api = routes("runs", 409)
    _showing(api, engine, launcher)
    _starting(api, engine, launcher)
    _commanding(api, engine, launcher)
    return api


def _showing(api: APIRouter, engine: Engine, launcher: Launcher) -> None:
    """What runs there are, and what became of them."""

    @api.get("/runs")
    async def list_runs(
        collection: Annotated[str | None, Query(description="Of all if left out.")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 20,
        cursor: Annotated[str | None, Query(pattern=RUN_ID)] = None,
    ) -> RunList:
        """Runs, newest first, those that go on among them."""
        return await in_thread(running.listed, engine, launcher, collection, limit, cursor)

    @api.get("/runs/{id}")
    async def show_run(id: RunId) -> RunDocument:
        """One run, live or past."""
        return await in_thread(running.shown, engine, launcher, id)

    @api.get("/runs/{id}/failures")
    async def run_failures(
        id: RunId,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        cursor: str | None = None,
    ) -> RunFailures:
        """What it could not index and no later run has, with the reasons."""
        return await in_thread(running.failures, engine, id, limit, cursor)


def _starting(api: APIRouter, engine: Engine, launcher: Launcher) -> None:
    """Runs that begin here."""

    async def _started(wish: Wish, response: Response) -> RunDocument:
        run_id = await in_thread(launcher.start, engine.catalog, wish)
        found = await _until(lambda: running.begun(engine, launcher, run_id), _START_SECONDS)
        response.headers["Location"] = f"{PREFIX}/runs/{run_id}"
        if found is None:
            response.status_code = 202
            return await in_thread(running.shown, engine, launcher, run_id)
        return found

    @api.post("/runs", status_code=201, dependencies=WRITES, responses=_EARLY)
    async def start_run(request: RunRequest, response: Response) -> RunDocument:
        """Starts to index what is new or changed in the sources. 202 where the run has no record
        yet, because it fetches its model first; 409 where the collection is being indexed.
        """
        wish = await in_thread(running.wish, engine, request)
        return await _started(wish, response)

    @api.post(
        "/runs/{id}/retry",
        status_code=201,
        dependencies=WRITES,
        responses=_EARLY,
    )
    async def retry_run(id: RunId, response: Response) -> RunDocument:
        """Starts a run over the same sources that also tries again what failed."""
        wish = await in_thread(running.again, engine, id)
        return await _started(wish, response)


def _commanding(api: APIRouter, engine: Engine, launcher: Launcher) -> None:
    """What is asked of runs that go on. After `retry`, which is no such command."""

    @api.post("/runs/{id}/{command}", dependencies=WRITES)
    async def command_run(id: RunId, command: Literal["pause", "resume", "cancel"]) -> RunDocument:
        """Asks a run that goes on: pause begins no new unit, resume goes on, cancel finishes the
        units in flight and ends. 409 where it is over.
        """
        number = await in_thread(running.ask, engine, launcher, id, command)

        def heeded() -> RunDocument | None:
            run = records.read(engine.catalog, id)
            if run and run.live and (run.progress or {}).get("heeded", 0) < number:
                return None
            return running.shown(engine, launcher, id)

        found = await _until(heeded, _HEED_SECONDS)
        if found is None:
            return await in_thread(running.shown, engine, launcher, id)
        return found


async def _until(look: Callable[[], RunDocument | None], seconds: float) -> RunDocument | None:
    """What a look finds, as soon as it finds it."""
    end = time.monotonic() + seconds
    while True:
        found = await in_thread(look)
        if found is not None or time.monotonic() > end:
            return found
        await asyncio.sleep(_LOOK_SECONDS)
