"""A line to a Qdrant server: the client, our bounded retry, and errors in one sentence."""

import ssl
import warnings
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from pdray import log
from pdray.errors import IndexUnavailable
from pdray.index.retry import Retry
from pdray.index.target import IndexTarget

T = TypeVar("T")

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Connection:
    """Calls the client, again where that may help. `place` names the server in messages."""

    def __init__(self, client: QdrantClient, place: str, retry: Retry | None = None) -> None:
        self.client, self.place, self.retry = client, place, retry or Retry()

    def call(self, action: Callable[[QdrantClient], T]) -> T:
        """What `action(client)` returns; it must be idempotent. Raises IndexUnavailable."""
        try:
            return self.retry.call(lambda: action(self.client), pause_of)
        except (ApiException, ResourceExhaustedResponse) as error:
            raise IndexUnavailable(self._sentence(error)) from error

    def _sentence(self, error: Exception) -> str:
        if distrusted(error):
            return (
                f"The certificate of the Qdrant server at {self.place} isn't trusted "
                f"({_line(error)}): name its authority's PEM file."
            )
        status = error.status_code if isinstance(error, UnexpectedResponse) else None
        if status in (401, 403):
            return (
                f"The Qdrant server at {self.place} refused the API key: check it, and that it may "
                "write."
            )
        if status == 404:
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
    if target.ca is not None and target.verify:
        try:
            verify = ssl.create_default_context(cafile=str(target.ca))
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
        )
    return Connection(client, target.place, retry or Retry(target.attempts))


def pause_of(error: Exception) -> float | None:
    """Least seconds before another try, or None where another try can't help."""
    if isinstance(error, ResourceExhaustedResponse):
        return float(error.retry_after_s)
    if isinstance(error, UnexpectedResponse):
        return 0.0 if error.status_code in _BUSY else None
    if isinstance(error, ApiException) and not distrusted(error):
        return 0.0  # the connection failed, broke or timed out
    return None


def distrusted(error: BaseException | None) -> bool:
    """Whether a certificate that can't be verified is behind the error."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = getattr(error, "source", None) or error.__cause__ or error.__context__
    return False


def _line(error: Exception) -> str:
    source = getattr(error, "source", error)
    return " ".join(f"{source}".split())[:300] or type(source).__name__
