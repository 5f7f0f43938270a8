"""Counts and durations in Prometheus's text format: the kinds of figures, and how they are written.

Which figures there are is said where they rise. Standard library only.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
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

    def total(self) -> float:
        """Over all labels."""
        with _turn:
            return sum(self.values.values())

    def samples(self) -> dict[str, float]:
        """Values by name and labels as they are written."""
        return {_named(self.name, key): value for key, value in self.values.items()}


@dataclass(slots=True)
class Histogram:
    """How many were at most so large."""

    name: str
    help: str
    bounds: Sequence[float] = SECONDS
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


Figure = Counter | Histogram | Gauge
Samples = Mapping[str, Mapping[str, float]]  # by figure, then by name and labels
_turn = threading.Lock()


def samples(figures: Iterable[Figure]) -> Samples:
    """What each figure is now."""
    with _turn:
        return {one.name: one.samples() for one in figures}


def render(figures: Sequence[Figure], everyone: Iterable[Samples]) -> str:
    """These figures of several processes, added up."""
    everyone = list(everyone)
    lines: list[str] = []
    for one in figures:
        lines += [f"# HELP {one.name} {one.help}", f"# TYPE {one.name} {one.kind}"]
        added: dict[str, float] = {}
        for process in everyone:
            for name, value in process.get(one.name, {}).items():
                before = added.get(name, 0.0)
                added[name] = max(before, value) if one.kind == "gauge" else before + value
        lines += [f"{name} {value:.10g}" for name, value in added.items()]
    return "\n".join([*lines, ""])


def _named(name: str, labels: Labels) -> str:
    inner = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels)
    return f"{name}{{{inner}}}" if inner else name


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
