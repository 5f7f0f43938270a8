"""A line to a Qdrant server: the client, our bounded retry, and errors in one sentence."""

import ssl
import warnings
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from pdray import log
from pdray.errors import IndexUnavailable
from pdray.index.retry import Retry
from pdray.index.target import IndexTarget

T = TypeVar("T")

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_KEY, _GONE = frozenset({401, 403}), 404
# gRPC's codes as HTTP's: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
_STATUS = {
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
# A server that is back is found at the next try: by itself a channel waits up to two minutes.
_GRPC_OPTIONS = {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 1_000,  # which is how long a connection may take to be made
    "grpc.max_reconnect_backoff_ms": 1_000,
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Connection:
    """Calls the client, again where that may help. `place` names the server in messages."""

    def __init__(self, client: QdrantClient, place: str, retry: Retry | None = None) -> None:
        self.client, self.place, self.retry = client, place, retry or Retry()

    def call(self, action: Callable[[QdrantClient], T]) -> T:
        """What `action(client)` returns; it must be idempotent. Raises IndexUnavailable."""
        try:
            return self.retry.call(lambda: action(self.client), pause_of)
        except (ApiException, ResourceExhaustedResponse, grpc.RpcError) as error:
            raise IndexUnavailable(self._sentence(error)) from error

    def _sentence(self, error: Exception) -> str:
        if distrusted(error):
            return (
                f"The certificate of the Qdrant server at {self.place} isn't trusted "
                f"({_line(error)}): name its authority's PEM file."
            )
        status = _status(error)
        if status in _KEY:
            return (
                f"The Qdrant server at {self.place} refused the API key: check it, and that it may "
                "write."
            )
        if status == _GONE:
            return (
                f"The index was removed from the Qdrant server at {self.place} meanwhile: start "
                "again."
            )
        tries = f" after {self.retry.attempts} tries" if pause_of(error) is not None else ""
        return (
            f"The Qdrant server at {self.place} doesn't answer as it should{tries} "
            f"({_line(error)}): check that it runs and that the URL is right."
        )


def connect(target: IndexTarget, retry: Retry | None = None) -> Connection:
    """A connection to `target.url`; nothing is sent yet."""
    if target.url is None:
        raise ValueError("The target has no URL.")
    parts = urlsplit(target.url)
    if target.api_key and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        log.get("index").warning(
            "The API key travels unencrypted to the Qdrant server at %s: use https.", target.place
        )
    verify: ssl.SSLContext | bool = target.verify
    by_grpc: dict[str, Any] = {}
    try:
        if target.ca is not None and target.verify:
            verify = ssl.create_default_context(cafile=str(target.ca))
        if target.grpc_port is not None:
            by_grpc = _by_grpc(target, target.grpc_port, parts.scheme == "https")
    except OSError as error:
        raise IndexUnavailable(
            f"The certificate authority {target.ca} can't be read ({error}): name a PEM file."
        ) from error
    with warnings.catch_warnings():
        # said above, and only where it matters
        warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
        client = QdrantClient(
            url=target.url,
            api_key=target.api_key,
            timeout=round(max(1.0, target.timeout)),
            verify=verify,
            check_compatibility=False,  # a request of its own, outside our retry
            **by_grpc,
        )
    by = f" (gRPC, port {target.grpc_port})" if by_grpc else ""
    return Connection(client, target.place + by, retry or Retry(target.attempts))


def _by_grpc(target: IndexTarget, port: int, encrypted: bool) -> dict[str, Any]:
    """What makes a client speak gRPC. Raises OSError where the authority can't be read."""
    if encrypted and not target.verify:
        raise IndexUnavailable(
            f"gRPC can't leave the certificate of the Qdrant server at {target.place} unchecked: "
            "name its authority (qdrant.ca), or leave out qdrant.grpc_port."
        )
    options: dict[str, Any] = dict(_GRPC_OPTIONS)
    if target.ca is not None:
        options["root_certificates"] = target.ca.read_bytes()
    return {"prefer_grpc": True, "grpc_port": port, "grpc_options": options}


def _status(error: Exception) -> int | None:
    """The HTTP status of an answer, or what is the same in gRPC; None where there was none."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code
    return _STATUS.get(error.code(), 400) if isinstance(error, grpc.Call) else None


def pause_of(error: Exception) -> float | None:
    """Least seconds before another try, or None where another try can't help."""
    if isinstance(error, ResourceExhaustedResponse):
        return float(error.retry_after_s)
    status = _status(error)
    if distrusted(error) or (status is not None and status not in _BUSY):
        return None
    # Without a status the connection failed, broke or timed out.
    return 0.0 if isinstance(error, ApiException | grpc.RpcError) else None


def distrusted(error: BaseException | None) -> bool:
    """Whether a certificate that can't be verified is behind the error."""
    if isinstance(error, grpc.Call):
        return "CERTIFICATE_VERIFY_FAILED" in (error.details() or "")
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = getattr(error, "source", None) or error.__cause__ or error.__context__
    return False


def _line(error: Exception) -> str:
    source = error.details() if isinstance(error, grpc.Call) else getattr(error, "source", error)
    return " ".join(f"{source}".split())[:300] or type(source).__name__
