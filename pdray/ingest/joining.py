"""A Ray to work on: one that runs already, or one started here for the while. Says in one sentence
where neither can be had.
"""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import ray

from pdray.errors import IngestError
from pdray.ingest.control import signals_kept

_MIB = 2**20
_ANSWERS_IN = 10.0  # seconds
# Nobody looks at a Ray that lives for one run: what it would tell a dashboard takes 3% of 2 cores.
_UNWATCHED = {
    "enable_metrics_collection": False,
    "enable_timeline": False,
    "task_events_report_interval_ms": 0,
}


@contextmanager
def connected(address: str | None, known_bytes: int = 0) -> Iterator[None]:
    """A connection for the block. Raises IngestError."""
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address:
        _knock(address)
        options |= {"address": address}
    else:
        # Nothing large travels where CPUs do the work, and the store is memory like any other.
        store = 256 * _MIB + 2 * known_bytes
        options |= {"address": "local", "include_dashboard": False, "object_store_memory": store}
        options["_system_config"] = _UNWATCHED
    try:
        with signals_kept():
            _join(options)
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Ray itself waits minutes for a cluster that isn't there."""
    place = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = place.hostname, place.port
    except ValueError:
        host, port = None, None
    if host is None or port is None:
        return  # "auto", or a name that Ray knows
    try:
        socket.create_connection((host, port), _ANSWERS_IN).close()
    except OSError as error:
        raise IngestError(
            f"No Ray cluster answers at {address} ({error.strerror or error}): start it, or unset "
            "ray_address to use this machine alone."
        ) from error


def _join(options: dict[str, Any]) -> None:
    try:
        ray.init(**options)
    # Whatever is wrong: ConnectionError, RuntimeError, and plain Exception where a machine is too
    # busy for Ray's parts to start in its 30 s.
    except Exception as error:
        place = options["address"]
        where = "on this machine" if place == "local" else f"at {place}"
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise IngestError(
            f"Ray can't be used {where} ({said[:200]}): nothing is lost; see that the machine "
            "isn't overloaded and run the same again."
        ) from error
