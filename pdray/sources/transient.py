"""Faults that pass by themselves: networks and servers that falter, told from broken files."""

import errno
import socket

from pdray.sources.chain import chain

# kind -> sentence. An image that failed in one of these ways is worth another try.
TRANSIENT = {
    "timeout": "The server did not answer in time.",
    "connection": "The connection to the server failed or broke off.",
    "throttled": "The server asked for fewer requests.",
    "unavailable": "The server had a fault of its own.",
}

_STATUS = {408: "timeout", 425: "unavailable", 429: "throttled", 503: "throttled"}
_ERRNO = {
    errno.ETIMEDOUT: "timeout",
    errno.ECONNRESET: "connection",
    errno.ECONNREFUSED: "connection",
    errno.ECONNABORTED: "connection",
    errno.EPIPE: "connection",
    errno.ENETUNREACH: "connection",
    errno.ENETDOWN: "connection",
    errno.EHOSTUNREACH: "connection",
    errno.EBUSY: "throttled",  # what s3fs makes of SlowDown
    getattr(errno, "EREMOTEIO", 121): "unavailable",  # and of InternalError
}
# Clients name these alike, and share no base class.
_NAMES = {
    "EndpointConnectionError": "connection",
    "ConnectionClosedError": "connection",
    "ServerDisconnectedError": "connection",
    "ClientPayloadError": "connection",
    "ClientConnectorError": "connection",
    "ClientOSError": "connection",
    "IncompleteRead": "connection",
    "IncompleteReadError": "connection",
    "ReadTimeoutError": "timeout",
    "ConnectTimeoutError": "timeout",
    "FSTimeoutError": "timeout",
    "ServerTimeoutError": "timeout",
}


def transient_kind(error: BaseException) -> str | None:
    """Which of TRANSIENT an error is, by what it says and what it came from; None: it will stay."""
    if isinstance(error, FileNotFoundError | PermissionError):
        return None
    for cause in chain(error):
        status = _status(cause)
        kind = _kind(cause) if status is None else _by_status(status)
        if kind or status is not None:
            return kind
    return None


def _by_status(status: int) -> str | None:
    if status in _STATUS:
        return _STATUS[status]
    return "unavailable" if 500 <= status < 600 and status != 501 else None


def _kind(error: BaseException) -> str | None:
    if isinstance(error, socket.gaierror):
        return "connection" if error.errno == socket.EAI_AGAIN else None
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionError):
        return "connection"
    name = _NAMES.get(type(error).__name__)
    if name:
        return name
    return _ERRNO.get(error.errno or 0) if isinstance(error, OSError) else None


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error of aiohttp, botocore, requests or gcsfs carries."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = getattr(error, "status", None) or getattr(response, "status_code", None)
        found = found or (getattr(error, "code", None) if "Http" in type(error).__name__ else None)
    return found if isinstance(found, int) and found >= 100 else None
