"""A run's figures for Prometheus while it goes on: its report and progress, under other names.

Nothing is counted here. An address tells whoever asks; on a cluster the same figures go through
Ray's own exporter (`compose.py`), which a Prometheus that watches Ray scrapes anyway.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pdray import metrics
from pdray.ingest.memory import tree_bytes
from pdray.ingest.report import Report
from pdray.metrics import Counter, Figure, Gauge

_OUTCOMES = ("indexed", "updated", "unchanged", "moved", "deleted", "failed")
_WORK = ("embedded", "reused", "captioned")


def figures(report: Report, seen: dict[str, Any]) -> list[Figure]:
    """The figures of a run's report and of a snapshot of its tally."""
    counts = asdict(report)
    images = Counter("pdray_ingest_images_total", "Images of the run, by outcome.")
    for outcome in _OUTCOMES:
        images.add(counts[outcome], outcome=outcome)
    contents = Counter("pdray_ingest_contents_total", "Contents, by what was done for them.")
    for work in _WORK:
        contents.add(counts[work], work=work)
    failures = Counter("pdray_ingest_failures_total", "Images that failed while read, by kind.")
    for kind, number in seen["failure_kinds"].items():
        failures.add(number, kind=kind)
    stages = Counter("pdray_ingest_stage_seconds_total", "Seconds of all processes, by stage.")
    for stage, seconds in seen["stages"].items():
        stages.add(seconds, stage=stage)
    plain = [
        ("read_total", "Images read, whatever came of them.", report.read),
        ("rework_total", "Of those, done again after a process died.", report.rework),
        ("bytes_total", "Bytes of images read.", report.bytes_read),
        ("index_retries_total", "Requests to the index tried again.", report.index_retries),
    ]
    found: list[Figure] = [images, contents, failures, stages]
    for name, words, value in plain:
        one = Counter(f"pdray_ingest_{name}", words)
        one.add(value)
        found.append(one)
    total = seen["total"]
    left = None if total is None else max(0, total - seen["done"])
    now = [
        ("images_left", "Images still to read: the queue.", left),
        ("index_waiting", "Committed parts that the index has yet to take.", seen["index_waiting"]),
        ("batch_size", "Images that go through the model together.", report.batch_size),
        ("gpu_memory_bytes", "The most that a process held of its GPU.", report.gpu_bytes),
        ("memory_bytes", "What all its processes on this machine hold.", tree_bytes()),
        ("paused", "1 while it is paused.", float(seen["state"] == "paused")),
    ]
    found += [Gauge(f"pdray_ingest_{name}", words, value) for name, words, value in now]
    return found


@contextmanager
def told(address: str | None, look: Callable[[], list[Figure]]) -> Iterator[str | None]:
    """Answers GET /metrics at host:port for the block with what `look` sees. Gives a sentence where
    it can't: a run goes on without.
    """
    if address is None:
        yield None
        return
    host, _, port = address.rpartition(":")
    try:
        server = ThreadingHTTPServer((host.strip("[]"), int(port)), _handler(look))
    except OSError as error:
        yield f"No figures at {address}: {error.strerror}. Give ingest.metrics another address."
        return
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="pdray-metrics", daemon=True)
    thread.start()
    try:
        yield None
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(look: Callable[[], list[Figure]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """GET /metrics, and nothing else."""

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            found = look()
            body = metrics.render(found, [metrics.samples(found)]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Standard error is the run's."""

    return Handler
