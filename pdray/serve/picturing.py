"""Thumbnails of what was just found: known already, and read at once where the kernel has them.

A page asks for fifty of them after each search. A thread for each would cost more than the reading,
and reading here could stop everybody while a disk turns; so only what lies in memory is read here.
"""

import os
import re
from collections import OrderedDict
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pdray.errors import PdrayError
from pdray.serve.engine import Engine
from pdray.serve.routes.images import picture
from pdray.serve.shapes import PREFIX

_ROUTE = f"{PREFIX}/images/{{id}}/thumbnail"
_PATH = re.compile(
    rf"{PREFIX}/images/([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})/thumbnail"
)
_OPEN = 64  # packs


class Pictured:
    """Behind the gate; what it can't give at once goes on to the route. Plain ASGI."""

    def __init__(self, app: ASGIApp, engine: Engine) -> None:
        self._app, self._engine = app, engine
        self._packs = Packs()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        asked = scope["type"] == "http" and scope["method"] == "GET"
        matched = _PATH.fullmatch(scope["path"]) if asked else None
        payload = self._engine.shown(matched[1]) if matched else None
        place = (payload or {}).get("thumb")
        root = self._root() if place else None
        if payload is None or place is None or root is None:
            await self._app(scope, receive, send)
            return
        data = self._packs.read(root / place["pack"], place["offset"], place["length"])
        if data is None:
            await self._app(scope, receive, send)
            return
        scope["pdray.route"] = _ROUTE
        given = parse_qs(scope["query_string"].decode("latin-1")).get("v", [None])[0]
        response = picture(payload, Headers(scope=scope), given, lambda: data)
        await response(scope, receive, send)

    def _root(self) -> Path | None:
        """The workspace, where it is a folder."""
        try:
            return getattr(self._engine.catalog.store, "root", None)
        except PdrayError:
            return None


class Packs:
    """Packs that are held open: they are written once and never change."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, int] = OrderedDict()

    def read(self, path: Path, offset: int, length: int) -> bytes | None:
        """A part of a file, if it is in memory; None where it would have to be waited for."""
        flag = getattr(os, "RWF_NOWAIT", None)
        if flag is None:
            return None
        data = bytearray(length)
        try:
            read = os.preadv(self._handle(path), [data], offset, flag)
        except OSError:  # EAGAIN, a file system that can't say, or a pack that has gone
            return None
        return bytes(data) if read == length else None

    def _handle(self, path: Path) -> int:
        handle = self._open.get(path)
        if handle is None:
            handle = self._open[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            if len(self._open) > _OPEN:
                os.close(self._open.popitem(last=False)[1])
        self._open.move_to_end(path)
        return handle
