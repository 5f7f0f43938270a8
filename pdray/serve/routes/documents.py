"""What the OpenAPI document says of errors, and what every route has in common."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Security
from fastapi.security import HTTPBearer

from pdray.serve.gate import may_write
from pdray.serve.problems import ProblemDocument
from pdray.serve.shapes import PREFIX

_SAID = {
    400: "The query is wrong",
    401: "A key is needed",
    403: "Not allowed: another site's page, a name that isn't this server's, or a reader's key",
    404: "There is no such thing",
    409: "Not possible now, and why",
    413: "Too large",
    415: "Unknown kind of content",
    416: "The range is beyond the file",
    422: "The request is wrong",
    503: "Not available now; try again after Retry-After seconds",
}
_USUAL = (400, 401, 403, 404, 413, 422, 503)

WRITES = [Depends(may_write)]
_KEY = HTTPBearer(auto_error=False, description="The server's key, where it asks for one.")

Conditions = Annotated[
    str | None,
    Query(
        max_length=2_000, description="In the query language.", examples=["taken:2024 iso:>=800"]
    ),
]
Name = Annotated[str | None, Query(description="The server's own where it is left out.")]


def failures(*statuses: int, **more: Any) -> dict[int | str, dict[str, Any]]:
    """The errors that a route answers, as FastAPI's `responses`: the usual ones and these."""
    kind = {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}}
    return {
        status: {"description": _SAID[status], "content": kind}
        for status in sorted({*_USUAL, *statuses})
    }


def routes(tag: str, *statuses: int) -> APIRouter:
    """A router below the API's prefix; `statuses` are errors beyond the usual."""
    return APIRouter(
        prefix=PREFIX, tags=[tag], responses=failures(*statuses), dependencies=[Security(_KEY)]
    )
