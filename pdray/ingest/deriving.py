"""What a run makes of images that the catalog knows: captions, or vectors of another model."""

import uuid
from collections.abc import Iterator

import numpy as np

from pdray.catalog.units import Item
from pdray.catalog.view import KnownContents, live_contents
from pdray.ingest.current import Run
from pdray.ingest.origins import Origins
from pdray.ingest.spilled import Spilled
from pdray.ingest.stages import failed_row
from pdray.ingest.tally import Outcome
from pdray.records import Failure

_NAMED = 3  # of the images that can't be reached
_COUNTED = 1000  # of them at a time


def lacking(run: Run, known: KnownContents) -> Iterator[Item]:
    """One live row of each content of the collection that isn't known, by uri."""
    for rows in live_contents(run.catalog, run.collection, run.spill):
        held = known.hold(np.array([row[0] for row in rows], "S16"))
        for (content, image, uri, version, seq), here in zip(rows, held, strict=True):
            if not here:
                yield Item(uri, 0, version, seq, 0, str(uuid.UUID(bytes=image)), content.hex())


def count(items: Iterator[Item]) -> int:
    """How many there are."""
    return sum(1 for _ in items)


def reach(run: Run, items: Iterator[Item]) -> Spilled:
    """Those that can be read, with the run's sources set to read them; all are seen, the others
    count as failed and the first few are named.
    """
    origins, lost = Origins(run.settings), _Lost(run)

    def readable() -> Iterator[Item]:
        for found in origins.reach(items):
            if isinstance(found, Item):
                yield found
            else:
                lost.add(found)

    kept = Spilled.of(readable(), run.spill)
    lost.count()
    run.sources = tuple(origins.sources)
    run.report.seen += len(kept) + lost.seen
    return kept


class _Lost:
    """What no source reaches."""

    def __init__(self, run: Run) -> None:
        self.seen = 0
        self._run = run
        self._waiting: list[Failure] = []

    def add(self, failure: Failure) -> None:
        """One more."""
        if self.seen < _NAMED:
            self._run.note(f"{failure.uri} can't be read: {failure.reason}")
        self.seen += 1
        self._waiting.append(failure)
        if len(self._waiting) == _COUNTED:
            self.count()

    def count(self) -> None:
        """Counts those that wait."""
        run_id = self._run.report.run_id
        rows = [failed_row(run_id, Item(f.uri, 0, "", 0, 0), f) for f in self._waiting]
        self._run.tally.add(Outcome.of(rows))
        self._run.report.failed += len(rows)
        self._waiting.clear()
