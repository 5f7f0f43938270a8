"""A collector of OpenTelemetry's spans, as OTLP over HTTP has it."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(slots=True)
class Spans:
    """What came, and where it can be sent."""

    url: str = ""
    found: list[Any] = field(default_factory=list)

    def named(self, name: str) -> list[Any]:
        """Those of a name, in the order in which they ended."""
        return [one for one in self.found if one.name == name]

    def one(self, name: str) -> Any:
        """The only one of a name."""
        (found,) = self.named(name)
        return found


def said(span: Any) -> dict[str, Any]:
    """A span's attributes."""
    return {
        one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes
    }


@contextmanager
def collector() -> Iterator[Spans]:
    """One that listens here for the block."""
    spans = Spans()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans.found += scope.spans
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    spans.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield spans
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
