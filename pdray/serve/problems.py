"""Errors as RFC 9457 problem documents: a stable code, one sentence, the field at fault."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from pdray import log
from pdray.errors import (
    CatalogError,
    IndexUnavailable,
    LibraryUnavailable,
    ModelUnavailable,
    PdrayError,
    UsageError,
)

RETRY_SECONDS = 5

_TITLES = {
    400: "The request is wrong",
    401: "A key is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Not possible now",
    413: "Too large",
    415: "Unknown kind of content",
    416: "No such range",
    422: "The request is wrong",
    500: "A fault in pdray",
    503: "Not available now",
}


class ProblemDocument(BaseModel):
    """What every error answers. `code` is stable, `detail` a sentence for a person."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None


class Problem(Exception):
    """A request that can't be answered. `field` names the part of the request at fault."""

    def __init__(self, status: int, code: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.field = status, code, detail, field


LOST = Problem(503, "replica-lost", "The process that worked on it ended: try again.")


def document_of(problem: Problem) -> ProblemDocument:
    """A problem as it is answered."""
    return ProblemDocument(
        type=f"urn:pdray:{problem.code}",
        title=_TITLES.get(problem.status, "The request failed"),
        status=problem.status,
        detail=problem.detail,
        code=problem.code,
        field=problem.field,
    )


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The response of a problem; 503 says when to come back."""
    document = document_of(problem)
    more = {"Retry-After": str(RETRY_SECONDS)} if problem.status == 503 else {}
    return JSONResponse(
        document.model_dump(),
        status_code=problem.status,
        headers={**more, **(headers or {})},
        media_type="application/problem+json",
    )


def problem_of(error: Exception) -> Problem:
    """What an error of any room means to who asked."""
    match error:
        case Problem():
            return error
        case UsageError():
            return Problem(400, "bad-query", str(error), "text")
        case IndexUnavailable():
            return Problem(503, "index-unavailable", str(error))
        case LibraryUnavailable():
            return Problem(503, "library-unavailable", str(error))
        case ModelUnavailable():
            return Problem(503, "model-unavailable", str(error))
        case CatalogError() | PdrayError():
            return Problem(503, "workspace-unavailable", str(error))
        case RequestValidationError():
            return _invalid(error.errors()[0])
        case HTTPException():
            detail = f"There is nothing here: {str(error.detail).rstrip('.')}."
            if error.status_code == 405:
                detail = "What is here can't be asked in this way: see /docs."
            return Problem(error.status_code, f"http-{error.status_code}", detail)
    return Problem(500, "fault", f"A fault in pdray, {type(error).__name__}: see its log.")


def install(app: FastAPI) -> None:
    """Every error of this app becomes a problem document."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status == 500:
            log.get("serve").error("%s %s failed", request.method, request.url.path, exc_info=error)
        return respond(problem, getattr(error, "headers", None))

    for kind in (Problem, PdrayError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, handle)


def _invalid(first: Any) -> Problem:
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    name = ".".join(where) or None
    said = str(first["msg"]).rstrip(".")
    detail = f"{name}: {said}." if name else f"{said}."
    return Problem(422, "invalid", detail, name)
