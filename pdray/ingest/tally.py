"""How far a run is, by folder and by stage: counted by the run, read by whoever watches it."""

import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pdray.ingest.report import Progress, Report
from pdray.records import Failure, ImageRecord

_FOLDERS = 50
_FOLDERS_HELD = 4096
_FAILURES = 20
_WINDOW = 60.0  # seconds that a rate looks back
_OTHERS = ("(others)",)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a unit's images: (done, failed) by the folder they lie in, and why."""

    folders: dict[str, tuple[int, int]] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()  # the first few

    @classmethod
    def of(cls, records: Iterable[ImageRecord]) -> "Outcome":
        """The outcome of a unit's rows."""
        folders: dict[str, tuple[int, int]] = {}
        failures = []
        for record in records:
            folder = record.uri.rpartition("/")[0]
            done, failed = folders.get(folder, (0, 0))
            folders[folder] = (done + 1, failed + (record.status == "failed"))
            if record.failure:
                failures.append(record.failure)
        kinds = Counter(failure.kind for failure in failures)
        return cls(folders, dict(kinds), tuple(failures[:_FAILURES]))


Counts = dict[tuple[str, ...], tuple[int, int]]


class Folders:
    """(done, failed) by folder. Shown are at most 50: folders are joined with their siblings, down
    to the first level where the paths differ, and what is too many there too goes to the others.
    """

    def __init__(self) -> None:
        self._depth: int | None = None
        self._counts: Counts = {}

    def add(self, folders: dict[str, tuple[int, int]]) -> None:
        """Adds a unit's."""
        for folder, counts in folders.items():
            _put(self._counts, tuple(folder.split("/"))[: self._depth], counts)
        if len(self._counts) > _FOLDERS_HELD:
            self._depth, self._counts = _joined(self._counts, _FOLDERS_HELD // 2)

    def to_json(self) -> list[dict[str, Any]]:
        """By name."""
        _, shown = _joined(self._counts, _FOLDERS)
        return [
            {"folder": "/".join(key), "done": done, "failed": failed}
            for key, (done, failed) in sorted(shown.items())
        ]


def _put(counts: Counts, key: tuple[str, ...], more: tuple[int, int]) -> None:
    done, failed = counts.get(key, (0, 0))
    counts[key] = (done + more[0], failed + more[1])


def _joined(counts: Counts, most: int) -> tuple[int, Counts]:
    """Counts at the deepest level with at most so many folders, and that level."""
    level = max(map(len, counts), default=0)
    least = _shared(counts) + 1
    while len(counts) > most and level > least:
        level -= 1
        shorter: Counts = {}
        for key, one in counts.items():
            _put(shorter, key[:level], one)
        counts = shorter
    if len(counts) > most:
        largest = sorted(counts, key=lambda key: (key == _OTHERS, -counts[key][0]))[: most - 1]
        kept = {key: counts[key] for key in largest if key != _OTHERS}
        for key, one in counts.items():
            if key not in kept:
                _put(kept, _OTHERS, one)
        counts = kept
    return level, counts


def _shared(counts: Counts) -> int:
    """How many leading levels all have in common."""
    keys = [key for key in counts if key != _OTHERS]
    if not keys:
        return 0
    first, last = min(keys), max(keys)
    pairs = zip(first, last, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(first), len(last)))


class Tally:
    """The counts of a run. One thread adds, another takes snapshots."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.progress = Progress("listing")
        self.active = 0.0  # seconds that the run was not paused
        self.paused = 0.0
        self.waiting = 0  # committed parts that the index beside the run has yet to take
        self._folders = Folders()
        self._kinds: Counter[str] = Counter()
        self._failures: list[Failure] = []
        self._marks: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def show(self, progress: Progress) -> None:
        """Takes over where the run is."""
        with self._lock:
            if progress.phase != self.progress.phase:
                self._marks.clear()
            self.progress = Progress(progress.phase, progress.done, progress.failed, progress.total)
            self._marks.append((self.active, progress.done))
            while self._marks[-1][0] - self._marks[0][0] > _WINDOW and len(self._marks) > 2:
                self._marks.popleft()

    def add(self, outcome: Outcome) -> None:
        """Adds what became of a unit."""
        with self._lock:
            self._folders.add(outcome.folders)
            self._kinds.update(outcome.kinds)
            self._failures += outcome.failures[: _FAILURES - len(self._failures)]

    def passed(self, seconds: float, *, paused: bool) -> None:
        """Lets time pass; what a run was paused counts in no rate."""
        if paused:
            self.paused += seconds
        else:
            self.active += seconds

    def snapshot(self, state: str) -> dict[str, Any]:
        """All of it as a JSON document. rate: images a second in the last minute, or None."""
        with self._lock:
            progress, rate = self.progress, self._rate()
            left = None if progress.total is None else max(0, progress.total - progress.done)
            counts = self.report.to_json()
            return {
                "state": state,
                "phase": progress.phase,
                "done": progress.done,
                "total": progress.total,
                "failed": progress.failed,
                "rate": None if rate is None else round(rate, 2),
                "eta_seconds": None if not rate or left is None else round(left / rate, 1),
                "active_seconds": round(self.active, 1),
                "paused_seconds": round(self.paused, 1),
                "index_waiting": self.waiting,
                "counts": {name: counts[name] for name in _COUNTS},
                "stages": counts["stages"],
                "folders": self._folders.to_json(),
                "failure_kinds": dict(self._kinds.most_common()),
                "failures": [
                    {"uri": f.uri, "kind": f.kind, "reason": f.reason} for f in self._failures
                ],
                "notes": list(self.report.notes),
            }

    def _rate(self) -> float | None:
        if len(self._marks) < 2:
            return None
        (began, first), (_, last) = self._marks[0], self._marks[-1]
        seconds = self.active - began
        return (last - first) / seconds if seconds > 0 and last > first else None


_COUNTS = (
    "seen", "indexed", "updated", "unchanged", "moved", "deleted", "failed", "reused", "embedded",
    "read",
)  # fmt: skip
