"""Who may ask: keys, the names this server answers to, and how much may be sent. Plain ASGI."""

import hmac
import ipaddress
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdray.config import Settings
from pdray.errors import UsageError
from pdray.serve.problems import Problem, respond

_OPEN = ("/healthz", "/readyz")
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check(settings: Settings) -> None:
    """Raises UsageError where anyone on the network could ask without a key."""
    serve = settings.serve
    if not is_loopback(serve.host) and not (serve.read_key or serve.write_key):
        raise UsageError(
            f"{serve.host} can be reached from other machines: set PDRAY_SERVE_WRITE_KEY, and "
            "PDRAY_SERVE_READ_KEY for those who only look, or serve at 127.0.0.1."
        )


class Gate:
    """Refuses before anything is read: a name that isn't ours (a page elsewhere may have rebound
    its own name to this machine), a missing key, too large a body.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        serve = settings.serve
        self._read = serve.read_key.reveal().encode() if serve.read_key else None
        self._write = serve.write_key.reveal().encode() if serve.write_key else None
        self._most = serve.upload_mb * 1_000_000
        self._any_name = not is_loopback(serve.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check(scope, headers)
        except Problem as problem:
            more: Mapping[str, str] = (
                {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
            )
            await respond(problem, more)(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        name = headers.get("host", "")
        bare = name.rsplit(":", 1)[0] if not name.endswith("]") else name
        if not self._any_name and bare not in _LOCAL:
            raise Problem(403, "foreign-host", "This server answers to this machine's name alone.")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most:
            raise self._too_large()
        if not (self._read or self._write) or not _guarded(scope["path"]):
            return
        given = _given(headers)
        if given is None:
            raise Problem(401, "no-key", "Send your key as Authorization: Bearer KEY.")
        # Both are compared, whatever the first says, so that time tells nothing.
        writes = _same(given, self._write)
        reads = _same(given, self._read)
        if not (writes or reads):
            raise Problem(401, "wrong-key", "The key isn't known here: check it.")
        scope.setdefault("state", {})["may_write"] = writes

    def _too_large(self) -> Problem:
        return Problem(
            413, "too-large", f"A request holds {self._most // 1_000_000} MB at most: send less."
        )

    def _counted(self, receive: Receive) -> Receive:
        got = 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > self._most:
                raise self._too_large()
            return message

        return counted


def _guarded(path: str) -> bool:
    """The API; the page and its scripts are nobody's secret."""
    return path not in _OPEN and path.startswith(("/api/", "/metrics", "/openapi.json", "/docs"))


def _given(headers: Any) -> bytes | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    found = key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    return found.encode() or None


def _same(given: bytes, key: bytes | None) -> bool:
    return hmac.compare_digest(given, key if key is not None else b"") and key is not None
