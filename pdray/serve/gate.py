"""Who may ask: keys, the names this server answers to, and how much may be sent. Plain ASGI."""

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdray.config import Settings
from pdray.errors import UsageError
from pdray.serve.problems import Problem, respond

_OPEN = ("/healthz", "/readyz")
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HARMLESS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what they may do. Accounts will have names of their own here."""

    name: str
    may_write: bool


class Keys:
    """The keys of a server. Without any, whoever reaches it may do everything: this machine."""

    def __init__(self, settings: Settings) -> None:
        serve = settings.serve
        self._read = serve.read_key.reveal().encode() if serve.read_key else None
        self._write = serve.write_key.reveal().encode() if serve.write_key else None

    @property
    def asked_for(self) -> bool:
        """Whether a key is needed at all."""
        return bool(self._read or self._write)

    def caller(self, given: bytes | None) -> Caller:
        """Whose key it is. Raises Problem 401."""
        if not self.asked_for:
            return Caller("local", True)
        if given is None:
            raise Problem(401, "no-key", "Send your key as Authorization: Bearer KEY.")
        # Both are compared, whatever the first says, so that time tells nothing.
        writes = _same(given, self._write)
        reads = _same(given, self._read)
        if not (writes or reads):
            raise Problem(401, "wrong-key", "The key isn't known here: check it.")
        return Caller("writer" if writes else "reader", writes)


def may_write(request: Request) -> None:
    """A dependency of every route that changes something. Raises Problem 403."""
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None or not caller.may_write:
        raise Problem(403, "read-only", "This key may only look: use the key that may write.")


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
    its own name to this machine), a page of another site that would have a browser change
    something, a missing key, too large a body.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._keys = Keys(settings)
        self._most = settings.serve.upload_mb * 1_000_000
        self._any_name = not is_loopback(settings.serve.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the opening of one WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_name(headers)
            if scope["type"] == "websocket" or scope["method"] not in _HARMLESS:
                _check_origin(headers)
            if scope["type"] == "http":
                self._check(scope, headers)
        except Problem as problem:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": problem.code})
                return
            more: Mapping[str, str] = (
                {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
            )
            await respond(problem, more)(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _check_name(self, headers: Headers) -> None:
        name = headers.get("host", "")
        bare = name.rsplit(":", 1)[0] if not name.endswith("]") else name
        if not self._any_name and bare not in _LOCAL:
            raise Problem(403, "foreign-host", "This server answers to this machine's name alone.")

    def _check(self, scope: Scope, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most:
            raise self._too_large()
        if _guarded(scope["path"]):
            scope.setdefault("state", {})["caller"] = self._keys.caller(given_key(headers))

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
    return path not in _OPEN and path.startswith(("/api/", "/metrics", "/openapi.json"))


def _check_origin(headers: Headers) -> None:
    """A browser names the site whose page asks. Raises Problem where it is another than this."""
    origin = headers.get("origin")
    if origin is None:
        return
    # A page can't set the second: a proxy in front does, which has a name of its own.
    ours = (headers.get("host"), headers.get("x-forwarded-host"))
    if (origin.partition("://")[2].rstrip("/") or origin) not in ours:
        raise Problem(403, "foreign-origin", "A page of another site may not ask this here.")


def given_key(headers: Any) -> bytes | None:
    """The key that a request carries in its headers."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    found = key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    return found.encode() or None


def _same(given: bytes, key: bytes | None) -> bool:
    return hmac.compare_digest(given, key if key is not None else b"") and key is not None
