"""Records of runs, where any process can read them while they go on.

    runs/<run_id>/start.json           what was asked: sources, settings, host, process
    runs/<run_id>/progress.json        how far it is; overwritten every few seconds
    runs/<run_id>/commands/<n>.json    pause, resume or cancel, written once by whoever asks
    runs/<run_id>/end.json             the report and how it ended; missing after a kill -9

Run ids sort by time. Secrets are never among what is recorded: callers pass what they show a user.
"""

import json
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pdray.catalog import lease
from pdray.catalog.catalog import Catalog
from pdray.errors import CatalogError, UsageError

COMMANDS = ("pause", "resume", "cancel")
LIVE = ("running", "paused", "cancelling")
_ID = len("20250102T030405.678Z-abcdef")


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its record tells it.

    state: running, paused or cancelling while it goes on; completed, cancelled or failed when it
    has ended; died where its process is gone and no end was recorded.
    """

    run_id: str
    state: str
    start: dict[str, Any]
    progress: dict[str, Any] | None = None
    report: dict[str, Any] | None = None

    @property
    def collection(self) -> str:
        """The collection that it indexed."""
        return str(self.start.get("collection", ""))

    @property
    def live(self) -> bool:
        """Whether it goes on."""
        return self.state in LIVE

    def to_json(self) -> dict[str, Any]:
        """The whole record as one document."""
        return {
            "run_id": self.run_id,
            "state": self.state,
            **{key: value for key, value in self.start.items() if key != "run_id"},
            "progress": self.progress,
            "report": self.report,
        }


def new_run_id() -> str:
    """A sortable name: UTC time to the millisecond, and six random hex digits."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{secrets.token_hex(3)}"


def start(catalog: Catalog, run_id: str, document: dict[str, Any]) -> None:
    """Records that a run began."""
    stamped = {"run_id": run_id, "started_at": _now(), **document}
    catalog.create(f"runs/{run_id}/start.json", json.dumps(stamped).encode())


def publish(catalog: Catalog, run_id: str, progress: dict[str, Any]) -> None:
    """Records how far a run is, over what was recorded before. For the run's own process only."""
    stamped = {**progress, "at": _now()}
    catalog.store.replace(f"runs/{run_id}/progress.json", json.dumps(stamped).encode())


def end(catalog: Catalog, run_id: str, report: dict[str, Any]) -> None:
    """Records a run's report. Its "state" says how it ended."""
    stamped = {**report, "ended_at": _now()}
    catalog.create(f"runs/{run_id}/end.json", json.dumps(stamped).encode())


def ask(catalog: Catalog, run_id: str, command: str) -> int:
    """Leaves a command for a run; returns its number. Two who ask at once get two numbers."""
    if command not in COMMANDS:
        raise UsageError(f"A run knows no command {command!r}: use {', '.join(COMMANDS)}.")
    document = {"command": command, "at": _now(), "host": socket.gethostname(), "pid": os.getpid()}
    number = len(catalog.store.list(_commands(run_id), ".json"))
    while True:
        number += 1
        path = f"{_commands(run_id)}/{number:06d}.json"
        if catalog.store.create(path, json.dumps(document).encode()):
            return number


def asked(catalog: Catalog, run_id: str, after: int = 0) -> list[tuple[int, str]]:
    """Commands with numbers above `after`, in order."""
    found = []
    for path in catalog.store.list(_commands(run_id), ".json"):
        number = int(path.rsplit("/", 1)[-1].split(".")[0])
        if number > after:
            found.append((number, str(json.loads(catalog.store.read(path))["command"])))
    return found


def read(catalog: Catalog, run_id: str) -> Run | None:
    """A run by its whole id; None where there is no such record."""
    begun = _document(catalog, run_id, "start")
    if begun is None:
        return None  # killed before its first record
    progress, report = _document(catalog, run_id, "progress"), _document(catalog, run_id, "end")
    if report is None and not _alive(catalog, run_id, begun):
        report = _document(catalog, run_id, "end")  # it may have ended between the two looks
        state = "died" if report is None else _ended(report)
    elif report is None:
        state = str((progress or {}).get("state", "running"))
    else:
        state = _ended(report)
    return Run(run_id, state, begun, progress, report)


def newest(catalog: Catalog, limit: int) -> list[str]:
    """The ids of the newest runs, newest first, from their listing alone."""
    return list(_ids(catalog))[-limit:][::-1]


def recent(
    catalog: Catalog, limit: int, collection: str | None = None, *, before: str | None = None
) -> list[Run]:
    """The newest runs, newest first, of one collection or of all; those before a run's id."""
    found: list[Run] = []
    for run_id in reversed(list(_ids(catalog))):
        if before is not None and run_id >= before:
            continue
        run = read(catalog, run_id)
        if run and collection in (None, run.collection):
            found.append(run)
        if len(found) == limit:
            break
    return found


def find(catalog: Catalog, short: str) -> Run:
    """The run whose id, or the six digits at the id's end, begin so. Raises UsageError."""
    matches = [i for i in _ids(catalog) if short and (i.startswith(short) or _tail(i, short))]
    run = read(catalog, matches[0]) if len(matches) == 1 else None
    if run:
        return run
    if len(matches) > 1:
        raise UsageError(
            f"{short!r} fits {len(matches)} runs, such as {matches[-1]} and {matches[-2]}: give "
            "more digits."
        )
    raise UsageError(f"There is no run {short!r} in this workspace: `pdray runs` lists them.")


def last(catalog: Catalog, collection: str) -> dict[str, Any] | None:
    """The newest run of a collection: its start and state, with "report" where it ended."""
    found = recent(catalog, 1, collection)
    if not found:
        return None
    return {**found[0].start, "state": found[0].state, "report": found[0].report}


def _alive(catalog: Catalog, run_id: str, begun: dict[str, Any]) -> bool:
    holder = lease.holder(catalog, str(begun.get("collection", "")))
    return holder is not None and holder["run_id"] == run_id


def _ended(report: dict[str, Any]) -> str:
    return str(report.get("state", "completed"))  # none was recorded before runs could be cancelled


def _ids(catalog: Catalog) -> Iterator[str]:
    for path in catalog.store.list("runs"):
        yield path.rsplit("/", 1)[-1]


def _tail(run_id: str, short: str) -> bool:
    return len(run_id) == _ID and run_id.rsplit("-", 1)[-1].startswith(short)


def _document(catalog: Catalog, run_id: str, name: str) -> dict[str, Any] | None:
    try:
        document = json.loads(catalog.store.read(f"runs/{run_id}/{name}.json"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise CatalogError(
            f"The record runs/{run_id}/{name}.json is no JSON: delete it, or restore it."
        ) from error
    return document if isinstance(document, dict) else None


def _commands(run_id: str) -> str:
    return f"runs/{run_id}/commands"


def forget(catalog: Catalog, collection: str) -> None:
    """Removes the records of a collection's runs."""
    for path in catalog.store.list("runs"):
        try:
            document = json.loads(catalog.store.read(f"{path}/start.json"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        if document.get("collection") == collection:
            # The start last: by it the rest is found again after a kill.
            files = [entry.path for entry in catalog.store.walk(path)]
            for file in sorted(files, key=lambda file: file.endswith("start.json")):
                catalog.store.delete(file)
            catalog.store.prune(path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
