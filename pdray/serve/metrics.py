"""The figures of a server, of all its processes together.

Each process leaves its figures in a file beside the others'; whoever is asked adds them up. A file
stays when its process has ended, so that a sum never falls while the server runs.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from pdray import metrics
from pdray.index.retry import RETRIES
from pdray.metrics import SIZES, Counter, Gauge, Histogram, Samples

REQUESTS = Counter("pdray_requests_total", "Requests answered, by route and status.")
DURATION = Histogram("pdray_request_seconds", "Time to answer, by route.")
STAGES = Histogram("pdray_query_seconds", "Time of a query's stages: encode, index, total.")
CACHE = Counter("pdray_cache_total", "Queries looked up in the cache, by result.")
BATCH_SIZE = Histogram("pdray_batch_size", "Texts or images that went together.", SIZES)
LAG = Gauge("pdray_follow_lag_seconds", "Since the index was last level with the catalog.")
ALL = (REQUESTS, DURATION, STAGES, CACHE, BATCH_SIZE, LAG, RETRIES)


def clear(folder: Path) -> None:
    """Forgets what an earlier server left."""
    for path in folder.glob("*.json"):
        path.unlink(missing_ok=True)


def leave(folder: Path) -> None:
    """Leaves this process's figures for others to find."""
    found = metrics.samples(ALL)
    path = folder / f"{os.getpid()}.json"
    hidden = path.with_suffix(".new")
    hidden.write_text(json.dumps(found))
    hidden.replace(path)


def left(folder: Path | None) -> list[Samples]:
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


def render(others: Iterable[Samples] = ()) -> str:
    """All figures, this process's and these."""
    return metrics.render(ALL, [metrics.samples(ALL), *others])
