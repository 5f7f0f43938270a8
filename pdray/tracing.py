"""Spans for OpenTelemetry where a collector is set; without one nothing is imported or done.

Spans go by OTLP over HTTP, in batches and from a thread of their own. Sampling, headers and the
rest are said as the SDK has it: OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and so on.
"""

import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

Value = str | int | float | bool
_KNOCK_SECONDS = 2.0
_FLUSH_MS = 5_000
_EXPORT_SECONDS = 5.0
_provider: Any = None
_tracer: Any = None


def configure(url: str | None, service: str) -> str | None:
    """Sends this process's spans to a collector from now on; None: none. Gives a sentence where
    nobody answers there yet.
    """
    global _provider, _tracer
    if url is None or _provider is not None:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # Of a collector that is away it would print a traceback for each batch.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporter = OTLPSpanExporter(f"{url.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
    _provider = TracerProvider(resource=Resource.create({"service.name": service}))
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("pdray")
    return _knock(url)


def _knock(url: str) -> str | None:
    place = urlsplit(url)
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        socket.create_connection((place.hostname or "", port), _KNOCK_SECONDS).close()
    except OSError as error:
        why = error.strerror or str(error)
        return f"No collector answers at {url} ({why}): spans are lost until one does."
    return None


@contextmanager
def span(
    name: str, parent: Mapping[str, str] | None = None, **attributes: Value
) -> Iterator["Span"]:
    """A span for the block, below the one around it, or below the `traceparent` of a caller."""
    if _tracer is None:
        yield _NONE
        return
    above = None
    if parent is not None:
        from opentelemetry.propagate import extract

        above = extract(parent)
    with _tracer.start_as_current_span(name, context=above, attributes=attributes) as one:
        yield Span(one)


def record(name: str, began: float, ended: float, **attributes: Value) -> None:
    """A span that is over, below the one around; seconds since the epoch."""
    if _tracer is not None:
        one = _tracer.start_span(name, start_time=round(1e9 * began), attributes=attributes)
        one.end(round(1e9 * max(began, ended)))


def flush() -> None:
    """Sends what waits, for some seconds at most."""
    if _provider is not None:
        _provider.force_flush(_FLUSH_MS)


class Span:
    """A span that goes on."""

    def __init__(self, one: Any) -> None:
        self._one = one

    def say(self, name: str | None = None, **attributes: Value) -> None:
        """Adds attributes; renames it."""
        if self._one is not None:
            self._one.set_attributes(attributes)
            if name:
                self._one.update_name(name)


_NONE = Span(None)
