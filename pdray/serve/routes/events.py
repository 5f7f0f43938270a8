"""The WebSocket that tells what happens."""

import asyncio
import json
from contextlib import suppress

import anyio
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from pdray.serve.gate import Keys, given_key
from pdray.serve.happenings import Happenings
from pdray.serve.problems import Problem
from pdray.serve.shapes import PREFIX

_KEY_SECONDS = 10.0
_NO_KEY, _FULL, _SLOW = 4401, 4429, 4408

ABOUT = f"""
`WS {PREFIX}/events` tells what happens, one JSON object a message: `{{"type", "id", "at"}}` and, by
type, `run` (as GET /runs/{{id}} answers it) or `collection` (name and images). Types: `hello`
(first; from here on nothing is missed), `run`, `collection`, `collection-gone`, `edited` (people
changed what is said of `images`, which are ids), `gap` (instead of
`hello`: what came in between is lost, read everything anew). To resume, name the last id that you
saw: `?last_event_id=ID`; what was missed comes first, without a `hello` unless there was nothing.
Where a key is needed, send it as the first message, `{{"key": "..."}}`, or in the Authorization
header; never in the URL. Close codes: 4401 no or a wrong key, 4408 too slow (come back and resume),
4429 too many listen.
"""


def router(happenings: Happenings, keys: Keys) -> APIRouter:
    """The one route."""
    api = APIRouter(prefix=PREFIX)

    @api.websocket("/events")
    async def events(socket: WebSocket, last_event_id: str | None = None) -> None:
        await socket.accept()
        with suppress(WebSocketDisconnect):
            if not await _known(socket, keys):
                await socket.close(_NO_KEY)
            elif happenings.full:
                await socket.close(_FULL)
            else:
                await _serve(socket, happenings, last_event_id)

    return api


async def _known(socket: WebSocket, keys: Keys) -> bool:
    """Whether who listens may: by a header, or else by the first message."""
    given = given_key(socket.headers)
    try:
        if keys.asked_for and given is None:
            async with asyncio.timeout(_KEY_SECONDS):
                said = json.loads(await socket.receive_text())
            given = str(said["key"]).encode()
        keys.caller(given)
    except (Problem, TimeoutError, ValueError, KeyError, TypeError):
        return False
    return True


async def _serve(socket: WebSocket, happenings: Happenings, after: str | None) -> None:
    """Tells until either side ends it."""
    async with anyio.create_task_group() as both:

        async def hear() -> None:
            await _hear(socket)
            both.cancel_scope.cancel()

        both.start_soon(hear)
        with suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: it went while we sent
            async for event in happenings.listen(after):
                await socket.send_text(json.dumps(event, ensure_ascii=False))
            await socket.close(_SLOW)
        both.cancel_scope.cancel()


async def _hear(socket: WebSocket) -> None:
    """Nothing that it says counts; that it goes does."""
    while True:
        await socket.receive()
        if socket.client_state != WebSocketState.CONNECTED:
            return
