"""What runs in Serve's proxy, in front of the replicas: RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH.

A small body travels with its request: else the replica calls back for it, which takes as long as
the rest of the journey. And a replica that dies under a request is nobody's 500: what changes
nothing is asked again of another one, and all else is told when to try again.
"""

import asyncio
import time
from collections.abc import Callable

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdray.serve.problems import LOST, respond

BODY = "pdray.body"  # the key in the scope
_MOST = 64 * 1024  # bytes of a body that travels along
_PATIENCE = 15.0  # seconds: a replica that is started anew takes about ten
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
_SEARCH = "/api/v1/search"  # the POST that changes nothing; so does what is below it


def front() -> list[Middleware]:
    """What Serve's proxy shall have in front."""
    return [Middleware(Front)]


class Front:
    """Plain ASGI."""

    def __init__(self, app: ASGIApp, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; WebSockets pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = None
        if scope["method"] in ("GET", "HEAD"):
            body = b""
        elif _length(scope) <= _MOST:
            body = await whole(receive)
            if body is None:  # gone before it had asked
                return
        # A body that streams can't be sent twice.
        again = body is not None and _harmless(scope)
        end, pause = self._clock() + _PATIENCE, _FIRST_PAUSE
        while True:
            if await self._answered(scope, body, receive, send):
                return
            if not again or self._clock() > end:
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        await respond(LOST)(scope, receive, send)

    async def _answered(
        self, scope: Scope, body: bytes | None, receive: Receive, send: Send
    ) -> bool:
        """Whether an answer has begun."""
        begun = False

        async def told(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        if body is None:
            await self._app(scope, receive, told)
        else:
            await self._app({**scope, BODY: body}, replayed(body, receive), told)
        return begun


def replayed(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body first, then whatever comes."""
    given = False

    async def one() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return one


def _length(scope: Scope) -> int:
    """Of the body, as it is announced; what isn't announced may be endless."""
    found = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(found[0]) if found and found[0].isdigit() else _MOST + 1


async def whole(receive: Receive) -> bytes | None:
    """The body of a request; None where who asked is gone."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def _harmless(scope: Scope) -> bool:
    path = scope["path"]
    return scope["method"] in ("GET", "HEAD") or path == _SEARCH or path.startswith(f"{_SEARCH}/")
