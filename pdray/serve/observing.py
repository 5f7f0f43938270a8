"""What every request leaves behind: a number in the metrics, a line in the log, an id for both."""

import logging
import re
import secrets
import sys
from pathlib import Path
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdray import log, tracing
from pdray.serve import metrics
from pdray.serve.proxying import BODY, replayed

_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_HEADER = b"x-request-id"
_access = log.get("serve.access")


class Observed:
    """Outermost: nothing that is answered escapes it. Plain ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one WebSocket from its opening to its end."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id, given = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = perf_counter(), 0
        if (body := scope.pop(BODY, None)) is not None:
            receive = replayed(body, receive)

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if not given:  # who gave it says it again by itself: Serve's proxy does
                    message["headers"] = [*message["headers"], (_HEADER, request_id.encode())]
            await send(message)

        with tracing.span("request", _caller(scope), request_id=request_id) as span:
            try:
                await self._app(scope, receive, told)
            except BaseException:
                status = status or 500  # which is answered further out
                raise
            finally:
                route = _route(scope)
                _note(scope, route, status, perf_counter() - began, request_id)
                span.say(f"{scope.get('method', 'WS')} {route}", route=route, status=status)


def _request_id(scope: Scope) -> tuple[str, bool]:
    """The caller's own, where it is one that may stand in a log; else a new one."""
    for name, value in scope["headers"]:
        if name == _HEADER and _ID.fullmatch(value):
            return str(value.decode()), True
    return secrets.token_hex(8), False


def _caller(scope: Scope) -> dict[str, str] | None:
    """What the caller says of its own span (W3C Trace Context)."""
    said = {
        name.decode(): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in (b"traceparent", b"tracestate")
    }
    return said or None


def _route(scope: Scope) -> str:
    # The route's pattern, not the path: ids would make a new series each.
    found = getattr(scope.get("route"), "path", None) or scope.get("pdray.route") or "other"
    return str(found)


def _note(scope: Scope, route: str, status: int, seconds: float, request_id: str) -> None:
    method = scope.get("method", "WS")
    metrics.REQUESTS.add(route=route, method=method, status=str(status))
    if scope["type"] == "http":
        metrics.DURATION.observe(seconds, route=route)
    level = logging.WARNING if status >= 500 or not status else logging.INFO
    if _access.isEnabledFor(level) and scope["type"] == "http":
        # The path without its query, which may hold a key or what somebody looks for.
        _access.log(
            level,
            "%s %s %d",
            method,
            scope["path"],
            status,
            extra=log.fields(
                request_id=request_id,
                method=method,
                path=scope["path"],
                route=route,
                status=status,
                ms=round(1000 * seconds, 2),
            ),
        )


def configure(path: Path | None) -> None:
    """Sends pdray's log lines as JSON to a file, every request among them; without one to standard
    error, which Ray keeps, and only what went wrong.
    """
    root = logging.getLogger("pdray")
    handler = logging.StreamHandler(sys.stderr) if path is None else log.json_file(path)
    handler.setFormatter(log.Json())
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if path is not None else logging.WARNING)
    root.propagate = False
