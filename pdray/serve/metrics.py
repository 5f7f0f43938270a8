"""Counts and durations of a server in Prometheus's text format, of all its processes together.

Each process leaves its figures in a file beside the others'; whoever is asked adds them up. A file
stays when its process has ended, so that a sum never falls while the server runs.
"""

import json
import os
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Counter:
    """Rises."""

    name: str
    help: str
    values: dict[Labels, float] = field(default_factory=dict)
    kind: str = "counter"

    def add(self, amount: float = 1.0, **labels: str) -> None:
        """Counts, for these labels."""
        key = tuple(labels.items())
        with _turn:
            self.values[key] = self.values.get(key, 0.0) + amount

    def samples(self) -> dict[str, float]:
        """Values by name and labels as they are written."""
        return {_named(self.name, key): value for key, value in self.values.items()}


@dataclass(slots=True)
class Histogram:
    """How many were at most so large."""

    name: str
    help: str
    bounds: Sequence[float] = _SECONDS
    values: dict[Labels, list[float]] = field(default_factory=dict)
    kind: str = "histogram"

    def observe(self, value: float, **labels: str) -> None:
        """One more, for these labels."""
        key = tuple(labels.items())
        with _turn:
            found = self.values.get(key)
            if found is None:  # a count for each bound and one beyond, then the sum
                found = self.values[key] = [0.0] * (len(self.bounds) + 2)
            found[bisect_left(self.bounds, value)] += 1
            found[-1] += value

    def samples(self) -> dict[str, float]:
        """Values by name and labels as they are written."""
        found: dict[str, float] = {}
        for key, (*counts, total) in self.values.items():
            running = 0.0
            for bound, count in zip([*map(str, self.bounds), "+Inf"], counts, strict=True):
                running += count
                found[_named(f"{self.name}_bucket", (*key, ("le", bound)))] = running
            found[_named(f"{self.name}_sum", key)] = total
            found[_named(f"{self.name}_count", key)] = running
        return found


@dataclass(slots=True)
class Gauge:
    """Is. Of several processes the largest counts, and only of those that live."""

    name: str
    help: str
    value: float | None = None
    kind: str = "gauge"

    def samples(self) -> dict[str, float]:
        """The value, where there is one."""
        return {} if self.value is None else {self.name: self.value}


_turn = threading.Lock()
REQUESTS = Counter("pdray_requests_total", "Requests answered, by route and status.")
DURATION = Histogram("pdray_request_seconds", "Time to answer, by route.")
STAGES = Histogram("pdray_query_seconds", "Time of a query's stages: encode, index, total.")
CACHE = Counter("pdray_cache_total", "Queries looked up in the cache, by result.")
BATCH_SIZE = Histogram("pdray_batch_size", "Texts or images that went together.", _SIZES)
LAG = Gauge("pdray_follow_lag_seconds", "Since the index was last level with the catalog.")
ALL = (REQUESTS, DURATION, STAGES, CACHE, BATCH_SIZE, LAG)


def clear(folder: Path) -> None:
    """Forgets what an earlier server left."""
    for path in folder.glob("*.json"):
        path.unlink(missing_ok=True)


def leave(folder: Path) -> None:
    """Leaves this process's figures for others to find."""
    with _turn:
        found = {one.name: one.samples() for one in ALL}
    path = folder / f"{os.getpid()}.json"
    hidden = path.with_suffix(".new")
    hidden.write_text(json.dumps(found))
    hidden.replace(path)


def left(folder: Path | None) -> list[Mapping[str, Mapping[str, float]]]:
    """What other processes have left; the gauges of those that ended are left out."""
    found = []
    for path in folder.glob("*.json") if folder else ():
        try:
            one = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if path.stem == str(os.getpid()):
            continue
        if not Path(f"/proc/{path.stem}").exists():
            for gauge in ALL:
                if gauge.kind == "gauge":
                    one.pop(gauge.name, None)
        found.append(one)
    return found


def render(others: Iterable[Mapping[str, Mapping[str, float]]] = ()) -> str:
    """All figures, this process's and these."""
    lines: list[str] = []
    with _turn:
        own = {one.name: one.samples() for one in ALL}
    everyone = [own, *others]
    for one in ALL:
        lines += [f"# HELP {one.name} {one.help}", f"# TYPE {one.name} {one.kind}"]
        added: dict[str, float] = {}
        for process in everyone:
            for name, value in process.get(one.name, {}).items():
                before = added.get(name, 0.0)
                added[name] = max(before, value) if one.kind == "gauge" else before + value
        lines += [f"{name} {value:g}" for name, value in added.items()]
    return "\n".join([*lines, ""])


def _named(name: str, labels: Labels) -> str:
    inner = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels)
    return f"{name}{{{inner}}}" if inner else name


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
