"""The count of all fault trials of a session, which the terminal shows at the end."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from tests.faults.points import Fault


@dataclass(slots=True)
class Trial:
    """One disturbed run with the clean run after it."""

    kind: str
    kills: int = 0
    lost: int = 0
    duplicated: int = 0
    rework: int = 0  # images whose decoding began once more than needed


_TRIALS: list[Trial] = []


def counted(kind: str) -> Trial:
    """A new trial in the table."""
    _TRIALS.append(Trial(kind))
    return _TRIALS[-1]


def told() -> list[dict[str, Any]]:
    """All trials of this process, for another one's `add`."""
    return [asdict(trial) for trial in _TRIALS]


def add(trials: Iterable[dict[str, Any]]) -> None:
    """Those of another process."""
    _TRIALS.extend(Trial(**trial) for trial in trials)


def rework(faults: Iterable[Fault]) -> int:
    """How many images the runs of these faults decoded more than once, counted each time more."""
    decoded = [uri for fault in faults for uri in fault.decoded]
    return len(decoded) - len(set(decoded))


def table() -> list[str]:
    """The lines of the table."""
    if not _TRIALS:
        return []
    kinds: dict[str, list[Trial]] = defaultdict(list)
    for trial in _TRIALS:
        kinds[trial.kind].append(trial)
    head = ("trials", "kills", "lost", "duplicated", "images decoded again", "at most")
    wide = max(map(len, [*kinds, "all together"]))
    lines = [f"{'':{wide}}  {'  '.join(head)}"]
    for kind, trials in [*kinds.items(), ("all together", _TRIALS)]:
        values = (
            len(trials),
            sum(t.kills for t in trials),
            sum(t.lost for t in trials),
            sum(t.duplicated for t in trials),
            sum(t.rework for t in trials),
            max(t.rework for t in trials),
        )
        cells = (f"{value:>{len(name)}}" for name, value in zip(head, values, strict=True))
        lines.append(f"{kind:{wide}}  {'  '.join(cells)}")
    return lines
