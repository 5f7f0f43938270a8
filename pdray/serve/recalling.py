"""Searches that were answered before, answered again before anything else has looked at them."""

from hashlib import blake2b
from time import perf_counter

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

import pdray
from pdray.config import Settings
from pdray.serve import metrics
from pdray.serve.cache import open_cache
from pdray.serve.engine import Engine
from pdray.serve.proxying import replayed, whole
from pdray.serve.shapes import PREFIX

SEARCH = f"{PREFIX}/search"
KEPT = "kept"  # the key in a request's state: what of its answer may be given again
_MOST = 64 * 1024  # bytes of a question
_LEAST = 0.001  # milliseconds


class Recalled:
    """Behind the gate: who may not ask gets nothing from here either. Plain ASGI."""

    def __init__(self, app: ASGIApp, engine: Engine) -> None:
        self._app, self._engine = app, engine
        self._cache = open_cache(engine.settings)
        self._flavour = _flavour(engine.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] != SEARCH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        began, version = perf_counter(), self._engine.version
        if self._cache is None or version is None or not _short(scope):
            await self._app(scope, receive, send)
            return
        body = await whole(receive)
        if body is None:
            return
        key = blake2b(self._flavour + self._engine.serving + body, digest_size=16).digest()
        kept = await self._cache.get(key, version)
        metrics.CACHE.add(result="miss" if kept is None else "hit")
        if kept is not None:
            scope["pdray.route"] = SEARCH
            took = max(_LEAST, round(1000 * (perf_counter() - began), 3))
            took_ms = f'{{"encode":0.0,"index":0.0,"total":{took}}}'.encode()
            await written(took_ms, kept, "hit")(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        await self._app(scope, replayed(body, receive), send)
        if (answer := state.get(KEPT)) is not None:
            await self._cache.put(key, version, answer)


def written(took_ms: bytes, rest: bytes, cache: str) -> Response:
    """An answer as it goes out: `rest` is its document without the timings."""
    body = b'{"took_ms":' + took_ms + b"," + rest[1:]
    return Response(body, media_type="application/json", headers={"X-Cache": cache})


def _short(scope: Scope) -> bool:
    """Whether it is a question in JSON and nothing that comes with an image."""
    headers = Headers(scope=scope)
    length = headers.get("content-length", "")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" and length.isdecimal() and int(length) <= _MOST


def _flavour(settings: Settings) -> bytes:
    """What else an answer depends on: servers that differ in it may share one Redis."""
    said = (pdray.__version__, settings.workspace, settings.collection, settings.precision)
    return repr((*said, settings.device)).encode()
