"""Folders that images come from, a level at a time."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool as in_thread

from pdray.serve.engine import Engine
from pdray.serve.foldering import Forest
from pdray.serve.routes.documents import Conditions, Name, routes
from pdray.serve.shapes import Folders, Limit

Within = Annotated[
    str | None, Query(max_length=4_096, description="The address of one; the roots if left out.")
]
Find = Annotated[
    str | None, Query(max_length=200, description="Names with words that begin so, at any depth.")
]


def router(engine: Engine) -> APIRouter:
    """The one route."""
    api, forest = routes("images"), Forest()

    @api.get("/folders")
    async def folders(
        q: Conditions = None,
        collection: Name = None,
        within: Within = None,
        find: Find = None,
        limit: Annotated[Limit, Query()] = 200,
        cursor: str | None = None,
    ) -> Folders:
        """The folders directly in another, by name, counted among what fulfils the conditions of
        `q`. A root that only leads to one folder is left out.
        """
        return await in_thread(forest.folders, engine, q, collection, within, find, limit, cursor)

    return api
