"""Records of runs: what was asked when it started, and the report when it ended.

    runs/<run_id>/start.json    source, settings, host, process
    runs/<run_id>/end.json      the report; missing while a run goes on, and after a kill -9

Run ids sort by time. Secrets are never among what is recorded: callers pass what they show a user.
"""

import json
import secrets
from datetime import UTC, datetime
from typing import Any

from pdray.catalog.catalog import Catalog


def new_run_id() -> str:
    """A sortable name: UTC time to the millisecond, and six random hex digits."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{secrets.token_hex(3)}"


def start(catalog: Catalog, run_id: str, document: dict[str, Any]) -> None:
    """Records that a run began."""
    stamped = {"run_id": run_id, "started_at": _now(), **document}
    catalog.store.create(f"runs/{run_id}/start.json", json.dumps(stamped).encode())


def end(catalog: Catalog, run_id: str, report: dict[str, Any]) -> None:
    """Records a run's report."""
    stamped = {**report, "ended_at": _now()}
    catalog.store.create(f"runs/{run_id}/end.json", json.dumps(stamped).encode())


def last(catalog: Catalog, collection: str) -> dict[str, Any] | None:
    """The newest run of a collection: its start, with "report" where it ended."""
    for path in reversed(catalog.store.list("runs")):
        try:
            document: dict[str, Any] = json.loads(catalog.store.read(f"{path}/start.json"))
        except FileNotFoundError:
            continue  # killed before its first record
        if document.get("collection") != collection:
            continue
        try:
            document["report"] = json.loads(catalog.store.read(f"{path}/end.json"))
        except FileNotFoundError:
            document["report"] = None
        return document
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
