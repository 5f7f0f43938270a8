"""One run: what it works with, and what it has found so far."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pdray.catalog import attempts, lease
from pdray.catalog.catalog import Catalog
from pdray.catalog.units import Item
from pdray.config import Settings
from pdray.index.target import IndexTarget
from pdray.ingest.control import Control
from pdray.ingest.memory import PeakMemory
from pdray.ingest.metering import figures
from pdray.ingest.report import Progress, Report
from pdray.ingest.stages import Committed
from pdray.ingest.tally import Tally
from pdray.ingest.target import index_target
from pdray.metrics import Figure
from pdray.records import CaptionerSpec, ModelSpec
from pdray.sources.protocol import Source


@dataclass(frozen=True, slots=True)
class Options:
    """What one call of `index` asks for, beyond the settings."""

    full: bool = False
    dry_run: bool = False
    allow_deletes: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    retry_failed: bool = False
    run_id: str | None = None  # None: a new one


Watch = Callable[[Progress], None]


@dataclass(slots=True)
class Run:
    """What the phases of a run share."""

    settings: Settings
    options: Options
    catalog: Catalog
    sources: tuple[Source, ...]
    spec: ModelSpec
    report: Report
    watch: Watch
    control: Control
    tally: Tally
    began: float  # seconds since the epoch
    held: lease.Lease | None = None
    left: attempts.Left | None = None  # marks of dead attempts
    set_aside: frozenset[tuple[str, str]] = frozenset()  # see Job
    captioner: CaptionerSpec | None = None
    vectors_only: bool = False  # of images that have rows already
    heard: Callable[[Committed], None] = lambda committed: None  # of each unit, once committed
    second_pass: bool = False  # whether it describes after it has embedded, for want of memory
    memory: PeakMemory = field(default_factory=PeakMemory)

    @property
    def collection(self) -> str:
        """Which one it works on."""
        return self.settings.collection

    @property
    def spill(self) -> Path:
        """Where what memory shall not hold goes for the while."""
        return self.settings.state_dir / "tmp"

    @property
    def target(self) -> IndexTarget:
        """Where its index is."""
        return index_target(self.settings)

    def note(self, words: str) -> None:
        """Adds a sentence to the report."""
        self.report.notes.append(words)

    def show(self, progress: Progress) -> None:
        """Tells whoever watches how far it is."""
        self.tally.show(progress)
        self.watch(progress)

    def figures(self) -> list[Figure]:
        """What Prometheus is told of it."""
        return figures(self.report, self.tally.snapshot(self.control.state))

    def covers(self, uri: str) -> bool:
        """Whether one of its sources would list this uri if it were there."""
        return any(source.covers(uri) for source in self.sources)

    def read_item(self, item: Item) -> bytes:
        """All bytes of an image. Waits while the run is paused; raises RunCancelled."""
        self.control.check()
        return self.sources[item.source].read(item.uri, item.place)
